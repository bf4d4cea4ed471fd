//! The ways of an instance: what begins, waits, proceeds and ends.

use std::time::Duration;

use serde_json::Value;

use super::{
    AutoScaling,
    group::{Ending, Group},
    way::{Arrival, Fate, Journey, Stage, Way},
};
use crate::world::terms::{ActionResult, Due, HookSpec, Present, WorldError, later, unknown, whole_seconds};

/// From an ABANDON until the instance is in the state that it stays in.
// Recorded: it still waits 0.02 to 0.16 s after the answer; 0.1 to 0.25 s on its way into a warm pool.
const STAYS_AFTER: Duration = Duration::from_millis(200);

impl AutoScaling {
    /// Sets out on a way; answers the events of the hooks that hold it.
    pub(crate) fn depart(
        &mut self,
        present: &mut Present,
        instance_id: &str,
        way: Way,
        cause: &str,
    ) -> Result<Vec<Value>, WorldError> {
        let group = self.group_of(instance_id)?.clone();
        // Recorded: a hook whose own notification target is gone does not wait. That it sends no event is assumed.
        let holds = |hook: &&HookSpec| hook.transition == way.transition() && !hook.target_is_gone;
        let hooks: Vec<HookSpec> = group.hooks.values().filter(holds).cloned().collect();
        self.set_out(present, instance_id, way, &group, !hooks.is_empty(), cause);
        let mut events = Vec::new();
        for hook in &hooks {
            let token = self.begin_action(present, instance_id, hook);
            events.push(self.lifecycle_event(present, &group, instance_id, way, hook, &token));
        }
        Ok(events)
    }

    /// A group is deleted by force. Its lifecycle actions end, and every instance in it is terminated.
    // Auto Scaling API reference, DeleteAutoScalingGroup, ForceDelete: "without waiting for all instances to be terminated.
    // This action also deletes any outstanding lifecycle actions". Recorded otherwise: hooks ran before the group was gone.
    pub(crate) fn delete_group(&mut self, present: &mut Present, name: &str) -> Result<(), WorldError> {
        let group = self.groups.remove(name).ok_or_else(|| unknown("group", name))?;
        let members: Vec<String> = self.members(name).map(|instance| instance.instance_id.clone()).collect();
        for instance_id in members {
            self.end_actions(present, &instance_id);
            self.terminate_with_group(present, &instance_id, &group);
        }
        Ok(())
    }

    fn terminate_with_group(&mut self, present: &mut Present, instance_id: &str, group: &Group) {
        let Some(instance) = self.instances.get(instance_id) else { return };
        let way = if instance.is_in_warm_pool() { Way::TerminateWarmed } else { Way::Terminate };
        match instance.journey.filter(|journey| journey.way == way) {
            Some(Journey { stage: Stage::Proceeding, .. }) => {}
            Some(_) => self.proceed(present, instance_id, way),
            None => {
                let cause = user_request_cause(present, instance_id);
                self.set_out(present, instance_id, way, group, false, &cause);
            }
        }
    }

    // Recorded: what no hook holds keeps its first state until it is gone; a state of :Proceed follows a hook only.
    fn set_out(&mut self, present: &mut Present, instance_id: &str, way: Way, group: &Group, held: bool, cause: &str) {
        self.end_journey(present, instance_id);
        let activity = self.begin_activity(present, group, way.description(instance_id), cause);
        if let Some(instance) = self.instances.get_mut(instance_id) {
            instance.journey = Some(Journey { way, stage: Stage::Begun, activity, ends_at: None });
            instance.lifecycle_state = way.begins(held);
        }
        if held {
            self.enter_stage(present, instance_id, Stage::Begun, Some(present.settings.wait_begins_after));
        } else {
            self.enter_stage(present, instance_id, Stage::Proceeding, Some(present.settings.termination_delay));
        }
    }

    /// What is due on an instance's way happens. Answers what it does to the host.
    pub(crate) fn go_on(&mut self, present: &mut Present, instance_id: &str) -> Option<Arrival> {
        let Journey { way, stage, activity, .. } = self.journey(instance_id)?;
        match stage {
            Stage::Begun => {
                self.set_lifecycle_state(instance_id, way.states().waits);
                self.hold_activity(activity, way.held_status());
                self.enter_stage(present, instance_id, Stage::Held, None);
                None
            }
            Stage::Held => None,
            Stage::Proceeding => self.arrive(present, instance_id, way),
            Stage::Retaining => {
                self.set_lifecycle_state(instance_id, way.states().retained);
                self.end_journey(present, instance_id);
                None
            }
            Stage::Rebooting => {
                self.set_lifecycle_state(instance_id, "InService");
                self.end_journey(present, instance_id);
                Some(Arrival::RootVolumeReplaced)
            }
        }
    }

    fn arrive(&mut self, present: &mut Present, instance_id: &str, way: Way) -> Option<Arrival> {
        match way {
            Way::Terminate | Way::TerminateWarmed => Some(Arrival::Gone),
            Way::ReturnToWarmPool | Way::LaunchIntoWarmPool => self.enter_warm_pool(present, instance_id),
            Way::ReplaceRootVolume => {
                self.set_lifecycle_state(instance_id, "RootVolumeReplaced");
                self.enter_stage(present, instance_id, Stage::Rebooting, Some(present.settings.termination_delay));
                Some(Arrival::RootVolumeLost)
            }
        }
    }

    /// No hook holds an instance any more.
    pub(crate) fn let_go(&mut self, present: &mut Present, instance_id: &str, token: &str, ending: Ending) {
        let Some(Journey { way, activity, .. }) = self.journey(instance_id) else { return };
        match way.fate(ending.result, self.retains(instance_id)) {
            Fate::Proceeds => self.proceed(present, instance_id, way),
            Fate::Retained => {
                self.cancel_activity(present, activity, &ending.abandoned(token));
                self.enter_stage(present, instance_id, Stage::Retaining, Some(STAYS_AFTER));
            }
            Fate::IntoWarmPool => self.enter_stage(present, instance_id, Stage::Proceeding, Some(STAYS_AFTER)),
            Fate::LaunchFailed => {
                self.cancel_activity(present, activity, &ending.abandoned(token));
                // Recorded for a launch into the group: it is terminated, and its termination hook waits, too.
                let cause = format!(
                    "At {} an instance was taken out of service in response to a launch failure.",
                    whole_seconds(present.now)
                );
                // Its events are among those of `events`; a group that is gone has none.
                let _events = self.depart(present, instance_id, Way::TerminateWarmed, &cause);
            }
        }
    }

    fn proceed(&mut self, present: &mut Present, instance_id: &str, way: Way) {
        self.set_lifecycle_state(instance_id, way.states().proceeds);
        self.enter_stage(present, instance_id, Stage::Proceeding, Some(present.settings.termination_delay));
    }

    /// Where an instance was going, and the state that a result leads to.
    pub(crate) fn consequence(&self, instance_id: &str, result: ActionResult) -> Option<(&'static str, &'static str)> {
        let way = self.journey(instance_id)?.way;
        let leads_to = match way.fate(result, self.retains(instance_id)) {
            Fate::Proceeds => way.states().proceeds,
            Fate::Retained => way.states().retained,
            Fate::IntoWarmPool => self.warmed_state(instance_id),
            Fate::LaunchFailed => Way::TerminateWarmed.begins(true),
        };
        Some((way.destination(), leads_to))
    }

    fn enter_stage(&mut self, present: &mut Present, instance_id: &str, stage: Stage, stays: Option<Duration>) {
        let Some(journey) = self.instances.get_mut(instance_id).and_then(|instance| instance.journey.as_mut()) else {
            return;
        };
        let ends_at = stays.map(|stays| later(present.now, stays));
        let before = std::mem::replace(&mut journey.ends_at, ends_at);
        journey.stage = stage;
        let due = Due::Lifecycle(instance_id.to_owned());
        if let Some(before) = before {
            present.cancel(before, due.clone());
        }
        if let Some(at) = ends_at {
            present.plan(at, due);
        }
    }

    /// An instance is on no way any more; its scaling activity has ended well unless it ended before.
    pub(crate) fn end_journey(&mut self, present: &mut Present, instance_id: &str) {
        let Some(journey) = self.instances.get_mut(instance_id).and_then(|instance| instance.journey.take()) else {
            return;
        };
        if let Some(at) = journey.ends_at {
            present.cancel(at, Due::Lifecycle(instance_id.to_owned()));
        }
        self.end_activity(present, journey.activity);
    }

    fn journey(&self, instance_id: &str) -> Option<Journey> {
        self.instances.get(instance_id)?.journey
    }

    fn retains(&self, instance_id: &str) -> bool {
        self.group_of(instance_id).is_ok_and(|group| group.retains_on_abandon)
    }

    pub(crate) fn set_lifecycle_state(&mut self, instance_id: &str, state: &'static str) {
        if let Some(instance) = self.instances.get_mut(instance_id) {
            instance.lifecycle_state = state;
        }
    }
}

// Recorded.
pub(crate) fn user_request_cause(present: &Present, instance_id: &str) -> String {
    let at = whole_seconds(present.now);
    format!("At {at} instance {instance_id} was taken out of service in response to a user request.")
}

//! How instances leave their group, and stay: what begins, waits, proceeds and ends.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    ActionResult, Due, HookSpec, WarmPoolSpec, World, WorldError,
    actions::Ending,
    later, unknown,
    way::{Fate, Journey, Stage, Way},
};

/// From an ABANDON until the instance is in the state that it stays in.
// Recorded: it still waits 0.02 to 0.16 s after the answer; 0.1 to 0.25 s on its way into a warm pool.
const STAYS_AFTER: Duration = Duration::from_millis(200);

/// An Auto Scaling group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its hooks by name.
    pub hooks: BTreeMap<String, HookSpec>,
    /// Its warm pool.
    pub warm_pool: Option<WarmPoolSpec>,
    /// Whether an instance stays when its termination is abandoned.
    pub retains_on_abandon: bool,
}

impl World {
    /// A group's hook as it stands.
    pub fn hook(&self, group: &str, name: &str) -> Option<HookSpec> {
        self.groups.get(group)?.hooks.get(name).cloned()
    }

    /// Auto Scaling begins to terminate an instance at `now`, to scale in. Answers the events it sends, one for each
    /// termination hook. It is not returned to a warm pool; see [`World::return_to_warm_pool`].
    pub fn scale_in(&mut self, instance_id: &str, now: Timestamp) -> Result<Vec<Value>, WorldError> {
        self.advance(now);
        let cause = self.scale_in_cause(instance_id, "was selected for termination.");
        self.scale_in_because(instance_id, &cause, now)
    }

    /// Auto Scaling begins to terminate an instance at `now`; its scaling activity has this cause.
    pub fn scale_in_because(
        &mut self,
        instance_id: &str,
        cause: &str,
        now: Timestamp,
    ) -> Result<Vec<Value>, WorldError> {
        self.advance(now);
        self.group_of(instance_id)?;
        if !self.is_in_service(instance_id) {
            return Err(WorldError::Terminating(instance_id.to_owned()));
        }
        self.depart(instance_id, Way::Terminate, cause)
    }

    /// A user terminates a retained instance: a new lifecycle action begins. Answers its events.
    pub fn release_retained(&mut self, instance_id: &str, now: Timestamp) -> Result<Vec<Value>, WorldError> {
        self.advance(now);
        let way = match self.lifecycle_state(instance_id) {
            Some("Terminating:Retained") => Way::Terminate,
            Some("Warmed:Pending:Retained" | "Warmed:Terminating:Retained") => Way::TerminateWarmed,
            _ => return Err(self.not_so(instance_id)),
        };
        let cause = self.user_request_cause(instance_id);
        self.depart(instance_id, way, &cause)
    }

    /// A group is deleted by force. Its lifecycle actions end, and every instance in it is terminated.
    // Auto Scaling API reference, DeleteAutoScalingGroup, ForceDelete: "without waiting for all instances to be terminated.
    // This action also deletes any outstanding lifecycle actions". Recorded otherwise: hooks ran before the group was gone.
    pub fn delete_group(&mut self, name: &str, now: Timestamp) -> Result<(), WorldError> {
        self.advance(now);
        let group = self.groups.remove(name).ok_or_else(|| unknown("group", name))?;
        let of_group = |host: &&super::Host| host.group.as_deref() == Some(name);
        let members: Vec<String> = self.hosts.values().filter(of_group).map(|host| host.instance_id.clone()).collect();
        for instance_id in members {
            self.end_actions(&instance_id);
            self.terminate_with_group(&instance_id, &group);
        }
        self.settle();
        Ok(())
    }

    fn terminate_with_group(&mut self, instance_id: &str, group: &Group) {
        let warm = (self.lifecycle_state(instance_id)).is_some_and(|state| state.starts_with("Warmed:"));
        let way = if warm { Way::TerminateWarmed } else { Way::Terminate };
        let journey = self.hosts.get(instance_id).and_then(|host| host.journey);
        match journey.filter(|journey| journey.way == way) {
            Some(Journey { stage: Stage::Proceeding, .. }) => {}
            Some(_) => self.proceed(instance_id, way),
            None => {
                let cause = self.user_request_cause(instance_id);
                self.set_out(instance_id, way, group, &[], &cause);
            }
        }
    }

    /// Sets out on a way; answers the events of the hooks that hold it.
    pub(super) fn depart(&mut self, instance_id: &str, way: Way, cause: &str) -> Result<Vec<Value>, WorldError> {
        let events = self.depart_unsettled(instance_id, way, cause)?;
        self.settle();
        Ok(events)
    }

    fn depart_unsettled(&mut self, instance_id: &str, way: Way, cause: &str) -> Result<Vec<Value>, WorldError> {
        let group = self.group_of(instance_id)?.clone();
        // Recorded: a hook whose own notification target is gone does not wait. That it sends no event is assumed.
        let holds = |hook: &&HookSpec| hook.transition == way.transition() && !hook.target_is_gone;
        let hooks: Vec<HookSpec> = group.hooks.values().filter(holds).cloned().collect();
        self.set_out(instance_id, way, &group, &hooks, cause);
        let mut events = Vec::new();
        for hook in &hooks {
            let token = self.begin_action(instance_id, hook);
            events.push(self.lifecycle_event(&group, instance_id, way, hook, &token));
        }
        Ok(events)
    }

    // Recorded: what no hook holds keeps its first state until it is gone; a state of :Proceed follows a hook only.
    fn set_out(&mut self, instance_id: &str, way: Way, group: &Group, hooks: &[HookSpec], cause: &str) {
        self.end_journey(instance_id);
        let held = !hooks.is_empty();
        let activity = self.begin_activity(group, way.description(instance_id), cause);
        if let Some(host) = self.hosts.get_mut(instance_id) {
            host.journey = Some(Journey { way, stage: Stage::Begun, activity, ends_at: None });
        }
        self.set_lifecycle_state(instance_id, way.begins(held));
        if held {
            self.enter_stage(instance_id, Stage::Begun, Some(self.settings.wait_begins_after));
        } else {
            self.enter_stage(instance_id, Stage::Proceeding, Some(self.settings.termination_delay));
        }
    }

    /// What is due on an instance's way.
    pub(super) fn go_on(&mut self, instance_id: &str) {
        let Some(Journey { way, stage, activity, .. }) = self.hosts.get(instance_id).and_then(|host| host.journey)
        else {
            return;
        };
        match stage {
            Stage::Begun => {
                self.set_lifecycle_state(instance_id, way.waits());
                self.hold_activity(activity, way.held_status());
                self.enter_stage(instance_id, Stage::Held, None);
            }
            Stage::Held => {}
            Stage::Proceeding => self.arrive(instance_id, way),
            Stage::Retaining => {
                self.set_lifecycle_state(instance_id, way.retained());
                self.end_journey(instance_id);
            }
            Stage::Rebooting => self.come_back_with_new_volume(instance_id),
        }
    }

    fn arrive(&mut self, instance_id: &str, way: Way) {
        match way {
            Way::Terminate | Way::TerminateWarmed => self.go_away(instance_id),
            Way::ReturnToWarmPool | Way::LaunchIntoWarmPool => self.enter_warm_pool(instance_id),
            Way::ReplaceRootVolume => {
                self.lose_root_volume(instance_id);
                self.set_lifecycle_state(instance_id, "RootVolumeReplaced");
                self.enter_stage(instance_id, Stage::Rebooting, Some(self.settings.termination_delay));
            }
        }
    }

    /// No hook holds an instance any more.
    pub(super) fn let_go(&mut self, instance_id: &str, token: &str, ending: Ending) {
        let Some(Journey { way, activity, .. }) = self.hosts.get(instance_id).and_then(|host| host.journey) else {
            return;
        };
        match way.fate(ending.result, self.retains(instance_id)) {
            Fate::Proceeds => self.proceed(instance_id, way),
            Fate::Retained => {
                self.cancel_activity(activity, &ending.abandoned(token));
                self.enter_stage(instance_id, Stage::Retaining, Some(STAYS_AFTER));
            }
            Fate::IntoWarmPool => self.enter_stage(instance_id, Stage::Proceeding, Some(STAYS_AFTER)),
            Fate::LaunchFailed => {
                self.cancel_activity(activity, &ending.abandoned(token));
                // Recorded for a launch into the group: it is terminated, and its termination hook waits, too.
                let cause = format!(
                    "At {} an instance was taken out of service in response to a launch failure.",
                    whole_seconds(self.now)
                );
                // Its events are among those of `lifecycle_events_since`; a group that is gone has none.
                let _events = self.depart_unsettled(instance_id, Way::TerminateWarmed, &cause);
            }
        }
    }

    fn proceed(&mut self, instance_id: &str, way: Way) {
        self.set_lifecycle_state(instance_id, way.proceeds());
        self.enter_stage(instance_id, Stage::Proceeding, Some(self.settings.termination_delay));
    }

    /// Where an instance was going, and the state that a result leads to.
    pub(super) fn consequence(&self, instance_id: &str, result: ActionResult) -> Option<(&'static str, &'static str)> {
        let way = self.hosts.get(instance_id)?.journey?.way;
        let leads_to = match way.fate(result, self.retains(instance_id)) {
            Fate::Proceeds => way.proceeds(),
            Fate::Retained => way.retained(),
            Fate::IntoWarmPool => self.warmed_state(instance_id),
            Fate::LaunchFailed => Way::TerminateWarmed.begins(true),
        };
        Some((way.destination(), leads_to))
    }

    fn enter_stage(&mut self, instance_id: &str, stage: Stage, stays: Option<Duration>) {
        let ends_at = stays.map(|stays| later(self.now, stays));
        let Some(journey) = self.hosts.get_mut(instance_id).and_then(|host| host.journey.as_mut()) else {
            return;
        };
        let before = std::mem::replace(&mut journey.ends_at, ends_at);
        journey.stage = stage;
        let due = Due::Lifecycle(instance_id.to_owned());
        if let Some(before) = before {
            self.agenda.remove(&(before, due.clone()));
        }
        if let Some(at) = ends_at {
            self.agenda.insert((at, due));
        }
    }

    /// An instance is on no way any more; its scaling activity has ended well unless it ended before.
    pub(super) fn end_journey(&mut self, instance_id: &str) {
        let Some(journey) = self.hosts.get_mut(instance_id).and_then(|host| host.journey.take()) else {
            return;
        };
        if let Some(at) = journey.ends_at {
            self.agenda.remove(&(at, Due::Lifecycle(instance_id.to_owned())));
        }
        self.end_activity(journey.activity);
    }

    fn retains(&self, instance_id: &str) -> bool {
        self.group_of(instance_id).is_ok_and(|group| group.retains_on_abandon)
    }

    pub(super) fn group_of(&self, instance_id: &str) -> Result<&Group, WorldError> {
        let host = (self.hosts.get(instance_id)).ok_or_else(|| unknown("host", instance_id))?;
        (host.group.as_deref())
            .and_then(|group| self.groups.get(group))
            .ok_or_else(|| unknown("group of host", instance_id))
    }

    pub(super) fn is_in_service(&self, instance_id: &str) -> bool {
        let host = self.hosts.get(instance_id);
        host.is_some_and(|host| host.journey.is_none() && host.lifecycle_state() == Some("InService"))
    }

    pub(super) fn not_so(&self, instance_id: &str) -> WorldError {
        match self.lifecycle_state(instance_id) {
            Some(state) => WorldError::State { instance_id: instance_id.to_owned(), state: state.to_owned() },
            None => unknown("instance", instance_id),
        }
    }

    pub(super) fn set_lifecycle_state(&mut self, instance_id: &str, state: &'static str) {
        if let Some(host) = self.hosts.get_mut(instance_id) {
            host.lifecycle_state = state;
        }
    }

    // Recorded, both sentences; what comes before them on AWS names the policy or person that changed the capacity.
    pub(super) fn scale_in_cause(&self, instance_id: &str, selected: &str) -> String {
        let group = self.hosts.get(instance_id).and_then(|host| host.group.as_deref());
        let capacity = (self.hosts.values())
            .filter(|host| host.group.as_deref() == group && host.lifecycle_state == "InService")
            .count();
        let (at, left) = (whole_seconds(self.now), capacity.saturating_sub(1));
        format!(
            "At {at} an instance was taken out of service in response to a difference between desired and actual \
             capacity, shrinking the capacity from {capacity} to {left}.  At {at} instance {instance_id} {selected}"
        )
    }

    // Recorded.
    pub(super) fn user_request_cause(&self, instance_id: &str) -> String {
        let at = whole_seconds(self.now);
        format!("At {at} instance {instance_id} was taken out of service in response to a user request.")
    }
}

/// As Auto Scaling writes times in sentences and events.
pub(super) fn whole_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

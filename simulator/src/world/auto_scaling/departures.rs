//! Why an instance sets out: scale-in, a user's request, an instance refresh, and the warm pool.

use serde_json::Value;

use super::{
    AutoScaling,
    lifecycle::user_request_cause,
    way::{Arrival, Departure, Way},
};
use crate::world::terms::{Present, WarmPoolSpec, WarmPoolState, WorldError, unknown, whole_seconds};

impl AutoScaling {
    /// Auto Scaling takes an instance away. Answers the events of the hooks that hold it.
    pub(crate) fn leave(
        &mut self,
        present: &mut Present,
        instance_id: &str,
        departure: Departure<'_>,
    ) -> Result<Vec<Value>, WorldError> {
        let is_in_service = self.is_in_service(instance_id);
        let (fits, way, cause) = match departure {
            Departure::ScaleIn | Departure::ScaleInBecause(_) => {
                self.group_of(instance_id)?;
                if !is_in_service {
                    return Err(WorldError::Terminating(instance_id.to_owned()));
                }
                let cause = match departure {
                    Departure::ScaleInBecause(cause) => cause.to_owned(),
                    _ => self.scale_in_cause(present, instance_id, "was selected for termination."),
                };
                (true, Way::Terminate, cause)
            }
            Departure::ReleaseRetained => {
                let (is_retained, way) = match self.lifecycle_state(instance_id) {
                    Some("Warmed:Pending:Retained" | "Warmed:Terminating:Retained") => (true, Way::TerminateWarmed),
                    state => (state == Some("Terminating:Retained"), Way::Terminate),
                };
                (is_retained, way, user_request_cause(present, instance_id))
            }
            Departure::ReplaceRootVolume => {
                self.group_of(instance_id)?;
                // Recorded of a refresh that replaces the instances.
                let cause = format!(
                    "At {} an instance was taken out of service in response to an instance refresh.",
                    whole_seconds(present.now)
                );
                (is_in_service, Way::ReplaceRootVolume, cause)
            }
            Departure::ReturnToWarmPool => {
                self.pool_of(instance_id)?;
                // Recorded.
                let cause = self.scale_in_cause(present, instance_id, "was selected for scale in to warm pool.");
                (is_in_service, Way::ReturnToWarmPool, cause)
            }
            Departure::TerminateWarmed => {
                (self.is_warmed(instance_id), Way::TerminateWarmed, user_request_cause(present, instance_id))
            }
        };
        if !fits {
            return Err(self.not_so(instance_id));
        }
        self.depart(present, instance_id, way, &cause)
    }

    /// A new instance, in no cluster, is launched into its group's warm pool.
    pub(crate) fn launch_into_warm_pool(
        &mut self,
        present: &mut Present,
        instance_id: &str,
    ) -> Result<Vec<Value>, WorldError> {
        // Assumed.
        let cause = format!("At {} an instance was launched into the warm pool.", whole_seconds(present.now));
        self.depart(present, instance_id, Way::LaunchIntoWarmPool, &cause)
    }

    /// Takes an instance out of the warm pool, into service at once. A launch hook does not hold it here.
    pub(crate) fn launch_from_warm_pool(&mut self, present: &mut Present, instance_id: &str) -> Result<(), WorldError> {
        if !self.is_warmed(instance_id) {
            return Err(self.not_so(instance_id));
        }
        let group = self.group_of(instance_id)?.clone();
        // Assumed, both sentences.
        let cause = format!("At {} an instance was taken out of the warm pool.", whole_seconds(present.now));
        let description = format!("Launching a new EC2 instance from warm pool: {instance_id}");
        let activity = self.begin_activity(present, &group, description, &cause);
        self.end_activity(present, activity);
        self.set_lifecycle_state(instance_id, "InService");
        Ok(())
    }

    /// It is in the pool. Answers whether it stops there.
    pub(crate) fn enter_warm_pool(&mut self, present: &mut Present, instance_id: &str) -> Option<Arrival> {
        let state = self.warmed_state(instance_id);
        self.set_lifecycle_state(instance_id, state);
        self.end_journey(present, instance_id);
        (state != WarmPoolState::Running.lifecycle_state()).then_some(Arrival::Stopped)
    }

    /// What an instance in its group's pool is.
    // An ABANDON was recorded in a pool of running instances only; elsewhere the pool's state is assumed.
    pub(crate) fn warmed_state(&self, instance_id: &str) -> &'static str {
        self.pool_of(instance_id).map_or(WarmPoolState::Running, |pool| pool.state).lifecycle_state()
    }

    /// A group that has a warm pool.
    pub(crate) fn check_pool(&self, group: &str) -> Result<(), WorldError> {
        let pool = self.groups.get(group).ok_or_else(|| unknown("group", group))?.warm_pool;
        pool.map(drop).ok_or_else(|| unknown("warm pool of group", group))
    }

    fn pool_of(&self, instance_id: &str) -> Result<WarmPoolSpec, WorldError> {
        let group = self.group_of(instance_id)?;
        group.warm_pool.ok_or_else(|| unknown("warm pool of group", &group.name))
    }

    fn is_warmed(&self, instance_id: &str) -> bool {
        let states = [WarmPoolState::Running, WarmPoolState::Stopped, WarmPoolState::Hibernated];
        let state = self.lifecycle_state(instance_id);
        state.is_some_and(|is| states.iter().any(|state| state.lifecycle_state() == is))
    }

    fn is_in_service(&self, instance_id: &str) -> bool {
        let instance = self.instances.get(instance_id);
        instance.is_some_and(|instance| instance.journey.is_none() && instance.lifecycle_state == "InService")
    }

    fn not_so(&self, instance_id: &str) -> WorldError {
        match self.lifecycle_state(instance_id) {
            Some(state) => WorldError::State { instance_id: instance_id.to_owned(), state: state.to_owned() },
            None => unknown("instance", instance_id),
        }
    }

    // Recorded, both sentences; what comes before them on AWS names the policy or person that changed the capacity.
    fn scale_in_cause(&self, present: &Present, instance_id: &str, selected: &str) -> String {
        let group = self.instances.get(instance_id).map(|instance| instance.group.as_str()).unwrap_or_default();
        let capacity = self.members(group).filter(|instance| instance.lifecycle_state == "InService").count();
        let (at, left) = (whole_seconds(present.now), capacity.saturating_sub(1));
        format!(
            "At {at} an instance was taken out of service in response to a difference between desired and actual \
             capacity, shrinking the capacity from {capacity} to {left}.  At {at} instance {instance_id} {selected}"
        )
    }
}

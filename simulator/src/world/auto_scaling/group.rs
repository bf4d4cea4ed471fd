//! Auto Scaling groups and their instances.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::way::Journey;
use crate::world::terms::{ActionResult, HookSpec, WarmPoolSpec};

/// The longest an instance can be held in a wait state, however many heartbeats come.
// Auto Scaling user guide, lifecycle hooks: 48 hours or 100 times the heartbeat timeout, whichever is smaller.
const MAX_WAIT: Duration = Duration::from_hours(48);
const MAX_WAIT_HEARTBEATS: u32 = 100;

/// The subnet of every made-up instance.
pub const SUBNET: &str = "subnet-0123456789abcdef0";

/// An Auto Scaling group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) created_at: Timestamp,
    pub(crate) hooks: BTreeMap<String, HookSpec>,
    pub(crate) warm_pool: Option<WarmPoolSpec>,
    /// Whether an instance stays when its termination is abandoned.
    pub(crate) retains_on_abandon: bool,
}

/// An instance of a group.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) instance_id: String,
    pub(crate) group: String,
    /// What Auto Scaling thinks of its health.
    pub(crate) health: String,
    pub(crate) lifecycle_state: &'static str,
    pub(crate) journey: Option<Journey>,
    /// Its lifecycle actions, by hook.
    pub(crate) actions: BTreeMap<String, Action>,
}

impl Instance {
    /// One in service.
    pub(crate) fn new(instance_id: &str, group: String) -> Instance {
        Instance {
            instance_id: instance_id.to_owned(),
            group,
            health: "Healthy".to_owned(),
            lifecycle_state: "InService",
            journey: None,
            actions: BTreeMap::new(),
        }
    }

    pub(crate) fn is_in_warm_pool(&self) -> bool {
        self.lifecycle_state.starts_with("Warmed:")
    }
}

/// A lifecycle action: an instance waits on one hook.
#[derive(Debug, Clone)]
pub(crate) struct Action {
    pub(crate) token: String,
    pub(crate) heartbeat_timeout: Duration,
    pub(crate) default_result: ActionResult,
    pub(crate) times_out_at: Timestamp,
    /// No heartbeat goes beyond this.
    pub(crate) ends_at: Timestamp,
}

/// How a request names a lifecycle action.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ActionName<'a> {
    pub(crate) group: &'a str,
    pub(crate) hook: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
}

/// How an action ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) result: ActionResult,
    pub(crate) timed_out: bool,
}

impl Ending {
    /// What the scaling activity of an abandoned instance says.
    // Recorded, both.
    pub(crate) fn abandoned(self, token: &str) -> String {
        let why = if self.timed_out { "Heartbeat Timeout" } else { "Lifecycle Action Completed with ABANDON Result" };
        format!(
            "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token {token} was abandoned: {why}"
        )
    }
}

/// The global limit of a hook's actions.
pub(crate) fn global_timeout(heartbeat_timeout: Duration) -> Duration {
    heartbeat_timeout.saturating_mul(MAX_WAIT_HEARTBEATS).min(MAX_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_global_limit_is_at_most_48_hours() {
        assert_eq!(global_timeout(Duration::from_secs(30)), Duration::from_secs(3_000));
        assert_eq!(global_timeout(Duration::from_secs(7_200)), Duration::from_hours(48));
    }
}

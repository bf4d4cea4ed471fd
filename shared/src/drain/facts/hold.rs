//! Who holds an instance's termination.

use std::time::Duration;

use jiff::Timestamp;

use crate::aws::AutoScalingInstance;
use crate::config::Overrides;
use crate::ids::{GroupName, HookName};

/// What Auto Scaling says of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Hold {
    /// When that was answered.
    pub read_at: Timestamp,
    /// What it said.
    pub by: HeldBy,
}

/// Who holds an instance's termination.
#[derive(Debug, Clone, PartialEq)]
pub enum HeldBy {
    /// No hook: it is in this state, or in no group.
    NoHook {
        /// Auto Scaling's lifecycle state.
        state: Option<String>,
    },
    /// Some termination hook, but its group has none of ours.
    Others {
        /// Its group.
        group: GroupName,
    },
    /// Some termination hook, and its group has at least one of ours. No API tells which hook it waits on.
    Ours(Ours),
}

/// A termination that our hook may be holding.
#[derive(Debug, Clone, PartialEq)]
pub struct Ours {
    /// The instance's group.
    pub group: GroupName,
    /// Our hooks on it; never empty.
    pub hooks: Vec<HookName>,
    /// The shortest of their heartbeat timeouts; none where the hooks were not asked.
    pub heartbeat_timeout: Option<Duration>,
    /// Whether the group has termination hooks that are not ours.
    pub others_hold_too: bool,
    /// Whether Auto Scaling calls the instance unhealthy.
    pub unhealthy: bool,
    /// Whether its group keeps the instance running after an ABANDON; none where the group was not asked.
    pub retains: Option<bool>,
    /// What our hooks' NotificationMetadata overrides.
    pub overrides: Overrides,
}

impl Ours {
    /// As an event told of it, in a burst: its hooks were not asked.
    #[must_use]
    pub fn told(found: &AutoScalingInstance, hook: &HookName) -> Self {
        Self {
            group: found.group.clone(),
            hooks: vec![hook.clone()],
            heartbeat_timeout: None,
            others_hold_too: false,
            unhealthy: found.unhealthy,
            retains: None,
            overrides: Overrides::default(),
        }
    }
}

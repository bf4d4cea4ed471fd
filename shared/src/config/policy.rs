//! How one drain goes, as far as settings say.

use std::time::Duration;

use serde::Deserialize;

/// AWS ends a lifecycle action after 48 h at the latest (Auto Scaling user guide, lifecycle hooks).
pub(super) const DRAIN_TIMEOUT_MAX_SECONDS: u64 = 172_800;

/// How one drain goes: what `decide` may know of the settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// From the start of the drain to its deadline.
    pub drain_timeout: Duration,
    /// What happens at the deadline.
    pub on_drain_timeout: OnDrainTimeout,
    /// What happens to tasks that no service owns.
    pub standalone_tasks: StandaloneTasks,
    /// How long before the Spot deadline stragglers are stopped.
    pub spot_stop_lead: Duration,
    /// How long an agent may be disconnected before an unhealthy host counts as gone.
    pub agent_lost: Duration,
    /// The time between two looks.
    pub pace: Pace,
    /// Read and decide, change nothing.
    pub dry_run: bool,
}

/// The shortest and longest time between two looks at an instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// The shortest, before jitter of up to a fifth.
    pub min: Duration,
    /// The longest, before the same jitter.
    pub max: Duration,
}

/// What happens at the deadline of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDrainTimeout {
    /// Stop every task gracefully, then let the termination proceed.
    StopTasks,
    /// Let the termination proceed.
    Proceed,
    /// Release with ABANDON, which also ends the other hooks' wait, and leaves a host running in a group that retains it,
    /// or on its way to a warm pool (recorded).
    Abandon,
    /// Go on waiting, for as long as AWS allows.
    Wait,
}

/// What happens to tasks that no service owns: DRAINING does not touch them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandaloneTasks {
    /// They may finish.
    Wait,
    /// They are stopped gracefully at once.
    Stop,
}

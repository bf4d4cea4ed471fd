//! A history as plain data: a world, and what happens in it. Small numbers all through, so that a failure shrinks well.

use shared::config::OnDrainTimeout;
use shared::drain::facts::departure::Destination;
use simulator::world::Operation;

/// The operations that the functions call.
pub(crate) const ASKED: [Operation; 15] = [
    Operation::ListClusters,
    Operation::ListContainerInstances,
    Operation::DescribeContainerInstances,
    Operation::UpdateContainerInstancesState,
    Operation::ListTasks,
    Operation::DescribeTasks,
    Operation::StopTask,
    Operation::DescribeServices,
    Operation::DescribeAutoScalingInstances,
    Operation::DescribeAutoScalingGroups,
    Operation::DescribeLifecycleHooks,
    Operation::DescribeScalingActivities,
    Operation::DescribeWarmPool,
    Operation::CompleteLifecycleAction,
    Operation::RecordLifecycleActionHeartbeat,
];

/// The operations that one host of many may be denied: those that IAM can deny by resource.
pub(crate) const DENIED: [Operation; 7] = [
    Operation::DescribeContainerInstances,
    Operation::UpdateContainerInstancesState,
    Operation::ListTasks,
    Operation::DescribeTasks,
    Operation::StopTask,
    Operation::CompleteLifecycleAction,
    Operation::RecordLifecycleActionHeartbeat,
];

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) world: WorldPlan,
    pub(crate) policy: PolicyPlan,
    pub(crate) hosts: Vec<HostPlan>,
    pub(crate) services: Vec<ServicePlan>,
    pub(crate) faults: Vec<FaultPlan>,
    pub(crate) outage: Option<OutagePlan>,
    /// The policy of a second stack, whose hook is the second of [`GroupPlan::TwoOfOurs`].
    pub(crate) second_stack: Option<PolicyPlan>,
    /// Whether each invocation finds a new environment.
    pub(crate) always_cold: bool,
    pub(crate) reconcile: ReconcilePlan,
    /// How long after a message is visible it is received.
    pub(crate) received_after_ms: u64,
    /// Invocations that die: which, in the order of their start, and after how many milliseconds.
    pub(crate) kills: Vec<(usize, u64)>,
    /// For ids, latencies and jitter.
    pub(crate) seed: u64,
}

impl Plan {
    /// The policy of each stack.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &PolicyPlan> {
        [&self.policy].into_iter().chain(&self.second_stack)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct WorldPlan {
    pub(crate) clusters: usize,
    /// Whether only the first cluster is watched, or all.
    pub(crate) only_first_watched: bool,
    pub(crate) list_lag_ms: u64,
    pub(crate) description_lag_ms: u64,
    pub(crate) write_answers_lag: bool,
    pub(crate) page_size: usize,
    pub(crate) empty_pages: bool,
    pub(crate) latency_ms: u64,
    pub(crate) quotas: bool,
    pub(crate) hook_timeout_s: u64,
    /// A batch of so many events counts as full: worlds are small.
    pub(crate) full_batch: usize,
    /// How long after it began a termination's state says that it waits.
    pub(crate) waits_after_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutagePlan {
    pub(crate) begins_at_s: u64,
    pub(crate) lasts_s: u64,
    /// How AWS does not answer.
    pub(crate) silence: Harm,
    /// Whether Auto Scaling answers all the time.
    pub(crate) of_ecs_alone: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct PolicyPlan {
    pub(crate) drain_timeout_s: u64,
    pub(crate) on_drain_timeout: OnDrainTimeout,
    pub(crate) stop_standalone: bool,
    pub(crate) agent_lost_s: u64,
    pub(crate) spot_stop_lead_s: u64,
    /// What the hook of [`GroupPlan::Overriding`] says instead.
    pub(crate) overrides: OverridesPlan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverridesPlan {
    pub(crate) drain_timeout_s: u64,
    pub(crate) on_drain_timeout: OnDrainTimeout,
    /// The cluster in which to look first, if it names one, modulo their number; a wrong one, perhaps.
    pub(crate) cluster: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct HostPlan {
    /// In which cluster, modulo their number.
    pub(crate) cluster: Option<usize>,
    pub(crate) leaves_at_s: u64,
    /// How long after that each copy of the event comes; none if it is lost.
    pub(crate) events_after_s: Vec<u64>,
    pub(crate) group: GroupPlan,
    /// Where it goes when it leaves.
    pub(crate) to: Destination,
    /// Where it was registered before, besides.
    pub(crate) registered_too: Option<RegisteredToo>,
    /// When its agent registers it anew, after it leaves.
    pub(crate) registers_anew: Option<RegistersAnew>,
    /// The state that its container instance is in when the history begins.
    pub(crate) odd_state: Option<OddState>,
    /// What its `pendingTasksCount` is wrong by.
    pub(crate) miscount: Option<i64>,
    /// From when on requests that name its container instance or its tasks are denied: one of [`DENIED`], by its place.
    pub(crate) denied: Option<(usize, u64)>,
    /// Tasks that no service owns: when they end by themselves, and how long they take to stop, in seconds.
    pub(crate) jobs: Vec<(Option<u64>, u64)>,
    /// A task that is placed on it about when it leaves, while it is ACTIVE.
    pub(crate) placed_last: Option<PlacedLast>,
    /// When its agent is disconnected, after it leaves.
    pub(crate) lost: Option<AgentLost>,
    /// When an operator deregisters its container instance, after it leaves.
    pub(crate) deregistered_after_s: Option<u64>,
    /// When an operator sets it ACTIVE again, after it leaves.
    pub(crate) undrained_after_s: Option<u64>,
    /// How long before the history an earlier drain of it began, that left all of its attributes.
    pub(crate) drained_before_s: Option<u64>,
    /// Whether it is a Spot instance that EC2 interrupts.
    pub(crate) interrupted: Option<InterruptionPlan>,
}

impl HostPlan {
    /// Whether Auto Scaling terminates it.
    pub(crate) fn is_scaled_in(&self) -> bool {
        self.interrupted.as_ref().is_none_or(|interruption| interruption.scaled_in_too)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InterruptionPlan {
    pub(crate) noticed_at_s: u64,
    /// How long after that each copy of the notice is sent to the queue; none if it is lost.
    pub(crate) sent_after_s: Vec<u64>,
    /// Whether Auto Scaling terminates the host, too, before or after it.
    pub(crate) scaled_in_too: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AgentLost {
    pub(crate) after_s: u64,
    /// Whether Auto Scaling finds it unhealthy.
    pub(crate) unhealthy: bool,
    /// When it is connected again.
    pub(crate) back_after_s: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegisteredToo {
    pub(crate) in_next_cluster: bool,
    /// Whether a task there reads RUNNING for ever, though nothing runs there any more.
    pub(crate) phantom: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegistersAnew {
    pub(crate) after_s: u64,
    pub(crate) in_next_cluster: bool,
    /// A task is placed there: when it ends by itself, and how long it takes to stop, in seconds.
    pub(crate) job: (Option<u64>, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlacedLast {
    /// From six seconds before it leaves.
    pub(crate) after_ms: u64,
    /// When it ends by itself, and how long it takes to stop, in seconds.
    pub(crate) job: (Option<u64>, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OddState {
    pub(crate) state: &'static str,
    /// When it becomes ACTIVE, if it does.
    pub(crate) until_s: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupPlan {
    Ours,
    /// With two hooks that are both ours.
    TwoOfOurs,
    /// With a hook whose NotificationMetadata overrides the settings.
    Overriding,
    /// Ours beside another's hook, which is completed so many seconds after the host leaves.
    OursAndTheirs(u64),
    Theirs,
}

#[derive(Debug, Clone)]
pub(crate) struct ServicePlan {
    pub(crate) cluster: usize,
    pub(crate) desired: usize,
    pub(crate) minimum_healthy_percent: u32,
    pub(crate) maximum_percent: u32,
    pub(crate) daemon: bool,
    pub(crate) deregistration_s: Option<u64>,
    pub(crate) stop_task_waits: bool,
    pub(crate) start_s: u64,
    pub(crate) stop_s: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct FaultPlan {
    /// One of [`ASKED`], by its place; none for the next that comes, of any kind.
    pub(crate) operation: Option<usize>,
    pub(crate) after: u32,
    pub(crate) times: u32,
    pub(crate) kind: Harm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    Throttle,
    ServerError,
    AccessDenied,
    DropConnection,
    LoseAnswer,
    Slow,
}

#[derive(Debug, Clone)]
pub(crate) struct ReconcilePlan {
    pub(crate) phase_s: u64,
    pub(crate) jitter_ms: u64,
    /// Minutes in which it is not woken.
    pub(crate) skipped: Vec<usize>,
    /// From which minute on it is not woken, for this percentage of the hook's timeout. It finds a new environment then.
    pub(crate) away: Option<(usize, u64)>,
    /// How long after each minute it is woken once more.
    pub(crate) doubled_after_s: Option<u64>,
}

impl ReconcilePlan {
    /// The first minute after it was away.
    pub(crate) fn back_at(&self, hook_timeout_s: u64) -> Option<usize> {
        let away = self.away_minutes(hook_timeout_s);
        let back = (away.end..).find(|minute| !self.skipped.contains(minute));
        back.filter(|_| !away.is_empty())
    }

    /// The minutes in which it is away. Those before and after them are as far apart as `away` says, at most.
    pub(crate) fn away_minutes(&self, hook_timeout_s: u64) -> std::ops::Range<usize> {
        let Some((from, percent)) = self.away else { return 0..0 };
        from..from + usize::try_from(hook_timeout_s * percent / 100 / 60).unwrap_or_default()
    }
}

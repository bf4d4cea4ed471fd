//! What a world is made of: clusters, groups, hosts, services and tasks as a test describes them.

use std::time::Duration;

use super::spelled::spelled;

/// An Auto Scaling group.
#[derive(Debug, Clone, Default)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Its lifecycle hooks.
    pub hooks: Vec<HookSpec>,
    /// Its warm pool.
    pub warm_pool: Option<WarmPoolSpec>,
    /// Whether an instance stays when its termination is abandoned: `TerminateHookAbandon` is `retain`.
    pub retains_on_abandon: bool,
}

/// The warm pool of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmPoolSpec {
    /// What its instances are.
    pub state: WarmPoolState,
    /// Whether instances return to it when the group scales in. It is told of only; a test says which instance returns.
    pub reuse_on_scale_in: bool,
}

spelled! {
    /// What the instances of a warm pool are.
    #[expect(missing_docs, reason = "as in the Auto Scaling API reference, PutWarmPool, PoolState")]
    pub enum WarmPoolState {
        Running = "Running",
        Stopped = "Stopped",
        Hibernated = "Hibernated",
    }
}

impl WarmPoolState {
    /// The lifecycle state of such an instance.
    pub fn lifecycle_state(self) -> &'static str {
        match self {
            WarmPoolState::Running => "Warmed:Running",
            WarmPoolState::Stopped => "Warmed:Stopped",
            WarmPoolState::Hibernated => "Warmed:Hibernated",
        }
    }
}

/// A capacity provider of an ECS cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapacityProviderSpec {
    /// Its name.
    pub name: String,
    /// The cluster that has it.
    pub cluster: String,
    /// The Auto Scaling group that it is made of.
    pub group: String,
    /// Whether ECS itself drains the group's instances when they are terminated.
    pub managed_draining: bool,
}

/// A lifecycle hook of a group.
#[derive(Debug, Clone)]
pub struct HookSpec {
    /// Its name.
    pub name: String,
    /// Which transition it holds up.
    pub transition: Transition,
    /// An action ends by itself this long after its start or its last heartbeat.
    pub heartbeat_timeout: Duration,
    /// Travels with every event of the hook.
    pub notification_metadata: Option<String>,
    /// What applies when an action times out. AWS's own default is ABANDON; here it is CONTINUE, which a drainer's hook should have.
    pub default_result: ActionResult,
    /// The ARN of a queue or topic that it notifies.
    pub notification_target: Option<String>,
    /// Whether that queue or topic is gone. Such a hook holds nothing up.
    pub target_is_gone: bool,
}

impl HookSpec {
    /// A termination hook that times out after `heartbeat_timeout` with CONTINUE.
    pub fn terminating(name: &str, heartbeat_timeout: Duration) -> HookSpec {
        HookSpec {
            name: name.to_owned(),
            transition: Transition::Terminating,
            heartbeat_timeout,
            notification_metadata: None,
            default_result: ActionResult::Continue,
            notification_target: None,
            target_is_gone: false,
        }
    }
}

impl Default for HookSpec {
    fn default() -> HookSpec {
        // Auto Scaling API reference, PutLifecycleHook: HeartbeatTimeout "The default value is 3600".
        HookSpec::terminating("ecs-drainer", Duration::from_hours(1))
    }
}

spelled! {
    /// The transition a lifecycle hook holds up.
    pub enum Transition {
        /// The instance is about to be terminated.
        Terminating = "autoscaling:EC2_INSTANCE_TERMINATING",
        /// The instance was launched.
        Launching = "autoscaling:EC2_INSTANCE_LAUNCHING",
    }
}

spelled! {
    /// How a lifecycle action ends.
    pub enum ActionResult {
        /// Ends this action.
        Continue = "CONTINUE",
        /// Ends every action of the instance, and may keep it.
        Abandon = "ABANDON",
    }
}

/// An EC2 host, and a container instance where `cluster` is given.
#[derive(Debug, Clone)]
pub struct HostSpec {
    /// Made up when absent.
    pub instance_id: Option<String>,
    /// The cluster it registers in.
    pub cluster: Option<String>,
    /// The Auto Scaling group it is in service in.
    pub group: Option<String>,
    /// How many tasks the service scheduler fits on it; daemon tasks take none.
    pub slots: usize,
    /// Whether its container agent is connected.
    pub agent_connected: bool,
}

impl Default for HostSpec {
    fn default() -> HostSpec {
        HostSpec { instance_id: None, cluster: None, group: None, slots: 10, agent_connected: true }
    }
}

/// How a service places its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// A desired count, spread over the hosts.
    Replica,
    /// One task on every ACTIVE host.
    Daemon,
}

/// An ECS service.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    /// Its cluster's name.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// How many tasks it should have; a daemon ignores this.
    pub desired: usize,
    /// The deployment's lower limit of healthy tasks, in percent of `desired`.
    pub minimum_healthy_percent: u32,
    /// The deployment's upper limit of tasks, in percent of `desired`.
    pub maximum_percent: u32,
    /// Replica or daemon.
    pub kind: ServiceKind,
    /// Present when it is load-balanced: how long its targets take to deregister.
    pub deregistration: Option<Duration>,
    /// From placement to RUNNING.
    pub start_time: Duration,
    /// From SIGTERM to the exit of the containers. Those with `dependsOn` end one after the other: the sum of theirs.
    // Recorded: SIGTERM to the dependent first, to what it depends on when it has ended.
    pub stop_time: Duration,
    /// From SIGTERM to SIGKILL; with `dependsOn`, the sum of the containers' own.
    pub stop_timeout: Duration,
    /// Whether StopTask waits for the target's deregistration.
    // The developer guide says so; containers-roadmap#708 reports that it does not.
    pub stop_task_waits_for_deregistration: bool,
    /// Each of its tasks is protected from scale-in for so long, beginning when it is put into the world, even if it has
    /// been RUNNING for a while then. `None` is no protection.
    // ECS API reference, UpdateTaskProtection: expiresInMinutes is between 1 and 2,880; a test may take less.
    pub protected_for: Option<Duration>,
}

impl Default for ServiceSpec {
    fn default() -> ServiceSpec {
        ServiceSpec {
            cluster: String::new(),
            name: String::new(),
            desired: 1,
            // ECS API reference, DeploymentConfiguration: a replica service's defaults are 100 and 200.
            minimum_healthy_percent: 100,
            maximum_percent: 200,
            kind: ServiceKind::Replica,
            deregistration: None,
            start_time: Duration::from_secs(5),
            stop_time: Duration::from_secs(1),
            stop_timeout: DEFAULT_STOP_TIMEOUT,
            stop_task_waits_for_deregistration: true,
            protected_for: None,
        }
    }
}

/// A task that no service owns.
#[derive(Debug, Clone)]
pub struct TaskSpec {
    /// The cluster's name.
    pub cluster: String,
    /// The host it is put on, whether it has a free slot or not.
    pub instance_id: String,
    /// Its task definition's family.
    pub family: String,
    /// From placement to RUNNING; zero means that it has been running for a while already.
    pub start_time: Duration,
    /// From SIGTERM to the exit of the containers.
    pub stop_time: Duration,
    /// From SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
    /// How long after the world's present (or the task's start) it ends by itself; `None` is never.
    pub finishes_after: Option<Duration>,
}

impl Default for TaskSpec {
    fn default() -> TaskSpec {
        TaskSpec {
            cluster: String::new(),
            instance_id: String::new(),
            family: "job".to_owned(),
            start_time: Duration::ZERO,
            stop_time: Duration::from_secs(1),
            stop_timeout: DEFAULT_STOP_TIMEOUT,
            finishes_after: None,
        }
    }
}

// ECS API reference, ContainerDefinition.stopTimeout: 30 seconds unless the agent is configured otherwise.
const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(30);

//! The port to AWS: [`Calls`], one method for one request, in the project's own types.
//!
//! [`sdk`] implements it with the SDK's clients. What needs more than one request (pages, chunks, `failures[]`) is
//! generic code over it, in [`batch`], so that a test can break chunk 2 of 3.

pub mod batch;
mod connection;
mod error;
pub mod listing;
pub mod sdk;
pub mod tally;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

pub use self::error::{CallError, ErrorClass, chain};
use crate::ids::{ClusterName, ContainerInstanceArn, GroupName, HookName, InstanceId, ServiceName, TaskArn};

/// One method, one AWS request: one page, one chunk. The caller keeps to the limits of each.
///
/// Every method fails with [`CallError`]; whether it is worth another try is [`CallError::class`].
#[expect(async_fn_in_trait, reason = "every runtime here is single-threaded, so no future need be Send")]
pub trait Calls {
    /// ECS `ListClusters`: a page of up to 100 names.
    async fn list_clusters(&self, token: Option<String>) -> Result<Page<ClusterName>, CallError>;

    /// ECS `ListContainerInstances`: a page of up to 100 ARNs in any state but INACTIVE, of those that match a `filter` in the
    /// cluster query language, or of all.
    async fn list_container_instances(
        &self,
        cluster: &ClusterName,
        filter: Option<&str>,
        token: Option<String>,
    ) -> Result<Page<ContainerInstanceArn>, CallError>;

    /// ECS `ListContainerInstances`: a page of up to 100 ARNs of those that are DRAINING.
    async fn list_draining_container_instances(
        &self,
        cluster: &ClusterName,
        token: Option<String>,
    ) -> Result<Page<ContainerInstanceArn>, CallError>;

    /// ECS `DescribeContainerInstances`, at most [`batch::DESCRIBE_MAX`].
    async fn describe_container_instances(
        &self,
        cluster: &ClusterName,
        arns: &[ContainerInstanceArn],
    ) -> Result<Found<ContainerInstance>, CallError>;

    /// ECS `UpdateContainerInstancesState` to DRAINING, at most [`batch::UPDATE_STATE_MAX`].
    async fn set_draining(
        &self,
        cluster: &ClusterName,
        arns: &[ContainerInstanceArn],
    ) -> Result<Found<ContainerInstance>, CallError>;

    /// ECS `UpdateContainerInstancesState` to ACTIVE, at most [`batch::UPDATE_STATE_MAX`]. No function asks for it: whether a
    /// host takes tasks again, people decide.
    async fn set_active(
        &self,
        cluster: &ClusterName,
        arns: &[ContainerInstanceArn],
    ) -> Result<Found<ContainerInstance>, CallError>;

    /// ECS `ListTasks` of one container instance, or of the whole cluster: a page of up to 100 ARNs.
    async fn list_tasks(
        &self,
        cluster: &ClusterName,
        container_instance: Option<&ContainerInstanceArn>,
        desired: DesiredStatus,
        token: Option<String>,
    ) -> Result<Page<TaskArn>, CallError>;

    /// ECS `DescribeTasks`, at most [`batch::DESCRIBE_MAX`].
    async fn describe_tasks(&self, cluster: &ClusterName, arns: &[TaskArn]) -> Result<Found<Task>, CallError>;

    /// ECS `StopTask`; answers the task as it is now, already on its way out.
    async fn stop_task(&self, cluster: &ClusterName, arn: &TaskArn, reason: &str) -> Result<Task, CallError>;

    /// ECS `DescribeServices`, at most [`batch::SERVICES_MAX`].
    async fn describe_services(
        &self,
        cluster: &ClusterName,
        names: &[ServiceName],
    ) -> Result<Found<Service>, CallError>;

    /// ECS `GetTaskProtection`, at most [`batch::DESCRIBE_MAX`], of tasks that a service owns.
    async fn get_task_protection(
        &self,
        cluster: &ClusterName,
        arns: &[TaskArn],
    ) -> Result<Found<TaskProtection>, CallError>;

    /// Auto Scaling `DescribeAutoScalingInstances`, at most [`batch::AUTO_SCALING_INSTANCES_MAX`]. An instance that is in no
    /// group is left out; a row without what it must have is a failure.
    async fn describe_auto_scaling_instances(
        &self,
        ids: &[InstanceId],
        token: Option<String>,
    ) -> Result<Page<Result<AutoScalingInstance, Failure>>, CallError>;

    /// Auto Scaling `DescribeAutoScalingGroups`: a page of groups with those of their instances that can be read.
    async fn describe_auto_scaling_groups(&self, token: Option<String>) -> Result<Page<AutoScalingGroup>, CallError>;

    /// Auto Scaling `DescribeWarmPool`: a page of those instances in a group's warm pool that can be read.
    async fn describe_warm_pool(
        &self,
        group: &GroupName,
        token: Option<String>,
    ) -> Result<Page<AutoScalingInstance>, CallError>;

    /// Auto Scaling `DescribeScalingActivities` of a group that began at `since` or later: a page, the newest first. One
    /// without a start is left out.
    async fn describe_scaling_activities(
        &self,
        group: &GroupName,
        since: Timestamp,
        token: Option<String>,
    ) -> Result<Page<ScalingActivity>, CallError>;

    /// Auto Scaling `DescribeLifecycleHooks`: every hook of a group, which are at most 50.
    async fn describe_lifecycle_hooks(&self, group: &GroupName) -> Result<Vec<LifecycleHook>, CallError>;

    /// Auto Scaling `CompleteLifecycleAction`.
    async fn complete_lifecycle_action(
        &self,
        group: &GroupName,
        hook: &HookName,
        instance: &InstanceId,
        result: LifecycleActionResult,
    ) -> Result<(), CallError>;

    /// Auto Scaling `RecordLifecycleActionHeartbeat`.
    async fn record_lifecycle_action_heartbeat(
        &self,
        group: &GroupName,
        hook: &HookName,
        instance: &InstanceId,
    ) -> Result<(), CallError>;
}

/// One page of a list; only a missing token ends the list, for pages may be short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items on the page.
    pub items: Vec<T>,
    /// Asks for the next page.
    pub next_token: Option<String>,
}

/// The answer to a request by ids: the items that AWS found, and a failure for each of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// The items that AWS found.
    pub items: Vec<T>,
    /// The answer's `failures[]`.
    pub failures: Vec<Failure>,
}

/// One entry of `failures[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The resource that failed.
    pub arn: String,
    /// For example `MISSING`.
    pub reason: String,
}

/// An EC2 host as a cluster knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerInstance {
    /// Its ARN.
    pub arn: ContainerInstanceArn,
    /// The host; none for what is not an EC2 instance.
    pub instance: Option<InstanceId>,
    /// Rises with each of its changes, so that of two descriptions the higher one is newer, whichever came first.
    pub version: i64,
    /// Whether it takes tasks.
    pub status: InstanceStatus,
    /// Whether its agent is in touch with ECS.
    pub agent_connected: bool,
    /// Tasks with *desired* status RUNNING: a task that got SIGTERM is in neither count, though it still runs.
    pub running_tasks: u32,
    /// Tasks on their way to RUNNING.
    pub pending_tasks: u32,
    /// Its custom and built-in attributes that have a value.
    pub attributes: BTreeMap<String, String>,
}

/// A container instance's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceStatus {
    /// Takes tasks.
    Active,
    /// Takes none.
    Draining,
    /// No longer registered.
    Inactive,
    /// REGISTERING, DEREGISTERING, REGISTRATION_FAILED, or what AWS adds.
    Other(String),
}

impl fmt::Display for InstanceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive => "INACTIVE",
            Self::Other(other) => other,
        })
    }
}

impl From<&str> for InstanceStatus {
    fn from(text: &str) -> Self {
        match text {
            "ACTIVE" => Self::Active,
            "DRAINING" => Self::Draining,
            "INACTIVE" => Self::Inactive,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Which of a container instance's tasks `ListTasks` lists; PENDING lists none (ECS API reference, ListTasks).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DesiredStatus {
    /// Tasks that should run.
    Running,
    /// Tasks that should not, for about an hour after they stopped.
    Stopped,
}

impl DesiredStatus {
    /// As the ECS API has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// One task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its ARN.
    pub arn: TaskArn,
    /// Rises with each of its changes, likewise.
    pub version: i64,
    /// Where it runs.
    pub container_instance: Option<ContainerInstanceArn>,
    /// Where it really is in its life.
    pub last_status: String,
    /// Where ECS wants it to be.
    pub desired_status: String,
    /// `service:NAME` or `family:FAMILY`.
    pub group: String,
    /// `ecs-svc/…` when a service's deployment started it.
    pub started_by: String,
    /// When it was told to stop.
    pub stopping_at: Option<Timestamp>,
    /// When it reached STOPPED.
    pub stopped_at: Option<Timestamp>,
    /// Why it was stopped, in words; empty where that is not said.
    pub stopped_reason: String,
    /// Whether it runs on ECS Managed Instances.
    pub is_managed: bool,
}

impl Task {
    /// Whether nothing of it runs any more. A DELETED task was STOPPED before (ECS developer guide, task lifecycle).
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self.last_status.as_str(), "STOPPED" | "DELETED")
    }

    /// Whether ECS has been told to stop it.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.is_stopped() || self.desired_status == "STOPPED"
    }

    /// Whether no service owns it, so that draining does not touch it.
    #[must_use]
    pub fn is_standalone(&self) -> bool {
        !self.started_by.starts_with("ecs-svc/") && !self.group.starts_with("service:")
    }

    /// The service that owns it.
    #[must_use]
    pub fn service(&self) -> Option<ServiceName> {
        self.group.strip_prefix("service:").map(ServiceName::from)
    }
}

/// The newest of a service's hundred events are kept: a warm environment may remember many services.
pub const SERVICE_EVENTS_MAX: usize = 20;

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Whether it keeps one task on every host, rather than a number of them anywhere.
    pub is_daemon: bool,
    /// How many tasks it should have.
    pub desired: u32,
    /// How many of them, in percent and rounded up, a deployment or a draining host must leave RUNNING.
    pub minimum_healthy_percent: Option<u32>,
    /// How many tasks, in percent of those desired and rounded down, it may have for the time being.
    pub maximum_percent: Option<u32>,
    /// What it tells of itself, the newest first: at most [`SERVICE_EVENTS_MAX`].
    pub events: Vec<(Timestamp, String)>,
}

/// Whether a task is protected from scale-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskProtection {
    /// Which.
    pub task: TaskArn,
    /// Until when; none for one that is not.
    pub until: Option<Timestamp>,
}

/// An instance as Auto Scaling knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoScalingInstance {
    /// Which.
    pub instance: InstanceId,
    /// Its group.
    pub group: GroupName,
    /// For example `Terminating:Wait`.
    pub lifecycle_state: String,
    /// Whether its health status reads anything but healthy.
    pub unhealthy: bool,
}

/// An Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoScalingGroup {
    /// Its name.
    pub name: GroupName,
    /// Its instances, those in its warm pool apart.
    pub instances: Vec<AutoScalingInstance>,
    /// How many instances its warm pool has.
    pub warm_pool_size: u32,
    /// Whether it keeps an instance running whose termination was completed with ABANDON.
    pub retains: bool,
}

/// One of Auto Scaling's scaling activities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalingActivity {
    /// What it does, which ends with the instance's id.
    pub description: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Whether it has ended.
    pub is_over: bool,
    /// Why it was begun, in a sentence.
    pub cause: String,
}

/// A lifecycle hook of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleHook {
    /// Its name.
    pub name: HookName,
    /// Whether it holds terminations, rather than launches.
    pub on_termination: bool,
    /// How long it waits without a heartbeat.
    pub heartbeat_timeout: Duration,
    /// What its owner wrote for us.
    pub notification_metadata: Option<String>,
}

/// How a lifecycle action ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleActionResult {
    /// The termination goes on, unless another hook still holds it.
    Continue,
    /// The other hooks' wait ends, too. The instance is terminated, unless its group retains it or it is on its way to a
    /// warm pool: then it runs on (Auto Scaling user guide, instance lifecycle policy).
    Abandon,
}

impl LifecycleActionResult {
    /// As the Auto Scaling API has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "CONTINUE",
            Self::Abandon => "ABANDON",
        }
    }
}

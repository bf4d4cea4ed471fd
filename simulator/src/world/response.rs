//! What the world answers.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    error::RequestError,
    request::Attribute,
    spec::{Transition, WarmPoolSpec},
    task::{DesiredStatus, LastStatus},
};

/// What comes of a request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// How long the answer takes.
    pub delay: Duration,
    /// The answer.
    pub answer: Result<Response, RequestError>,
    /// What the wire changes of it.
    pub edit: Option<Edit>,
}

/// A change to an answer on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The member that is changed.
    pub member: &'static str,
    /// What it becomes; `None` leaves it out.
    pub becomes: Option<&'static str>,
    /// Only in items that contain this.
    pub of: Option<String>,
}

/// The answer to a request that was not refused.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "members as in the AWS API references; without a next token it is the last page")]
pub enum Response {
    /// ListClusters, ListContainerInstances and ListTasks.
    Arns { arns: Vec<String>, next_token: Option<String> },
    /// DescribeClusters.
    Clusters { clusters: Vec<ClusterDescription>, failures: Vec<Failure> },
    /// DescribeCapacityProviders.
    CapacityProviders {
        capacity_providers: Vec<CapacityProviderDescription>,
        failures: Vec<Failure>,
        next_token: Option<String>,
    },
    /// DescribeContainerInstances and UpdateContainerInstancesState.
    ContainerInstances { container_instances: Vec<ContainerInstanceDescription>, failures: Vec<Failure> },
    /// DescribeTasks.
    Tasks { tasks: Vec<TaskDescription>, failures: Vec<Failure> },
    /// GetTaskProtection.
    TaskProtection { protected_tasks: Vec<ProtectedTask>, failures: Vec<Failure> },
    /// StopTask.
    Task(Box<TaskDescription>),
    /// DescribeServices.
    Services { services: Vec<ServiceDescription>, failures: Vec<Failure> },
    /// PutAttributes and DeleteAttributes.
    Attributes(Vec<Attribute>),
    /// DescribeAutoScalingInstances.
    AutoScalingInstances { instances: Vec<AutoScalingInstance>, next_token: Option<String> },
    /// DescribeAutoScalingGroups.
    AutoScalingGroups { groups: Vec<AutoScalingGroup>, next_token: Option<String> },
    /// DescribeLifecycleHooks.
    LifecycleHooks(Vec<LifecycleHook>),
    /// DescribeScalingActivities.
    ScalingActivities { activities: Vec<ScalingActivity>, next_token: Option<String> },
    /// DescribeWarmPool.
    WarmPool { instances: Vec<AutoScalingInstance>, configuration: Option<WarmPoolSpec>, next_token: Option<String> },
    /// DescribeStacks.
    Stacks(Vec<StackDescription>),
    /// ListStackResources.
    StackResources { resources: Vec<StackResource>, next_token: Option<String> },
    /// DescribeRule.
    Rule(Box<RuleDescription>),
    /// ListTargetsByRule.
    Targets(Vec<RuleTarget>),
    /// SimulatePrincipalPolicy.
    Evaluations(Vec<EvaluationResult>),
    /// PutLifecycleHook, DeleteLifecycleHook, CompleteLifecycleAction and RecordLifecycleActionHeartbeat.
    Done,
}

impl Response {
    /// The same, but of what it describes, those whose ARN contains `of` are MISSING.
    pub(crate) fn missing(mut self, of: Option<&str>) -> Response {
        match &mut self {
            Self::ContainerInstances { container_instances, failures } => {
                miss(container_instances, failures, of, |it| &it.container_instance_arn);
            }
            Self::Tasks { tasks, failures } => miss(tasks, failures, of, |it| &it.task_arn),
            Self::TaskProtection { protected_tasks, failures } => {
                miss(protected_tasks, failures, of, |it| &it.task_arn)
            }
            Self::Services { services, failures } => miss(services, failures, of, |it| &it.service_arn),
            _ => {}
        }
        self
    }
}

fn miss<T>(items: &mut Vec<T>, failures: &mut Vec<Failure>, of: Option<&str>, arn: fn(&T) -> &String) {
    let missing = |item: &mut T| of.is_none_or(|of| arn(item).contains(of));
    let failure = |item: T| Failure { arn: arn(&item).clone(), reason: "MISSING".to_owned() };
    failures.extend(items.extract_if(.., missing).map(failure));
}

/// An id that a request named and ECS could not serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "members as in the ECS API reference")]
pub struct Failure {
    pub arn: String,
    pub reason: String,
}

/// A cluster as described.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the ECS API reference")]
pub struct ClusterDescription {
    pub cluster_arn: String,
    pub cluster_name: String,
    pub registered_container_instances_count: usize,
    pub running_tasks_count: usize,
    pub pending_tasks_count: usize,
    pub active_services_count: usize,
    pub capacity_providers: Vec<String>,
}

/// A capacity provider as described; what is not here is DISABLED.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the ECS API reference")]
pub struct CapacityProviderDescription {
    pub capacity_provider_arn: String,
    pub name: String,
    pub auto_scaling_group_arn: String,
    pub managed_draining: &'static str,
    /// Of ECS Managed Instances: its capacityOptionType.
    pub managed_instances: Option<&'static str>,
}

/// A container instance as described.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "members as in the ECS API reference")]
pub struct ContainerInstanceDescription {
    pub container_instance_arn: String,
    pub ec2_instance_id: String,
    pub version: i64,
    pub status: String,
    pub agent_connected: bool,
    pub running_tasks_count: i64,
    pub pending_tasks_count: i64,
    pub attributes: Vec<Attribute>,
    pub registered_at: Timestamp,
}

/// A task as described.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "members as in the ECS API reference")]
pub struct TaskDescription {
    pub task_arn: String,
    pub cluster_arn: String,
    pub container_instance_arn: String,
    pub task_definition_arn: String,
    pub group: String,
    pub started_by: Option<String>,
    pub last_status: LastStatus,
    pub desired_status: DesiredStatus,
    pub launch_type: &'static str,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub stopping_at: Option<Timestamp>,
    pub execution_stopped_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    pub stopped_reason: Option<String>,
    pub stop_code: Option<String>,
    pub version: i64,
}

/// A service as described.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the ECS API reference")]
pub struct ServiceDescription {
    pub service_arn: String,
    pub service_name: String,
    pub cluster_arn: String,
    pub scheduling_strategy: &'static str,
    pub desired_count: usize,
    pub running_count: usize,
    pub pending_count: usize,
    pub minimum_healthy_percent: u32,
    pub maximum_percent: u32,
    pub events: Vec<ServiceEvent>,
}

/// What a service tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the ECS API reference")]
pub struct ServiceEvent {
    pub id: String,
    pub created_at: Timestamp,
    pub message: String,
}

/// Whether a task is protected from scale-in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the ECS API reference")]
pub struct ProtectedTask {
    pub task_arn: String,
    pub protection_enabled: bool,
    pub expiration_date: Option<Timestamp>,
}

/// An instance as Auto Scaling describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the Auto Scaling API reference")]
pub struct AutoScalingInstance {
    pub instance_id: String,
    pub group: String,
    pub availability_zone: String,
    pub availability_zone_id: String,
    pub lifecycle_state: String,
    pub health_status: String,
}

/// A group and its instances.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the Auto Scaling API reference")]
pub struct AutoScalingGroup {
    pub name: String,
    pub arn: String,
    pub created_at: Timestamp,
    pub availability_zone: String,
    pub availability_zone_id: String,
    pub service_linked_role_arn: String,
    pub instances: Vec<AutoScalingInstance>,
    /// Absent without a warm pool; its instances are not in `instances`.
    pub warm_pool_size: Option<usize>,
    pub warm_pool_configuration: Option<WarmPoolSpec>,
    /// `terminate` or `retain`.
    pub terminate_hook_abandon: &'static str,
    pub tags: Vec<(String, String)>,
}

/// A lifecycle hook as described; durations in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the Auto Scaling API reference")]
pub struct LifecycleHook {
    pub name: String,
    pub group: String,
    pub transition: Transition,
    pub notification_metadata: Option<String>,
    pub heartbeat_timeout: u64,
    pub global_timeout: u64,
    pub default_result: String,
    pub notification_target: Option<String>,
}

/// What Auto Scaling did or does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the Auto Scaling API reference, Activity")]
pub struct ScalingActivity {
    pub activity_id: String,
    pub group: String,
    pub group_arn: String,
    pub description: String,
    pub cause: String,
    /// In milliseconds.
    pub start_time: Timestamp,
    /// In seconds.
    pub end_time: Option<Timestamp>,
    pub status_code: String,
    pub status_message: Option<String>,
    pub progress: i32,
    /// A JSON object.
    pub details: String,
}

/// A stack as described; it is CREATE_COMPLETE.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the CloudFormation API reference")]
pub struct StackDescription {
    pub stack_name: String,
    pub stack_id: String,
    pub creation_time: Timestamp,
    /// Keys and values.
    pub parameters: Vec<(String, String)>,
}

/// A resource of a stack; it is CREATE_COMPLETE.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the CloudFormation API reference")]
pub struct StackResource {
    pub logical_resource_id: String,
    pub physical_resource_id: String,
    pub resource_type: String,
    pub last_updated: Timestamp,
}

/// A rule as described.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the EventBridge API reference")]
pub struct RuleDescription {
    pub name: String,
    pub arn: String,
    pub event_pattern: Option<String>,
    pub schedule_expression: Option<String>,
    pub state: &'static str,
    pub description: Option<String>,
    pub event_bus_name: String,
}

/// A target of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the EventBridge API reference")]
pub struct RuleTarget {
    pub id: String,
    pub arn: String,
    pub dead_letter_arn: Option<String>,
    pub retry_policy: Option<RetryPolicy>,
}

/// How long EventBridge tries to deliver an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "members as in the EventBridge API reference")]
pub struct RetryPolicy {
    pub maximum_retry_attempts: Option<u64>,
    pub maximum_event_age_in_seconds: Option<u64>,
}

/// Whether a role may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationResult {
    /// What.
    pub action: String,
    /// Whether it may, to every resource that was asked about.
    pub allowed: bool,
    /// Each of them; empty where none was named.
    pub resources: Vec<ResourceDecision>,
}

/// Whether a role may do something to one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceDecision {
    /// Its ARN.
    pub resource: String,
    /// Whether it may.
    pub allowed: bool,
}

//! What can be asked of the world.

use jiff::Timestamp;
use serde::Deserialize;

use super::operation::Operation;

/// One request. Ids may be bare or ARNs; an absent cluster is `default`, where ECS does not require it.
///
/// ECS's and EventBridge's are read from their JSON as they stand; a member that is not modelled is refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all_fields = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "operations and members as in the AWS API references")]
pub enum Request {
    ListClusters {
        max_results: Option<i32>,
        next_token: Option<String>,
    },
    DescribeClusters {
        #[serde(default)]
        clusters: Vec<String>,
    },
    DescribeCapacityProviders {
        #[serde(default)]
        capacity_providers: Vec<String>,
        max_results: Option<i32>,
        next_token: Option<String>,
    },
    ListContainerInstances {
        cluster: Option<String>,
        filter: Option<String>,
        status: Option<String>,
        max_results: Option<i32>,
        next_token: Option<String>,
    },
    DescribeContainerInstances {
        cluster: Option<String>,
        #[serde(default)]
        container_instances: Vec<String>,
    },
    UpdateContainerInstancesState {
        cluster: Option<String>,
        #[serde(default)]
        container_instances: Vec<String>,
        #[serde(default)]
        status: String,
    },
    ListTasks {
        cluster: Option<String>,
        container_instance: Option<String>,
        desired_status: Option<String>,
        max_results: Option<i32>,
        next_token: Option<String>,
    },
    DescribeTasks {
        cluster: Option<String>,
        #[serde(default)]
        tasks: Vec<String>,
    },
    GetTaskProtection {
        cluster: Option<String>,
        #[serde(default)]
        tasks: Vec<String>,
    },
    StopTask {
        cluster: Option<String>,
        #[serde(default)]
        task: String,
        reason: Option<String>,
    },
    DescribeServices {
        cluster: Option<String>,
        #[serde(default)]
        services: Vec<String>,
    },
    PutAttributes {
        cluster: Option<String>,
        #[serde(default)]
        attributes: Vec<Attribute>,
    },
    DeleteAttributes {
        cluster: Option<String>,
        #[serde(default)]
        attributes: Vec<Attribute>,
    },
    DescribeAutoScalingInstances {
        #[serde(default)]
        instance_ids: Vec<String>,
        max_records: Option<i32>,
        next_token: Option<String>,
    },
    DescribeAutoScalingGroups {
        #[serde(default)]
        names: Vec<String>,
        max_records: Option<i32>,
        next_token: Option<String>,
    },
    DescribeLifecycleHooks {
        group: String,
        #[serde(default)]
        hook_names: Vec<String>,
    },
    DescribeScalingActivities {
        group: Option<String>,
        /// The filter StartTimeLowerBound.
        start_time_lower_bound: Option<Timestamp>,
        max_records: Option<i32>,
        next_token: Option<String>,
    },
    DescribeWarmPool {
        group: String,
        max_records: Option<i32>,
        next_token: Option<String>,
    },
    PutLifecycleHook {
        group: String,
        hook: String,
        transition: Option<String>,
        heartbeat_timeout: Option<i32>,
        default_result: Option<String>,
        notification_metadata: Option<String>,
    },
    DeleteLifecycleHook {
        group: String,
        hook: String,
    },
    CompleteLifecycleAction {
        group: String,
        hook: String,
        instance_id: Option<String>,
        token: Option<String>,
        result: String,
    },
    RecordLifecycleActionHeartbeat {
        group: String,
        hook: String,
        instance_id: Option<String>,
        token: Option<String>,
    },
    DescribeStacks {
        stack_name: Option<String>,
    },
    ListStackResources {
        stack_name: String,
        next_token: Option<String>,
    },
    #[serde(rename_all = "PascalCase")]
    DescribeRule {
        name: String,
        event_bus_name: Option<String>,
    },
    #[serde(rename_all = "PascalCase")]
    ListTargetsByRule {
        rule: String,
        event_bus_name: Option<String>,
    },
    SimulatePrincipalPolicy {
        policy_source_arn: String,
        action_names: Vec<String>,
        #[serde(default)]
        resource_arns: Vec<String>,
        /// Context keys and their values.
        #[serde(default)]
        context: Vec<(String, String)>,
    },
}

impl Request {
    /// Which operation it asks for.
    pub fn operation(&self) -> Operation {
        match self {
            Request::ListClusters { .. } => Operation::ListClusters,
            Request::DescribeClusters { .. } => Operation::DescribeClusters,
            Request::DescribeCapacityProviders { .. } => Operation::DescribeCapacityProviders,
            Request::ListContainerInstances { .. } => Operation::ListContainerInstances,
            Request::DescribeContainerInstances { .. } => Operation::DescribeContainerInstances,
            Request::UpdateContainerInstancesState { .. } => Operation::UpdateContainerInstancesState,
            Request::ListTasks { .. } => Operation::ListTasks,
            Request::DescribeTasks { .. } => Operation::DescribeTasks,
            Request::GetTaskProtection { .. } => Operation::GetTaskProtection,
            Request::StopTask { .. } => Operation::StopTask,
            Request::DescribeServices { .. } => Operation::DescribeServices,
            Request::PutAttributes { .. } => Operation::PutAttributes,
            Request::DeleteAttributes { .. } => Operation::DeleteAttributes,
            Request::DescribeAutoScalingInstances { .. } => Operation::DescribeAutoScalingInstances,
            Request::DescribeAutoScalingGroups { .. } => Operation::DescribeAutoScalingGroups,
            Request::DescribeLifecycleHooks { .. } => Operation::DescribeLifecycleHooks,
            Request::DescribeScalingActivities { .. } => Operation::DescribeScalingActivities,
            Request::DescribeWarmPool { .. } => Operation::DescribeWarmPool,
            Request::PutLifecycleHook { .. } => Operation::PutLifecycleHook,
            Request::DeleteLifecycleHook { .. } => Operation::DeleteLifecycleHook,
            Request::CompleteLifecycleAction { .. } => Operation::CompleteLifecycleAction,
            Request::RecordLifecycleActionHeartbeat { .. } => Operation::RecordLifecycleActionHeartbeat,
            Request::DescribeStacks { .. } => Operation::DescribeStacks,
            Request::ListStackResources { .. } => Operation::ListStackResources,
            Request::DescribeRule { .. } => Operation::DescribeRule,
            Request::ListTargetsByRule { .. } => Operation::ListTargetsByRule,
            Request::SimulatePrincipalPolicy { .. } => Operation::SimulatePrincipalPolicy,
        }
    }

    /// The names, ids and filters it is about.
    pub fn subjects(&self) -> Vec<&str> {
        match self {
            Request::ListClusters { .. } => Vec::new(),
            Request::DescribeClusters { clusters } => with(Vec::new(), clusters),
            Request::DescribeCapacityProviders { capacity_providers, .. } => with(Vec::new(), capacity_providers),
            Request::ListContainerInstances { cluster, filter, .. } => present([cluster, filter]),
            Request::DescribeContainerInstances { cluster, container_instances }
            | Request::UpdateContainerInstancesState { cluster, container_instances, .. } => {
                with(present([cluster]), container_instances)
            }
            Request::ListTasks { cluster, container_instance, .. } => present([cluster, container_instance]),
            Request::DescribeTasks { cluster, tasks } | Request::GetTaskProtection { cluster, tasks } => {
                with(present([cluster]), tasks)
            }
            Request::StopTask { cluster, task, .. } => with(present([cluster]), [task]),
            Request::DescribeServices { cluster, services } => with(present([cluster]), services),
            Request::PutAttributes { cluster, attributes } | Request::DeleteAttributes { cluster, attributes } => {
                let targets = attributes.iter().filter_map(|a| a.target_id.as_ref());
                with(present([cluster]), targets)
            }
            Request::DescribeAutoScalingInstances { instance_ids, .. } => with(Vec::new(), instance_ids),
            Request::DescribeAutoScalingGroups { names, .. } => with(Vec::new(), names),
            Request::DescribeLifecycleHooks { group, hook_names } => with(vec![group], hook_names),
            Request::DescribeScalingActivities { group, .. } => present([group]),
            Request::DescribeWarmPool { group, .. } => vec![group],
            Request::PutLifecycleHook { group, hook, .. } | Request::DeleteLifecycleHook { group, hook } => {
                with(Vec::new(), [group, hook])
            }
            Request::CompleteLifecycleAction { group, hook, instance_id, token, .. }
            | Request::RecordLifecycleActionHeartbeat { group, hook, instance_id, token } => {
                with(present([instance_id, token]), [group, hook])
            }
            Request::DescribeStacks { stack_name } => present([stack_name]),
            Request::ListStackResources { stack_name, .. } => vec![stack_name],
            Request::DescribeRule { name: rule, event_bus_name }
            | Request::ListTargetsByRule { rule, event_bus_name } => with(present([event_bus_name]), [rule]),
            Request::SimulatePrincipalPolicy { policy_source_arn, action_names, resource_arns, .. } => {
                with(vec![policy_source_arn], action_names.iter().chain(resource_arns))
            }
        }
    }

    /// Whether one of its subjects contains `part`.
    pub fn mentions(&self, part: &str) -> bool {
        self.subjects().into_iter().any(|subject| subject.contains(part))
    }
}

fn present<const N: usize>(optional: [&Option<String>; N]) -> Vec<&str> {
    optional.into_iter().filter_map(|s| s.as_deref()).collect()
}

fn with<'a>(mut first: Vec<&'a str>, rest: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    first.extend(rest.into_iter().map(String::as_str));
    first
}

/// A custom attribute, in requests with the container instance it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "members as in the ECS API reference")]
pub struct Attribute {
    pub name: String,
    pub value: Option<String>,
    pub target_type: Option<String>,
    pub target_id: Option<String>,
}

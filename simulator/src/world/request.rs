//! What can be asked of the world: every operation that is modelled, with its members.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod members;

use super::service::Service;
use members::{list, number, start_time_lower_bound};

/// From one list of all operations: [`Operation`], a request enum for each service, and [`Request`] over those.
macro_rules! operations {
    ($(
        $(#[$attribute:meta])*
        $service:ident($requests:ident) {
            $($operation:ident { $($(#[$of:meta])* $member:ident: $kind:ty),* $(,)? })*
        }
    )*) => {
        /// An operation of an AWS service.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each is the AWS operation of that name")]
        pub enum Operation {
            $($($operation,)*)*
        }

        impl Operation {
            /// Every operation that is modelled.
            pub const ALL: [Operation; Operation::COUNT] = [$($(Operation::$operation,)*)*];

            const COUNT: usize = [$($(Operation::$operation),*),*].len();

            /// As AWS spells it.
            pub fn name(self) -> &'static str {
                match self {
                    $($(Operation::$operation => stringify!($operation),)*)*
                }
            }

            /// Whose operation it is.
            pub fn service(self) -> Service {
                match self {
                    $($(Operation::$operation)|* => Service::$service,)*
                }
            }
        }

        /// One request. Ids may be bare or ARNs; an absent cluster is `default`, where ECS does not require it.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each is a request of the AWS service of that name")]
        pub enum Request {
            $($service($requests),)*
        }

        impl Request {
            /// Which operation it asks for.
            pub fn operation(&self) -> Operation {
                match self {
                    $(Request::$service(request) => request.operation(),)*
                }
            }

            /// The names, ids and filters it is about.
            pub fn subjects(&self) -> Vec<&str> {
                match self {
                    $(Request::$service(request) => request.subjects(),)*
                }
            }
        }

        $(
            #[doc = concat!("One request of ", stringify!($service), ".")]
            #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
            $(#[$attribute])*
            #[expect(missing_docs, reason = "operations and members as in the AWS API references")]
            pub enum $requests {
                $($operation { $($(#[$of])* $member: $kind,)* },)*
            }

            impl $requests {
                /// Which operation it asks for.
                pub fn operation(&self) -> Operation {
                    match self {
                        $($requests::$operation { .. } => Operation::$operation,)*
                    }
                }
            }

            impl From<$requests> for Request {
                fn from(request: $requests) -> Request {
                    Request::$service(request)
                }
            }
        )*
    };
}

// Each is read from the members of the API reference; one that is not modelled is refused: to ignore a filter would be a
// wrong answer.
operations! {
    #[serde(rename_all_fields = "camelCase", deny_unknown_fields)]
    Ecs(EcsRequest) {
        ListClusters { max_results: Option<i32>, next_token: Option<String> }
        DescribeClusters { #[serde(default)] clusters: Vec<String> }
        DescribeCapacityProviders {
            #[serde(default)] capacity_providers: Vec<String>,
            max_results: Option<i32>,
            next_token: Option<String>,
        }
        ListContainerInstances {
            cluster: Option<String>,
            filter: Option<String>,
            status: Option<String>,
            max_results: Option<i32>,
            next_token: Option<String>,
        }
        DescribeContainerInstances { cluster: Option<String>, #[serde(default)] container_instances: Vec<String> }
        UpdateContainerInstancesState {
            cluster: Option<String>,
            #[serde(default)] container_instances: Vec<String>,
            #[serde(default)] status: String,
        }
        ListTasks {
            cluster: Option<String>,
            container_instance: Option<String>,
            desired_status: Option<String>,
            max_results: Option<i32>,
            next_token: Option<String>,
        }
        DescribeTasks { cluster: Option<String>, #[serde(default)] tasks: Vec<String> }
        GetTaskProtection { cluster: Option<String>, #[serde(default)] tasks: Vec<String> }
        StopTask { cluster: Option<String>, #[serde(default)] task: String, reason: Option<String> }
        DescribeServices { cluster: Option<String>, #[serde(default)] services: Vec<String> }
        PutAttributes { cluster: Option<String>, #[serde(default)] attributes: Vec<Attribute> }
        DeleteAttributes { cluster: Option<String>, #[serde(default)] attributes: Vec<Attribute> }
    }

    #[serde(rename_all_fields = "PascalCase", deny_unknown_fields)]
    AutoScaling(AutoScalingRequest) {
        DescribeAutoScalingInstances {
            #[serde(default, deserialize_with = "list")] instance_ids: Vec<String>,
            #[serde(default, deserialize_with = "number")] max_records: Option<i32>,
            next_token: Option<String>,
        }
        DescribeAutoScalingGroups {
            #[serde(rename = "AutoScalingGroupNames", default, deserialize_with = "list")] names: Vec<String>,
            #[serde(default, deserialize_with = "number")] max_records: Option<i32>,
            next_token: Option<String>,
        }
        DescribeLifecycleHooks {
            #[serde(rename = "AutoScalingGroupName")] group: String,
            #[serde(rename = "LifecycleHookNames", default, deserialize_with = "list")] hook_names: Vec<String>,
        }
        DescribeScalingActivities {
            #[serde(rename = "AutoScalingGroupName")] group: Option<String>,
            /// The filter StartTimeLowerBound.
            #[serde(rename = "Filters", default, deserialize_with = "start_time_lower_bound")]
            start_time_lower_bound: Option<Timestamp>,
            #[serde(default, deserialize_with = "number")] max_records: Option<i32>,
            next_token: Option<String>,
        }
        DescribeWarmPool {
            #[serde(rename = "AutoScalingGroupName")] group: String,
            #[serde(default, deserialize_with = "number")] max_records: Option<i32>,
            next_token: Option<String>,
        }
        PutLifecycleHook {
            #[serde(rename = "AutoScalingGroupName")] group: String,
            #[serde(rename = "LifecycleHookName")] hook: String,
            #[serde(rename = "LifecycleTransition")] transition: Option<String>,
            #[serde(default, deserialize_with = "number")] heartbeat_timeout: Option<i32>,
            default_result: Option<String>,
            notification_metadata: Option<String>,
        }
        DeleteLifecycleHook {
            #[serde(rename = "AutoScalingGroupName")] group: String,
            #[serde(rename = "LifecycleHookName")] hook: String,
        }
        CompleteLifecycleAction {
            #[serde(rename = "AutoScalingGroupName")] group: String,
            #[serde(rename = "LifecycleHookName")] hook: String,
            instance_id: Option<String>,
            #[serde(rename = "LifecycleActionToken")] token: Option<String>,
            #[serde(rename = "LifecycleActionResult")] result: String,
        }
        RecordLifecycleActionHeartbeat {
            #[serde(rename = "AutoScalingGroupName")] group: String,
            #[serde(rename = "LifecycleHookName")] hook: String,
            instance_id: Option<String>,
            #[serde(rename = "LifecycleActionToken")] token: Option<String>,
        }
    }

    #[serde(rename_all_fields = "PascalCase", deny_unknown_fields)]
    CloudFormation(CloudFormationRequest) {
        DescribeStacks { stack_name: Option<String> }
        ListStackResources { stack_name: String, next_token: Option<String> }
    }

    #[serde(rename_all_fields = "PascalCase", deny_unknown_fields)]
    EventBridge(EventBridgeRequest) {
        DescribeRule { name: String, event_bus_name: Option<String> }
        ListTargetsByRule { rule: String, event_bus_name: Option<String> }
    }

    #[serde(rename_all_fields = "PascalCase", deny_unknown_fields)]
    Iam(IamRequest) {
        SimulatePrincipalPolicy {
            policy_source_arn: String,
            #[serde(default, deserialize_with = "list")] action_names: Vec<String>,
            #[serde(default, deserialize_with = "list")] resource_arns: Vec<String>,
            #[serde(rename = "ContextEntries", default, deserialize_with = "list")] context: Vec<ContextEntry>,
        }
    }
}

impl Operation {
    /// What a policy calls it.
    pub fn action(self) -> String {
        format!("{}:{self}", self.service().prefix())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Operation {
    type Err = ();

    fn from_str(name: &str) -> Result<Operation, ()> {
        Operation::ALL.into_iter().find(|operation| operation.name() == name).ok_or(())
    }
}

impl Request {
    /// Whether one of its subjects contains `part`.
    pub fn mentions(&self, part: &str) -> bool {
        self.subjects().into_iter().any(|subject| subject.contains(part))
    }
}

impl EcsRequest {
    fn subjects(&self) -> Vec<&str> {
        match self {
            Self::ListClusters { .. } => Vec::new(),
            Self::DescribeClusters { clusters } => with(Vec::new(), clusters),
            Self::DescribeCapacityProviders { capacity_providers, .. } => with(Vec::new(), capacity_providers),
            Self::ListContainerInstances { cluster, filter, .. } => present([cluster, filter]),
            Self::DescribeContainerInstances { cluster, container_instances }
            | Self::UpdateContainerInstancesState { cluster, container_instances, .. } => {
                with(present([cluster]), container_instances)
            }
            Self::ListTasks { cluster, container_instance, .. } => present([cluster, container_instance]),
            Self::DescribeTasks { cluster, tasks } | Self::GetTaskProtection { cluster, tasks } => {
                with(present([cluster]), tasks)
            }
            Self::StopTask { cluster, task, .. } => with(present([cluster]), [task]),
            Self::DescribeServices { cluster, services } => with(present([cluster]), services),
            Self::PutAttributes { cluster, attributes } | Self::DeleteAttributes { cluster, attributes } => {
                with(present([cluster]), attributes.iter().filter_map(|attribute| attribute.target_id.as_ref()))
            }
        }
    }
}

impl AutoScalingRequest {
    fn subjects(&self) -> Vec<&str> {
        match self {
            Self::DescribeAutoScalingInstances { instance_ids: names, .. }
            | Self::DescribeAutoScalingGroups { names, .. } => with(Vec::new(), names),
            Self::DescribeLifecycleHooks { group, hook_names } => with(vec![group], hook_names),
            Self::DescribeScalingActivities { group, .. } => present([group]),
            Self::DescribeWarmPool { group, .. } => vec![group],
            Self::PutLifecycleHook { group, hook, .. } | Self::DeleteLifecycleHook { group, hook } => {
                vec![group, hook]
            }
            Self::CompleteLifecycleAction { group, hook, instance_id, token, .. }
            | Self::RecordLifecycleActionHeartbeat { group, hook, instance_id, token } => {
                with(present([instance_id, token]), [group, hook])
            }
        }
    }
}

impl CloudFormationRequest {
    fn subjects(&self) -> Vec<&str> {
        match self {
            Self::DescribeStacks { stack_name } => present([stack_name]),
            Self::ListStackResources { stack_name, .. } => vec![stack_name],
        }
    }
}

impl EventBridgeRequest {
    fn subjects(&self) -> Vec<&str> {
        let (Self::DescribeRule { name: rule, event_bus_name } | Self::ListTargetsByRule { rule, event_bus_name }) =
            self;
        with(present([event_bus_name]), [rule])
    }
}

impl IamRequest {
    fn subjects(&self) -> Vec<&str> {
        let Self::SimulatePrincipalPolicy { policy_source_arn, action_names, resource_arns, .. } = self;
        with(vec![policy_source_arn], action_names.iter().chain(resource_arns))
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "members as in the ECS API reference")]
pub struct Attribute {
    pub name: String,
    pub value: Option<String>,
    pub target_type: Option<String>,
    pub target_id: Option<String>,
}

/// A context key of a simulated request, and its values.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "members as in the IAM API reference")]
pub struct ContextEntry {
    pub context_key_name: String,
    pub context_key_type: Option<String>,
    pub context_key_values: Vec<String>,
}

//! What can be asked of the world.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::Deserialize;

/// An operation of ECS or Auto Scaling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the AWS operation of that name")]
pub enum Operation {
    ListClusters,
    ListContainerInstances,
    DescribeContainerInstances,
    UpdateContainerInstancesState,
    ListTasks,
    DescribeTasks,
    GetTaskProtection,
    StopTask,
    DescribeServices,
    PutAttributes,
    DeleteAttributes,
    DescribeAutoScalingInstances,
    DescribeAutoScalingGroups,
    DescribeLifecycleHooks,
    CompleteLifecycleAction,
    RecordLifecycleActionHeartbeat,
}

/// An AWS service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Amazon ECS.
    Ecs,
    /// Amazon EC2 Auto Scaling.
    AutoScaling,
}

impl Operation {
    /// Every operation that is modelled.
    pub const ALL: [Operation; 16] = [
        Operation::ListClusters,
        Operation::ListContainerInstances,
        Operation::DescribeContainerInstances,
        Operation::UpdateContainerInstancesState,
        Operation::ListTasks,
        Operation::DescribeTasks,
        Operation::GetTaskProtection,
        Operation::StopTask,
        Operation::DescribeServices,
        Operation::PutAttributes,
        Operation::DeleteAttributes,
        Operation::DescribeAutoScalingInstances,
        Operation::DescribeAutoScalingGroups,
        Operation::DescribeLifecycleHooks,
        Operation::CompleteLifecycleAction,
        Operation::RecordLifecycleActionHeartbeat,
    ];

    /// As AWS spells it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::ListClusters => "ListClusters",
            Operation::ListContainerInstances => "ListContainerInstances",
            Operation::DescribeContainerInstances => "DescribeContainerInstances",
            Operation::UpdateContainerInstancesState => "UpdateContainerInstancesState",
            Operation::ListTasks => "ListTasks",
            Operation::DescribeTasks => "DescribeTasks",
            Operation::GetTaskProtection => "GetTaskProtection",
            Operation::StopTask => "StopTask",
            Operation::DescribeServices => "DescribeServices",
            Operation::PutAttributes => "PutAttributes",
            Operation::DeleteAttributes => "DeleteAttributes",
            Operation::DescribeAutoScalingInstances => "DescribeAutoScalingInstances",
            Operation::DescribeAutoScalingGroups => "DescribeAutoScalingGroups",
            Operation::DescribeLifecycleHooks => "DescribeLifecycleHooks",
            Operation::CompleteLifecycleAction => "CompleteLifecycleAction",
            Operation::RecordLifecycleActionHeartbeat => "RecordLifecycleActionHeartbeat",
        }
    }

    /// Whose operation it is.
    pub fn service(self) -> Service {
        match self {
            Operation::ListClusters
            | Operation::ListContainerInstances
            | Operation::DescribeContainerInstances
            | Operation::UpdateContainerInstancesState
            | Operation::ListTasks
            | Operation::DescribeTasks
            | Operation::GetTaskProtection
            | Operation::StopTask
            | Operation::DescribeServices
            | Operation::PutAttributes
            | Operation::DeleteAttributes => Service::Ecs,
            Operation::DescribeAutoScalingInstances
            | Operation::DescribeAutoScalingGroups
            | Operation::DescribeLifecycleHooks
            | Operation::CompleteLifecycleAction
            | Operation::RecordLifecycleActionHeartbeat => Service::AutoScaling,
        }
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

/// One request. Ids may be bare or ARNs; an absent cluster is `default`, where ECS does not require it.
///
/// ECS's are read from their JSON as they stand; a member that is not modelled is refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all_fields = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "operations and members as in the AWS API references")]
pub enum Request {
    ListClusters {
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
}

impl Request {
    /// Which operation it asks for.
    pub fn operation(&self) -> Operation {
        match self {
            Request::ListClusters { .. } => Operation::ListClusters,
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
            Request::CompleteLifecycleAction { .. } => Operation::CompleteLifecycleAction,
            Request::RecordLifecycleActionHeartbeat { .. } => Operation::RecordLifecycleActionHeartbeat,
        }
    }

    /// The names, ids and filters it is about.
    pub fn subjects(&self) -> Vec<&str> {
        match self {
            Request::ListClusters { .. } => Vec::new(),
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
            Request::CompleteLifecycleAction { group, hook, instance_id, token, .. }
            | Request::RecordLifecycleActionHeartbeat { group, hook, instance_id, token } => {
                with(present([instance_id, token]), [group, hook])
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

/// One request, recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// When it came.
    pub at: Timestamp,
    /// Who asked.
    pub client: String,
    /// What for.
    pub request: Request,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a request, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// It was refused with this code.
    Refused(String),
    /// The connection dropped; it had its effect where `effect` says so.
    Lost {
        /// Whether the request took effect.
        effect: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_name() {
        for operation in Operation::ALL {
            assert_eq!(operation.name().parse(), Ok(operation));
        }
        assert_eq!("RunTask".parse::<Operation>(), Err(()));
    }
}

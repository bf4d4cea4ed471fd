//! The operations that are modelled, and whose they are.

use std::{fmt, str::FromStr};

/// An operation of an AWS service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the AWS operation of that name")]
pub enum Operation {
    ListClusters,
    DescribeClusters,
    DescribeCapacityProviders,
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
    DescribeScalingActivities,
    DescribeWarmPool,
    PutLifecycleHook,
    DeleteLifecycleHook,
    CompleteLifecycleAction,
    RecordLifecycleActionHeartbeat,
    DescribeStacks,
    ListStackResources,
    DescribeRule,
    ListTargetsByRule,
    SimulatePrincipalPolicy,
}

/// An AWS service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Amazon ECS.
    Ecs,
    /// Amazon EC2 Auto Scaling.
    AutoScaling,
    /// AWS CloudFormation.
    CloudFormation,
    /// Amazon EventBridge.
    EventBridge,
    /// AWS Identity and Access Management.
    Iam,
}

impl Service {
    /// What its actions begin with in a policy.
    // Service Authorization Reference, "service prefix".
    pub fn prefix(self) -> &'static str {
        match self {
            Service::Ecs => "ecs",
            Service::AutoScaling => "autoscaling",
            Service::CloudFormation => "cloudformation",
            Service::EventBridge => "events",
            Service::Iam => "iam",
        }
    }

    /// Whether its protocol is AWS's JSON; the others speak its Query.
    pub fn speaks_json(self) -> bool {
        match self {
            Service::Ecs | Service::EventBridge => true,
            Service::AutoScaling | Service::CloudFormation | Service::Iam => false,
        }
    }
}

impl Operation {
    /// Every operation that is modelled.
    pub const ALL: [Operation; 27] = [
        Operation::ListClusters,
        Operation::DescribeClusters,
        Operation::DescribeCapacityProviders,
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
        Operation::DescribeScalingActivities,
        Operation::DescribeWarmPool,
        Operation::PutLifecycleHook,
        Operation::DeleteLifecycleHook,
        Operation::CompleteLifecycleAction,
        Operation::RecordLifecycleActionHeartbeat,
        Operation::DescribeStacks,
        Operation::ListStackResources,
        Operation::DescribeRule,
        Operation::ListTargetsByRule,
        Operation::SimulatePrincipalPolicy,
    ];

    /// As AWS spells it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::ListClusters => "ListClusters",
            Operation::DescribeClusters => "DescribeClusters",
            Operation::DescribeCapacityProviders => "DescribeCapacityProviders",
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
            Operation::DescribeScalingActivities => "DescribeScalingActivities",
            Operation::DescribeWarmPool => "DescribeWarmPool",
            Operation::PutLifecycleHook => "PutLifecycleHook",
            Operation::DeleteLifecycleHook => "DeleteLifecycleHook",
            Operation::CompleteLifecycleAction => "CompleteLifecycleAction",
            Operation::RecordLifecycleActionHeartbeat => "RecordLifecycleActionHeartbeat",
            Operation::DescribeStacks => "DescribeStacks",
            Operation::ListStackResources => "ListStackResources",
            Operation::DescribeRule => "DescribeRule",
            Operation::ListTargetsByRule => "ListTargetsByRule",
            Operation::SimulatePrincipalPolicy => "SimulatePrincipalPolicy",
        }
    }

    /// Whose operation it is.
    pub fn service(self) -> Service {
        match self {
            Operation::ListClusters
            | Operation::DescribeClusters
            | Operation::DescribeCapacityProviders
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
            | Operation::DescribeScalingActivities
            | Operation::DescribeWarmPool
            | Operation::PutLifecycleHook
            | Operation::DeleteLifecycleHook
            | Operation::CompleteLifecycleAction
            | Operation::RecordLifecycleActionHeartbeat => Service::AutoScaling,
            Operation::DescribeStacks | Operation::ListStackResources => Service::CloudFormation,
            Operation::DescribeRule | Operation::ListTargetsByRule => Service::EventBridge,
            Operation::SimulatePrincipalPolicy => Service::Iam,
        }
    }

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

//! What Auto Scaling is asked, and what it answers.

use super::{
    super::{
        form::Form,
        xml::{element, list, optional, text},
    },
    Modelled, invalid_action,
};
use crate::world::{
    ApiError, AutoScalingGroup, AutoScalingInstance, LifecycleHook, Operation, Request, Response, Service,
};

pub(super) fn modelled(operation: Operation) -> Modelled {
    match operation {
        Operation::DescribeAutoScalingInstances => (&["MaxRecords", "NextToken"], &["InstanceIds"]),
        Operation::DescribeAutoScalingGroups => (&["MaxRecords", "NextToken"], &["AutoScalingGroupNames"]),
        Operation::DescribeLifecycleHooks => (&["AutoScalingGroupName"], &["LifecycleHookNames"]),
        Operation::PutLifecycleHook => (
            &[
                "AutoScalingGroupName",
                "LifecycleHookName",
                "LifecycleTransition",
                "HeartbeatTimeout",
                "DefaultResult",
                "NotificationMetadata",
            ],
            &[],
        ),
        Operation::DeleteLifecycleHook => (&["AutoScalingGroupName", "LifecycleHookName"], &[]),
        _ => (
            &[
                "AutoScalingGroupName",
                "LifecycleHookName",
                "InstanceId",
                "LifecycleActionToken",
                "LifecycleActionResult",
            ],
            &[],
        ),
    }
}

pub(super) fn decode(operation: Operation, form: &Form) -> Result<Request, ApiError> {
    match operation {
        Operation::DescribeAutoScalingInstances => Ok(Request::DescribeAutoScalingInstances {
            instance_ids: form.members("InstanceIds"),
            max_records: form.number("MaxRecords")?,
            next_token: form.optional("NextToken"),
        }),
        Operation::DescribeAutoScalingGroups => Ok(Request::DescribeAutoScalingGroups {
            names: form.members("AutoScalingGroupNames"),
            max_records: form.number("MaxRecords")?,
            next_token: form.optional("NextToken"),
        }),
        Operation::DescribeLifecycleHooks => Ok(Request::DescribeLifecycleHooks {
            group: form.required("AutoScalingGroupName")?,
            hook_names: form.members("LifecycleHookNames"),
        }),
        Operation::PutLifecycleHook => Ok(Request::PutLifecycleHook {
            group: form.required("AutoScalingGroupName")?,
            hook: form.required("LifecycleHookName")?,
            transition: form.optional("LifecycleTransition"),
            heartbeat_timeout: form.number("HeartbeatTimeout")?,
            default_result: form.optional("DefaultResult"),
            notification_metadata: form.optional("NotificationMetadata"),
        }),
        Operation::DeleteLifecycleHook => Ok(Request::DeleteLifecycleHook {
            group: form.required("AutoScalingGroupName")?,
            hook: form.required("LifecycleHookName")?,
        }),
        Operation::CompleteLifecycleAction => Ok(Request::CompleteLifecycleAction {
            group: form.required("AutoScalingGroupName")?,
            hook: form.required("LifecycleHookName")?,
            instance_id: form.optional("InstanceId"),
            token: form.optional("LifecycleActionToken"),
            result: form.required("LifecycleActionResult")?,
        }),
        Operation::RecordLifecycleActionHeartbeat => Ok(Request::RecordLifecycleActionHeartbeat {
            group: form.required("AutoScalingGroupName")?,
            hook: form.required("LifecycleHookName")?,
            instance_id: form.optional("InstanceId"),
            token: form.optional("LifecycleActionToken"),
        }),
        _ => Err(invalid_action(operation.name(), Service::AutoScaling)),
    }
}

pub(super) fn content(response: &Response) -> String {
    match response {
        Response::AutoScalingInstances { instances, next_token } => {
            list("AutoScalingInstances", instances, |instance| {
                text("AutoScalingGroupName", &instance.group) + &described(instance)
            }) + &optional("NextToken", next_token.as_deref())
        }
        Response::AutoScalingGroups { groups, next_token } => {
            list("AutoScalingGroups", groups, group) + &optional("NextToken", next_token.as_deref())
        }
        Response::LifecycleHooks(hooks) => list("LifecycleHooks", hooks, hook),
        _ => String::new(),
    }
}

fn group(group: &AutoScalingGroup) -> String {
    let count = group.instances.len().to_string();
    [
        text("AutoScalingGroupName", &group.name),
        text("AutoScalingGroupARN", &group.arn),
        text("MinSize", "0"),
        text("MaxSize", &count),
        text("DesiredCapacity", &count),
        text("DefaultCooldown", "300"),
        element("AvailabilityZones", &text("member", &group.availability_zone)),
        text("HealthCheckType", "EC2"),
        text("HealthCheckGracePeriod", "0"),
        list("Instances", &group.instances, described),
        text("CreatedTime", &group.created_at.to_string()),
        text("NewInstancesProtectedFromScaleIn", "false"),
        list("Tags", &group.tags, |(key, value)| {
            [
                text("ResourceId", &group.name),
                text("ResourceType", "auto-scaling-group"),
                text("Key", key),
                text("Value", value),
                text("PropagateAtLaunch", "false"),
            ]
            .concat()
        }),
    ]
    .concat()
}

fn described(instance: &AutoScalingInstance) -> String {
    [
        text("InstanceId", &instance.instance_id),
        text("InstanceType", "m7g.large"),
        text("AvailabilityZone", &instance.availability_zone),
        text("LifecycleState", &instance.lifecycle_state),
        text("HealthStatus", &instance.health_status),
        text("ProtectedFromScaleIn", "false"),
    ]
    .concat()
}

fn hook(hook: &LifecycleHook) -> String {
    [
        text("LifecycleHookName", &hook.name),
        text("AutoScalingGroupName", &hook.group),
        text("LifecycleTransition", hook.transition.as_str()),
        optional("NotificationMetadata", hook.notification_metadata.as_deref()),
        text("HeartbeatTimeout", &hook.heartbeat_timeout.to_string()),
        text("GlobalTimeout", &hook.global_timeout.to_string()),
        text("DefaultResult", &hook.default_result),
    ]
    .concat()
}

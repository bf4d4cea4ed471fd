//! The Query protocol of Auto Scaling: form-encoded requests, XML answers.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    form::{fields, members},
    xml::{element, list, optional, text},
};
use crate::world::{
    ApiError, AutoScalingGroup, AutoScalingInstance, LifecycleHook, Operation, Request, Response, Service,
};

pub(super) const CONTENT_TYPE: &str = "text/xml";

// Auto Scaling API reference, "Using the Query API": the API version of every request.
const NAMESPACE: &str = "http://autoscaling.amazonaws.com/doc/2011-01-01/";

/// Reads a request.
pub(super) fn decode(body: &Bytes) -> Result<Request, ApiError> {
    let fields = fields(body).ok_or_else(|| malformed("the body is not form-encoded"))?;
    let operation = operation(&fields)?;
    check_modelled(operation, &fields)?;
    let optional = |name: &str| fields.get(name).cloned();
    let required = |name: &str| {
        optional(name).ok_or_else(|| {
            ApiError::new(
                "ValidationError",
                format!("1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"),
            )
        })
    };
    let max_records =
        optional("MaxRecords").map(|max| max.parse().map_err(|_| malformed("MaxRecords is no number"))).transpose()?;
    match operation {
        Operation::DescribeAutoScalingInstances => Ok(Request::DescribeAutoScalingInstances {
            instance_ids: members(&fields, "InstanceIds"),
            max_records,
            next_token: optional("NextToken"),
        }),
        Operation::DescribeAutoScalingGroups => Ok(Request::DescribeAutoScalingGroups {
            names: members(&fields, "AutoScalingGroupNames"),
            max_records,
            next_token: optional("NextToken"),
        }),
        Operation::DescribeLifecycleHooks => Ok(Request::DescribeLifecycleHooks {
            group: required("AutoScalingGroupName")?,
            hook_names: members(&fields, "LifecycleHookNames"),
        }),
        Operation::CompleteLifecycleAction => Ok(Request::CompleteLifecycleAction {
            group: required("AutoScalingGroupName")?,
            hook: required("LifecycleHookName")?,
            instance_id: optional("InstanceId"),
            token: optional("LifecycleActionToken"),
            result: required("LifecycleActionResult")?,
        }),
        Operation::RecordLifecycleActionHeartbeat => Ok(Request::RecordLifecycleActionHeartbeat {
            group: required("AutoScalingGroupName")?,
            hook: required("LifecycleHookName")?,
            instance_id: optional("InstanceId"),
            token: optional("LifecycleActionToken"),
        }),
        _ => Err(invalid_action(operation.name())),
    }
}

/// Writes an answer.
pub(super) fn encode(operation: Operation, response: &Response, id: &str) -> String {
    let name = operation.name();
    let result = element(&format!("{name}Result"), &content(response));
    let metadata = element("ResponseMetadata", &text("RequestId", id));
    format!("<{name}Response xmlns=\"{NAMESPACE}\">{result}{metadata}</{name}Response>")
}

/// Writes an error.
pub(super) fn encode_error(error: &ApiError, id: &str) -> String {
    let side = if error.status < 500 { "Sender" } else { "Receiver" };
    let described = [text("Type", side), text("Code", &error.code), text("Message", &error.message)];
    let error = element("Error", &described.concat());
    let id = text("RequestId", id);
    format!("<ErrorResponse xmlns=\"{NAMESPACE}\">{error}{id}</ErrorResponse>")
}

fn operation(fields: &BTreeMap<String, String>) -> Result<Operation, ApiError> {
    let action = fields.get("Action").ok_or_else(|| ApiError::new("MissingAction", "An Action is required"))?;
    action
        .parse::<Operation>()
        .ok()
        .filter(|operation| operation.service() == Service::AutoScaling)
        .ok_or_else(|| invalid_action(action))
}

/// A parameter that is not modelled is refused, as ECS's members are: to ignore a filter would be a wrong answer.
fn check_modelled(operation: Operation, fields: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let (names, lists): (&[&str], &[&str]) = match operation {
        Operation::DescribeAutoScalingInstances => (&["MaxRecords", "NextToken"], &["InstanceIds"]),
        Operation::DescribeAutoScalingGroups => (&["MaxRecords", "NextToken"], &["AutoScalingGroupNames"]),
        Operation::DescribeLifecycleHooks => (&["AutoScalingGroupName"], &["LifecycleHookNames"]),
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
    };
    let modelled = |field: &str| {
        matches!(field, "Action" | "Version")
            || names.contains(&field)
            // An empty list is sent as its bare name.
            || lists.iter().any(|list| field == *list || field.strip_prefix(list).is_some_and(|rest| rest.starts_with(".member.")))
    };
    match fields.keys().find(|field| !modelled(field)) {
        Some(field) => Err(ApiError::new("ValidationError", format!("{field} is not modelled"))),
        None => Ok(()),
    }
}

fn content(response: &Response) -> String {
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
        Response::Done
        | Response::Arns { .. }
        | Response::ContainerInstances { .. }
        | Response::Tasks { .. }
        | Response::Task(_)
        | Response::Services { .. }
        | Response::TaskProtection { .. }
        | Response::Attributes(_) => String::new(),
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

// Auto Scaling API reference, "Common errors".
fn invalid_action(action: &str) -> ApiError {
    ApiError::new("InvalidAction", format!("Could not find operation {action} for version 2011-01-01"))
}

fn malformed(why: &str) -> ApiError {
    ApiError::new("MalformedQueryString", why)
}

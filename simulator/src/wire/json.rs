//! The JSON 1.1 protocol of ECS.

use bytes::Bytes;
use hyper::Request as HttpRequest;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::world::{
    ApiError, Attribute, ContainerInstanceDescription, Failure, Operation, ProtectedTask, Request, Response, Service,
    ServiceDescription, ServiceEvent, TaskDescription,
};

pub(super) const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The header that names the operation.
pub(super) const TARGET: &str = "x-amz-target";

const TARGET_PREFIX: &str = "AmazonEC2ContainerServiceV20141113.";

/// Reads a request.
pub(super) fn decode(request: &HttpRequest<Bytes>) -> Result<Request, ApiError> {
    let target = (request.headers().get(TARGET)).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = target
        .strip_prefix(TARGET_PREFIX)
        .and_then(|name| name.parse::<Operation>().ok())
        .filter(|operation| operation.service() == Service::Ecs)
        .ok_or_else(|| {
            let message = format!("{target} does not exist or is not modelled");
            ApiError::new("UnknownOperationException", message)
        })?;
    let members: Map<String, Value> = serde_json::from_slice(request.body())
        .map_err(|error| ApiError::new("SerializationException", error.to_string()))?;
    // `serde`'s picture of an enum: the variant's name, then its members.
    let mut tagged = Map::new();
    tagged.insert(operation.name().to_owned(), Value::Object(members));
    serde_json::from_value(Value::Object(tagged))
        .map_err(|error| ApiError::new("InvalidParameterException", format!("Invalid, or not modelled: {error}")))
}

/// Writes an answer.
pub(super) fn encode(operation: Operation, response: &Response) -> String {
    match response {
        Response::Arns { arns, next_token } => {
            let name = match operation {
                Operation::ListClusters => "clusterArns",
                Operation::ListTasks => "taskArns",
                _ => "containerInstanceArns",
            };
            present(json!({ name: arns, "nextToken": next_token }))
        }
        Response::ContainerInstances { container_instances, failures } => json!({
            "containerInstances": container_instances.iter().map(instance).collect::<Vec<_>>(),
            "failures": failures.iter().map(failure).collect::<Vec<_>>(),
        }),
        Response::Tasks { tasks, failures } => json!({
            "tasks": tasks.iter().map(task).collect::<Vec<_>>(),
            "failures": failures.iter().map(failure).collect::<Vec<_>>(),
        }),
        Response::TaskProtection { protected_tasks, failures } => json!({
            "protectedTasks": protected_tasks.iter().map(protection).collect::<Vec<_>>(),
            "failures": failures.iter().map(failure).collect::<Vec<_>>(),
        }),
        Response::Task(stopped) => json!({ "task": task(stopped) }),
        Response::Services { services, failures } => json!({
            "services": services.iter().map(service).collect::<Vec<_>>(),
            "failures": failures.iter().map(failure).collect::<Vec<_>>(),
        }),
        Response::Attributes(attributes) => json!({
            "attributes": attributes.iter().map(attribute).collect::<Vec<_>>(),
        }),
        Response::AutoScalingInstances { .. }
        | Response::AutoScalingGroups { .. }
        | Response::LifecycleHooks(_)
        | Response::Done => json!({}),
    }
    .to_string()
}

/// Writes an error.
pub(super) fn encode_error(error: &ApiError) -> String {
    json!({ "__type": error.code, "message": error.message }).to_string()
}

fn instance(instance: &ContainerInstanceDescription) -> Value {
    json!({
        "containerInstanceArn": instance.container_instance_arn,
        "ec2InstanceId": instance.ec2_instance_id,
        "version": instance.version,
        "versionInfo": { "agentVersion": "1.90.0" },
        "remainingResources": [],
        "registeredResources": [],
        "status": instance.status,
        "agentConnected": instance.agent_connected,
        "runningTasksCount": instance.running_tasks_count,
        "pendingTasksCount": instance.pending_tasks_count,
        "attributes": instance.attributes.iter().map(attribute).collect::<Vec<_>>(),
        "registeredAt": seconds(instance.registered_at),
        "attachments": [],
        "tags": [],
    })
}

fn task(task: &TaskDescription) -> Value {
    present(json!({
        "taskArn": task.task_arn,
        "clusterArn": task.cluster_arn,
        "containerInstanceArn": task.container_instance_arn,
        "taskDefinitionArn": task.task_definition_arn,
        "group": task.group,
        "startedBy": task.started_by,
        "lastStatus": task.last_status.as_str(),
        "desiredStatus": task.desired_status.as_str(),
        "launchType": "EC2",
        "createdAt": seconds(task.created_at),
        "startedAt": task.started_at.map(seconds),
        "stoppingAt": task.stopping_at.map(seconds),
        "stoppedAt": task.stopped_at.map(seconds),
        "stoppedReason": task.stopped_reason,
        "stopCode": task.stop_code,
        "containers": [],
        "attachments": [],
        "tags": [],
        "version": task.version,
    }))
}

fn service(service: &ServiceDescription) -> Value {
    json!({
        "serviceArn": service.service_arn,
        "serviceName": service.service_name,
        "clusterArn": service.cluster_arn,
        "status": "ACTIVE",
        "launchType": "EC2",
        "schedulingStrategy": service.scheduling_strategy,
        "desiredCount": service.desired_count,
        "runningCount": service.running_count,
        "pendingCount": service.pending_count,
        "deploymentConfiguration": {
            "minimumHealthyPercent": service.minimum_healthy_percent,
            "maximumPercent": service.maximum_percent,
        },
        "loadBalancers": [],
        "serviceRegistries": [],
        "deployments": [],
        "events": service.events.iter().map(event).collect::<Vec<_>>(),
    })
}

fn event(event: &ServiceEvent) -> Value {
    json!({ "id": event.id, "createdAt": seconds(event.created_at), "message": event.message })
}

fn protection(task: &ProtectedTask) -> Value {
    present(json!({
        "taskArn": task.task_arn,
        "protectionEnabled": task.protection_enabled,
        "expirationDate": task.expiration_date.map(seconds),
    }))
}

fn attribute(attribute: &Attribute) -> Value {
    present(json!({
        "name": attribute.name,
        "value": attribute.value,
        "targetType": attribute.target_type,
        "targetId": attribute.target_id,
    }))
}

fn failure(failure: &Failure) -> Value {
    json!({ "arn": failure.arn, "reason": failure.reason })
}

/// Without the members that are null: AWS leaves out what there is not.
fn present(value: Value) -> Value {
    match value {
        Value::Object(members) => members.into_iter().filter(|(_, v)| !v.is_null()).collect(),
        other => other,
    }
}

/// Epoch seconds with their fraction.
fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

//! What ECS answers.

use serde_json::{Value, json};

use super::value::{present, seconds};
use crate::world::{
    Attribute, CapacityProviderDescription, ClusterDescription, ContainerInstanceDescription, Operation, ProtectedTask,
    Response, ServiceDescription, ServiceEvent, TaskDescription,
};

pub(super) fn content(operation: Operation, response: &Response) -> Value {
    match response {
        Response::Arns { arns, next_token } => {
            let name = match operation {
                Operation::ListClusters => "clusterArns",
                Operation::ListTasks => "taskArns",
                _ => "containerInstanceArns",
            };
            present(json!({ name: arns, "nextToken": next_token }))
        }
        Response::Clusters { clusters, failures } => json!({
            "clusters": clusters.iter().map(cluster).collect::<Vec<_>>(),
            "failures": failures,
        }),
        Response::CapacityProviders { capacity_providers, failures, next_token } => present(json!({
            "capacityProviders": capacity_providers.iter().map(capacity_provider).collect::<Vec<_>>(),
            "failures": failures,
            "nextToken": next_token,
        })),
        Response::ContainerInstances { container_instances, failures } => json!({
            "containerInstances": container_instances.iter().map(instance).collect::<Vec<_>>(),
            "failures": failures,
        }),
        Response::Tasks { tasks, failures } => json!({
            "tasks": tasks.iter().map(task).collect::<Vec<_>>(),
            "failures": failures,
        }),
        Response::TaskProtection { protected_tasks, failures } => json!({
            "protectedTasks": protected_tasks.iter().map(protection).collect::<Vec<_>>(),
            "failures": failures,
        }),
        Response::Task(stopped) => json!({ "task": task(stopped) }),
        Response::Services { services, failures } => json!({
            "services": services.iter().map(service).collect::<Vec<_>>(),
            "failures": failures,
        }),
        Response::Attributes(attributes) => json!({
            "attributes": attributes.iter().map(attribute).collect::<Vec<_>>(),
        }),
        _ => json!({}),
    }
}

fn cluster(cluster: &ClusterDescription) -> Value {
    json!({
        "clusterArn": cluster.cluster_arn,
        "clusterName": cluster.cluster_name,
        "status": "ACTIVE",
        "registeredContainerInstancesCount": cluster.registered_container_instances_count,
        "runningTasksCount": cluster.running_tasks_count,
        "pendingTasksCount": cluster.pending_tasks_count,
        "activeServicesCount": cluster.active_services_count,
        "capacityProviders": cluster.capacity_providers,
        "defaultCapacityProviderStrategy": [],
    })
}

fn capacity_provider(provider: &CapacityProviderDescription) -> Value {
    // ECS API reference, CapacityProvider: one of Managed Instances has no autoScalingGroupProvider.
    if let Some(option) = provider.managed_instances {
        return json!({
            "capacityProviderArn": provider.capacity_provider_arn,
            "name": provider.name,
            "status": "ACTIVE",
            "type": "MANAGED_INSTANCES",
            "managedInstancesProvider": { "instanceLaunchTemplate": { "capacityOptionType": option } },
        });
    }
    json!({
        "capacityProviderArn": provider.capacity_provider_arn,
        "name": provider.name,
        "status": "ACTIVE",
        "autoScalingGroupProvider": {
            "autoScalingGroupArn": provider.auto_scaling_group_arn,
            "managedScaling": { "status": "DISABLED" },
            "managedTerminationProtection": "DISABLED",
            "managedDraining": provider.managed_draining,
        },
    })
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
        "launchType": task.launch_type,
        "createdAt": seconds(task.created_at),
        "startedAt": task.started_at.map(seconds),
        "stoppingAt": task.stopping_at.map(seconds),
        "executionStoppedAt": task.execution_stopped_at.map(seconds),
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
    present(json!(attribute))
}

//! What the SDK's answers are in the project's own types. None where a field is missing that must be there.

use std::collections::BTreeMap;

use aws_sdk_autoscaling as autoscaling;
use aws_sdk_ecs as ecs;
use ecs::types as model;
use jiff::Timestamp;
use tracing::warn;

use super::super::{
    AutoScalingInstance, CallError, ContainerInstance, Failure, Found, InstanceStatus, SERVICE_EVENTS_MAX, Service,
    Task, TaskProtection,
};
use crate::ids::{GroupName, InstanceId};

pub(super) fn found<S, T>(
    operation: &'static str,
    items: Option<Vec<S>>,
    failures: Option<Vec<model::Failure>>,
    read: fn(S) -> Option<T>,
) -> Result<Found<T>, CallError> {
    // One that cannot be read is left out: its key alone is unknown then.
    let items = whole(operation, items)?.into_iter().filter_map(read).collect();
    let failure = |failure: model::Failure| Failure {
        arn: failure.arn.unwrap_or_default(),
        reason: failure.reason.unwrap_or_default(),
    };
    Ok(Found { items, failures: failures.unwrap_or_default().into_iter().map(failure).collect() })
}

/// The list that an answer must have: an empty one is there, too.
pub(super) fn whole<T>(operation: &'static str, list: Option<Vec<T>>) -> Result<Vec<T>, CallError> {
    list.ok_or_else(|| incomplete(operation, "it has no list"))
}

/// A group's instances. One that cannot be read is left out, and told: it does not hold up the others.
pub(super) fn instances(group: &GroupName, told: &[autoscaling::types::Instance]) -> Vec<AutoScalingInstance> {
    let read = |it: &autoscaling::types::Instance| {
        let state = it.lifecycle_state().map(autoscaling::types::LifecycleState::as_str);
        let read = auto_scaling_instance(it.instance_id(), Some(group.as_str()), state, it.health_status());
        if read.is_none() {
            let (instance, health) = (it.instance_id(), it.health_status());
            warn!(%group, instance, state, health, "left out an instance: its id is not EC2's, or a field is missing");
        }
        read
    };
    told.iter().filter_map(read).collect()
}

/// A row of DescribeAutoScalingInstances.
pub(super) fn row(it: &autoscaling::types::AutoScalingInstanceDetails) -> Result<AutoScalingInstance, Failure> {
    let (id, group) = (it.instance_id(), it.auto_scaling_group_name());
    auto_scaling_instance(id, group, it.lifecycle_state(), it.health_status()).ok_or_else(|| {
        let reason = "without its group, state or health".to_owned();
        Failure { arn: id.unwrap_or_default().to_owned(), reason }
    })
}

fn auto_scaling_instance(
    id: Option<&str>,
    group: Option<&str>,
    lifecycle_state: Option<&str>,
    health_status: Option<&str>,
) -> Option<AutoScalingInstance> {
    Some(AutoScalingInstance {
        instance: InstanceId::parse(id?)?,
        group: told(group)?.into(),
        lifecycle_state: told(lifecycle_state)?.to_owned(),
        // The letter case differs between the two Describe calls (Auto Scaling API reference).
        unhealthy: !told(health_status)?.eq_ignore_ascii_case("healthy"),
    })
}

/// A field that the answer had: for one that must be there and is not, the SDK puts these (its `correct_errors`).
pub(super) fn told(field: Option<&str>) -> Option<&str> {
    field.filter(|text| !matches!(*text, "" | "no value was set"))
}

/// What ECS counts. Below zero there is nothing to count.
fn count(of: &str, counted: i32) -> u32 {
    u32::try_from(counted).unwrap_or_else(|_| {
        warn!(of, counted, "ECS counts less than none; taken as zero");
        0
    })
}

pub(super) fn container_instance(instance: model::ContainerInstance) -> Option<ContainerInstance> {
    let attributes = instance.attributes.unwrap_or_default().into_iter();
    let arn = instance.container_instance_arn?;
    Some(ContainerInstance {
        running_tasks: count(&arn, instance.running_tasks_count),
        pending_tasks: count(&arn, instance.pending_tasks_count),
        arn: arn.into(),
        instance: InstanceId::parse(told(instance.ec2_instance_id.as_deref())?),
        version: instance.version,
        status: InstanceStatus::from(instance.status?.as_str()),
        agent_connected: instance.agent_connected,
        attributes: attributes.filter_map(|a| Some((a.name, a.value?))).collect::<BTreeMap<_, _>>(),
    })
}

pub(super) fn timestamp(time: ecs::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// A task of EC2 that was placed is on a container instance; only one of Fargate is on none.
fn lacks_its_host(task: &model::Task) -> bool {
    let is_of_fargate = task.launch_type.as_ref().is_some_and(|it| it.as_str() == "FARGATE");
    let is_placed = task.last_status.as_deref() != Some("PROVISIONING");
    task.container_instance_arn.is_none() && is_placed && !is_of_fargate
}

pub(super) fn task(task: model::Task) -> Option<Task> {
    if lacks_its_host(&task) {
        return None;
    }
    Some(Task {
        arn: task.task_arn?.into(),
        version: task.version,
        container_instance: task.container_instance_arn.map(Into::into),
        last_status: task.last_status?,
        desired_status: task.desired_status?,
        group: task.group.unwrap_or_default(),
        started_by: task.started_by.unwrap_or_default(),
        stopping_at: task.stopping_at.and_then(timestamp),
        stopped_at: task.stopped_at.and_then(timestamp),
        stopped_reason: task.stopped_reason.unwrap_or_default(),
        is_managed: task.launch_type.is_some_and(|it| it.as_str() == "MANAGED_INSTANCES"),
    })
}

pub(super) fn service(service: model::Service) -> Option<Service> {
    let percents = service.deployment_configuration;
    let told = service.events.unwrap_or_default().into_iter();
    let mut events: Vec<_> = told.filter_map(|event| Some((timestamp(event.created_at?)?, event.message?))).collect();
    events.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    events.truncate(SERVICE_EVENTS_MAX);
    let name = service.service_name?;
    Some(Service {
        desired: count(&name, service.desired_count),
        name: name.into(),
        is_daemon: service.scheduling_strategy? == model::SchedulingStrategy::Daemon,
        minimum_healthy_percent: percents.as_ref().and_then(|it| u32::try_from(it.minimum_healthy_percent?).ok()),
        maximum_percent: percents.and_then(|it| u32::try_from(it.maximum_percent?).ok()),
        events,
    })
}

pub(super) fn task_protection(task: model::ProtectedTask) -> Option<TaskProtection> {
    let until = task.expiration_date.and_then(timestamp).filter(|_| task.protection_enabled);
    Some(TaskProtection { task: task.task_arn?.into(), until })
}

/// The answer lacks what it must have.
pub(super) fn incomplete(operation: &'static str, what: impl Into<String>) -> CallError {
    CallError::Incomplete { operation, what: what.into() }
}

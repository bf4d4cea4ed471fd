//! The model's rules, one short test each.

mod access;
mod activities;
mod faults;
mod fidelity;
mod hook_settings;
mod hooks;
mod hosts;
mod lags;
mod lifecycle_events;
mod lifecycle_states;
mod lists;
mod protection;
mod refusals;
mod retention;
mod root_volume;
mod services;
mod spot;
mod stack;
mod states;
mod tasks;
mod versions;
mod warm_pool;

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use super::{error::unknown, *};

const START: Timestamp = Timestamp::UNIX_EPOCH;
const CLUSTER: &str = "prod";
const GROUP: &str = "my-asg";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(after: u64) -> Timestamp {
    START + seconds(after)
}

/// So many milliseconds after the start.
fn at_ms(after: u64) -> Timestamp {
    START + Duration::from_millis(after)
}

/// A world with one cluster and this group.
fn world_of(group: GroupSpec) -> World {
    let mut world = World::new(START, Settings::default());
    world.add_cluster(CLUSTER).unwrap();
    world.add_group(GroupSpec { name: GROUP.to_owned(), ..group }).unwrap();
    world
}

/// A world with one cluster and one group with these hooks.
fn world_with(settings: Settings, hooks: Vec<HookSpec>) -> World {
    let mut world = World::new(START, settings);
    world.add_cluster(CLUSTER).unwrap();
    let name = GROUP.to_owned();
    world.add_group(GroupSpec { name, hooks, ..GroupSpec::default() }).unwrap();
    world
}

fn world() -> World {
    world_with(Settings::default(), vec![HookSpec::terminating("ours", seconds(300))])
}

fn host(world: &mut World, instance_id: &str) -> String {
    host_with(world, instance_id, 10)
}

fn host_with(world: &mut World, instance_id: &str, slots: usize) -> String {
    let spec = HostSpec {
        instance_id: Some(instance_id.to_owned()),
        cluster: Some(CLUSTER.to_owned()),
        group: Some(GROUP.to_owned()),
        slots,
        agent_connected: true,
    };
    world.add_host(spec).unwrap()
}

fn service(name: &str, desired: usize) -> ServiceSpec {
    ServiceSpec { cluster: CLUSTER.to_owned(), name: name.to_owned(), desired, ..ServiceSpec::default() }
}

fn job(instance_id: &str) -> TaskSpec {
    TaskSpec { cluster: CLUSTER.to_owned(), instance_id: instance_id.to_owned(), ..TaskSpec::default() }
}

fn ask(world: &mut World, request: impl Into<Request>) -> Result<Response, RequestError> {
    let now = world.now();
    world.request(now, "test", request).answer
}

/// The error a request is refused with.
fn refusal(world: &mut World, request: impl Into<Request>) -> ApiError {
    match ask(world, request) {
        Err(RequestError::Api(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

fn named(cluster: &str) -> Option<String> {
    Some(cluster.to_owned())
}

fn registration(world: &World, instance_id: &str) -> ContainerInstance {
    world.registrations(instance_id).next().unwrap().clone()
}

fn counts(world: &World, instance_id: &str) -> (i64, i64) {
    let described = world.ecs.describe(&registration(world, instance_id), world.now());
    (described.running_tasks_count, described.pending_tasks_count)
}

fn statuses(world: &World, instance_id: &str) -> Vec<LastStatus> {
    let tasks = world.tasks_on(instance_id);
    tasks.into_iter().map(|task| task.last_status).collect()
}

fn drain(world: &mut World, instance_id: &str) {
    update(world, instance_id, "DRAINING");
}

fn update(world: &mut World, instance_id: &str, status: &str) {
    let request = EcsRequest::UpdateContainerInstancesState {
        cluster: named(CLUSTER),
        container_instances: vec![registration(world, instance_id).id],
        status: status.to_owned(),
    };
    ask(world, request).unwrap();
}

fn stop(world: &mut World, task: &str) {
    let request = EcsRequest::StopTask { cluster: named(CLUSTER), task: task.to_owned(), reason: None };
    ask(world, request).unwrap();
}

fn complete(hook: &str, instance_id: &str, result: &str) -> AutoScalingRequest {
    AutoScalingRequest::CompleteLifecycleAction {
        group: GROUP.to_owned(),
        hook: hook.to_owned(),
        instance_id: Some(instance_id.to_owned()),
        token: None,
        result: result.to_owned(),
    }
}

fn heartbeat(hook: &str, instance_id: &str) -> AutoScalingRequest {
    AutoScalingRequest::RecordLifecycleActionHeartbeat {
        group: GROUP.to_owned(),
        hook: hook.to_owned(),
        instance_id: Some(instance_id.to_owned()),
        token: None,
    }
}

/// Every state that an instance is in until `until`, each once, looking every ten milliseconds; `-` is none.
fn states_until(world: &mut World, instance_id: &str, until: Timestamp) -> Vec<String> {
    let mut states = Vec::new();
    loop {
        states.push(world.lifecycle_state(instance_id).unwrap_or("-").to_owned());
        if world.now() >= until {
            states.dedup();
            return states;
        }
        world.advance(world.now() + Duration::from_millis(10));
    }
}

fn list_tasks(world: &mut World, instance_id: &str, desired: &str) -> Vec<String> {
    let request = EcsRequest::ListTasks {
        cluster: named(CLUSTER),
        container_instance: Some(registration(world, instance_id).arn),
        desired_status: Some(desired.to_owned()),
        max_results: None,
        next_token: None,
    };
    match ask(world, request) {
        Ok(Response::Arns { arns, .. }) => arns,
        other => panic!("not a list: {other:?}"),
    }
}

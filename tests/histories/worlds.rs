//! The world of a history, as its plan describes it.

use std::time::Duration;

use jiff::Timestamp;
use simulator::world::{
    ActionResult, Attribute, Fault, FaultKind, GroupSpec, HookSpec, HostSpec, Operation, Quotas, Request, ServiceKind,
    ServiceSpec, Settings, TaskSpec, World,
};

use super::plan::{FaultPlan, GroupPlan, Harm, Plan};
use crate::support::HOOK;

const OURS: &str = "ours";
pub(super) const BOTH: &str = "ours-and-theirs";
pub(super) const THEIRS: &str = "theirs";

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn instance_id(host: usize) -> String {
    format!("i-{:017x}", host + 1)
}

pub(super) fn cluster(plan: &Plan, index: usize) -> String {
    format!("cluster-{}", index % plan.world.clusters)
}

pub(super) fn world(plan: &Plan, start: Timestamp) -> World {
    let shape = &plan.world;
    let settings = Settings {
        seed: plan.seed,
        list_lag: Duration::from_millis(shape.list_lag_ms),
        latency: Duration::from_millis(shape.latency_ms / 2)..Duration::from_millis(shape.latency_ms),
        quotas: if shape.quotas { Quotas::documented() } else { Quotas::unlimited() },
        page_size: shape.page_size,
        empty_pages: shape.empty_pages,
        ..Settings::default()
    };
    let mut world = World::new(start, settings);
    for index in 0..shape.clusters {
        world.add_cluster(&cluster(plan, index)).unwrap();
    }
    let ours = HookSpec::terminating(HOOK, secs(shape.hook_timeout_s));
    let theirs = HookSpec { default_result: ActionResult::Continue, ..HookSpec::terminating(THEIRS, secs(7200)) };
    for (name, hooks) in [(OURS, vec![ours.clone()]), (BOTH, vec![ours, theirs.clone()]), (THEIRS, vec![theirs])] {
        world.add_group(GroupSpec { name: name.into(), hooks }).unwrap();
    }
    for (n, host) in plan.hosts.iter().enumerate() {
        let group = match host.group {
            GroupPlan::Ours => OURS,
            GroupPlan::OursAndTheirs(_) => BOTH,
            GroupPlan::Theirs => THEIRS,
        };
        add_host(&mut world, &instance_id(n), host.cluster.map(|index| cluster(plan, index)), group);
    }
    // Hosts that stay, so that services have somewhere to go.
    for index in 0..shape.clusters {
        add_host(&mut world, &format!("i-{:017x}", 0xfff0 + index), Some(cluster(plan, index)), OURS);
    }
    add_tasks(&mut world, plan);
    for (n, host) in plan.hosts.iter().enumerate() {
        if let (Some(before), Some(index)) = (host.drained_before_s, host.cluster) {
            leave_attributes(&mut world, &instance_id(n), &cluster(plan, index), start - secs(before));
        }
    }
    for fault in &plan.faults {
        world.plan(harm(fault));
    }
    world
}

/// What a drain left that somebody undid.
fn leave_attributes(world: &mut World, id: &str, cluster: &str, at: Timestamp) {
    let target = world.registrations(id).next().unwrap().arn.clone();
    let names = ["ecs-drainer.drain-started-at", "ecs-drainer.agent-lost-at", "ecs-drainer.released-at"];
    let attribute = |name: &str| Attribute {
        name: name.into(),
        value: Some(format!("{at:.3}")),
        target_type: Some("container-instance".into()),
        target_id: Some(target.clone()),
    };
    let attributes = names.map(attribute).to_vec();
    let request = Request::PutAttributes { cluster: Some(cluster.into()), attributes };
    assert!(world.request(world.now(), "an-earlier-drain", request).answer.is_ok());
}

fn add_host(world: &mut World, id: &str, cluster: Option<String>, group: &str) {
    let spec = HostSpec { instance_id: Some(id.into()), cluster, group: Some(group.into()), ..HostSpec::default() };
    world.add_host(spec).unwrap();
}

fn add_tasks(world: &mut World, plan: &Plan) {
    for (n, service) in plan.services.iter().enumerate() {
        let kind = if service.daemon { ServiceKind::Daemon } else { ServiceKind::Replica };
        let spec = ServiceSpec {
            cluster: cluster(plan, service.cluster),
            name: format!("service-{n}"),
            desired: service.desired,
            minimum_healthy_percent: service.minimum_healthy_percent,
            maximum_percent: service.maximum_percent.max(service.minimum_healthy_percent),
            kind,
            deregistration: service.deregistration_s.map(secs),
            stop_task_waits_for_deregistration: service.stop_task_waits,
            start_time: secs(service.start_s),
            stop_time: secs(service.stop_s),
            ..ServiceSpec::default()
        };
        world.add_service(spec).unwrap();
    }
    for (n, host) in plan.hosts.iter().enumerate() {
        let Some(index) = host.cluster else { continue };
        for (job, (finishes_after, stop_s)) in host.jobs.iter().enumerate() {
            let spec = TaskSpec {
                cluster: cluster(plan, index),
                instance_id: instance_id(n),
                family: format!("job-{job}"),
                stop_time: secs(*stop_s),
                finishes_after: finishes_after.map(secs),
                ..TaskSpec::default()
            };
            world.run_task(spec).unwrap();
        }
    }
}

fn harm(fault: &FaultPlan) -> Fault {
    let operation = fault.operation.map(|index| Operation::ALL[index % Operation::ALL.len()]);
    Fault { operation, matching: None, after: fault.after, times: fault.times, kind: harm_kind(fault.kind) }
}

pub(super) fn harm_kind(harm: Harm) -> FaultKind {
    match harm {
        Harm::Throttle => FaultKind::Throttle,
        Harm::ServerError => FaultKind::ServerError,
        Harm::AccessDenied => FaultKind::AccessDenied,
        Harm::DropConnection => FaultKind::DropConnection,
        Harm::LoseAnswer => FaultKind::LoseAnswer,
        Harm::Slow => FaultKind::Slow(secs(4)),
    }
}

//! The world of a history, as its plan describes it, and the settings of its stacks.

use std::time::Duration;

use jiff::Timestamp;
use shared::config::{Config, OnDrainTimeout};
use simulator::world::{
    ActionResult, Attribute, EcsRequest, Fault, FaultKind, GroupSpec, HookSpec, HostSpec, Quotas, ServiceKind,
    ServiceSpec, Settings, TaskSpec, WarmPoolSpec, WarmPoolState, World,
};

use super::plan::{ASKED, FaultPlan, GroupPlan, Harm, HostPlan, OverridesPlan, Plan, PolicyPlan};
use crate::support::HOOK;

const OURS: &str = "ours";
const TWO: &str = "two-of-ours";
const OVERRIDING: &str = "overriding";
/// Ours, too.
pub(super) const SECOND_HOOK: &str = "ecs-drainer-2";
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
        description_lag: Duration::from_millis(shape.description_lag_ms),
        write_answers_lag: shape.write_answers_lag,
        latency: Duration::from_millis(shape.latency_ms / 2)..Duration::from_millis(shape.latency_ms),
        quotas: if shape.quotas { Quotas::documented() } else { Quotas::unlimited() },
        page_size: shape.page_size,
        empty_pages: shape.empty_pages,
        wait_begins_after: Duration::from_millis(shape.waits_after_ms),
        ..Settings::default()
    };
    // The hosts registered longer ago than answers lag.
    let mut world = World::new(start - secs(10), settings);
    for index in 0..shape.clusters {
        world.add_cluster(&cluster(plan, index)).unwrap();
    }
    let ours = HookSpec::terminating(HOOK, secs(shape.hook_timeout_s));
    let theirs = HookSpec { default_result: ActionResult::Continue, ..HookSpec::terminating(THEIRS, secs(7200)) };
    let second = HookSpec { name: SECOND_HOOK.into(), ..ours.clone() };
    let overriding = HookSpec { notification_metadata: Some(metadata(plan)), ..ours.clone() };
    for (name, hooks) in [
        (OURS, vec![ours.clone()]),
        (TWO, vec![ours.clone(), second]),
        (OVERRIDING, vec![overriding]),
        (BOTH, vec![ours, theirs.clone()]),
        (THEIRS, vec![theirs]),
    ] {
        let warm_pool = Some(WarmPoolSpec { state: WarmPoolState::Stopped, reuse_on_scale_in: true });
        world.add_group(GroupSpec { name: name.into(), hooks, warm_pool, ..GroupSpec::default() }).unwrap();
    }
    for n in 0..plan.hosts.len() {
        add_planned(&mut world, plan, n);
    }
    // Hosts that stay, so that services have somewhere to go.
    for index in 0..shape.clusters {
        add_host(&mut world, &format!("i-{:017x}", 0xfff0 + index), Some(cluster(plan, index)), OURS);
    }
    world.advance(start);
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

/// The group of a host.
pub(super) fn group(host: &HostPlan) -> &'static str {
    match host.group {
        GroupPlan::Ours => OURS,
        GroupPlan::TwoOfOurs => TWO,
        GroupPlan::Overriding => OVERRIDING,
        GroupPlan::OursAndTheirs(_) => BOTH,
        GroupPlan::Theirs => THEIRS,
    }
}

/// What the hook of a group says in place of the settings.
fn metadata(plan: &Plan) -> String {
    let OverridesPlan { drain_timeout_s, on_drain_timeout, cluster: named } = plan.policy.overrides;
    let mut metadata =
        serde_json::json!({"drainTimeoutSeconds": drain_timeout_s, "onDrainTimeout": word(on_drain_timeout)});
    if let Some(named) = named {
        metadata["cluster"] = cluster(plan, named).into();
    }
    metadata.to_string()
}

/// A policy as settings and metadata have it.
pub(super) fn word(policy: OnDrainTimeout) -> &'static str {
    match policy {
        OnDrainTimeout::StopTasks => "stop-tasks",
        OnDrainTimeout::Proceed => "proceed",
        OnDrainTimeout::Abandon => "abandon",
        OnDrainTimeout::Wait => "wait",
    }
}

/// A host, as its plan has it. One that was registered before leaves that registration behind.
fn add_planned(world: &mut World, plan: &Plan, n: usize) {
    let (host, id) = (&plan.hosts[n], instance_id(n));
    let own = host.cluster.map(|index| cluster(plan, index));
    let before =
        host.registered_too.zip(host.cluster).map(|(too, index)| another_cluster(plan, index, too.in_next_cluster));
    add_host(world, &id, before.clone().or(own.clone()), group(host));
    if let (Some(before), Some(own)) = (before, own) {
        if host.registered_too.is_some_and(|too| too.phantom) {
            world.run_task(TaskSpec { cluster: before, instance_id: id.clone(), ..TaskSpec::default() }).unwrap();
        }
        drop(world.register(&id, &own).unwrap());
    }
    if let Some(odd) = host.odd_state {
        world.set_status(&id, odd.state).unwrap();
    }
    if let Some(by) = host.miscount {
        world.miscount_pending(&id, by).unwrap();
    }
}

/// The next cluster, if it is watched, too; else the same.
pub(super) fn another_cluster(plan: &Plan, index: usize, in_next_cluster: bool) -> String {
    cluster(plan, index + usize::from(in_next_cluster && !plan.world.only_first_watched))
}

/// The attributes of an earlier drain that an operator undid.
fn leave_attributes(world: &mut World, id: &str, cluster: &str, at: Timestamp) {
    let target = world.registrations(id).find(|it| it.cluster == cluster && it.agent_connected).unwrap().arn.clone();
    let names = ["ecs-drainer.drain-started-at", "ecs-drainer.agent-lost-at", "ecs-drainer.released-at"];
    let attribute = |name: &str| Attribute {
        name: name.into(),
        value: Some(format!("{at:.3}")),
        target_type: Some("container-instance".into()),
        target_id: Some(target.clone()),
    };
    let attributes = names.map(attribute).to_vec();
    let request = EcsRequest::PutAttributes { cluster: Some(cluster.into()), attributes };
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
    let operation = fault.operation.map(|index| ASKED[index]);
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

/// One for each stack. Both watch the same clusters; each has its own hook, where there are two.
pub(super) fn configs(plan: &Plan) -> Vec<Config> {
    let hooks = match plan.second_stack {
        Some(_) => vec![HOOK.to_owned(), SECOND_HOOK.to_owned()],
        None => vec![format!("{HOOK},{SECOND_HOOK}")],
    };
    plan.policies().zip(hooks).map(|(policy, hooks)| config(plan, policy, &hooks)).collect()
}

fn config(plan: &Plan, policy: &PolicyPlan, hooks: &str) -> Config {
    Config::read(|name| match name {
        "ECS_CLUSTERS" if plan.world.only_first_watched => Some(cluster(plan, 0)),
        "DRAIN_TIMEOUT_SECONDS" => Some(policy.drain_timeout_s.to_string()),
        "LIFECYCLE_HOOK_NAMES" => Some(hooks.to_owned()),
        "ON_DRAIN_TIMEOUT" => Some(word(policy.on_drain_timeout).to_owned()),
        "STANDALONE_TASKS" if policy.stop_standalone => Some("stop".to_owned()),
        "SPOT_STOP_LEAD_SECONDS" => Some(policy.spot_stop_lead_s.to_string()),
        "AGENT_LOST_SECONDS" => Some(policy.agent_lost_s.to_string()),
        _ => None,
    })
    .unwrap()
}

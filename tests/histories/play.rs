//! Plays a history in virtual time, with every invocation that it calls for.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::clock::after;
use shared::config::{Config, OnDrainTimeout};
use shared::drain::known::{Departure, Known, NoticedBy};
use shared::drain::remembered::Remembered;
use shared::drain::report::Drain;
use shared::drain::{self, Budget, Context, scan};
use shared::ids::InstanceId;
use simulator::world::{
    ActionResult, Attribute, Fault, FaultKind, GroupSpec, HookSpec, HostSpec, Operation, Quotas, Request, ServiceKind,
    ServiceSpec, Settings, TaskSpec, World,
};
use tokio::task::{LocalSet, spawn_local};

use super::judge::Judge;
use super::plan::{GroupPlan, Harm, HostPlan, Plan};
use crate::support::HOOK;
use crate::support::model::Model;

const START: &str = "2026-01-15T20:00:00Z";
const OURS: &str = "ours";
const BOTH: &str = "ours-and-theirs";
const THEIRS: &str = "theirs";
const GRACE_S: u64 = 600;
/// After the last deadline: the rest of a minute, a pass, and what faults and skipped minutes cost.
const SLACK_S: u64 = 600;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn instance_id(host: usize) -> String {
    format!("i-{:017x}", host + 1)
}

fn cluster(plan: &Plan, index: usize) -> String {
    format!("cluster-{}", index % plan.world.clusters)
}

fn is_watched(plan: &Plan, index: usize) -> bool {
    !plan.world.only_first_watched || index.is_multiple_of(plan.world.clusters)
}

/// What happens, besides the world's own doings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Leaves(usize),
    AgentLost(usize),
    AgentBack(usize),
    Deregistered(usize),
    Undrained(usize),
    TheirsCompleted(usize),
    OutageBegins,
    OutageEnds,
    Events(u64),
    Minute(usize),
}

/// What was seen in a history, and each of its requests: when, and what.
pub(crate) type Played = (BTreeSet<&'static str>, Vec<(Timestamp, Request)>);

/// Plays it; answers what was seen in it, or what went wrong.
pub(crate) fn played(plan: &Plan) -> Result<Played, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.unwrap(), story(plan))
}

async fn story(plan: &Plan) -> Result<Played, String> {
    let start: Timestamp = START.parse().unwrap();
    let world = world(plan, start);
    let hosts = plan.hosts.iter().enumerate();
    let hosts = hosts.map(|(n, host)| (instance_id(n), host.cluster.is_none_or(|cluster| is_watched(plan, cluster))));
    let judge = Rc::new(RefCell::new(Judge::new(plan, hosts, start)));
    let model = Rc::new(Model::of(world).watched_by(judge.clone()));
    let stage = Rc::new(Stage { plan: plan.clone(), config: config(plan), model, started: RefCell::new(0), judge });

    let mut seen = BTreeSet::new();
    let last = plan.hosts.iter().map(|host| host.leaves_at_s).max().unwrap_or_default();
    let outage = plan.outage.map_or(0, |(at, length, _)| at + length);
    let end = last.max(outage) + plan.policy.drain_timeout_s + GRACE_S + SLACK_S + plan.world.hook_timeout_s;
    let happenings = happenings(plan, end);
    let planned = happenings.iter().filter(|(_, happening)| !matches!(happening, Happening::Minute(_)));
    let last_planned_ms = planned.map(|(at_ms, _)| *at_ms).max().unwrap_or_default();
    let mut invocations = Vec::new();
    for (at_ms, happening) in happenings {
        let clock = stage.model.clock();
        tokio::time::sleep_until(clock.instant(start + Duration::from_millis(at_ms))).await;
        if let Happening::Minute(_) = happening
            && at_ms > last_planned_ms
            && (0..plan.hosts.len()).all(|host| stage.is_done_with(host))
        {
            break;
        }
        if let Some(invocation) = stage.perform(happening, &mut seen) {
            invocations.push(spawn_local(invocation));
        }
        if !stage.judge.borrow().violations.is_empty() {
            break;
        }
    }
    for invocation in invocations {
        invocation.await.map_err(|panicked| format!("an invocation panicked: {panicked}"))?;
    }
    let requests = stage.model.world(|world| world.requests().iter().map(|r| (r.at, r.request.clone())).collect());
    Ok((stage.verdict(seen)?, requests))
}

/// In the order of their time, up to the `end`, in milliseconds.
fn happenings(plan: &Plan, end_s: u64) -> Vec<(u64, Happening)> {
    let mut all = Vec::new();
    for (n, host) in plan.hosts.iter().enumerate() {
        let after_leaving = |seconds: u64| (host.leaves_at_s + seconds) * 1000;
        all.push((after_leaving(0), Happening::Leaves(n)));
        if let Some(lost) = host.lost {
            all.push((after_leaving(lost.after_s), Happening::AgentLost(n)));
            all.extend(lost.back_after_s.map(|s| (after_leaving(lost.after_s + s), Happening::AgentBack(n))));
        }
        all.extend(host.deregistered_after_s.map(|s| (after_leaving(s), Happening::Deregistered(n))));
        all.extend(host.undrained_after_s.map(|s| (after_leaving(s), Happening::Undrained(n))));
        if let GroupPlan::OursAndTheirs(seconds) = host.group {
            all.push((after_leaving(seconds), Happening::TheirsCompleted(n)));
        }
        let events = host.events_after_s.iter().map(|s| after_leaving(*s));
        all.extend(events.map(|at_ms| (at_ms, Happening::Events(at_ms))));
    }
    if let Some((at, length, _)) = plan.outage {
        all.extend([(at * 1000, Happening::OutageBegins), ((at + length) * 1000, Happening::OutageEnds)]);
    }
    for minute in 0..usize::try_from(end_s / 60).unwrap() {
        let jitter = plan.reconcile.jitter_ms * u64::try_from(minute % 3).unwrap();
        let at = (plan.reconcile.phase_s + 60 * u64::try_from(minute).unwrap()) * 1000 + jitter;
        if !plan.reconcile.skipped.contains(&minute) {
            all.push((at, Happening::Minute(minute)));
        }
    }
    all.sort();
    all.dedup();
    all
}

struct Stage {
    plan: Plan,
    config: Config,
    model: Rc<Model>,
    /// Invocations so far.
    started: RefCell<usize>,
    judge: Rc<RefCell<Judge>>,
}

impl Stage {
    /// Lets it happen; answers the invocation that it wakes, if any.
    fn perform(
        self: &Rc<Self>,
        happening: Happening,
        seen: &mut BTreeSet<&'static str>,
    ) -> Option<impl Future<Output = ()> + 'static> {
        let in_world = |f: &dyn Fn(&mut World)| self.model.world(|world| f(world));
        match happening {
            Happening::Leaves(host) => {
                let HostPlan { events_after_s, group, .. } = &self.plan.hosts[host];
                if events_after_s.is_empty() && *group != GroupPlan::Theirs {
                    seen.insert("lost events");
                }
                in_world(&|world| drop(world.scale_in(&instance_id(host), world.now())));
            }
            // Each of these may come when the host is gone already.
            Happening::AgentLost(host) => in_world(&|world| {
                drop(world.set_agent_connected(&instance_id(host), false));
                if self.plan.hosts[host].lost.is_some_and(|lost| lost.unhealthy) {
                    drop(world.set_health(&instance_id(host), "Unhealthy"));
                }
            }),
            Happening::AgentBack(host) => in_world(&|world| {
                drop(world.set_agent_connected(&instance_id(host), true));
                drop(world.set_health(&instance_id(host), "Healthy"));
            }),
            Happening::Deregistered(host) => in_world(&|world| drop(world.deregister(&instance_id(host)))),
            Happening::Undrained(host) => in_world(&|world| drop(world.set_status(&instance_id(host), "ACTIVE"))),
            Happening::TheirsCompleted(host) => in_world(&|world| {
                let request = Request::CompleteLifecycleAction {
                    group: BOTH.into(),
                    hook: THEIRS.into(),
                    instance_id: Some(instance_id(host)),
                    token: None,
                    result: "CONTINUE".into(),
                };
                drop(world.request(world.now(), "somebody-else", request));
            }),
            Happening::OutageBegins => {
                seen.insert("outages");
                in_world(&|world| {
                    world.forget_faults();
                    let silence = self.plan.outage.map_or(Harm::ServerError, |(_, _, silence)| silence);
                    world.plan(Fault::always(harm_kind(silence)));
                });
            }
            Happening::OutageEnds => in_world(&World::forget_faults),
            Happening::Events(at_ms) => return Some(self.clone().invocation(Some(self.told_at(at_ms)))),
            Happening::Minute(_) => return Some(self.clone().invocation(None)),
        }
        None
    }

    /// The hosts whose events come at that time, in one batch. The rule lets no foreign hook's event through.
    fn told_at(&self, at_ms: u64) -> Vec<usize> {
        let hosts = self.plan.hosts.iter().enumerate().filter(|(_, host)| {
            let times = host.events_after_s.iter().map(|s| (host.leaves_at_s + s) * 1000);
            host.group != GroupPlan::Theirs && times.into_iter().any(|time| time == at_ms)
        });
        hosts.map(|(n, _)| n).collect()
    }

    /// Whether nothing more can come of a host: nobody holds it, or only those who are not in this history.
    fn is_done_with(&self, host: usize) -> bool {
        let theirs = self.plan.hosts[host].group == GroupPlan::Theirs;
        self.model
            .world(|world| theirs || world.host(&instance_id(host)).is_none_or(|host| host.waits_on().count() == 0))
    }

    /// One invocation, cold: of `instance-terminating` for some hosts' events, or of `reconcile`. It may die.
    async fn invocation(self: Rc<Self>, hosts: Option<Vec<usize>>) {
        let number = *self.started.borrow();
        *self.started.borrow_mut() += 1;
        let dies = self.plan.kills.iter().find(|(which, _)| *which == number).map(|(_, after_ms)| *after_ms);
        let run = self.run(hosts, self.plan.seed.wrapping_add(u64::try_from(number).unwrap()));
        let drains = match dies {
            None => run.await,
            Some(after_ms) => match tokio::time::timeout(Duration::from_millis(after_ms), run).await {
                Ok(drains) => drains,
                Err(_) => {
                    self.judge.borrow_mut().seen.insert("kills");
                    return;
                }
            },
        };
        if drains.iter().any(|drain| drain.outcome == drain::decide::Outcome::HandedOver) {
            self.judge.borrow_mut().seen.insert("hand-overs");
        }
    }

    async fn run(&self, hosts: Option<Vec<usize>>, seed: u64) -> Vec<Drain> {
        let clock = self.model.clock();
        let remembered = Remembered::default();
        let context = Context { calls: &*self.model, config: &self.config, remembered: &remembered, clock };
        let (lasts, polls) = if hosts.is_some() { (150, 120) } else { (60, 55) };
        let budget = Budget::within(after(clock.now(), secs(lasts)), secs(polls), clock.now());
        let mut rng = fastrand::Rng::with_seed(seed);
        let told = |host| {
            let instance = InstanceId::parse(&instance_id(host)).unwrap();
            Known::new(Departure::of_termination(instance, NoticedBy::Event), clock.now())
        };
        let known = match hosts {
            Some(hosts) => Ok(hosts.into_iter().map(told).collect()),
            None => scan::departures(&context, budget, &mut rng).await,
        };
        match known {
            Ok(known) => drain::run(&context, known, budget, &mut rng).await,
            Err(_) => Vec::new(),
        }
    }

    fn verdict(&self, mut seen: BTreeSet<&'static str>) -> Result<BTreeSet<&'static str>, String> {
        let judge = self.judge.borrow();
        self.model.world(|world| judge.verdict(world))?;
        seen.extend(judge.seen.iter());
        Ok(seen)
    }
}

fn config(plan: &Plan) -> Config {
    let policy = &plan.policy;
    let then = match policy.on_drain_timeout {
        OnDrainTimeout::StopTasks => "stop-tasks",
        OnDrainTimeout::Proceed => "proceed",
        OnDrainTimeout::Abandon => "abandon",
        OnDrainTimeout::Wait => "wait",
    };
    Config::read(|name| match name {
        "ECS_CLUSTERS" if plan.world.only_first_watched => Some(cluster(plan, 0)),
        "DRAIN_TIMEOUT_SECONDS" => Some(policy.drain_timeout_s.to_string()),
        "ON_DRAIN_TIMEOUT" => Some(then.to_owned()),
        "STANDALONE_TASKS" if policy.stop_standalone => Some("stop".to_owned()),
        "AGENT_LOST_SECONDS" => Some(policy.agent_lost_s.to_string()),
        _ => None,
    })
    .unwrap()
}

fn world(plan: &Plan, start: Timestamp) -> World {
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

fn harm(fault: &super::plan::FaultPlan) -> Fault {
    let operation = fault.operation.map(|index| Operation::ALL[index % Operation::ALL.len()]);
    Fault { operation, matching: None, after: fault.after, times: fault.times, kind: harm_kind(fault.kind) }
}

fn harm_kind(harm: Harm) -> FaultKind {
    match harm {
        Harm::Throttle => FaultKind::Throttle,
        Harm::ServerError => FaultKind::ServerError,
        Harm::AccessDenied => FaultKind::AccessDenied,
        Harm::DropConnection => FaultKind::DropConnection,
        Harm::LoseAnswer => FaultKind::LoseAnswer,
        Harm::Slow => FaultKind::Slow(secs(4)),
    }
}

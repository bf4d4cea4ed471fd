//! Plays a history in virtual time, with every invocation that it calls for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::clock::after;
use shared::config::Config;
use shared::drain::facts::departure::{Cause, Departure, Destination, Hints, NoticedBy, SPOT_NOTICE};
use shared::drain::facts::known::Known;
use shared::drain::remembered::Remembered;
use shared::drain::reports::report::Drain;
use shared::drain::rules::decision::Outcome;
use shared::drain::{self, Budget, Context};
use shared::ids::InstanceId;
use simulator::sqs::Message;
use simulator::world::{AutoScalingRequest, Fault, FaultKind, Request, Service, SpotAction, TaskSpec, World};
use tokio::task::{LocalSet, spawn_local};

use super::happenings::{Happening, happenings};
use super::judge::Judge;
use super::plan::{DENIED, GroupPlan, HostPlan, Plan, PolicyPlan};
use super::worlds::{
    BOTH, SECOND_HOOK, THEIRS, another_cluster, cluster, group, harm_kind, instance_id, secs, word, world,
};
use crate::support::delivery::Delivery;
use crate::support::model::Model;
use crate::support::{EVENTS, EVENTS_CONCURRENCY, HOOK, NOTICES, NOTICES_CONCURRENCY};

const START: &str = "2026-01-15T20:00:00Z";
const GRACE_S: u64 = 600;
/// After the last deadline: the rest of a minute, a pass, and what faults and skipped minutes cost.
const SLACK_S: u64 = 600;

fn is_watched(plan: &Plan, index: usize) -> bool {
    !plan.world.only_first_watched || index.is_multiple_of(plan.world.clusters)
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
    let clock = model.clock();
    let configs = configs(plan);
    let events = || Rc::new(Delivery::new(EVENTS, EVENTS_CONCURRENCY, clock));
    let stage = Rc::new(Stage {
        plan: plan.clone(),
        model,
        started: RefCell::new(0),
        judge,
        warm: RefCell::default(),
        reconciling: RefCell::new(vec![0; configs.len()]),
        events: configs.iter().map(|_| events()).collect(),
        configs,
        notices: Rc::new(Delivery::new(NOTICES, NOTICES_CONCURRENCY, clock)),
    });
    let kinds = (0..stage.configs.len()).map(Queued::Event).chain([Queued::Notice]);
    let receivers: Vec<_> = kinds
        .map(|kind| {
            let stage = stage.clone();
            spawn_local(stage.mailbox(kind).feed(move |messages| stage.clone().batch(kind, messages)))
        })
        .collect();

    let mut seen = BTreeSet::new();
    let leave = |host: &HostPlan| host.leaves_at_s.max(host.interrupted.as_ref().map_or(0, |it| it.noticed_at_s));
    let last = plan.hosts.iter().map(leave).max().unwrap_or_default();
    let outage = plan.outage.map_or(0, |outage| outage.begins_at_s + outage.lasts_s);
    let timeout = plan.policies().map(|policy| policy.drain_timeout_s).max().unwrap_or_default();
    let end = last.max(outage) + timeout + GRACE_S + SLACK_S + plan.world.hook_timeout_s;
    let happenings = happenings(plan, end);
    let is_minute = |it: &Happening| matches!(it, Happening::Minute(_) | Happening::MinuteAgain(_));
    let planned = happenings.iter().filter(|(_, happening)| !is_minute(happening));
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
        invocations.extend(stage.perform(happening, &mut seen).into_iter().map(spawn_local));
        if !stage.judge.borrow().violations.is_empty() {
            break;
        }
    }
    for invocation in invocations {
        invocation.await.map_err(|panicked| format!("an invocation panicked: {panicked}"))?;
    }
    for receiver in receivers {
        // One that panicked has ended already.
        if receiver.is_finished() {
            receiver.await.map_err(|panicked| format!("an invocation panicked: {panicked}"))?;
        } else {
            receiver.abort();
        }
    }
    let requests = stage.model.world(|world| world.requests().iter().map(|r| (r.at, r.request.clone())).collect());
    Ok((stage.verdict(seen)?, requests))
}

struct Stage {
    plan: Plan,
    /// One for each stack.
    configs: Vec<Config>,
    model: Rc<Model>,
    /// Invocations so far.
    started: RefCell<usize>,
    judge: Rc<RefCell<Judge>>,
    /// The environments of each stack's functions that are free, and what they remember.
    warm: RefCell<BTreeMap<(usize, &'static str), Vec<Environment>>>,
    /// How many invocations of each stack's `reconcile` are under way.
    reconciling: RefCell<Vec<usize>>,
    /// One queue for each stack. Each message is the number of a host and the hook that holds it.
    events: Vec<Rc<Delivery>>,
    /// Each message is the number of a host.
    notices: Rc<Delivery>,
}

/// An execution environment: what AWS answered it may serve the invocations that come after.
struct Environment {
    /// The invocation that it began with.
    number: usize,
    remembered: Remembered,
}

/// The kinds of message in the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queued {
    /// Of this stack.
    Event(usize),
    Notice,
}

/// The event of one hook that holds a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    host: usize,
    hook: &'static str,
}

/// What invokes a function.
#[derive(Debug)]
enum Woken {
    /// A batch of lifecycle events.
    Events(Vec<Told>),
    /// Notices for these hosts.
    Notices(Vec<usize>),
    Minute,
}

impl Woken {
    fn function(&self) -> &'static str {
        match self {
            Self::Events(_) => "instance-terminating",
            Self::Notices(_) => "spot-interruption",
            Self::Minute => "reconcile",
        }
    }
}

impl Stage {
    /// Lets it happen; answers the invocation that it wakes, if any.
    fn perform(
        self: &Rc<Self>,
        happening: Happening,
        seen: &mut BTreeSet<&'static str>,
    ) -> Vec<impl Future<Output = ()> + 'static> {
        let in_world = |f: &dyn Fn(&mut World)| self.model.world(|world| f(world));
        match happening {
            Happening::Leaves(host) => {
                let HostPlan { events_after_s, group, .. } = &self.plan.hosts[host];
                if events_after_s.is_empty() && *group != GroupPlan::Theirs {
                    seen.insert("lost events");
                }
                in_world(&|world| {
                    let (id, now) = (instance_id(host), world.now());
                    drop(match self.plan.hosts[host].to {
                        Destination::Ec2 => world.scale_in(&id, now),
                        Destination::WarmPool => world.return_to_warm_pool(&id, now),
                        Destination::AutoScalingGroup => world.replace_root_volume(&id, now),
                    });
                });
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
            Happening::Undrained(host) => in_world(&|world| {
                // AWS refuses it of an instance in another state.
                let id = instance_id(host);
                if world.registrations(&id).all(|it| ["ACTIVE", "DRAINING", "INACTIVE"].contains(&it.status.as_str())) {
                    drop(world.set_status(&id, "ACTIVE"));
                }
            }),
            Happening::Registered(host) => in_world(&|world| {
                let id = instance_id(host);
                if world.registrations(&id).any(|it| it.status == "REGISTERING" && !it.left_behind) {
                    drop(world.set_status(&id, "ACTIVE"));
                }
            }),
            Happening::PlacedLast(host) => {
                if self.model.world(|world| self.place_last(world, host)) {
                    seen.insert("tasks placed last");
                }
            }
            Happening::RegistersAnew(host) => seen.extend(self.model.world(|world| self.register_anew(world, host))),
            Happening::Denied(host) => in_world(&|world| self.deny(world, host)),
            Happening::TheirsCompleted(host) => in_world(&|world| {
                let request = AutoScalingRequest::CompleteLifecycleAction {
                    group: BOTH.into(),
                    hook: THEIRS.into(),
                    instance_id: Some(instance_id(host)),
                    token: None,
                    result: "CONTINUE".into(),
                };
                drop(world.request(world.now(), "another-tool", request));
            }),
            Happening::Interrupted(host) => in_world(&|world| {
                drop(world.interrupt(&instance_id(host), SpotAction::Terminate, world.now()));
            }),
            Happening::NoticeSent(host) => self.notices.send(host.to_string()),
            Happening::EventSent(host) => {
                let hooks: &[&str] =
                    if self.plan.hosts[host].group == GroupPlan::TwoOfOurs { &[HOOK, SECOND_HOOK] } else { &[HOOK] };
                for hook in hooks {
                    self.events[self.stack_of(hook)].send(format!("{host} {hook}"));
                }
            }
            Happening::Taken(_) => {}
            Happening::OutageBegins => {
                let Some(outage) = self.plan.outage else { return Vec::new() };
                seen.insert(if outage.of_ecs_alone { "ECS silent" } else { "outages" });
                in_world(&|world| {
                    world.break_down(Service::Ecs, harm_kind(outage.silence));
                    if !outage.of_ecs_alone {
                        world.break_down(Service::AutoScaling, harm_kind(outage.silence));
                    }
                });
            }
            Happening::OutageEnds => in_world(&|world| {
                world.recover(Service::Ecs);
                world.recover(Service::AutoScaling);
            }),
            Happening::Minute(minute) => {
                if self.plan.reconcile.back_at(self.plan.world.hook_timeout_s) == Some(minute) {
                    if (0..self.plan.hosts.len()).any(|host| !self.is_done_with(host)) {
                        seen.insert("reconcile away");
                    }
                    self.warm.borrow_mut().retain(|(_, function), _| *function != Woken::Minute.function());
                }
                return self.reconcile();
            }
            Happening::MinuteAgain(_) => return self.reconcile(),
        }
        Vec::new()
    }

    /// Each stack's `reconcile` is woken.
    fn reconcile(self: &Rc<Self>) -> Vec<impl Future<Output = ()> + 'static> {
        let woken = |stack| {
            let stage = self.clone();
            async move { drop(stage.invocation(stack, Woken::Minute).await) }
        };
        (0..self.configs.len()).map(woken).collect()
    }

    /// A task is placed on a host if it is still ACTIVE. Answers whether it is.
    fn place_last(&self, world: &mut World, host: usize) -> bool {
        let (plan, id) = (&self.plan.hosts[host], instance_id(host));
        let (Some(placed), Some(index)) = (plan.placed_last, plan.cluster) else { return false };
        let is_active = world.registrations(&id).any(|it| it.agent_connected && it.status == "ACTIVE");
        is_active && world.run_task(new_task(cluster(&self.plan, index), id, placed.job)).is_ok()
    }

    /// The agent registers a host anew, and a task is placed there. Answers what it did.
    fn register_anew(&self, world: &mut World, host: usize) -> Option<&'static str> {
        let plan = &self.plan.hosts[host];
        let (anew, index) = plan.registers_anew.zip(plan.cluster)?;
        let (id, joined) = (instance_id(host), another_cluster(&self.plan, index, anew.in_next_cluster));
        world.register(&id, &joined).ok()?;
        let is_another = joined != cluster(&self.plan, index);
        world.run_task(new_task(joined, id, anew.job)).ok()?;
        Some(if is_another { "joined another cluster" } else { "registered anew" })
    }

    /// From now on one operation is denied on what there is of a host.
    fn deny(&self, world: &mut World, host: usize) {
        let Some((operation, _)) = self.plan.hosts[host].denied else { return };
        let id = instance_id(host);
        let registrations = world.registrations(&id).map(|it| it.id.clone());
        let tasks = world.tasks().filter(|task| task.instance_id == id).map(|task| task.id.clone());
        let names: Vec<_> = [id.clone()].into_iter().chain(registrations).chain(tasks).collect();
        for name in names {
            let operation = Some(DENIED[operation]);
            world.plan(Fault { operation, matching: Some(name), ..Fault::always(FaultKind::AccessDenied) });
        }
    }

    /// The stack whose hook it is.
    fn stack_of(&self, hook: &str) -> usize {
        usize::from(hook == SECOND_HOOK && self.configs.len() > 1)
    }

    fn mailbox(&self, kind: Queued) -> Rc<Delivery> {
        match kind {
            Queued::Event(stack) => self.events[stack].clone(),
            Queued::Notice => self.notices.clone(),
        }
    }

    /// Works on a batch, and answers the messages that are done.
    async fn batch(self: Rc<Self>, kind: Queued, messages: Vec<Message>) -> Vec<String> {
        let comes_again = messages.iter().any(|message| message.receive_count > 1);
        if comes_again && kind == Queued::Notice {
            self.judge.borrow_mut().seen.insert("further slices");
        }
        let stack = if let Queued::Event(stack) = kind { stack } else { 0 };
        let Some(drains) = self.invocation(stack, woken_by(kind, &messages)).await else {
            if kind == Queued::Notice {
                let ids = messages.iter().map(|message| instance_id(host_of(message))).collect();
                self.judge.borrow_mut().died.push((self.model.clock().now(), ids));
            }
            return Vec::new();
        };
        let again = |drain: &&Drain| match drain.outcome {
            Outcome::NotWaitingYet => true,
            Outcome::HandedOver => kind == Queued::Notice,
            _ => false,
        };
        if drains.iter().any(|drain| drain.outcome == Outcome::NotWaitingYet) {
            self.judge.borrow_mut().seen.insert("events ahead of their state");
        }
        let again = drains.iter().filter(again).filter_map(|drain| drain.instance_id.as_ref());
        let again: BTreeSet<_> = again.map(ToString::to_string).collect();
        let done = messages.into_iter().filter(|message| !again.contains(&instance_id(host_of(message))));
        done.map(|message| message.id).collect()
    }

    /// Whether nothing more can come of a host: no hook holds it, or only hooks that this history does not complete.
    fn is_done_with(&self, host: usize) -> bool {
        let theirs = self.plan.hosts[host].group == GroupPlan::Theirs;
        self.model
            .world(|world| theirs || world.host(&instance_id(host)).is_none_or(|host| host.waits_on().count() == 0))
    }

    /// One invocation. It may die, and answer nothing.
    async fn invocation(&self, stack: usize, woken: Woken) -> Option<Vec<Drain>> {
        if !matches!(woken, Woken::Minute) {
            return self.living(stack, woken).await;
        }
        if self.reconciling.borrow()[stack] > 0 {
            self.judge.borrow_mut().seen.insert("overlapping reconciles");
        }
        self.reconciling.borrow_mut()[stack] += 1;
        let drains = self.living(stack, woken).await;
        self.reconciling.borrow_mut()[stack] -= 1;
        drains
    }

    async fn living(&self, stack: usize, woken: Woken) -> Option<Vec<Drain>> {
        let number = *self.started.borrow();
        *self.started.borrow_mut() += 1;
        let dies = self.plan.kills.iter().find(|(which, _)| *which == number).map(|(_, after_ms)| *after_ms);
        let run = self.run(stack, woken, number);
        let drains = match dies {
            None => run.await,
            Some(after_ms) => match tokio::time::timeout(Duration::from_millis(after_ms), run).await {
                Ok(drains) => drains,
                Err(_) => {
                    let mut judge = self.judge.borrow_mut();
                    judge.seen.insert("kills");
                    judge.killed_at.push(self.model.clock().now());
                    return None;
                }
            },
        };
        if drains.iter().any(|drain| drain.outcome == Outcome::HandedOver) {
            self.judge.borrow_mut().seen.insert("hand-overs");
        }
        Some(drains)
    }

    async fn run(&self, stack: usize, woken: Woken, number: usize) -> Vec<Drain> {
        let function = (stack, woken.function());
        let warm = self.warm.borrow_mut().entry(function).or_default().pop();
        self.judge.borrow_mut().seen.insert(if warm.is_some() { "warm environments" } else { "cold environments" });
        let environment = warm.unwrap_or_else(|| Environment { number, remembered: Remembered::default() });
        let drains = self.run_in(&environment, stack, woken, number).await;
        // An invocation that dies leaves no warm environment.
        if !self.plan.always_cold {
            self.warm.borrow_mut().entry(function).or_default().push(environment);
        }
        drains
    }

    async fn run_in(&self, environment: &Environment, stack: usize, woken: Woken, number: usize) -> Vec<Drain> {
        let (clock, config) = (self.model.clock(), &self.configs[stack]);
        let model = self.model.asked_by(format!("environment-{}.{number}", environment.number));
        let remembered = &environment.remembered;
        let context = |budget| Context { calls: &model, config, remembered, clock, budget };
        let within = |lasts, polls| Budget::within(after(clock.now(), secs(lasts)), polls, clock.now());
        let mut rng = fastrand::Rng::with_seed(self.plan.seed.wrapping_add(u64::try_from(number).unwrap()));
        let (known, budget): (Vec<_>, _) = match woken {
            Woken::Events(told) => {
                let is_burst = told.len() >= self.plan.world.full_batch;
                if is_burst {
                    self.judge.borrow_mut().seen.insert("bursts");
                }
                let budget = within(60, config.poll_for.batch(is_burst)).of_a_batch().of_a_burst(is_burst);
                (told.into_iter().map(|it| self.terminated(it, clock.now())).collect(), budget)
            }
            Woken::Notices(hosts) => {
                let budget = within(30, SPOT_NOTICE).resumed_at(after(clock.now(), secs(40)));
                (hosts.into_iter().map(|host| self.interrupted(host, clock.now())).collect(), budget)
            }
            Woken::Minute => {
                let budget = within(60, secs(55));
                return drain::reconcile(&context(budget), &mut rng).await.unwrap_or_default();
            }
        };
        drain::run(&context(budget), known, &mut rng).await
    }

    /// What the event of one of its hooks tells of a host.
    fn terminated(&self, Told { host, hook }: Told, now: Timestamp) -> Known {
        let plan = &self.plan.hosts[host];
        let cause = Cause::Termination { to: plan.to };
        let instance = InstanceId::parse(&instance_id(host)).unwrap();
        let noticed_at = Some(START.parse::<Timestamp>().unwrap() + secs(plan.leaves_at_s));
        let (group, hook) = (Some(group(plan).into()), Some(hook.into()));
        let hints = Hints { group, hook, noticed_at, ..Hints::default() };
        Known::told(Departure { instance, cause, noticed_by: NoticedBy::Event }, hints, now)
    }

    fn interrupted(&self, host: usize, now: Timestamp) -> Known {
        let noticed_at_s = self.plan.hosts[host].interrupted.as_ref().unwrap().noticed_at_s;
        let noticed_at = START.parse::<Timestamp>().unwrap() + secs(noticed_at_s);
        let instance = InstanceId::parse(&instance_id(host)).unwrap();
        let cause = Cause::SpotInterruption { noticed_at };
        Known::told(Departure { instance, cause, noticed_by: NoticedBy::Event }, Hints::default(), now)
    }

    fn verdict(&self, mut seen: BTreeSet<&'static str>) -> Result<BTreeSet<&'static str>, String> {
        let judge = self.judge.borrow();
        seen.extend(self.model.world(|world| judge.verdict(world))?);
        Ok(seen)
    }
}

/// A task that starts now: when it ends by itself, and how long it takes to stop.
fn new_task(cluster: String, instance_id: String, (finishes_after, stop_s): (Option<u64>, u64)) -> TaskSpec {
    TaskSpec {
        cluster,
        instance_id,
        family: "new".into(),
        start_time: secs(1),
        stop_time: secs(stop_s),
        finishes_after: finishes_after.map(secs),
        ..TaskSpec::default()
    }
}

/// The host that a message is about.
fn host_of(message: &Message) -> usize {
    message.body.split(' ').next().unwrap().parse().unwrap()
}

fn woken_by(kind: Queued, messages: &[Message]) -> Woken {
    let is_second = |message: &Message| message.body.ends_with(SECOND_HOOK);
    match kind {
        Queued::Event(_) => {
            let told = |it| Told { host: host_of(it), hook: if is_second(it) { SECOND_HOOK } else { HOOK } };
            Woken::Events(messages.iter().map(told).collect())
        }
        Queued::Notice => {
            let hosts: BTreeSet<_> = messages.iter().map(host_of).collect();
            Woken::Notices(hosts.into_iter().collect())
        }
    }
}

/// One for each stack. Both watch the same clusters; each has its own hook, where there are two.
fn configs(plan: &Plan) -> Vec<Config> {
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

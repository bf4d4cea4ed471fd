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
use simulator::world::{AutoScalingRequest, Fault, Request, SpotAction, World};
use tokio::task::{LocalSet, spawn_local};

use super::judge::Judge;
use super::plan::{GroupPlan, Harm, HostPlan, InterruptionPlan, Plan};
use super::worlds::{BOTH, SECOND_HOOK, THEIRS, cluster, group, harm_kind, instance_id, secs, word, world};
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

/// The events of a history that the world does not make itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Leaves(usize),
    AgentLost(usize),
    AgentBack(usize),
    Deregistered(usize),
    Undrained(usize),
    TheirsCompleted(usize),
    Interrupted(usize),
    NoticeSent(usize),
    /// The two minutes of its notice are over.
    Taken(usize),
    OutageBegins,
    OutageEnds,
    /// The events of the hooks of ours that hold a host.
    EventSent(usize),
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
    let clock = model.clock();
    let stage = Rc::new(Stage {
        plan: plan.clone(),
        config: config(plan),
        model,
        started: RefCell::new(0),
        judge,
        warm: RefCell::default(),
        events: Rc::new(Delivery::new(EVENTS, EVENTS_CONCURRENCY, clock)),
        notices: Rc::new(Delivery::new(NOTICES, NOTICES_CONCURRENCY, clock)),
    });
    let receivers = [Queued::Event, Queued::Notice].map(|kind| {
        let stage = stage.clone();
        spawn_local(stage.mailbox(kind).feed(move |messages| stage.clone().batch(kind, messages)))
    });

    let mut seen = BTreeSet::new();
    let leave = |host: &HostPlan| host.leaves_at_s.max(host.interrupted.as_ref().map_or(0, |it| it.noticed_at_s));
    let last = plan.hosts.iter().map(leave).max().unwrap_or_default();
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

/// In the order of their time, up to the `end`, in milliseconds.
fn happenings(plan: &Plan, end_s: u64) -> Vec<(u64, Happening)> {
    let mut all = Vec::new();
    for (n, host) in plan.hosts.iter().enumerate() {
        let after_leaving = |seconds: u64| (host.leaves_at_s + seconds) * 1000;
        if host.is_scaled_in() {
            all.push((after_leaving(0), Happening::Leaves(n)));
            // The rule lets no foreign hook's event through.
            let events = host.events_after_s.iter().filter(|_| host.group != GroupPlan::Theirs);
            all.extend(events.map(|s| (after_leaving(*s) + plan.received_after_ms, Happening::EventSent(n))));
        }
        if let Some(InterruptionPlan { noticed_at_s, sent_after_s, .. }) = &host.interrupted {
            all.push((noticed_at_s * 1000, Happening::Interrupted(n)));
            let sent = sent_after_s.iter().map(|s| (noticed_at_s + s) * 1000 + plan.received_after_ms);
            all.extend(sent.map(|at_ms| (at_ms, Happening::NoticeSent(n))));
            all.push((noticed_at_s * 1000 + u64::try_from(SPOT_NOTICE.as_millis()).unwrap(), Happening::Taken(n)));
        }
        if let Some(lost) = host.lost {
            all.push((after_leaving(lost.after_s), Happening::AgentLost(n)));
            all.extend(lost.back_after_s.map(|s| (after_leaving(lost.after_s + s), Happening::AgentBack(n))));
        }
        all.extend(host.deregistered_after_s.map(|s| (after_leaving(s), Happening::Deregistered(n))));
        all.extend(host.undrained_after_s.map(|s| (after_leaving(s), Happening::Undrained(n))));
        if let GroupPlan::OursAndTheirs(seconds) = host.group {
            all.push((after_leaving(seconds), Happening::TheirsCompleted(n)));
        }
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
    /// The environments of each function that are free, and what they remember.
    warm: RefCell<BTreeMap<&'static str, Vec<Remembered>>>,
    /// Each message is the number of a host and the hook that holds it.
    events: Rc<Delivery>,
    /// Each message is the number of a host.
    notices: Rc<Delivery>,
}

/// The kinds of message in the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queued {
    Event,
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
    ) -> Option<impl Future<Output = ()> + 'static> {
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
            Happening::Undrained(host) => in_world(&|world| drop(world.set_status(&instance_id(host), "ACTIVE"))),
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
                    self.events.send(format!("{host} {hook}"));
                }
            }
            Happening::Taken(_) => {}
            Happening::OutageBegins => {
                seen.insert("outages");
                in_world(&|world| {
                    world.forget_faults();
                    let silence = self.plan.outage.map_or(Harm::ServerError, |(_, _, silence)| silence);
                    world.plan(Fault::always(harm_kind(silence)));
                });
            }
            Happening::OutageEnds => in_world(&World::forget_faults),
            Happening::Minute(_) => return Some(self.woken(Woken::Minute)),
        }
        None
    }

    fn woken(self: &Rc<Self>, by: Woken) -> impl Future<Output = ()> + 'static {
        let stage = self.clone();
        async move { drop(stage.invocation(by).await) }
    }

    fn mailbox(&self, kind: Queued) -> Rc<Delivery> {
        match kind {
            Queued::Event => self.events.clone(),
            Queued::Notice => self.notices.clone(),
        }
    }

    /// Works on a batch, and answers the messages that are done.
    async fn batch(self: Rc<Self>, kind: Queued, messages: Vec<Message>) -> Vec<String> {
        let comes_again = messages.iter().any(|message| message.receive_count > 1);
        if comes_again && kind == Queued::Notice {
            self.judge.borrow_mut().seen.insert("further slices");
        }
        let Some(drains) = self.invocation(woken_by(kind, &messages)).await else {
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
    async fn invocation(&self, woken: Woken) -> Option<Vec<Drain>> {
        let number = *self.started.borrow();
        *self.started.borrow_mut() += 1;
        let dies = self.plan.kills.iter().find(|(which, _)| *which == number).map(|(_, after_ms)| *after_ms);
        let run = self.run(woken, self.plan.seed.wrapping_add(u64::try_from(number).unwrap()));
        let drains = match dies {
            None => run.await,
            Some(after_ms) => match tokio::time::timeout(Duration::from_millis(after_ms), run).await {
                Ok(drains) => drains,
                Err(_) => {
                    self.judge.borrow_mut().seen.insert("kills");
                    return None;
                }
            },
        };
        if drains.iter().any(|drain| drain.outcome == Outcome::HandedOver) {
            self.judge.borrow_mut().seen.insert("hand-overs");
        }
        Some(drains)
    }

    async fn run(&self, woken: Woken, seed: u64) -> Vec<Drain> {
        let function = woken.function();
        let warm = self.warm.borrow_mut().entry(function).or_default().pop();
        let remembered = warm.unwrap_or_default();
        let drains = self.run_in(&remembered, woken, seed).await;
        // An invocation that dies leaves no warm environment.
        self.warm.borrow_mut().entry(function).or_default().push(remembered);
        drains
    }

    async fn run_in(&self, remembered: &Remembered, woken: Woken, seed: u64) -> Vec<Drain> {
        let clock = self.model.clock();
        let context = |budget| Context { calls: &*self.model, config: &self.config, remembered, clock, budget };
        let within = |lasts, polls| Budget::within(after(clock.now(), secs(lasts)), polls, clock.now());
        let mut rng = fastrand::Rng::with_seed(seed);
        let (known, budget): (Vec<_>, _) = match woken {
            Woken::Events(told) => {
                let is_burst = told.len() >= self.plan.world.full_batch;
                if is_burst {
                    self.judge.borrow_mut().seen.insert("bursts");
                }
                let budget = within(60, self.config.poll_for.batch(is_burst)).of_a_batch().of_a_burst(is_burst);
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

/// The host that a message is about.
fn host_of(message: &Message) -> usize {
    message.body.split(' ').next().unwrap().parse().unwrap()
}

fn woken_by(kind: Queued, messages: &[Message]) -> Woken {
    let is_second = |message: &Message| message.body.ends_with(SECOND_HOOK);
    match kind {
        Queued::Event => {
            let told = |it| Told { host: host_of(it), hook: if is_second(it) { SECOND_HOOK } else { HOOK } };
            Woken::Events(messages.iter().map(told).collect())
        }
        Queued::Notice => {
            let hosts: BTreeSet<_> = messages.iter().map(host_of).collect();
            Woken::Notices(hosts.into_iter().collect())
        }
    }
}

fn config(plan: &Plan) -> Config {
    let policy = &plan.policy;
    Config::read(|name| match name {
        "ECS_CLUSTERS" if plan.world.only_first_watched => Some(cluster(plan, 0)),
        "DRAIN_TIMEOUT_SECONDS" => Some(policy.drain_timeout_s.to_string()),
        "LIFECYCLE_HOOK_NAMES" => Some(format!("{HOOK},{SECOND_HOOK}")),
        "ON_DRAIN_TIMEOUT" => Some(word(policy.on_drain_timeout).to_owned()),
        "STANDALONE_TASKS" if policy.stop_standalone => Some("stop".to_owned()),
        "SPOT_STOP_LEAD_SECONDS" => Some(policy.spot_stop_lead_s.to_string()),
        "AGENT_LOST_SECONDS" => Some(policy.agent_lost_s.to_string()),
        _ => None,
    })
    .unwrap()
}

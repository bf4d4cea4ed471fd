//! Plays a history in virtual time, with every invocation that it calls for.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::clock::after;
use shared::config::{Config, OnDrainTimeout};
use shared::drain::decide::Outcome;
use shared::drain::departure::{Cause, Departure, NoticedBy, SPOT_NOTICE};
use shared::drain::known::Known;
use shared::drain::remembered::Remembered;
use shared::drain::report::Drain;
use shared::drain::{self, Budget, Context, scan};
use shared::ids::InstanceId;
use simulator::sqs::{Message, Queue, QueueSpec};
use simulator::world::{Fault, Request, SpotAction, World};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};

use super::judge::Judge;
use super::plan::{GroupPlan, Harm, HostPlan, InterruptionPlan, Plan};
use super::worlds::{BOTH, THEIRS, cluster, harm_kind, instance_id, secs, world};
use crate::support::model::Model;

const START: &str = "2026-01-15T20:00:00Z";
/// As it is deployed: as long as a slice, and often enough for two minutes and what goes wrong besides.
const NOTICES: QueueSpec = QueueSpec {
    visibility_timeout: Duration::from_secs(30),
    max_receive_count: 10,
    batch_size: 100,
    batch_window: Duration::from_secs(1),
};
const GRACE_S: u64 = 600;
/// After the last deadline: the rest of a minute, a pass, and what faults and skipped minutes cost.
const SLACK_S: u64 = 600;

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
    Interrupted(usize),
    NoticeSent(usize),
    /// The two minutes of its notice are over.
    Taken(usize),
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
    let stage = Rc::new(Stage {
        plan: plan.clone(),
        config: config(plan),
        model,
        started: RefCell::new(0),
        judge,
        notices: RefCell::new(Queue::new(NOTICES)),
        sent: Notify::new(),
    });
    let receiver = spawn_local(stage.clone().receive());

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
    // One that panicked has ended already.
    if receiver.is_finished() {
        receiver.await.map_err(|panicked| format!("a slice panicked: {panicked}"))?;
    } else {
        receiver.abort();
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
            all.extend(host.events_after_s.iter().map(|s| (after_leaving(*s), Happening::Events(after_leaving(*s)))));
        }
        if let Some(InterruptionPlan { noticed_at_s, sent_after_s, .. }) = &host.interrupted {
            all.push((noticed_at_s * 1000, Happening::Interrupted(n)));
            all.extend(sent_after_s.iter().map(|s| ((noticed_at_s + s) * 1000, Happening::NoticeSent(n))));
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
    /// The queue of Spot notices: each message is the number of a host.
    notices: RefCell<Queue>,
    sent: Notify,
}

/// What an invocation is woken by.
#[derive(Debug)]
enum Woken {
    /// The lifecycle events of these hosts.
    Events(Vec<usize>),
    /// Notices for these hosts.
    Notices(Vec<usize>),
    Minute,
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
            Happening::Interrupted(host) => in_world(&|world| {
                drop(world.interrupt(&instance_id(host), SpotAction::Terminate, world.now()));
            }),
            Happening::NoticeSent(host) => {
                self.notices.borrow_mut().send(host.to_string(), self.model.clock().now());
                self.sent.notify_one();
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
            Happening::Events(at_ms) => return Some(self.woken(Woken::Events(self.told_at(at_ms)))),
            Happening::Minute(_) => return Some(self.woken(Woken::Minute)),
        }
        None
    }

    fn woken(self: &Rc<Self>, by: Woken) -> impl Future<Output = ()> + 'static {
        let stage = self.clone();
        async move { drop(stage.invocation(by).await) }
    }

    /// Receives notices as they become visible, and has a slice work on each batch, until it is dropped.
    async fn receive(self: Rc<Self>) {
        let mut slices = Vec::new();
        loop {
            let now = self.model.clock().now();
            let messages = self.notices.borrow_mut().receive(now);
            if !messages.is_empty() {
                slices.push(spawn_local(self.clone().slice(messages)));
                continue;
            }
            if let Some(panicked) = slices.extract_if(.., |slice| slice.is_finished()).next() {
                panicked.await.unwrap();
            }
            let next = self.notices.borrow().next_visible();
            let sent = self.sent.notified();
            match next {
                Some(next) => {
                    let received_at = next + Duration::from_millis(self.plan.received_after_ms);
                    drop(tokio::time::timeout_at(self.model.clock().instant(received_at), sent).await);
                }
                None => sent.await,
            }
        }
    }

    async fn slice(self: Rc<Self>, messages: Vec<Message>) {
        let hosts: BTreeSet<usize> = messages.iter().map(|message| message.body.parse().unwrap()).collect();
        if messages.iter().any(|message| message.receive_count > 1) {
            self.judge.borrow_mut().seen.insert("further slices");
        }
        let hosts: Vec<_> = hosts.into_iter().collect();
        let Some(drains) = self.invocation(Woken::Notices(hosts.clone())).await else {
            let ids = hosts.iter().map(|host| instance_id(*host)).collect();
            return self.judge.borrow_mut().died.push((self.model.clock().now(), ids));
        };
        let unfinished: BTreeSet<_> = hosts
            .iter()
            .zip(drains)
            .filter(|(_, drain)| drain.outcome == Outcome::HandedOver)
            .map(|(host, _)| host.to_string())
            .collect();
        let done = messages.iter().filter(|message| !unfinished.contains(&message.body));
        self.notices.borrow_mut().delete(done.map(|message| message.id.as_str()));
    }

    /// The hosts whose events come at that time, in one batch. The rule lets no foreign hook's event through.
    fn told_at(&self, at_ms: u64) -> Vec<usize> {
        let hosts = self.plan.hosts.iter().enumerate().filter(|(_, host)| {
            let times = host.events_after_s.iter().map(|s| (host.leaves_at_s + s) * 1000);
            host.is_scaled_in() && host.group != GroupPlan::Theirs && times.into_iter().any(|time| time == at_ms)
        });
        hosts.map(|(n, _)| n).collect()
    }

    /// Whether nothing more can come of a host: nobody holds it, or only those who are not in this history.
    fn is_done_with(&self, host: usize) -> bool {
        let theirs = self.plan.hosts[host].group == GroupPlan::Theirs;
        self.model
            .world(|world| theirs || world.host(&instance_id(host)).is_none_or(|host| host.waits_on().count() == 0))
    }

    /// One invocation, cold. It may die, and answer nothing.
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
        let clock = self.model.clock();
        let remembered = Remembered::default();
        let context = Context { calls: &*self.model, config: &self.config, remembered: &remembered, clock };
        let within = |lasts, polls| Budget::within(after(clock.now(), secs(lasts)), polls, clock.now());
        let budget = match woken {
            Woken::Events(_) => within(150, secs(if self.plan.seed.is_multiple_of(2) { 10 } else { 120 })),
            Woken::Notices(_) => within(30, SPOT_NOTICE).resumed_at(after(clock.now(), secs(40))),
            Woken::Minute => within(60, secs(55)),
        };
        let mut rng = fastrand::Rng::with_seed(seed);
        let told = |host: usize, cause: Cause| {
            let instance = InstanceId::parse(&instance_id(host)).unwrap();
            Known::new(Departure { instance, cause, noticed_by: NoticedBy::Event }, clock.now())
        };
        let terminated = Cause::Termination { to_warm_pool: false };
        let interrupted = |host: usize| {
            let noticed_at_s = self.plan.hosts[host].interrupted.as_ref().unwrap().noticed_at_s;
            Cause::SpotInterruption { noticed_at: START.parse::<Timestamp>().unwrap() + secs(noticed_at_s) }
        };
        let known = match woken {
            Woken::Events(hosts) => Ok(hosts.into_iter().map(|host| told(host, terminated)).collect()),
            Woken::Notices(hosts) => Ok(hosts.into_iter().map(|host| told(host, interrupted(host))).collect()),
            Woken::Minute => scan::departures(&context, budget, &mut rng).await,
        };
        match known {
            Ok(known) => drain::run(&context, known, budget, &mut rng).await,
            Err(_) => Vec::new(),
        }
    }

    fn verdict(&self, mut seen: BTreeSet<&'static str>) -> Result<BTreeSet<&'static str>, String> {
        let judge = self.judge.borrow();
        seen.extend(self.model.world(|world| judge.verdict(world))?);
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
        "SPOT_STOP_LEAD_SECONDS" => Some(policy.spot_stop_lead_s.to_string()),
        "AGENT_LOST_SECONDS" => Some(policy.agent_lost_s.to_string()),
        _ => None,
    })
    .unwrap()
}

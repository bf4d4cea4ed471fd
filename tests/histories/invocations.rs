//! The invocations of a history: what wakes each, the environment that serves it, and how it may die.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::clock::after;
use shared::config::Config;
use shared::drain::facts::departure::{Cause, Departure, Hints, NoticedBy, SPOT_NOTICE};
use shared::drain::facts::known::Known;
use shared::drain::remembered::Remembered;
use shared::drain::reports::report::Drain;
use shared::drain::rules::decision::Outcome;
use shared::drain::{self, Budget, Context};
use shared::ids::InstanceId;
use simulator::sqs::Message;

use super::judge::Judge;
use super::plan::Plan;
use super::worlds::{SECOND_HOOK, group, instance_id, secs};
use crate::support::HOOK;
use crate::support::delivery::Delivery;
use crate::support::model::Model;

pub(super) const START: &str = "2026-01-15T20:00:00Z";

/// A history under way.
pub(super) struct Stage {
    pub(super) plan: Plan,
    /// One for each stack.
    pub(super) configs: Vec<Config>,
    pub(super) model: Rc<Model>,
    /// Invocations so far.
    pub(super) started: RefCell<usize>,
    pub(super) judge: Rc<RefCell<Judge>>,
    /// The environments of each stack's functions that are free, and what they remember.
    pub(super) warm: RefCell<BTreeMap<(usize, &'static str), Vec<Environment>>>,
    /// How many invocations of each stack's `reconcile` are under way.
    pub(super) reconciling: RefCell<Vec<usize>>,
    /// One queue for each stack. Each message is the number of a host and the hook that holds it.
    pub(super) events: Vec<Rc<Delivery>>,
    /// Each message is the number of a host.
    pub(super) notices: Rc<Delivery>,
}

/// The kinds of message in the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// Of this stack.
    Event(usize),
    Notice,
}

/// An execution environment: what AWS answered it may serve the invocations that come after.
pub(super) struct Environment {
    /// The invocation that it began with.
    number: usize,
    remembered: Remembered,
}

/// The event of one hook that holds a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    host: usize,
    hook: &'static str,
}

/// What invokes a function.
#[derive(Debug)]
pub(super) enum Woken {
    /// A batch of lifecycle events.
    Events(Vec<Told>),
    /// Notices for these hosts.
    Notices(Vec<usize>),
    Minute,
}

impl Woken {
    pub(super) fn function(&self) -> &'static str {
        match self {
            Self::Events(_) => "instance-terminating",
            Self::Notices(_) => "spot-interruption",
            Self::Minute => "reconcile",
        }
    }
}

impl Stage {
    /// Works on a batch, and answers the messages that are done.
    pub(super) async fn batch(self: Rc<Self>, kind: Queued, messages: Vec<Message>) -> Vec<String> {
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

    /// One invocation. It may die, and answer nothing.
    pub(super) async fn invocation(&self, stack: usize, woken: Woken) -> Option<Vec<Drain>> {
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

//! What came of one host's part in a round of requests, and how it is taken in.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use super::locate::Located;
use crate::aws::batch::DESCRIBE_MAX;
use crate::aws::{CallError, ContainerInstance, Task};
use crate::clock::after;
use crate::config::Pace;
use crate::drain::context::Context;
use crate::drain::drainee::Drainee;
use crate::drain::facts::hold::{HeldBy, Hold};
use crate::drain::facts::known::{FoundIn, Known, Place, Start};
use crate::drain::facts::log::log_drain;
use crate::drain::facts::patience::{Request, scattered};
use crate::drain::facts::proof::{SETTLES, WholeRead};
use crate::drain::facts::registration::Registration;
use crate::drain::facts::tasks::Named;
use crate::drain::rules::deadlines::{HEARTBEAT_TIMEOUT_SHORTEST, next_look};
use crate::drain::rules::decision::{Outcome, Settled};
use crate::ids::{ContainerInstanceArn, ServiceName, TaskArn};

/// What a throttled round leaves untried is tried again after this, less up to half of it: a bucket has refilled a little.
const THROTTLE_PAUSE: Duration = Duration::from_secs(3);
/// A change that was accepted, and a state that may change by itself, are looked at again so soon, or sooner where the pace is
/// faster: they are a second's matter.
const LOOK_SOON: Duration = Duration::from_secs(2);

/// What may happen, and what to do about it.
const SHORT_HOOK: &str = "the hook's heartbeat timeout is short: where many hosts leave at once, or reconcile misses a \
                          minute, it may end before the next heartbeat, and Auto Scaling then terminates the host with \
                          its tasks; set it to advised_seconds or more with put-lifecycle-hook";

/// Looks at a crowd of hosts take no more than a quarter of the account's reads (20 a second, ECS API reference, Request
/// throttling).
const LOOKS_A_SECOND: u32 = 5;

/// What was asked for one host, what it told, and what of it failed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) index: usize,
    pub(crate) request: Request,
    pub(crate) findings: Vec<Finding>,
    pub(crate) error: Option<Rc<CallError>>,
    /// Whether it came further before it failed, or before its round ended, so that it is no harder to go on than before.
    pub(crate) progressed: bool,
    /// Whether some of it was not even tried, because others of the round were throttled.
    pub(crate) held_back: bool,
}

/// Something learnt.
#[derive(Debug)]
pub(crate) enum Finding {
    Held(Hold),
    /// When its termination began, and why; none where no scaling activity tells.
    Began(Option<Start>),
    Located(Located),
    /// What a container instance is now; none when it is absent.
    Instance(ContainerInstanceArn, Option<ContainerInstance>),
    /// Every task of a container instance.
    Tasks {
        arn: ContainerInstanceArn,
        named: Named,
        read: WholeRead,
    },
    /// Those of a container instance's known tasks that had not stopped; some may be known no more.
    Stragglers {
        arn: ContainerInstanceArn,
        found: Vec<Task>,
        absent: BTreeSet<TaskArn>,
        read_at: Timestamp,
    },
    /// Whether services that own tasks of a container instance are daemons.
    Services(ContainerInstanceArn, BTreeMap<ServiceName, bool>),
    /// ECS accepted that a container instance be set DRAINING.
    ToldToDrain(ContainerInstanceArn),
    /// ECS accepted that a task be stopped.
    ToldToStop(Task),
    /// A heartbeat that was sent then.
    Heartbeat(Timestamp),
    /// It ended like this.
    Ended(Settled),
}

impl Answer {
    pub(crate) fn new(index: usize, request: Request) -> Self {
        Self { index, request, findings: Vec::new(), error: None, progressed: false, held_back: false }
    }

    pub(crate) fn held_back(index: usize, request: Request) -> Self {
        Self { held_back: true, ..Self::new(index, request) }
    }

    /// Whether it goes on in the next round.
    pub(crate) fn is_under_way(&self) -> bool {
        self.progressed && self.error.is_none() && self.findings.is_empty()
    }

    pub(crate) fn is_throttled(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.is_throttled())
    }
}

/// An answer for each index, so far without findings.
pub(crate) fn answers(indexes: &[usize], request: Request) -> BTreeMap<usize, Answer> {
    indexes.iter().map(|index| (*index, Answer::new(*index, request))).collect()
}

/// Takes in a round's answers: what they told, and what may be tried again when.
pub(crate) fn take_in<C>(
    context: &Context<'_, C>,
    drainees: &mut [Drainee],
    answers: impl IntoIterator<Item = Answer>,
    rng: &mut fastrand::Rng,
) {
    let now = context.clock.now();
    let resume_at = resume_at(now, rng);
    // What failed together is tried again together: a request serves many, or one.
    let seed = rng.u64(..);
    let open = drainees.iter().filter(|drainee| !drainee.is_settled()).count();
    for mut answer in answers {
        let Some(drainee) = drainees.get_mut(answer.index) else {
            continue;
        };
        let (throttled, is_under_way) = (answer.is_throttled(), answer.is_under_way());
        let silent = learn(context, drainee, std::mem::take(&mut answer.findings), now);
        let throttled = throttled || silent.as_ref().is_some_and(|error| error.is_throttled());
        let known = &mut drainee.known;
        let pace = context.terms(known).policy.pace;
        let reads = matches!(answer.request, Request::Location | Request::Instance | Request::Tasks);
        known.reads_are_throttled |= reads && throttled;
        if answer.held_back {
            known.patience.hold_back(answer.request, resume_at);
        }
        if answer.progressed {
            known.patience.succeeded(answer.request);
        }
        match answer.error.or(silent) {
            Some(error) => {
                known.patience.failed(answer.request, error, now, pace, &mut fastrand::Rng::with_seed(seed));
                if throttled && matches!(answer.request, Request::Complete | Request::Heartbeat) {
                    known.patience.no_later_than(answer.request, resume_at);
                }
            }
            None if answer.held_back || is_under_way => {}
            None => {
                known.patience.succeeded(answer.request);
                let soon = after(now, pace.min.min(LOOK_SOON));
                match answer.request {
                    Request::Location | Request::Instance => {
                        let paced = next_look(known.started(), now, of_a_crowd(pace, open), rng);
                        known.next_look = until_proof(known, now).unwrap_or(paced);
                    }
                    // What proves it comes as soon as it may.
                    Request::Tasks if all_stopped(known) => known.next_look = until_proof(known, now).unwrap_or(soon),
                    Request::Drain => {
                        known.began = true;
                        if known.registrations.iter().any(|it| !it.is_closed()) {
                            known.next_look = soon;
                        }
                    }
                    Request::Start => known.asked_start = true,
                    _ => {}
                }
            }
        }
    }
}

/// Holds these requests back for every host: what is throttled is the account's, so that each try by itself takes the turn of
/// one that is more urgent.
pub(crate) fn hold_all_back(drainees: &mut [Drainee], requests: &[Request], now: Timestamp, rng: &mut fastrand::Rng) {
    let until = resume_at(now, rng);
    for drainee in drainees {
        requests.iter().for_each(|request| drainee.known.patience.hold_back(*request, until));
    }
}

fn resume_at(now: Timestamp, rng: &mut fastrand::Rng) -> Timestamp {
    after(now, scattered(THROTTLE_PAUSE, 0.5..1.0, rng))
}

/// When the host may be proved empty, where that is near: no look before that tells more.
fn until_proof(known: &Known, now: Timestamp) -> Option<Timestamp> {
    let settles_at = known.settles_at().filter(|_| all_stopped(known))?;
    (now < settles_at && settles_at <= after(now, SETTLES)).then_some(settles_at)
}

/// The pace of looks at so many hosts.
fn of_a_crowd(pace: Pace, hosts: usize) -> Pace {
    let requests = u32::try_from(hosts / DESCRIBE_MAX).unwrap_or(u32::MAX);
    let min = pace.min.max(Duration::from_secs(1).saturating_mul(requests) / LOOKS_A_SECOND);
    Pace { min, max: pace.max.max(min) }
}

/// Takes in what answers told for people, whom no rule asked for: what may be tried, and when, stays as it was.
pub(crate) fn only_learn<C>(context: &Context<'_, C>, drainees: &mut [Drainee], answers: Vec<Answer>) {
    let now = context.clock.now();
    for answer in answers {
        if let Some(drainee) = drainees.get_mut(answer.index) {
            learn(context, drainee, answer.findings, now);
        }
    }
}

/// Takes in findings; answers an error when one is the kind of answer that tells too little.
fn learn<C>(
    context: &Context<'_, C>,
    drainee: &mut Drainee,
    findings: Vec<Finding>,
    now: Timestamp,
) -> Option<Rc<CallError>> {
    let before = counted_tasks(&drainee.known);
    let mut silent = None;
    for finding in findings {
        silent = learn_one(context, drainee, finding, now).or(silent);
    }
    log_progress(&drainee.known, before, now);
    silent
}

fn learn_one<C>(
    context: &Context<'_, C>,
    drainee: &mut Drainee,
    finding: Finding,
    now: Timestamp,
) -> Option<Rc<CallError>> {
    let known = &mut drainee.known;
    match finding {
        Finding::Held(hold) => {
            warn_of_mistakes(known, &hold);
            let retains = known.ours().and_then(|ours| ours.retains);
            known.hold = Some(hold);
            // Only a scan tells.
            if let Some(Hold { by: HeldBy::Ours(ours), .. }) = &mut known.hold {
                ours.retains = ours.retains.or(retains);
            }
        }
        Finding::Began(start) => {
            known.start = start.or(known.start.take());
            known.heartbeat_at = known.heartbeat_at.max(context.heartbeat_of(known));
            known.is_released = known.is_by_scan_beside_others()
                && context.remembered.is_released(&known.departure.instance, known.started(), now);
        }
        Finding::Located(Located::In(FoundIn::NoCluster, _)) if !known.registrations.is_empty() => {
            let what = "no cluster lists it, and it was described just before".to_owned();
            return Some(Rc::new(CallError::Incomplete { operation: "ListContainerInstances", what }));
        }
        Finding::Located(Located::In(found, asked_at)) => known.learn_place(found, asked_at, now),
        Finding::Located(Located::SomeSilent { answered, found, silent, error }) => {
            // It is no harder to go on than before.
            if answered.len() > known.searched.len() {
                known.patience.succeeded(Request::Location);
            }
            // What is found is drained, though it may not be all.
            if !found.is_empty() {
                known.learn_place(FoundIn::Clusters(found), known.located_at, now);
            }
            (known.searched, known.clusters_left) = (answered, silent);
            return Some(error);
        }
        Finding::Instance(arn, found) => known.learn_instance(&arn, found.as_ref(), now),
        Finding::Tasks { arn, named, read } => known.learn_tasks(&arn, named, read),
        Finding::Stragglers { arn, found, absent, read_at } => {
            let in_doubt = known.learn_stragglers(&arn, found, &absent, read_at);
            let what = format!("{} was seen just before, and is missing now", in_doubt.first()?);
            return Some(Rc::new(CallError::Incomplete { operation: "DescribeTasks", what }));
        }
        Finding::Services(arn, daemons) => {
            if let Some(registration) = known.registrations.iter_mut().find(|r| r.arn == arn) {
                registration.daemons.extend(daemons);
            }
        }
        Finding::ToldToDrain(arn) => known.told_to_drain(&arn, now),
        Finding::ToldToStop(task) => known.told_to_stop(&task, now),
        Finding::Heartbeat(at) => {
            known.heartbeat_at = Some(at);
            known.heartbeats = known.heartbeats.saturating_add(1);
        }
        Finding::Ended(settled) => drainee.settle(settled, now),
    }
    None
}

fn all_stopped(known: &Known) -> bool {
    known.registrations.iter().all(|r| r.tasks.is_some()) && known.stragglers().next().is_none()
}

fn counted_tasks(known: &Known) -> Option<u32> {
    (known.place == Place::Registered).then(|| known.registrations.iter().map(Registration::counted_tasks).sum())
}

fn log_progress(known: &Known, before: Option<u32>, now: Timestamp) {
    let counted = counted_tasks(known);
    if let (Some(counted_tasks), true) = (counted, before != counted) {
        log_drain!(info, known, now, "tasks that should run", counted_tasks);
    }
}

fn warn_of_mistakes(known: &Known, hold: &Hold) {
    let HeldBy::Ours(ours) = &hold.by else { return };
    let first_read = known.ours().is_none();
    if first_read && !ours.overrides.mistakes.is_empty() {
        let mistakes = ours.overrides.mistakes.join(", ");
        warn!(group = %ours.group, mistakes, "NotificationMetadata has values that are not allowed; the settings stand");
    }
    if let Some(timeout) = ours.heartbeat_timeout.filter(|it| first_read && *it < HEARTBEAT_TIMEOUT_SHORTEST) {
        let (seconds, advised) = (timeout.as_secs(), HEARTBEAT_TIMEOUT_SHORTEST.as_secs());
        warn!(group = %ours.group, heartbeat_timeout_seconds = seconds, advised_seconds = advised, "{SHORT_HOOK}");
    }
}

/// The hook was over before we came: the drain ended, whatever we meant by completing it.
pub(crate) fn already_released(why: &str) -> Settled {
    Settled { outcome: Outcome::AlreadyReleased, detail: format!("the lifecycle action was already over; {why}") }
}

//! What came of one host's part in a round of requests, and how it is taken in.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use super::locate::Located;
use crate::aws::batch::DESCRIBE_MAX;
use crate::aws::{CallError, ContainerInstance, ErrorClass, Task};
use crate::clock::after;
use crate::config::Pace;
use crate::drain::context::Context;
use crate::drain::drainee::Drainee;
use crate::drain::facts::hold::{HeldBy, Hold};
use crate::drain::facts::known::{Known, Place, Start};
use crate::drain::facts::log::log_drain;
use crate::drain::facts::patience::{Request, scattered};
use crate::drain::facts::proof::WholeRead;
use crate::drain::facts::tasks::Named;
use crate::drain::rules::deadlines::{HEARTBEAT_TIMEOUT_SHORTEST, next_look};
use crate::drain::rules::decision::{Outcome, Settled};
use crate::ids::{ContainerInstanceArn, ServiceName, TaskArn};

/// What a throttled round leaves untried is tried again after this, less up to half of it: a bucket has refilled a little.
const THROTTLE_PAUSE: Duration = Duration::from_secs(3);

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
        began_at: Timestamp,
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
    /// A task that was told to stop.
    Stopping(Task),
    /// A task that ECS knows no more.
    Forgotten(TaskArn),
    Heartbeat,
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
        self.error.as_ref().is_some_and(|error| error.class() == ErrorClass::Throttled)
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
    let resume_at = after(now, scattered(THROTTLE_PAUSE, 0.5..1.0, rng));
    // What failed together is tried again together: a request serves many, or one.
    let seed = rng.u64(..);
    let open = drainees.iter().filter(|drainee| !drainee.is_settled()).count();
    for mut answer in answers {
        let Some(drainee) = drainees.get_mut(answer.index) else {
            continue;
        };
        let (throttled, is_under_way) = (answer.is_throttled(), answer.is_under_way());
        let silent = learn(context, drainee, std::mem::take(&mut answer.findings), now);
        let known = &mut drainee.known;
        let pace = context.terms(known).policy.pace;
        let reads = matches!(answer.request, Request::Instance | Request::Tasks);
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
            }
            None if answer.held_back || is_under_way => {}
            None => {
                known.patience.succeeded(answer.request);
                match answer.request {
                    Request::Location | Request::Instance => {
                        known.next_look = next_look(known.started(), now, of_a_crowd(pace, open), rng)
                    }
                    // The second look that proves it comes as soon as it may.
                    Request::Tasks if all_stopped(known) => known.next_look = after(now, of_a_crowd(pace, open).min),
                    Request::Drain => known.began = true,
                    Request::Start => known.asked_start = true,
                    _ => {}
                }
            }
        }
    }
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
            known.is_released = known.is_by_scan_beside_others()
                && context.remembered.is_released(&known.departure.instance, known.started(), now);
        }
        Finding::Located(Located::At(place, registrations)) => known.learn_place(place, registrations, now),
        Finding::Located(Located::SomeSilent { answered, error }) => {
            known.searched = answered;
            return Some(error);
        }
        Finding::Instance(arn, found) => known.learn_instance(&arn, found.as_ref(), now),
        Finding::Tasks { arn, named, began_at } => {
            known.learn_tasks(&arn, named, WholeRead { began_at, ended_at: now })
        }
        Finding::Stragglers { arn, found, absent, read_at } => known.learn_stragglers(&arn, found, &absent, read_at),
        Finding::Services(arn, daemons) => {
            if let Some(registration) = known.registrations.iter_mut().find(|r| r.arn == arn) {
                registration.daemons.extend(daemons);
            }
        }
        Finding::Stopping(task) => known.learn_task(&task, now),
        Finding::Forgotten(task) => known.forget_task(&task, now),
        Finding::Heartbeat => {
            known.heartbeat_at = now;
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
    (known.place == Place::Registered).then(|| known.registrations.iter().map(|r| r.counted_tasks).sum())
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
        warn!(group = %ours.group, heartbeat_timeout_seconds = seconds, advised_seconds = advised, "the hook's heartbeat timeout is short");
    }
}

/// The hook was over before we came: the drain ended, whatever we meant by completing it.
pub(crate) fn already_released(why: &str) -> Settled {
    Settled { outcome: Outcome::AlreadyReleased, detail: format!("the lifecycle action was already over; {why}") }
}

//! What came of one instance's part in a round of requests, and how it is taken in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use super::deadlines::{HEARTBEAT_TIMEOUT_SHORTEST, next_look};
use super::decide::{Outcome, Settled, by_scan_beside_others};
use super::facts::log_drain;
use super::known::{HeldBy, Hold, Known, Place};
use super::locate::Located;
use super::starts::Start;
use super::tries::{Try, scattered};
use super::{Context, Drainee};
use crate::aws::{CallError, ContainerInstance, ErrorClass, Task};
use crate::clock::after;
use crate::ids::{ContainerInstanceArn, ServiceName, TaskArn};

/// What a throttled round leaves untried is tried again after this, less up to half of it: a bucket has refilled a little.
const THROTTLE_PAUSE: Duration = Duration::from_secs(3);

/// What was tried for one instance, what it told, and what of it failed.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) index: usize,
    pub(super) what: Try,
    pub(super) findings: Vec<Finding>,
    pub(super) error: Option<String>,
    /// Whether AWS throttled it, so that the rest of the round is held back.
    pub(super) throttled: bool,
    /// Whether it came further before it failed, so that it is no harder to go on than before.
    pub(super) progressed: bool,
    /// Whether some of it was not even tried, because others of the round were throttled.
    pub(super) held_back: bool,
}

/// Something learnt.
#[derive(Debug)]
pub(super) enum Finding {
    Held(Hold),
    /// When its termination began, and why; none where no scaling activity tells.
    Began(Option<Start>),
    Located(Located),
    /// What a container instance is now; none when it is absent.
    Instance(ContainerInstanceArn, Option<ContainerInstance>),
    /// Every task of a container instance.
    Tasks {
        arn: ContainerInstanceArn,
        each: BTreeMap<TaskArn, Task>,
        read_at: Timestamp,
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

impl Attempt {
    pub(super) fn new(index: usize, what: Try) -> Self {
        Self { index, what, findings: Vec::new(), error: None, throttled: false, progressed: false, held_back: false }
    }

    pub(super) fn held_back(index: usize, what: Try) -> Self {
        Self { held_back: true, ..Self::new(index, what) }
    }

    pub(super) fn fail(&mut self, error: &CallError) {
        self.throttled = error.class() == ErrorClass::Throttled;
        self.error = Some(error.to_string());
    }
}

/// Takes in a round's attempts.
pub(super) fn take_in<C>(
    context: &Context<'_, C>,
    drainees: &mut [Drainee],
    attempts: impl IntoIterator<Item = Attempt>,
    rng: &mut fastrand::Rng,
) {
    let now = context.clock.now();
    let resume_at = after(now, scattered(THROTTLE_PAUSE, 0.5..1.0, rng));
    // What failed together is tried again together: a request serves many, or one.
    let seed = rng.u64(..);
    for attempt in attempts {
        let Some(drainee) = drainees.get_mut(attempt.index) else {
            continue;
        };
        let before = counted_tasks(&drainee.known);
        let mut error = attempt.error;
        for finding in attempt.findings {
            error = error.or(learn(context, drainee, finding, now));
        }
        log_progress(&drainee.known, before, now);
        let known = &mut drainee.known;
        let pace = known.policy(context.config.policy).pace;
        let reads = matches!(attempt.what, Try::Instance | Try::Tasks);
        known.reads_are_throttled |= reads && attempt.throttled;
        if attempt.held_back {
            known.tries.hold_back(attempt.what, resume_at);
        }
        if attempt.progressed {
            known.tries.succeeded(attempt.what);
        }
        match error {
            None if attempt.held_back => {}
            Some(error) => known.tries.failed(attempt.what, error, now, pace, &mut fastrand::Rng::with_seed(seed)),
            None => {
                known.tries.succeeded(attempt.what);
                match attempt.what {
                    Try::Location | Try::Instance => known.next_look = next_look(known.started(), now, pace, rng),
                    // The second look that proves it comes as soon as it may.
                    Try::Tasks if all_stopped(known) => known.next_look = after(now, pace.min),
                    Try::Drain => known.began = true,
                    Try::Start => known.asked_start = true,
                    _ => {}
                }
            }
        }
    }
}

/// Takes in one finding; answers an error when it is the kind of answer that tells too little.
fn learn<C>(context: &Context<'_, C>, drainee: &mut Drainee, finding: Finding, now: Timestamp) -> Option<String> {
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
            known.is_released = by_scan_beside_others(known)
                && context.remembered.is_released(&known.departure.instance, known.started(), now);
        }
        Finding::Located(Located::At(place, registrations)) => known.learn_place(place, registrations, now),
        Finding::Located(Located::SomebodySilent { answered, error }) => {
            known.searched = answered;
            return Some(error);
        }
        Finding::Instance(arn, found) => known.learn_instance(&arn, found.as_ref(), now),
        Finding::Tasks { arn, each, read_at } => known.learn_tasks(&arn, each, read_at, now),
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
pub(super) fn already_released(why: &str) -> Settled {
    Settled { outcome: Outcome::AlreadyReleased, detail: format!("the lifecycle action was already over; {why}") }
}

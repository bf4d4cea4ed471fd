//! What comes next for one instance: a pure function of what is known, the policy and the time.

mod stopping;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

pub use self::stopping::{is_late, next_drain, next_stop};
use self::stopping::{looking, reading_ahead};
use super::deadlines::{Deadlines, deadlines, next_heartbeat, older_than};
use super::departure::{Cause, Destination, NoticedBy, SPOT_NOTICE};
use super::known::{HeldBy, Known, Place, Registration};
use super::lifecycle::{self, Meaning};
use super::tries::Try;
use crate::aws::{InstanceStatus, LifecycleActionResult, Task};
use crate::clock::{after, between};
use crate::config::{OnDrainTimeout, Policy, why_unwatched};
use crate::ids::TaskArn;

/// Auto Scaling's word on an instance's health is asked again when it is older than this and matters.
const HEALTH_VALID_FOR: Duration = Duration::from_secs(60);
/// What proves that a host may go is read again when it is older than this, while the completion fails: meanwhile
/// somebody may have set it ACTIVE. Longer than any look takes to come.
const PROOF_VALID_FOR: Duration = Duration::from_secs(30);
/// Its lists may be older: a look tells whether it is still DRAINING and empty, and one request for it serves a hundred hosts.
/// As long as a thousand completions take at the rate that is assumed of Auto Scaling (20 a second).
const LISTS_VALID_FOR: Duration = Duration::from_secs(60);
/// An agent must be seen disconnected for so long by one invocation, or for `AGENT_LOST_SECONDS` if that is less: most of
/// the minute that one invocation of `reconcile` lasts.
const AGENT_LOST_SEEN_FOR: Duration = Duration::from_secs(45);
/// An event may be ahead of the state that Auto Scaling tells: `Terminating` was seen for 0.6 s before it waited. One that
/// is older tells of a termination that is over.
const AHEAD_OF_STATE_FOR: Duration = Duration::from_secs(120);
/// So long it is looked at again before its message comes again instead.
const WAITS_WITHIN: Duration = Duration::from_secs(5);
/// Between two of these looks.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A fact is missing or old.
    Read(Need),
    /// Something is to be done.
    Act(Action),
    /// Nothing before this time.
    WaitUntil(Timestamp),
    /// Nothing any more.
    Settled(Settled),
}

/// A fact to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Who holds the termination.
    Hook,
    /// Both who holds the termination and where the instance is registered.
    HookAndLocation,
    /// When its termination began, and why.
    Start,
    /// Where the instance is registered.
    Location,
    /// What its container instance is now.
    Instance,
    /// Every task on it.
    Tasks,
    /// What became of its tasks that had not stopped.
    Stragglers,
    /// What kind of services own its tasks.
    Services,
}

impl Need {
    fn tried_as(self) -> Try {
        match self {
            Self::Hook | Self::HookAndLocation => Try::Hold,
            Self::Start => Try::Start,
            Self::Location => Try::Location,
            Self::Instance => Try::Instance,
            Self::Tasks | Self::Stragglers => Try::Tasks,
            Self::Services => Try::Services,
        }
    }
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Set every ACTIVE registration DRAINING.
    Drain,
    /// Stop these tasks.
    StopTasks(Vec<TaskArn>),
    /// Complete our lifecycle action.
    Complete {
        /// With which result.
        result: LifecycleActionResult,
        /// How the drain then ended.
        settled: Settled,
    },
    /// Keep our lifecycle action alive.
    Heartbeat,
}

impl Action {
    fn tried_as(&self) -> Try {
        match self {
            Self::Drain => Try::Drain,
            Self::StopTasks(_) => Try::StopTasks,
            Self::Complete { .. } => Try::Complete,
            Self::Heartbeat => Try::Heartbeat,
        }
    }
}

/// How a drain ended, for this invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// In a word.
    pub outcome: Outcome,
    /// In a sentence.
    pub detail: String,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every task stopped, and the hook was completed where there is one.
    Drained,
    /// Registered in no cluster, so released at once.
    NotInEcs,
    /// Its host is gone; nothing can stop its tasks gracefully any more.
    HostGone,
    /// The lifecycle action was already over.
    AlreadyReleased,
    /// The deadline passed with tasks not STOPPED.
    TimedOut,
    /// `reconcile`, or the queue, goes on.
    HandedOver,
    /// Its event is ahead of Auto Scaling's state, and its message comes again.
    NotWaitingYet,
    /// Not ours.
    Ignored,
    /// Set DRAINING, and nobody waits for its tasks.
    Draining,
    /// Of a drain by hand: somebody set it ACTIVE again.
    TakenBack,
    /// What a dry run would have done.
    WouldDrain,
}

impl Outcome {
    /// As it is written everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::NotInEcs => "not-in-ecs",
            Self::HostGone => "host-gone",
            Self::AlreadyReleased => "already-released",
            Self::TimedOut => "timed-out",
            Self::HandedOver => "handed-over",
            Self::NotWaitingYet => "not-waiting-yet",
            Self::Ignored => "ignored",
            Self::Draining => "draining",
            Self::TakenBack => "taken-back",
            Self::WouldDrain => "would-drain",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What comes next for an instance. `policy` is the one of its group, [`Known::policy`].
#[must_use]
pub fn decide(known: &Known, policy: &Policy, now: Timestamp) -> Step {
    let step = once_ready(first_that_fits(known, policy, now), known, now);
    if policy.dry_run { instead(step, known) } else { step }
}

/// `step`, or a pause until it may be tried again: no rule can ask in a loop for what failed or was held back.
fn once_ready(step: Step, known: &Known, now: Timestamp) -> Step {
    let what = match &step {
        Step::Read(need) => need.tried_as(),
        Step::Act(action) => action.tried_as(),
        Step::WaitUntil(_) | Step::Settled(_) => return step,
    };
    if known.tries.ready(what, now) {
        return step;
    }
    let times = known.tries.not_before().filter(|time| *time > now);
    times.min().map_or(step, Step::WaitUntil)
}

fn first_that_fits(known: &Known, policy: &Policy, now: Timestamp) -> Step {
    if let Some(step) = unless_ours(known, now).or_else(|| unless_taken(known, now)) {
        return step;
    }
    match &known.place {
        // Rule 2; and no registrations at all would satisfy every "all of them" below.
        place if *place == Place::Unknown || (*place == Place::Registered && known.registrations.is_empty()) => {
            return Step::Read(Need::Location);
        }
        Place::Unwatched(cluster) => {
            return settled(Outcome::Ignored, format!("registered in cluster {}", why_unwatched(cluster)));
        }
        Place::Nowhere if older_than(known.located_at, PROOF_VALID_FOR, now) => {
            return Step::Read(Need::Location);
        }
        Place::Nowhere if known.is_released => return released_before(),
        // Where another's hook holds it, too, it may have been released before.
        Place::Nowhere if by_scan_beside_others(known) && unless_dated(known, now).is_some() => {
            return Step::Read(Need::Start);
        }
        Place::Nowhere => {
            let detail = "registered in no cluster of this account and region".to_owned();
            return release(known, LifecycleActionResult::Continue, Outcome::NotInEcs, detail);
        }
        Place::Registered | Place::Unknown => {}
    }
    if known.taken_back {
        return settled(Outcome::TakenBack, "somebody set it ACTIVE again, and may have put tasks on it".to_owned());
    }
    if known.tasks().any(|task| task.is_managed) {
        let detail = "its tasks are those of ECS Managed Instances, which drain their hosts themselves".to_owned();
        return settled(Outcome::Ignored, detail);
    }
    let stayed_draining = |r: &Registration| r.status == InstanceStatus::Draining && !r.was_active;
    if known.is_released && known.registrations.iter().all(stayed_draining) {
        return released_before();
    }
    let deadlines = deadlines(known, policy);
    urgent(known, policy, deadlines, now)
        .or_else(|| only_set_draining(known))
        .or_else(|| left_to_reconcile(known))
        .or_else(|| until_it_is_left(known, policy, deadlines, now))
        .or_else(|| unless_dated(known, now))
        .or_else(|| ending(known, policy, deadlines, now))
        .or_else(|| looking(known, policy, deadlines, now))
        .unwrap_or_else(|| Step::WaitUntil(earliest(known, policy, deadlines, now)))
}

/// Rule 1: only what Auto Scaling shows waiting, in a group with a hook of ours.
fn unless_ours(known: &Known, now: Timestamp) -> Option<Step> {
    if !known.departure.cause.is_held() {
        return None;
    }
    match known.hold.as_ref().map(|hold| &hold.by) {
        None => Some(Step::Read(first_need(known))),
        Some(HeldBy::Ours(_)) => None,
        Some(HeldBy::NoHook { state: Some(state) }) => Some(unless_it_waits(known, state, now)),
        Some(HeldBy::NoHook { state: None }) => {
            Some(settled(Outcome::AlreadyReleased, "it is in no Auto Scaling group any more".to_owned()))
        }
        Some(HeldBy::Others { group }) => {
            Some(settled(Outcome::Ignored, format!("group {group} has no termination hook of ours")))
        }
    }
}

/// It waits on no hook, or not yet.
fn unless_it_waits(known: &Known, state: &str, now: Timestamp) -> Step {
    let meaning = lifecycle::meaning(state);
    if meaning != Meaning::Over && is_young(known) {
        return look_again(known, state, now);
    }
    let (outcome, why) = match meaning {
        Meaning::Over => (Outcome::AlreadyReleased, ""),
        Meaning::Retained => (Outcome::AlreadyReleased, ": its group keeps it running after an ABANDON"),
        _ => (Outcome::Ignored, ""),
    };
    settled(outcome, format!("it waits on no termination hook, its state is {state}{why}"))
}

/// Whether an event may still be ahead of Auto Scaling's state.
fn is_young(known: &Known) -> bool {
    let in_time = |at| !older_than(at, AHEAD_OF_STATE_FOR, known.met_at);
    known.departure.noticed_by == NoticedBy::Event && known.hints.noticed_at.map_or(!known.hints.comes_again, in_time)
}

fn look_again(known: &Known, state: &str, now: Timestamp) -> Step {
    let read_at = known.hold.as_ref().map_or(known.met_at, |hold| hold.read_at);
    if after(known.met_at, WAITS_WITHIN) <= read_at {
        let detail = format!("it does not wait on a termination hook yet, its state is {state}");
        return settled(Outcome::NotWaitingYet, detail);
    }
    match after(read_at, LOOK_AGAIN_AFTER) {
        next if next > now => Step::WaitUntil(next),
        _ => Step::Read(Need::Hook),
    }
}

/// What an event tells of is nearly always ours, so nothing waits for Auto Scaling's word before the search begins.
fn first_need(known: &Known) -> Need {
    let told = known.departure.noticed_by == NoticedBy::Event;
    let unsearched = known.place == Place::Unknown && !known.tries.has_failed(Try::Location);
    if told && unsearched { Need::HookAndLocation } else { Need::Hook }
}

/// A notice that comes when its time is over tells of an instance that is gone, or that came back since. One that was in
/// time and is still unlocated then is lost.
fn unless_taken(known: &Known, now: Timestamp) -> Option<Step> {
    let taken_at = known.departure.cause.taken_at()?;
    if known.met_at >= taken_at {
        let age = between(taken_at, known.met_at) + SPOT_NOTICE;
        let (age, notice) = (age.as_secs(), SPOT_NOTICE.as_secs());
        return Some(settled(Outcome::Ignored, format!("its notice is {age} s old, and gave it {notice} s")));
    }
    (now >= taken_at && known.place == Place::Unknown).then(|| {
        let detail = "it was taken before every cluster had answered whether it is there".to_owned();
        settled(Outcome::TimedOut, detail)
    })
}

/// Whether a scan found it in a group with another's hook beside ours: then it may wait on that alone.
pub(super) fn by_scan_beside_others(known: &Known) -> bool {
    known.departure.noticed_by == NoticedBy::Scan && known.ours().is_some_and(|ours| ours.others_hold_too)
}

/// Spares a scan from completing every time what is over.
fn released_before() -> Step {
    settled(Outcome::AlreadyReleased, "our hook was completed before; the instance waits on another's".to_owned())
}

/// Rule 4's DRAINING, and what must not wait for the next look.
fn urgent(known: &Known, policy: &Policy, deadlines: Deadlines, now: Timestamp) -> Option<Step> {
    let active = known.registrations.iter().any(|r| r.status == InstanceStatus::Active);
    if active && known.tries.ready(Try::Drain, now) {
        return Some(Step::Act(Action::Drain));
    }
    // Whether its time is over is not known before it is known when that began.
    let is_dated = !known.wants_start() || known.tries.has_failed(Try::Start);
    let heartbeat = next_heartbeat(known, deadlines).filter(|_| is_dated && !policy.dry_run);
    let due = heartbeat.is_some_and(|due| due <= now) && known.tries.ready(Try::Heartbeat, now);
    due.then_some(Step::Act(Action::Heartbeat))
}

/// When its termination began, and why: asked when the host takes no tasks any more.
fn unless_dated(known: &Known, now: Timestamp) -> Option<Step> {
    (known.wants_start() && known.tries.ready(Try::Start, now)).then_some(Step::Read(Need::Start))
}

/// Of a burst, `reconcile` waits for all together: many invocations that each wait for ten hosts would read many times as
/// much, out of one quota. Where AWS throttles the looks, others leave too, and have yet to be found and set DRAINING.
fn left_to_reconcile(known: &Known) -> Option<Step> {
    let by_event = known.departure.cause.is_held() && known.departure.noticed_by == NoticedBy::Event;
    let set_draining = known.registrations.iter().all(|r| r.status == InstanceStatus::Draining);
    let left = known.in_a_burst || (known.in_a_batch && known.reads_are_throttled);
    (by_event && set_draining && left).then(|| {
        let detail = "set DRAINING; so many leave at once that reconcile waits for all of them together".to_owned();
        settled(Outcome::HandedOver, detail)
    })
}

/// Of a burst, one that could not be set DRAINING yet. Its hooks were not asked, so that nothing else is decided.
fn until_it_is_left(known: &Known, policy: &Policy, deadlines: Deadlines, now: Timestamp) -> Option<Step> {
    (known.in_a_burst && known.departure.cause.is_held()).then(|| {
        if now >= known.next_look && known.tries.ready(Try::Instance, now) {
            return Step::Read(Need::Instance);
        }
        Step::WaitUntil(earliest(known, policy, deadlines, now))
    })
}

/// Where there is no time to wait, or nothing to wait for.
fn only_set_draining(known: &Known) -> Option<Step> {
    let why = match known.departure.cause {
        Cause::SpotHibernation { .. } => "hibernation begins at once, so nothing is waited for",
        Cause::RebalanceRecommendation => "a recommendation is no interruption, so nothing is waited for",
        Cause::Termination { .. } | Cause::SpotInterruption { .. } | Cause::Maintenance => return None,
    };
    let draining = known.registrations.iter().all(|r| r.status == InstanceStatus::Draining);
    draining.then(|| settled(Outcome::Draining, format!("set DRAINING; {why}")))
}

/// Rules 7, 5 and 6: every way in which a drain ends.
fn ending(known: &Known, policy: &Policy, deadlines: Deadlines, now: Timestamp) -> Option<Step> {
    let go = |result, outcome, detail| Some(release(known, result, outcome, detail));
    if known.registrations.iter().all(|r| proven_stopped(r, policy, now)) {
        let late =
            if known.departure.cause.is_held() && now >= deadlines.stop_at { ", after its deadline" } else { "" };
        return go(LifecycleActionResult::Continue, Outcome::Drained, format!("every task has stopped{late}"));
    }
    if known.registrations.iter().all(|r| agent_lost(r, known.started(), policy, now)) {
        match health(known, now) {
            Health::Unknown if known.tries.ready(Try::Hold, now) => return Some(Step::Read(Need::Hook)),
            Health::Unhealthy => {
                let detail = "its agent is disconnected and Auto Scaling calls it unhealthy".to_owned();
                return go(LifecycleActionResult::Continue, Outcome::HostGone, detail);
            }
            Health::Unknown | Health::Healthy => {}
        }
    }
    let given_up = deadlines.give_up_at.is_some_and(|give_up_at| now >= give_up_at);
    let (result, why) = match deadlines.then {
        OnDrainTimeout::Proceed if now >= deadlines.stop_at => (LifecycleActionResult::Continue, "proceed"),
        OnDrainTimeout::Abandon if now >= deadlines.stop_at => (LifecycleActionResult::Abandon, "abandon"),
        OnDrainTimeout::StopTasks if given_up => (LifecycleActionResult::Continue, "stop-tasks"),
        _ => return None,
    };
    // Once, so that the report can name what still ran.
    if known.has_unread_tasks() && !known.tries.has_failed(Try::Tasks) {
        return Some(Step::Read(Need::Tasks));
    }
    let then = if result == LifecycleActionResult::Abandon { after_abandon(known) } else { "" };
    go(result, Outcome::TimedOut, format!("its deadline passed; the policy is {why}{then}"))
}

/// What becomes of an instance whose lifecycle action is completed with ABANDON.
fn after_abandon(known: &Known) -> &'static str {
    match (known.runs_on_after_abandon(), known.departure.cause) {
        (Some(true), Cause::Termination { to: Destination::WarmPool }) => "; it goes to its warm pool and runs on",
        (Some(true), _) => "; its group retains it, and it runs on",
        (Some(false), _) => "",
        (None, _) => ", which terminates it unless its group retains such instances",
    }
}

/// Rule 7 for one registration: counts prove nothing, and one read of lists that lag proves too little. What the first
/// read found need not have stopped by then: a host that drains gets no new tasks, and what is STOPPED stays so.
fn proven_stopped(registration: &Registration, policy: &Policy, now: Timestamp) -> bool {
    let Some(tasks) = &registration.tasks else { return false };
    registration.status == InstanceStatus::Draining
        && registration.counted_tasks == 0
        && tasks.each.values().all(Task::is_stopped)
        && tasks.listed_since.is_some_and(|since| after(since, policy.pace.min) <= tasks.read_at)
        && !older_than(tasks.ended_at, LISTS_VALID_FOR, now)
        && !older_than(registration.read_at, PROOF_VALID_FOR, now)
}

/// Rule 5 for one registration. Nothing is remembered of earlier invocations, but that the host began to leave.
fn agent_lost(registration: &Registration, started: Timestamp, policy: &Policy, now: Timestamp) -> bool {
    agent_lost_from(registration, started, policy).is_some_and(|from| from <= now)
        && !older_than(registration.read_at, PROOF_VALID_FOR, now)
}

/// From when on an agent that is disconnected counts as lost.
fn agent_lost_from(registration: &Registration, started: Timestamp, policy: &Policy) -> Option<Timestamp> {
    let seen_for = AGENT_LOST_SEEN_FOR.min(policy.agent_lost);
    Some(after(registration.agent_lost_at?, seen_for).max(after(started, policy.agent_lost)))
}

enum Health {
    Unknown,
    Healthy,
    Unhealthy,
}

fn health(known: &Known, now: Timestamp) -> Health {
    match &known.hold {
        Some(hold) if older_than(hold.read_at, HEALTH_VALID_FOR, now) => Health::Unknown,
        Some(_) if known.ours().is_some_and(|ours| ours.unhealthy) => Health::Unhealthy,
        _ => Health::Healthy,
    }
}

/// The earliest time that anything above may want to look again.
fn earliest(known: &Known, policy: &Policy, deadlines: Deadlines, now: Timestamp) -> Timestamp {
    let heartbeat = next_heartbeat(known, deadlines);
    let reading_ahead = reading_ahead(deadlines);
    let times = [Some(known.next_look), Some(reading_ahead), Some(deadlines.stop_at), deadlines.give_up_at, heartbeat];
    let lost = known.registrations.iter().filter_map(|r| agent_lost_from(r, known.started(), policy));
    let times = times.into_iter().flatten().chain(lost).chain(known.tries.not_before());
    times.filter(|time| *time > now).min().unwrap_or_else(|| after(now, policy.pace.max))
}

fn release(known: &Known, result: LifecycleActionResult, outcome: Outcome, detail: String) -> Step {
    let settled = Settled { outcome, detail };
    if !known.departure.cause.is_held() {
        return Step::Settled(settled);
    }
    Step::Act(Action::Complete { result, settled })
}

fn settled(outcome: Outcome, detail: String) -> Step {
    Step::Settled(Settled { outcome, detail })
}

/// What a dry run makes of a step: it reads on until something would be done or waited for.
fn instead(step: Step, known: &Known) -> Step {
    let would = |what: String| settled(Outcome::WouldDrain, format!("would {what}"));
    match step {
        Step::Act(Action::Drain) => would("set it DRAINING".to_owned()),
        Step::Act(Action::StopTasks(tasks)) => would(format!("stop {} tasks", tasks.len())),
        Step::Act(Action::Complete { settled, .. }) => {
            would(format!("release it, {}: {}", settled.outcome, settled.detail))
        }
        Step::WaitUntil(_) if waits_for_tasks(known) => would("wait for its tasks to stop".to_owned()),
        other => other,
    }
}

fn waits_for_tasks(known: &Known) -> bool {
    let may_drain = known.ours().is_some() || !known.departure.cause.is_held();
    may_drain && (known.stragglers().next().is_some() || known.registrations.iter().any(counts_tasks))
}

fn counts_tasks(registration: &Registration) -> bool {
    registration.counted_tasks > 0
}

#[cfg(test)]
mod tests;

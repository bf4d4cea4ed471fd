//! What comes next for one instance: a pure function of what is known, the policy and the time.

mod stopping;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

pub use self::stopping::{is_late, next_drain, next_stop};
use self::stopping::{looking, reading_ahead};
use super::attributes::{self, AttributeChanges, Occasion};
use super::deadlines::{Deadlines, deadlines, next_heartbeat, older_than};
use super::departure::{Cause, NoticedBy, SPOT_NOTICE};
use super::known::{HeldBy, Known, Place, Registration};
use super::tries::Try;
use crate::aws::{InstanceStatus, LifecycleActionResult, Task};
use crate::clock::{after, between};
use crate::config::{OnDrainTimeout, Policy};
use crate::ids::TaskArn;

/// Auto Scaling's word on an instance's health is asked again when it is older than this and matters.
const HEALTH_VALID_FOR: Duration = Duration::from_secs(60);
/// What proves that a host may go is read again when it is older than this, while the completion fails: meanwhile
/// somebody may have set it ACTIVE. Longer than any look takes to come.
const PROOF_VALID_FOR: Duration = Duration::from_secs(30);
/// Its lists may be older: a look tells whether it is still DRAINING and empty, and one request for it serves a hundred hosts.
/// As long as a thousand completions take at the rate that is assumed of Auto Scaling (20 a second).
const LISTS_VALID_FOR: Duration = Duration::from_secs(60);
/// How often what another drain left on an ACTIVE host is tried to be deleted before the host is set DRAINING anyway.
const CLEANING_TRIES: u32 = 3;

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
    /// Write attributes.
    Remember(Vec<AttributeChanges>),
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
    let step = first_that_fits(known, policy, now);
    if policy.dry_run { instead(step, known) } else { step }
}

fn first_that_fits(known: &Known, policy: &Policy, now: Timestamp) -> Step {
    if let Some(step) = unless_ours(known, now).or_else(|| unless_taken(known, now)) {
        return step;
    }
    match &known.place {
        // Rule 2; and no registrations at all would satisfy every "all of them" below.
        place if *place == Place::Unknown || (*place == Place::Registered && known.registrations.is_empty()) => {
            return once_ready(known, Try::Location, now, Step::Read(Need::Location));
        }
        Place::Unwatched(cluster) => {
            return settled(Outcome::Ignored, format!("registered in cluster {cluster}, which is not watched"));
        }
        Place::Nowhere if older_than(known.located_at, PROOF_VALID_FOR, now) => {
            return once_ready(known, Try::Location, now, Step::Read(Need::Location));
        }
        Place::Nowhere => {
            let detail = "registered in no cluster of this account and region".to_owned();
            return release(known, LifecycleActionResult::Continue, Outcome::NotInEcs, detail, now);
        }
        Place::Registered | Place::Unknown => {}
    }
    if known.taken_back {
        return settled(Outcome::TakenBack, "somebody set it ACTIVE again, and may have put tasks on it".to_owned());
    }
    if released_but_held_by_others(known) {
        let detail = "our hook was completed before; the instance waits on another's".to_owned();
        return settled(Outcome::AlreadyReleased, detail);
    }
    let deadlines = deadlines(known, policy);
    urgent(known, policy, deadlines, now)
        .or_else(|| only_set_draining(known))
        .or_else(|| left_to_reconcile(known))
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
        None => Some(once_ready(known, Try::Hold, now, Step::Read(first_need(known)))),
        Some(HeldBy::Ours(_)) => None,
        Some(HeldBy::Nobody { state: Some(state) }) => {
            let over = state.ends_with("Terminating:Proceed") || state.ends_with("Terminated");
            let outcome = if over { Outcome::AlreadyReleased } else { Outcome::Ignored };
            Some(settled(outcome, format!("it waits on no termination hook, its state is {state}")))
        }
        Some(HeldBy::Nobody { state: None }) => {
            Some(settled(Outcome::AlreadyReleased, "it is in no Auto Scaling group any more".to_owned()))
        }
        Some(HeldBy::Others { group }) => {
            Some(settled(Outcome::Ignored, format!("group {group} has no termination hook of ours")))
        }
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

/// Spares a scan from completing every minute what is over. An event is news, whatever was remembered before it.
fn released_but_held_by_others(known: &Known) -> bool {
    known.departure.noticed_by == NoticedBy::Scan
        && known.ours().is_some_and(|ours| ours.others_hold_too)
        && known
            .registrations
            .iter()
            .all(|r| r.status == InstanceStatus::Draining && !r.was_active && r.attributes.is_released(r.read_at))
}

/// Rule 4's DRAINING, and what must not wait for the next look.
fn urgent(known: &Known, policy: &Policy, deadlines: Deadlines, now: Timestamp) -> Option<Step> {
    let changes = if policy.dry_run { Vec::new() } else { attributes::changes(known, Occasion::Meanwhile) };
    let active = known.registrations.iter().any(|r| r.status == InstanceStatus::Active);
    if active && known.tries.ready(Try::Drain, now) {
        // What another drain left goes first, or nobody could tell it from ours once the host is DRAINING.
        if changes.is_empty() || known.tries.times(Try::Remember) >= CLEANING_TRIES {
            return Some(Step::Act(Action::Drain));
        }
    }
    let heartbeat = next_heartbeat(known, deadlines).filter(|_| !policy.dry_run);
    if heartbeat.is_some_and(|due| due <= now) && known.tries.ready(Try::Heartbeat, now) {
        return Some(Step::Act(Action::Heartbeat));
    }
    if !changes.is_empty() && known.tries.ready(Try::Remember, now) {
        return Some(Step::Act(Action::Remember(changes)));
    }
    None
}

/// Of a crowd, `reconcile` waits for all together: ten invocations that each wait for a hundred hosts would read ten times
/// as much, out of one quota. Those on which no task should run are done in a moment.
fn left_to_reconcile(known: &Known) -> Option<Step> {
    let by_event = known.departure.cause.is_held() && known.departure.noticed_by == NoticedBy::Event;
    let set_draining = known.registrations.iter().all(|r| r.status == InstanceStatus::Draining);
    let busy = known.registrations.iter().any(counts_tasks);
    (by_event && known.in_a_crowd && set_draining && busy).then(|| {
        let detail = "set DRAINING; so many leave at once that reconcile waits for all of them together".to_owned();
        settled(Outcome::HandedOver, detail)
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
    let go = |result, outcome, detail| Some(release(known, result, outcome, detail, now));
    if known.registrations.iter().all(|r| proven_stopped(r, policy, now)) {
        let late =
            if known.departure.cause.is_held() && now >= deadlines.stop_at { ", after its deadline" } else { "" };
        return go(LifecycleActionResult::Continue, Outcome::Drained, format!("every task has stopped{late}"));
    }
    if known.registrations.iter().all(|r| agent_lost(r, policy, now)) {
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
    go(result, Outcome::TimedOut, format!("its deadline passed; the policy is {why}"))
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

/// Rule 5 for one registration.
fn agent_lost(registration: &Registration, policy: &Policy, now: Timestamp) -> bool {
    registration.agent_lost_at.is_some_and(|since| after(since, policy.agent_lost) <= now)
        && !older_than(registration.read_at, PROOF_VALID_FOR, now)
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
    let times = times.into_iter().flatten().chain(known.tries.not_before());
    times.filter(|time| *time > now).min().unwrap_or_else(|| after(now, policy.pace.max))
}

fn release(known: &Known, result: LifecycleActionResult, outcome: Outcome, detail: String, now: Timestamp) -> Step {
    let settled = Settled { outcome, detail };
    if !known.departure.cause.is_held() {
        return Step::Settled(settled);
    }
    once_ready(known, Try::Complete, now, Step::Act(Action::Complete { result, settled }))
}

fn settled(outcome: Outcome, detail: String) -> Step {
    Step::Settled(Settled { outcome, detail })
}

/// `step`, or a pause until it may be tried again.
fn once_ready(known: &Known, what: Try, now: Timestamp, step: Step) -> Step {
    if known.tries.ready(what, now) {
        return step;
    }
    let times = known.tries.not_before().filter(|time| *time > now);
    times.min().map_or(step, Step::WaitUntil)
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
        Step::WaitUntil(_) if known.stragglers().next().is_some() || known.registrations.iter().any(counts_tasks) => {
            would("wait for its tasks to stop".to_owned())
        }
        other => other,
    }
}

fn counts_tasks(registration: &Registration) -> bool {
    registration.counted_tasks > 0
}

/// Whether Auto Scaling's lifecycle `state` is a wait on a termination hook. One into a warm pool may read as a launch's
/// wait there, which only the event tells apart (Auto Scaling user guide, lifecycle hooks with a warm pool).
#[must_use]
pub fn waits_on_a_termination_hook(state: &str, cause: Cause) -> bool {
    let to_warm_pool = matches!(cause, Cause::Termination { to_warm_pool: true });
    matches!(state, "Terminating:Wait" | "Warmed:Terminating:Wait") || (to_warm_pool && state == "Warmed:Pending:Wait")
}

#[cfg(test)]
mod tests;

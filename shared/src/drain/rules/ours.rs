//! Whether a host is ours to drain in this invocation, and what is due before its tasks are waited for.

use std::time::Duration;

use super::decision::{Ask, Case, Outcome, Says, settled};
use super::heartbeats;
use super::terms::outlasts_a_pause;
use crate::clock::{after, between, older_than};
use crate::drain::facts::departure::{Cause, NoticedBy, SPOT_NOTICE};
use crate::drain::facts::hold::HeldBy;
use crate::drain::facts::known::{Known, Place};
use crate::drain::facts::lifecycle::{self, Meaning};
use crate::drain::facts::patience::Request;
use crate::drain::facts::registration::Registration;

/// An event may be ahead of the state that Auto Scaling tells: `Terminating` was seen for 0.6 s before it waited. One that
/// is older tells of a termination that is over.
const AHEAD_OF_STATE_FOR: Duration = Duration::from_secs(120);
/// So long it is looked at again before its message comes again instead.
const WAITS_WITHIN: Duration = Duration::from_secs(5);
/// Between two of these looks.
pub(super) const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Only what Auto Scaling shows waiting, in a group with a hook of ours.
pub(super) fn waits_on_no_hook_of_ours(case: &Case<'_>) -> Option<Says> {
    let known = case.known;
    if !known.departure.cause.is_held() {
        return None;
    }
    match known.hold.as_ref().map(|hold| &hold.by) {
        None => Some(Says::Needs(first_question(known))),
        Some(HeldBy::Ours(_)) => None,
        Some(HeldBy::NoHook { state: Some(state) }) => Some(unless_it_waits(case, state)),
        Some(HeldBy::NoHook { state: None }) => {
            Some(settled(Outcome::AlreadyReleased, "it is in no Auto Scaling group any more".to_owned()))
        }
        Some(HeldBy::Others { group }) => {
            Some(settled(Outcome::Ignored, format!("group {group} has no termination hook of ours")))
        }
    }
}

/// What an event tells of is nearly always ours, so the search does not wait for Auto Scaling's word.
fn first_question(known: &Known) -> Ask {
    let told = known.departure.noticed_by == NoticedBy::Event;
    let unsearched = known.place == Place::Unknown && !known.patience.has_failed(Request::Location);
    if told && unsearched { Ask::HoldAndLocation } else { Ask::Hold }
}

/// It waits on no hook, or not yet.
fn unless_it_waits(case: &Case<'_>, state: &str) -> Says {
    let meaning = lifecycle::meaning(state);
    if meaning != Meaning::Over && is_young(case.known) {
        return look_again(case, state);
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

fn look_again(case: &Case<'_>, state: &str) -> Says {
    let known = case.known;
    let read_at = known.hold.as_ref().map_or(known.met_at, |hold| hold.read_at);
    if after(known.met_at, WAITS_WITHIN) <= read_at {
        let detail = format!("it does not wait on a termination hook yet, its state is {state}");
        return settled(Outcome::NotWaitingYet, detail);
    }
    match after(read_at, LOOK_AGAIN_AFTER) {
        next if next > case.now => Says::WaitsUntil(next),
        _ => Says::Needs(Ask::Hold),
    }
}

/// A notice that comes when its time is over tells of an instance that is gone, or that came back since. One that was in
/// time and is still unlocated then is lost.
pub(super) fn notice_is_over(case: &Case<'_>) -> Option<Says> {
    let known = case.known;
    let taken_at = known.departure.cause.taken_at()?;
    if known.met_at >= taken_at {
        let age = between(taken_at, known.met_at) + SPOT_NOTICE;
        let (age, notice) = (age.as_secs(), SPOT_NOTICE.as_secs());
        return Some(settled(Outcome::Ignored, format!("its notice is {age} s old, and gave it {notice} s")));
    }
    (case.now >= taken_at && known.place == Place::Unknown).then(|| {
        let detail = "it was taken before every cluster had answered whether it is there".to_owned();
        settled(Outcome::TimedOut, detail)
    })
}

/// Two operators may differ: of a drain by hand, the one who sets the host ACTIVE again wins.
pub(super) fn taken_back(case: &Case<'_>) -> Option<Says> {
    case.known.taken_back.then(|| {
        settled(Outcome::TakenBack, "an operator set it ACTIVE again, and may have put tasks on it".to_owned())
    })
}

/// ECS Managed Instances drain their hosts themselves.
pub(super) fn managed_by_ecs(case: &Case<'_>) -> Option<Says> {
    let is_managed = |it: &Registration| it.tasks.as_ref().is_some_and(|tasks| tasks.is_managed);
    case.known.registrations.iter().any(is_managed).then(|| {
        let detail = "its tasks are those of ECS Managed Instances, which drain their hosts themselves".to_owned();
        settled(Outcome::Ignored, detail)
    })
}

/// A scan need not complete again what is over.
pub(super) fn released(case: &Case<'_>) -> Option<Says> {
    let stayed_draining = |it: &Registration| it.is_draining() && !it.was_active;
    let known = case.known;
    (known.is_released && known.registrations.iter().all(stayed_draining)).then(released_before)
}

pub(super) fn released_before() -> Says {
    settled(Outcome::AlreadyReleased, "our hook was completed before; the instance waits on another's".to_owned())
}

/// While it is ACTIVE, ECS places tasks on it.
pub(super) fn active(case: &Case<'_>) -> Option<Says> {
    let active = case.known.registrations.iter().any(Registration::is_to_be_drained);
    active.then_some(Says::Wants(Ask::Drain))
}

pub(super) fn heartbeat_due(case: &Case<'_>) -> Option<Says> {
    heartbeats::is_due(case).then_some(Says::Wants(Ask::Heartbeat))
}

/// Where there is no time to wait, or nothing to wait for.
pub(super) fn only_set_draining(case: &Case<'_>) -> Option<Says> {
    let why = match case.known.departure.cause {
        Cause::SpotHibernation { .. } => "hibernation begins at once, so nothing is waited for",
        Cause::RebalanceRecommendation => "a recommendation is no interruption, so nothing is waited for",
        Cause::Termination { .. } | Cause::SpotInterruption { .. } | Cause::Maintenance => return None,
    };
    is_closed(case.known).then(|| settled(Outcome::Draining, format!("set DRAINING; {why}")))
}

/// Of a burst, `reconcile` waits for all together: many invocations that each wait for ten hosts would read many times as
/// much, out of one quota. Where AWS throttles the looks, others leave too, and have yet to be found and set DRAINING.
pub(super) fn left_to_reconcile(case: &Case<'_>) -> Option<Says> {
    let Case { known, terms, .. } = case;
    let throttled = terms.is_in_a_batch && known.reads_are_throttled;
    let left = terms.is_in_a_burst || throttled && outlasts_a_pause(known);
    (known.is_held_by_event() && is_closed(known) && left).then(|| {
        let detail = "set DRAINING; so many leave at once that reconcile waits for all of them together".to_owned();
        settled(Outcome::HandedOver, detail)
    })
}

/// Its hooks were not asked, so that nothing else is decided.
pub(super) fn burst_not_draining(case: &Case<'_>) -> Option<Says> {
    let Case { known, terms, now, .. } = case;
    let next = if *now >= known.next_look { Says::Needs(Ask::Instance) } else { Says::Rests };
    (terms.is_in_a_burst && known.departure.cause.is_held()).then_some(next)
}

/// How long it may be kept alive hangs on that. One that can be found is asked about when it is DRAINING.
pub(super) fn unlocated_and_undated(case: &Case<'_>) -> Option<Says> {
    let has_failed = case.known.is_unlocated() && case.known.patience.has_failed(Request::Location);
    (has_failed && case.is_to_be_dated()).then_some(Says::Wants(Ask::Start))
}

/// Asked when the host takes no tasks any more.
pub(super) fn undated(case: &Case<'_>) -> Option<Says> {
    case.is_to_be_dated().then_some(Says::Wants(Ask::Start))
}

fn is_closed(known: &Known) -> bool {
    known.registrations.iter().all(Registration::is_closed)
}

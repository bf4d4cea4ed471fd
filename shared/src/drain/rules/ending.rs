//! How a drain ends whose host is registered: empty, gone, or at its deadline.

use std::time::Duration;

use jiff::Timestamp;

use super::decision::{Ask, Case, Outcome, Says, Settled};
use crate::aws::LifecycleActionResult;
use crate::clock::{after, older_than};
use crate::config::OnDrainTimeout;
use crate::drain::facts::departure::{Cause, Destination};
use crate::drain::facts::known::Known;
use crate::drain::facts::patience::Request;
use crate::drain::facts::proof::SEEN_VALID_FOR;
use crate::drain::facts::registration::Registration;

/// Auto Scaling's word on an instance's health is asked again when it is older than this and matters.
const HEALTH_VALID_FOR: Duration = Duration::from_secs(60);
/// An agent must be seen disconnected for so long by one invocation, or for `AGENT_LOST_SECONDS` if that is less: most of
/// the minute that one invocation of `reconcile` lasts.
const AGENT_LOST_SEEN_FOR: Duration = Duration::from_secs(45);

/// Completes the lifecycle action, where there is one.
pub(super) fn release(known: &Known, result: LifecycleActionResult, outcome: Outcome, detail: String) -> Says {
    let settled = Settled { outcome, detail };
    if known.departure.cause.is_held() {
        Says::Needs(Ask::Complete { result, settled })
    } else {
        Says::Settled(settled)
    }
}

/// The proof of each registration stands.
pub(super) fn every_task_stopped(case: &Case<'_>) -> Option<Says> {
    let Case { known, terms, deadlines, now } = *case;
    let is_proven_empty = |it: &Registration| {
        it.tasks.as_ref().is_some_and(|tasks| tasks.proof.stands(it.seen(), terms.policy.pace.min, now))
    };
    known.registrations.iter().all(is_proven_empty).then(|| {
        let late =
            if known.departure.cause.is_held() && now >= deadlines.stop_at { ", after its deadline" } else { "" };
        let detail = format!("every task has stopped{late}");
        release(known, LifecycleActionResult::Continue, Outcome::Drained, detail)
    })
}

/// Nothing is remembered of earlier invocations, but that the host began to leave.
pub(super) fn host_is_gone(case: &Case<'_>) -> Option<Says> {
    let Case { known, now, .. } = *case;
    let is_lost = |it: &Registration| {
        let lost = agent_lost_from(it, case).is_some_and(|from| from <= now);
        lost && !older_than(it.read_at, SEEN_VALID_FOR, now)
    };
    if !known.registrations.iter().all(is_lost) {
        return None;
    }
    let asked_at = known.hold.as_ref()?.read_at;
    if older_than(asked_at, HEALTH_VALID_FOR, now) {
        return Some(Says::Wants(Ask::Hold));
    }
    known.ours().is_some_and(|ours| ours.unhealthy).then(|| {
        let detail = "its agent is disconnected and Auto Scaling calls it unhealthy".to_owned();
        release(known, LifecycleActionResult::Continue, Outcome::HostGone, detail)
    })
}

/// From when on an agent that is disconnected counts as lost.
pub(super) fn agent_lost_from(registration: &Registration, case: &Case<'_>) -> Option<Timestamp> {
    let agent_lost = case.terms.policy.agent_lost;
    let seen_for = AGENT_LOST_SEEN_FOR.min(agent_lost);
    Some(after(registration.agent_lost_at?, seen_for).max(after(case.known.started(), agent_lost)))
}

/// What its policy does with a host that is not empty by then.
pub(super) fn deadline_passed(case: &Case<'_>) -> Option<Says> {
    let Case { known, deadlines, now, .. } = *case;
    let given_up = deadlines.give_up_at.is_some_and(|give_up_at| now >= give_up_at);
    let (result, why) = match deadlines.then {
        OnDrainTimeout::Proceed if now >= deadlines.stop_at => (LifecycleActionResult::Continue, "proceed"),
        OnDrainTimeout::Abandon if now >= deadlines.stop_at => (LifecycleActionResult::Abandon, "abandon"),
        OnDrainTimeout::StopTasks if given_up => (LifecycleActionResult::Continue, "stop-tasks"),
        _ => return None,
    };
    // Once, so that the report can name what still ran.
    if known.has_unread_tasks() && !known.patience.has_failed(Request::Tasks) {
        return Some(Says::Needs(Ask::Tasks));
    }
    let then = if result == LifecycleActionResult::Abandon { after_abandon(known) } else { "" };
    let detail = format!("its deadline passed; the policy is {why}{then}");
    Some(release(known, result, Outcome::TimedOut, detail))
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

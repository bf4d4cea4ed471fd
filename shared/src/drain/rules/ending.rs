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
use crate::drain::facts::proof::{Proof, SEEN_VALID_FOR, SETTLES};
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

/// The proof of each registration stands, and its agent is where it was.
pub(super) fn every_task_stopped(case: &Case<'_>) -> Option<Says> {
    let Case { known, deadlines, now, .. } = *case;
    let proof =
        |it: &Registration| it.tasks.as_ref().map(|tasks| tasks.proof).filter(|it_is| it_is.stands(it.seen(), now));
    let proofs = known.registrations.iter().map(proof).collect::<Option<Vec<_>>>()?;
    let listed_at = proofs.into_iter().map(Proof::read_at).max()?;
    Some(unless_it_moved(case, listed_at).unwrap_or_else(|| {
        let late =
            if known.departure.cause.is_held() && now >= deadlines.stop_at { ", after its deadline" } else { "" };
        let detail = format!("every task has stopped{late}");
        release(known, LifecycleActionResult::Continue, Outcome::Drained, detail)
    }))
}

/// A host has one agent. Where it is connected no more, it may have joined another cluster since: the clusters are asked
/// once more, at `since` or later, when a list may lag no more.
fn unless_it_moved(case: &Case<'_>, since: Timestamp) -> Option<Says> {
    let Case { known, now, .. } = *case;
    if known.registrations.iter().any(Registration::is_live) {
        return None;
    }
    let lost_at = known.registrations.iter().filter_map(|it| it.agent_lost_at).max()?;
    let asks_from = after(lost_at, SETTLES).max(since);
    if known.located_at >= asks_from && !older_than(known.located_at, SEEN_VALID_FOR, now) {
        return None;
    }
    Some(if now < asks_from { Says::WaitsUntil(asks_from) } else { Says::Needs(Ask::Location) })
}

/// What was not looked at for long counts as seen anew.
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
    if !known.ours().is_some_and(|ours| ours.unhealthy) {
        return None;
    }
    Some(unless_it_moved(case, asked_at).unwrap_or_else(|| {
        let detail = "its agent is disconnected and Auto Scaling calls it unhealthy".to_owned();
        release(known, LifecycleActionResult::Continue, Outcome::HostGone, detail)
    }))
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

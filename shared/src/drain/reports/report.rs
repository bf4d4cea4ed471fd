//! What is told of a drain at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::explain::Explanations;
use super::straggler::Straggler;
use crate::clock::between;
use crate::config::OnDrainTimeout;
use crate::drain::facts::departure::{Cause, NoticedBy};
use crate::drain::facts::known::{Known, Place};
use crate::drain::facts::log::tenths;
use crate::drain::facts::patience::Request;
use crate::drain::rules::deadlines::deadlines;
use crate::drain::rules::decision::{Outcome, Settled};
use crate::drain::rules::terms::Terms;
use crate::ids::{ClusterName, InstanceId};

/// Tasks named in one report: a host runs at most about this many, and an answer must stay small.
const REMAINING_MAX: usize = 250;

/// Drains are listed as long as all of them take no more than this: a sixth of what Lambda hands on (Lambda developer guide,
/// quotas), and more than a person reads.
const LISTED_BYTES_MAX: usize = 900_000;

/// The answer to a bare event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Each instance, in the order of the events, as far as there is room.
    pub drains: Vec<Drain>,
    /// How the others ended.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub not_listed: BTreeMap<&'static str, usize>,
}

impl Report {
    /// On all of these.
    #[must_use]
    pub fn of(drains: impl IntoIterator<Item = Drain>) -> Self {
        let (mut report, mut bytes) = (Self { drains: Vec::new(), not_listed: BTreeMap::new() }, 0);
        for drain in drains {
            if bytes < LISTED_BYTES_MAX {
                bytes += serde_json::to_vec(&drain).map_or(0, |json| json.len());
            }
            if bytes < LISTED_BYTES_MAX {
                report.drains.push(drain);
            } else {
                *report.not_listed.entry(drain.outcome.as_str()).or_default() += 1;
            }
        }
        report
    }
}

/// How the drain of one instance ended, or where it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// Which instance; none for an event that names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
    /// Where it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
    /// How it ended.
    pub outcome: Outcome,
    /// From the start of the drain, to a tenth.
    pub seconds: f64,
    /// Tasks that reached STOPPED since it began.
    pub tasks_stopped: usize,
    /// Tasks that are not STOPPED.
    pub remaining: Vec<Straggler>,
    /// The outcome in a sentence.
    pub detail: String,
    /// Why the instance leaves, in Auto Scaling's words, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For the metrics.
    #[serde(skip)]
    pub measures: Measures,
}

/// What does not go as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The deadline passed before every task had stopped.
    PastDeadline,
    /// Requests failed, so that it is not known where the instance is registered.
    NeverLocated,
}

/// What the metrics tell of a drain, and the report does not.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measures {
    /// Why the instance leaves; none for an event that led to no drain.
    pub cause: Option<Cause>,
    /// Whether it was found in Auto Scaling's state, rather than told by an event.
    pub found_by_scan: bool,
    /// Whether this invocation set it DRAINING.
    pub began: bool,
    /// Heartbeats that this invocation sent.
    pub heartbeats: u32,
    /// How old its event was when we received it.
    pub event_age: Option<Duration>,
    /// Of the tasks that stopped, those that a drainer told to.
    pub told_to_stop: usize,
    /// Tasks that were there when nothing held the instance any more.
    pub left_running: usize,
    /// What an alarm should tell of.
    pub trouble: Option<Trouble>,
}

/// A report on an event that led to no drain.
#[must_use]
pub fn ignored(instance: Option<InstanceId>, why: String) -> Drain {
    Drain {
        instance_id: instance,
        cluster: None,
        outcome: Outcome::Ignored,
        seconds: 0.0,
        tasks_stopped: 0,
        remaining: Vec::new(),
        detail: why,
        reason: None,
        measures: Measures::default(),
    }
}

/// A report on what is known, settled like this.
#[must_use]
pub fn report(known: &Known, settled: Settled, terms: &Terms, explanations: &Explanations, now: Timestamp) -> Drain {
    let stopped = || known.stopped().filter(|ended| ended.at >= known.started());
    let measures = Measures {
        cause: Some(known.departure.cause),
        found_by_scan: known.departure.noticed_by == NoticedBy::Scan,
        began: known.began,
        heartbeats: known.heartbeats,
        event_age: known
            .hints
            .noticed_at
            .filter(|_| !known.hints.comes_again)
            .map(|noticed_at| between(noticed_at, known.met_at)),
        told_to_stop: stopped().filter(|ended| ended.was_told_to).count(),
        left_running: left_running(known, settled.outcome, terms),
        trouble: trouble(known, settled.outcome, terms, now),
    };
    Drain {
        instance_id: Some(known.departure.instance.clone()),
        cluster: known.cluster().cloned(),
        outcome: settled.outcome,
        seconds: tenths(between(known.started(), now)),
        tasks_stopped: stopped().count(),
        remaining: stragglers(known, explanations, now).take(REMAINING_MAX).collect(),
        detail: settled.detail,
        reason: known.reason().map(ToOwned::to_owned),
        measures,
    }
}

/// The tasks known of it that are not STOPPED, each with why.
pub(super) fn stragglers<'a>(
    known: &'a Known,
    explanations: &'a Explanations,
    now: Timestamp,
) -> impl Iterator<Item = Straggler> + 'a {
    let unstopped = known.registrations.iter().flat_map(|it| it.unstopped().map(move |task| (it, task)));
    unstopped.map(move |(registration, task)| Straggler::of(task, registration, explanations, known.started(), now))
}

/// Tasks whose host goes: a hook that this invocation kept, and that is over, counts too.
fn left_running(known: &Known, outcome: Outcome, terms: &Terms) -> usize {
    let abandoned = terms.policy.on_drain_timeout == OnDrainTimeout::Abandon;
    let is_over = match outcome {
        Outcome::TimedOut => !(abandoned && known.runs_on_after_abandon() == Some(true)),
        Outcome::HostGone => true,
        Outcome::AlreadyReleased => known.began || known.heartbeats > 0,
        _ => false,
    };
    known.remaining_tasks().filter(|_| is_over).unwrap_or_default()
}

/// Spot's stragglers are always stopped at its deadline's lead: what counts there is that the power goes before they end.
fn trouble(known: &Known, outcome: Outcome, terms: &Terms, now: Timestamp) -> Option<Trouble> {
    let stop_at = deadlines(known, terms).stop_at;
    let is_held = known.departure.cause.is_held();
    let stopped_late = known.stopped().any(|ended| ended.at > stop_at);
    let unlocated = known.place == Place::Unknown && known.patience.has_failed(Request::Location);
    match outcome {
        Outcome::HandedOver | Outcome::TimedOut if unlocated => Some(Trouble::NeverLocated),
        Outcome::TimedOut => Some(Trouble::PastDeadline),
        Outcome::HandedOver if known.ours().is_some() && now >= stop_at => Some(Trouble::PastDeadline),
        Outcome::Drained if is_held && stopped_late => Some(Trouble::PastDeadline),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

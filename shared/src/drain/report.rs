//! What is told of a drain at its end.

use jiff::Timestamp;
use serde::Serialize;

use super::deadlines::deadlines;
use super::decide::{Outcome, Settled};
use super::known::{Known, Place};
use super::tries::Try;
use crate::aws::Task;
use crate::clock::between;
use crate::config::Policy;
use crate::ids::{ClusterName, InstanceId, TaskArn};

/// Tasks named in one report: a host runs at most about this many, and an answer must stay small.
const REMAINING_MAX: usize = 250;

/// The answer to a bare event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Each instance, in the order of the events.
    pub drains: Vec<Drain>,
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
    pub remaining: Vec<Remaining>,
    /// The outcome in a sentence.
    pub detail: String,
    /// What somebody should be told of, for the metrics.
    #[serde(skip)]
    pub trouble: Option<Trouble>,
}

/// What does not go as it should, whoever goes on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The deadline passed before every task had stopped.
    PastDeadline,
    /// Requests failed, so that nobody knows where the instance is registered.
    NeverLocated,
}

/// A task that is not STOPPED.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Remaining {
    /// Which.
    pub task: TaskArn,
    /// `service:NAME` or `family:FAMILY`.
    pub group: String,
    /// Where it is in its life.
    pub last_status: String,
    /// Why it still runs, as far as the task itself tells.
    pub why: &'static str,
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
        trouble: None,
    }
}

/// A report on what is known, settled like this. `policy` is the one of its group, [`Known::policy`].
#[must_use]
pub fn report(known: &Known, settled: Settled, policy: &Policy, now: Timestamp) -> Drain {
    let cluster = match &known.place {
        Place::Unwatched(cluster) => Some(cluster.clone()),
        _ => known.registrations.first().map(|registration| registration.cluster.clone()),
    };
    let stopped = |task: &&Task| task.is_stopped() && task.stopped_at.is_some_and(|at| at >= known.started());
    Drain {
        instance_id: Some(known.departure.instance.clone()),
        cluster,
        outcome: settled.outcome,
        seconds: (between(known.started(), now).as_secs_f64() * 10.0).round() / 10.0,
        tasks_stopped: known.tasks().filter(stopped).count(),
        remaining: known.stragglers().take(REMAINING_MAX).map(remaining).collect(),
        detail: settled.detail,
        trouble: trouble(known, settled.outcome, policy, now),
    }
}

/// Spot's stragglers are always stopped at its deadline's lead: what counts there is that the power goes before they end.
fn trouble(known: &Known, outcome: Outcome, policy: &Policy, now: Timestamp) -> Option<Trouble> {
    let stop_at = deadlines(known, policy).stop_at;
    let is_held = known.departure.cause.is_held();
    let stopped_late = known.tasks().any(|task| task.stopped_at.is_some_and(|at| at > stop_at));
    let unlocated = known.place == Place::Unknown && known.tries.has_failed(Try::Location);
    match outcome {
        Outcome::HandedOver | Outcome::TimedOut if unlocated => Some(Trouble::NeverLocated),
        Outcome::TimedOut => Some(Trouble::PastDeadline),
        Outcome::HandedOver if is_held && now >= stop_at => Some(Trouble::PastDeadline),
        Outcome::Drained if is_held && stopped_late => Some(Trouble::PastDeadline),
        _ => None,
    }
}

fn remaining(task: &Task) -> Remaining {
    let why = match (task.last_status.as_str(), task.is_leaving(), task.is_standalone()) {
        ("DEACTIVATING", ..) => "leaving its load balancer",
        (_, true, _) => "stopping",
        (_, false, true) => "no service owns it, and draining does not stop such tasks",
        (_, false, false) => "its service has not stopped it yet",
    };
    Remaining { task: task.arn.clone(), group: task.group.clone(), last_status: task.last_status.clone(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(last_status: &str, desired_status: &str, group: &str) -> &'static str {
        let task = Task {
            arn: "arn:1".into(),
            container_instance: None,
            last_status: last_status.into(),
            desired_status: desired_status.into(),
            group: group.into(),
            started_by: String::new(),
            stopped_at: None,
        };
        remaining(&task).why
    }

    #[test]
    fn each_straggler_tells_why_it_still_runs() {
        assert_eq!(why("DEACTIVATING", "STOPPED", "service:web"), "leaving its load balancer");
        assert_eq!(why("STOPPING", "STOPPED", "family:job"), "stopping");
        assert_eq!(why("RUNNING", "STOPPED", "service:web"), "stopping");
        assert!(why("RUNNING", "RUNNING", "family:job").starts_with("no service owns it"));
        assert_eq!(why("RUNNING", "RUNNING", "service:web"), "its service has not stopped it yet");
    }

    #[test]
    fn a_report_is_the_documented_json() {
        let drain = ignored(None, "not ours".into());
        let json = serde_json::to_value(Report { drains: vec![drain] }).unwrap();
        let expected = serde_json::json!({"drains": [{
            "outcome": "ignored", "seconds": 0.0, "tasksStopped": 0, "remaining": [], "detail": "not ours",
        }]});
        assert_eq!(json, expected);
    }
}

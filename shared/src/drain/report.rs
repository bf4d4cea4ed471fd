//! What is told of a drain at its end.

use jiff::Timestamp;
use serde::Serialize;

use super::decide::{Outcome, Settled};
use super::known::{Known, Place};
use crate::aws::Task;
use crate::clock::between;
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
    }
}

/// A report on what is known, settled like this.
#[must_use]
pub fn report(known: &Known, settled: Settled, now: Timestamp) -> Drain {
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

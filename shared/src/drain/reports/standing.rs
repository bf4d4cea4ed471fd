//! Where a drain stands, for people: since when, why, what is left, until when, and what comes next.

use jiff::Timestamp;
use serde::Serialize;

use super::explain::Explanations;
use super::report::stragglers;
use super::straggler::Straggler;
use crate::aws::InstanceStatus;
use crate::config::OnDrainTimeout;
use crate::drain::facts::departure::{Cause, NoticedBy};
use crate::drain::facts::hold::HeldBy;
use crate::drain::facts::known::{Known, Place};
use crate::drain::facts::registration::Registration;
use crate::drain::rules::deadlines::{Deadlines, deadlines as deadlines_of};
use crate::drain::rules::terms::Terms;
use crate::ids::{ClusterName, GroupName, InstanceId};

/// Where the drain of one instance stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Which instance.
    pub instance_id: InstanceId,
    /// Where it is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
    /// Its Auto Scaling group, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupName>,
    /// The status of its container instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why it is drained.
    pub cause: Reason,
    /// Since when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Tasks that have not stopped; none before they were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks_left: Option<usize>,
    /// Each of them.
    pub remaining: Vec<Straggler>,
    /// Why it leaves, in Auto Scaling's words, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When its patience ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// What comes next.
    pub next: Next,
    /// What could not be read or done, in AWS's words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// Whether anything is left to wait for.
    #[serde(skip)]
    pub is_open: bool,
}

/// Why an instance is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Auto Scaling terminates it, and our hook holds it.
    Termination,
    /// Auto Scaling terminates it, and only hooks of others hold it.
    OthersTermination,
    /// A person drains it.
    Maintenance,
    /// It is written nowhere: Spot, managed draining, or an operator with another tool.
    Unknown,
}

impl Reason {
    /// As people read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Termination => "termination",
            Self::OthersTermination => "termination, not ours",
            Self::Maintenance => "maintenance",
            Self::Unknown => "not known",
        }
    }
}

/// What comes next for an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// At which time, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What.
    pub what: String,
}

impl Next {
    fn whenever(what: impl Into<String>) -> Self {
        Self { at: None, what: what.into() }
    }

    fn at(at: Timestamp, what: impl Into<String>) -> Self {
        Self { at: Some(at), what: what.into() }
    }
}

/// Where the drain of an instance stands at `now`.
#[must_use]
pub fn standing(known: &Known, terms: &Terms, explanations: &Explanations, now: Timestamp) -> Standing {
    let since = since(known);
    let tasks_left = if known.has_unread_tasks() { None } else { known.remaining_tasks() };
    let cause = reason(known);
    let held = cause == Reason::Termination;
    // The flags of a drain by hand are written nowhere.
    let told = held || known.departure.noticed_by == NoticedBy::Person;
    let deadlines = since.filter(|_| told);
    let deadlines = deadlines.map(|_| deadlines_of(known, terms));
    let deadline = deadlines.map(|it| it.stop_at).filter(|stop_at| *stop_at < Timestamp::MAX);
    Standing {
        instance_id: known.departure.instance.clone(),
        cluster: known.cluster().cloned(),
        group: known.group().cloned(),
        status: known.registrations.first().map(|registration| registration.status.to_string()),
        cause,
        since,
        tasks_left,
        remaining: stragglers(known, explanations, now).collect(),
        reason: known.reason().map(ToOwned::to_owned),
        deadline,
        next: next(known, cause, deadlines, now),
        failures: known.patience.told(),
        is_open: held || tasks_left != Some(0),
    }
}

fn reason(known: &Known) -> Reason {
    let by_hand = |r: &Registration| r.maintenance_since().is_some();
    match (&known.hold, known.departure.cause) {
        (Some(hold), Cause::Termination { .. }) if matches!(hold.by, HeldBy::Others { .. }) => {
            Reason::OthersTermination
        }
        (_, Cause::Termination { .. }) => Reason::Termination,
        (_, Cause::Maintenance)
            if known.departure.noticed_by == NoticedBy::Person || known.registrations.iter().any(by_hand) =>
        {
            Reason::Maintenance
        }
        _ => Reason::Unknown,
    }
}

/// What Auto Scaling tells, a person's command wrote down, or was seen to begin.
fn since(known: &Known) -> Option<Timestamp> {
    if known.departure.cause.is_held() {
        return known.start.as_ref().map(|start| start.at);
    }
    let draining = known.registrations.iter().filter(|r| r.is_draining());
    let begun = known.draining_since.filter(|_| known.began);
    begun.or_else(|| draining.filter_map(Registration::maintenance_since).min())
}

fn next(known: &Known, cause: Reason, deadlines: Option<Deadlines>, now: Timestamp) -> Next {
    match cause {
        Reason::OthersTermination => {
            return Next::whenever(
                "its group has no hook of the drainer, so the drainer does not wait for its tasks: ecs-drainer enroll",
            );
        }
        Reason::Termination | Reason::Maintenance | Reason::Unknown => {}
    }
    let held = cause == Reason::Termination;
    match &known.place {
        Place::Unknown => return Next::whenever("where it is registered is not known; it is searched again"),
        Place::Unwatched(_) => return Next::whenever("its cluster is not watched, so it is left alone"),
        Place::Nowhere { .. } => return Next::whenever("it is in no cluster: released within a minute"),
        Place::Registered => {}
    }
    let is = |status: &InstanceStatus| known.registrations.iter().any(|r| r.status == *status);
    if held && is(&InstanceStatus::Active) {
        return Next::whenever("set DRAINING within a minute, or the drainer does not work: ecs-drainer check");
    }
    if known.remaining_tasks() == Some(0) {
        return Next::whenever(if held {
            "it is empty: released within a minute, if no other hook holds it"
        } else {
            "it is empty, and stays DRAINING until ecs-drainer undrain, or until it is terminated"
        });
    }
    let Some(Deadlines { stop_at, give_up_at, then }) = deadlines else {
        return Next::whenever(match cause {
            Reason::Termination => "its tasks stop, then it is released; when its termination began could not be read",
            Reason::Maintenance => "its tasks stop; only the operator who drains it knows until when",
            Reason::OthersTermination | Reason::Unknown => "its tasks stop; what waits for that is not known",
        });
    };
    if stop_at == Timestamp::MAX {
        return Next::whenever("its tasks stop by themselves; the drainer tells none to stop");
    }
    let then_goes = if held { "it is released, whatever still runs" } else { "the command waits no longer" };
    match (now < stop_at, then, give_up_at) {
        (true, OnDrainTimeout::StopTasks, _) => Next::at(stop_at, "what is left is told to stop"),
        (true, OnDrainTimeout::Proceed, _) => Next::at(stop_at, then_goes),
        (true, OnDrainTimeout::Abandon, _) => Next::at(stop_at, "it is released with ABANDON, whatever still runs"),
        (true, OnDrainTimeout::Wait, _) => {
            Next::at(stop_at, "nothing: with the policy wait the drainer goes on waiting")
        }
        (false, OnDrainTimeout::StopTasks, Some(give_up_at)) if now < give_up_at => Next::at(give_up_at, then_goes),
        (false, OnDrainTimeout::Wait, _) | (false, _, None) => {
            Next::whenever("its tasks stop, or AWS's own limit ends it")
        }
        (false, ..) if held => Next::whenever("its time is over: released within a minute, or ecs-drainer check"),
        (false, ..) => Next::whenever("its time is over"),
    }
}

#[cfg(test)]
mod tests;

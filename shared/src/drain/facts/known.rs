//! What was read of one instance. Each fact carries when it was read: of tasks, when the read began; of all else, when
//! the answer came, so that a read of tasks at or after `draining_since` surely saw the host closed to new ones.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::departure::{Cause, Departure, Destination, Hints, NoticedBy};
use super::hold::{HeldBy, Hold, Ours};
use super::patience::Patience;
use super::proof::WholeRead;
use super::registration::Registration;
use super::tasks::{Ended, Named};
use crate::aws::{ContainerInstance, InstanceStatus, Task};
use crate::clock::{before, older_than};
use crate::ids::{ClusterName, ContainerInstanceArn, GroupName, TaskArn};

/// How far back a first look takes a heartbeat for due: as often as `reconcile` runs.
const FIRST_LOOK_BACK: Duration = Duration::from_secs(60);
/// An event tells when a termination began, unless it is older than this when it comes: it may be of an earlier one.
const EVENT_TELLS_FOR: Duration = Duration::from_secs(60);
/// A description may lag behind a change for as long: what reads ACTIVE later, an operator has set so.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);

/// All that is known of one departure.
#[derive(Debug, Clone)]
pub struct Known {
    /// Which instance, and why it leaves.
    pub departure: Departure,
    /// What else the event told.
    pub hints: Hints,
    /// When this invocation met it, whatever an earlier one left of what follows.
    pub met_at: Timestamp,
    /// What Auto Scaling says of it.
    pub hold: Option<Hold>,
    /// Where it is registered.
    pub place: Place,
    /// When a search last told.
    pub located_at: Timestamp,
    /// The clusters that answered that it is not registered there, in the search under way.
    pub searched: Vec<ClusterName>,
    /// Its registrations, when [`Place::Registered`].
    pub registrations: Vec<Registration>,
    /// When it began to leave, as far as Auto Scaling or an event tells.
    pub start: Option<Start>,
    /// Whether Auto Scaling was asked for that.
    pub asked_start: bool,
    /// Since when it has been DRAINING in all its registrations, as far as this invocation saw.
    pub draining_since: Option<Timestamp>,
    /// When to look at it again.
    pub next_look: Timestamp,
    /// When a heartbeat was last sent; at first, since when one counts as due.
    pub heartbeat_at: Timestamp,
    /// Whether our hook was over before, as far as a warm environment remembers, and another's holds it.
    pub is_released: bool,
    /// Whether we set it DRAINING.
    pub began: bool,
    /// Whether another operator set it ACTIVE again, of a drain by hand: two people may differ.
    pub taken_back: bool,
    /// Heartbeats that were sent.
    pub heartbeats: u32,
    /// Requests that failed.
    pub patience: Patience,
    /// Whether AWS throttled a look at it: others need the account's reads more.
    pub reads_are_throttled: bool,
}

/// When a termination began, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// When.
    pub at: Timestamp,
    /// Why, in Auto Scaling's words; none where only the event tells of it.
    pub reason: Option<String>,
}

/// Where an instance is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Not known: not searched yet, or some cluster did not answer.
    Unknown,
    /// In a watched cluster.
    Registered,
    /// Only in this cluster, which is not watched.
    Unwatched(ClusterName),
    /// In no cluster of account and region: every cluster answered.
    Nowhere,
}

impl Known {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(departure: Departure, now: Timestamp) -> Self {
        Self {
            departure,
            hints: Hints::default(),
            met_at: now,
            hold: None,
            place: Place::Unknown,
            located_at: now,
            searched: Vec::new(),
            registrations: Vec::new(),
            start: None,
            asked_start: false,
            draining_since: None,
            next_look: now,
            heartbeat_at: before(now, FIRST_LOOK_BACK),
            is_released: false,
            began: false,
            taken_back: false,
            heartbeats: 0,
            patience: Patience::default(),
            reads_are_throttled: false,
        }
    }

    /// An event told of it, and what else.
    #[must_use]
    pub fn told(departure: Departure, hints: Hints, now: Timestamp) -> Self {
        let tells = |at: &Timestamp| !departure.cause.is_held() || !older_than(*at, EVENT_TELLS_FOR, now);
        let at = hints.noticed_at.filter(tells);
        let start = at.map(|at| Start { at: at.min(now), reason: None });
        Self { hints, start, ..Self::new(departure, now) }
    }

    /// Our hold on its termination, if we have one.
    #[must_use]
    pub fn ours(&self) -> Option<&Ours> {
        match &self.hold.as_ref()?.by {
            HeldBy::Ours(ours) => Some(ours),
            _ => None,
        }
    }

    /// Whether a scan found it in a group with another's hook beside ours: then it may wait on that alone.
    #[must_use]
    pub fn is_by_scan_beside_others(&self) -> bool {
        self.departure.noticed_by == NoticedBy::Scan && self.ours().is_some_and(|ours| ours.others_hold_too)
    }

    /// Its Auto Scaling group, by Auto Scaling's word or else the event's.
    #[must_use]
    pub fn group(&self) -> Option<&GroupName> {
        match self.hold.as_ref().map(|hold| &hold.by) {
            Some(HeldBy::Ours(ours)) => Some(&ours.group),
            Some(HeldBy::Others { group }) => Some(group),
            Some(HeldBy::NoHook { .. }) | None => self.hints.group.as_ref(),
        }
    }

    /// Where it was found.
    #[must_use]
    pub fn cluster(&self) -> Option<&ClusterName> {
        match &self.place {
            Place::Unwatched(cluster) => Some(cluster),
            _ => self.registrations.first().map(|registration| &registration.cluster),
        }
    }

    /// Tasks that should run or are known not to have stopped; none before its registration was read.
    #[must_use]
    pub fn remaining_tasks(&self) -> Option<usize> {
        let remaining = |r: &Registration| {
            let unstopped = r.unstopped().count();
            unstopped.max(usize::try_from(r.counted_tasks).unwrap_or(usize::MAX))
        };
        (self.place == Place::Registered).then(|| self.registrations.iter().map(remaining).sum())
    }

    /// Whether the tasks of some registration were not read yet.
    #[must_use]
    pub fn has_unread_tasks(&self) -> bool {
        self.registrations.iter().any(|registration| registration.tasks.is_none())
    }

    /// When its drain began: with the termination or the notice, where there is one, or else with DRAINING. Where that is not
    /// known, when this invocation met it.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        let start = self.start.as_ref().map(|start| start.at);
        start.or(self.draining_since.filter(|_| !self.departure.cause.is_held())).unwrap_or(self.met_at)
    }

    /// Whether an instance whose lifecycle action is completed with ABANDON runs on; none where that is not known.
    #[must_use]
    pub fn runs_on_after_abandon(&self) -> Option<bool> {
        match self.departure.cause {
            Cause::Termination { to: Destination::WarmPool } => Some(true),
            _ => self.ours()?.retains,
        }
    }

    /// Why it leaves, in Auto Scaling's words, where they are known.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.start.as_ref()?.reason.as_deref()
    }

    /// Whether Auto Scaling's scaling activity may still tell when its termination began, and why.
    #[must_use]
    pub fn is_undated(&self) -> bool {
        let is_held = self.departure.cause.is_held() && self.ours().is_some();
        is_held && !self.asked_start && self.start.as_ref().is_none_or(|start| start.reason.is_none())
    }

    /// The tasks known of it that are not STOPPED.
    pub fn stragglers(&self) -> impl Iterator<Item = &Task> {
        self.registrations.iter().flat_map(Registration::unstopped)
    }

    /// The tasks known of it that are STOPPED.
    pub fn stopped(&self) -> impl Iterator<Item = &Ended> {
        self.registrations.iter().flat_map(|registration| registration.stopped().map(|(_, ended)| ended))
    }

    /// Takes in where a search found it. A search that some cluster did not answer leaves the place unknown.
    pub fn learn_place(&mut self, place: Place, registrations: Vec<Registration>, now: Timestamp) {
        self.place = place;
        self.located_at = now;
        self.registrations = registrations;
        self.searched.clear();
        self.learn_draining();
    }

    /// Takes in what a container instance is now; one that is absent or INACTIVE is no registration any more, and
    /// after the last of them every cluster must be asked again.
    pub fn learn_instance(
        &mut self,
        arn: &ContainerInstanceArn,
        found: Option<&ContainerInstance>,
        read_at: Timestamp,
    ) {
        match found.filter(|found| found.status != InstanceStatus::Inactive) {
            Some(found) => {
                if let Some(registration) = self.registrations.iter_mut().find(|r| r.arn == *arn) {
                    registration.learn(found, read_at);
                }
                self.learn_draining();
            }
            None => self.registrations.retain(|registration| registration.arn != *arn),
        }
        if self.registrations.is_empty() {
            self.place = Place::Unknown;
        }
    }

    /// Takes in a whole read of a registration's tasks.
    pub fn learn_tasks(&mut self, arn: &ContainerInstanceArn, named: Named, read: WholeRead) {
        if let Some(registration) = self.registrations.iter_mut().find(|r| r.arn == *arn) {
            registration.learn_tasks(named, read);
        }
    }

    /// Takes in a read of those of a registration's tasks alone that had not stopped: what is absent has, long ago.
    pub fn learn_stragglers(
        &mut self,
        arn: &ContainerInstanceArn,
        found: Vec<Task>,
        absent: &BTreeSet<TaskArn>,
        read_at: Timestamp,
    ) {
        if let Some(registration) = self.registrations.iter_mut().find(|r| r.arn == *arn) {
            registration.learn_stragglers(found, absent, read_at);
        }
    }

    /// Takes in that a task is not known to ECS any more.
    pub fn forget_task(&mut self, arn: &TaskArn, now: Timestamp) {
        self.registrations.iter_mut().for_each(|registration| registration.forget_task(arn, now));
    }

    /// Takes in a task as the answer to StopTask tells it.
    pub fn learn_task(&mut self, task: &Task, now: Timestamp) {
        self.registrations.iter_mut().for_each(|registration| registration.learn_task(task, now));
    }

    fn learn_draining(&mut self) {
        let by_hand = self.departure.cause == Cause::Maintenance;
        let active = |r: &&Registration| r.status == InstanceStatus::Active;
        if let Some(read_at) = self.registrations.iter().filter(active).map(|r| r.read_at).max() {
            let settled_since = |since| older_than(since, SETTLES_WITHIN, read_at);
            self.taken_back |= by_hand && self.draining_since.is_some_and(settled_since);
            self.draining_since = None;
            return;
        }
        let draining = self.registrations.iter().filter(|r| r.is_draining());
        self.draining_since = self.draining_since.or(draining.map(|r| r.read_at).min());
    }
}

#[cfg(test)]
mod tests;

//! What was read of one instance. Each fact carries when it was read: of tasks, when the read began; of all else, when
//! the answer came, so that a read of tasks at or after `closed_since` surely saw the host closed to new ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::departure::{Cause, Departure, Destination, Hints, NoticedBy};
use super::hold::{HeldBy, Hold, Ours};
use super::patience::Patience;
use super::proof::{SEEN_VALID_FOR, SETTLES, WholeRead};
use super::registration::Registration;
use super::tasks::{Ended, Named};
use crate::aws::{ContainerInstance, InstanceStatus, Task};
use crate::clock::{after, older_than};
use crate::ids::{ClusterName, ContainerInstanceArn, GroupName, TaskArn};

/// An event tells when a termination began, unless it is older than this when it comes: it may be of an earlier one.
const EVENT_TELLS_FOR: Duration = Duration::from_secs(60);
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
    /// When the last search that told was begun.
    pub located_at: Timestamp,
    /// When clusters were asked, in the search under way, that answered that it is not registered there.
    pub searched: BTreeMap<ClusterName, Timestamp>,
    /// How many did not answer.
    pub clusters_left: usize,
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
    /// When a heartbeat was last sent, as far as this environment knows: another may have sent one, too.
    pub heartbeat_at: Option<Timestamp>,
    /// Whether Auto Scaling throttled heartbeats of this invocation: none may be wasted.
    pub heartbeats_are_throttled: bool,
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

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundIn {
    /// Its registrations in watched clusters; never empty.
    Clusters(Vec<(ClusterName, ContainerInstance)>),
    /// One in this cluster, which is not watched, and none in those that are.
    Unwatched(ClusterName),
    /// Every cluster answered that it is not there.
    NoCluster,
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
    /// In no cluster of account and region: every cluster answered, first by this time.
    Nowhere {
        /// When.
        since: Timestamp,
    },
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
            searched: BTreeMap::new(),
            clusters_left: 0,
            registrations: Vec::new(),
            start: None,
            asked_start: false,
            draining_since: None,
            next_look: now,
            heartbeat_at: None,
            heartbeats_are_throttled: false,
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

    /// Whether an event told of it, and Auto Scaling holds it: then `reconcile` finds it, too.
    #[must_use]
    pub fn is_held_by_event(&self) -> bool {
        self.departure.cause.is_held() && self.departure.noticed_by == NoticedBy::Event
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
            unstopped.max(usize::try_from(r.counted_tasks()).unwrap_or(usize::MAX))
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

    /// When a further read of its tasks may prove that it is empty; none where no row of reads has begun.
    #[must_use]
    pub fn settles_at(&self) -> Option<Timestamp> {
        let each = self.registrations.iter().map(|it| it.tasks.as_ref()?.proof.settles_at(it.seen()));
        each.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Whether no registration of it is known, watched or not: it was not found yet, or not again.
    #[must_use]
    pub fn is_unlocated(&self) -> bool {
        matches!(self.place, Place::Unknown | Place::Nowhere { .. })
    }

    /// Whether it is in no cluster, as two whole searches far enough apart say, the second not long ago.
    #[must_use]
    pub fn is_in_no_cluster(&self, now: Timestamp) -> bool {
        let twice = |since| after(since, SETTLES) <= self.located_at;
        let lately = !older_than(self.located_at, SEEN_VALID_FOR, now);
        matches!(self.place, Place::Nowhere { since } if twice(since) && lately)
    }

    /// The clusters that answered not long ago that it is not registered there.
    #[must_use]
    pub fn not_in(&self, now: Timestamp) -> BTreeMap<ClusterName, Timestamp> {
        let lately = self.searched.iter().filter(|(_, asked_at)| !older_than(**asked_at, SEEN_VALID_FOR, now));
        lately.map(|(cluster, asked_at)| (cluster.clone(), *asked_at)).collect()
    }

    /// Takes in where a search found it that began at `asked_at`. A search that some cluster did not answer leaves the place
    /// as it was.
    pub fn learn_place(&mut self, found: FoundIn, asked_at: Timestamp, now: Timestamp) {
        match found {
            FoundIn::Clusters(registrations) => {
                self.place = Place::Registered;
                for (cluster, found) in registrations {
                    match self.registrations.iter_mut().find(|known| known.arn == found.arn) {
                        Some(known) => known.learn(&found, now),
                        None => self.registrations.push(Registration::new(cluster, &found, now)),
                    }
                }
            }
            FoundIn::Unwatched(cluster) => self.place = Place::Unwatched(cluster),
            FoundIn::NoCluster => {
                let since = match self.place {
                    Place::Nowhere { since } => since,
                    _ => now,
                };
                (self.place, self.registrations) = (Place::Nowhere { since }, Vec::new());
            }
        }
        self.located_at = asked_at;
        self.searched.clear();
        self.learn_closed();
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
                self.learn_closed();
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

    /// Takes in a read of a registration's tasks that had not stopped. Answers those that ECS calls missing, though it told
    /// of them shortly before.
    pub fn learn_stragglers(
        &mut self,
        arn: &ContainerInstanceArn,
        found: Vec<Task>,
        absent: &BTreeSet<TaskArn>,
        read_at: Timestamp,
    ) -> Vec<TaskArn> {
        let registration = self.registrations.iter_mut().find(|r| r.arn == *arn);
        registration.map(|it| it.learn_stragglers(found, absent, read_at)).unwrap_or_default()
    }

    /// Takes in that ECS accepted that a registration be set DRAINING.
    pub fn told_to_drain(&mut self, arn: &ContainerInstanceArn, now: Timestamp) {
        self.registrations.iter_mut().filter(|r| r.arn == *arn).for_each(|r| r.told_to_drain(now));
    }

    /// Takes in that ECS accepted that a task be stopped, and what it then told of it.
    pub fn told_to_stop(&mut self, task: &Task, now: Timestamp) {
        self.registrations.iter_mut().for_each(|registration| registration.told_to_stop(task, now));
    }

    /// Takes in what its registrations are together. A host has one agent, so that beside a live registration any other is
    /// what the agent left behind: no task of it runs any more, though ECS may go on to say so.
    fn learn_closed(&mut self) {
        if self.registrations.iter().any(Registration::is_live) {
            self.registrations.retain(Registration::is_live);
        }
        let by_hand = self.departure.cause == Cause::Maintenance;
        let active = |r: &&Registration| r.status == InstanceStatus::Active;
        if let Some(read_at) = self.registrations.iter().filter(active).map(|r| r.read_at).max() {
            let settled_since = |since| older_than(since, SETTLES, read_at);
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

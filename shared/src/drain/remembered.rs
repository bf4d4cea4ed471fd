//! What a warm environment remembers from one invocation to the next. Each is a hint; the facts of a drain that was left
//! unfinished carry their age, and are worth no more than that.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::facts::departure::{Cause, Destination};
use super::facts::known::Known;
use super::facts::listing::{Elsewhere, Listing, Scope};
use super::facts::patience::Patience;
use super::facts::proof::SEEN_VALID_FOR;
use crate::aws::Service;
use crate::clock::older_than;
use crate::ids::{ClusterName, GroupName, InstanceId, ServiceName, TaskArn};

/// Entries of each kind: more than one account has in use at a time, and small.
const REMEMBERED_MAX: usize = 1_000;
/// Heartbeats: of twice as many hosts as a cluster may have (Amazon ECS endpoints and quotas: 5,000), so that those of hosts
/// that are gone push out none of a host that waits. A megabyte.
const HEARTBEATS_MAX: usize = 10_000;
/// Why a drain waits is asked again when the answer is older: it is for people, and a service's standing changes slowly.
const EXPLANATION_VALID_FOR: Duration = Duration::from_secs(300);
/// One for tasks that should run and one for those that should not.
const TASK_PAGES_LEAST: usize = 2;

/// Drains that are left to the next invocation: twice as many hosts as a cluster may have (ECS service quotas), in some tens
/// of megabytes.
const LEFT_MAX: usize = 10_000;
/// What was left longer ago is not gone on with: `reconcile` runs every minute, so that one was missed.
const LEFT_VALID_FOR: Duration = Duration::from_secs(120);

/// A completion is tried once more after so long, though our hook was over before: it does no harm.
const RELEASED_VALID_FOR: Duration = Duration::from_secs(3600);

/// Where groups and instances were found, how large clusters are, and what else spares a request.
#[derive(Debug, Default)]
pub struct Remembered {
    released: Memory<InstanceId, Released>,
    heartbeats: Memory<InstanceId, Heartbeat, HEARTBEATS_MAX>,
    groups: Memory<GroupName, ClusterName>,
    instances: Memory<InstanceId, ClusterName>,
    task_pages: Memory<ClusterName, TaskPages>,
    left: RefCell<Option<Left>>,
    services: Memory<(ClusterName, ServiceName), (Timestamp, Option<Service>)>,
    protected: Memory<TaskArn, (Timestamp, Option<Timestamp>)>,
}

/// How many pages the lists of a cluster's tasks take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskPages {
    /// So many, or at least.
    pub count: usize,
    /// Whether a listing came to its end after as many.
    pub is_whole: bool,
}

/// What an invocation leaves unfinished. Its facts carry their age, and so they are worth no more than they would be if the
/// invocation had gone on.
#[derive(Debug)]
pub struct Left {
    at: Timestamp,
    drains: BTreeMap<InstanceId, Known>,
    /// The listings under way.
    pub under_way: BTreeMap<Scope, Listing>,
    /// Where tasks are that need no further description.
    pub elsewhere: BTreeMap<ClusterName, Elsewhere>,
}

impl Left {
    /// These drains are left now.
    #[must_use]
    pub fn new(drains: impl IntoIterator<Item = Known>, now: Timestamp) -> Self {
        let drains = drains.into_iter().take(LEFT_MAX).map(|known| (known.departure.instance.clone(), known));
        Self { at: now, drains: drains.collect(), under_way: BTreeMap::new(), elsewhere: BTreeMap::new() }
    }

    /// What is known of an instance that a scan found waiting: what was known of it before, if it is the same termination.
    pub fn resume(&mut self, found: Known) -> Known {
        match self.drains.remove(&found.departure.instance).filter(|left| is_same_termination(left, &found)) {
            Some(left) => resumed(left, found),
            None => found,
        }
    }
}

/// An instance that is terminated for good waits once. One that comes back may wait again.
fn is_same_termination(left: &Known, found: &Known) -> bool {
    let group = |known: &Known| known.ours().map(|ours| ours.group.clone());
    let is_same_start = match (&left.start, &found.start) {
        (Some(left), Some(found)) => left.at == found.at,
        _ => found.departure.cause == Cause::Termination { to: Destination::Ec2 },
    };
    left.departure == found.departure && group(left) == group(found) && is_same_start
}

/// What an invocation counts, and what it may try again, begins anew; so does the time that an agent has been lost without a break,
/// where no look came for long.
fn resumed(left: Known, found: Known) -> Known {
    let mut known = Known {
        hints: found.hints,
        hold: found.hold,
        searched: BTreeMap::new(),
        clusters_left: 0,
        asked_start: left.asked_start && left.start.is_some(),
        began: false,
        heartbeats: 0,
        patience: Patience::default(),
        reads_are_throttled: false,
        heartbeats_are_throttled: false,
        ..left
    };
    let unseen = known.registrations.iter_mut().filter(|it| older_than(it.read_at, SEEN_VALID_FOR, found.met_at));
    for registration in unseen {
        registration.was_out_of_sight();
        known.next_look = found.met_at;
    }
    known
}

impl Remembered {
    /// Leaves drains to the next invocation.
    pub fn leave(&self, left: Left) {
        *self.left.borrow_mut() = Some(left);
    }

    /// What the last invocation left, if that was not long ago.
    pub fn take_left(&self, now: Timestamp) -> Option<Left> {
        self.left.borrow_mut().take().filter(|left| !older_than(left.at, LEFT_VALID_FOR, now))
    }

    /// The cluster in which the instance was found last, or else its group.
    #[must_use]
    pub fn cluster_of(&self, instance: &InstanceId, group: Option<&GroupName>) -> Option<ClusterName> {
        self.instances.get(instance).or_else(|| self.groups.get(group?))
    }

    /// It was found in `cluster`.
    pub fn remember_cluster_of(&self, instance: &InstanceId, group: Option<&GroupName>, cluster: &ClusterName) {
        match group {
            Some(group) => self.groups.put(group, cluster.clone()),
            None => self.instances.put(instance, cluster.clone()),
        }
    }

    /// Whether our lifecycle action on this termination was over not long ago, though another's hook still holds the
    /// instance. Of an instance that comes back, a later termination began at another time.
    #[must_use]
    pub fn is_released(&self, instance: &InstanceId, began_at: Timestamp, now: Timestamp) -> bool {
        let released = self.released.get(instance).filter(|released| released.began_at == began_at);
        released.is_some_and(|released| !older_than(released.at, RELEASED_VALID_FOR, now))
    }

    /// Our lifecycle action is over.
    pub fn remember_release(&self, instance: &InstanceId, began_at: Timestamp, at: Timestamp) {
        self.released.put(instance, Released { began_at, at });
    }

    /// When this environment last sent a heartbeat for this termination: an instance that comes back leaves at another time.
    #[must_use]
    pub fn heartbeat(&self, instance: &InstanceId, began_at: Timestamp) -> Option<Timestamp> {
        let sent = self.heartbeats.get(instance).filter(|sent| sent.began_at == began_at);
        sent.map(|sent| sent.at)
    }

    /// One was sent.
    pub fn remember_heartbeat(&self, instance: &InstanceId, began_at: Timestamp, at: Timestamp) {
        self.heartbeats.put(instance, Heartbeat { began_at, at });
    }

    /// How many pages the lists of a cluster's tasks take, as far as is known.
    #[must_use]
    pub fn task_pages(&self, cluster: &ClusterName) -> TaskPages {
        self.task_pages.get(cluster).unwrap_or(TaskPages { count: TASK_PAGES_LEAST, is_whole: false })
    }

    /// What a service said not long ago.
    #[must_use]
    pub fn service(&self, cluster: &ClusterName, name: &ServiceName, now: Timestamp) -> Option<Service> {
        self.said(cluster, name, now).flatten()
    }

    /// Whether it was asked not long ago.
    #[must_use]
    pub fn has_asked(&self, cluster: &ClusterName, name: &ServiceName, now: Timestamp) -> bool {
        self.said(cluster, name, now).is_some()
    }

    /// It says so now, or nothing.
    pub fn remember_service(&self, cluster: &ClusterName, name: &ServiceName, said: Option<Service>, now: Timestamp) {
        self.services.put(&(cluster.clone(), name.clone()), (now, said));
    }

    fn said(&self, cluster: &ClusterName, name: &ServiceName, now: Timestamp) -> Option<Option<Service>> {
        let (asked_at, said) = self.services.get(&(cluster.clone(), name.clone()))?;
        (!older_than(asked_at, EXPLANATION_VALID_FOR, now)).then_some(said)
    }

    /// Until when a task is protected from scale-in, by an answer that is not old.
    #[must_use]
    pub fn protected_until(&self, task: &TaskArn, now: Timestamp) -> Option<Timestamp> {
        self.protection(task, now).flatten()
    }

    /// Whether that was asked not long ago.
    #[must_use]
    pub fn knows_protection_of(&self, task: &TaskArn, now: Timestamp) -> bool {
        self.protection(task, now).is_some()
    }

    /// It is protected until then, or not at all.
    pub fn remember_protection(&self, task: &TaskArn, until: Option<Timestamp>, now: Timestamp) {
        self.protected.put(task, (now, until));
    }

    fn protection(&self, task: &TaskArn, now: Timestamp) -> Option<Option<Timestamp>> {
        let (asked_at, until) = self.protected.get(task)?;
        (!older_than(asked_at, EXPLANATION_VALID_FOR, now)).then_some(until)
    }

    /// So many were read, and they were all, or not. Where they were not, there may be as many again: to try page by page would
    /// read the first ones ever anew.
    pub fn remember_task_pages(&self, cluster: &ClusterName, read: usize, is_whole: bool) {
        let before = self.task_pages(cluster);
        let pages = match is_whole {
            true => TaskPages { count: read, is_whole },
            false if before.is_whole && read < before.count => before,
            false => TaskPages { count: before.count.max(read.saturating_mul(2)), is_whole },
        };
        self.task_pages.put(cluster, pages);
    }
}

/// A lifecycle action of ours that was over.
#[derive(Debug, Clone, Copy)]
struct Released {
    /// When the termination began.
    began_at: Timestamp,
    /// When it was found to be over.
    at: Timestamp,
}

/// A heartbeat that was sent.
#[derive(Debug, Clone, Copy)]
struct Heartbeat {
    /// When the termination began.
    began_at: Timestamp,
    at: Timestamp,
}

/// A limited number of entries: the oldest makes room for another.
#[derive(Debug)]
struct Memory<K, V, const MAX: usize = REMEMBERED_MAX>(RefCell<Entries<K, V>>);

#[derive(Debug)]
struct Entries<K, V> {
    /// Each with the number of the `put` that wrote it.
    each: BTreeMap<K, (u64, V)>,
    puts: u64,
}

impl<K, V, const MAX: usize> Default for Memory<K, V, MAX> {
    fn default() -> Self {
        Self(RefCell::new(Entries { each: BTreeMap::new(), puts: 0 }))
    }
}

impl<K: Ord + Clone, V: Clone, const MAX: usize> Memory<K, V, MAX> {
    fn get(&self, key: &K) -> Option<V> {
        self.0.borrow().each.get(key).map(|(_, value)| value.clone())
    }

    fn put(&self, key: &K, value: V) {
        let mut entries = self.0.borrow_mut();
        entries.puts += 1;
        let put = entries.puts;
        entries.each.insert(key.clone(), (put, value));
        if entries.each.len() > MAX {
            let oldest = entries.each.iter().min_by_key(|(_, (put, _))| *put).map(|(key, _)| key.clone());
            oldest.and_then(|key| entries.each.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::facts::known::Start;
    use crate::drain::facts::patience::Request;
    use crate::drain::fixtures::{at, draining, fail, read_tasks, task};

    /// Left at 60 s by an invocation that set it DRAINING, read its tasks, and looked at it 10 s before.
    fn left() -> Known {
        let mut known =
            Known { start: Some(Start { at: at(0), reason: None }), heartbeats: 2, began: true, ..draining(0) };
        read_tasks(&mut known, &[task("a", "STOPPED", "STOPPED")], 40);
        known.registrations.iter_mut().for_each(|registration| registration.read_at = at(50));
        fail(&mut known, Request::Complete, 55);
        known
    }

    /// As a scan finds it again, `seconds` after the same start.
    fn found(left: &Known, seconds: u64) -> Known {
        Known { hold: left.hold.clone(), ..Known::new(left.departure.clone(), at(seconds)) }
    }

    fn resumed_as(found: impl FnOnce(&mut Known)) -> Known {
        let left = left();
        let mut again = self::found(&left, 65);
        found(&mut again);
        Left::new([left], at(60)).resume(again)
    }

    #[test]
    fn what_was_left_is_known_and_what_an_invocation_counts_begins_anew() {
        let known = resumed_as(|_| ());
        assert!(known.place == left().place && known.registrations[0].tasks.is_some() && known.asked_start);
        assert!(known.registrations[0].closed_since.is_some(), "it was looked at not long ago");
        assert_eq!((known.started(), known.met_at, known.heartbeat_at), (at(0), at(0), left().heartbeat_at));
        assert_eq!((known.heartbeats, known.began, known.patience.errors().count()), (0, false, 0));
    }

    #[test]
    fn another_termination_begins_anew() {
        let is_known = |found: fn(&mut Known)| !resumed_as(found).registrations.is_empty();
        assert!(is_known(|_| ()));
        assert!(is_known(|found| found.start = Some(Start { at: at(0), reason: None })));
        assert!(!is_known(|found| found.start = Some(Start { at: at(1), reason: None })));
        assert!(!is_known(|found| found.departure.cause = Cause::Termination { to: Destination::WarmPool }));
        assert!(!is_known(|found| found.hold = None), "it may be another group's now");
        assert!(!is_known(|found| found.departure.instance = InstanceId::parse("i-0aaaaaaaaaaaaaaaa").unwrap()));
        let mut comes_back = left();
        comes_back.departure.cause = Cause::Termination { to: Destination::AutoScalingGroup };
        let found = self::found(&comes_back, 65);
        assert!(Left::new([comes_back], at(60)).resume(found).registrations.is_empty(), "it may wait again");
    }

    #[test]
    fn the_agent_of_a_host_that_was_out_of_sight_for_long_may_have_been_back() {
        let lost_at = |met_at| {
            let mut left = left();
            left.registrations[0].agent_lost_at = Some(at(10));
            let found = self::found(&left, met_at);
            Left::new([left], at(60)).resume(found).registrations[0].agent_lost_at
        };
        assert_eq!((lost_at(80), lost_at(81)), (Some(at(10)), None));
    }

    #[test]
    fn what_was_left_is_taken_once_and_not_when_it_was_long_ago() {
        let remembered = Remembered::default();
        assert!(remembered.take_left(at(60)).is_none());
        remembered.leave(Left::new([left()], at(60)));
        assert!(remembered.take_left(at(180)).is_some() && remembered.take_left(at(180)).is_none());
        remembered.leave(Left::new([left()], at(60)));
        assert!(remembered.take_left(at(181)).is_none());
    }

    #[test]
    fn the_pages_of_a_listing_that_ended_count_until_another_is_longer() {
        let (remembered, cluster) = (Remembered::default(), ClusterName::parse("prod").unwrap());
        let after = |read, is_whole| {
            remembered.remember_task_pages(&cluster, read, is_whole);
            remembered.task_pages(&cluster)
        };
        let pages = |count, is_whole| TaskPages { count, is_whole };
        assert_eq!([after(5, false), after(3, false), after(6, false)], [10, 10, 12].map(|count| pages(count, false)));
        assert_eq!(
            [after(11, true), after(10, false), after(11, false)],
            [pages(11, true), pages(11, true), pages(22, false)]
        );
        assert_eq!(after(4, true), pages(4, true));
    }

    #[test]
    fn an_old_answer_is_forgotten() {
        let (remembered, task) = (Remembered::default(), TaskArn::from("arn:1"));
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        remembered.remember_protection(&task, Some(at(900)), at(0));
        assert_eq!(remembered.protected_until(&task, at(300)), Some(at(900)));
        assert!(
            remembered.protected_until(&task, at(301)).is_none() && !remembered.knows_protection_of(&task, at(301))
        );
    }

    #[test]
    fn a_release_is_remembered_for_an_hour_and_for_one_termination_alone() {
        let remembered = Remembered::default();
        let instance = InstanceId::parse("i-1234567890abcdef0").unwrap();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        remembered.remember_release(&instance, at(0), at(100));
        assert!(remembered.is_released(&instance, at(0), at(3_700)));
        assert!(!remembered.is_released(&instance, at(0), at(3_701)));
        assert!(!remembered.is_released(&instance, at(1), at(100)), "it came back, and leaves again");
    }

    #[test]
    fn a_heartbeat_is_remembered_for_one_termination_alone() {
        let remembered = Remembered::default();
        let instance = InstanceId::parse("i-1234567890abcdef0").unwrap();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        remembered.remember_heartbeat(&instance, at(0), at(100));
        assert_eq!(remembered.heartbeat(&instance, at(0)), Some(at(100)));
        assert_eq!(remembered.heartbeat(&instance, at(1)), None, "it came back, and leaves again");
    }

    #[test]
    fn the_oldest_entry_makes_room() {
        let memory: Memory<usize, ()> = Memory::default();
        (0..REMEMBERED_MAX).for_each(|key| memory.put(&(REMEMBERED_MAX - key), ()));
        memory.put(&REMEMBERED_MAX, ());
        assert!(memory.get(&1).is_some() && memory.get(&REMEMBERED_MAX).is_some(), "it is written anew");
        memory.put(&0, ());
        assert!(memory.get(&(REMEMBERED_MAX - 1)).is_none(), "the one written longest ago goes");
        assert!(memory.get(&0).is_some() && memory.get(&REMEMBERED_MAX).is_some() && memory.get(&1).is_some());
    }
}

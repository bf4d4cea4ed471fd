//! What a warm environment remembers from one invocation to the next. Each is a hint, never proof.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

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

/// A completion is tried once more after so long, though our hook was over before: it does no harm.
const RELEASED_VALID_FOR: Duration = Duration::from_secs(3600);

/// Where groups and instances were found, how large clusters are, and what else spares a request.
#[derive(Debug, Default)]
pub struct Remembered {
    released: Memory<InstanceId, Released>,
    heartbeats: Memory<InstanceId, Heartbeat, HEARTBEATS_MAX>,
    groups: Memory<GroupName, ClusterName>,
    instances: Memory<InstanceId, ClusterName>,
    task_pages: Memory<ClusterName, usize>,
    services: Memory<(ClusterName, ServiceName), (Timestamp, Option<Service>)>,
    protected: Memory<TaskArn, (Timestamp, Option<Timestamp>)>,
}

impl Remembered {
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
    pub fn task_pages(&self, cluster: &ClusterName) -> usize {
        self.task_pages.get(cluster).unwrap_or(TASK_PAGES_LEAST)
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

    /// They took so many, or at least.
    pub fn remember_task_pages(&self, cluster: &ClusterName, pages: usize) {
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

//! One registration of an instance as a container instance, and every task of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::proof::{Proof, Seen, WholeRead};
use crate::aws::{ContainerInstance, InstanceStatus, Task};
use crate::ids::{ClusterName, ContainerInstanceArn, ServiceName, TaskArn};

/// Since when a person has been draining a host by hand: an attribute of its container instance.
pub const MAINTENANCE_SINCE: &str = "ecs-drainer.maintenance-since";
/// What begins the names of the drainer's own attributes.
const OUR_ATTRIBUTES: &str = "ecs-drainer.";

/// One registration of the instance as a container instance.
#[derive(Debug, Clone)]
pub struct Registration {
    /// In which cluster.
    pub cluster: ClusterName,
    /// As what.
    pub arn: ContainerInstanceArn,
    /// Whether it takes tasks.
    pub status: InstanceStatus,
    /// Whether it was seen ACTIVE since this invocation met it.
    pub was_active: bool,
    /// Tasks with desired status RUNNING, on their way there included. Zero is no proof of anything.
    pub counted_tasks: u32,
    /// Since when its agent has been seen disconnected, without a break.
    pub agent_lost_at: Option<Timestamp>,
    /// Its attributes whose names begin with `ecs-drainer.`: the command's affair. No rule reads them.
    pub attributes: BTreeMap<String, String>,
    /// When all that was answered.
    pub read_at: Timestamp,
    /// Since when it has been seen DRAINING, without a break.
    pub draining_since: Option<Timestamp>,
    /// Its tasks, once they were read.
    pub tasks: Option<Tasks>,
    /// Whether each service that was asked about is a daemon.
    pub daemons: BTreeMap<ServiceName, bool>,
}

/// Every task of a registration.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// Each, as last seen.
    pub each: BTreeMap<TaskArn, Task>,
    /// When anything of those that had not stopped was learnt last.
    pub seen_at: Timestamp,
    /// How far the whole reads of them prove that there are no others.
    pub proof: Proof,
}

impl Registration {
    /// A registration as a search found it.
    #[must_use]
    pub fn new(cluster: ClusterName, found: &ContainerInstance, read_at: Timestamp) -> Self {
        let mut registration = Self {
            cluster,
            arn: found.arn.clone(),
            status: found.status.clone(),
            was_active: false,
            counted_tasks: 0,
            agent_lost_at: None,
            attributes: BTreeMap::new(),
            read_at,
            draining_since: None,
            tasks: None,
            daemons: BTreeMap::new(),
        };
        registration.learn(found, read_at);
        registration
    }

    /// Whether it takes no new tasks.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.status == InstanceStatus::Draining
    }

    /// The tasks known of it.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().flat_map(|tasks| tasks.each.values())
    }

    /// Tasks that were not told to stop yet.
    pub fn staying(&self) -> impl Iterator<Item = &Task> {
        self.tasks().filter(|task| !task.is_leaving())
    }

    /// Tasks known of it that are not STOPPED.
    pub fn unstopped(&self) -> impl Iterator<Item = &Task> {
        self.tasks().filter(|task| !task.is_stopped())
    }

    /// Since when a person has been draining it by hand: the command writes that down, for people.
    #[must_use]
    pub fn maintenance_since(&self) -> Option<Timestamp> {
        self.attributes.get(MAINTENANCE_SINCE)?.parse().ok()
    }

    /// The owners of tasks that were not told to stop, where it is not known whether they are daemons.
    #[must_use]
    pub fn unknown_services(&self) -> BTreeSet<ServiceName> {
        self.staying().filter_map(Task::service).filter(|name| !self.daemons.contains_key(name)).collect()
    }

    /// The last look, as proof needs it.
    #[must_use]
    pub fn seen(&self) -> Seen {
        Seen {
            at: self.read_at,
            is_draining: self.is_draining(),
            counted: self.counted_tasks,
            all_stopped: self.unstopped().next().is_none(),
        }
    }

    /// Takes in what it is now.
    pub fn learn(&mut self, found: &ContainerInstance, read_at: Timestamp) {
        self.status = found.status.clone();
        self.was_active |= found.status == InstanceStatus::Active;
        self.counted_tasks = found.running_tasks.saturating_add(found.pending_tasks);
        let ours = found.attributes.iter().filter(|(name, _)| name.starts_with(OUR_ATTRIBUTES));
        self.attributes = ours.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.read_at = read_at;
        self.agent_lost_at = self.agent_lost_at.or(Some(read_at)).filter(|_| !found.agent_connected);
        let draining = self.is_draining();
        self.draining_since = self.draining_since.or(Some(read_at)).filter(|_| draining);
        let (seen, listed) = (self.seen(), self.staying().count());
        if let Some(tasks) = &mut self.tasks {
            tasks.proof = tasks.proof.looked(seen, listed);
        }
    }

    /// Takes in a whole read of its tasks.
    pub fn learn_tasks(&mut self, each: BTreeMap<TaskArn, Task>, read: WholeRead) {
        let before = self.tasks.take();
        let known = |arn: &TaskArn| before.as_ref().and_then(|before| before.each.get(arn));
        let names_another = each.keys().any(|task| known(task).is_none());
        let each = each.into_iter().map(|(arn, task)| (arn.clone(), no_earlier(known(&arn), task))).collect();
        let proof = match &before {
            Some(before) => before.proof.followed_by(read, self.draining_since, names_another),
            None => Proof::begun(read, self.draining_since),
        };
        self.tasks = Some(Tasks { each, seen_at: read.ended_at, proof });
    }

    /// Takes in a read of those tasks alone that had not stopped: what is absent has, long ago.
    pub fn learn_stragglers(&mut self, found: Vec<Task>, absent: &BTreeSet<TaskArn>, read_at: Timestamp) {
        let Some(tasks) = &mut self.tasks else { return };
        tasks.seen_at = read_at;
        tasks.each.retain(|task, _| !absent.contains(task));
        for task in found {
            let task = no_earlier(tasks.each.get(&task.arn), task);
            tasks.each.insert(task.arn.clone(), task);
        }
    }

    /// Takes in a task as the answer to StopTask tells it.
    pub fn learn_task(&mut self, task: &Task, now: Timestamp) {
        if let Some(tasks) = &mut self.tasks
            && let Some(known) = tasks.each.get_mut(&task.arn)
        {
            *known = task.clone();
            tasks.seen_at = now;
        }
    }

    /// Takes in that a task is not known to ECS any more.
    pub fn forget_task(&mut self, arn: &TaskArn, now: Timestamp) {
        if let Some(tasks) = &mut self.tasks
            && tasks.each.remove(arn).is_some()
        {
            tasks.seen_at = now;
        }
    }
}

/// What was read of a task, unless it lags behind what is known: one that was told to stop is never wanted to run again.
fn no_earlier(known: Option<&Task>, read: Task) -> Task {
    match known.filter(|known| known.is_leaving() && !read.is_leaving()) {
        Some(known) => known.clone(),
        None => read,
    }
}

#[cfg(test)]
mod tests;

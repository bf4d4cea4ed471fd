//! One registration of an instance as a container instance, and every task of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::proof::{Proof, Seen, WholeRead};
use super::tasks::{Ended, Named};
use crate::aws::{ContainerInstance, InstanceStatus, Task};
use crate::ids::{ClusterName, ContainerInstanceArn, ServiceName, TaskArn, TaskId};

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
    /// Whether it was seen ACTIVE since this invocation met it, or the first of those that went on with it.
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
    /// Each that had not stopped when it was last seen.
    pub each: BTreeMap<TaskArn, Task>,
    /// Those that had.
    pub stopped: BTreeMap<TaskId, Ended>,
    /// Whether one of them is a task of ECS Managed Instances.
    pub is_managed: bool,
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

    /// Tasks known of it that are not STOPPED.
    pub fn unstopped(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().flat_map(|tasks| tasks.each.values())
    }

    /// Tasks that were not told to stop yet.
    pub fn staying(&self) -> impl Iterator<Item = &Task> {
        self.unstopped().filter(|task| !task.is_leaving())
    }

    /// Tasks known of it that are STOPPED.
    pub fn stopped(&self) -> impl Iterator<Item = (&TaskId, &Ended)> {
        self.tasks.iter().flat_map(|tasks| &tasks.stopped)
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
    pub fn learn_tasks(&mut self, named: Named, read: WholeRead) {
        let before = self.tasks.take();
        let names_another = before.as_ref().is_none_or(|before| before.lacks_one_of(&named));
        let known = |arn: &TaskArn| before.as_ref().and_then(|before| before.each.get(arn));
        let mut each = named.unstopped;
        each.iter_mut().for_each(|(arn, task)| no_earlier(known(arn), task));
        let proof = match &before {
            Some(before) => before.proof.followed_by(read, self.draining_since, names_another),
            None => Proof::begun(read, self.draining_since),
        };
        let (mut stopped, was_managed) = before.map(|it| (it.stopped, it.is_managed)).unwrap_or_default();
        each.retain(|arn, _| !stopped.contains_key(&TaskId::from(arn)));
        stopped.extend(named.stopped);
        let is_managed = was_managed || named.is_managed;
        // Of a long read, some of it was learnt at its beginning.
        self.tasks = Some(Tasks { each, stopped, is_managed, seen_at: read.began_at, proof });
    }

    /// Takes in a read of those tasks alone that had not stopped: what is absent has, long ago.
    pub fn learn_stragglers(&mut self, found: Vec<Task>, absent: &BTreeSet<TaskArn>, read_at: Timestamp) {
        let Some(tasks) = &mut self.tasks else { return };
        tasks.seen_at = read_at;
        tasks.each.retain(|task, _| !absent.contains(task));
        for mut task in found {
            no_earlier(tasks.each.get(&task.arn), &mut task);
            tasks.put(task);
        }
    }

    /// Takes in a task as the answer to StopTask tells it.
    pub fn learn_task(&mut self, task: &Task, now: Timestamp) {
        if let Some(tasks) = &mut self.tasks
            && tasks.each.contains_key(&task.arn)
        {
            tasks.put(task.clone());
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

    /// Takes in that it was not looked at for so long that it may have been open to new tasks, or its agent back, since.
    pub fn was_out_of_sight(&mut self) {
        (self.draining_since, self.agent_lost_at) = (None, None);
        let unseen = Seen { is_draining: false, ..self.seen() };
        if let Some(tasks) = &mut self.tasks {
            tasks.proof = tasks.proof.looked(unseen, 0);
        }
    }
}

impl Tasks {
    /// Whether a whole read named a task that is not known.
    fn lacks_one_of(&self, named: &Named) -> bool {
        let unstopped: BTreeSet<_> = self.each.keys().map(TaskId::from).collect();
        let is_new = |id: &TaskId| !self.stopped.contains_key(id) && !unstopped.contains(id);
        named.stopped.keys().any(is_new) || named.unstopped.keys().map(TaskId::from).any(|id| is_new(&id))
    }

    /// STOPPED is final, whatever lags behind it.
    fn put(&mut self, task: Task) {
        let id = TaskId::from(&task.arn);
        if task.is_stopped() {
            self.each.remove(&task.arn);
            self.stopped.insert(id, Ended::of(&task));
        } else if !self.stopped.contains_key(&id) {
            self.each.insert(task.arn.clone(), task);
        }
    }
}

/// What was read of a task, unless it lags behind what is known: one that was told to stop is never wanted to run again.
fn no_earlier(known: Option<&Task>, read: &mut Task) {
    if let Some(known) = known.filter(|known| known.is_leaving() && !read.is_leaving()) {
        read.clone_from(known);
    }
}

#[cfg(test)]
mod tests;

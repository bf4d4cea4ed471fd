//! One registration of an instance as a container instance, and every task of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::proof::{Closed, Proof, SEEN_VALID_FOR, SETTLES, Seen, WholeRead};
use super::tasks::{Ended, Named};
use crate::aws::{ContainerInstance, InstanceStatus, Task};
use crate::clock::{after, older_than};
use crate::ids::{ClusterName, ContainerInstanceArn, ServiceName, TaskArn, TaskId};

/// Since when a person has been draining a host by hand: an attribute of its container instance.
pub const MAINTENANCE_SINCE: &str = "ecs-drainer.maintenance-since";
/// What begins the names of the drainer's own attributes.
const OUR_ATTRIBUTES: &str = "ecs-drainer.";

/// ECS describes a task for about an hour after it stopped (ECS API reference, DescribeTasks), so that one it calls missing
/// sooner after it was seen has not stopped for all that is known.
const STOPPED_TOLD_FOR: Duration = Duration::from_secs(3600);

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
    /// The version of the newest description: an older one is old news, whenever it comes.
    version: i64,
    /// Since when its description has had that version; none where descriptions have none.
    unchanged_since: Option<Timestamp>,
    /// Tasks with desired status RUNNING, as ECS counts them. Zero is no proof of anything.
    pub running_tasks: u32,
    /// Tasks on their way there. ECS may leave one counted for ever, so no rule asks for it.
    pub pending_tasks: u32,
    /// Since when ECS has counted as many running tasks, without a break.
    pub counted_since: Timestamp,
    /// Since when its agent has been seen disconnected, without a break.
    pub agent_lost_at: Option<Timestamp>,
    /// Its attributes whose names begin with `ecs-drainer.`: the command's affair. No rule reads them.
    pub attributes: BTreeMap<String, String>,
    /// When all that was answered.
    pub read_at: Timestamp,
    /// Since when it has been seen to take no tasks, without a break.
    pub closed_since: Option<Timestamp>,
    /// When ECS accepted that it be set DRAINING.
    pub told_to_drain_at: Option<Timestamp>,
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
    /// When ECS accepted that each of these be stopped.
    pub told_to_stop_at: BTreeMap<TaskArn, Timestamp>,
    /// Those that had.
    pub stopped: BTreeMap<TaskId, Ended>,
    /// Whether one of them is a task of ECS Managed Instances.
    pub is_managed: bool,
    /// When anything of those that had not stopped was learnt last.
    pub seen_at: Timestamp,
    /// When they were read last: the answer to a StopTask tells of its own task alone.
    read_at: Timestamp,
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
            version: found.version,
            unchanged_since: None,
            running_tasks: found.running_tasks,
            pending_tasks: 0,
            counted_since: read_at,
            agent_lost_at: None,
            attributes: BTreeMap::new(),
            read_at,
            closed_since: None,
            told_to_drain_at: None,
            tasks: None,
            daemons: BTreeMap::new(),
        };
        registration.learn(found, read_at);
        registration
    }

    /// Whether it is DRAINING.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.status == InstanceStatus::Draining
    }

    /// Whether it takes no new tasks: it is DRAINING, or in a state from which ECS does not let it be set so.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.status != InstanceStatus::Active
    }

    /// Whether its agent was in touch with ECS at the last look.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.agent_lost_at.is_none()
    }

    /// Whether it takes tasks, and ECS has not accepted since that it be set DRAINING. What was accepted may be told later.
    #[must_use]
    pub fn is_to_be_drained(&self) -> bool {
        let told = |at: Timestamp| after(at, SETTLES) > self.read_at;
        self.status == InstanceStatus::Active && !self.told_to_drain_at.is_some_and(told)
    }

    /// Tasks that should run, or are on their way there, as ECS counts them.
    #[must_use]
    pub fn counted_tasks(&self) -> u32 {
        self.running_tasks.saturating_add(self.pending_tasks)
    }

    /// Tasks known of it that are not STOPPED.
    pub fn unstopped(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().flat_map(|tasks| tasks.each.values())
    }

    /// Tasks that were not told to stop yet, as far as ECS tells.
    pub fn staying(&self) -> impl Iterator<Item = &Task> {
        self.unstopped().filter(|task| !task.is_leaving())
    }

    /// Those among them that are to be told: ECS has not accepted it lately. What was accepted may be told later.
    pub fn untold(&self) -> impl Iterator<Item = &Task> {
        let told_lately = |tasks: &Tasks, task: &Task| {
            tasks.told_to_stop_at.get(&task.arn).is_some_and(|told_at| after(*told_at, SETTLES) > tasks.read_at)
        };
        self.staying().filter(move |task| !self.tasks.as_ref().is_some_and(|tasks| told_lately(tasks, task)))
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
            closed: match self.status {
                InstanceStatus::Draining => Closed::Draining,
                InstanceStatus::Active => Closed::Not,
                InstanceStatus::Inactive | InstanceStatus::Other(_) => Closed::ForNow,
            },
            running: self.running_tasks,
            unchanged_since: self.unchanged_since,
            all_stopped: self.unstopped().next().is_none(),
        }
    }

    /// Takes in what it is now, unless something newer is known.
    pub fn learn(&mut self, found: &ContainerInstance, read_at: Timestamp) {
        if is_older(found.version, self.version) {
            return;
        }
        let is_unchanged = self.unchanged_since.is_some() && found.version == self.version;
        // From any other state it may have become ACTIVE, and been set DRAINING, between two looks.
        let was_seen = is_unchanged || !older_than(self.read_at, SEEN_VALID_FOR, read_at);
        if !was_seen || self.status != found.status {
            self.may_have_been_open();
        }
        self.version = self.version.max(found.version);
        if !is_unchanged {
            self.unchanged_since = (found.version > 0).then_some(read_at);
        }
        self.status = found.status.clone();
        self.was_active |= found.status == InstanceStatus::Active;
        if self.running_tasks != found.running_tasks {
            self.counted_since = read_at;
        }
        (self.running_tasks, self.pending_tasks) = (found.running_tasks, found.pending_tasks);
        let ours = found.attributes.iter().filter(|(name, _)| name.starts_with(OUR_ATTRIBUTES));
        self.attributes = ours.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.read_at = read_at;
        self.agent_lost_at = self.agent_lost_at.or(Some(read_at)).filter(|_| !found.agent_connected);
        let is_closed = self.is_closed();
        self.closed_since = self.closed_since.or(Some(read_at)).filter(|_| is_closed);
        let seen = self.seen();
        if let Some(tasks) = &mut self.tasks {
            tasks.proof = tasks.proof.looked(seen);
        }
    }

    /// Takes in that ECS accepted that it be set DRAINING.
    pub fn told_to_drain(&mut self, at: Timestamp) {
        self.told_to_drain_at = Some(at);
    }

    /// Takes in a whole read of its tasks. One that had not stopped when it was last seen is not forgotten because the read
    /// lacks it.
    pub fn learn_tasks(&mut self, named: Named, read: WholeRead) {
        let before = self.tasks.take();
        let names_another = before.as_ref().is_none_or(|before| before.lacks_one_of(&named));
        let proof = match &before {
            Some(before) => before.proof.followed_by(read, self.closed_since, names_another),
            None => Proof::begun(read, self.closed_since),
        };
        let mut tasks = before.unwrap_or_else(|| Tasks::none(read, proof));
        if older_than(tasks.seen_at, STOPPED_TOLD_FOR, read.began_at) {
            tasks.each.clear();
        }
        tasks.stopped.extend(named.stopped);
        let Tasks { each, stopped, .. } = &mut tasks;
        each.retain(|arn, _| !stopped.contains_key(&TaskId::from(arn)));
        named.unstopped.into_values().for_each(|task| tasks.put(task));
        tasks.is_managed |= named.is_managed;
        // Of a long read, some of it was learnt at its beginning.
        (tasks.seen_at, tasks.read_at, tasks.proof) = (read.began_at, read.began_at, proof);
        self.tasks = Some(tasks);
    }

    /// Takes in a read of those tasks alone that had not stopped. Answers those that ECS knew shortly before, and calls
    /// missing: two answers that disagree tell nothing.
    pub fn learn_stragglers(
        &mut self,
        found: Vec<Task>,
        absent: &BTreeSet<TaskArn>,
        read_at: Timestamp,
    ) -> Vec<TaskArn> {
        let Some(tasks) = &mut self.tasks else { return Vec::new() };
        let in_doubt = absent.iter().filter(|arn| tasks.each.contains_key(arn));
        let in_doubt: Vec<_> =
            in_doubt.filter(|_| !older_than(tasks.seen_at, STOPPED_TOLD_FOR, read_at)).cloned().collect();
        tasks.each.retain(|task, _| !absent.contains(task) || in_doubt.contains(task));
        if in_doubt.is_empty() {
            (tasks.seen_at, tasks.read_at) = (read_at, read_at);
        }
        found.into_iter().for_each(|task| tasks.put(task));
        in_doubt
    }

    /// Takes in that ECS accepted that a task be stopped, and what it then told of it.
    pub fn told_to_stop(&mut self, task: &Task, now: Timestamp) {
        if let Some(tasks) = &mut self.tasks
            && tasks.each.contains_key(&task.arn)
        {
            tasks.put(task.clone());
            tasks.told_to_stop_at.insert(task.arn.clone(), now);
            tasks.seen_at = now;
        }
    }

    /// Takes in that it was not looked at for so long that its agent may have been back since.
    pub fn was_out_of_sight(&mut self) {
        self.agent_lost_at = None;
    }

    fn may_have_been_open(&mut self) {
        self.closed_since = None;
        self.unchanged_since = None;
        let unseen = Seen { closed: Closed::Not, ..self.seen() };
        if let Some(tasks) = &mut self.tasks {
            tasks.proof = tasks.proof.looked(unseen);
        }
    }
}

/// Whether a description is older than what is known. One without a version says nothing of that.
fn is_older(version: i64, known: i64) -> bool {
    version != 0 && version < known
}

impl Tasks {
    /// None is known yet.
    fn none(read: WholeRead, proof: Proof) -> Self {
        Self {
            each: BTreeMap::new(),
            told_to_stop_at: BTreeMap::new(),
            stopped: BTreeMap::new(),
            is_managed: false,
            seen_at: read.began_at,
            read_at: read.began_at,
            proof,
        }
    }

    /// Whether a whole read named a task that is not known.
    fn lacks_one_of(&self, named: &Named) -> bool {
        let unstopped: BTreeSet<_> = self.each.keys().map(TaskId::from).collect();
        let is_new = |id: &TaskId| !self.stopped.contains_key(id) && !unstopped.contains(id);
        named.stopped.keys().any(is_new) || named.unstopped.keys().map(TaskId::from).any(|id| is_new(&id))
    }

    /// Takes in what was read of a task, unless it lags behind what is known: the higher version is the newer one, whichever
    /// came first; what was told to stop is never wanted to run again; and STOPPED is final.
    fn put(&mut self, task: Task) {
        let id = TaskId::from(&task.arn);
        let known = self.each.get(&task.arn);
        let is_old = |known: &Task| is_older(task.version, known.version) || known.is_leaving() && !task.is_leaving();
        if task.is_stopped() {
            self.each.remove(&task.arn);
            self.stopped.insert(id, Ended::of(&task));
        } else if !self.stopped.contains_key(&id) && !known.is_some_and(is_old) {
            self.each.insert(task.arn.clone(), task);
        }
    }
}

#[cfg(test)]
mod tests;

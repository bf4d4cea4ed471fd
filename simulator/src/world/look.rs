//! What is seen of a world from outside.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    ec2::Machine,
    ecs::ContainerInstance,
    journal::{Denied, HookTimeout, Killed, Recorded, Release},
    parts::World,
};
use crate::world::terms::{HookSpec, LastStatus, Operation, Settings, Task, TaskChange};

/// An EC2 host as it stands.
#[derive(Debug, Clone)]
pub struct Host<'a> {
    /// Its EC2 instance id.
    pub instance_id: &'a str,
    /// The Auto Scaling group it belongs to, until it is gone.
    pub group: Option<&'a str>,
    /// Whether it runs.
    pub powered: bool,
    /// When EC2 gave notice of its interruption.
    pub interrupted_at: Option<Timestamp>,
    hooks: Vec<&'a str>,
}

impl<'a> Host<'a> {
    /// The lifecycle hooks it waits on, from the begin of their actions.
    pub fn waits_on(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.hooks.clone().into_iter()
    }
}

impl World {
    /// The world's present.
    pub fn now(&self) -> Timestamp {
        self.present.now
    }

    /// How it behaves.
    pub fn settings(&self) -> &Settings {
        &self.present.settings
    }

    /// When something will happen by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.present.next_due()
    }

    /// The tasks on a host, STOPPED ones included. Those of a registration that its agent has left do not run.
    pub fn tasks_on(&self, instance_id: &str) -> Vec<&Task> {
        self.ecs.tasks_on(instance_id).collect()
    }

    /// How many tasks on a host are not STOPPED.
    pub fn unstopped_on(&self, instance_id: &str) -> usize {
        self.ecs.tasks_on(instance_id).filter(|task| task.last_status != LastStatus::Stopped).count()
    }

    /// When the last task on a host that is still remembered was STOPPED.
    pub fn last_stopped_at(&self, instance_id: &str) -> Option<Timestamp> {
        self.ecs.tasks_on(instance_id).filter_map(|task| task.stopped_at).max()
    }

    /// A task, by its bare id.
    pub fn task(&self, id: &str) -> Option<&Task> {
        self.ecs.task(id)
    }

    /// Every task ECS remembers.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.ecs.tasks()
    }

    /// Every container instance there ever was.
    pub fn container_instances(&self) -> impl Iterator<Item = &ContainerInstance> {
        self.ecs.container_instances()
    }

    /// The registrations of a host, in the order of their bare ids.
    pub fn registrations(&self, instance_id: &str) -> impl Iterator<Item = &ContainerInstance> {
        self.ecs.registrations(instance_id)
    }

    /// Every host there ever was.
    pub fn hosts(&self) -> impl Iterator<Item = Host<'_>> {
        self.ec2.hosts().map(|(id, machine)| self.host_of(id, machine))
    }

    /// A host, by its instance id.
    pub fn host(&self, instance_id: &str) -> Option<Host<'_>> {
        self.ec2.get(instance_id).map(|(id, machine)| self.host_of(id, machine))
    }

    fn host_of<'a>(&'a self, instance_id: &'a str, machine: &Machine) -> Host<'a> {
        let instance = self.auto_scaling.instance(instance_id);
        Host {
            instance_id,
            group: instance.map(|instance| instance.group.as_str()),
            powered: machine.powered,
            interrupted_at: machine.interrupted_at,
            hooks: instance.into_iter().flat_map(|instance| instance.actions.keys()).map(String::as_str).collect(),
        }
    }

    /// What Auto Scaling says of an instance; `None` when it has none of that id.
    pub fn lifecycle_state(&self, instance_id: &str) -> Option<&str> {
        self.auto_scaling.lifecycle_state(instance_id)
    }

    /// A group's hook as it stands.
    pub fn hook(&self, group: &str, name: &str) -> Option<HookSpec> {
        self.auto_scaling.hook(group, name).cloned()
    }

    /// The lifecycle action events after the first `seen` that ever were: those that a call answered, and those of what
    /// Auto Scaling began by itself.
    pub fn lifecycle_events_since(&self, seen: usize) -> &[Value] {
        self.auto_scaling.events.since(seen)
    }

    /// How many lifecycle action events there ever were.
    pub fn lifecycle_event_count(&self) -> usize {
        self.auto_scaling.events.total()
    }

    /// The physical id of a stack's resource.
    pub fn physical_id(&self, stack: &str, logical_id: &str) -> Option<&str> {
        self.deployed.physical_id(stack, logical_id)
    }

    /// The tasks whose containers had not ended when their host went away.
    pub fn killed(&self) -> &[Killed] {
        &self.journal.killed
    }

    /// Every accepted CompleteLifecycleAction, and what still ran at that moment.
    pub fn releases(&self) -> &[Release] {
        &self.journal.releases
    }

    /// The lifecycle actions that ended because nothing completed them or kept them alive.
    pub fn hook_timeouts(&self) -> &[HookTimeout] {
        &self.journal.hook_timeouts
    }

    /// Every request that was refused for want of a permission; a planned fault is none of them.
    pub fn denied(&self) -> &[Denied] {
        self.journal.denied.entries()
    }

    /// The requests in their order; the oldest half goes when there are more than [`super::MAX_ENTRIES`].
    pub fn requests(&self) -> &[Recorded] {
        self.journal.requests.entries()
    }

    /// The requests after the first `seen` ever made.
    pub fn requests_since(&self, seen: usize) -> &[Recorded] {
        self.journal.requests.since(seen)
    }

    /// How many requests there ever were.
    pub fn request_count(&self) -> usize {
        self.journal.requests.total()
    }

    /// How many requests of one operation there ever were, whatever came of them.
    pub fn count(&self, operation: Operation) -> usize {
        self.journal.count(operation)
    }

    /// The changes of tasks after the first `seen` that ever were.
    pub fn task_changes_since(&self, seen: usize) -> &[TaskChange] {
        self.ecs.changes.since(seen)
    }

    /// How many changes of tasks there ever were.
    pub fn task_change_count(&self) -> usize {
        self.ecs.changes.total()
    }
}

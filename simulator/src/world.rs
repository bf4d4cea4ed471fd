//! The model: clusters, hosts, services, tasks, lifecycle hooks, quotas. An explicit clock, no I/O.

mod access;
mod actions;
mod activities;
mod auto_scaling;
mod build;
mod capacity_providers;
mod ecs;
mod events;
mod fault;
mod filter;
mod hooks;
mod host;
mod lifecycle;
mod lifecycle_events;
mod log;
mod operation;
mod pages;
mod progress;
mod quota;
mod refusal;
mod request;
mod requests;
mod response;
mod roles;
mod root_volume;
mod rules;
mod scheduler;
mod spec;
mod spot;
mod stack;
mod task;
#[cfg(test)]
mod tests;
mod warm_pool;
mod way;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;

use crate::iam::Permissions;

pub use access::Denied;
pub use actions::{HookTimeout, Release};
pub use activities::SUBNET;
pub use fault::{Fault, FaultKind};
pub use host::{ContainerInstance, Host, Killed};
pub use lifecycle::Group;
pub use log::MAX_ENTRIES;
pub use operation::{Operation, Service};
pub use quota::{ASSUMED_ATTRIBUTES, ASSUMED_AUTO_SCALING, Bucket, Quotas};
pub use refusal::CredentialsFault;
pub use request::{Attribute, Outcome, Recorded, Request};
pub use response::{
    ApiError, AutoScalingGroup, AutoScalingInstance, CapacityProviderDescription, ClusterDescription,
    ContainerInstanceDescription, EvaluationResult, Failure, LifecycleHook, ProtectedTask, Reply, RequestError,
    ResourceDecision, Response, RetryPolicy, RuleDescription, RuleTarget, ScalingActivity, ServiceDescription,
    ServiceEvent, StackDescription, StackResource, TaskDescription,
};
pub use spec::{
    ActionResult, CapacityProviderSpec, GroupSpec, HookSpec, HostSpec, MAX_PAGE, ServiceKind, ServiceSpec, Settings,
    TaskSpec, Transition, WarmPoolSpec, WarmPoolState,
};
pub use spot::{SPOT_NOTICE, SpotAction};
pub use stack::DeployError;
pub use task::{DesiredStatus, LastStatus, Owner, STOPPED_TASKS_STAY, Task, TaskChange};

use log::Log;

/// More steps at one instant than any world takes; a cycle in the model would never end otherwise.
const MAX_STEPS_AT_ONCE: usize = 10_000_000;

/// ECS, Auto Scaling, the hosts and the stacks of one account and region.
#[derive(Debug, Clone)]
pub struct World {
    settings: Settings,
    now: Timestamp,
    rng: fastrand::Rng,
    agenda: BTreeSet<(Timestamp, Due)>,
    clusters: BTreeMap<String, scheduler::Cluster>,
    capacity_providers: BTreeMap<String, capacity_providers::CapacityProvider>,
    groups: BTreeMap<String, Group>,
    hosts: BTreeMap<String, Host>,
    container_instances: BTreeMap<String, ContainerInstance>,
    tasks: BTreeMap<String, Task>,
    meters: quota::Meters,
    plan: Vec<Fault>,
    permissions: BTreeMap<String, Permissions>,
    refused_credentials: BTreeMap<String, CredentialsFault>,
    stacks: BTreeMap<String, stack::DeployedStack>,
    rules: BTreeMap<String, rules::Rule>,
    roles: BTreeMap<String, roles::Role>,
    group_tags: BTreeMap<String, BTreeMap<String, String>>,
    denied: Log<Denied>,
    killed: Vec<Killed>,
    releases: Vec<Release>,
    hook_timeouts: Vec<HookTimeout>,
    activities: Log<ScalingActivity>,
    lifecycle_events: Log<Value>,
    requests: Log<Recorded>,
    counts: BTreeMap<Operation, usize>,
    service_events: u64,
    changes: Log<TaskChange>,
}

/// What happens by itself. At one instant in this order: a task that ends as its host goes away was not killed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Step(String),
    Forget(String),
    HookTimeout { instance_id: String, hook: String },
    Lifecycle(String),
    PowerOff(String),
    Schedule { cluster: String },
}

/// Why the world cannot be built or changed like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// There is nothing of that kind with that name.
    #[error("there is no {kind} {name}")]
    Unknown {
        /// What it should be.
        kind: &'static str,
        /// Its name or id.
        name: String,
    },
    /// There is one already.
    #[error("there is a {kind} {name} already")]
    Exists {
        /// What it is.
        kind: &'static str,
        /// Its name or id.
        name: String,
    },
    /// No host has a slot left for a service's task.
    #[error("no host of cluster {cluster} has room for a task of service {service}")]
    NoRoom {
        /// The cluster.
        cluster: String,
        /// The service.
        service: String,
    },
    /// The host is gone or about to go.
    #[error("host {0} is terminating")]
    Terminating(String),
    /// An instance in this lifecycle state cannot go that way.
    #[error("instance {instance_id} is {state}")]
    State {
        /// Which instance.
        instance_id: String,
        /// Its lifecycle state.
        state: String,
    },
}

impl World {
    /// An empty world.
    pub fn new(start: Timestamp, settings: Settings) -> World {
        World {
            rng: fastrand::Rng::with_seed(settings.seed),
            settings,
            now: start,
            agenda: BTreeSet::new(),
            clusters: BTreeMap::new(),
            capacity_providers: BTreeMap::new(),
            groups: BTreeMap::new(),
            hosts: BTreeMap::new(),
            container_instances: BTreeMap::new(),
            tasks: BTreeMap::new(),
            meters: quota::Meters::default(),
            plan: Vec::new(),
            permissions: BTreeMap::new(),
            refused_credentials: BTreeMap::new(),
            stacks: BTreeMap::new(),
            rules: BTreeMap::new(),
            roles: BTreeMap::new(),
            group_tags: BTreeMap::new(),
            denied: Log::new(MAX_ENTRIES),
            killed: Vec::new(),
            releases: Vec::new(),
            hook_timeouts: Vec::new(),
            activities: Log::new(MAX_ENTRIES),
            lifecycle_events: Log::new(MAX_ENTRIES),
            requests: Log::new(MAX_ENTRIES),
            counts: BTreeMap::new(),
            service_events: 0,
            changes: Log::new(MAX_ENTRIES),
        }
    }

    /// The world's present.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// How it behaves.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Everything due until `now` happens in the order of its time, and what follows from it too. The clock never goes back.
    pub fn advance(&mut self, now: Timestamp) {
        let mut steps = 0;
        while let Some((at, _)) = self.agenda.first()
            && *at <= now
            && steps < MAX_STEPS_AT_ONCE
        {
            let Some((at, due)) = self.agenda.pop_first() else {
                break;
            };
            steps = if at > self.now { 0 } else { steps + 1 };
            self.now = self.now.max(at);
            self.happen(due);
        }
        self.now = self.now.max(now);
    }

    /// When something will happen by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// The tasks on a host, in all its registrations, STOPPED ones included. Those of a root volume that was replaced since are
    /// on it no more.
    pub fn tasks_on(&self, instance_id: &str) -> Vec<&Task> {
        self.registrations(instance_id)
            .filter(|instance| !instance.left_behind)
            .flat_map(|instance| &instance.tasks)
            .filter_map(|id| self.tasks.get(id))
            .collect()
    }

    /// How many tasks on a host are not STOPPED.
    pub fn unstopped_on(&self, instance_id: &str) -> usize {
        self.tasks_on(instance_id).into_iter().filter(|task| task.last_status != LastStatus::Stopped).count()
    }

    /// When the last task on a host that is still remembered was STOPPED.
    pub fn last_stopped_at(&self, instance_id: &str) -> Option<Timestamp> {
        self.tasks_on(instance_id).into_iter().filter_map(|task| task.stopped_at).max()
    }

    /// A task, by its bare id.
    pub fn task(&self, id: &str) -> Option<&Task> {
        self.tasks.get(id)
    }

    /// Every task ECS remembers.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// Every container instance there ever was.
    pub fn container_instances(&self) -> impl Iterator<Item = &ContainerInstance> {
        self.container_instances.values()
    }

    /// The registrations of a host, in the order of their bare ids.
    pub fn registrations(&self, instance_id: &str) -> impl Iterator<Item = &ContainerInstance> {
        self.hosts
            .get(instance_id)
            .into_iter()
            .flat_map(|host| &host.registrations)
            .filter_map(|id| self.container_instances.get(id))
    }

    /// Every host there ever was.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// A host, by its instance id.
    pub fn host(&self, instance_id: &str) -> Option<&Host> {
        self.hosts.get(instance_id)
    }

    /// What Auto Scaling says of an instance; `None` when it has none of that id.
    pub fn lifecycle_state(&self, instance_id: &str) -> Option<&str> {
        self.hosts.get(instance_id)?.lifecycle_state()
    }

    /// The tasks whose containers had not ended when their host went away.
    pub fn killed(&self) -> &[Killed] {
        &self.killed
    }

    /// Every accepted CompleteLifecycleAction, and what still ran at that moment.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// The lifecycle actions that ended because nobody completed them or kept them alive.
    pub fn hook_timeouts(&self) -> &[HookTimeout] {
        &self.hook_timeouts
    }

    /// The requests in their order; the oldest half goes when there are more than [`MAX_ENTRIES`].
    pub fn requests(&self) -> &[Recorded] {
        self.requests.entries()
    }

    /// The requests after the first `seen` ever made.
    pub fn requests_since(&self, seen: usize) -> &[Recorded] {
        self.requests.since(seen)
    }

    /// How many requests there ever were.
    pub fn request_count(&self) -> usize {
        self.requests.total()
    }

    /// How many requests of one operation there ever were, whatever came of them.
    pub fn count(&self, operation: Operation) -> usize {
        self.counts.get(&operation).copied().unwrap_or_default()
    }

    /// The changes of tasks after the first `seen` that ever were.
    pub fn task_changes_since(&self, seen: usize) -> &[TaskChange] {
        self.changes.since(seen)
    }

    /// How many changes of tasks there ever were.
    pub fn task_change_count(&self) -> usize {
        self.changes.total()
    }

    /// Plans a fault, behind those planned before.
    pub fn plan(&mut self, fault: Fault) {
        self.plan.push(fault);
    }

    /// Takes back every planned fault.
    pub fn forget_faults(&mut self) {
        self.plan.clear();
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Step(task) => self.step(&task),
            Due::Forget(task) => self.forget(&task),
            Due::HookTimeout { instance_id, hook } => self.time_out(&instance_id, &hook),
            Due::Lifecycle(instance_id) => self.go_on(&instance_id),
            Due::PowerOff(instance_id) => self.go_away(&instance_id),
            Due::Schedule { cluster } => self.run_scheduler(&cluster),
        }
    }

    /// What is due at once after a change happens.
    fn settle(&mut self) {
        self.advance(self.now);
    }

    /// How things stood for the lists that lag.
    fn listed_at(&self) -> Timestamp {
        self.now - self.settings.list_lag
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        let Settings { partition, region, account, .. } = &self.settings;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    fn made_up_hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| self.rng.digit(16)).collect::<String>().to_lowercase()
    }

    fn made_up_uuid(&mut self) -> String {
        let parts = [8, 4, 4, 4, 12].map(|digits| self.made_up_hex(digits));
        parts.join("-")
    }

    fn jitter(&mut self) -> Duration {
        let range = self.settings.latency.clone();
        if range.is_empty() {
            return range.start;
        }
        let spread = range.end - range.start;
        range.start + spread.mul_f64(self.rng.f64())
    }
}

/// The end of time for what takes for ever.
fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn unknown(kind: &'static str, name: &str) -> WorldError {
    WorldError::Unknown { kind, name: name.to_owned() }
}

fn exists(kind: &'static str, name: &str) -> WorldError {
    WorldError::Exists { kind, name: name.to_owned() }
}

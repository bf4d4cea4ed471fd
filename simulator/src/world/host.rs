//! Hosts, their registrations as container instances, and what happens to them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    LastStatus, World, WorldError, actions::Action, exists, response::ContainerInstanceDescription,
    task::RUNNING_ALREADY, unknown, way::Journey,
};

/// An EC2 host.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its EC2 instance id.
    pub instance_id: String,
    /// How many tasks the service scheduler fits on it.
    pub slots: usize,
    /// The Auto Scaling group it belongs to, until it is gone.
    pub group: Option<String>,
    /// What Auto Scaling thinks of its health.
    pub health: String,
    /// Whether it runs.
    pub powered: bool,
    /// When EC2 gave notice of its interruption.
    pub interrupted_at: Option<Timestamp>,
    pub(super) is_managed: bool,
    pub(super) lifecycle_state: &'static str,
    pub(super) journey: Option<Journey>,
    pub(super) registrations: BTreeSet<String>,
    pub(super) actions: BTreeMap<String, Action>,
}

impl Host {
    /// One that runs and, in a group, is in service.
    pub(super) fn new(instance_id: &str, slots: usize, group: Option<String>) -> Host {
        Host {
            instance_id: instance_id.to_owned(),
            slots,
            group,
            health: "Healthy".to_owned(),
            powered: true,
            interrupted_at: None,
            is_managed: false,
            lifecycle_state: "InService",
            journey: None,
            registrations: BTreeSet::new(),
            actions: BTreeMap::new(),
        }
    }

    /// Whether Auto Scaling counts it to the warm pool of its group.
    pub(super) fn is_in_warm_pool(&self) -> bool {
        self.lifecycle_state().is_some_and(|state| state.starts_with("Warmed:"))
    }

    /// What Auto Scaling says of it; `None` outside of a group.
    pub fn lifecycle_state(&self) -> Option<&str> {
        self.group.is_some().then_some(self.lifecycle_state)
    }

    /// The lifecycle hooks it waits on, from the begin of their actions.
    pub fn waits_on(&self) -> impl Iterator<Item = &str> {
        self.actions.keys().map(String::as_str)
    }
}

/// A host as a cluster knows it.
#[derive(Debug, Clone)]
pub struct ContainerInstance {
    /// Its bare id.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// The name of its cluster.
    pub cluster: String,
    /// The host.
    pub instance_id: String,
    /// `ACTIVE`, `DRAINING`, `INACTIVE`, …
    pub status: String,
    /// Whether its container agent is connected.
    pub agent_connected: bool,
    /// When it registered.
    pub registered_at: Timestamp,
    /// Its custom attributes.
    pub attributes: BTreeMap<String, Option<String>>,
    /// Counts its changes.
    pub version: i64,
    /// Whether the host's root volume was replaced since: its agent never connects again, and its tasks are dead.
    pub left_behind: bool,
    pub(super) tasks: BTreeSet<String>,
    /// What it was before, each with the time it ended, as far as lists that lag still tell.
    earlier_statuses: Vec<(Timestamp, String)>,
}

impl ContainerInstance {
    pub(super) fn status_at(&self, then: Timestamp) -> &str {
        self.earlier_statuses.iter().find(|(until, _)| then < *until).map_or(&self.status, |(_, status)| status)
    }
}

/// A task whose containers had not ended when its host went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Killed {
    /// The task's ARN.
    pub task: String,
    /// The host.
    pub instance_id: String,
    /// When.
    pub at: Timestamp,
    /// What the task was.
    pub last_status: LastStatus,
}

impl World {
    /// Registers a host in a cluster, now; what it was registered as before stays. Answers the bare container instance id.
    pub fn register(&mut self, instance_id: &str, cluster: &str) -> Result<String, WorldError> {
        self.register_since(instance_id, cluster, self.now, true)
    }

    /// A host becomes one of ECS Managed Instances: what is known of it by its tasks' launch type.
    pub fn manage(&mut self, instance_id: &str) -> Result<(), WorldError> {
        let host = self.hosts.get_mut(instance_id);
        host.ok_or_else(|| unknown("host", instance_id))?.is_managed = true;
        Ok(())
    }

    /// The container agents of a host connect or disconnect.
    pub fn set_agent_connected(&mut self, instance_id: &str, connected: bool) -> Result<(), WorldError> {
        self.running_host(instance_id)?;
        for id in self.registration_ids(instance_id) {
            let Some(instance) = self.container_instances.get_mut(&id) else {
                continue;
            };
            if instance.status == "INACTIVE" || instance.left_behind {
                continue;
            }
            instance.agent_connected = connected;
            instance.version += 1;
            if connected {
                for task in instance.tasks.clone() {
                    self.resume(&task);
                }
            }
            self.want_scheduler_of(&id);
        }
        self.settle();
        Ok(())
    }

    /// Auto Scaling's opinion of an instance becomes `Healthy` or `Unhealthy`. It does not terminate it by itself here.
    pub fn set_health(&mut self, instance_id: &str, health: &str) -> Result<(), WorldError> {
        let host = self.hosts.get_mut(instance_id);
        host.ok_or_else(|| unknown("host", instance_id))?.health = health.to_owned();
        Ok(())
    }

    /// Somebody deregisters a host by force, everywhere: INACTIVE; its tasks go on unwatched until it is gone.
    // ECS API reference, DeregisterContainerInstance with force: "any running tasks become orphaned".
    pub fn deregister(&mut self, instance_id: &str) -> Result<(), WorldError> {
        self.running_host(instance_id)?;
        for id in self.registration_ids(instance_id) {
            self.become_inactive(&id);
        }
        self.settle();
        Ok(())
    }

    /// Somebody else sets the status of a host, in all its registrations that are not INACTIVE.
    pub fn set_status(&mut self, instance_id: &str, status: &str) -> Result<(), WorldError> {
        self.running_host(instance_id)?;
        for id in self.registration_ids(instance_id) {
            let inactive = (self.container_instances.get(&id)).is_some_and(|instance| instance.status == "INACTIVE");
            if !inactive {
                self.change_status(&id, status);
            }
        }
        self.settle();
        Ok(())
    }

    /// The host goes away this instant; what ran on it is dead.
    pub fn power_off(&mut self, instance_id: &str) -> Result<(), WorldError> {
        self.running_host(instance_id)?;
        self.go_away(instance_id);
        self.settle();
        Ok(())
    }

    /// How a container instance is described.
    pub(super) fn describe(&self, instance: &ContainerInstance) -> ContainerInstanceDescription {
        let alive = || (instance.tasks.iter()).filter_map(|id| self.tasks.get(id)).filter(|task| task.is_alive());
        ContainerInstanceDescription {
            container_instance_arn: instance.arn.clone(),
            ec2_instance_id: instance.instance_id.clone(),
            version: instance.version,
            status: instance.status.clone(),
            agent_connected: instance.agent_connected,
            // ECS API reference, ContainerInstance: both count desired state, so a task that got SIGTERM is in neither.
            running_tasks_count: alive().filter(|task| !task.is_pending()).count(),
            pending_tasks_count: alive().filter(|task| task.is_pending()).count(),
            attributes: self.attributes(instance),
            registered_at: instance.registered_at,
        }
    }

    /// Registers a host that has been registered since `since`.
    pub(super) fn register_since(
        &mut self,
        instance_id: &str,
        cluster: &str,
        since: Timestamp,
        agent_connected: bool,
    ) -> Result<String, WorldError> {
        self.running_host(instance_id)?;
        if !self.clusters.contains_key(cluster) {
            return Err(unknown("cluster", cluster));
        }
        let id = self.made_up_hex(32);
        let arn = self.arn("ecs", &format!("container-instance/{cluster}/{id}"));
        let instance = ContainerInstance {
            id: id.clone(),
            arn,
            cluster: cluster.to_owned(),
            instance_id: instance_id.to_owned(),
            status: "ACTIVE".to_owned(),
            agent_connected,
            registered_at: since,
            attributes: BTreeMap::new(),
            version: 1,
            left_behind: false,
            tasks: BTreeSet::new(),
            earlier_statuses: Vec::new(),
        };
        self.container_instances.insert(id.clone(), instance);
        if let Some(host) = self.hosts.get_mut(instance_id) {
            host.registrations.insert(id.clone());
        }
        self.want_scheduler(cluster);
        Ok(id)
    }

    pub(super) fn insert_host(&mut self, host: Host) -> Result<(), WorldError> {
        if self.hosts.contains_key(&host.instance_id) {
            return Err(exists("host", &host.instance_id));
        }
        self.hosts.insert(host.instance_id.clone(), host);
        Ok(())
    }

    /// When the hosts a world begins with registered.
    pub(super) fn a_while_ago(&self) -> Timestamp {
        self.now - RUNNING_ALREADY
    }

    pub(super) fn change_status(&mut self, container_instance: &str, status: &str) {
        let now = self.now;
        let told_until = self.listed_at();
        let Some(instance) = self.container_instances.get_mut(container_instance) else {
            return;
        };
        if instance.status == status {
            return;
        }
        let before = std::mem::replace(&mut instance.status, status.to_owned());
        (instance.earlier_statuses).retain(|(until, _)| *until > told_until);
        instance.earlier_statuses.push((now, before));
        instance.version += 1;
        self.want_scheduler_of(container_instance);
    }

    /// The host is gone: what was not STOPPED is killed, Auto Scaling forgets it, ECS notices if its agent was there to be missed.
    pub(super) fn go_away(&mut self, instance_id: &str) {
        // One in a warm pool may be without power already.
        let Some(host) = self.hosts.get_mut(instance_id).filter(|host| host.powered || host.group.is_some()) else {
            return;
        };
        let ran = std::mem::replace(&mut host.powered, false);
        host.group = None;
        self.end_actions(instance_id);
        self.end_journey(instance_id);
        if ran {
            self.kill_tasks(instance_id);
        }
        for id in self.registration_ids(instance_id) {
            // ECS API reference, DeregisterContainerInstance: a terminated instance is deregistered automatically, one with a disconnected agent is not.
            let noticed = (self.container_instances.get(&id))
                .is_some_and(|instance| instance.agent_connected || instance.status == "INACTIVE");
            if noticed {
                self.become_inactive(&id);
                self.end_tasks(&id);
            }
        }
    }

    /// The host stops and may start again: what was not STOPPED is killed, and ECS notices if its agent was there to be missed.
    pub(super) fn stop_host(&mut self, instance_id: &str) {
        if let Some(host) = self.hosts.get_mut(instance_id) {
            host.powered = false;
        }
        self.kill_tasks(instance_id);
        for id in self.registration_ids(instance_id) {
            let Some(instance) = self.container_instances.get_mut(&id).filter(|instance| instance.agent_connected)
            else {
                continue;
            };
            instance.agent_connected = false;
            instance.version += 1;
            self.end_tasks(&id);
            self.want_scheduler_of(&id);
        }
    }

    /// A host that was stopped starts: its agent connects again, and tells that what was on it has ended.
    pub(super) fn start_host(&mut self, instance_id: &str) -> Result<(), WorldError> {
        if let Some(host) = self.hosts.get_mut(instance_id) {
            host.powered = true;
        }
        for id in self.registration_ids(instance_id) {
            if self.container_instances.get(&id).is_some_and(|instance| !instance.left_behind) {
                self.end_tasks(&id);
            }
        }
        self.set_agent_connected(instance_id, true)
    }

    /// What is not STOPPED on a host is dead.
    pub(super) fn kill_tasks(&mut self, instance_id: &str) {
        let at = self.now;
        let killed: Vec<Killed> = (self.tasks_on(instance_id).into_iter())
            .filter(|task| !task.has_ended())
            .map(|task| Killed {
                task: task.arn.clone(),
                instance_id: instance_id.to_owned(),
                at,
                last_status: task.last_status,
            })
            .collect();
        self.killed.extend(killed);
    }

    fn become_inactive(&mut self, container_instance: &str) {
        self.change_status(container_instance, "INACTIVE");
        if let Some(instance) = self.container_instances.get_mut(container_instance) {
            instance.agent_connected = false;
        }
    }

    fn end_tasks(&mut self, container_instance: &str) {
        let tasks = (self.container_instances.get(container_instance))
            .map(|instance| instance.tasks.clone())
            .unwrap_or_default();
        for task in tasks {
            let unstopped = (self.tasks.get(&task)).is_some_and(|task| task.last_status != LastStatus::Stopped);
            if unstopped {
                self.end_with_host(&task);
            }
        }
    }

    pub(super) fn running_host(&self, instance_id: &str) -> Result<&Host, WorldError> {
        (self.hosts.get(instance_id)).filter(|host| host.powered).ok_or_else(|| unknown("running host", instance_id))
    }

    pub(super) fn registration_ids(&self, instance_id: &str) -> Vec<String> {
        (self.hosts.get(instance_id)).map(|host| host.registrations.iter().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn want_scheduler_of(&mut self, container_instance: &str) {
        let cluster = (self.container_instances.get(container_instance)).map(|instance| instance.cluster.clone());
        if let Some(cluster) = cluster {
            self.want_scheduler(&cluster);
        }
    }
}

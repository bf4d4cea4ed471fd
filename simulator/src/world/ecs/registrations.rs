//! Hosts and their registrations as container instances.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    Ecs,
    container_instance::{ContainerInstance, EcsHost},
};
use crate::world::terms::{Earlier, LastStatus, Present, WorldError, unknown};

impl Ecs {
    /// Learns of a host that has room for so many tasks.
    pub(crate) fn add_host(&mut self, instance_id: &str, slots: usize) {
        self.hosts.insert(instance_id.to_owned(), EcsHost { slots, ..EcsHost::default() });
    }

    /// A host becomes one of ECS Managed Instances: what is known of it by its tasks' launch type.
    pub(crate) fn manage(&mut self, instance_id: &str) -> Result<(), WorldError> {
        self.hosts.get_mut(instance_id).ok_or_else(|| unknown("host", instance_id))?.is_managed = true;
        Ok(())
    }

    /// Registers a host that has been registered since `since`. What it was registered as before stays behind: a host has one
    /// agent, and an agent is in one cluster. Answers the bare container instance id.
    // ECS developer guide, container agent configuration: ECS_CLUSTER is one cluster; the agent keeps what it is registered as.
    pub(crate) fn register(
        &mut self,
        present: &mut Present,
        instance_id: &str,
        cluster: &str,
        since: Timestamp,
        agent_connected: bool,
    ) -> Result<String, WorldError> {
        self.check_cluster(cluster)?;
        self.leave_registrations_behind(present, instance_id);
        let id = present.hex(32);
        let instance = ContainerInstance {
            id: id.clone(),
            arn: present.settings.arn("ecs", &format!("container-instance/{cluster}/{id}")),
            cluster: cluster.to_owned(),
            instance_id: instance_id.to_owned(),
            status: "ACTIVE".to_owned(),
            agent_connected,
            registered_at: since,
            attributes: BTreeMap::new(),
            version: 1,
            left_behind: false,
            tasks: BTreeSet::new(),
            pending_miscount: 0,
            earlier: Earlier::default(),
        };
        self.container_instances.insert(id.clone(), instance);
        if let Some(host) = self.hosts.get_mut(instance_id) {
            host.registrations.insert(id.clone());
        }
        self.want_scheduler(present, cluster);
        Ok(id)
    }

    /// The container agents of a host connect or disconnect.
    pub(crate) fn set_agent_connected(&mut self, present: &mut Present, instance_id: &str, connected: bool) {
        for id in self.registration_ids(instance_id) {
            let Some(instance) = self.container_instances.get_mut(&id) else { continue };
            if instance.status == "INACTIVE" || instance.left_behind {
                continue;
            }
            if instance.agent_connected != connected {
                instance.change(present, |instance| instance.agent_connected = connected);
            }
            if connected {
                for task in instance.tasks.clone() {
                    self.resume(present, &task);
                }
            }
            self.want_scheduler_of(present, &id);
        }
    }

    /// A host is deregistered by force, everywhere: INACTIVE; its tasks go on unwatched until it is gone.
    // ECS API reference, DeregisterContainerInstance with force: "any running tasks become orphaned".
    pub(crate) fn deregister(&mut self, present: &mut Present, instance_id: &str) {
        for id in self.registration_ids(instance_id) {
            self.change_status(present, &id, "INACTIVE");
        }
    }

    /// Sets the status of a host, in all its registrations that are not INACTIVE.
    pub(crate) fn set_status(&mut self, present: &mut Present, instance_id: &str, status: &str) {
        for id in self.registration_ids(instance_id) {
            if self.container_instances.get(&id).is_some_and(|instance| instance.status != "INACTIVE") {
                self.change_status(present, &id, status);
            }
        }
    }

    pub(crate) fn change_status(&mut self, present: &mut Present, container_instance: &str, status: &str) {
        let Some(instance) = self.container_instances.get_mut(container_instance) else { return };
        if instance.status == status {
            return;
        }
        instance.change(present, |instance| {
            instance.status = status.to_owned();
            instance.agent_connected &= status != "INACTIVE";
        });
        self.want_scheduler_of(present, container_instance);
    }

    /// A host is gone, for good. ECS notices if its agent was there to be missed.
    // ECS API reference, DeregisterContainerInstance: a terminated instance is deregistered automatically, one with a disconnected agent is not.
    pub(crate) fn lose_host(&mut self, present: &mut Present, instance_id: &str) {
        for id in self.registration_ids(instance_id) {
            let noticed = (self.container_instances.get(&id))
                .is_some_and(|instance| instance.agent_connected || instance.status == "INACTIVE");
            if noticed {
                self.change_status(present, &id, "INACTIVE");
                self.end_tasks(present, &id);
            }
        }
    }

    /// A host stops and may start again. ECS notices if its agent was there to be missed.
    pub(crate) fn stop_host(&mut self, present: &mut Present, instance_id: &str) {
        for id in self.registration_ids(instance_id) {
            let Some(instance) = self.container_instances.get_mut(&id).filter(|instance| instance.agent_connected)
            else {
                continue;
            };
            instance.change(present, |instance| instance.agent_connected = false);
            self.end_tasks(present, &id);
            self.want_scheduler_of(present, &id);
        }
    }

    /// A host that was stopped starts: its agent connects again, and tells that what was on it has ended.
    pub(crate) fn start_host(&mut self, present: &mut Present, instance_id: &str) {
        for id in self.registration_ids(instance_id) {
            if self.container_instances.get(&id).is_some_and(|instance| !instance.left_behind) {
                self.end_tasks(present, &id);
            }
        }
        self.set_agent_connected(present, instance_id, true);
    }

    /// The agent of a host loses its state: what the host is registered as stays behind, without an agent.
    // ECS developer guide, container agent configuration: ECS_DATADIR, where the agent keeps its state, is on the root
    // volume. ECS learns no more of what ran.
    pub(crate) fn leave_registrations_behind(&mut self, present: &mut Present, instance_id: &str) {
        for id in self.registration_ids(instance_id) {
            if let Some(instance) = self.container_instances.get_mut(&id)
                && !instance.left_behind
            {
                instance.left_behind = true;
                if instance.agent_connected {
                    instance.change(present, |instance| instance.agent_connected = false);
                }
            }
            self.want_scheduler_of(present, &id);
        }
    }

    /// A host registers anew where it was registered last, before its root volume was replaced.
    pub(crate) fn register_anew(&mut self, present: &mut Present, instance_id: &str) {
        let latest = self.registrations(instance_id).max_by_key(|instance| instance.registered_at);
        let cluster = latest.filter(|instance| instance.status != "INACTIVE").map(|instance| instance.cluster.clone());
        if let Some(cluster) = cluster {
            // It was registered there, so the cluster is known.
            let _registered = self.register(present, instance_id, &cluster, present.now, true);
        }
    }

    /// The `pendingTasksCount` of a host is wrong by so many from now on, in all its registrations.
    // Reported, not documented: counts that stay above zero with no task, and negative ones.
    pub(crate) fn miscount_pending(&mut self, present: &Present, instance_id: &str, by: i64) {
        for id in self.registration_ids(instance_id) {
            if let Some(instance) = self.container_instances.get_mut(&id) {
                instance.change(present, |instance| instance.pending_miscount = by);
            }
        }
    }

    fn end_tasks(&mut self, present: &mut Present, container_instance: &str) {
        let instance = self.container_instances.get(container_instance);
        for task in instance.map(|instance| instance.tasks.clone()).unwrap_or_default() {
            if self.tasks.get(&task).is_some_and(|task| task.last_status != LastStatus::Stopped) {
                self.end_with_host(present, &task);
            }
        }
    }

    fn registration_ids(&self, instance_id: &str) -> Vec<String> {
        self.hosts.get(instance_id).map(|host| host.registrations.iter().cloned().collect()).unwrap_or_default()
    }

    fn want_scheduler_of(&mut self, present: &mut Present, container_instance: &str) {
        let cluster = (self.container_instances.get(container_instance)).map(|instance| instance.cluster.clone());
        if let Some(cluster) = cluster {
            self.want_scheduler(present, &cluster);
        }
    }
}

//! Where tasks are placed.

use std::collections::BTreeSet;

use super::Ecs;
use crate::world::terms::{
    DesiredStatus, Due, Earlier, LastStatus, Owner, Present, Task, Timing, WorldError, later, unknown,
};

/// A host with a free slot; the first in order gets the next task.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Room {
    /// Tasks of the service that is being placed.
    own: usize,
    /// Slots taken.
    taken: usize,
    instance_id: String,
    container_instance: String,
    slots: usize,
}

impl Ecs {
    /// Places a task of a service; answers its id.
    pub(crate) fn place(
        &mut self,
        present: &mut Present,
        cluster: &str,
        service: &str,
        container_instance: &str,
        running: bool,
    ) -> Option<String> {
        let state = self.clusters.get(cluster)?.services.get(service)?;
        let (owner, timing, protected_for) = (state.owner(), state.timing(&present.settings), state.spec.protected_for);
        let task = self.insert_task(present, container_instance, owner, timing, running)?;
        let state = (self.clusters.get_mut(cluster)?.services).get_mut(service)?;
        state.tasks.insert(task.clone());
        if let Some(placed) = self.tasks.get_mut(&task) {
            placed.protected_until = protected_for.map(|long| later(present.now, long));
        }
        Some(task)
    }

    /// Places up to `count` tasks of a service where there is room, spread over the hosts.
    // ECS developer guide, spread strategy; what is equal goes by the instance id.
    pub(crate) fn place_spread(
        &mut self,
        present: &mut Present,
        cluster: &str,
        service: &str,
        count: usize,
        running: bool,
    ) -> Vec<String> {
        let mut rooms = self.rooms(cluster, service);
        let mut placed = Vec::new();
        while placed.len() < count
            && let Some(room) = rooms.pop_first()
        {
            placed.extend(self.place(present, cluster, service, &room.container_instance, running));
            if room.taken + 1 < room.slots {
                rooms.insert(Room { own: room.own + 1, taken: room.taken + 1, ..room });
            }
        }
        placed
    }

    /// The container instances of a cluster on which ECS places tasks.
    // ECS API reference, ContainerInstance: only ACTIVE instances get tasks, and only with a connected agent.
    pub(crate) fn active_instances(&self, cluster: &str) -> Vec<String> {
        (self.container_instances.values())
            .filter(|instance| instance.cluster == cluster)
            .filter(|instance| instance.status == "ACTIVE" && instance.agent_connected)
            .map(|instance| instance.id.clone())
            .collect()
    }

    /// The hosts with a free slot.
    fn rooms(&self, cluster: &str, service: &str) -> BTreeSet<Room> {
        (self.active_instances(cluster).into_iter())
            .filter_map(|container_instance| {
                let instance = self.container_instances.get(&container_instance)?;
                let instance_id = instance.instance_id.clone();
                let slots = self.hosts.get(&instance_id)?.slots;
                let (own, taken) = self.load(&instance_id, service);
                (taken < slots).then_some(Room { own, taken, instance_id, container_instance, slots })
            })
            .collect()
    }

    /// The tasks of one service, and of all replica services and standalone ones, that take a slot of a host.
    fn load(&self, instance_id: &str, service: &str) -> (usize, usize) {
        let (mut own, mut all) = (0, 0);
        for task in self.tasks_on(instance_id) {
            if task.is_daemon() || task.last_status == LastStatus::Stopped {
                continue;
            }
            all += 1;
            own += usize::from(task.is_alive() && task.service() == Some(service));
        }
        (own, all)
    }

    pub(crate) fn insert_task(
        &mut self,
        present: &mut Present,
        container_instance: &str,
        owner: Owner,
        timing: Timing,
        running: bool,
    ) -> Option<String> {
        let id = present.hex(32);
        let since = if running { present.a_while_ago() } else { present.now };
        let status = if running { LastStatus::Running } else { LastStatus::Provisioning };
        let instance = self.container_instances.get_mut(container_instance)?;
        instance.tasks.insert(id.clone());
        if running {
            // It was there before what lags began, and so was this version.
            instance.version += 1;
        } else {
            instance.change(present, |_| ());
        }
        let cluster = instance.cluster.clone();
        let instance_id = instance.instance_id.clone();
        let task = Task {
            arn: present.settings.arn("ecs", &format!("task/{cluster}/{id}")),
            id: id.clone(),
            cluster: cluster.clone(),
            container_instance: container_instance.to_owned(),
            instance_id: instance_id.clone(),
            owner,
            last_status: status,
            desired_status: DesiredStatus::Running,
            created_at: since,
            started_at: running.then_some(since),
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            stop_code: None,
            stopped_reason: None,
            version: 1,
            earlier: Earlier::default(),
            timing,
            told_to_end_at: None,
            next_step: None,
            waits_for_agent: false,
            protected_until: None,
        };
        if !running {
            self.changes.push(task.changed(status, present.now));
        }
        self.tasks.insert(id.clone(), task);
        self.schedule_step(present, &id);
        self.want_scheduler(present, &cluster);
        Some(id)
    }

    pub(crate) fn registration_in(&self, instance_id: &str, cluster: &str) -> Result<String, WorldError> {
        self.registrations(instance_id)
            .find(|instance| instance.cluster == cluster && instance.status != "INACTIVE" && !instance.left_behind)
            .map(|instance| instance.id.clone())
            .ok_or_else(|| unknown("container instance of host", instance_id))
    }

    /// The service scheduler of a cluster looks soon.
    pub(crate) fn want_scheduler(&mut self, present: &mut Present, cluster: &str) {
        let at = later(present.now, present.settings.tick);
        let Some(state) = self.clusters.get_mut(cluster) else { return };
        if state.services.is_empty() || state.wanted {
            return;
        }
        state.wanted = true;
        let cluster = cluster.to_owned();
        present.plan(at, Due::Schedule { cluster });
    }
}

//! The service scheduler: keeps services at their count and takes them off DRAINING hosts.

use std::collections::BTreeSet;

use super::{
    Ecs,
    cluster::{Limits, ServiceState},
};
use crate::world::terms::{Due, LastStatus, Present, ServiceKind, StopCause, Task};

/// How a replica service stands, in tasks whose desired status is RUNNING.
#[derive(Debug, Default)]
struct Standing {
    /// All of them, orphans excepted.
    total: usize,
    /// Those that are RUNNING.
    healthy: usize,
    /// Those not on a DRAINING host, the dispensable ones first.
    staying: Vec<String>,
    /// Those on a DRAINING host that nothing runs of yet.
    pending_on_draining: Vec<String>,
    /// Those RUNNING on a DRAINING host.
    running_on_draining: Vec<String>,
}

impl Ecs {
    /// Runs the scheduler over every service of a cluster: replicas first, for daemons wait for them.
    pub(crate) fn run_scheduler(&mut self, present: &mut Present, cluster: &str) {
        let Some(state) = self.clusters.get_mut(cluster) else { return };
        state.wanted = false;
        let (daemons, replicas): (Vec<_>, Vec<_>) = (state.services.values())
            .map(|service| (service.spec.kind, service.spec.name.clone()))
            .partition(|(kind, _)| *kind == ServiceKind::Daemon);
        for (_, service) in replicas {
            self.schedule_replicas(present, cluster, &service);
            self.tell_if_steady(present, cluster, &service);
        }
        for (_, service) in daemons {
            self.schedule_daemons(present, cluster, &service);
            self.tell_if_steady(present, cluster, &service);
        }
    }

    // ECS developer guide, "Draining Amazon ECS container instances": pending service tasks stop at once, running ones are replaced within
    // the deployment's minimum and maximum percent. Of protected ones it says nothing else, and "Protect your Amazon ECS tasks from being
    // terminated by scale-in events" names service auto scaling and deployments only: protection does not hold up draining.
    fn schedule_replicas(&mut self, present: &mut Present, cluster: &str, service: &str) {
        let Some(limits) = self.service(cluster, service).map(ServiceState::limits) else { return };
        let mut standing = self.standing(cluster, service);
        let pending = std::mem::take(&mut standing.pending_on_draining);
        standing.total -= pending.len();
        self.stop_all(present, cluster, service, pending);
        self.start_missing(present, cluster, service, limits, &mut standing);
        let mut running = std::mem::take(&mut standing.running_on_draining);
        running.truncate(standing.healthy.saturating_sub(limits.minimum));
        standing.healthy -= running.len();
        standing.total -= running.len();
        self.stop_all(present, cluster, service, running);
        self.start_missing(present, cluster, service, limits, &mut standing);
        let surplus = standing.staying.len().saturating_sub(limits.desired);
        self.scale_in_service(present, cluster, service, &standing.staying, surplus);
    }

    /// Stops up to `surplus` of these tasks; for those that are protected the scheduler looks again.
    // ECS developer guide, "Amazon ECS service event messages": protected tasks in excess stay until their protection expires.
    fn scale_in_service(
        &mut self,
        present: &mut Present,
        cluster: &str,
        service: &str,
        tasks: &[String],
        surplus: usize,
    ) {
        let until = |task: &String| self.tasks.get(task).and_then(|task| task.protected_until(present.now));
        let (protected, free): (Vec<_>, Vec<_>) = tasks.iter().partition(|task| until(task).is_some());
        if surplus > free.len()
            && let Some(at) = protected.into_iter().filter_map(until).min()
        {
            present.plan(at, Due::Schedule { cluster: cluster.to_owned() });
        }
        let surplus = free.into_iter().take(surplus).cloned().collect();
        self.stop_all(present, cluster, service, surplus);
    }

    /// Stops tasks of a service, and tells so.
    fn stop_all(&mut self, present: &mut Present, cluster: &str, service: &str, tasks: Vec<String>) {
        let is_pending = |id: &String| self.tasks.get(id).is_some_and(Task::is_pending);
        let (pending, running): (Vec<_>, Vec<_>) = tasks.into_iter().partition(is_pending);
        for task in pending.iter().chain(&running) {
            self.stop(present, task, StopCause::Scheduler);
        }
        self.tell_of_stopped(present, cluster, service, &running, pending.len());
    }

    /// Starts tasks on ACTIVE hosts as far as the maximum and the free slots go.
    fn start_missing(
        &mut self,
        present: &mut Present,
        cluster: &str,
        service: &str,
        limits: Limits,
        standing: &mut Standing,
    ) {
        let missing = limits.desired.saturating_sub(standing.staying.len());
        let allowed = limits.maximum.saturating_sub(standing.total);
        let count = missing.min(allowed);
        if count == 0 {
            return;
        }
        let placed = self.place_spread(present, cluster, service, count, false);
        self.tell_of_started(present, cluster, service, &placed);
        if placed.len() < count {
            self.tell_of_no_room(present, cluster, service);
        }
        standing.total += placed.len();
        standing.staying.extend(placed);
    }

    // ECS developer guide, daemon strategy: one task on each active instance; on a DRAINING one daemon tasks are the last to stop.
    fn schedule_daemons(&mut self, present: &mut Present, cluster: &str, service: &str) {
        let mut served = BTreeSet::new();
        let mut done = Vec::new();
        for task in self.alive_tasks(cluster, service) {
            served.insert(task.container_instance.clone());
            let draining = self.status_of(task) == "DRAINING";
            if draining && (task.is_pending() || self.only_daemons_left(&task.container_instance)) {
                done.push(task.id.clone());
            }
        }
        self.stop_all(present, cluster, service, done);
        let mut unserved = self.active_instances(cluster);
        unserved.retain(|instance| !served.contains(instance));
        let placed: Vec<_> =
            unserved.iter().filter_map(|instance| self.place(present, cluster, service, instance, false)).collect();
        self.tell_of_started(present, cluster, service, &placed);
    }

    fn standing(&self, cluster: &str, service: &str) -> Standing {
        let mut standing = Standing::default();
        let mut staying = Vec::new();
        for task in self.alive_tasks(cluster, service) {
            let running = task.last_status == LastStatus::Running;
            standing.total += 1;
            standing.healthy += usize::from(running);
            if self.status_of(task) != "DRAINING" {
                staying.push((running, std::cmp::Reverse(task.created_at), task.id.clone()));
            } else if task.is_pending() {
                standing.pending_on_draining.push(task.id.clone());
            } else if running {
                standing.running_on_draining.push(task.id.clone());
            }
        }
        staying.sort();
        standing.staying = staying.into_iter().map(|(_, _, id)| id).collect();
        standing
    }

    /// How many tasks a service should have.
    pub(crate) fn wanted(&self, cluster: &str, service: &ServiceState) -> usize {
        match service.spec.kind {
            ServiceKind::Daemon => self.active_instances(cluster).len(),
            ServiceKind::Replica => service.spec.desired,
        }
    }

    /// A service's tasks that should run; not those on a deregistered host.
    pub(crate) fn alive_tasks(&self, cluster: &str, service: &str) -> Vec<&Task> {
        (self.service(cluster, service).into_iter())
            .flat_map(|service| &service.tasks)
            .filter_map(|id| self.tasks.get(id))
            .filter(|task| task.is_alive() && self.status_of(task) != "INACTIVE")
            .collect()
    }

    fn only_daemons_left(&self, container_instance: &str) -> bool {
        (self.container_instances.get(container_instance).into_iter())
            .flat_map(|instance| &instance.tasks)
            .filter_map(|id| self.tasks.get(id))
            .all(|task| task.is_daemon() || task.last_status == LastStatus::Stopped)
    }

    pub(crate) fn status_of(&self, task: &Task) -> &str {
        (self.container_instances.get(&task.container_instance)).map_or("INACTIVE", |instance| &instance.status)
    }

    pub(crate) fn service(&self, cluster: &str, service: &str) -> Option<&ServiceState> {
        self.clusters.get(cluster)?.services.get(service)
    }

    pub(crate) fn service_mut(&mut self, cluster: &str, service: &str) -> Option<&mut ServiceState> {
        self.clusters.get_mut(cluster)?.services.get_mut(service)
    }
}

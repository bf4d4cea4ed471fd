//! The service scheduler: keeps services at their count and takes them off DRAINING hosts.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Due, LastStatus, Owner, ServiceDescription, ServiceKind, ServiceSpec, Settings, Task, World,
    events::Events,
    task::{StopCause, Timing},
};

/// A cluster and its services.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) arn: String,
    pub(super) services: BTreeMap<String, ServiceState>,
    /// The scheduler is on the agenda already.
    pub(super) wanted: bool,
}

impl Cluster {
    pub(super) fn new(arn: String) -> Cluster {
        Cluster { arn, services: BTreeMap::new(), wanted: false }
    }
}

/// A service and its tasks.
#[derive(Debug, Clone)]
pub(super) struct ServiceState {
    spec: ServiceSpec,
    deployment: String,
    pub(super) tasks: BTreeSet<String>,
    pub(super) events: Events,
}

impl ServiceState {
    pub(super) fn new(spec: ServiceSpec, deployment: String) -> ServiceState {
        ServiceState { spec, deployment, tasks: BTreeSet::new(), events: Events::default() }
    }

    pub(super) fn owner(&self) -> Owner {
        Owner::Service { name: self.spec.name.clone(), deployment: self.deployment.clone(), daemon: self.is_daemon() }
    }

    pub(super) fn is_daemon(&self) -> bool {
        self.spec.kind == ServiceKind::Daemon
    }

    pub(super) fn protected_for(&self) -> Option<Duration> {
        self.spec.protected_for
    }

    pub(super) fn timing(&self, settings: &Settings) -> Timing {
        Timing {
            start_time: self.spec.start_time,
            stop_time: self.spec.stop_time,
            stop_timeout: self.spec.stop_timeout,
            deregistration: self.spec.deregistration,
            stop_task_waits_for_deregistration: self.spec.stop_task_waits_for_deregistration,
            finishes_after: None,
            exit_noticed_after: settings.exit_noticed_after,
            deprovisioning: settings.deprovisioning,
        }
    }

    // ECS API reference, DeploymentConfiguration: the minimum is rounded up, the maximum down.
    fn limits(&self) -> Limits {
        let part = |percent: u32| self.spec.desired * usize::try_from(percent).unwrap_or(usize::MAX);
        Limits {
            desired: self.spec.desired,
            minimum: part(self.spec.minimum_healthy_percent).div_ceil(100),
            maximum: part(self.spec.maximum_percent) / 100,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    desired: usize,
    minimum: usize,
    maximum: usize,
}

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

impl World {
    /// Runs the scheduler over every service of a cluster: replicas first, for daemons wait for them.
    pub(super) fn run_scheduler(&mut self, cluster: &str) {
        let Some(state) = self.clusters.get_mut(cluster) else {
            return;
        };
        state.wanted = false;
        let (daemons, replicas): (Vec<_>, Vec<_>) = (state.services.values())
            .map(|service| (service.spec.kind, service.spec.name.clone()))
            .partition(|(kind, _)| *kind == ServiceKind::Daemon);
        for (_, service) in replicas {
            self.schedule_replicas(cluster, &service);
            self.tell_if_steady(cluster, &service);
        }
        for (_, service) in daemons {
            self.schedule_daemons(cluster, &service);
            self.tell_if_steady(cluster, &service);
        }
    }

    // ECS developer guide, "Draining Amazon ECS container instances": pending service tasks stop at once, running ones are replaced within
    // the deployment's minimum and maximum percent. Of protected ones it says nothing else, and "Protect your Amazon ECS tasks from being
    // terminated by scale-in events" names service auto scaling and deployments only: protection does not hold up draining.
    fn schedule_replicas(&mut self, cluster: &str, service: &str) {
        let Some(limits) = self.service(cluster, service).map(ServiceState::limits) else {
            return;
        };
        let mut standing = self.standing(cluster, service);
        let pending = std::mem::take(&mut standing.pending_on_draining);
        standing.total -= pending.len();
        self.stop_all(cluster, service, pending);
        self.start_missing(cluster, service, limits, &mut standing);
        let mut running = std::mem::take(&mut standing.running_on_draining);
        running.truncate(standing.healthy.saturating_sub(limits.minimum));
        standing.healthy -= running.len();
        standing.total -= running.len();
        self.stop_all(cluster, service, running);
        self.start_missing(cluster, service, limits, &mut standing);
        let surplus = standing.staying.len().saturating_sub(limits.desired);
        self.scale_in_service(cluster, service, &standing.staying, surplus);
    }

    /// Stops up to `surplus` of these tasks; for those that are protected the scheduler looks again.
    // ECS developer guide, "Amazon ECS service event messages": protected tasks in excess stay until their protection expires.
    fn scale_in_service(&mut self, cluster: &str, service: &str, tasks: &[String], surplus: usize) {
        let until = |task: &String| self.tasks.get(task).and_then(|task| task.protected_until(self.now));
        let (protected, free): (Vec<_>, Vec<_>) = tasks.iter().partition(|task| until(task).is_some());
        if surplus > free.len()
            && let Some(at) = protected.into_iter().filter_map(until).min()
        {
            self.agenda.insert((at, Due::Schedule { cluster: cluster.to_owned() }));
        }
        let surplus = free.into_iter().take(surplus).cloned().collect();
        self.stop_all(cluster, service, surplus);
    }

    /// Stops tasks of a service, and tells so.
    fn stop_all(&mut self, cluster: &str, service: &str, tasks: Vec<String>) {
        let is_pending = |id: &String| self.tasks.get(id).is_some_and(Task::is_pending);
        let (pending, running): (Vec<_>, Vec<_>) = tasks.into_iter().partition(is_pending);
        for task in pending.iter().chain(&running) {
            self.stop(task, StopCause::Scheduler);
        }
        self.tell_of_stopped(cluster, service, &running, pending.len());
    }

    /// Starts tasks on ACTIVE hosts as far as the maximum and the free slots go.
    fn start_missing(&mut self, cluster: &str, service: &str, limits: Limits, standing: &mut Standing) {
        let missing = limits.desired.saturating_sub(standing.staying.len());
        let allowed = limits.maximum.saturating_sub(standing.total);
        let count = missing.min(allowed);
        if count == 0 {
            return;
        }
        let placed = self.place_spread(cluster, service, count, false);
        self.tell_of_started(cluster, service, &placed);
        if placed.len() < count {
            self.tell_of_no_room(cluster, service);
        }
        standing.total += placed.len();
        standing.staying.extend(placed);
    }

    /// Places up to `count` tasks of a service where there is room, spread over the hosts.
    // ECS developer guide, spread strategy; what is equal goes by the instance id.
    pub(super) fn place_spread(&mut self, cluster: &str, service: &str, count: usize, running: bool) -> Vec<String> {
        let mut rooms = self.rooms(cluster, service);
        let mut placed = Vec::new();
        while placed.len() < count
            && let Some(room) = rooms.pop_first()
        {
            placed.extend(self.place(cluster, service, &room.container_instance, running));
            if room.taken + 1 < room.slots {
                rooms.insert(Room { own: room.own + 1, taken: room.taken + 1, ..room });
            }
        }
        placed
    }

    // ECS developer guide, daemon strategy: one task on each active instance; on a DRAINING one daemon tasks are the last to stop.
    fn schedule_daemons(&mut self, cluster: &str, service: &str) {
        let mut served = BTreeSet::new();
        let mut done = Vec::new();
        for task in self.alive_tasks(cluster, service) {
            served.insert(task.container_instance.clone());
            let draining = self.status_of(task) == "DRAINING";
            if draining && (task.is_pending() || self.only_daemons_left(&task.container_instance)) {
                done.push(task.id.clone());
            }
        }
        self.stop_all(cluster, service, done);
        let mut unserved = self.active_instances(cluster);
        unserved.retain(|instance| !served.contains(instance));
        let placed: Vec<_> =
            unserved.iter().filter_map(|instance| self.place(cluster, service, instance, false)).collect();
        self.tell_of_started(cluster, service, &placed);
    }

    /// The container instances of a cluster on which ECS places tasks.
    // ECS API reference, ContainerInstance: only ACTIVE instances get tasks, and only with a connected agent.
    pub(super) fn active_instances(&self, cluster: &str) -> Vec<String> {
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
                let host = self.hosts.get(&instance.instance_id)?;
                let (own, taken) = self.load(&instance.instance_id, service);
                (taken < host.slots).then(|| Room {
                    own,
                    taken,
                    instance_id: host.instance_id.clone(),
                    container_instance,
                    slots: host.slots,
                })
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

    /// A service as DescribeServices tells of it.
    pub(super) fn describe_service(&self, cluster: &str, name: &str) -> Option<ServiceDescription> {
        let state = self.service(cluster, name)?;
        let ServiceSpec { kind, minimum_healthy_percent, maximum_percent, .. } = state.spec;
        let (pending, running): (Vec<&Task>, Vec<&Task>) =
            self.alive_tasks(cluster, name).into_iter().partition(|task| task.is_pending());
        Some(ServiceDescription {
            service_arn: self.arn("ecs", &format!("service/{cluster}/{name}")),
            service_name: name.to_owned(),
            cluster_arn: self.clusters.get(cluster)?.arn.clone(),
            scheduling_strategy: match kind {
                ServiceKind::Daemon => "DAEMON",
                ServiceKind::Replica => "REPLICA",
            },
            desired_count: self.wanted(cluster, state),
            running_count: running.len(),
            pending_count: pending.len(),
            minimum_healthy_percent,
            maximum_percent,
            events: state.events.to_vec(),
        })
    }

    /// How many tasks a service should have.
    pub(super) fn wanted(&self, cluster: &str, service: &ServiceState) -> usize {
        match service.spec.kind {
            ServiceKind::Daemon => self.active_instances(cluster).len(),
            ServiceKind::Replica => service.spec.desired,
        }
    }

    /// A service's tasks that should run; those on a deregistered host are nobody's any more.
    fn alive_tasks(&self, cluster: &str, service: &str) -> Vec<&Task> {
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

    pub(super) fn status_of(&self, task: &Task) -> &str {
        (self.container_instances.get(&task.container_instance)).map_or("INACTIVE", |instance| &instance.status)
    }

    pub(super) fn service(&self, cluster: &str, service: &str) -> Option<&ServiceState> {
        self.clusters.get(cluster)?.services.get(service)
    }
}

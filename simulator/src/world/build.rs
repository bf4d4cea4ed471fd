//! Building a world: what is there when a story begins.

use super::{
    DesiredStatus, Due, Group, GroupSpec, Host, HostSpec, LastStatus, Owner, ServiceKind, ServiceSpec, Task,
    TaskChange, TaskSpec, World, WorldError, exists, later,
    scheduler::{Cluster, ServiceState},
    task::Timing,
    unknown,
};

impl World {
    /// Adds an empty cluster.
    pub fn add_cluster(&mut self, name: &str) -> Result<(), WorldError> {
        if self.clusters.contains_key(name) {
            return Err(exists("cluster", name));
        }
        let arn = self.arn("ecs", &format!("cluster/{name}"));
        self.clusters.insert(name.to_owned(), Cluster::new(arn));
        Ok(())
    }

    /// Adds an empty Auto Scaling group.
    pub fn add_group(&mut self, spec: GroupSpec) -> Result<(), WorldError> {
        if self.groups.contains_key(&spec.name) {
            return Err(exists("group", &spec.name));
        }
        let id = self.made_up_uuid();
        let resource = format!("autoScalingGroup:{id}:autoScalingGroupName/{}", spec.name);
        let group = Group {
            arn: self.arn("autoscaling", &resource),
            created_at: self.a_while_ago(),
            hooks: (spec.hooks.into_iter()).map(|hook| (hook.name.clone(), hook)).collect(),
            name: spec.name.clone(),
            warm_pool: spec.warm_pool,
            retains_on_abandon: spec.retains_on_abandon,
        };
        self.groups.insert(spec.name, group);
        Ok(())
    }

    /// Adds a host that has been there for a while, registered where `cluster` says so. Answers its instance id.
    pub fn add_host(&mut self, spec: HostSpec) -> Result<String, WorldError> {
        if let Some(cluster) = &spec.cluster
            && !self.clusters.contains_key(cluster)
        {
            return Err(unknown("cluster", cluster));
        }
        if let Some(group) = &spec.group
            && !self.groups.contains_key(group)
        {
            return Err(unknown("group", group));
        }
        let instance_id = match spec.instance_id {
            Some(id) => id,
            None => format!("i-{}", self.made_up_hex(17)),
        };
        self.insert_host(Host::new(&instance_id, spec.slots, spec.group))?;
        if let Some(cluster) = spec.cluster {
            let since = self.a_while_ago();
            self.register_since(&instance_id, &cluster, since, spec.agent_connected)?;
        }
        Ok(instance_id)
    }

    /// Adds a service; its tasks have been RUNNING for a while, spread over the hosts.
    pub fn add_service(&mut self, spec: ServiceSpec) -> Result<(), WorldError> {
        let (cluster, service) = (spec.cluster.clone(), spec.name.clone());
        let (kind, desired) = (spec.kind, spec.desired);
        self.insert_service(spec)?;
        match kind {
            ServiceKind::Daemon => {
                for instance in self.active_instances(&cluster) {
                    self.place_running(&cluster, &service, &instance);
                }
            }
            ServiceKind::Replica => {
                let placed = self.place_spread(&cluster, &service, desired, true);
                if placed.len() < desired {
                    return Err(WorldError::NoRoom { cluster, service });
                }
            }
        }
        Ok(())
    }

    /// Adds a service with all its tasks RUNNING on one host, whether it has the slots or not.
    pub fn add_service_with_tasks_on(
        &mut self,
        spec: ServiceSpec,
        instance_id: &str,
    ) -> Result<Vec<String>, WorldError> {
        let instance = self.registration_in(instance_id, &spec.cluster)?;
        let (cluster, service, desired) = (spec.cluster.clone(), spec.name.clone(), spec.desired);
        self.insert_service(spec)?;
        let tasks = (0..desired).filter_map(|_| self.place_running(&cluster, &service, &instance));
        Ok(tasks.collect())
    }

    /// Puts one more task of a service on a host, RUNNING for a while. The service's desired count stays.
    pub fn place_task(&mut self, cluster: &str, instance_id: &str, service: &str) -> Result<String, WorldError> {
        let instance = self.registration_in(instance_id, cluster)?;
        self.place_running(cluster, service, &instance).ok_or_else(|| unknown("service", service))
    }

    /// Runs a task no service owns. With a start time it is placed now, else it has been RUNNING for a while.
    pub fn run_task(&mut self, spec: TaskSpec) -> Result<String, WorldError> {
        let instance = self.registration_in(&spec.instance_id, &spec.cluster)?;
        let timing = Timing {
            start_time: spec.start_time,
            stop_time: spec.stop_time,
            stop_timeout: spec.stop_timeout,
            deregistration: None,
            stop_task_waits_for_deregistration: false,
            finishes_after: spec.finishes_after,
            exit_noticed_after: self.settings.exit_noticed_after,
            deprovisioning: self.settings.deprovisioning,
        };
        let owner = Owner::Standalone { family: spec.family };
        let running = spec.start_time.is_zero();
        let task = self.insert_task(&instance, owner, timing, running);
        self.settle();
        task.ok_or_else(|| unknown("container instance", &instance))
    }

    /// Places a task of a service; answers its id.
    pub(super) fn place(
        &mut self,
        cluster: &str,
        service: &str,
        container_instance: &str,
        running: bool,
    ) -> Option<String> {
        let state = self.clusters.get(cluster)?.services.get(service)?;
        let (owner, timing, protected_for) = (state.owner(), state.timing(&self.settings), state.protected_for());
        let task = self.insert_task(container_instance, owner, timing, running)?;
        let state = (self.clusters.get_mut(cluster)?.services).get_mut(service)?;
        state.tasks.insert(task.clone());
        if let Some(placed) = self.tasks.get_mut(&task) {
            placed.protected_until = protected_for.map(|long| later(self.now, long));
        }
        Some(task)
    }

    fn place_running(&mut self, cluster: &str, service: &str, container_instance: &str) -> Option<String> {
        self.place(cluster, service, container_instance, true)
    }

    fn insert_service(&mut self, spec: ServiceSpec) -> Result<(), WorldError> {
        let deployment = format!("ecs-svc/{}", self.rng.u64(10_u64.pow(18)..10_u64.pow(19)));
        let Some(cluster) = self.clusters.get_mut(&spec.cluster) else {
            return Err(unknown("cluster", &spec.cluster));
        };
        if cluster.services.contains_key(&spec.name) {
            return Err(exists("service", &spec.name));
        }
        let (name, of) = (spec.name.clone(), spec.cluster.clone());
        let state = ServiceState::new(spec, deployment);
        cluster.services.insert(name, state);
        self.want_scheduler(&of);
        Ok(())
    }

    fn insert_task(&mut self, container_instance: &str, owner: Owner, timing: Timing, running: bool) -> Option<String> {
        let id = self.made_up_hex(32);
        let since = if running { self.a_while_ago() } else { self.now };
        let status = if running { LastStatus::Running } else { LastStatus::Provisioning };
        let instance = self.container_instances.get_mut(container_instance)?;
        instance.tasks.insert(id.clone());
        let cluster = instance.cluster.clone();
        let instance_id = instance.instance_id.clone();
        let task = Task {
            arn: self.arn("ecs", &format!("task/{cluster}/{id}")),
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
            timing,
            told_to_end_at: None,
            next_step: None,
            waits_for_agent: false,
            protected_until: None,
        };
        if !running {
            self.changes.push(TaskChange {
                at: self.now,
                task: id.clone(),
                group: task.group(),
                instance_id,
                from: status,
                to: status,
                desired: DesiredStatus::Running,
            });
        }
        self.tasks.insert(id.clone(), task);
        self.schedule_step(&id);
        self.want_scheduler(&cluster);
        Some(id)
    }

    fn registration_in(&self, instance_id: &str, cluster: &str) -> Result<String, WorldError> {
        self.registrations(instance_id)
            .find(|instance| instance.cluster == cluster && instance.status != "INACTIVE" && !instance.left_behind)
            .map(|instance| instance.id.clone())
            .ok_or_else(|| unknown("container instance of host", instance_id))
    }

    /// The service scheduler of a cluster looks soon.
    pub(super) fn want_scheduler(&mut self, cluster: &str) {
        let at = later(self.now, self.settings.tick);
        let Some(state) = self.clusters.get_mut(cluster) else {
            return;
        };
        if state.services.is_empty() || state.wanted {
            return;
        }
        state.wanted = true;
        let cluster = cluster.to_owned();
        self.agenda.insert((at, Due::Schedule { cluster }));
    }
}

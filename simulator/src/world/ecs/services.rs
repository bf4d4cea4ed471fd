//! Clusters, capacity providers, services and tasks, as a test adds them.

use super::{
    Ecs,
    cluster::{CapacityProvider, Cluster, ProviderKind, ServiceState},
};
use crate::world::terms::{Owner, Present, ServiceKind, ServiceSpec, TaskSpec, Timing, WorldError, exists, unknown};

impl Ecs {
    /// Adds an empty cluster.
    pub(crate) fn add_cluster(&mut self, present: &Present, name: &str) -> Result<(), WorldError> {
        if self.clusters.contains_key(name) {
            return Err(exists("cluster", name));
        }
        let arn = present.settings.arn("ecs", &format!("cluster/{name}"));
        self.clusters.insert(name.to_owned(), Cluster { arn, ..Cluster::default() });
        Ok(())
    }

    pub(crate) fn check_cluster(&self, name: &str) -> Result<(), WorldError> {
        self.clusters.contains_key(name).then_some(()).ok_or_else(|| unknown("cluster", name))
    }

    pub(crate) fn check_new_provider(&self, name: &str, cluster: &str) -> Result<(), WorldError> {
        if self.capacity_providers.contains_key(name) {
            return Err(exists("capacity provider", name));
        }
        self.check_cluster(cluster)
    }

    /// Makes a capacity provider and gives it to a cluster.
    pub(crate) fn add_capacity_provider(
        &mut self,
        present: &Present,
        name: &str,
        cluster: &str,
        of: ProviderKind,
    ) -> Result<(), WorldError> {
        self.check_new_provider(name, cluster)?;
        let arn = present.settings.arn("ecs", &format!("capacity-provider/{name}"));
        let provider = CapacityProvider { arn, name: name.to_owned(), cluster: cluster.to_owned(), of };
        self.capacity_providers.insert(name.to_owned(), provider);
        Ok(())
    }

    /// Adds a service; its tasks have been RUNNING for a while, spread over the hosts.
    pub(crate) fn add_service(&mut self, present: &mut Present, spec: ServiceSpec) -> Result<(), WorldError> {
        let (cluster, service) = (spec.cluster.clone(), spec.name.clone());
        let (kind, desired) = (spec.kind, spec.desired);
        self.insert_service(present, spec)?;
        match kind {
            ServiceKind::Daemon => {
                for instance in self.active_instances(&cluster) {
                    self.place(present, &cluster, &service, &instance, true);
                }
            }
            ServiceKind::Replica => {
                let placed = self.place_spread(present, &cluster, &service, desired, true);
                if placed.len() < desired {
                    return Err(WorldError::NoRoom { cluster, service });
                }
            }
        }
        Ok(())
    }

    /// Adds a service with all its tasks RUNNING on one host, whether it has the slots or not.
    pub(crate) fn add_service_with_tasks_on(
        &mut self,
        present: &mut Present,
        spec: ServiceSpec,
        instance_id: &str,
    ) -> Result<Vec<String>, WorldError> {
        let instance = self.registration_in(instance_id, &spec.cluster)?;
        let (cluster, service, desired) = (spec.cluster.clone(), spec.name.clone(), spec.desired);
        self.insert_service(present, spec)?;
        let tasks = (0..desired).filter_map(|_| self.place(present, &cluster, &service, &instance, true));
        Ok(tasks.collect())
    }

    /// Puts one more task of a service on a host, RUNNING for a while. The service's desired count stays.
    pub(crate) fn place_task(
        &mut self,
        present: &mut Present,
        cluster: &str,
        instance_id: &str,
        service: &str,
    ) -> Result<String, WorldError> {
        let instance = self.registration_in(instance_id, cluster)?;
        self.place(present, cluster, service, &instance, true).ok_or_else(|| unknown("service", service))
    }

    /// Runs a task no service owns. With a start time it is placed now, else it has been RUNNING for a while.
    pub(crate) fn run_task(&mut self, present: &mut Present, spec: TaskSpec) -> Result<String, WorldError> {
        let instance = self.registration_in(&spec.instance_id, &spec.cluster)?;
        let timing = Timing {
            start_time: spec.start_time,
            stop_time: spec.stop_time,
            stop_timeout: spec.stop_timeout,
            deregistration: None,
            stop_task_waits_for_deregistration: false,
            finishes_after: spec.finishes_after,
            exit_noticed_after: present.settings.exit_noticed_after,
            deprovisioning: present.settings.deprovisioning,
        };
        let owner = Owner::Standalone { family: spec.family };
        let running = spec.start_time.is_zero();
        self.insert_task(present, &instance, owner, timing, running)
            .ok_or_else(|| unknown("container instance", &instance))
    }

    fn insert_service(&mut self, present: &mut Present, spec: ServiceSpec) -> Result<(), WorldError> {
        let deployment = present.deployment();
        let Some(cluster) = self.clusters.get_mut(&spec.cluster) else { return Err(unknown("cluster", &spec.cluster)) };
        if cluster.services.contains_key(&spec.name) {
            return Err(exists("service", &spec.name));
        }
        let (name, of) = (spec.name.clone(), spec.cluster.clone());
        let state = ServiceState::new(spec, deployment);
        cluster.services.insert(name, state);
        self.want_scheduler(present, &of);
        Ok(())
    }
}

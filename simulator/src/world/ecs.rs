//! ECS: clusters, capacity providers, container instances, services and tasks.

mod access;
mod attributes;
mod cluster;
mod clusters;
mod container_instance;
mod descriptions;
mod events;
mod filter;
mod ids;
mod lists;
mod placement;
mod progress;
mod protection;
mod registrations;
mod scheduler;
mod services;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::world::terms::{
    ApiError, EcsRequest, LastStatus, Log, Present, Response, STOPPED_TASKS_STAY, Task, TaskChange,
};
pub(crate) use access::accesses;
pub(crate) use cluster::ProviderKind;
use cluster::{CapacityProvider, Cluster};
pub use container_instance::ContainerInstance;
use container_instance::EcsHost;
use ids::DEFAULT_CLUSTER;

/// What ECS has in this account and region.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ecs {
    clusters: BTreeMap<String, Cluster>,
    capacity_providers: BTreeMap<String, CapacityProvider>,
    hosts: BTreeMap<String, EcsHost>,
    container_instances: BTreeMap<String, ContainerInstance>,
    tasks: BTreeMap<String, Task>,
    pub(crate) changes: Log<TaskChange>,
    /// How many events its services ever told.
    service_events: u64,
}

impl Ecs {
    pub(crate) fn serve(&mut self, present: &mut Present, request: &EcsRequest) -> Result<Response, ApiError> {
        match request {
            EcsRequest::ListClusters { max_results, next_token } => {
                self.list_clusters(present, (*max_results, next_token.as_deref()))
            }
            EcsRequest::DescribeClusters { clusters } => self.describe_clusters(present, clusters),
            EcsRequest::DescribeCapacityProviders { capacity_providers, max_results, next_token } => {
                self.describe_capacity_providers(present, capacity_providers, *max_results, next_token.as_deref())
            }
            EcsRequest::ListContainerInstances { cluster, filter, status, max_results, next_token } => {
                let page = (*max_results, next_token.as_deref());
                self.list_instances(present, &self.cluster(cluster)?, filter.as_deref(), status.as_deref(), page)
            }
            EcsRequest::DescribeContainerInstances { cluster, container_instances } => {
                self.describe_instances_of(present, &self.cluster(cluster)?, container_instances)
            }
            EcsRequest::UpdateContainerInstancesState { cluster, container_instances, status } => {
                self.update_state(present, &self.cluster(cluster)?, container_instances, status)
            }
            EcsRequest::ListTasks { cluster, container_instance, desired_status, max_results, next_token } => {
                let page = (*max_results, next_token.as_deref());
                let (instance, desired) = (container_instance.as_deref(), desired_status.as_deref());
                self.list_tasks(present, &self.cluster(cluster)?, instance, desired, page)
            }
            EcsRequest::DescribeTasks { cluster, tasks } => {
                self.describe_tasks(present, &self.cluster(cluster)?, tasks)
            }
            // ECS API reference, GetTaskProtection: cluster is required.
            EcsRequest::GetTaskProtection { cluster: None, .. } => {
                Err(ApiError::invalid_parameter("Cluster cannot be empty."))
            }
            EcsRequest::GetTaskProtection { cluster, tasks } => {
                self.task_protection(present, &self.cluster(cluster)?, tasks)
            }
            EcsRequest::StopTask { cluster, task, reason } => {
                self.stop_task(present, &self.cluster(cluster)?, task, reason.as_deref())
            }
            EcsRequest::DescribeServices { cluster, services } => {
                self.describe_services(present, &self.cluster(cluster)?, services)
            }
            EcsRequest::PutAttributes { cluster, attributes } => {
                self.put_attributes(present, &self.cluster(cluster)?, attributes)
            }
            EcsRequest::DeleteAttributes { cluster, attributes } => {
                self.delete_attributes(present, &self.cluster(cluster)?, attributes)
            }
        }
    }

    /// The tasks on a host, STOPPED ones included. Those of a registration that its agent has left do not run.
    pub(crate) fn tasks_on(&self, instance_id: &str) -> impl Iterator<Item = &Task> {
        self.registrations(instance_id)
            .filter(|instance| !instance.left_behind)
            .flat_map(|instance| &instance.tasks)
            .filter_map(|id| self.tasks.get(id))
    }

    /// The tasks on a host that are not STOPPED, as ARNs.
    pub(crate) fn unstopped_on(&self, instance_id: &str) -> Vec<(String, LastStatus)> {
        self.tasks_on(instance_id)
            .filter(|task| task.last_status != LastStatus::Stopped)
            .map(|task| (task.arn.clone(), task.last_status))
            .collect()
    }

    pub(crate) fn task(&self, id: &str) -> Option<&Task> {
        self.tasks.get(id)
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    pub(crate) fn container_instances(&self) -> impl Iterator<Item = &ContainerInstance> {
        self.container_instances.values()
    }

    /// The registrations of a host, in the order of their bare ids.
    pub(crate) fn registrations(&self, instance_id: &str) -> impl Iterator<Item = &ContainerInstance> {
        (self.hosts.get(instance_id).into_iter())
            .flat_map(|host| &host.registrations)
            .filter_map(|id| self.container_instances.get(id))
    }

    /// The name of the cluster a request means.
    fn cluster(&self, named: &Option<String>) -> Result<String, ApiError> {
        let named = named.as_deref().unwrap_or(DEFAULT_CLUSTER);
        (self.clusters.iter())
            .find(|(name, cluster)| *name == named || cluster.arn == named)
            .map(|(name, _)| name.clone())
            .ok_or_else(|| ApiError::new("ClusterNotFoundException", "Cluster not found."))
    }

    fn instance(&self, cluster: &str, id: &str) -> Option<&ContainerInstance> {
        (self.container_instances.get(id)).filter(|instance| instance.cluster == cluster)
    }

    /// A task that ECS told of then.
    fn task_in(&self, then: Timestamp, cluster: &str, id: &str) -> Option<&Task> {
        (self.tasks.get(id))
            .filter(|task| task.cluster == cluster && task.created_at <= then)
            .filter(|task| (task.stopped_at).is_none_or(|at| then < at + STOPPED_TASKS_STAY))
    }
}

//! What ECS's requests ask a client's policies about.

use super::super::gate::access::access;
use super::ids::DEFAULT_CLUSTER;
use crate::iam::Access;
use crate::world::terms::{EcsRequest, Settings};

// Service Authorization Reference, "Actions, resources, and condition keys" for ECS: an operation's resource types; those
// it has none for need the resource `*`.
pub(crate) fn accesses(settings: &Settings, request: &EcsRequest) -> Vec<Access> {
    let of = |resource, context| access(request.operation(), resource, context);
    let keys = |cluster| vec![("ecs:cluster".to_owned(), arn(settings, "cluster", None, cluster_of(cluster)))];
    // One access for each of these resources of a cluster.
    let each = |cluster, kind, ids: &[String]| {
        let resource = |id: &String| arn(settings, kind, Some(cluster_of(cluster)), id);
        ids.iter().map(|id| of(resource(id), keys(cluster))).collect()
    };
    let each_by_itself =
        |kind, ids: &[String]| ids.iter().map(|id| of(arn(settings, kind, None, id), Vec::new())).collect();
    match request {
        EcsRequest::DescribeClusters { clusters } if clusters.is_empty() => {
            each_by_itself("cluster", &[DEFAULT_CLUSTER.to_owned()])
        }
        EcsRequest::DescribeClusters { clusters } => each_by_itself("cluster", clusters),
        EcsRequest::DescribeCapacityProviders { capacity_providers, .. } if !capacity_providers.is_empty() => {
            each_by_itself("capacity-provider", capacity_providers)
        }
        EcsRequest::ListClusters { .. } | EcsRequest::DescribeCapacityProviders { .. } => {
            vec![of("*".to_owned(), Vec::new())]
        }
        EcsRequest::ListContainerInstances { cluster, .. } => {
            vec![of(arn(settings, "cluster", None, cluster_of(cluster)), keys(cluster))]
        }
        EcsRequest::DescribeContainerInstances { cluster, container_instances }
        | EcsRequest::UpdateContainerInstancesState { cluster, container_instances, .. } => {
            each(cluster, "container-instance", container_instances)
        }
        EcsRequest::ListTasks { cluster, container_instance: Some(instance), .. } => {
            each(cluster, "container-instance", std::slice::from_ref(instance))
        }
        // ECS developer guide, identity-based policy examples, "list tasks": the resource is `*`.
        EcsRequest::ListTasks { cluster, container_instance: None, .. } => vec![of("*".to_owned(), keys(cluster))],
        EcsRequest::GetTaskProtection { cluster, tasks } if tasks.is_empty() => vec![of("*".to_owned(), keys(cluster))],
        EcsRequest::DescribeTasks { cluster, tasks } | EcsRequest::GetTaskProtection { cluster, tasks } => {
            each(cluster, "task", tasks)
        }
        EcsRequest::StopTask { cluster, task, .. } => each(cluster, "task", std::slice::from_ref(task)),
        EcsRequest::DescribeServices { cluster, services } => each(cluster, "service", services),
        EcsRequest::PutAttributes { cluster, attributes } | EcsRequest::DeleteAttributes { cluster, attributes } => {
            let targets: Vec<_> = attributes.iter().filter_map(|attribute| attribute.target_id.clone()).collect();
            each(cluster, "container-instance", &targets)
        }
    }
}

/// A name, an id or an ARN, as an ARN.
fn arn(settings: &Settings, kind: &str, cluster: Option<&str>, id: &str) -> String {
    if id.starts_with("arn:") {
        return id.to_owned();
    }
    // A cluster may be named by its ARN, whose last part is its name.
    let cluster = cluster.and_then(|cluster| cluster.rsplit('/').next());
    let path = cluster.map_or_else(|| id.to_owned(), |cluster| format!("{cluster}/{id}"));
    settings.arn("ecs", &format!("{kind}/{path}"))
}

/// Which cluster a request is about.
fn cluster_of(named: &Option<String>) -> &str {
    named.as_deref().unwrap_or(DEFAULT_CLUSTER)
}

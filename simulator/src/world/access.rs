//! What AWS asks a client's policies about before it does anything.

use super::{Request, Service, World};
use crate::iam::{Access, Permissions};

/// A request was refused for want of a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Whose request.
    pub client: String,
    /// What its policies do not allow.
    pub access: Access,
}

impl World {
    /// From now on `client` may do what its policies allow, and no more. A client that is never named here may do
    /// everything.
    pub fn restrict(&mut self, client: &str, permissions: Permissions) {
        self.permissions.insert(client.to_owned(), permissions);
    }

    /// Puts a tag on an Auto Scaling group, for conditions to look at.
    pub fn tag_group(&mut self, group: &str, key: &str, value: &str) {
        self.group_tags.entry(group.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
    }

    /// Every request that was refused for want of a permission; a planned fault is none of them.
    pub fn denied(&self) -> &[Denied] {
        self.denied.entries()
    }

    /// The first thing that a request asks for and its client may not do.
    pub(super) fn forbidden(&self, client: &str, request: &Request) -> Option<Denied> {
        let permissions = self.permissions.get(client)?;
        let access = self.accesses(request).into_iter().find(|access| !permissions.allow(access))?;
        Some(Denied { client: client.to_owned(), access })
    }

    // Service Authorization Reference, "Actions, resources, and condition keys" for ECS and for EC2 Auto Scaling: an
    // operation's resource types; those it has none for need the resource `*`.
    fn accesses(&self, request: &Request) -> Vec<Access> {
        let prefix = match request.operation().service() {
            Service::Ecs => "ecs",
            Service::AutoScaling => "autoscaling",
        };
        let action = format!("{prefix}:{}", request.operation());
        let access = |resource: String, mut context: Vec<(String, String)>| {
            context.push(("aws:RequestedRegion".to_owned(), self.settings.region.clone()));
            Access { action: action.clone(), resource, context }
        };
        let in_cluster = |cluster: &Option<String>, resources: Vec<String>| {
            let context = vec![(
                "ecs:cluster".to_owned(),
                self.ecs_arn("cluster", None, cluster.as_deref().unwrap_or("default")),
            )];
            resources.into_iter().map(|resource| access(resource, context.clone())).collect()
        };
        let each = |kind: &str, cluster: &Option<String>, ids: &mut dyn Iterator<Item = &String>| {
            ids.map(|id| self.ecs_arn(kind, Some(cluster.as_deref().unwrap_or("default")), id)).collect()
        };
        match request {
            Request::ListContainerInstances { cluster, .. } => {
                in_cluster(cluster, vec![self.ecs_arn("cluster", None, cluster.as_deref().unwrap_or("default"))])
            }
            Request::DescribeContainerInstances { cluster, container_instances }
            | Request::UpdateContainerInstancesState { cluster, container_instances, .. } => {
                in_cluster(cluster, each("container-instance", cluster, &mut container_instances.iter()))
            }
            Request::ListTasks { cluster, container_instance: Some(instance), .. } => {
                in_cluster(cluster, each("container-instance", cluster, &mut [instance].into_iter()))
            }
            // ECS developer guide, identity-based policy examples, "list tasks": the resource is `*`.
            Request::ListTasks { cluster, container_instance: None, .. } => in_cluster(cluster, vec!["*".to_owned()]),
            Request::DescribeTasks { cluster, tasks } => in_cluster(cluster, each("task", cluster, &mut tasks.iter())),
            Request::StopTask { cluster, task, .. } => {
                in_cluster(cluster, each("task", cluster, &mut [task].into_iter()))
            }
            Request::DescribeServices { cluster, services } => {
                in_cluster(cluster, each("service", cluster, &mut services.iter()))
            }
            Request::PutAttributes { cluster, attributes } | Request::DeleteAttributes { cluster, attributes } => {
                let targets = &mut attributes.iter().filter_map(|attribute| attribute.target_id.as_ref());
                in_cluster(cluster, each("container-instance", cluster, targets))
            }
            Request::CompleteLifecycleAction { group, .. } | Request::RecordLifecycleActionHeartbeat { group, .. } => {
                // A group that is not there is refused by the operation itself.
                self.groups.get(group).map(|it| access(it.arn.clone(), self.tags_of(group))).into_iter().collect()
            }
            Request::ListClusters { .. }
            | Request::DescribeAutoScalingInstances { .. }
            | Request::DescribeAutoScalingGroups { .. }
            | Request::DescribeLifecycleHooks { .. } => vec![access("*".to_owned(), Vec::new())],
        }
    }

    fn tags_of(&self, group: &str) -> Vec<(String, String)> {
        let tags = self.group_tags.get(group).into_iter().flatten();
        tags.map(|(key, value)| (format!("aws:ResourceTag/{key}"), value.clone())).collect()
    }

    /// A name, an id or an ARN, as an ARN.
    fn ecs_arn(&self, kind: &str, cluster: Option<&str>, id: &str) -> String {
        if id.starts_with("arn:") {
            return id.to_owned();
        }
        // A cluster may be named by its ARN, whose last part is its name.
        let cluster = cluster.and_then(|cluster| cluster.rsplit('/').next());
        let path = cluster.map_or_else(|| id.to_owned(), |cluster| format!("{cluster}/{id}"));
        self.arn("ecs", &format!("{kind}/{path}"))
    }
}

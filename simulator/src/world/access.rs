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
        let everything = "*".to_owned();
        let access = |resource, context| vec![self.access(request, resource, context)];
        match request {
            Request::ListContainerInstances { cluster, .. } => {
                let cluster = cluster_of(cluster);
                access(self.ecs_arn("cluster", None, cluster), self.keys_of(cluster))
            }
            Request::DescribeContainerInstances { cluster, container_instances }
            | Request::UpdateContainerInstancesState { cluster, container_instances, .. } => {
                self.each(request, cluster, "container-instance", container_instances)
            }
            Request::ListTasks { cluster, container_instance: Some(instance), .. } => {
                self.each(request, cluster, "container-instance", [instance])
            }
            // ECS developer guide, identity-based policy examples, "list tasks": the resource is `*`.
            Request::ListTasks { cluster, container_instance: None, .. } => {
                access(everything, self.keys_of(cluster_of(cluster)))
            }
            Request::GetTaskProtection { cluster, tasks } if tasks.is_empty() => {
                access(everything, self.keys_of(cluster_of(cluster)))
            }
            Request::DescribeTasks { cluster, tasks } | Request::GetTaskProtection { cluster, tasks } => {
                self.each(request, cluster, "task", tasks)
            }
            Request::StopTask { cluster, task, .. } => self.each(request, cluster, "task", [task]),
            Request::DescribeServices { cluster, services } => self.each(request, cluster, "service", services),
            Request::PutAttributes { cluster, attributes } | Request::DeleteAttributes { cluster, attributes } => {
                let targets = attributes.iter().filter_map(|attribute| attribute.target_id.as_ref());
                self.each(request, cluster, "container-instance", targets)
            }
            Request::CompleteLifecycleAction { group, .. } | Request::RecordLifecycleActionHeartbeat { group, .. } => {
                // A group that is not there is refused by the operation itself.
                self.groups.get(group).map_or_else(Vec::new, |it| access(it.arn.clone(), self.tags_of(group)))
            }
            Request::ListClusters { .. }
            | Request::DescribeAutoScalingInstances { .. }
            | Request::DescribeAutoScalingGroups { .. }
            | Request::DescribeLifecycleHooks { .. } => access(everything, Vec::new()),
        }
    }

    /// One access for each of these resources of a cluster.
    fn each<'a>(
        &self,
        request: &Request,
        cluster: &Option<String>,
        kind: &str,
        ids: impl IntoIterator<Item = &'a String>,
    ) -> Vec<Access> {
        let cluster = cluster_of(cluster);
        let access = |id| self.access(request, self.ecs_arn(kind, Some(cluster), id), self.keys_of(cluster));
        ids.into_iter().map(|id| access(id)).collect()
    }

    fn access(&self, request: &Request, resource: String, mut context: Vec<(String, String)>) -> Access {
        let prefix = match request.operation().service() {
            Service::Ecs => "ecs",
            Service::AutoScaling => "autoscaling",
        };
        context.push(("aws:RequestedRegion".to_owned(), self.settings.region.clone()));
        Access { action: format!("{prefix}:{}", request.operation()), resource, context }
    }

    fn keys_of(&self, cluster: &str) -> Vec<(String, String)> {
        vec![("ecs:cluster".to_owned(), self.ecs_arn("cluster", None, cluster))]
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

/// Which cluster a request is about; none named is `default`.
fn cluster_of(named: &Option<String>) -> &str {
    named.as_deref().unwrap_or("default")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{super::Settings, *};

    #[test]
    fn the_protection_of_each_task_is_asked_about_and_without_one_of_everything() {
        let world = World::new(Timestamp::UNIX_EPOCH, Settings::default());
        let asked = |tasks: &[&str]| {
            let tasks = tasks.iter().copied().map(str::to_owned).collect();
            world.accesses(&Request::GetTaskProtection { cluster: Some("prod".to_owned()), tasks })
        };
        let resources = |tasks: &[&str]| asked(tasks).into_iter().map(|it| it.resource).collect::<Vec<_>>();
        let arn = |resource| format!("arn:aws:ecs:us-west-2:123456789012:{resource}");
        assert_eq!(resources(&["1", &arn("task/prod/2")]), [arn("task/prod/1"), arn("task/prod/2")]);
        assert_eq!(resources(&[]), ["*"]);
        for access in asked(&["1"]).into_iter().chain(asked(&[])) {
            assert_eq!(access.action, "ecs:GetTaskProtection");
            assert!(access.context.contains(&("ecs:cluster".to_owned(), arn("cluster/prod"))));
        }
    }
}

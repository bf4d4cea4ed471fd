//! What AWS asks a client's policies about before it does anything.

use super::{Request, World, ecs::DEFAULT_CLUSTER};
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

    // Service Authorization Reference, "Actions, resources, and condition keys" for each service: an operation's
    // resource types; those it has none for need the resource `*`.
    pub(super) fn accesses(&self, request: &Request) -> Vec<Access> {
        let everything = "*".to_owned();
        let access = |resource, context| vec![self.access(request, resource, context)];
        match request {
            Request::DescribeClusters { clusters } => {
                let default = [DEFAULT_CLUSTER.to_owned()];
                let clusters = if clusters.is_empty() { &default } else { clusters.as_slice() };
                let access =
                    |cluster: &String| self.access(request, self.ecs_arn("cluster", None, cluster), Vec::new());
                clusters.iter().map(access).collect()
            }
            Request::DescribeCapacityProviders { capacity_providers, .. } if capacity_providers.is_empty() => {
                access(everything, Vec::new())
            }
            Request::DescribeCapacityProviders { capacity_providers, .. } => (capacity_providers.iter())
                .map(|named| self.access(request, self.ecs_arn("capacity-provider", None, named), Vec::new()))
                .collect(),
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
            Request::PutLifecycleHook { group, .. }
            | Request::DeleteLifecycleHook { group, .. }
            | Request::CompleteLifecycleAction { group, .. }
            | Request::RecordLifecycleActionHeartbeat { group, .. } => {
                // A group that is not there is refused by the operation itself.
                self.groups.get(group).map_or_else(Vec::new, |it| access(it.arn.clone(), self.tags_of(group)))
            }
            Request::DescribeStacks { stack_name: Some(stack) }
            | Request::ListStackResources { stack_name: stack, .. } => access(self.stack_arn(stack), Vec::new()),
            Request::DescribeRule { name: rule, event_bus_name }
            | Request::ListTargetsByRule { rule, event_bus_name } => {
                access(self.rule_arn(rule, event_bus_name.as_deref()), Vec::new())
            }
            Request::SimulatePrincipalPolicy { policy_source_arn, .. } => access(policy_source_arn.clone(), Vec::new()),
            // CloudFormation API reference, DescribeStacks: without a name it "requires ListStacks and DescribeStacks permissions".
            Request::DescribeStacks { stack_name: None } => {
                let describe = self.access(request, everything, Vec::new());
                let list = Access { action: "cloudformation:ListStacks".to_owned(), ..describe.clone() };
                vec![describe, list]
            }
            Request::ListClusters { .. }
            | Request::DescribeAutoScalingInstances { .. }
            | Request::DescribeAutoScalingGroups { .. }
            | Request::DescribeLifecycleHooks { .. }
            | Request::DescribeScalingActivities { .. }
            | Request::DescribeWarmPool { .. } => access(everything, Vec::new()),
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
        context.push(("aws:RequestedRegion".to_owned(), self.settings.region.clone()));
        Access { action: request.operation().action(), resource, context }
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

/// Which cluster a request is about.
fn cluster_of(named: &Option<String>) -> &str {
    named.as_deref().unwrap_or(DEFAULT_CLUSTER)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{super::Settings, *};

    #[test]
    fn clusters_providers_and_hooks_have_resources() {
        let mut world = World::new(Timestamp::UNIX_EPOCH, Settings::default());
        world
            .add_group(super::super::GroupSpec {
                name: "my-asg".to_owned(),
                hooks: Vec::new(),
                ..super::super::GroupSpec::default()
            })
            .unwrap();
        world.tag_group("my-asg", "team", "web");
        let names = |names: &[&str]| names.iter().copied().map(str::to_owned).collect::<Vec<_>>();
        let providers = |named: &[&str]| Request::DescribeCapacityProviders {
            capacity_providers: names(named),
            max_results: None,
            next_token: None,
        };
        let arn = |resource| format!("arn:aws:ecs:us-west-2:123456789012:{resource}");
        for (request, action, resources) in [
            (
                Request::DescribeClusters { clusters: names(&["prod", &arn("cluster/staging")]) },
                "ecs:DescribeClusters",
                vec![arn("cluster/prod"), arn("cluster/staging")],
            ),
            (Request::DescribeClusters { clusters: Vec::new() }, "ecs:DescribeClusters", vec![arn("cluster/default")]),
            (providers(&["own"]), "ecs:DescribeCapacityProviders", vec![arn("capacity-provider/own")]),
            (providers(&[]), "ecs:DescribeCapacityProviders", names(&["*"])),
        ] {
            let accesses = world.accesses(&request);
            assert!(accesses.iter().all(|access| access.action == action), "{accesses:?}");
            assert_eq!(accesses.into_iter().map(|access| access.resource).collect::<Vec<_>>(), resources);
        }
        for request in [
            Request::DescribeScalingActivities {
                group: Some("my-asg".to_owned()),
                start_time_lower_bound: None,
                max_records: None,
                next_token: None,
            },
            Request::DescribeWarmPool { group: "my-asg".to_owned(), max_records: None, next_token: None },
        ] {
            let [access] = world.accesses(&request).try_into().unwrap();
            assert_eq!(access.resource, "*");
            assert_eq!(access.action, format!("autoscaling:{}", request.operation()));
        }
        let delete = Request::DeleteLifecycleHook { group: "my-asg".to_owned(), hook: "ours".to_owned() };
        let [access] = world.accesses(&delete).try_into().unwrap();
        assert_eq!(access.action, "autoscaling:DeleteLifecycleHook");
        assert!(access.resource.ends_with(":autoScalingGroupName/my-asg"), "{access:?}");
        assert!(access.context.contains(&("aws:ResourceTag/team".to_owned(), "web".to_owned())));
    }

    #[test]
    fn stacks_rules_and_roles_have_resources() {
        let world = World::new(Timestamp::UNIX_EPOCH, Settings::default());
        let of = |service: &str, resource: &str| format!("arn:aws:{service}:us-west-2:123456789012:{resource}");
        let rule = |bus: Option<&str>| Request::DescribeRule {
            name: "waiting".to_owned(),
            event_bus_name: bus.map(str::to_owned),
        };
        let role = "arn:aws:iam::123456789012:role/reconcile";
        let simulate = Request::SimulatePrincipalPolicy {
            policy_source_arn: role.to_owned(),
            action_names: vec!["ecs:StopTask".to_owned()],
            resource_arns: Vec::new(),
            context: Vec::new(),
        };
        for (request, action, resource) in [
            (
                Request::DescribeStacks { stack_name: Some("lost".to_owned()) },
                "cloudformation:DescribeStacks",
                of("cloudformation", "stack/lost/*"),
            ),
            (rule(None), "events:DescribeRule", of("events", "rule/waiting")),
            (rule(Some("default")), "events:DescribeRule", of("events", "rule/waiting")),
            (rule(Some("other")), "events:DescribeRule", of("events", "rule/other/waiting")),
            (simulate, "iam:SimulatePrincipalPolicy", role.to_owned()),
        ] {
            let [access] = world.accesses(&request).try_into().unwrap();
            assert_eq!((access.action.as_str(), access.resource), (action, resource));
        }
        let of_all = world.accesses(&Request::DescribeStacks { stack_name: None });
        let of_all: Vec<_> = of_all.iter().map(|access| (access.action.as_str(), access.resource.as_str())).collect();
        assert_eq!(of_all, [("cloudformation:DescribeStacks", "*"), ("cloudformation:ListStacks", "*")]);
    }

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

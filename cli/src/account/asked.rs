//! What is asked of an account that no function asks: clusters, capacity providers, groups and their hooks.

use aws_sdk_autoscaling::types;
use shared::aws::batch::{all_clusters, few_at_once};
use shared::ids::{ClusterName, GroupName, HookName};

use super::Account;
use crate::failure::Failure;

/// Clusters in one `DescribeClusters` (ECS API reference).
const CLUSTERS_MAX: usize = 100;
/// Capacity providers in one `DescribeCapacityProviders`: as many as a page of its answer holds (ECS API reference).
const CAPACITY_PROVIDERS_MAX: usize = 10;
/// Groups in one `DescribeAutoScalingGroups` (Auto Scaling API reference: names are limited to MaxRecords, 50 unless given).
const GROUPS_MAX: usize = 50;

/// A cluster.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) name: ClusterName,
    /// The capacity providers that it may use.
    pub(crate) capacity_providers: Vec<String>,
}

/// A capacity provider of an Auto Scaling group.
#[derive(Debug, Clone)]
pub(crate) struct CapacityProvider {
    pub(crate) name: String,
    pub(crate) group: GroupName,
    pub(crate) managed_draining: bool,
}

/// Capacity providers, by what they are made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct CapacityProviders {
    pub(crate) of_groups: Vec<CapacityProvider>,
    pub(crate) of_managed_instances: Vec<ManagedInstances>,
}

/// A capacity provider of ECS Managed Instances.
#[derive(Debug, Clone)]
pub(crate) struct ManagedInstances {
    pub(crate) name: String,
    /// Whether EC2 may interrupt its hosts.
    pub(crate) is_spot: bool,
}

/// An Auto Scaling group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: GroupName,
    pub(crate) arn: String,
    /// Its instances, each with its lifecycle state.
    pub(crate) instances: Vec<(String, String)>,
    /// Its tags.
    pub(crate) tags: Vec<(String, String)>,
    /// Whether an instance whose termination hook ends with ABANDON stays, running (InstanceLifecyclePolicy).
    pub(crate) retains_on_abandon: bool,
}

/// A lifecycle hook as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hook {
    pub(crate) name: HookName,
    pub(crate) on_termination: bool,
    /// Seconds.
    pub(crate) heartbeat_timeout: u64,
    pub(crate) default_result: String,
    /// A queue or topic that Auto Scaling tells of the hook's actions itself.
    pub(crate) notification_target: Option<String>,
    pub(crate) metadata: Option<String>,
}

impl Account {
    /// Every cluster.
    pub(crate) async fn clusters(&self) -> Result<Vec<ClusterName>, Failure> {
        all_clusters(&self.calls).await.map_err(|error| self.failure(error))
    }

    /// This cluster, which must exist.
    pub(crate) async fn cluster(&self, name: &ClusterName) -> Result<Cluster, Failure> {
        if let Some(cluster) = self.described(std::slice::from_ref(name)).await?.pop() {
            return Ok(cluster);
        }
        // For the message only: credentials that may not list clusters learn at least that this one is not there.
        let there = all_clusters(&self.calls).await.unwrap_or_default();
        Err(Failure::NoCluster { cluster: name.clone(), region: self.region.clone(), there })
    }

    /// Those of these clusters that exist and are in use.
    pub(crate) async fn described(&self, names: &[ClusterName]) -> Result<Vec<Cluster>, Failure> {
        let requests = names.chunks(CLUSTERS_MAX).map(|chunk| {
            let names = chunk.iter().map(ToString::to_string).collect();
            self.calls.ecs().describe_clusters().set_clusters(Some(names)).send()
        });
        let mut clusters = Vec::new();
        for answer in few_at_once(requests).await {
            let answer = self.answered("DescribeClusters", answer)?;
            // One that was deleted is described for a while, INACTIVE (ECS API reference, Cluster).
            let active = answer.clusters.unwrap_or_default().into_iter().filter(|it| it.status() == Some("ACTIVE"));
            clusters.extend(active.filter_map(|cluster| {
                let name = ClusterName::parse(cluster.cluster_name()?)?;
                Some(Cluster { name, capacity_providers: cluster.capacity_providers.unwrap_or_default() })
            }));
        }
        Ok(clusters)
    }

    /// These capacity providers, but for Fargate's.
    pub(crate) async fn capacity_providers(&self, names: &[String]) -> Result<CapacityProviders, Failure> {
        let requests = names.chunks(CAPACITY_PROVIDERS_MAX).map(|chunk| {
            self.calls.ecs().describe_capacity_providers().set_capacity_providers(Some(chunk.to_vec())).send()
        });
        let mut providers = CapacityProviders::default();
        for answer in few_at_once(requests).await {
            let answer = self.answered("DescribeCapacityProviders", answer)?;
            for provider in answer.capacity_providers() {
                let Some(name) = provider.name() else { continue };
                if let Some(of_group) = provider.auto_scaling_group_provider()
                    && let Some((_, group)) = of_group.auto_scaling_group_arn().rsplit_once("autoScalingGroupName/")
                {
                    providers.of_groups.push(CapacityProvider {
                        name: name.to_owned(),
                        group: group.into(),
                        managed_draining: of_group.managed_draining().is_some_and(|it| it.as_str() == "ENABLED"),
                    });
                }
                if let Some(managed) = provider.managed_instances_provider() {
                    let template = managed.instance_launch_template();
                    let option = template.and_then(|template| template.capacity_option_type());
                    let is_spot = option.is_some_and(|option| option.as_str() == "SPOT");
                    providers.of_managed_instances.push(ManagedInstances { name: name.to_owned(), is_spot });
                }
            }
        }
        Ok(providers)
    }

    /// These Auto Scaling groups, which must exist.
    pub(crate) async fn groups(&self, names: &[GroupName]) -> Result<Vec<Group>, Failure> {
        let requests = names.chunks(GROUPS_MAX).map(|chunk| {
            let names = chunk.iter().map(ToString::to_string).collect();
            let request = self.calls.auto_scaling().describe_auto_scaling_groups();
            request.set_auto_scaling_group_names(Some(names)).into_paginator().items().send().try_collect()
        });
        let mut groups = Vec::new();
        for answer in few_at_once(requests).await {
            let answer = self.answered("DescribeAutoScalingGroups", answer)?;
            groups.extend(answer.iter().filter_map(group));
        }
        let absent: Vec<_> = names.iter().filter(|name| groups.iter().all(|it| it.name != **name)).cloned().collect();
        if absent.is_empty() {
            Ok(groups)
        } else {
            Err(Failure::NoGroup { groups: absent, region: self.region.clone() })
        }
    }

    /// Every Auto Scaling group.
    pub(crate) async fn all_groups(&self) -> Result<Vec<Group>, Failure> {
        let pages = self.calls.auto_scaling().describe_auto_scaling_groups().into_paginator().items().send();
        let answer: Vec<_> = self.answered("DescribeAutoScalingGroups", pages.try_collect().await)?;
        Ok(answer.iter().filter_map(group).collect())
    }

    /// The hooks of a group.
    pub(crate) async fn hooks(&self, group: &GroupName) -> Result<Vec<Hook>, Failure> {
        let request = self.calls.auto_scaling().describe_lifecycle_hooks().auto_scaling_group_name(group.as_str());
        let answer = self.answered("DescribeLifecycleHooks", request.send().await)?;
        Ok(answer.lifecycle_hooks().iter().filter_map(hook).collect())
    }

    /// Puts a hook on a group, or makes the one of its name like this.
    pub(crate) async fn put_hook(&self, group: &GroupName, hook: &Hook) -> Result<(), Failure> {
        let request = self.calls.auto_scaling().put_lifecycle_hook().auto_scaling_group_name(group.as_str());
        let request = request.lifecycle_hook_name(hook.name.as_str()).default_result(&hook.default_result);
        let request = request.lifecycle_transition(TERMINATING);
        let request = request.heartbeat_timeout(i32::try_from(hook.heartbeat_timeout).unwrap_or(i32::MAX));
        let request = request.set_notification_metadata(hook.metadata.clone());
        self.answered("PutLifecycleHook", request.send().await).map(drop)
    }

    /// Takes a hook off a group; Auto Scaling lets the instances that wait on it go.
    pub(crate) async fn delete_hook(&self, group: &GroupName, hook: &HookName) -> Result<(), Failure> {
        let request = self.calls.auto_scaling().delete_lifecycle_hook().auto_scaling_group_name(group.as_str());
        self.answered("DeleteLifecycleHook", request.lifecycle_hook_name(hook.as_str()).send().await).map(drop)
    }
}

/// As Auto Scaling names the transition.
const TERMINATING: &str = "autoscaling:EC2_INSTANCE_TERMINATING";
/// What a group does with an instance that it keeps (Auto Scaling API reference, RetentionTriggers).
const RETAIN: &str = "retain";

fn group(group: &types::AutoScalingGroup) -> Option<Group> {
    let state = |it: &types::Instance| Some((it.instance_id()?.to_owned(), it.lifecycle_state()?.as_str().to_owned()));
    let tag = |it: &types::TagDescription| Some((it.key()?.to_owned(), it.value()?.to_owned()));
    let triggers = group.instance_lifecycle_policy().and_then(|policy| policy.retention_triggers());
    let on_abandon = triggers.and_then(|triggers| triggers.terminate_hook_abandon());
    Some(Group {
        name: group.auto_scaling_group_name()?.into(),
        arn: group.auto_scaling_group_arn()?.to_owned(),
        instances: group.instances().iter().filter_map(state).collect(),
        tags: group.tags().iter().filter_map(tag).collect(),
        retains_on_abandon: on_abandon.is_some_and(|action| action.as_str() == RETAIN),
    })
}

fn hook(hook: &types::LifecycleHook) -> Option<Hook> {
    Some(Hook {
        name: hook.lifecycle_hook_name()?.into(),
        on_termination: hook.lifecycle_transition()? == TERMINATING,
        heartbeat_timeout: u64::try_from(hook.heartbeat_timeout()?).ok()?,
        default_result: hook.default_result()?.to_owned(),
        notification_target: hook.notification_target_arn().filter(|arn| !arn.is_empty()).map(ToOwned::to_owned),
        metadata: hook.notification_metadata().map(ToOwned::to_owned),
    })
}

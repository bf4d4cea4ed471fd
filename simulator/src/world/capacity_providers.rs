//! Capacity providers: what ties an Auto Scaling group to a cluster.

use super::{CapacityProviderSpec, HookSpec, World, WorldError, exists, unknown};

// ECS developer guide, managed instance draining.
const MANAGED_DRAINING_HOOK: &str = "ecs-managed-draining-termination-hook";

/// A capacity provider as the world keeps it.
#[derive(Debug, Clone)]
pub(super) struct CapacityProvider {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) cluster: String,
    pub(super) group_arn: String,
    pub(super) managed_draining: bool,
    /// Of ECS Managed Instances, and then without a group: its capacityOptionType.
    pub(super) managed_instances: Option<&'static str>,
}

impl World {
    /// Makes a capacity provider of a group, and gives it to a cluster. With managed draining the group has ECS's own hook
    /// from then on; that ECS completes it is not modelled.
    pub fn add_capacity_provider(&mut self, spec: CapacityProviderSpec) -> Result<(), WorldError> {
        if self.capacity_providers.contains_key(&spec.name) {
            return Err(exists("capacity provider", &spec.name));
        }
        if !self.clusters.contains_key(&spec.cluster) {
            return Err(unknown("cluster", &spec.cluster));
        }
        let arn = self.arn("ecs", &format!("capacity-provider/{}", spec.name));
        let group = self.groups.get_mut(&spec.group).ok_or_else(|| unknown("group", &spec.group))?;
        if spec.managed_draining {
            // The guide gives the hook's name alone. Its timeout is taken to be what Auto Scaling gives any hook
            // (PutLifecycleHook), and its result one that leaves other hooks their time.
            let hook = HookSpec { name: MANAGED_DRAINING_HOOK.to_owned(), ..HookSpec::default() };
            group.hooks.insert(hook.name.clone(), hook);
        }
        let provider = CapacityProvider {
            arn,
            name: spec.name.clone(),
            cluster: spec.cluster,
            group_arn: group.arn.clone(),
            managed_draining: spec.managed_draining,
            managed_instances: None,
        };
        self.capacity_providers.insert(spec.name, provider);
        Ok(())
    }

    /// Makes a capacity provider of ECS Managed Instances, On-Demand or Spot, and gives it to a cluster. Its hosts are not
    /// modelled.
    pub fn add_managed_instances(&mut self, name: &str, cluster: &str, spot: bool) -> Result<(), WorldError> {
        if self.capacity_providers.contains_key(name) {
            return Err(exists("capacity provider", name));
        }
        if !self.clusters.contains_key(cluster) {
            return Err(unknown("cluster", cluster));
        }
        let provider = CapacityProvider {
            arn: self.arn("ecs", &format!("capacity-provider/{name}")),
            name: name.to_owned(),
            cluster: cluster.to_owned(),
            group_arn: String::new(),
            managed_draining: false,
            managed_instances: Some(if spot { "SPOT" } else { "ON_DEMAND" }),
        };
        self.capacity_providers.insert(name.to_owned(), provider);
        Ok(())
    }
}

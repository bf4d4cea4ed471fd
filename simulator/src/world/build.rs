//! Building a world: what is there when a story begins.

use super::{deployed::DeployError, ecs::ProviderKind, parts::World};
use crate::cloudformation::Stack;
use crate::world::terms::{CapacityProviderSpec, GroupSpec, HookSpec, HostSpec, ServiceSpec, TaskSpec, WorldError};

// ECS developer guide, managed instance draining.
const MANAGED_DRAINING_HOOK: &str = "ecs-managed-draining-termination-hook";

impl World {
    /// Adds an empty cluster.
    pub fn add_cluster(&mut self, name: &str) -> Result<(), WorldError> {
        self.ecs.add_cluster(&self.present, name)
    }

    /// Adds an empty Auto Scaling group.
    pub fn add_group(&mut self, spec: GroupSpec) -> Result<(), WorldError> {
        self.auto_scaling.add_group(&mut self.present, spec)
    }

    /// Puts a tag on an Auto Scaling group, for conditions to look at.
    pub fn tag_group(&mut self, group: &str, key: &str, value: &str) {
        self.auto_scaling.tag_group(group, key, value);
    }

    /// Makes a capacity provider of a group, and gives it to a cluster. With managed draining the group has ECS's own hook
    /// from then on; that ECS completes it is not modelled.
    pub fn add_capacity_provider(&mut self, spec: CapacityProviderSpec) -> Result<(), WorldError> {
        let CapacityProviderSpec { name, cluster, group, managed_draining } = spec;
        self.ecs.check_new_provider(&name, &cluster)?;
        let arn = self.auto_scaling.group_arn(&group)?;
        if managed_draining {
            // The guide gives the hook's name alone. Its timeout is taken to be what Auto Scaling gives any hook
            // (PutLifecycleHook), and its result one that leaves other hooks their time.
            let hook = HookSpec { name: MANAGED_DRAINING_HOOK.to_owned(), ..HookSpec::default() };
            self.auto_scaling.add_hook(&group, hook);
        }
        self.ecs.add_capacity_provider(&self.present, &name, &cluster, ProviderKind::Group { arn, managed_draining })
    }

    /// Makes a capacity provider of ECS Managed Instances, On-Demand or Spot, and gives it to a cluster. Its hosts are not
    /// modelled.
    pub fn add_managed_instances(&mut self, name: &str, cluster: &str, spot: bool) -> Result<(), WorldError> {
        let of = ProviderKind::ManagedInstances(if spot { "SPOT" } else { "ON_DEMAND" });
        self.ecs.add_capacity_provider(&self.present, name, cluster, of)
    }

    /// Adds a host that has been there for a while, registered where `cluster` says so. Answers its instance id.
    pub fn add_host(&mut self, spec: HostSpec) -> Result<String, WorldError> {
        if let Some(cluster) = &spec.cluster {
            self.ecs.check_cluster(cluster)?;
        }
        if let Some(group) = &spec.group {
            self.auto_scaling.group_arn(group)?;
        }
        let instance_id = spec.instance_id.unwrap_or_else(|| format!("i-{}", self.present.hex(17)));
        self.ec2.launch(&instance_id)?;
        self.ecs.add_host(&instance_id, spec.slots);
        if let Some(group) = spec.group {
            self.auto_scaling.add_instance(&instance_id, group);
        }
        if let Some(cluster) = spec.cluster {
            let since = self.present.a_while_ago();
            self.ecs.register(&mut self.present, &instance_id, &cluster, since, spec.agent_connected)?;
        }
        Ok(instance_id)
    }

    /// Adds a service; its tasks have been RUNNING for a while, spread over the hosts.
    pub fn add_service(&mut self, spec: ServiceSpec) -> Result<(), WorldError> {
        self.ecs.add_service(&mut self.present, spec)
    }

    /// Adds a service with all its tasks RUNNING on one host, whether it has the slots or not.
    pub fn add_service_with_tasks_on(
        &mut self,
        spec: ServiceSpec,
        instance_id: &str,
    ) -> Result<Vec<String>, WorldError> {
        self.ecs.add_service_with_tasks_on(&mut self.present, spec, instance_id)
    }

    /// Puts one more task of a service on a host, RUNNING for a while. The service's desired count stays.
    pub fn place_task(&mut self, cluster: &str, instance_id: &str, service: &str) -> Result<String, WorldError> {
        self.ecs.place_task(&mut self.present, cluster, instance_id, service)
    }

    /// Runs a task no service owns. With a start time it is placed now, else it has been RUNNING for a while.
    pub fn run_task(&mut self, spec: TaskSpec) -> Result<String, WorldError> {
        let task = self.ecs.run_task(&mut self.present, spec)?;
        self.settle();
        Ok(task)
    }

    /// A host becomes one of ECS Managed Instances: what is known of it by its tasks' launch type.
    pub fn manage(&mut self, instance_id: &str) -> Result<(), WorldError> {
        self.ecs.manage(instance_id)
    }

    /// Deploys a stack in this world's account and region: CloudFormation tells of it, EventBridge of its rules, IAM of what
    /// its roles may do, and a lifecycle hook of it is put. Its functions do not run by themselves.
    pub fn deploy(&mut self, stack: &Stack<'_>) -> Result<(), DeployError> {
        let mut stack = self.deployed.work_out(&mut self.present, stack)?;
        for (resource, hook) in std::mem::take(&mut stack.hooks) {
            let put = self.auto_scaling.serve(&mut self.present, &hook);
            put.map_err(|error| DeployError::Refused { resource, error })?;
        }
        self.deployed.add(&mut self.present, stack);
        Ok(())
    }

    /// Disables a rule, which goes by its name or by its logical id.
    pub fn disable_rule(&mut self, rule: &str) -> Result<(), WorldError> {
        self.deployed.disable_rule(rule)
    }

    /// Removes every target of a rule, which goes by its name or by its logical id.
    pub fn remove_targets(&mut self, rule: &str) -> Result<(), WorldError> {
        self.deployed.remove_targets(rule)
    }

    /// Takes an action, such as `ecs:StopTask`, out of all policies of a role, which goes by its ARN or by its logical id.
    pub fn forget_permission(&mut self, role: &str, action: &str) -> Result<(), WorldError> {
        self.deployed.forget_permission(role, action)
    }
}

//! Groups, instances, hooks and warm pools, described.

use super::{
    AutoScaling,
    group::{Group, Instance, global_timeout},
    limits::{no_group, page, records},
};
use crate::world::terms::{ApiError, AutoScalingGroup, AutoScalingInstance, LifecycleHook, Present, Response};

// Auto Scaling API reference, DescribeAutoScalingInstances: "You can specify up to 50 IDs"; MaxRecords "The default value is 50 and the maximum value is 50".
const MAX_INSTANCE_IDS: usize = 50;

// Auto Scaling API reference, DescribeAutoScalingGroups: "The default value is 50 and the maximum value is 100".
const DEFAULT_GROUPS: usize = 50;
const MAX_GROUPS: usize = 100;

const MAX_HOOK_NAMES: usize = 50;

// Auto Scaling API reference, DescribeWarmPool, MaxRecords: "The maximum value is 50."
const MAX_WARMED: usize = 50;

impl AutoScaling {
    pub(crate) fn describe_instances(
        &self,
        present: &Present,
        instance_ids: &[String],
        max_records: Option<i32>,
        token: Option<&str>,
    ) -> Result<Response, ApiError> {
        if instance_ids.len() > MAX_INSTANCE_IDS {
            return Err(ApiError::validation(format!(
                "The number of instance ids that may be passed in is limited to {MAX_INSTANCE_IDS}"
            )));
        }
        let size = records(max_records, MAX_INSTANCE_IDS, MAX_INSTANCE_IDS)?;
        // An id Auto Scaling does not know is left out without a word.
        let instances = (self.instances.values())
            .filter(|it| instance_ids.is_empty() || instance_ids.contains(&it.instance_id))
            .map(|it| (it.instance_id.clone(), in_capitals(described(present, it))));
        let page = page(present, instances, "DescribeAutoScalingInstances", size, token)?;
        Ok(Response::AutoScalingInstances { instances: page.items, next_token: page.next_token })
    }

    pub(crate) fn describe_groups(
        &self,
        present: &Present,
        names: &[String],
        max_records: Option<i32>,
        token: Option<&str>,
    ) -> Result<Response, ApiError> {
        let size = records(max_records, DEFAULT_GROUPS, MAX_GROUPS)?;
        // Auto Scaling API reference: "By default, you can only specify up to 50 names. You can optionally increase this limit using the MaxRecords property."
        if names.len() > size {
            return Err(ApiError::validation(format!(
                "The number of group names that may be passed in is limited to {size}"
            )));
        }
        let groups = (self.groups.values())
            .filter(|group| names.is_empty() || names.contains(&group.name))
            .map(|group| (group.name.clone(), self.described_group(present, group)));
        let page = page(present, groups, "DescribeAutoScalingGroups", size, token)?;
        Ok(Response::AutoScalingGroups { groups: page.items, next_token: page.next_token })
    }

    pub(crate) fn describe_hooks(&self, group: &str, names: &[String]) -> Result<Response, ApiError> {
        let group = self.groups.get(group).ok_or_else(|| no_group(group))?;
        // Auto Scaling API reference, DescribeLifecycleHooks: "Maximum number of 50 items."
        if names.len() > MAX_HOOK_NAMES {
            return Err(ApiError::validation(format!("At most {MAX_HOOK_NAMES} hook names can be given")));
        }
        let hooks = (group.hooks.values()).filter(|hook| names.is_empty() || names.contains(&hook.name)).map(|hook| {
            LifecycleHook {
                name: hook.name.clone(),
                group: group.name.clone(),
                transition: hook.transition,
                notification_metadata: hook.notification_metadata.clone(),
                heartbeat_timeout: hook.heartbeat_timeout.as_secs(),
                global_timeout: global_timeout(hook.heartbeat_timeout).as_secs(),
                default_result: hook.default_result.as_str().to_owned(),
                notification_target: hook.notification_target.clone(),
            }
        });
        Ok(Response::LifecycleHooks(hooks.collect()))
    }

    pub(crate) fn describe_warm_pool(
        &self,
        present: &Present,
        group: &str,
        max_records: Option<i32>,
        token: Option<&str>,
    ) -> Result<Response, ApiError> {
        let group = self.groups.get(group).ok_or_else(|| no_group(group))?;
        let size = records(max_records, MAX_WARMED, MAX_WARMED)?;
        let instances = (self.members(&group.name))
            .filter(|it| it.is_in_warm_pool())
            .map(|it| (it.instance_id.clone(), described(present, it)));
        let page = page(present, instances, &format!("DescribeWarmPool {}", group.name), size, token)?;
        Ok(Response::WarmPool { instances: page.items, configuration: group.warm_pool, next_token: page.next_token })
    }

    fn described_group(&self, present: &Present, group: &Group) -> AutoScalingGroup {
        // Recorded: those in the warm pool are left out of a group's instances.
        let (warmed, instances): (Vec<_>, Vec<_>) =
            self.members(&group.name).partition(|instance| instance.is_in_warm_pool());
        AutoScalingGroup {
            name: group.name.clone(),
            arn: group.arn.clone(),
            created_at: group.created_at,
            availability_zone: present.settings.zone(),
            availability_zone_id: present.settings.zone_id(),
            service_linked_role_arn: present
                .settings
                .global_arn("iam", "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"),
            instances: instances.into_iter().map(|it| described(present, it)).collect(),
            warm_pool_size: group.warm_pool.map(|_| warmed.len()),
            warm_pool_configuration: group.warm_pool,
            terminate_hook_abandon: if group.retains_on_abandon { "retain" } else { "terminate" },
            tags: self.tags.get(&group.name).cloned().unwrap_or_default().into_iter().collect(),
        }
    }
}

fn described(present: &Present, instance: &Instance) -> AutoScalingInstance {
    AutoScalingInstance {
        instance_id: instance.instance_id.clone(),
        group: instance.group.clone(),
        availability_zone: present.settings.zone(),
        lifecycle_state: instance.lifecycle_state.to_owned(),
        availability_zone_id: present.settings.zone_id(),
        health_status: instance.health.clone(),
    }
}

// AWS CLI reference, examples: describe-auto-scaling-instances says "HEALTHY" where describe-auto-scaling-groups says "Healthy".
fn in_capitals(instance: AutoScalingInstance) -> AutoScalingInstance {
    AutoScalingInstance { health_status: instance.health_status.to_uppercase(), ..instance }
}

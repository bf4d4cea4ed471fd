//! Auto Scaling: groups, hooks, and the way of each instance.

mod access;
mod actions;
mod activities;
mod departures;
mod descriptions;
mod events;
mod group;
mod hooks;
mod lifecycle;
mod limits;
mod way;

use std::collections::BTreeMap;

use serde_json::Value;

use super::journal::Release;
use crate::world::terms::{
    ApiError, AutoScalingRequest, GroupSpec, HookSpec, Log, Present, Response, ScalingActivity, WorldError, exists,
    unknown,
};
use group::{ActionName, Group, Instance};

pub use group::SUBNET;
pub(crate) use way::{Arrival, Departure};

/// What Auto Scaling has in this account and region.
#[derive(Debug, Clone, Default)]
pub(crate) struct AutoScaling {
    groups: BTreeMap<String, Group>,
    tags: BTreeMap<String, BTreeMap<String, String>>,
    instances: BTreeMap<String, Instance>,
    activities: Log<ScalingActivity>,
    /// The lifecycle action events.
    pub(crate) events: Log<Value>,
}

impl AutoScaling {
    pub(crate) fn add_group(&mut self, present: &mut Present, spec: GroupSpec) -> Result<(), WorldError> {
        if self.groups.contains_key(&spec.name) {
            return Err(exists("group", &spec.name));
        }
        let resource = format!("autoScalingGroup:{}:autoScalingGroupName/{}", present.uuid(), spec.name);
        let group = Group {
            arn: present.settings.arn("autoscaling", &resource),
            created_at: present.a_while_ago(),
            hooks: (spec.hooks.into_iter()).map(|hook| (hook.name.clone(), hook)).collect(),
            name: spec.name.clone(),
            warm_pool: spec.warm_pool,
            retains_on_abandon: spec.retains_on_abandon,
        };
        self.groups.insert(spec.name, group);
        Ok(())
    }

    pub(crate) fn group_arn(&self, name: &str) -> Result<String, WorldError> {
        self.groups.get(name).map(|group| group.arn.clone()).ok_or_else(|| unknown("group", name))
    }

    /// Puts a hook on a group, over what it had of that name.
    pub(crate) fn add_hook(&mut self, group: &str, hook: HookSpec) {
        if let Some(group) = self.groups.get_mut(group) {
            group.hooks.insert(hook.name.clone(), hook);
        }
    }

    pub(crate) fn tag_group(&mut self, group: &str, key: &str, value: &str) {
        self.tags.entry(group.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
    }

    /// An instance is in service in a group.
    pub(crate) fn add_instance(&mut self, instance_id: &str, group: String) {
        self.instances.insert(instance_id.to_owned(), Instance::new(instance_id, group));
    }

    /// An instance is gone, and its actions with it. Answers whether it was there.
    pub(crate) fn remove_instance(&mut self, present: &mut Present, instance_id: &str) -> bool {
        self.end_actions(present, instance_id);
        self.end_journey(present, instance_id);
        self.instances.remove(instance_id).is_some()
    }

    pub(crate) fn set_health(&mut self, instance_id: &str, health: &str) {
        if let Some(instance) = self.instances.get_mut(instance_id) {
            health.clone_into(&mut instance.health);
        }
    }

    pub(crate) fn instance(&self, instance_id: &str) -> Option<&Instance> {
        self.instances.get(instance_id)
    }

    pub(crate) fn lifecycle_state(&self, instance_id: &str) -> Option<&str> {
        self.instances.get(instance_id).map(|instance| instance.lifecycle_state)
    }

    /// A group's hook as it stands.
    pub(crate) fn hook(&self, group: &str, name: &str) -> Option<&HookSpec> {
        self.groups.get(group)?.hooks.get(name)
    }

    /// The instances of a group.
    fn members(&self, group: &str) -> impl Iterator<Item = &Instance> {
        self.instances.values().filter(move |instance| instance.group == group)
    }

    fn group_of(&self, instance_id: &str) -> Result<&Group, WorldError> {
        let group = self.instances.get(instance_id).and_then(|instance| self.groups.get(&instance.group));
        group.ok_or_else(|| unknown("group of host", instance_id))
    }

    /// Serves a request. Answers what it completed, too, without the tasks.
    pub(crate) fn serve(
        &mut self,
        present: &mut Present,
        request: &AutoScalingRequest,
    ) -> Result<(Response, Option<Release>), ApiError> {
        let response = match request {
            AutoScalingRequest::DescribeAutoScalingInstances { instance_ids, max_records, next_token } => {
                self.describe_instances(present, instance_ids, *max_records, next_token.as_deref())
            }
            AutoScalingRequest::DescribeAutoScalingGroups { names, max_records, next_token } => {
                self.describe_groups(present, names, *max_records, next_token.as_deref())
            }
            AutoScalingRequest::DescribeLifecycleHooks { group, hook_names } => self.describe_hooks(group, hook_names),
            AutoScalingRequest::DescribeScalingActivities {
                group,
                start_time_lower_bound,
                max_records,
                next_token,
            } => {
                let (group, token) = (group.as_deref(), next_token.as_deref());
                self.describe_activities(present, group, *start_time_lower_bound, *max_records, token)
            }
            AutoScalingRequest::DescribeWarmPool { group, max_records, next_token } => {
                self.describe_warm_pool(present, group, *max_records, next_token.as_deref())
            }
            AutoScalingRequest::PutLifecycleHook {
                group,
                hook,
                transition,
                heartbeat_timeout,
                default_result: result,
                notification_metadata: metadata,
            } => {
                let (transition, timeout) = (transition.as_deref(), *heartbeat_timeout);
                self.put_hook(group, hook, transition, timeout, result.as_deref(), metadata.as_deref())
            }
            AutoScalingRequest::DeleteLifecycleHook { group, hook } => self.delete_hook(present, group, hook),
            AutoScalingRequest::CompleteLifecycleAction { group, hook, instance_id, token, result } => {
                let result = result
                    .parse()
                    .map_err(|()| ApiError::validation(format!("Invalid lifecycle action result: {result}")))?;
                let name = ActionName { group, hook, instance_id: instance_id.as_deref(), token: token.as_deref() };
                let release = self.complete(present, name, result)?;
                return Ok((Response::Done, Some(release)));
            }
            AutoScalingRequest::RecordLifecycleActionHeartbeat { group, hook, instance_id, token } => {
                let name = ActionName { group, hook, instance_id: instance_id.as_deref(), token: token.as_deref() };
                self.heartbeat(present, name).map(|()| Response::Done)
            }
        };
        Ok((response?, None))
    }
}

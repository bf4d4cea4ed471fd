//! The Auto Scaling operations.

use super::{
    ApiError, AutoScalingGroup, AutoScalingInstance, Host, LifecycleHook, Request, Response, World,
    actions::{ActionName, global_timeout},
    hooks::no_group,
    lifecycle::Group,
    pages::{Cut, Page, cut},
};

// Auto Scaling API reference, DescribeAutoScalingInstances: "You can specify up to 50 IDs"; MaxRecords "The default value is 50 and the maximum value is 50".
const MAX_INSTANCE_IDS: usize = 50;

// Auto Scaling API reference, DescribeAutoScalingGroups: "The default value is 50 and the maximum value is 100".
const DEFAULT_GROUPS: usize = 50;
const MAX_GROUPS: usize = 100;

const MAX_HOOK_NAMES: usize = 50;

// Where the made-up instances of a world stand.
const ZONE_SUFFIX: &str = "a";
const ZONE_NUMBER: &str = "az1";

impl World {
    pub(super) fn serve_auto_scaling(&mut self, request: &Request) -> Result<Response, ApiError> {
        match request {
            Request::DescribeAutoScalingInstances { instance_ids, max_records, next_token } => {
                self.describe_instances(instance_ids, *max_records, next_token.as_deref())
            }
            Request::DescribeAutoScalingGroups { names, max_records, next_token } => {
                self.describe_groups(names, *max_records, next_token.as_deref())
            }
            Request::DescribeLifecycleHooks { group, hook_names } => self.describe_hooks(group, hook_names),
            Request::DescribeScalingActivities { group, start_time_lower_bound, max_records, next_token } => {
                let (group, token) = (group.as_deref(), next_token.as_deref());
                self.describe_activities(group, *start_time_lower_bound, *max_records, token)
            }
            Request::DescribeWarmPool { group, max_records, next_token } => {
                self.describe_warm_pool(group, *max_records, next_token.as_deref())
            }
            Request::PutLifecycleHook { .. } => self.put_hook(request),
            Request::DeleteLifecycleHook { group, hook } => self.delete_hook(group, hook),
            Request::CompleteLifecycleAction { group, hook, instance_id, token, result } => {
                let result = result
                    .parse()
                    .map_err(|()| ApiError::validation(format!("Invalid lifecycle action result: {result}")))?;
                let name = action_name(group, hook, instance_id, token);
                self.complete(name, result).map(|()| Response::Done)
            }
            Request::RecordLifecycleActionHeartbeat { group, hook, instance_id, token } => {
                let name = action_name(group, hook, instance_id, token);
                self.heartbeat(name).map(|()| Response::Done)
            }
            _ => Err(ApiError::new("InvalidAction", "Not an Auto Scaling action")),
        }
    }

    fn describe_instances(
        &self,
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
        let instances = (self.hosts.values())
            .filter(|host| instance_ids.is_empty() || instance_ids.contains(&host.instance_id))
            .filter_map(|host| self.described(host))
            .map(|instance| (instance.instance_id.clone(), in_capitals(instance)));
        let page = self.auto_scaling_page(instances, "DescribeAutoScalingInstances", size, token)?;
        Ok(Response::AutoScalingInstances { instances: page.items, next_token: page.next_token })
    }

    fn describe_groups(
        &self,
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
            .map(|group| (group.name.clone(), self.described_group(group)));
        let page = self.auto_scaling_page(groups, "DescribeAutoScalingGroups", size, token)?;
        Ok(Response::AutoScalingGroups { groups: page.items, next_token: page.next_token })
    }

    fn describe_hooks(&self, group: &str, names: &[String]) -> Result<Response, ApiError> {
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

    fn described_group(&self, group: &Group) -> AutoScalingGroup {
        let members = || self.hosts.values().filter(|host| host.group.as_deref() == Some(&group.name));
        AutoScalingGroup {
            name: group.name.clone(),
            arn: group.arn.clone(),
            created_at: group.created_at,
            availability_zone: self.zone(),
            availability_zone_id: self.zone_id(),
            service_linked_role_arn: format!(
                "arn:{}:iam::{}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
                self.settings.partition, self.settings.account
            ),
            // Recorded: those in the warm pool are left out here.
            instances: members()
                .filter(|host| !host.is_in_warm_pool())
                .filter_map(|host| self.described(host))
                .collect(),
            warm_pool_size: group.warm_pool.map(|_| members().filter(|host| host.is_in_warm_pool()).count()),
            warm_pool_configuration: group.warm_pool,
            terminate_hook_abandon: if group.retains_on_abandon { "retain" } else { "terminate" },
            tags: self.group_tags.get(&group.name).cloned().unwrap_or_default().into_iter().collect(),
        }
    }

    pub(super) fn described(&self, host: &Host) -> Option<AutoScalingInstance> {
        Some(AutoScalingInstance {
            instance_id: host.instance_id.clone(),
            group: host.group.clone()?,
            availability_zone: self.zone(),
            lifecycle_state: host.lifecycle_state()?.to_owned(),
            availability_zone_id: self.zone_id(),
            health_status: host.health.clone(),
        })
    }

    pub(super) fn zone(&self) -> String {
        format!("{}{ZONE_SUFFIX}", self.settings.region)
    }

    /// Auto Scaling's other name of the zone, `usw2-az1`.
    pub(super) fn zone_id(&self) -> String {
        let parts = self.settings.region.split('-');
        let short: String = parts
            .enumerate()
            .map(|(at, part)| part.get(..if at == 0 { part.len() } else { 1 }).unwrap_or(part))
            .collect();
        format!("{short}-{ZONE_NUMBER}")
    }

    pub(super) fn auto_scaling_page<T>(
        &self,
        items: impl IntoIterator<Item = (String, T)>,
        list: &str,
        size: usize,
        token: Option<&str>,
    ) -> Result<Page<T>, ApiError> {
        let wanted = Cut { list, size: size.min(self.settings.page_size), empty_pages: false, token };
        // Auto Scaling API reference, InvalidNextToken.
        cut(items, wanted).ok_or_else(|| ApiError::new("InvalidNextToken", "The NextToken value is not valid."))
    }
}

// AWS CLI reference, examples: describe-auto-scaling-instances says "HEALTHY" where describe-auto-scaling-groups says "Healthy".
fn in_capitals(instance: AutoScalingInstance) -> AutoScalingInstance {
    AutoScalingInstance { health_status: instance.health_status.to_uppercase(), ..instance }
}

fn action_name<'a>(
    group: &'a str,
    hook: &'a str,
    instance_id: &'a Option<String>,
    token: &'a Option<String>,
) -> ActionName<'a> {
    ActionName { group, hook, instance_id: instance_id.as_deref(), token: token.as_deref() }
}

pub(super) fn records(wanted: Option<i32>, default: usize, most: usize) -> Result<usize, ApiError> {
    let Some(wanted) = wanted else {
        return Ok(default);
    };
    usize::try_from(wanted)
        .ok()
        .filter(|wanted| (1..=most).contains(wanted))
        .ok_or_else(|| ApiError::validation(format!("MaxRecords must be between 1 and {most}")))
}

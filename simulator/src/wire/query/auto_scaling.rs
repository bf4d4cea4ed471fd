//! What Auto Scaling is asked, and what it answers.

use super::super::xml::{element, list, optional, text};
use crate::world::{
    AutoScalingGroup, AutoScalingInstance, LifecycleHook, Response, SUBNET, ScalingActivity, WarmPoolSpec,
};

pub(super) fn content(response: &Response) -> String {
    match response {
        Response::AutoScalingInstances { instances, next_token } => {
            list("AutoScalingInstances", instances, |instance| {
                text("AutoScalingGroupName", &instance.group) + &described(instance) + UNPROTECTED
            }) + &optional("NextToken", next_token.as_deref())
        }
        Response::AutoScalingGroups { groups, next_token } => {
            list("AutoScalingGroups", groups, group) + &optional("NextToken", next_token.as_deref())
        }
        Response::ScalingActivities { activities, next_token } => {
            list("Activities", activities, activity) + &optional("NextToken", next_token.as_deref())
        }
        Response::WarmPool { instances, configuration, next_token } => {
            configuration.as_ref().map(warm_pool).unwrap_or_default()
                + &list("Instances", instances, described)
                + &optional("NextToken", next_token.as_deref())
        }
        Response::LifecycleHooks(hooks) => list("LifecycleHooks", hooks, hook),
        _ => String::new(),
    }
}

// Recorded: a row of DescribeWarmPool does not have it.
const UNPROTECTED: &str = "<ProtectedFromScaleIn>false</ProtectedFromScaleIn>";

fn group(group: &AutoScalingGroup) -> String {
    let count = group.instances.len().to_string();
    [
        text("AutoScalingGroupName", &group.name),
        text("AutoScalingGroupARN", &group.arn),
        launch_template(),
        text("MinSize", "0"),
        text("MaxSize", &count),
        text("DesiredCapacity", &count),
        text("DefaultCooldown", "300"),
        element("AvailabilityZones", &text("member", &group.availability_zone)),
        element("AvailabilityZoneIds", &text("member", &group.availability_zone_id)),
        element("LoadBalancerNames", ""),
        element("TargetGroupARNs", ""),
        text("HealthCheckType", "EC2"),
        text("HealthCheckGracePeriod", "0"),
        list("Instances", &group.instances, |instance| described(instance) + UNPROTECTED),
        text("CreatedTime", &group.created_at.to_string()),
        element("SuspendedProcesses", ""),
        text("VPCZoneIdentifier", SUBNET),
        element("EnabledMetrics", ""),
        element("TerminationPolicies", &text("member", "Default")),
        text("NewInstancesProtectedFromScaleIn", "false"),
        text("ServiceLinkedRoleARN", &group.service_linked_role_arn),
        text("DefaultInstanceWarmup", "0"),
        element("TrafficSources", ""),
        element("AvailabilityZoneDistribution", &text("CapacityDistributionStrategy", "balanced-best-effort")),
        element("CapacityReservationSpecification", &text("CapacityReservationPreference", "default")),
        group.warm_pool_configuration.as_ref().map(warm_pool).unwrap_or_default(),
        optional("WarmPoolSize", group.warm_pool_size.map(|size| size.to_string()).as_deref()),
        // Recorded: it is always there.
        element(
            "InstanceLifecyclePolicy",
            &element("RetentionTriggers", &text("TerminateHookAbandon", group.terminate_hook_abandon)),
        ),
        list("Tags", &group.tags, |(key, value)| {
            [
                text("ResourceId", &group.name),
                text("ResourceType", "auto-scaling-group"),
                text("Key", key),
                text("Value", value),
                text("PropagateAtLaunch", "false"),
            ]
            .concat()
        }),
    ]
    .concat()
}

fn described(instance: &AutoScalingInstance) -> String {
    [
        text("InstanceId", &instance.instance_id),
        text("InstanceType", "m7g.large"),
        text("AvailabilityZone", &instance.availability_zone),
        text("AvailabilityZoneId", &instance.availability_zone_id),
        text("LifecycleState", &instance.lifecycle_state),
        text("HealthStatus", &instance.health_status),
        launch_template(),
    ]
    .concat()
}

// What every made-up instance was launched from.
const LAUNCH_TEMPLATE: [(&str, &str); 3] =
    [("LaunchTemplateId", "lt-0123456789abcdef0"), ("LaunchTemplateName", "hosts"), ("Version", "1")];

fn launch_template() -> String {
    element("LaunchTemplate", &LAUNCH_TEMPLATE.map(|(name, value)| text(name, value)).concat())
}

fn warm_pool(pool: &WarmPoolSpec) -> String {
    let reuse = text("ReuseOnScaleIn", &pool.reuse_on_scale_in.to_string());
    let configuration =
        [text("MinSize", "0"), text("PoolState", pool.state.as_str()), element("InstanceReusePolicy", &reuse)];
    element("WarmPoolConfiguration", &configuration.concat())
}

fn activity(activity: &ScalingActivity) -> String {
    [
        text("ActivityId", &activity.activity_id),
        text("AutoScalingGroupName", &activity.group),
        text("Description", &activity.description),
        text("Cause", &activity.cause),
        text("StartTime", &activity.start_time.to_string()),
        optional("EndTime", activity.end_time.map(|at| at.to_string()).as_deref()),
        text("StatusCode", &activity.status_code),
        optional("StatusMessage", activity.status_message.as_deref()),
        text("Progress", &activity.progress.to_string()),
        text("Details", &activity.details),
        text("AutoScalingGroupState", "InService"),
        text("AutoScalingGroupARN", &activity.group_arn),
    ]
    .concat()
}

fn hook(hook: &LifecycleHook) -> String {
    [
        text("LifecycleHookName", &hook.name),
        text("AutoScalingGroupName", &hook.group),
        text("LifecycleTransition", hook.transition.as_str()),
        optional("NotificationMetadata", hook.notification_metadata.as_deref()),
        optional("NotificationTargetARN", hook.notification_target.as_deref()),
        text("HeartbeatTimeout", &hook.heartbeat_timeout.to_string()),
        text("GlobalTimeout", &hook.global_timeout.to_string()),
        text("DefaultResult", &hook.default_result),
    ]
    .concat()
}

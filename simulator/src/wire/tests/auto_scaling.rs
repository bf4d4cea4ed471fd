//! Warm pools, scaling activities and policies in XML.

use super::*;
use crate::world::{GroupSpec, HookSpec, HostSpec, Settings, WarmPoolSpec, WarmPoolState};

const GROUP: &str = "AutoScalingGroupName=my-asg";

fn with_pool() -> Simulator {
    let mut world = World::new(wall_now(), Settings::default());
    let target = Some("arn:aws:sqs:us-west-2:123456789012:hooks".to_owned());
    let hook = HookSpec { notification_target: target, ..HookSpec::default() };
    let warm_pool = Some(WarmPoolSpec { state: WarmPoolState::Stopped, reuse_on_scale_in: true });
    let name = "my-asg".to_owned();
    world.add_group(GroupSpec { name, hooks: vec![hook], warm_pool, ..GroupSpec::default() }).unwrap();
    for id in ["i-0a", "i-0b"] {
        let (instance_id, group) = (Some(id.to_owned()), Some("my-asg".to_owned()));
        world.add_host(HostSpec { instance_id, group, ..HostSpec::default() }).unwrap();
    }
    Simulator::start(world).unwrap()
}

/// The names of the elements right within each `<member>` of a list, in their order.
fn fields(xml: &str, list: &str) -> Vec<String> {
    let inside = xml.split(&format!("<{list}><member>")).nth(1).unwrap();
    let (mut names, mut depth) = (Vec::new(), 0);
    for tag in inside.split('<').skip(1) {
        let name = tag.split('>').next().unwrap();
        if let Some(ended) = name.strip_prefix('/') {
            if ended == "member" && depth == 0 {
                return names;
            }
            depth -= 1;
        } else {
            if depth == 0 {
                names.push(name.to_owned());
            }
            depth += 1;
        }
    }
    panic!("{list} does not end: {xml}")
}

// Recorded: the fields of each row, less those that only other instances have.
#[tokio::test]
async fn a_row_of_each_list_has_the_fields_that_were_recorded() {
    let simulator = with_pool();
    simulator.world(|world| world.return_to_warm_pool("i-0a", world.now())).unwrap();
    let held = |world: &World| world.lifecycle_state("i-0a") == Some("Warmed:Pending:Wait");
    assert!(simulator.wait_for(Duration::from_secs(10), held).await);
    let row = [
        "InstanceId",
        "InstanceType",
        "AvailabilityZone",
        "AvailabilityZoneId",
        "LifecycleState",
        "HealthStatus",
        "LaunchTemplate",
    ];
    let (_, pool) = auto_scaling(&simulator, &format!("Action=DescribeWarmPool&{GROUP}")).await;
    assert_eq!(fields(&pool, "Instances"), row);
    assert!(pool.contains("<PoolState>Stopped</PoolState><InstanceReusePolicy><ReuseOnScaleIn>true<"), "{pool}");
    let (_, groups) = auto_scaling(&simulator, "Action=DescribeAutoScalingGroups").await;
    assert_eq!(fields(&groups, "Instances"), [row.as_slice(), &["ProtectedFromScaleIn"]].concat());
    let mut group = fields(&groups, "AutoScalingGroups");
    group.retain(|name| name != "Tags");
    let always = "AutoScalingGroupName AutoScalingGroupARN LaunchTemplate MinSize MaxSize DesiredCapacity DefaultCooldown \
        AvailabilityZones AvailabilityZoneIds LoadBalancerNames TargetGroupARNs HealthCheckType HealthCheckGracePeriod \
        Instances CreatedTime SuspendedProcesses VPCZoneIdentifier EnabledMetrics TerminationPolicies \
        NewInstancesProtectedFromScaleIn ServiceLinkedRoleARN DefaultInstanceWarmup TrafficSources \
        AvailabilityZoneDistribution CapacityReservationSpecification WarmPoolConfiguration WarmPoolSize \
        InstanceLifecyclePolicy";
    assert_eq!(group, always.split(' ').collect::<Vec<_>>());
    assert_eq!(groups.matches("<InstanceId>").count(), 1, "the other is in the pool");
    assert!(groups.contains("<WarmPoolSize>1</WarmPoolSize>"), "{groups}");
    let policy = "<InstanceLifecyclePolicy><RetentionTriggers><TerminateHookAbandon>terminate<";
    assert!(groups.contains(policy), "{groups}");
    let by_id = "Action=DescribeAutoScalingInstances&InstanceIds.member.1=i-0a";
    let (_, instances) = auto_scaling(&simulator, by_id).await;
    let expected = [["AutoScalingGroupName"].as_slice(), &row, &["ProtectedFromScaleIn"]].concat();
    assert_eq!(fields(&instances, "AutoScalingInstances"), expected);
    assert!(instances.contains("<AvailabilityZoneId>usw2-az1<"), "{instances}");
    assert!(instances.contains("<LifecycleState>Warmed:Pending:Wait<"), "{instances}");
}

#[tokio::test]
async fn activities_are_filtered_by_their_start() {
    let simulator = with_pool();
    let began = simulator.world(|world| {
        world.scale_in("i-0a", world.now()).unwrap();
        world.now()
    });
    let (status, xml) = auto_scaling(&simulator, &format!("Action=DescribeScalingActivities&{GROUP}")).await;
    assert_eq!(status, 200);
    let always = [
        "ActivityId",
        "AutoScalingGroupName",
        "Description",
        "Cause",
        "StartTime",
        "StatusCode",
        "Progress",
        "Details",
    ];
    let expected = [always.as_slice(), &["AutoScalingGroupState", "AutoScalingGroupARN"]].concat();
    assert_eq!(fields(&xml, "Activities"), expected);
    assert!(xml.contains("<Description>Terminating EC2 instance: i-0a</Description>"), "{xml}");
    let filtered = |name: &str, value: &str| {
        let value = value.replace(':', "%3A").replace('+', "%2B");
        format!(
            "Action=DescribeScalingActivities&{GROUP}&Filters.member.1.Name={name}&Filters.member.1.Values.member.1={value}"
        )
    };
    for (since, found) in [(began - Duration::from_secs(1), 1), (began + Duration::from_secs(1), 0)] {
        let (_, xml) = auto_scaling(&simulator, &filtered("StartTimeLowerBound", &since.to_string())).await;
        assert_eq!(xml.matches("<ActivityId>").count(), found, "{xml}");
    }
    let (_, xml) = auto_scaling(&simulator, &filtered("StartTimeLowerBound", "2020-01-01T00:00:00+01:00")).await;
    assert_eq!(xml.matches("<ActivityId>").count(), 1, "{xml}");
    for (name, value) in [("Status", "Successful"), ("StartTimeLowerBound", "yesterday"), ("StartTimeLowerBound", "")] {
        let (status, xml) = auto_scaling(&simulator, &filtered(name, value)).await;
        assert!(status == 400 && xml.contains("<Code>ValidationError<"), "{name} {value}: {xml}");
    }
    let two = format!("{}&Filters.member.2.Name=Status", filtered("StartTimeLowerBound", "2020-01-01T00:00:00Z"));
    assert_eq!(auto_scaling(&simulator, &two).await.0, 400);
    let deleted = format!("Action=DescribeScalingActivities&{GROUP}&IncludeDeletedGroups=true");
    assert_eq!(auto_scaling(&simulator, &deleted).await.0, 400, "not modelled");
}

#[tokio::test]
async fn a_hook_tells_its_notification_target() {
    let simulator = with_pool();
    let (_, xml) = auto_scaling(&simulator, &format!("Action=DescribeLifecycleHooks&{GROUP}")).await;
    assert!(xml.contains("<NotificationTargetARN>arn:aws:sqs:us-west-2:123456789012:hooks<"), "{xml}");
}

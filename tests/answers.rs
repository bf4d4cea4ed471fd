//! Answers with status 200 that lack or garble what they must have, through the real SDK and the real binaries.

use serde_json::json;
use shared::aws::batch::few_at_once;
use simulator::world::{Fault, FaultKind, GroupSpec, HostSpec, Operation, Settings, TaskSpec, World};

use crate::support::{CLUSTER, LEAVING, STAYING, Stage, bare_world, host, secs, service, standalone, world};

fn edit(operation: Operation, member: &'static str, becomes: Option<&'static str>) -> Fault {
    Fault { operation: Some(operation), ..Fault::always(FaultKind::Edit { member, becomes }) }
}

fn without(operation: Operation, member: &'static str) -> Fault {
    edit(operation, member, None)
}

async fn unknown_until_whole(fault: Fault) {
    let what = format!("{fault:?}");
    let mut world = world();
    service(&mut world, 1, 0.0, 0.3);
    world.plan(fault);
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[("POLL_FOR_SECONDS", "2")]).await;

    assert_eq!(stage.releases(), [], "{what}: {drain}");
    stage.simulator.world(World::forget_faults);

    let drain = stage.drain(&[]).await;

    assert_eq!(drain["outcome"], "drained", "{what}: {drain}");
    stage.released_empty();
}

#[tokio::test]
async fn an_answer_without_its_list_releases_nothing_until_it_is_whole() {
    let lists = [
        (Operation::ListClusters, "clusterArns"),
        (Operation::ListContainerInstances, "containerInstanceArns"),
        (Operation::DescribeContainerInstances, "containerInstances"),
        (Operation::ListTasks, "taskArns"),
        (Operation::DescribeTasks, "tasks"),
        (Operation::DescribeAutoScalingInstances, "AutoScalingInstances"),
        (Operation::DescribeLifecycleHooks, "LifecycleHooks"),
    ];
    few_at_once(lists.map(|(operation, list)| unknown_until_whole(without(operation, list)))).await;
}

#[tokio::test]
async fn an_instance_in_no_cluster_is_held_while_the_list_of_clusters_is_missing() {
    let mut world = bare_world(Settings::default());
    host(&mut world, LEAVING, None);
    world.plan(without(Operation::ListClusters, "clusterArns"));
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[("POLL_FOR_SECONDS", "1")]).await;

    assert_eq!((drain["outcome"].as_str(), stage.releases().len()), (Some("handed-over"), 0), "{drain}");
}

#[tokio::test]
async fn an_item_without_what_it_must_have_is_unknown() {
    let members = [
        (Operation::DescribeContainerInstances, "status"),
        (Operation::DescribeContainerInstances, "containerInstanceArn"),
        (Operation::DescribeContainerInstances, "ec2InstanceId"),
        (Operation::DescribeTasks, "lastStatus"),
        (Operation::DescribeTasks, "taskArn"),
        (Operation::DescribeAutoScalingInstances, "LifecycleState"),
        (Operation::DescribeAutoScalingInstances, "InstanceId"),
    ];
    few_at_once(members.map(|(operation, member)| {
        // In XML there is no null.
        let is_json = member.starts_with(char::is_lowercase);
        unknown_until_whole(edit(operation, member, is_json.then_some("null")))
    }))
    .await;
}

#[tokio::test]
async fn a_task_without_a_status_holds_up_only_its_own_host() {
    let mut world = world();
    let odd = standalone(&mut world, Some(0.5), 0.2);
    let other = TaskSpec {
        cluster: CLUSTER.into(),
        instance_id: STAYING.into(),
        family: "job".into(),
        stop_time: secs(0.2),
        finishes_after: Some(secs(1.0)),
        ..TaskSpec::default()
    };
    world.run_task(other).unwrap();
    let now = world.now();
    world.scale_in(STAYING, now).unwrap();
    world.plan(Fault { matching: Some(odd), ..edit(Operation::DescribeTasks, "lastStatus", Some("null")) });
    let stage = Stage::scaling_in(world);
    let reconcile = stage.reconcile(&[("POLL_FOR_SECONDS", "8")], secs(20.0));

    reconcile.invoke(&json!({})).await;

    let released: Vec<_> = stage.releases().into_iter().map(|it| it.instance_id).collect();
    assert_eq!(released, [STAYING]);
    stage.simulator.world(World::forget_faults);

    reconcile.invoke(&json!({})).await;

    assert!(stage.releases().iter().all(|it| it.unstopped.is_empty()));
    assert_eq!(stage.releases().len(), 2);
}

#[tokio::test]
async fn a_negative_count_is_taken_as_zero() {
    let mut world = world();
    service(&mut world, 1, 0.0, 0.3);
    world.plan(edit(Operation::DescribeContainerInstances, "pendingTasksCount", Some("-1")));
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[]).await;

    assert_eq!((drain["outcome"].as_str(), drain["tasksStopped"].as_u64()), (Some("drained"), Some(1)), "{drain}");
    stage.released_empty();
}

#[tokio::test]
async fn an_odd_instance_in_another_group_does_not_end_the_scan() {
    let mut world = world();
    world.add_group(GroupSpec { name: "elsewhere".into(), ..GroupSpec::default() }).unwrap();
    let (instance_id, group) = (Some("mi-0123456789abcdef0".into()), Some("elsewhere".into()));
    world.add_host(HostSpec { instance_id, group, ..HostSpec::default() }).unwrap();
    let stage = Stage::scaling_in(world);

    stage.reconcile(&[], secs(20.0)).invoke(&json!({})).await;

    stage.released_empty();
}

#[tokio::test]
async fn a_group_without_a_name_does_not_end_the_scan() {
    let mut world = bare_world(Settings { page_size: 1, ..Settings::default() });
    host(&mut world, LEAVING, Some(CLUSTER));
    world.add_group(GroupSpec { name: "before-all-others".into(), ..GroupSpec::default() }).unwrap();
    let nameless = FaultKind::Edit { member: "AutoScalingGroupName", becomes: None };
    world.plan(Fault::times(Operation::DescribeAutoScalingGroups, 1, nameless));
    let stage = Stage::scaling_in(world);

    stage.reconcile(&[], secs(20.0)).invoke(&json!({})).await;

    stage.released_empty();
}

#[tokio::test]
async fn a_scaling_activity_without_a_start_tells_nothing() {
    let mut world = world();
    standalone(&mut world, Some(1.5), 0.2);
    world.plan(without(Operation::DescribeScalingActivities, "StartTime"));
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[]).await;

    assert_eq!(drain["outcome"], "drained", "{drain}");
    stage.released_empty();
    assert_eq!(stage.count(Operation::StopTask), 0, "the event tells when it began");
}

#[tokio::test]
async fn a_container_instance_that_is_listed_and_missing_is_looked_for_again() {
    let mut world = world();
    service(&mut world, 1, 0.0, 0.3);
    world.plan(Fault::times(Operation::DescribeContainerInstances, 3, FaultKind::Missing));
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[]).await;

    assert_eq!((drain["outcome"].as_str(), drain["tasksStopped"].as_u64()), (Some("drained"), Some(1)), "{drain}");
    stage.released_empty();
}

//! Each error says what to do.

use simulator::world::{CredentialsFault, Fault, FaultKind, Operation, World};

use crate::support::{GROUP, HOST, OTHER, PERSON, Stage, remembered, run, service, standalone, world};

const KEY: (&str, &str) = ("AWS_ACCESS_KEY_ID", PERSON);
const REGION: (&str, &str) = ("AWS_REGION", "us-west-2");

#[tokio::test]
async fn no_region() {
    let ran = run(&[KEY], &["status"]).await;
    assert_eq!(ran.status, 3);
    ran.says("error: no region is set");
    ran.says("--region");
}

#[tokio::test]
async fn no_credentials_and_no_such_profile() {
    let ran = run(&[REGION], &["status"]).await;
    assert_eq!(ran.status, 3, "{ran:?}");
    ran.says("error: there are no AWS credentials");
    ran.says("aws sso login");
    let ran = run(&[REGION], &["status", "--profile", "unknown"]).await;
    assert_eq!(ran.status, 3, "{ran:?}");
    ran.says("there are no AWS credentials in profile unknown");
    ran.says("spelt like this?");
}

#[tokio::test]
async fn a_profile_that_is_named_is_meant_whatever_the_environment_says() {
    let stage = Stage::of(world());
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/profiles");
    let profile = "[profile ops]\nregion = us-west-2\naws_access_key_id = OPS\naws_secret_access_key = secret\n";
    std::fs::write(file, profile).unwrap();
    let variables = [KEY, ("AWS_CONFIG_FILE", file), ("AWS_ENDPOINT_URL", &stage.0.url())];
    let ran = run(&variables, &["status", "--profile", "ops"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    stage.0.world(|world| assert!(world.requests().iter().all(|it| it.client == "OPS")));
}

#[tokio::test]
async fn credentials_that_are_not_good_any_more() {
    for fault in [CredentialsFault::Expired, CredentialsFault::Unknown] {
        let stage = Stage::of(world());
        stage.0.world(|world| world.refuse_credentials(PERSON, fault));
        for arguments in [&["status"][..], &["drain", HOST, "--yes"], &["enroll", GROUP, "--yes"], &["check"]] {
            let ran = stage.run(arguments).await;
            assert_eq!(ran.status, 3, "{arguments:?} {ran:?}");
            ran.says("error: the AWS credentials are not good any more, or not for this region");
            ran.says("Sign in again");
        }
    }
}

#[tokio::test]
async fn a_region_that_is_not_there_or_an_endpoint_that_does_not_answer() {
    let ran = run(&[KEY], &["status", "--region", "us-moon-1", "--endpoint-url", "http://127.0.0.1:9"]).await;
    assert_eq!(ran.status, 3, "{ran:?}");
    ran.says("got no answer in region us-moon-1:");
    ran.says("Is us-moon-1 the region, spelt as AWS spells it?");
}

#[tokio::test]
async fn the_wrong_region_has_no_such_host() {
    let stage = Stage::of(world());
    let ran = stage.run(&["drain", "i-0dddddddddddddddd", HOST, "--yes"]).await;
    assert_eq!(ran.status, 3);
    ran.says("i-0dddddddddddddddd is in no cluster of region us-west-2, and every cluster answered");
    ran.says("Another --region, or another --profile?");
    assert!(stage.is_untouched(), "not even the host that was found");
}

#[tokio::test]
async fn a_cluster_that_is_not_there_or_not_the_hosts() {
    let stage = Stage::of(world());
    stage.0.world(|world| world.add_cluster("staging")).unwrap();
    for command in [&["status"][..], &["watch"], &["drain", HOST], &["undrain", HOST], &["check"]] {
        let ran = stage.run(&[command, &["--cluster", "nope"]].concat()).await;
        assert_eq!(ran.status, 3, "{command:?} {ran:?}");
        ran.says("error: there is no cluster nope in region us-west-2");
        ran.says("There are: prod, staging.");
    }
    let ran = stage.run(&["drain", OTHER, "--cluster", "staging", "--yes"]).await;
    assert_eq!(ran.status, 3);
    ran.says("i-0aaaaaaaaaaaaaaaa is in cluster prod, not in staging");
}

#[tokio::test]
async fn access_denied_names_the_action_and_the_resource() {
    for (arguments, operation, action, resource) in [
        (&["status"][..], Operation::ListClusters, "ecs:ListClusters", "*"),
        (&["status"], Operation::DescribeAutoScalingGroups, "autoscaling:DescribeAutoScalingGroups", "*"),
        (&["status"], Operation::DescribeLifecycleHooks, "autoscaling:DescribeLifecycleHooks", "*"),
        (&["status", "--cluster", "prod"], Operation::DescribeClusters, "ecs:DescribeClusters", "cluster/prod"),
        (&["status"], Operation::ListContainerInstances, "ecs:ListContainerInstances", "cluster/prod"),
        (&["status"], Operation::DescribeTasks, "ecs:DescribeTasks", "task/prod/"),
        (&["drain", HOST, "--yes"], Operation::ListTasks, "ecs:ListTasks", "container-instance/prod/"),
        (
            &["drain", HOST, "--yes"],
            Operation::UpdateContainerInstancesState,
            "ecs:UpdateContainerInstancesState",
            "container-instance/prod/",
        ),
        (&["undrain", HOST], Operation::DescribeAutoScalingInstances, "autoscaling:DescribeAutoScalingInstances", "*"),
        (&["undrain", HOST], Operation::DeleteAttributes, "ecs:DeleteAttributes", "container-instance/prod/"),
        (
            &["enroll", GROUP, "--hook", "ecs-drainer", "--heartbeat", "10m", "--yes"],
            Operation::PutLifecycleHook,
            "autoscaling:PutLifecycleHook",
            "autoScalingGroupName/my-asg",
        ),
        (
            &["unenroll", GROUP, "--hook", "ecs-drainer", "--yes"],
            Operation::DeleteLifecycleHook,
            "autoscaling:DeleteLifecycleHook",
            "autoScalingGroupName/my-asg",
        ),
    ] {
        let stage = Stage::of(if arguments.contains(&"drain") { busy_world() } else { draining_world() });
        if operation == Operation::DescribeLifecycleHooks {
            stage.0.world(|world| world.scale_in(OTHER, world.now())).unwrap();
            let waits = |world: &World| world.lifecycle_state(OTHER) == Some("Terminating:Wait");
            assert!(stage.0.wait_for(crate::support::secs(5.0), waits).await);
        }
        stage
            .0
            .world(|world| world.plan(Fault { operation: Some(operation), ..Fault::always(FaultKind::AccessDenied) }));
        let ran = stage.run(arguments).await;
        assert_eq!(ran.status, 3, "{operation}: {ran:?}");
        ran.says(&format!("error: access denied: {action} on "));
        ran.says(resource);
        ran.says("AWS says: User: arn:aws:");
    }
}

#[tokio::test]
async fn permissions_that_only_tell_more_are_not_needed() {
    for (arguments, operation) in [
        (&["status"][..], Operation::DescribeServices),
        (&["status"], Operation::GetTaskProtection),
        (&["status"], Operation::DescribeStacks),
        (&["drain", HOST, "--yes", "--stop-standalone"], Operation::PutAttributes),
        (&["drain", HOST, "--yes", "--stop-standalone"], Operation::DescribeServices),
    ] {
        let stage = Stage::of(if arguments.contains(&"drain") { busy_world() } else { draining_world() });
        stage.0.world(|world| {
            service(world, "web", 200);
            world.plan(Fault { operation: Some(operation), ..Fault::always(FaultKind::AccessDenied) });
        });
        let ran = stage.run(arguments).await;
        assert_eq!(ran.status, 0, "{operation}: {ran:?}");
    }
}

/// A host with a task.
fn busy_world() -> World {
    let mut world = world();
    standalone(&mut world, None);
    world
}

/// A host with a task that drains already.
fn draining_world() -> World {
    let mut world = busy_world();
    world.set_status(HOST, "DRAINING").unwrap();
    remembered(&mut world, HOST, "ecs-drainer.maintenance-since", "2026-01-15T20:00:00Z");
    world
}

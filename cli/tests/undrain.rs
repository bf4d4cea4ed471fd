//! `undrain`.

use simulator::world::{Fault, FaultKind, Operation, ServiceKind, ServiceSpec};

use crate::support::{CLUSTER, HOST, OTHER, Stage, remembered, world};

#[tokio::test]
async fn a_host_takes_tasks_again_and_everything_of_ours_is_gone() {
    let mut world = world();
    let spec = ServiceSpec {
        cluster: CLUSTER.into(),
        name: "log-agent".into(),
        kind: ServiceKind::Daemon,
        ..ServiceSpec::default()
    };
    world.set_status(HOST, "DRAINING").unwrap();
    world.add_service(spec).unwrap();
    for name in ["drain-started-at", "agent-lost-at", "released-at", "maintenance-since"] {
        remembered(&mut world, HOST, &format!("ecs-drainer.{name}"), "2026-01-15T20:00:00Z");
    }
    remembered(&mut world, HOST, "rack", "7");
    let stage = Stage::of(world);

    let ran = stage.run(&["undrain", HOST, OTHER]).await;

    assert_eq!(ran.status, 0, "{ran:?}");
    ran.says("i-1234567890abcdef0 ACTIVE in cluster prod: takes tasks again; deleted ecs-drainer.agent-lost-at");
    ran.says("i-0aaaaaaaaaaaaaaaa ACTIVE in cluster prod: was ACTIVE already");
    assert_eq!(stage.status_of(HOST), "ACTIVE");
    let ours = stage.0.world(|world| {
        let attributes = world.registrations(HOST).next().unwrap().attributes.clone();
        attributes.keys().filter(|name| name.starts_with("ecs-drainer.")).count()
    });
    assert_eq!((ours, stage.attribute(HOST, "rack")), (0, Some("7".into())), "what is not ours stays");
    assert_eq!(stage.count(Operation::UpdateContainerInstancesState), 1, "not for one that is ACTIVE");
    let placed = stage.0.wait_for(crate::support::secs(10.0), |world| world.unstopped_on(HOST) == 1).await;
    assert!(placed, "the scheduler puts its daemon on it again");
}

#[tokio::test]
async fn a_host_that_is_about_to_be_terminated_is_left_draining() {
    let mut world = world();
    world.set_status(HOST, "DRAINING").unwrap();
    world.scale_in(HOST, world.now()).unwrap();
    let stage = Stage::of(world);
    let ran = stage.run(&["undrain", OTHER, HOST]).await;
    assert_eq!(ran.status, 1);
    ran.says("i-1234567890abcdef0 is about to go, and tasks that ECS put on it with it");
    ran.says("group my-asg has the drainer's hook");
    assert!(stage.is_untouched());
}

#[tokio::test]
async fn as_json() {
    let mut world = world();
    world.set_status(HOST, "DRAINING").unwrap();
    let stage = Stage::of(world);
    let json = stage.run(&["undrain", HOST, "--json"]).await.json();
    let expected = serde_json::json!([{
        "instanceId": HOST, "cluster": CLUSTER, "status": "ACTIVE", "wasDraining": true, "deleted": [],
    }]);
    assert_eq!(json, expected);
}

#[tokio::test]
async fn the_end_says_what_became_of_each_host_though_aws_denies_a_request() {
    let mut world = world();
    for host in [HOST, OTHER] {
        world.set_status(host, "DRAINING").unwrap();
    }
    remembered(&mut world, HOST, "ecs-drainer.maintenance-since", "2026-01-15T20:00:00Z");
    world.plan(Fault::times(Operation::DeleteAttributes, u32::MAX, FaultKind::AccessDenied));
    let stage = Stage::of(world);
    let ran = stage.run(&["undrain", HOST, OTHER]).await;
    assert_eq!(ran.status, 3, "{ran:?}");
    ran.says("i-1234567890abcdef0 ACTIVE in cluster prod, and failed: DeleteAttributes was answered");
    ran.says("i-0aaaaaaaaaaaaaaaa ACTIVE in cluster prod: takes tasks again");
    ran.says("error: access denied: ecs:DeleteAttributes on");
}

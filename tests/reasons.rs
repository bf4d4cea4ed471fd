//! Why a drain still waits: each reason that ECS tells, named by the real binary in its report and its log.

use serde_json::Value;
use simulator::world::{HostSpec, LastStatus, Operation, ServiceSpec, Settings, World};

use crate::spot::daemon;
use crate::support::{
    CLUSTER, GROUP, LEAVING, STAYING, Stage, bare_world_since, host, only, secs, service, standalone, world_since,
};

/// The leaving host has been leaving for longer than a minute, since its world was made.
fn long(world: World) -> Stage {
    Stage::set_draining_late(world)
}

/// The report of one short invocation about the one task that is left.
async fn straggler(stage: &Stage) -> Value {
    let function = stage.function(&[("POLL_FOR_SECONDS", "1"), ("AWS_LAMBDA_LOG_FORMAT", "JSON")]);
    let drain = only(&function.invoke(&stage.event).await);
    assert_eq!(drain["outcome"], "handed-over", "{drain}");
    let [told] = <[Value; 1]>::try_from(drain["remaining"].as_array().unwrap().clone()).expect("one task");
    let lines = function.log_lines().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let lines: Vec<_> = lines.filter(|line| line["message"] == "a task is left").collect();
    let [line] = <[Value; 1]>::try_from(lines).expect("one line");
    let pairs =
        [("task", "task"), ("task_group", "group"), ("owner", "owner"), ("last_status", "lastStatus"), ("why", "why")];
    for (logged, reported) in pairs {
        assert_eq!(line[logged], told[reported], "{line}");
    }
    assert_eq!(line.get("protected_until"), told.get("protectedUntil"), "{line}");
    assert_eq!((line["instance"].as_str(), line["remaining_tasks"].as_u64()), (Some(LEAVING), Some(1)), "{line}");
    told
}

fn why(told: &Value) -> &str {
    told["why"].as_str().unwrap()
}

/// A service of one task, on the leaving host, that ECS keeps within these percentages.
fn kept(minimum_healthy_percent: u32, maximum_percent: u32) -> ServiceSpec {
    ServiceSpec {
        cluster: CLUSTER.into(),
        name: "web".into(),
        desired: 1,
        minimum_healthy_percent,
        maximum_percent,
        ..ServiceSpec::default()
    }
}

#[tokio::test]
async fn a_task_that_no_service_owns() {
    let mut world = world_since(90.0);
    standalone(&mut world, None, 0.2);

    let told = straggler(&long(world)).await;

    assert_eq!((told["owner"].as_str(), told["group"].as_str()), (Some("standalone"), Some("family:job")));
    assert!(why(&told).contains("no service owns it"), "{told}");
}

#[tokio::test]
async fn a_service_that_may_have_neither_fewer_tasks_nor_more() {
    let mut world = world_since(90.0);
    world.add_service_with_tasks_on(kept(100, 100), LEAVING).unwrap();

    let told = straggler(&long(world)).await;

    assert_eq!(told["owner"], "service");
    assert!(why(&told).ends_with("1 desired, minimum 100 %, maximum 100 %"), "{told}");
}

#[tokio::test]
async fn a_service_without_room_for_another_task() {
    let mut world = bare_world_since(90.0, Settings::default());
    host(&mut world, LEAVING, Some(CLUSTER));
    world.add_service_with_tasks_on(kept(100, 200), LEAVING).unwrap();

    let told = straggler(&long(world)).await;

    assert!(
        why(&told).contains("was unable to place a task because no container instance met all of its requirements"),
        "{told}"
    );
}

#[tokio::test]
async fn a_service_without_room_that_told_of_something_else_since() {
    let mut world = bare_world_since(90.0, Settings::default());
    host(&mut world, LEAVING, Some(CLUSTER));
    let room_for_one = HostSpec {
        instance_id: Some(STAYING.into()),
        cluster: Some(CLUSTER.into()),
        group: Some(GROUP.into()),
        slots: 1,
        ..HostSpec::default()
    };
    world.add_host(room_for_one).unwrap();
    let two = ServiceSpec { desired: 2, start_time: secs(0.2), stop_time: secs(0.2), ..kept(100, 200) };
    world.add_service_with_tasks_on(two, LEAVING).unwrap();
    let stage = long(world);
    let one_moved = |world: &World| world.unstopped_on(LEAVING) == 1;
    assert!(stage.simulator.wait_for(secs(20.0), one_moved).await);

    let told = straggler(&stage).await;

    assert!(why(&told).contains("was unable to place a task because no container instance"), "{told}");
}

#[tokio::test]
async fn a_task_that_leaves_its_load_balancer() {
    let mut world = world_since(90.0);
    service(&mut world, 1, 60.0, 0.2);

    let told = straggler(&long(world)).await;

    assert!(why(&told).starts_with("leaving its load balancer, for "), "{told}");
}

#[tokio::test]
async fn a_task_that_takes_long_to_stop() {
    let mut world = world_since(90.0);
    service(&mut world, 1, 0.0, 20.0);

    let told = straggler(&long(world)).await;

    assert!(why(&told).starts_with("stopping, for ") && why(&told).contains("stopTimeout"), "{told}");
    assert_eq!(told["lastStatus"], "RUNNING", "as on real AWS");
}

#[tokio::test]
async fn a_task_whose_containers_have_ended() {
    let mut world = bare_world_since(90.0, Settings { deprovisioning: secs(30.0), ..Settings::default() });
    host(&mut world, LEAVING, Some(CLUSTER));
    host(&mut world, STAYING, Some(CLUSTER));
    let one = ServiceSpec { start_time: secs(0.1), stop_time: secs(0.1), ..kept(0, 200) };
    world.add_service_with_tasks_on(one, LEAVING).unwrap();
    let stage = long(world);
    let ended = |world: &World| world.tasks_on(LEAVING)[0].last_status == LastStatus::Deprovisioning;
    assert!(stage.simulator.wait_for(secs(20.0), ended).await);

    let told = straggler(&stage).await;

    assert_eq!(told["lastStatus"], "DEPROVISIONING");
    assert!(why(&told).starts_with("its containers have ended") && !why(&told).contains("killed"), "{told}");
}

#[tokio::test]
async fn a_host_whose_agent_is_disconnected() {
    let mut world = world_since(90.0);
    service(&mut world, 1, 0.0, 0.2);
    world.set_agent_connected(LEAVING, false).unwrap();

    let told = straggler(&long(world)).await;

    assert!(why(&told).contains("agent is disconnected"), "{told}");
}

#[tokio::test]
async fn a_daemon_that_waits_for_the_others() {
    let mut world = world_since(90.0);
    daemon(&mut world, 0.2);
    world.add_service_with_tasks_on(kept(100, 100), LEAVING).unwrap();
    let stage = long(world);

    let drain = stage.drain(&[("POLL_FOR_SECONDS", "1")]).await;

    let daemon = drain["remaining"].as_array().unwrap().iter().find(|it| it["owner"] == "daemon").expect("a daemon");
    assert!(why(daemon).starts_with("a daemon"), "{drain}");
}

#[tokio::test]
async fn protection_from_scale_in_is_reported_and_not_blamed() {
    let mut world = world_since(90.0);
    let spec = ServiceSpec { protected_for: Some(secs(3_600.0)), ..kept(100, 100) };
    world.add_service_with_tasks_on(spec, LEAVING).unwrap();

    let told = straggler(&long(world)).await;

    assert!(told["protectedUntil"].as_str().unwrap().ends_with('Z'), "{told}");
    assert!(why(&told).contains("neither fewer tasks nor more"), "{told}");
}

#[tokio::test]
async fn the_drainer_does_not_ask_why_of_a_drain_that_goes_well_and_seldom_of_a_long_one() {
    let asked = |stage: &Stage| (stage.count(Operation::DescribeServices), stage.count(Operation::GetTaskProtection));
    let mut short = world_since(90.0);
    short.add_service_with_tasks_on(kept(100, 100), LEAVING).unwrap();
    let stage = Stage::scaling_in(short.clone());
    stage.drain(&[("POLL_FOR_SECONDS", "1")]).await;
    assert_eq!(asked(&stage), (0, 0), "it is not a minute old");

    for other in 0..12 {
        let spec = ServiceSpec { name: format!("other-{other}"), ..kept(100, 100) };
        short.add_service_with_tasks_on(spec, LEAVING).unwrap();
    }
    let stage = long(short);
    let function = stage.function(&[("POLL_FOR_SECONDS", "1")]);
    for _ in 0..2 {
        let drain = only(&function.invoke(&stage.event).await);
        assert_eq!(drain["remaining"].as_array().map(Vec::len), Some(13), "{drain}");
        assert!(
            drain["remaining"].as_array().unwrap().iter().all(|told| why(told).contains("neither fewer")),
            "{drain}"
        );
    }
    assert_eq!(asked(&stage), (2, 1), "thirteen services in two requests, once for both invocations");
}

#[tokio::test]
async fn a_drain_goes_on_where_ecs_does_not_say_why() {
    let mut world = world_since(90.0);
    world.add_service_with_tasks_on(kept(100, 100), LEAVING).unwrap();
    for operation in [Operation::DescribeServices, Operation::GetTaskProtection] {
        let fault = simulator::world::Fault::times(operation, u32::MAX, simulator::world::FaultKind::AccessDenied);
        world.plan(fault);
    }

    let told = straggler(&long(world)).await;

    assert_eq!(why(&told), "its service has not stopped it yet");
}

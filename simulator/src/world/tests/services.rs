//! The service scheduler.

use super::*;

fn drain(world: &mut World, instance_id: &str) {
    let request = Request::UpdateContainerInstancesState {
        cluster: named(CLUSTER),
        container_instances: vec![registration(world, instance_id).id],
        status: "DRAINING".to_owned(),
    };
    ask(world, request).unwrap();
}

/// Two hosts, all tasks of one service on the first, which then drains.
fn draining(desired: usize, minimum: u32, maximum: u32) -> World {
    let mut world = world();
    host(&mut world, "i-1");
    host(&mut world, "i-2");
    let spec = ServiceSpec {
        minimum_healthy_percent: minimum,
        maximum_percent: maximum,
        start_time: seconds(10),
        ..service("web", desired)
    };
    world.add_service_with_tasks_on(spec, "i-1").unwrap();
    drain(&mut world, "i-1");
    world
}

#[test]
fn tasks_spread_over_the_hosts_and_leave_full_ones() {
    let mut world = world();
    for (id, slots) in [("i-1", 1), ("i-2", 5), ("i-3", 5)] {
        host_with(&mut world, id, slots);
    }
    world.add_service(service("web", 6)).unwrap();
    let spread = ["i-1", "i-2", "i-3"].map(|id| world.unstopped_on(id));
    assert_eq!(spread, [1, 3, 2]);
    let too_many = world.add_service(service("big", 9));
    assert!(matches!(too_many, Err(WorldError::NoRoom { .. })));
}

#[test]
fn with_minimum_and_maximum_100_nothing_ever_moves() {
    let mut world = draining(2, 100, 100);
    world.advance(at(86_400));
    assert_eq!(world.unstopped_on("i-1"), 2);
    assert_eq!(world.unstopped_on("i-2"), 0);
}

#[test]
fn with_minimum_100_and_maximum_200_replacements_run_first() {
    let mut world = draining(2, 100, 200);
    world.advance(at(9));
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running; 2]);
    assert_eq!(world.unstopped_on("i-2"), 2);
    world.advance(at(11));
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Stopping; 2]);
    assert_eq!(statuses(&world, "i-2"), [LastStatus::Running; 2]);
}

#[test]
fn below_100_some_stop_before_their_replacements_run() {
    let mut world = draining(4, 50, 100);
    world.advance(at(1));
    assert_eq!(counts(&world, "i-1"), (2, 0));
    assert_eq!(counts(&world, "i-2"), (0, 2));
    world.advance(at(60));
    assert_eq!(world.unstopped_on("i-1"), 0);
    assert_eq!(counts(&world, "i-2"), (4, 0));
}

#[test]
fn the_minimum_is_rounded_up_and_the_maximum_down() {
    let mut world = draining(3, 50, 150);
    world.advance(at(1));
    // At least 2 healthy, at most 4 wanted: one stops, and two start in the end.
    assert_eq!(counts(&world, "i-1"), (2, 0));
    assert_eq!(counts(&world, "i-2"), (0, 2));
}

#[test]
fn without_room_elsewhere_a_replacement_waits_for_it() {
    let mut world = world();
    host(&mut world, "i-1");
    world.add_service_with_tasks_on(service("web", 1), "i-1").unwrap();
    drain(&mut world, "i-1");
    world.advance(at(600));
    assert_eq!(counts(&world, "i-1"), (1, 0));
    host(&mut world, "i-2");
    world.advance(at(700));
    assert_eq!(counts(&world, "i-2"), (1, 0));
    assert_eq!(world.unstopped_on("i-1"), 0);
}

#[test]
fn pending_service_tasks_on_a_draining_host_stop_at_once() {
    let mut world = draining(1, 100, 200);
    world.advance(at(1));
    assert_eq!(counts(&world, "i-2"), (0, 1));
    drain(&mut world, "i-2");
    world.advance(at(2));
    assert_eq!(world.unstopped_on("i-2"), 0);
    assert_eq!(counts(&world, "i-1"), (1, 0));
}

#[test]
fn a_task_that_somebody_stops_is_replaced() {
    let mut world = draining(2, 100, 100);
    for task in world.tasks_on("i-1").into_iter().cloned().collect::<Vec<_>>() {
        stop(&mut world, &task.id);
    }
    world.advance(at(60));
    assert_eq!(world.unstopped_on("i-1"), 0);
    assert_eq!(counts(&world, "i-2"), (2, 0));
}

#[test]
fn a_host_that_is_active_again_keeps_its_task_and_the_surplus_goes() {
    let mut world = draining(1, 100, 200);
    world.advance(at(1));
    world.set_status("i-1", "ACTIVE").unwrap();
    world.advance(at(60));
    assert_eq!(counts(&world, "i-1"), (1, 0));
    assert_eq!(world.unstopped_on("i-2"), 0);
}

#[test]
fn nothing_is_placed_where_the_agent_is_disconnected() {
    let mut world = draining(1, 0, 100);
    world.set_agent_connected("i-2", false).unwrap();
    world.advance(at(60));
    assert!(world.tasks_on("i-2").is_empty());
}

#[test]
fn daemons_go_last_and_are_not_placed_on_a_draining_host() {
    let mut world = world();
    host(&mut world, "i-1");
    host(&mut world, "i-2");
    let daemon = ServiceSpec { kind: ServiceKind::Daemon, ..service("log-agent", 0) };
    world.add_service(daemon).unwrap();
    let task = world.run_task(job("i-1")).unwrap();
    drain(&mut world, "i-1");
    world.advance(at(600));
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running; 2]);
    stop(&mut world, &task);
    world.advance(at(601));
    assert_eq!(counts(&world, "i-1"), (1, 0), "the job is still stopping");
    world.advance(at(610));
    assert_eq!(world.unstopped_on("i-1"), 0);
    assert_eq!(counts(&world, "i-2"), (1, 0));
    world.set_status("i-1", "ACTIVE").unwrap();
    world.advance(at(660));
    assert_eq!(counts(&world, "i-1"), (1, 0), "a daemon is back");
}

#[test]
fn draining_leaves_standalone_tasks_alone() {
    let mut world = world();
    host(&mut world, "i-1");
    world.run_task(job("i-1")).unwrap();
    drain(&mut world, "i-1");
    world.advance(at(86_400));
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running]);
}

#[test]
fn a_service_tells_its_scheduling_strategy_and_what_runs_of_it() {
    let mut world = draining(2, 100, 200);
    let daemon = ServiceSpec { kind: ServiceKind::Daemon, ..service("log-agent", 0) };
    world.add_service(daemon).unwrap();
    world.advance(at(5));
    let services = ["web", "log-agent", "none"].map(str::to_owned).to_vec();
    let request = Request::DescribeServices { cluster: named(CLUSTER), services };
    let Ok(Response::Services { services, failures }) = ask(&mut world, request) else { panic!("services") };
    let told: Vec<_> = services
        .iter()
        .map(|it| (it.service_name.as_str(), it.scheduling_strategy, it.desired_count, it.running_count))
        .collect();
    assert_eq!(told, [("web", "REPLICA", 2, 2), ("log-agent", "DAEMON", 1, 1)]);
    assert_eq!(services[0].pending_count, 2, "the replacements");
    assert_eq!(failures.iter().map(|it| it.reason.as_str()).collect::<Vec<_>>(), ["MISSING"]);
    let too_many = Request::DescribeServices { cluster: named(CLUSTER), services: vec!["web".to_owned(); 11] };
    assert_eq!(refusal(&mut world, too_many).code, "InvalidParameterException");
}

//! The service scheduler.

use super::*;

const UNABLE: &str = "was unable to place a task because no container instance met all of its requirements. ";
const MORE: &str = " For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.";
const STEADY: &str = "has reached a steady state.";
const NO_HOSTS: &str = "Reason: No Container Instances were found in your cluster.";

/// When each event of a service was that tells how it stands, the newest first, and what it says without the words they
/// all have.
fn events(world: &mut World, service: &str) -> Vec<(Timestamp, String)> {
    let mut events = all_events(world, service);
    events.retain(|(_, message)| !message.starts_with("has started ") && !message.contains("stopped "));
    events
}

fn all_events(world: &mut World, service: &str) -> Vec<(Timestamp, String)> {
    let request = EcsRequest::DescribeServices { cluster: named(CLUSTER), services: vec![service.to_owned()] };
    let Ok(Response::Services { services, .. }) = ask(world, request) else { panic!("services") };
    let brief = |message: &str| {
        let said = message.strip_prefix(&format!("(service {service}) ")).unwrap();
        let Some(why) = said.strip_prefix(UNABLE) else { return said.to_owned() };
        why.strip_suffix(MORE).unwrap().to_owned()
    };
    services[0].events.iter().map(|event| (event.created_at, brief(&event.message))).collect()
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
    assert_eq!(counts(&world, "i-1"), (0, 0), "both are told to stop");
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
fn a_task_that_a_user_stops_is_replaced() {
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
fn tasks_are_placed_again_on_a_host_that_was_set_active() {
    let mut world = draining(2, 0, 100);
    world.advance(at(60));
    assert_eq!(counts(&world, "i-2"), (2, 0));
    update(&mut world, "i-1", "ACTIVE");
    world.advance(at(120));
    assert_eq!(counts(&world, "i-1"), (0, 0), "what runs elsewhere stays there");
    let task = world.tasks_on("i-2").into_iter().find(|task| task.is_alive()).unwrap().id.clone();
    stop(&mut world, &task);
    world.advance(at(180));
    assert_eq!((counts(&world, "i-1"), counts(&world, "i-2")), ((1, 0), (1, 0)));
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
fn a_service_tells_once_that_it_is_steady() {
    let mut world = draining(2, 100, 200);
    world.advance(at(11));
    assert_eq!(events(&mut world, "web"), [], "the old ones still stop");
    world.advance(at(60));
    let [(told, message)] = &events(&mut world, "web")[..] else { panic!("one event") };
    assert_eq!(message, STEADY);
    assert!((at(11)..at(13)).contains(told), "when the last one left: {told}");
    let task = world.tasks_on("i-2")[0].id.clone();
    stop(&mut world, &task);
    world.advance(at(600));
    assert_eq!(events(&mut world, "web").len(), 2, "it started one since");
    host(&mut world, "i-3");
    world.advance(at(900));
    assert_eq!(events(&mut world, "web").len(), 2, "it is the newest already");
}

#[test]
fn a_service_without_tasks_and_a_daemon_are_steady_too() {
    let mut world = world();
    world.add_service(service("none", 0)).unwrap();
    host(&mut world, "i-1");
    host(&mut world, "i-2");
    let daemon = ServiceSpec { kind: ServiceKind::Daemon, ..service("log-agent", 0) };
    world.add_service(daemon).unwrap();
    world.set_agent_connected("i-2", false).unwrap();
    world.advance(at(1));
    for name in ["none", "log-agent"] {
        assert_eq!(events(&mut world, name), [(START + world.settings().tick, STEADY.to_owned())]);
    }
    assert_eq!(world.next_change(), None, "and nothing looks again");
}

#[test]
fn a_service_tells_that_no_host_has_room_and_which_is_closest() {
    let mut world = world();
    host(&mut world, "i-1");
    world.add_service_with_tasks_on(service("web", 1), "i-1").unwrap();
    host_with(&mut world, "i-2", 1);
    host_with(&mut world, "i-3", 1);
    let tasks = ["i-2", "i-3"].map(|id| world.run_task(job(id)).unwrap());
    drain(&mut world, "i-1");
    world.advance(at(1));
    let full = |world: &World, id| {
        let instance = registration(world, id).id;
        format!("The closest matching (container-instance {instance}) has insufficient CPU units available.")
    };
    let told = (START + world.settings().tick, full(&world, "i-2"));
    assert_eq!(events(&mut world, "web"), std::slice::from_ref(&told));

    world.set_agent_connected("i-3", false).unwrap();
    world.advance(at(10));
    assert_eq!(events(&mut world, "web"), std::slice::from_ref(&told), "it is the newest already");
    world.set_agent_connected("i-2", false).unwrap();
    world.advance(at(20));
    let instance = registration(&world, "i-2").id;
    let agent = format!("The closest matching (container-instance {instance}) encountered error \"AGENT\".");
    let messages = |world: &mut World| events(world, "web").into_iter().map(|(_, message)| message).collect::<Vec<_>>();
    assert_eq!(messages(&mut world), [agent.clone(), told.1.clone()]);

    for id in ["i-2", "i-3"] {
        world.set_status(id, "DRAINING").unwrap();
        world.set_agent_connected(id, true).unwrap();
    }
    world.advance(at(30));
    assert_eq!(messages(&mut world), [NO_HOSTS.to_owned(), agent, told.1]);
    assert_eq!(counts(&world, "i-1"), (1, 0), "it is not stopped before its replacement runs");

    stop(&mut world, &tasks[0]);
    world.advance(at(40));
    world.set_status("i-2", "ACTIVE").unwrap();
    world.advance(at(60));
    assert_eq!(messages(&mut world)[..2], [STEADY, NO_HOSTS]);
}

#[test]
fn a_service_that_may_not_start_more_does_not_tell_of_no_room() {
    let mut world = world();
    host(&mut world, "i-1");
    world.add_service_with_tasks_on(ServiceSpec { maximum_percent: 100, ..service("web", 1) }, "i-1").unwrap();
    drain(&mut world, "i-1");
    world.advance(at(600));
    assert_eq!(events(&mut world, "web"), []);
}

#[test]
fn the_newest_hundred_events_are_kept_and_have_ids_of_their_own() {
    let mut world = world();
    host(&mut world, "i-1");
    world.add_service(service("web", 1)).unwrap();
    for minute in 1..=60 {
        // It is told of no room while the host drains, and of steadiness when it does not.
        for (second, status) in [(0, "DRAINING"), (30, "ACTIVE")] {
            world.advance(at(minute * 60 + second));
            world.set_status("i-1", status).unwrap();
        }
    }
    world.advance(at(2 * 3600));
    let events = events(&mut world, "web");
    assert_eq!(events.len(), 100);
    assert_eq!([&*events[0].1, &*events[1].1], [STEADY, NO_HOSTS]);
    assert!(events.is_sorted_by(|newer, older| newer.0 > older.0));
    let description = world.ecs.describe_service(&world.present, CLUSTER, "web").unwrap();
    let ids: BTreeSet<_> = description.events.iter().map(|event| &event.id).collect();
    assert_eq!(ids.len(), 100);
}

#[test]
fn a_service_tells_what_it_starts_and_stops_between_how_it_stands() {
    let mut world = world();
    host(&mut world, "i-1");
    host_with(&mut world, "i-2", 1);
    let spec = ServiceSpec { minimum_healthy_percent: 50, start_time: seconds(10), ..service("web", 4) };
    world.add_service_with_tasks_on(spec, "i-1").unwrap();
    drain(&mut world, "i-1");
    world.advance(at(60));
    let full = format!(
        "The closest matching (container-instance {}) has insufficient CPU units available.",
        registration(&world, "i-2").id
    );
    let ids: Vec<_> = world.tasks_on("i-1").into_iter().filter(|task| !task.is_alive()).collect();
    assert_eq!(ids.len(), 3, "two may go at once, the third when the first replacement runs");
    let here = world.tasks_on("i-2")[0].id.clone();
    let messages: Vec<_> = all_events(&mut world, "web").into_iter().map(|(_, message)| message).collect();
    let [third, two, unable, started] = &messages[..] else { panic!("{messages:#?}") };
    assert_eq!(*started, format!("has started 1 tasks: (task {here})."));
    assert_eq!(*unable, full, "it is told once, though it stays so");
    assert!(two.starts_with("has stopped 2 running tasks: (task ") && two.ends_with(")."), "{two}");
    assert!(third.starts_with("has stopped 1 running tasks: (task "), "{third}");
}

#[test]
fn pending_tasks_that_stop_are_counted() {
    let mut world = draining(1, 100, 200);
    world.advance(at(1));
    drain(&mut world, "i-2");
    world.advance(at(2));
    let messages: Vec<_> = all_events(&mut world, "web").into_iter().map(|(_, message)| message).collect();
    assert!(messages.contains(&"stopped 1 pending tasks.".to_owned()), "{messages:#?}");
}

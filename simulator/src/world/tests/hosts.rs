//! Hosts that go away.

use super::*;

#[test]
fn what_is_not_stopped_when_the_host_goes_is_killed() {
    let mut world = world();
    host(&mut world, "i-1");
    let done = world.run_task(job("i-1")).unwrap();
    let still_runs = world.run_task(job("i-1")).unwrap();
    stop(&mut world, &done);
    world.advance(at(10));
    world.power_off("i-1").unwrap();
    let killed: Vec<_> = (world.killed().iter()).map(|killed| (killed.task.clone(), killed.last_status)).collect();
    let arn = world.task(&still_runs).unwrap().arn.clone();
    assert_eq!(killed, [(arn, LastStatus::Running)]);
    assert_eq!(world.lifecycle_state("i-1"), None);
}

#[test]
fn a_host_that_goes_away_deregisters_and_its_tasks_are_stopped() {
    let mut world = world();
    host(&mut world, "i-1");
    let task = world.run_task(job("i-1")).unwrap();
    world.power_off("i-1").unwrap();
    assert_eq!(registration(&world, "i-1").status, "INACTIVE");
    let task = world.task(&task).unwrap();
    assert_eq!(task.last_status, LastStatus::Stopped);
    assert_eq!(task.stopped_reason.as_deref(), Some("Host EC2 (instance i-1) terminated."));
}

#[test]
fn a_host_that_was_disconnected_before_stays_listed_and_its_tasks_read_running_for_ever() {
    let mut world = world();
    host(&mut world, "i-1");
    world.run_task(job("i-1")).unwrap();
    world.set_agent_connected("i-1", false).unwrap();
    world.power_off("i-1").unwrap();
    world.advance(at(864_000));
    let described = registration(&world, "i-1");
    assert_eq!(described.status, "ACTIVE");
    assert!(!described.agent_connected);
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running]);
    assert_eq!(world.killed().len(), 1);
    assert!(world.set_agent_connected("i-1", true).is_err());
}

#[test]
fn a_deregistered_host_orphans_its_tasks_and_services_start_others() {
    let mut world = world();
    host(&mut world, "i-1");
    host(&mut world, "i-2");
    world.add_service_with_tasks_on(service("web", 1), "i-1").unwrap();
    world.deregister("i-1").unwrap();
    world.advance(at(60));
    assert_eq!(registration(&world, "i-1").status, "INACTIVE");
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running]);
    assert_eq!(counts(&world, "i-2"), (1, 0));
    world.power_off("i-1").unwrap();
    assert_eq!(world.killed().len(), 1);
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Stopped]);
}

#[test]
fn a_host_may_be_registered_twice() {
    let mut world = world();
    host(&mut world, "i-1");
    world.add_cluster("other").unwrap();
    world.register("i-1", "other").unwrap();
    assert_eq!(world.registrations("i-1").count(), 2);
    assert_eq!(world.register("i-9", "other"), Err(unknown("running host", "i-9")));
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let story = || {
        let mut world = world();
        let id = world.add_host(HostSpec::default()).unwrap();
        world.register(&id, CLUSTER).unwrap();
        world.add_service(service("web", 3)).unwrap();
        world.advance(at(60));
        let arns: Vec<_> = world.tasks().map(|task| task.arn.clone()).collect();
        (id, arns)
    };
    let (id, arns) = story();
    assert_eq!(id.len(), 19);
    assert_eq!((id, arns), story());
}

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
fn the_agent_of_a_host_is_in_one_cluster_the_one_that_it_joined_last() {
    let mut world = world();
    host(&mut world, "i-1");
    let phantom = world.run_task(job("i-1")).unwrap();
    world.add_cluster("other").unwrap();
    let latest = world.register("i-1", "other").unwrap();
    world.set_agent_connected("i-1", true).unwrap();
    let connected: Vec<_> = world.registrations("i-1").filter(|it| it.agent_connected).map(|it| &it.id).collect();
    assert_eq!(connected, [&latest]);
    let earlier = world.registrations("i-1").find(|it| it.id != latest).unwrap();
    assert_eq!(earlier.status, "ACTIVE", "it keeps what it had");
    let (earlier, arn) = (earlier.id.clone(), earlier.arn.clone());
    let describe = EcsRequest::DescribeContainerInstances { cluster: named(CLUSTER), container_instances: vec![arn] };
    let Ok(Response::ContainerInstances { container_instances, .. }) = ask(&mut world, describe) else {
        panic!("not described");
    };
    assert_eq!(container_instances[0].running_tasks_count, 1);
    stop(&mut world, &phantom);
    world.advance(at(864_000));
    assert_eq!(world.task(&phantom).unwrap().last_status, LastStatus::Running, "{earlier} has no agent to stop it");
    assert_eq!((world.tasks_on("i-1").len(), world.unstopped_on("i-1")), (0, 0), "it does not run");
    world.power_off("i-1").unwrap();
    assert!(world.killed().is_empty());
}

#[test]
fn an_agent_that_joins_the_same_cluster_again_leaves_what_it_was_there() {
    let mut world = world();
    host(&mut world, "i-1");
    drain(&mut world, "i-1");
    let latest = world.register("i-1", CLUSTER).unwrap();
    world.add_service(service("web", 1)).unwrap();
    let stood: BTreeSet<_> = (world.registrations("i-1"))
        .map(|it| (it.id == latest, it.status.clone(), it.agent_connected, it.left_behind))
        .collect();
    let expected = [(false, "DRAINING".to_owned(), false, true), (true, "ACTIVE".to_owned(), true, false)];
    assert_eq!(stood, BTreeSet::from(expected));
    assert_eq!(world.tasks_on("i-1")[0].container_instance, latest);
}

#[test]
fn a_pending_count_may_be_wrong_for_ever() {
    let mut world = world();
    host(&mut world, "i-1");
    for by in [1, -1] {
        world.miscount_pending("i-1", by).unwrap();
        world.advance(world.now() + seconds(864_000));
        assert_eq!(counts(&world, "i-1"), (0, by));
    }
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

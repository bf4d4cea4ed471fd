//! Warm pools.

use super::*;

fn pool(state: WarmPoolState) -> World {
    let launch = HookSpec { transition: Transition::Launching, ..HookSpec::terminating("boot", seconds(300)) };
    let hooks = vec![HookSpec::terminating("ours", seconds(300)), launch];
    let warm_pool = Some(WarmPoolSpec { state, reuse_on_scale_in: true });
    let mut world = world_of(GroupSpec { hooks, warm_pool, ..GroupSpec::default() });
    host(&mut world, "i-1");
    world
}

fn groups(world: &mut World) -> AutoScalingGroup {
    let request =
        AutoScalingRequest::DescribeAutoScalingGroups { names: Vec::new(), max_records: None, next_token: None };
    let Ok(Response::AutoScalingGroups { groups, .. }) = ask(world, request) else { panic!("not groups") };
    groups[0].clone()
}

fn by_id(world: &mut World, instance_id: &str) -> Vec<AutoScalingInstance> {
    let instance_ids = vec![instance_id.to_owned()];
    let request =
        AutoScalingRequest::DescribeAutoScalingInstances { instance_ids, max_records: None, next_token: None };
    let Ok(Response::AutoScalingInstances { instances, .. }) = ask(world, request) else { panic!("not instances") };
    instances
}

fn described(world: &mut World, max_records: Option<i32>, token: Option<String>) -> (Vec<String>, Option<String>) {
    let request = AutoScalingRequest::DescribeWarmPool { group: GROUP.to_owned(), max_records, next_token: token };
    let Ok(Response::WarmPool { instances, configuration, next_token }) = ask(world, request) else {
        panic!("not a pool")
    };
    assert!(configuration.is_some_and(|pool| pool.reuse_on_scale_in));
    assert!(instances.iter().all(|instance| instance.health_status == "Healthy"));
    (instances.into_iter().map(|instance| instance.instance_id).collect(), next_token)
}

#[test]
fn a_return_reads_in_service_until_it_waits_and_ends_in_the_pool() {
    for (state, last) in [
        (WarmPoolState::Running, "Warmed:Running"),
        (WarmPoolState::Stopped, "Warmed:Stopped"),
        (WarmPoolState::Hibernated, "Warmed:Hibernated"),
    ] {
        let mut world = pool(state);
        world.return_to_warm_pool("i-1", START).unwrap();
        assert!(world.return_to_warm_pool("i-1", START).is_err() && world.scale_in("i-1", START).is_err(), "once");
        assert_eq!(states_until(&mut world, "i-1", at(1)), ["InService", "Warmed:Pending:Wait"]);
        ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
        assert_eq!(states_until(&mut world, "i-1", at(3)), ["Warmed:Pending:Proceed", last]);
        let release = &world.releases()[0];
        assert_eq!((release.destination, release.leads_to), ("WarmPool", "Warmed:Pending:Proceed"));
    }
}

#[test]
fn abandon_does_not_terminate_on_the_way_to_the_pool() {
    let mut world = pool(WarmPoolState::Running);
    world.return_to_warm_pool("i-1", START).unwrap();
    world.advance(at(1));
    ask(&mut world, complete("ours", "i-1", "ABANDON")).unwrap();
    assert_eq!(states_until(&mut world, "i-1", at_ms(1_250)), ["Warmed:Pending:Wait", "Warmed:Running"]);
    assert_eq!(world.releases()[0].leads_to, "Warmed:Running");
    world.advance(at(1000));
    assert!(world.host("i-1").unwrap().powered && world.killed().is_empty());
}

#[test]
fn without_a_termination_hook_it_goes_there_at_once() {
    let warm_pool = Some(WarmPoolSpec { state: WarmPoolState::Stopped, reuse_on_scale_in: true });
    let mut world = world_of(GroupSpec { warm_pool, ..GroupSpec::default() });
    host(&mut world, "i-1");
    assert!(world.return_to_warm_pool("i-1", START).unwrap().is_empty());
    assert_eq!(states_until(&mut world, "i-1", at(2)), ["Warmed:Pending", "Warmed:Stopped"]);
}

#[test]
fn what_runs_on_a_host_that_stops_there_is_killed_and_on_one_that_runs_is_not() {
    for (state, killed) in [(WarmPoolState::Running, 0), (WarmPoolState::Stopped, 1), (WarmPoolState::Hibernated, 1)] {
        let mut world = pool(state);
        world.run_task(job("i-1")).unwrap();
        world.set_status("i-1", "DRAINING").unwrap();
        world.return_to_warm_pool("i-1", START).unwrap();
        ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
        world.advance(at(10));
        assert_eq!(world.killed().len(), killed, "{state:?}");
        let instance = registration(&world, "i-1");
        assert_eq!((instance.status.as_str(), instance.agent_connected), ("DRAINING", killed == 0));
        assert_eq!(world.host("i-1").unwrap().powered, killed == 0);
    }
}

#[test]
fn what_was_killed_as_the_host_stopped_is_not_killed_again_as_it_terminates() {
    let mut world = pool(WarmPoolState::Stopped);
    world.run_task(job("i-1")).unwrap();
    world.set_agent_connected("i-1", false).unwrap();
    world.return_to_warm_pool("i-1", START).unwrap();
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    world.advance(at(10));
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running], "ECS has not noticed");
    world.terminate_warmed("i-1", at(10)).unwrap();
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    world.advance(at(20));
    assert_eq!((world.lifecycle_state("i-1"), world.killed().len()), (None, 1));
}

#[test]
fn one_that_stopped_starts_as_the_container_instance_that_it_was() {
    let mut world = pool(WarmPoolState::Stopped);
    world.run_task(job("i-1")).unwrap();
    world.set_agent_connected("i-1", false).unwrap();
    world.return_to_warm_pool("i-1", START).unwrap();
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    assert!(world.launch_from_warm_pool("i-1", START).is_err(), "it is not there yet");
    world.launch_from_warm_pool("i-1", at(10)).unwrap();
    assert_eq!(world.lifecycle_state("i-1"), Some("InService"));
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Stopped]);
    assert!(world.host("i-1").unwrap().powered && registration(&world, "i-1").agent_connected);
    assert_eq!(world.registrations("i-1").count(), 1);
    world.scale_in("i-1", at(20)).unwrap();
}

#[test]
fn an_instance_leaves_the_pool_by_its_own_states() {
    for state in [WarmPoolState::Running, WarmPoolState::Stopped] {
        let mut world = pool(state);
        assert!(world.terminate_warmed("i-1", START).is_err(), "it is in service");
        world.return_to_warm_pool("i-1", START).unwrap();
        ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
        world.advance(at(10));
        world.terminate_warmed("i-1", at(10)).unwrap();
        assert_eq!(states_until(&mut world, "i-1", at(11)), ["Warmed:Terminating", "Warmed:Terminating:Wait"]);
        ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
        assert_eq!(states_until(&mut world, "i-1", at(13)), ["Warmed:Terminating:Proceed", "-"]);
        assert!(!world.host("i-1").unwrap().powered && world.killed().is_empty());
    }
}

#[test]
fn a_launch_waits_on_the_launch_hook_in_the_state_of_a_return() {
    let mut world = pool(WarmPoolState::Stopped);
    world.launch_into_warm_pool("i-9", GROUP, START).unwrap();
    assert_eq!(states_until(&mut world, "i-9", at(1)), ["Warmed:Pending", "Warmed:Pending:Wait"]);
    assert_eq!(world.host("i-9").unwrap().waits_on().collect::<Vec<_>>(), ["boot"]);
    refusal(&mut world, complete("ours", "i-9", "CONTINUE"));
    ask(&mut world, complete("boot", "i-9", "CONTINUE")).unwrap();
    assert_eq!(states_until(&mut world, "i-9", at(3)), ["Warmed:Pending:Proceed", "Warmed:Stopped"]);
    assert!(world.launch_into_warm_pool("i-9", GROUP, at(3)).is_err(), "there is one already");
}

#[test]
fn an_abandoned_launch_is_terminated_and_waits_on_the_termination_hook() {
    let mut world = pool(WarmPoolState::Stopped);
    world.launch_into_warm_pool("i-9", GROUP, START).unwrap();
    let seen = world.lifecycle_event_count();
    world.advance(at(1));
    ask(&mut world, complete("boot", "i-9", "ABANDON")).unwrap();
    assert_eq!(states_until(&mut world, "i-9", at(2)), ["Warmed:Terminating", "Warmed:Terminating:Wait"]);
    let [event] = world.lifecycle_events_since(seen) else { panic!("one event") };
    assert_eq!(
        (&event["detail"]["LifecycleHookName"], &event["detail"]["Origin"]),
        (&"ours".into(), &"WarmPool".into())
    );
}

#[test]
fn an_instance_of_the_pool_is_found_by_its_id_and_in_the_pool_but_not_in_its_group() {
    let mut world = pool(WarmPoolState::Running);
    host(&mut world, "i-2");
    world.return_to_warm_pool("i-1", START).unwrap();
    assert_eq!(groups(&mut world).instances.len(), 2, "it is in service for a moment");
    world.advance(at(1));
    let group = groups(&mut world);
    let ids: Vec<_> = group.instances.iter().map(|instance| instance.instance_id.as_str()).collect();
    assert_eq!((ids.as_slice(), group.warm_pool_size), (["i-2"].as_slice(), Some(1)));
    assert_eq!(by_id(&mut world, "i-1")[0].lifecycle_state, "Warmed:Pending:Wait");
    let request = AutoScalingRequest::DescribeAutoScalingInstances {
        instance_ids: Vec::new(),
        max_records: None,
        next_token: None,
    };
    let Ok(Response::AutoScalingInstances { instances, .. }) = ask(&mut world, request) else {
        panic!("not instances")
    };
    assert_eq!(instances.len(), 2, "without ids, too");
    assert_eq!(described(&mut world, None, None), (vec!["i-1".to_owned()], None));
}

#[test]
fn a_pool_is_told_of_in_pages() {
    let mut world = pool(WarmPoolState::Running);
    for id in ["i-7", "i-8", "i-9"] {
        world.launch_into_warm_pool(id, GROUP, START).unwrap();
    }
    let (first, token) = described(&mut world, Some(2), None);
    let (second, last) = described(&mut world, Some(2), token);
    assert_eq!((first.len(), second.len(), last), (2, 1, None));
    for max_records in [0, 51] {
        let request = AutoScalingRequest::DescribeWarmPool {
            group: GROUP.to_owned(),
            max_records: Some(max_records),
            next_token: None,
        };
        assert_eq!(refusal(&mut world, request).code, "ValidationError");
    }
    let unknown =
        AutoScalingRequest::DescribeWarmPool { group: "lost".to_owned(), max_records: None, next_token: None };
    assert!(refusal(&mut world, unknown).message.contains("'lost' not found"));
}

#[test]
fn a_group_without_a_pool_takes_none_back_and_says_nothing_of_one() {
    let mut world = world();
    host(&mut world, "i-1");
    assert_eq!(world.return_to_warm_pool("i-1", START), Err(unknown("warm pool of group", GROUP)));
    assert_eq!(groups(&mut world).warm_pool_size, None);
    let request = AutoScalingRequest::DescribeWarmPool { group: GROUP.to_owned(), max_records: None, next_token: None };
    let Ok(Response::WarmPool { instances, configuration, .. }) = ask(&mut world, request) else {
        panic!("not a pool")
    };
    assert!(instances.is_empty() && configuration.is_none());
}

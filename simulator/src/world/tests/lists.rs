//! Lists: lag, pages, filters, and what Auto Scaling describes.

use super::*;

fn instances(world: &mut World, filter: Option<&str>, status: Option<&str>) -> Vec<String> {
    let request = EcsRequest::ListContainerInstances {
        cluster: named(CLUSTER),
        filter: filter.map(str::to_owned),
        status: status.map(str::to_owned),
        max_results: None,
        next_token: None,
    };
    match ask(world, request) {
        Ok(Response::Arns { arns, .. }) => arns,
        other => panic!("not a list: {other:?}"),
    }
}

fn lagging() -> World {
    let settings = Settings { list_lag: seconds(5), ..Settings::default() };
    let mut world = world_with(settings, Vec::new());
    host(&mut world, "i-1");
    world
}

#[test]
fn lists_of_tasks_lag() {
    let mut world = lagging();
    let task = world.run_task(job("i-1")).unwrap();
    stop(&mut world, &task);
    world.advance(at(4));
    assert!((0..40).any(|_| list_tasks(&mut world, "i-1", "RUNNING").len() == 1));
    assert_eq!(world.task(&task).unwrap().last_status, LastStatus::Stopped, "descriptions do not lag");
    world.advance(at(5));
    assert!(list_tasks(&mut world, "i-1", "RUNNING").is_empty());
    assert_eq!(list_tasks(&mut world, "i-1", "STOPPED").len(), 1);
}

#[test]
fn lists_of_container_instances_lag() {
    let mut world = lagging();
    world.advance(at(10));
    world.set_status("i-1", "DRAINING").unwrap();
    host(&mut world, "i-2");
    let late = world.add_host(HostSpec::default()).unwrap();
    world.register(&late, CLUSTER).unwrap();
    world.advance(at(13));
    assert!((0..40).any(|_| instances(&mut world, None, None).len() == 2));
    assert!((0..40).any(|_| instances(&mut world, None, Some("DRAINING")).is_empty()));
    world.advance(at(15));
    assert_eq!(instances(&mut world, None, None).len(), 3);
    assert_eq!(instances(&mut world, None, Some("DRAINING")).len(), 1);
}

#[test]
fn a_filter_finds_hosts_and_inactive_ones_are_left_out() {
    let mut world = world();
    for id in ["i-0a", "i-0b", "i-0c"] {
        host(&mut world, id);
    }
    world.deregister("i-0b").unwrap();
    let filter = "ec2InstanceId in ['i-0a','i-0b']";
    let arn = registration(&world, "i-0a").arn;
    assert_eq!(instances(&mut world, Some(filter), None), [arn]);
    let unknown = EcsRequest::ListContainerInstances {
        cluster: named(CLUSTER),
        filter: Some("attribute:ecs.os-type == linux".to_owned()),
        status: None,
        max_results: None,
        next_token: None,
    };
    let error = refusal(&mut world, unknown);
    assert_eq!(error.code, "InvalidParameterException");
}

#[test]
fn auto_scaling_describes_what_it_knows_and_ignores_the_rest() {
    let mut world = world();
    host(&mut world, "i-1");
    world.add_host(HostSpec::default()).unwrap();
    world.set_health("i-1", "Unhealthy").unwrap();
    world.scale_in("i-1", START).unwrap();
    world.advance(at(1));
    let request = AutoScalingRequest::DescribeAutoScalingInstances {
        instance_ids: vec!["i-1".to_owned(), "i-9".to_owned()],
        max_records: None,
        next_token: None,
    };
    let Ok(Response::AutoScalingInstances { instances, .. }) = ask(&mut world, request) else {
        panic!("not instances");
    };
    let [instance] = instances.as_slice() else {
        panic!("one instance");
    };
    assert_eq!(instance.lifecycle_state, "Terminating:Wait");
    assert_eq!(instance.health_status, "UNHEALTHY");
    let groups = AutoScalingRequest::DescribeAutoScalingGroups {
        names: vec![GROUP.to_owned(), "lost".to_owned()],
        max_records: None,
        next_token: None,
    };
    let Ok(Response::AutoScalingGroups { groups, .. }) = ask(&mut world, groups) else {
        panic!("not groups");
    };
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].instances.len(), 1);
    assert_eq!(groups[0].instances[0].health_status, "Unhealthy");
}

//! Lists: lag, pages, filters, and what Auto Scaling describes.

use super::*;

fn instances(world: &mut World, filter: Option<&str>, status: Option<&str>) -> Vec<String> {
    let request = Request::ListContainerInstances {
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
    assert_eq!(list_tasks(&mut world, "i-1", "RUNNING").len(), 1);
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
    assert_eq!(instances(&mut world, None, None).len(), 2);
    assert!(instances(&mut world, None, Some("DRAINING")).is_empty());
    world.advance(at(15));
    assert_eq!(instances(&mut world, None, None).len(), 3);
    assert_eq!(instances(&mut world, None, Some("DRAINING")).len(), 1);
}

#[test]
fn container_instances_are_listed_by_status() {
    let mut world = world();
    for id in ["i-1", "i-2"] {
        host(&mut world, id);
    }
    let arns = |world: &World, ids: &[&str]| ids.iter().map(|id| registration(world, id).arn).collect::<Vec<_>>();
    drain(&mut world, "i-1");
    assert_eq!(instances(&mut world, None, Some("DRAINING")), arns(&world, &["i-1"]));
    assert_eq!(instances(&mut world, None, Some("ACTIVE")), arns(&world, &["i-2"]));
    update(&mut world, "i-1", "ACTIVE");
    assert!(instances(&mut world, None, Some("DRAINING")).is_empty());
    assert_eq!(instances(&mut world, None, Some("ACTIVE")).len(), 2);
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
    let unknown = Request::ListContainerInstances {
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
fn pages_are_short_and_may_be_empty() {
    let settings = Settings { page_size: 2, empty_pages: true, ..Settings::default() };
    let mut world = world_with(settings, Vec::new());
    host(&mut world, "i-1");
    for _ in 0..3 {
        world.run_task(job("i-1")).unwrap();
    }
    let (mut pages, mut token) = (Vec::new(), None);
    loop {
        let request = Request::ListTasks {
            cluster: named(CLUSTER),
            container_instance: None,
            desired_status: None,
            max_results: None,
            next_token: token,
        };
        let Ok(Response::Arns { arns, next_token }) = ask(&mut world, request) else {
            panic!("not a list");
        };
        pages.push(arns.len());
        token = next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(pages, [0, 2, 0, 1]);
}

#[test]
fn a_page_holds_between_1_and_100() {
    let mut world = world();
    for max_results in [0, 101, -1] {
        let request = Request::ListClusters { max_results: Some(max_results), next_token: None };
        let error = refusal(&mut world, request);
        assert_eq!(error.code, "InvalidParameterException");
    }
}

#[test]
fn desired_pending_lists_nothing() {
    let mut world = world();
    host(&mut world, "i-1");
    world.run_task(job("i-1")).unwrap();
    assert!(list_tasks(&mut world, "i-1", "PENDING").is_empty());
}

#[test]
fn auto_scaling_describes_what_it_knows_and_ignores_the_rest() {
    let mut world = world();
    host(&mut world, "i-1");
    world.add_host(HostSpec::default()).unwrap();
    world.set_health("i-1", "Unhealthy").unwrap();
    world.scale_in("i-1", START).unwrap();
    world.advance(at(1));
    let request = Request::DescribeAutoScalingInstances {
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
    let groups = Request::DescribeAutoScalingGroups {
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

#[test]
fn auto_scaling_limits_ids_and_records() {
    let mut world = world();
    let ids = Request::DescribeAutoScalingInstances {
        instance_ids: vec!["i-1".to_owned(); 51],
        max_records: None,
        next_token: None,
    };
    assert_eq!(refusal(&mut world, ids).code, "ValidationError");
    let records = Request::DescribeAutoScalingGroups { names: Vec::new(), max_records: Some(101), next_token: None };
    assert_eq!(refusal(&mut world, records).code, "ValidationError");
}

#[test]
fn a_hook_is_described_with_its_timeouts() {
    let mut world = world();
    let request = Request::DescribeLifecycleHooks {
        group: GROUP.to_owned(),
        hook_names: vec!["ours".to_owned(), "unknown".to_owned()],
    };
    let Ok(Response::LifecycleHooks(hooks)) = ask(&mut world, request) else {
        panic!("not hooks");
    };
    let [hook] = hooks.as_slice() else {
        panic!("one hook");
    };
    assert_eq!((hook.heartbeat_timeout, hook.global_timeout), (300, 30_000));
    assert_eq!(hook.default_result, "CONTINUE");
}

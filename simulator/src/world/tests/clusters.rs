//! Clusters and capacity providers.

use super::*;

fn clusters(world: &mut World, named: &[&str]) -> (Vec<ClusterDescription>, Vec<Failure>) {
    let clusters = named.iter().copied().map(str::to_owned).collect();
    match ask(world, Request::DescribeClusters { clusters }) {
        Ok(Response::Clusters { clusters, failures }) => (clusters, failures),
        other => panic!("not described: {other:?}"),
    }
}

fn providers(named: &[&str], max_results: Option<i32>, next_token: Option<String>) -> Request {
    let capacity_providers = named.iter().copied().map(str::to_owned).collect();
    Request::DescribeCapacityProviders { capacity_providers, max_results, next_token }
}

fn described(world: &mut World, request: Request) -> (Vec<CapacityProviderDescription>, Vec<Failure>, Option<String>) {
    match ask(world, request) {
        Ok(Response::CapacityProviders { capacity_providers, failures, next_token }) => {
            (capacity_providers, failures, next_token)
        }
        other => panic!("not described: {other:?}"),
    }
}

fn provider(name: &str, managed_draining: bool) -> CapacityProviderSpec {
    let (name, cluster, group) = (name.to_owned(), CLUSTER.to_owned(), GROUP.to_owned());
    CapacityProviderSpec { name, cluster, group, managed_draining }
}

fn missing(resource: &str) -> Failure {
    Failure { arn: format!("arn:aws:ecs:us-west-2:123456789012:{resource}"), reason: "MISSING".to_owned() }
}

#[test]
fn a_cluster_tells_what_it_has() {
    let mut world = world();
    for id in ["i-1", "i-2", "i-3"] {
        host(&mut world, id);
    }
    world.add_service(service("web", 2)).unwrap();
    drain(&mut world, "i-1");
    world.deregister("i-2").unwrap();
    world.run_task(TaskSpec { start_time: seconds(60), ..job("i-3") }).unwrap();
    world.advance(at(16));
    world.add_capacity_provider(provider("own", false)).unwrap();
    let arn = "arn:aws:ecs:us-west-2:123456789012:cluster/prod";
    let (described, failures) = clusters(&mut world, &[arn, "lost"]);
    let [cluster] = described.as_slice() else { panic!("one cluster") };
    assert_eq!((cluster.cluster_arn.as_str(), cluster.cluster_name.as_str()), (arn, CLUSTER));
    assert_eq!(cluster.registered_container_instances_count, 2, "ACTIVE and DRAINING ones");
    let running = world.tasks().filter(|task| task.last_status == LastStatus::Running).count();
    assert_eq!((cluster.running_tasks_count, cluster.pending_tasks_count), (running, 1));
    assert_eq!((cluster.active_services_count, cluster.capacity_providers.as_slice()), (1, &["own".to_owned()][..]));
    assert_eq!(failures, [missing("cluster/lost")]);
}

#[test]
fn without_a_name_the_cluster_is_default_and_a_hundred_are_the_most() {
    let mut world = world();
    assert_eq!(clusters(&mut world, &[]), (Vec::new(), vec![missing("cluster/default")]));
    world.add_cluster("default").unwrap();
    assert_eq!(clusters(&mut world, &[]).0.len(), 1);
    assert_eq!(clusters(&mut world, &["lost"; 100]).1.len(), 100);
    let error = refusal(&mut world, Request::DescribeClusters { clusters: vec!["lost".to_owned(); 101] });
    assert_eq!(error.code, "InvalidParameterException");
}

#[test]
fn a_capacity_provider_with_managed_draining_gives_its_group_a_hook_of_ecs() {
    let mut world = world();
    world.add_capacity_provider(provider("own", false)).unwrap();
    assert!(world.hook(GROUP, "ecs-managed-draining-termination-hook").is_none());
    world.add_capacity_provider(provider("managed", true)).unwrap();
    let hook = world.hook(GROUP, "ecs-managed-draining-termination-hook").unwrap();
    assert_eq!((hook.transition, hook.heartbeat_timeout), (Transition::Terminating, seconds(3600)));
    let arn = "arn:aws:ecs:us-west-2:123456789012:capacity-provider/managed";
    let (described, failures, _) = described(&mut world, providers(&["own", arn, "lost"], None, None));
    let told: Vec<_> = described.iter().map(|it| (it.name.as_str(), it.managed_draining)).collect();
    assert_eq!(told, [("managed", "ENABLED"), ("own", "DISABLED")]);
    assert_eq!(described[0].capacity_provider_arn, arn);
    assert_eq!(described[0].auto_scaling_group_arn, world.auto_scaling.group_arn(GROUP).unwrap());
    assert_eq!(failures, [missing("capacity-provider/lost")]);
}

#[test]
fn capacity_providers_come_ten_to_a_page() {
    let mut world = world();
    for number in 10..22 {
        world.add_capacity_provider(provider(&format!("cp-{number}"), false)).unwrap();
    }
    let (first, _, token) = described(&mut world, providers(&[], None, None));
    let (second, _, end) = described(&mut world, providers(&[], None, token));
    assert_eq!((first.len(), second.len(), end), (10, 2, None));
    let many = vec!["cp-10"; 101];
    for request in [
        providers(&[], Some(0), None),
        providers(&[], Some(11), None),
        providers(&[], None, Some("nonsense".to_owned())),
        providers(&many, None, None),
    ] {
        assert_eq!(refusal(&mut world, request).code, "InvalidParameterException");
    }
}

#[test]
fn a_capacity_provider_needs_its_cluster_and_its_group() {
    let mut world = world();
    let lost = || "lost".to_owned();
    world.add_capacity_provider(provider("own", false)).unwrap();
    assert_eq!(world.add_capacity_provider(provider("own", true)), Err(exists("capacity provider", "own")));
    let elsewhere = CapacityProviderSpec { cluster: lost(), ..provider("other", true) };
    assert_eq!(world.add_capacity_provider(elsewhere), Err(unknown("cluster", "lost")));
    let without = CapacityProviderSpec { group: lost(), ..provider("other", true) };
    assert_eq!(world.add_capacity_provider(without), Err(unknown("group", "lost")));
}

//! A drain from the event to the release.

use simulator::lambda::Outcome;
use simulator::world::{ActionResult, HostSpec, Operation, ServiceKind, ServiceSpec, Settings};

use crate::support::{
    CLUSTER, GROUP, HOOK, LEAVING, STAYING, Stage, bare_world, host, only, secs, service, standalone, world,
    world_with_hooks,
};

#[tokio::test]
async fn never_early_a_host_is_released_only_when_its_three_tasks_are_stopped() {
    let mut world = world();
    service(&mut world, 3, 1.0, 2.0);
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[]).await;

    assert_eq!(drain["outcome"], "drained", "{drain}");
    assert_eq!((drain["instanceId"].as_str(), drain["cluster"].as_str()), (Some(LEAVING), Some(CLUSTER)));
    assert_eq!((drain["tasksStopped"].as_u64(), drain["remaining"].as_array().map(Vec::len)), (Some(3), Some(0)));
    let release = stage.released_empty();
    assert_eq!(release.result, ActionResult::Continue);
    stage.simulator.world(|world| {
        let last_stopped = world.last_stopped_at(LEAVING).unwrap();
        assert!(release.at >= last_stopped);
        // Tasks are listed once no task is counted any more, which they survive by far.
        let first_list = world.requests().iter().find(|r| r.request.operation() == Operation::ListTasks).unwrap();
        assert!(last_stopped.duration_since(first_list.at).as_secs_f64() > 1.0, "the count read 0 early");
        let listed_for = release.at.duration_since(first_list.at).as_secs_f64();
        assert!((10.0..14.0).contains(&listed_for), "as soon as lists prove it: {listed_for}");
        assert_eq!(world.count(Operation::CompleteLifecycleAction), 1);
        assert_eq!(world.count(Operation::StopTask), 0);
    });
    assert_eq!(stage.status(STAYING), "ACTIVE");
}

#[tokio::test]
async fn never_lost_the_same_event_twice_at_once_is_one_release() {
    let mut world = world();
    service(&mut world, 3, 0.0, 1.0);
    let stage = Stage::scaling_in(world);
    let (first, second) = (stage.function(&[]), stage.function(&[]));

    let (first, second) = tokio::join!(first.invoke(&stage.event), second.invoke(&stage.event));

    stage.released_empty();
    for drain in [only(&first), only(&second)] {
        assert!(matches!(drain["outcome"].as_str(), Some("drained" | "already-released")), "{drain}");
    }
}

#[tokio::test]
async fn the_same_event_after_the_end_changes_nothing() {
    let mut world = world();
    service(&mut world, 1, 0.0, 0.2);
    let stage = Stage::scaling_in(world);
    let function = stage.function(&[]);
    only(&function.invoke(&stage.event).await);
    stage.released_empty();
    let writes = stage.writes();

    let again = only(&function.invoke(&stage.event).await);

    assert_eq!(again["outcome"], "already-released", "{again}");
    stage.released_empty();
    assert_eq!(stage.writes(), writes);
}

#[tokio::test]
async fn an_instance_already_draining_with_running_tasks_is_waited_for() {
    let mut world = world();
    service(&mut world, 2, 1.0, 1.0);
    world.set_status(LEAVING, "DRAINING").unwrap();
    let stage = Stage::scaling_in(world);

    assert_eq!(stage.drain(&[]).await["outcome"], "drained");

    stage.released_empty();
    assert_eq!(stage.count(Operation::UpdateContainerInstancesState), 0);
}

#[tokio::test]
async fn never_early_a_host_with_a_task_that_stops_is_not_released() {
    let mut world = world();
    service(&mut world, 2, 0.0, 2.5);
    world.set_status(LEAVING, "DRAINING").unwrap();
    let soon = world.now() + secs(1.0);
    world.advance(soon);
    let stopping = world.tasks_on(LEAVING).iter().all(|task| task.desired_status.to_string() == "STOPPED");
    assert!(stopping && world.unstopped_on(LEAVING) == 2, "they got SIGTERM and are not counted any more");
    let stage = Stage::scaling_in(world);

    assert_eq!(stage.drain(&[]).await["outcome"], "drained");

    stage.released_empty();
}

#[tokio::test]
async fn an_instance_with_no_task_is_set_draining_all_the_same() {
    let stage = Stage::scaling_in(world());

    let drain = stage.drain(&[]).await;

    assert_eq!((drain["outcome"].as_str(), drain["tasksStopped"].as_u64()), (Some("drained"), Some(0)), "{drain}");
    assert_eq!(stage.count(Operation::UpdateContainerInstancesState), 1);
    stage.released_empty();
}

#[tokio::test]
async fn never_early_a_service_a_daemon_and_a_job_are_all_waited_for() {
    let mut world = world();
    let rolling = ServiceSpec {
        cluster: CLUSTER.into(),
        name: "api".into(),
        desired: 2,
        deregistration: Some(secs(0.5)),
        start_time: secs(0.5),
        stop_time: secs(0.5),
        ..ServiceSpec::default()
    };
    world.add_service_with_tasks_on(rolling, LEAVING).unwrap();
    let daemon = ServiceSpec {
        cluster: CLUSTER.into(),
        name: "log-agent".into(),
        kind: ServiceKind::Daemon,
        stop_time: secs(0.3),
        ..ServiceSpec::default()
    };
    world.add_service(daemon).unwrap();
    standalone(&mut world, Some(3.0), 0.5);
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[]).await;

    assert_eq!((drain["outcome"].as_str(), drain["tasksStopped"].as_u64()), (Some("drained"), Some(4)), "{drain}");
    stage.released_empty();
    assert_eq!(stage.count(Operation::StopTask), 0, "the default lets standalone tasks finish");
}

#[tokio::test]
async fn never_the_wrong_one_of_250_hosts_in_120_clusters() {
    let mut world = bare_world(Settings::default());
    for other in 0..119 {
        world.add_cluster(&format!("other-{other}")).unwrap();
    }
    let crowded = HostSpec {
        instance_id: Some(LEAVING.into()),
        cluster: Some(CLUSTER.into()),
        group: Some(GROUP.into()),
        slots: 250,
        ..HostSpec::default()
    };
    world.add_host(crowded).unwrap();
    for other in 0..249 {
        host(&mut world, &format!("i-{other:017x}"), Some(CLUSTER));
    }
    service(&mut world, 250, 0.0, 0.5);
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[]).await;

    assert_eq!((drain["outcome"].as_str(), drain["tasksStopped"].as_u64()), (Some("drained"), Some(250)), "{drain}");
    stage.released_empty();
    stage.simulator.world(|world| {
        let draining = world.container_instances().filter(|instance| instance.status != "ACTIVE");
        assert_eq!(draining.map(|instance| instance.instance_id.as_str()).collect::<Vec<_>>(), [LEAVING]);
    });
}

#[tokio::test]
async fn one_drain_costs_at_most_six_calls_besides_looks_heartbeats_and_task_reads() {
    let mut world = world();
    service(&mut world, 3, 0.5, 1.0);
    let stage = Stage::scaling_in(world);

    assert_eq!(stage.drain(&[("ECS_CLUSTERS", CLUSTER)]).await["outcome"], "drained");

    let all: usize = Operation::ALL.iter().map(|operation| stage.count(*operation)).sum();
    let apart = [
        Operation::DescribeContainerInstances,
        Operation::RecordLifecycleActionHeartbeat,
        Operation::ListTasks,
        Operation::DescribeTasks,
    ];
    let others = all - apart.iter().map(|operation| stage.count(*operation)).sum::<usize>();
    assert!(others <= 6, "{others}");
    assert!(stage.count(Operation::DescribeContainerInstances) >= 2, "it looked again");
}

#[tokio::test]
async fn never_stuck_heartbeats_keep_a_short_hook_alive_through_a_longer_drain() {
    let mut world = world_with_hooks(&[(HOOK, 4.0)]);
    service(&mut world, 1, 4.0, 3.0);
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[]).await;

    assert_eq!(drain["outcome"], "drained", "{drain}");
    assert_eq!(drain["detail"], "every task has stopped", "and not after its deadline: {drain}");
    stage.released_empty();
    assert!(stage.simulator.world(|world| world.hook_timeouts().is_empty()));
    assert!(stage.count(Operation::RecordLifecycleActionHeartbeat) >= 3, "a third of 4 s, for 7 s");
    assert_eq!(stage.count(Operation::StopTask), 0);
}

#[tokio::test]
async fn a_drain_that_is_not_done_in_time_is_handed_over_and_writes_nothing_on_the_host() {
    let mut world = world();
    standalone(&mut world, None, 1.0);
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[("POLL_FOR_SECONDS", "1")]).await;

    assert_eq!(drain["outcome"], "handed-over", "{drain}");
    assert_eq!(drain["remaining"][0]["lastStatus"], "RUNNING", "{drain}");
    assert_eq!(drain["remaining"][0]["group"], "family:job");
    assert!(stage.releases().is_empty());
    assert_eq!(stage.status(LEAVING), "DRAINING");
    assert_eq!(stage.simulator.world(|world| world.registrations(LEAVING).next().unwrap().attributes.len()), 0);
}

#[tokio::test]
async fn never_stuck_the_invocation_ends_before_its_deadline_whatever_the_settings_say() {
    let mut world = world();
    standalone(&mut world, None, 1.0);
    let stage = Stage::scaling_in(world);
    let function = stage.function_with(&[("POLL_FOR_SECONDS", "840")], secs(5.0));

    let invocation = function.invoke(&stage.event).await;

    assert!(matches!(invocation.outcome, Outcome::Answered(_)), "{:?}", invocation.outcome);
    assert_eq!(only(&invocation)["outcome"], "handed-over");
    assert!(stage.releases().is_empty());
}

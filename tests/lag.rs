//! What lags, what disagrees and what moved is no proof; in virtual time, over the model.

use shared::clock::after;
use shared::drain::remembered::Remembered;
use shared::drain::rules::decision::Outcome;
use simulator::world::{Failure, GroupSpec, HookSpec, HostSpec, Operation, Response, ServiceSpec, Settings, TaskSpec};

use crate::support::engine::{config, is_released, job, killed_by_release, leaving, minutes, reconcile, told};
use crate::support::model::Model;
use crate::support::{CLUSTER, GROUP, LEAVING, STAYING, bare_world, host, secs, service, world};

/// The agent of a host comes back, ECS places a task on it at once, and Auto Scaling takes the host a moment later: the task
/// gets its SIGTERM at once, and no count has it.
async fn a_task_in_no_list(lag: f64, variables: &[(&str, &str)], placed_before: f64) {
    let mut world = bare_world(Settings { list_lag: secs(lag), ..Settings::default() });
    let spec = HostSpec {
        instance_id: Some(LEAVING.into()),
        cluster: Some(CLUSTER.into()),
        group: Some(GROUP.into()),
        agent_connected: false,
        ..HostSpec::default()
    };
    world.add_host(spec).unwrap();
    let service = ServiceSpec {
        cluster: CLUSTER.into(),
        name: "web".into(),
        desired: 1,
        minimum_healthy_percent: 0,
        start_time: secs(0.05),
        stop_time: secs(25.0),
        ..ServiceSpec::default()
    };
    assert!(world.add_service(service).is_err(), "no room yet");
    let model = Model::of(world);
    tokio::time::sleep(secs(30.0)).await;
    model.world(|world| world.set_agent_connected(LEAVING, true).unwrap());
    tokio::time::sleep(secs(0.25 + placed_before)).await;
    model.world(|world| {
        assert_eq!(world.unstopped_on(LEAVING), 1);
        let now = world.now();
        world.scale_in(LEAVING, now).unwrap();
    });
    told(&model, &config(variables), &Remembered::default(), &[LEAVING]).await;
    tokio::time::sleep(secs(40.0)).await;
    assert_eq!(model.world(|world| killed_by_release(world)), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn never_early_a_task_that_the_lists_lack_for_six_seconds_is_waited_for() {
    a_task_in_no_list(6.0, &[], 0.75).await;
}

#[tokio::test(start_paused = true)]
async fn never_early_a_faster_pace_is_no_weaker_proof() {
    a_task_in_no_list(9.5, &[("POLL_MIN_SECONDS", "0.2"), ("POLL_MAX_SECONDS", "0.5")], 0.2).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_host_is_released_by_its_own_invocation_whatever_the_pace() {
    for pace in ["0.05", "2", "60", "300"] {
        let model = leaving(world());
        let drains = told(&model, &config(&[("POLL_MIN_SECONDS", pace)]), &Remembered::default(), &[LEAVING]).await;
        assert_eq!(drains[0].outcome, Outcome::Drained, "POLL_MIN_SECONDS={pace}: {}", drains[0].detail);
        let model = leaving(world());
        let took = minutes(&model, &config(&[("POLL_MIN_SECONDS", pace)]), 3, is_released).await;
        assert_eq!(took, Some(0), "POLL_MIN_SECONDS={pace}: by reconcile");
    }
}

/// Two watched clusters. The agent joined the first, lost its state, and joined the second, where its tasks are.
fn moved(settings: Settings) -> simulator::world::World {
    let mut world = bare_world(settings);
    world.add_cluster("second").unwrap();
    host(&mut world, STAYING, Some(CLUSTER));
    host(&mut world, LEAVING, Some(CLUSTER));
    world.lose_agent_state(LEAVING).unwrap();
    world.register(LEAVING, "second").unwrap();
    in_second(&mut world);
    world
}

fn in_second(world: &mut simulator::world::World) {
    let spec = TaskSpec {
        cluster: "second".into(),
        instance_id: LEAVING.into(),
        finishes_after: Some(secs(120.0)),
        ..TaskSpec::default()
    };
    world.run_task(spec).unwrap();
}

#[tokio::test(start_paused = true)]
async fn never_early_where_a_group_was_found_before_is_no_proof_of_where_a_host_is() {
    for warm in [false, true] {
        let model = Model::of(moved(Settings::default()));
        let (config, remembered) = (config(&[("ECS_CLUSTERS", "prod,second")]), Remembered::default());
        if warm {
            model.world(|world| world.scale_in(STAYING, world.now()).unwrap());
            let drains = told(&model, &config, &remembered, &[STAYING]).await;
            assert_eq!(drains[0].outcome, Outcome::Drained);
        }
        model.world(|world| world.scale_in(LEAVING, world.now()).unwrap());
        for minute in 0..4 {
            reconcile(&model, model.clock(), &config, &remembered, minute).await;
            tokio::time::sleep(secs(5.0)).await;
        }
        model.world(|world| {
            assert_eq!(killed_by_release(world), Vec::<String>::new(), "warm: {warm}");
            assert!(world.releases().iter().any(|release| release.instance_id == LEAVING), "warm: {warm}");
        });
    }
}

/// The agent moves while the drain waits for the second look: where it was, nothing runs.
#[tokio::test(start_paused = true)]
async fn never_early_an_agent_that_joins_another_cluster_in_the_middle_of_a_drain_is_found_there() {
    for moves_after in [1.0, 5.0, 9.0] {
        let mut world = bare_world(Settings::default());
        world.add_cluster("second").unwrap();
        host(&mut world, LEAVING, Some(CLUSTER));
        let model = leaving(world);
        let config = config(&[("ECS_CLUSTERS", "prod,second")]);
        let moves = async {
            tokio::time::sleep(secs(moves_after)).await;
            model.world(|world| {
                world.lose_agent_state(LEAVING).unwrap();
                world.register(LEAVING, "second").unwrap();
                in_second(world);
            });
        };
        let remembered = Remembered::default();
        tokio::join!(told(&model, &config, &remembered, &[LEAVING]), moves);
        let took = minutes(&model, &config, 6, is_released).await;
        assert!(took.is_some(), "moves after {moves_after} s");
        assert_eq!(model.world(|world| killed_by_release(world)), Vec::<String>::new(), "moves after {moves_after} s");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_is_not_empty_a_host_that_one_search_did_not_list_is_in_no_cluster_only_after_a_second() {
    let mut world = bare_world(Settings { list_lag: secs(9.5), ..Settings::default() });
    host(&mut world, STAYING, Some(CLUSTER));
    host(&mut world, LEAVING, None);
    let model = Model::of(world);
    tokio::time::sleep(secs(30.0)).await;
    model.world(|world| {
        world.register(LEAVING, CLUSTER).unwrap();
        job(world, LEAVING, Some(60.0), 5.0);
        world.scale_in(LEAVING, world.now()).unwrap();
    });
    let took = minutes(&model, &config(&[]), 4, is_released).await;
    assert!(took.is_some());
    assert_eq!(model.world(|world| killed_by_release(world)), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn unknown_is_not_empty_a_container_instance_that_is_listed_and_not_described_is_not_absent() {
    let mut world = world();
    job(&mut world, LEAVING, Some(300.0), 5.0);
    let model = leaving(world);
    let until = after(model.clock().now(), secs(20.0));
    let model = model.twisted_by(move |response, now| {
        if let (Response::ContainerInstances { container_instances, failures }, true) = (response, now < until) {
            let arns = std::mem::take(container_instances).into_iter().map(|it| it.container_instance_arn);
            failures.extend(arns.map(|arn| Failure { arn, reason: "MISSING".into() }));
        }
    });
    reconcile(&model, model.clock(), &config(&[]), &Remembered::default(), 1).await;
    assert!(model.world(|world| !is_released(world)));
}

#[tokio::test(start_paused = true)]
async fn never_early_a_task_that_was_stopping_a_moment_ago_and_is_missing_has_not_stopped() {
    let mut world = world();
    service(&mut world, 1, 0.0, 25.0);
    let model = leaving(world);
    let from = after(model.clock().now(), secs(4.0));
    let model = model.twisted_by(move |response, now| {
        if let (Response::Tasks { tasks, failures }, true) = (response, now >= from) {
            let arns = std::mem::take(tasks).into_iter().map(|it| it.task_arn);
            failures.extend(arns.map(|arn| Failure { arn, reason: "MISSING".into() }));
        }
    });
    let drains = reconcile(&model, model.clock(), &config(&[]), &Remembered::default(), 1).await;
    assert!(model.world(|world| !is_released(world)), "{:?}", drains[0]);
    assert!(drains[0].detail.contains("is missing now"), "{}", drains[0].detail);
}

/// Two stacks, each with a hook of its own on the group, and a policy of its own.
#[tokio::test(start_paused = true)]
async fn never_stuck_a_second_stack_does_not_take_the_first_ones_release_for_its_own() {
    let mut world = bare_world(Settings::default());
    let hooks = vec![HookSpec::terminating("drainer-a", secs(300.0)), HookSpec::terminating("drainer-b", secs(300.0))];
    world.add_group(GroupSpec { name: "both".into(), hooks, ..GroupSpec::default() }).unwrap();
    let spec = HostSpec {
        instance_id: Some(LEAVING.into()),
        cluster: Some(CLUSTER.into()),
        group: Some("both".into()),
        ..HostSpec::default()
    };
    world.add_host(spec).unwrap();
    job(&mut world, LEAVING, Some(1_200.0), 5.0);
    let model = leaving(world);
    let first = config(&[
        ("LIFECYCLE_HOOK_NAMES", "drainer-a"),
        ("DRAIN_TIMEOUT_SECONDS", "60"),
        ("ON_DRAIN_TIMEOUT", "proceed"),
    ]);
    let second = config(&[("LIFECYCLE_HOOK_NAMES", "drainer-b")]);
    let (memory_a, memory_b) = (Remembered::default(), Remembered::default());
    for minute in 0..30 {
        let next = after(model.clock().now(), secs(60.0));
        tokio::join!(
            reconcile(&model, model.clock(), &first, &memory_a, minute),
            reconcile(&model, model.clock(), &second, &memory_b, minute)
        );
        tokio::time::sleep_until(model.clock().instant(next)).await;
    }
    model.world(|world| {
        let (timeouts, killed) = (world.hook_timeouts(), world.killed());
        assert!(timeouts.is_empty() && killed.is_empty(), "{timeouts:#?} {killed:#?}");
        assert_eq!(world.releases().len(), 2);
    });
}

#[tokio::test(start_paused = true)]
async fn an_accepted_change_is_not_asked_again_before_it_can_be_seen() {
    let mut world = world();
    job(&mut world, LEAVING, None, 25.0);
    let model = leaving(world);
    let config = config(&[("STANDALONE_TASKS", "stop")]);
    minutes(&model, &config, 3, is_released).await;
    model.world(|world| {
        assert_eq!(world.count(Operation::UpdateContainerInstancesState), 1);
        assert_eq!(world.count(Operation::StopTask), 1);
    });
}

/// ECS sets nothing DRAINING that is not ACTIVE. What is proved empty goes, and what is not is named.
#[tokio::test(start_paused = true)]
async fn never_stuck_on_a_container_instance_in_a_state_that_ecs_does_not_set_draining() {
    for status in ["REGISTERING", "REGISTRATION_FAILED", "DEREGISTERING"] {
        let mut idle = world();
        idle.set_status(LEAVING, status).unwrap();
        let model = leaving(idle);
        assert_eq!(minutes(&model, &config(&[]), 2, is_released).await, Some(0), "{status}");
        let mut busy = world();
        job(&mut busy, LEAVING, Some(600.0), 5.0);
        busy.set_status(LEAVING, status).unwrap();
        let model = leaving(busy);
        let drains = reconcile(&model, model.clock(), &config(&[]), &Remembered::default(), 1).await;
        assert!(drains[0].detail.contains(&format!("its container instance is {status}")), "{}", drains[0].detail);
        assert!(minutes(&model, &config(&[]), 14, is_released).await.is_some(), "{status}");
        assert_eq!(model.world(|world| killed_by_release(world)), Vec::<String>::new(), "{status}");
    }
}

/// ECS may count a task as on its way for ever, or less than none.
#[tokio::test(start_paused = true)]
async fn never_stuck_on_a_count_that_no_list_bears_out() {
    for wrong_by in [1, -1] {
        let mut world = world();
        world.miscount_pending(LEAVING, wrong_by).unwrap();
        let model = leaving(world);
        assert_eq!(minutes(&model, &config(&[]), 2, is_released).await, Some(0), "{wrong_by}");
    }
}

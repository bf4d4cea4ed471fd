//! Never lost: `reconcile` works from AWS's state alone.

use serde_json::json;
use simulator::lambda::Outcome;
use simulator::world::{GroupSpec, HostSpec, Operation, Settings};

use crate::support::{
    CLUSTER, GROUP, HOOK, LEAVING, STAYING, Stage, bare_world, host, only, remembered, secs, service, standalone,
    world, world_with_hooks,
};

#[tokio::test]
async fn never_lost_an_instance_whose_event_never_came_is_drained() {
    let mut world = world();
    service(&mut world, 2, 0.3, 0.5);
    let stage = Stage::scaling_in(world);
    let reconcile = stage.reconcile(&[], secs(60.0));

    let drain = only(&reconcile.invoke(&json!({})).await);

    assert_eq!((drain["outcome"].as_str(), drain["instanceId"].as_str()), (Some("drained"), Some(LEAVING)), "{drain}");
    stage.released_empty();
    assert_eq!(stage.status(STAYING), "ACTIVE");
}

#[tokio::test]
async fn with_no_instance_waiting_it_costs_one_call_per_page_of_groups_and_ends_at_once() {
    let mut world = bare_world(Settings::default());
    for group in 0..119 {
        world.add_group(GroupSpec { name: format!("group-{group}"), hooks: vec![], ..GroupSpec::default() }).unwrap();
    }
    host(&mut world, STAYING, Some(CLUSTER));
    let stage = Stage::idle(world);

    for event in [json!({}), json!(null), json!({"detail-type": "Scheduled Event"})] {
        let before = stage.simulator.world(|world| world.requests().len());
        let invocation = stage.reconcile(&[], secs(60.0)).invoke(&event).await;
        assert_eq!(invocation.outcome.answer(), Some(&json!({"drains": []})), "{:?}", invocation.outcome);
        assert_eq!(stage.simulator.world(|world| world.requests().len()) - before, 3, "120 groups, 50 a page");
    }
    assert_eq!(stage.count(Operation::DescribeAutoScalingGroups), 9);
}

#[tokio::test]
async fn never_lost_reconcile_follows_a_function_killed_in_a_drain() {
    let mut world = world();
    service(&mut world, 2, 0.5, 1.5);
    let stage = Stage::scaling_in(world);
    let function = stage.function(&[]);
    let (killed, ()) = tokio::join!(function.invoke(&stage.event), async {
        assert!(stage.simulator.wait_for(secs(10.0), |w| w.count(Operation::UpdateContainerInstancesState) == 1).await);
        function.kill();
    });
    assert!(matches!(killed.outcome, Outcome::Exited(_)), "{:?}", killed.outcome);
    assert!(stage.releases().is_empty());

    let drain = only(&stage.reconcile(&[], secs(60.0)).invoke(&json!({})).await);

    assert_eq!(drain["outcome"], "drained", "{drain}");
    stage.released_empty();
}

#[tokio::test]
async fn a_drain_goes_from_one_binary_to_the_other_over_several_invocations() {
    let mut world = world();
    standalone(&mut world, Some(24.0), 0.5);
    let stage = Stage::scaling_in(world);
    let first = only(&stage.function_with(&[], secs(20.0)).invoke(&stage.event).await);
    assert_eq!(first["outcome"], "handed-over", "{first}");

    let second = only(&stage.reconcile(&[], secs(20.0)).invoke(&json!({})).await);

    assert_eq!(second["outcome"], "drained", "{second}");
    assert!(second["seconds"].as_f64().unwrap() > 23.0, "from the start of the drain, not of the invocation: {second}");
    stage.released_empty();
}

#[tokio::test]
async fn where_anothers_hook_still_holds_ours_is_completed_once_and_not_every_minute() {
    let world = world_with_hooks(&[(HOOK, 300.0), ("theirs", 300.0)]);
    let stage = Stage::scaling_in(world);
    let reconcile = stage.reconcile(&[], secs(60.0));
    assert_eq!(only(&reconcile.invoke(&json!({})).await)["outcome"], "drained");
    let calls = [Operation::CompleteLifecycleAction, Operation::RecordLifecycleActionHeartbeat];
    let before = calls.map(|operation| stage.count(operation));

    for _ in 0..3 {
        let drain = only(&reconcile.invoke(&json!({})).await);
        assert_eq!(drain["outcome"], "already-released", "{drain}");
        assert!(drain["detail"].as_str().unwrap().contains("another's"), "{drain}");
    }

    assert_eq!(before[0], 1);
    assert_eq!(calls.map(|operation| stage.count(operation)), before);
    assert_eq!(stage.released_empty().hook, HOOK);
}

#[tokio::test]
async fn attributes_that_an_earlier_version_wrote_do_no_harm() {
    let mut world = world();
    standalone(&mut world, None, 0.3);
    world.set_status(LEAVING, "DRAINING").unwrap();
    let days_ago = (world.now() - secs(150_000.0)).to_string();
    for name in ["drain-started-at", "agent-lost-at", "released-at"] {
        remembered(&mut world, &format!("ecs-drainer.{name}"), &days_ago);
    }
    let stage = Stage::scaling_in(world);
    let variables = [("ON_DRAIN_TIMEOUT", "proceed")];

    for function in [stage.function_with(&variables, secs(8.0)), stage.reconcile(&variables, secs(8.0))] {
        let drain = only(&function.invoke(&stage.event).await);
        assert_eq!(drain["outcome"], "handed-over", "by that start its deadline was over: {drain}");
    }

    assert!(stage.releases().is_empty());
    assert_eq!(stage.attribute("ecs-drainer.drain-started-at"), Some(days_ago), "nor is it touched");
}

#[tokio::test]
async fn a_drain_that_was_undone_goes_on_until_the_deadline_of_its_termination() {
    let mut world = world();
    standalone(&mut world, None, 0.3);
    let stage = Stage::scaling_in(world);
    let variables = [("DRAIN_TIMEOUT_SECONDS", "10"), ("ON_DRAIN_TIMEOUT", "proceed")];
    let first = only(&stage.function_with(&variables, secs(6.0)).invoke(&stage.event).await);
    assert_eq!(first["outcome"], "handed-over", "{first}");
    stage.simulator.world(|world| world.set_status(LEAVING, "ACTIVE")).unwrap();

    let second = only(&stage.reconcile(&variables, secs(30.0)).invoke(&json!({})).await);

    assert_eq!(second["outcome"], "timed-out", "{second}");
    let release = &stage.releases()[0];
    let began = stage.event["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let after = release.at.duration_since(began).as_secs_f64();
    assert!((10.0..14.0).contains(&after), "from the start of the termination: {after}");
}

#[tokio::test]
async fn a_dead_host_does_not_hold_its_own_termination_and_needs_no_memory_but_awss() {
    let mut world = world();
    standalone(&mut world, None, 0.5);
    world.set_agent_connected(LEAVING, false).unwrap();
    world.set_health(LEAVING, "Unhealthy").unwrap();
    let stage = Stage::scaling_in(world);
    let variables = [("AGENT_LOST_SECONDS", "5")];
    let first = only(&stage.reconcile(&variables, secs(6.0)).invoke(&json!({})).await);
    assert_eq!(first["outcome"], "handed-over", "{first}");
    tokio::time::sleep(secs(2.0)).await;

    let second = only(&stage.reconcile(&variables, secs(20.0)).invoke(&json!({})).await);

    assert_eq!(second["outcome"], "host-gone", "{second}");
    assert_eq!(stage.releases().len(), 1);
}

#[tokio::test]
async fn a_host_that_begins_to_wait_meanwhile_is_found_within_a_quarter_of_a_minute() {
    let mut world = world();
    service(&mut world, 1, 30.0, 0.5);
    let stage = Stage::scaling_in(world);
    let reconcile = stage.reconcile(&[], secs(45.0));
    let event = json!({});
    let (invocation, left_at) = tokio::join!(reconcile.invoke(&event), async {
        assert!(stage.simulator.wait_for(secs(10.0), |w| w.count(Operation::UpdateContainerInstancesState) == 1).await);
        stage.simulator.world(|world| {
            world.scale_in(STAYING, world.now()).unwrap();
            world.now()
        })
    });
    let Outcome::Answered(report) = &invocation.outcome else { panic!("{invocation:?}") };
    assert_eq!(report["drains"].as_array().map(Vec::len), Some(2), "{report}");
    let draining = stage.simulator.world(|world| {
        let updates =
            world.requests().iter().filter(|it| it.request.operation() == Operation::UpdateContainerInstancesState);
        updates.map(|it| it.at).max().unwrap()
    });
    let found_after = draining.duration_since(left_at).as_secs_f64();
    assert!(found_after < 17.0, "{found_after}");
}

#[tokio::test]
async fn a_foreign_hooks_instance_and_a_failed_scan_change_nothing() {
    let world = world_with_hooks(&[("theirs", 300.0)]);
    let stage = Stage::scaling_in(world);
    let reconcile = stage.reconcile(&[], secs(60.0));
    assert_eq!(reconcile.invoke(&json!({})).await.outcome.answer(), Some(&json!({"drains": []})));
    let denied = simulator::world::FaultKind::AccessDenied;
    stage.simulator.world(|world| world.plan(simulator::world::Fault::always(denied)));

    let outcome = reconcile.invoke(&json!({})).await.outcome;

    let Outcome::Failed { error_type, error_message } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error_type, "ScanFailed");
    assert!(error_message.contains("DescribeAutoScalingGroups"), "{error_message}");
    assert_eq!(stage.writes(), 0);
}

#[tokio::test]
async fn a_hundred_groups_of_500_instances_fit_into_a_small_function() {
    const LAMBDA_128_MB: u64 = 128 * 1024;
    let mut world = bare_world(Settings::default());
    for group in 0..100 {
        world
            .add_group(GroupSpec { name: format!("group-{group:03}"), hooks: vec![], ..GroupSpec::default() })
            .unwrap();
        for instance in 0..500 {
            let spec = HostSpec {
                instance_id: Some(format!("i-{:017x}", group * 500 + instance)),
                group: Some(format!("group-{group:03}")),
                ..HostSpec::default()
            };
            world.add_host(spec).unwrap();
        }
    }
    host(&mut world, LEAVING, Some(CLUSTER));
    let stage = Stage::scaling_in(world);
    let reconcile = stage.reconcile(&[], secs(60.0));

    let drain = only(&reconcile.invoke(&json!({})).await);

    assert_eq!((drain["outcome"].as_str(), drain["instanceId"].as_str()), (Some("drained"), Some(LEAVING)), "{drain}");
    let peak = reconcile.peak_rss_kib().expect("the process lives");
    println!("peak memory of a scan of 50,000 instances: {peak} KiB");
    assert!(peak < LAMBDA_128_MB * 3 / 4, "{peak} KiB");
    assert_eq!(stage.simulator.world(|world| world.releases()[0].group.clone()), GROUP);
}

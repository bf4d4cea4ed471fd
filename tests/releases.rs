//! Which host is released when: never the wrong one, never early, and at once where there is nothing to drain.

use serde_json::json;
use simulator::world::{ActionResult, Fault, FaultKind, Operation, Settings};

use crate::support::{
    CLUSTER, GROUP, HOOK, LEAVING, Stage, aged, bare_world, host, only, secs, service, standalone, world,
    world_with_hooks,
};

#[tokio::test]
async fn an_instance_in_no_cluster_is_released_when_a_second_search_says_so() {
    let mut world = bare_world(Settings::default());
    host(&mut world, LEAVING, None);
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[]).await;

    assert_eq!(drain["outcome"], "not-in-ecs", "{drain}");
    assert_eq!(stage.released_empty().result, ActionResult::Continue);
    assert!((10.0..15.0).contains(&drain["seconds"].as_f64().unwrap()), "{drain}");
}

#[tokio::test]
async fn unknown_is_not_empty_an_instance_is_held_while_one_cluster_does_not_answer() {
    let mut world = bare_world(Settings::default());
    host(&mut world, LEAVING, None);
    world.add_cluster("silent").unwrap();
    for kind in [FaultKind::ServerError, FaultKind::AccessDenied, FaultKind::Throttle, FaultKind::DropConnection] {
        let mut world = world.clone();
        let silent = Fault {
            operation: Some(Operation::ListContainerInstances),
            matching: Some("silent".into()),
            ..Fault::always(kind)
        };
        world.plan(silent);
        let stage = Stage::scaling_in(world);

        let drain = stage.drain(&[("POLL_FOR_SECONDS", "1")]).await;

        assert_eq!(drain["outcome"], "handed-over", "{kind:?}: {drain}");
        assert!(stage.releases().is_empty(), "{kind:?}");
        assert_eq!(stage.count(Operation::RecordLifecycleActionHeartbeat), 0, "never located, so not kept alive");
    }
}

#[tokio::test]
async fn nobody_elses_business_an_instance_in_an_unwatched_cluster_is_left_alone() {
    let mut world = world();
    world.add_cluster("watched").unwrap();
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[("ECS_CLUSTERS", "watched")]).await;

    assert_eq!((drain["outcome"].as_str(), drain["cluster"].as_str()), (Some("ignored"), Some(CLUSTER)), "{drain}");
    assert_eq!(stage.writes(), 0);
}

#[tokio::test]
async fn unknown_is_not_empty_unread_tasks_are_not_stopped_tasks() {
    for operation in [Operation::ListTasks, Operation::DescribeTasks] {
        let mut world = world();
        service(&mut world, 2, 0.0, 0.2);
        world.plan(Fault { operation: Some(operation), ..Fault::always(FaultKind::ServerError) });
        let stage = Stage::scaling_in(world);
        let function = stage.function_with(&[], secs(6.0));

        let drain = only(&function.invoke(&stage.event).await);

        assert_eq!(drain["outcome"], "handed-over", "{drain}");
        assert!(drain["detail"].as_str().unwrap().contains(operation.name()), "it says what failed: {drain}");
        assert!(stage.releases().is_empty());
        let stopped = stage.simulator.world(|world| world.unstopped_on(LEAVING) == 0);
        assert!(stopped, "they had stopped, but the drainer could not know");
    }
}

#[tokio::test]
async fn nobody_elses_business_a_foreign_hooks_event_is_left_alone() {
    let world = world_with_hooks(&[("theirs", 300.0)]);
    let mut stage = Stage::scaling_in(world);
    let drain = stage.drain(&[]).await;
    assert_eq!(drain["outcome"], "ignored", "{drain}");
    assert!(drain["detail"].as_str().unwrap().contains("theirs"));

    // An event that claims our hook on a group that has none.
    stage.event["detail"]["LifecycleHookName"] = json!(HOOK);
    let drain = stage.drain(&[]).await;

    assert_eq!(drain["outcome"], "ignored", "{drain}");
    assert!(drain["detail"].as_str().unwrap().contains("no termination hook of ours"), "{drain}");
    assert_eq!(stage.writes(), 0);
}

#[tokio::test]
async fn never_the_wrong_one_beside_a_foreign_hook_only_ours_is_completed() {
    let world = world_with_hooks(&[(HOOK, 300.0), ("theirs", 300.0)]);
    let stage = Stage::scaling_in(world);
    assert_eq!(stage.event["detail"]["LifecycleHookName"], HOOK, "events come in the hooks' order");

    assert_eq!(stage.drain(&[]).await["outcome"], "drained");

    stage.released_empty();
    let state = stage.simulator.world(|world| world.lifecycle_state(LEAVING).map(ToOwned::to_owned));
    assert_eq!(state.as_deref(), Some("Terminating:Wait"), "theirs still holds it");
}

#[tokio::test]
async fn never_the_wrong_one_until_auto_scaling_names_the_hook_nothing_is_done() {
    for status in ["DRAINING", "ACTIVE"] {
        let mut world = world();
        service(&mut world, 1, 60.0, 0.2);
        world.set_status(LEAVING, status).unwrap();
        let unknown =
            Fault { operation: Some(Operation::DescribeAutoScalingInstances), ..Fault::always(FaultKind::ServerError) };
        world.plan(unknown);
        let stage = Stage::scaling_in(world);
        let function = stage.function(&[("POLL_FOR_SECONDS", "2"), ("AWS_LAMBDA_LOG_FORMAT", "JSON")]);

        let drain = only(&function.invoke(&stage.event).await);

        assert_eq!(drain["outcome"], "handed-over", "{drain}");
        assert!(drain["detail"].as_str().unwrap().starts_with("who holds it is not known yet"), "{drain}");
        assert_eq!((stage.writes(), stage.status(LEAVING)), (0, status.to_owned()));
        let metrics = function.log_lines().join("\n");
        assert!(metrics.contains("DrainsHandedOver") && !metrics.contains("DrainsPastDeadline"), "{metrics}");
    }
}

#[tokio::test]
async fn never_the_wrong_one_an_instance_that_does_not_wait_is_left_alone() {
    let mut world = world();
    service(&mut world, 1, 0.0, 0.2);
    let mut donor = world.clone();
    let now = donor.now();
    let event = donor.scale_in(LEAVING, now).unwrap().remove(0);
    let simulator = simulator::wire::Simulator::start(world).unwrap();
    let mut stage = Stage::of(simulator, event);

    let drain = stage.drain(&[]).await;

    assert_eq!(drain["outcome"], "not-waiting-yet", "its event may be ahead of its state: {drain}");
    stage.event = aged(&stage.event, 121.0);
    let drain = stage.drain(&[]).await;
    assert_eq!(drain["outcome"], "ignored", "{drain}");
    assert!(drain["detail"].as_str().unwrap().contains("InService"), "{drain}");
    assert_eq!(stage.writes(), 0);
}

#[tokio::test]
async fn nobody_elses_business_another_accounts_event_is_left_alone() {
    let mut stage = Stage::scaling_in(world());
    let function = stage.function(&[]);
    let test = json!({
        "Event": "autoscaling:TEST_NOTIFICATION", "AccountId": "123456789012", "AutoScalingGroupName": GROUP,
        "AutoScalingGroupARN": "arn", "RequestId": "1", "Service": "AWS Auto Scaling", "Time": "2026-01-15T20:06:18.130Z",
    });
    assert_eq!(only(&function.invoke(&test).await)["outcome"], "ignored");

    stage.event["account"] = json!("999999999999");
    let drain = only(&function.invoke(&stage.event).await);

    assert_eq!(drain["outcome"], "ignored", "{drain}");
    assert!(drain["detail"].as_str().unwrap().contains("account"), "{drain}");
    let requests = stage.simulator.world(|world| world.requests().len());
    assert_eq!(requests, 0, "not a single call");
}

#[tokio::test]
async fn an_action_that_ends_while_we_wait_ends_the_drain_without_hammering() {
    let mut world = world();
    standalone(&mut world, Some(2.0), 0.2);
    let stage = Stage::scaling_in(world);
    let function = stage.function(&[]);

    let (invocation, ()) = tokio::join!(function.invoke(&stage.event), async {
        assert!(stage.simulator.wait_for(secs(10.0), |w| w.count(Operation::UpdateContainerInstancesState) == 1).await);
        stage.simulator.world(complete_by_an_operator);
    });

    let drain = only(&invocation);
    assert_eq!(drain["outcome"], "already-released", "{drain}");
    assert!(stage.count(Operation::CompleteLifecycleAction) <= 2, "theirs and at most one of ours");
    let requests = stage.simulator.world(|world| world.requests().len());
    assert!(requests < 40, "{requests} in a drain of 2 s");
}

fn complete_by_an_operator(world: &mut simulator::world::World) {
    let request = simulator::world::AutoScalingRequest::CompleteLifecycleAction {
        group: GROUP.into(),
        hook: HOOK.into(),
        instance_id: Some(LEAVING.into()),
        token: None,
        result: "CONTINUE".into(),
    };
    let now = world.now();
    assert!(world.request(now, "an-operator", request).answer.is_ok());
}

#[tokio::test]
async fn a_container_instance_deregistered_while_we_wait_ends_well() {
    let mut world = world();
    standalone(&mut world, None, 0.2);
    let stage = Stage::scaling_in(world);
    let function = stage.function(&[]);

    let (invocation, ()) = tokio::join!(function.invoke(&stage.event), async {
        assert!(stage.simulator.wait_for(secs(10.0), |w| w.count(Operation::UpdateContainerInstancesState) == 1).await);
        stage.simulator.world(|world| world.deregister(LEAVING)).unwrap();
    });

    let drain = only(&invocation);
    assert_eq!(drain["outcome"], "not-in-ecs", "{drain}");
    assert_eq!(stage.releases().len(), 1);
    let searches = stage.count(Operation::ListContainerInstances);
    assert!(searches <= 3, "{searches} searches");
    let requests = stage.simulator.world(|world| world.requests().len());
    assert!(requests < 25, "{requests}");
}

#[tokio::test]
async fn never_stuck_a_host_that_is_gone_does_not_hold_its_own_termination() {
    let mut world = world();
    standalone(&mut world, None, 0.2);
    world.set_agent_connected(LEAVING, false).unwrap();
    world.set_health(LEAVING, "Unhealthy").unwrap();
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[("AGENT_LOST_SECONDS", "1")]).await;

    assert_eq!(drain["outcome"], "host-gone", "{drain}");
    assert_eq!(stage.releases().len(), 1);
}

#[tokio::test]
async fn where_two_hooks_of_ours_hold_it_both_are_completed() {
    let stage = Stage::scaling_in(world_with_hooks(&[(HOOK, 300.0), ("second", 300.0)]));

    let drain = stage.drain(&[("LIFECYCLE_HOOK_NAMES", "ecs-drainer,second")]).await;

    assert_eq!(drain["outcome"], "drained", "{drain}");
    let hooks: Vec<_> = stage.releases().into_iter().map(|release| release.hook).collect();
    assert_eq!(hooks, [HOOK, "second"]);
}

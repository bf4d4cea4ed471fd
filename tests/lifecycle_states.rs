//! Every state in which Auto Scaling holds an instance on a termination hook, and events that are ahead of it.

use serde_json::{Value, json};
use simulator::lambda::{EventSource, Outcome, sqs_batch};
use simulator::wire::Simulator;
use simulator::world::{GroupSpec, HookSpec, HostSpec, Operation, Settings, WarmPoolSpec, WarmPoolState, World};

use crate::support::{
    CLUSTER, EVENTS, GROUP, HOOK, LEAVING, STAYING, Stage, bare_world, hook_with, host, only, remembered, secs,
    service, standalone, world,
};

const POOL: &str = "group-with-warm-pool";

/// The leaving host in a group with our hook and a warm pool of instances in this state.
fn pooled(state: WarmPoolState) -> World {
    let mut world = bare_world(Settings::default());
    host(&mut world, STAYING, Some(CLUSTER));
    let hooks = vec![HookSpec::terminating(HOOK, secs(300.0)), launching()];
    let warm_pool = Some(WarmPoolSpec { state, reuse_on_scale_in: true });
    world.add_group(GroupSpec { name: POOL.into(), hooks, warm_pool, ..GroupSpec::default() }).unwrap();
    let spec = HostSpec {
        instance_id: Some(LEAVING.into()),
        cluster: Some(CLUSTER.into()),
        group: Some(POOL.into()),
        ..HostSpec::default()
    };
    world.add_host(spec).unwrap();
    world
}

fn launching() -> HookSpec {
    HookSpec {
        name: "launching".into(),
        transition: simulator::world::Transition::Launching,
        ..HookSpec::terminating("launching", secs(300.0))
    }
}

/// Starts the world as it is, and lets `leave` begin a termination in it; answers when the state says that it waits.
async fn leaving(world: World, leave: impl FnOnce(&mut World) -> Vec<Value>, state: &str) -> Stage {
    let simulator = Simulator::start(world).unwrap();
    let event = simulator.world(leave).into_iter().next().expect("an event");
    let waits = |world: &World| world.lifecycle_state(LEAVING) == Some(state);
    assert!(simulator.wait_for(secs(5.0), waits).await, "{state}");
    Stage::of(simulator, event)
}

/// Whether an event came or not, every task has stopped by itself before the host goes.
async fn drained_by_both(stage: impl AsyncFn() -> Stage, cause: &str) {
    for by_event in [true, false] {
        let stage = stage().await;
        let function = if by_event { stage.function(&[]) } else { stage.reconcile(&[], secs(60.0)) };
        let drain = only(&function.invoke(&stage.event).await);
        assert_eq!(drain["outcome"], "drained", "{drain}");
        assert!(drain["reason"].as_str().is_some_and(|reason| reason.contains("taken out of service")), "{drain}");
        stage.released_empty();
        let lines = function.log_lines().join("\n");
        assert!(lines.contains(&format!("\"cause\":\"{cause}\"")), "{cause}: {lines}");
    }
}

#[tokio::test]
async fn a_host_that_gets_a_new_root_volume_is_drained_before_it_reboots() {
    let stage = async || {
        let mut world = world();
        service(&mut world, 2, 0.3, 0.5);
        leaving(world, |world| world.replace_root_volume(LEAVING, world.now()).unwrap(), "ReplacingRootVolume:Wait")
            .await
    };
    for by_event in [true, false] {
        let stage = stage().await;
        let function = if by_event { stage.function(&[]) } else { stage.reconcile(&[], secs(60.0)) };
        let drain = only(&function.invoke(&stage.event).await);
        assert_eq!(drain["outcome"], "drained", "{drain}");
        let back = |world: &World| world.lifecycle_state(LEAVING) == Some("InService");
        assert!(stage.simulator.wait_for(secs(10.0), back).await);
        stage.released_empty();
        assert!(function.log_lines().join("\n").contains("\"cause\":\"root-volume\""));
    }
}

#[tokio::test]
async fn a_host_that_returns_to_its_warm_pool_is_drained_first() {
    let stage = async || {
        let mut world = pooled(WarmPoolState::Stopped);
        service(&mut world, 2, 0.3, 0.5);
        leaving(world, |world| world.return_to_warm_pool(LEAVING, world.now()).unwrap(), "Warmed:Pending:Wait").await
    };
    drained_by_both(stage, "warm-pool").await;
}

#[tokio::test]
async fn a_warm_host_that_is_terminated_is_drained_first() {
    let stage = async || {
        let mut world = pooled(WarmPoolState::Running);
        standalone(&mut world, Some(4.0), 0.3);
        let now = world.now();
        world.return_to_warm_pool(LEAVING, now).unwrap();
        world.advance(now + secs(0.6));
        let hook = HOOK.to_owned();
        let completed = simulator::world::AutoScalingRequest::CompleteLifecycleAction {
            group: POOL.into(),
            hook,
            instance_id: Some(LEAVING.into()),
            token: None,
            result: "CONTINUE".into(),
        };
        assert!(world.request(world.now(), "before", completed).answer.is_ok());
        world.advance(world.now() + secs(2.0));
        assert_eq!(world.lifecycle_state(LEAVING), Some("Warmed:Running"));
        leaving(world, |world| world.terminate_warmed(LEAVING, world.now()).unwrap(), "Warmed:Terminating:Wait").await
    };
    for by_event in [true, false] {
        let stage = stage().await;
        let function = if by_event { stage.function(&[]) } else { stage.reconcile(&[], secs(60.0)) };
        let drain = only(&function.invoke(&stage.event).await);
        assert_eq!(drain["outcome"], "drained", "{drain}");
        let release = stage.releases().pop().expect("released by us, too");
        assert!(release.unstopped.is_empty(), "{release:?}");
    }
}

#[tokio::test]
async fn a_launch_into_a_warm_pool_is_no_termination_and_is_left_alone() {
    let mut world = pooled(WarmPoolState::Running);
    let now = world.now();
    world.launch_into_warm_pool("i-0cccccccccccccccc", POOL, now).unwrap();
    world.advance(now + secs(1.0));
    assert_eq!(world.lifecycle_state("i-0cccccccccccccccc"), Some("Warmed:Pending:Wait"));
    let stage = Stage::idle(world);
    let function = stage.reconcile(&[], secs(10.0));

    let invocation = function.invoke(&json!({})).await;

    assert_eq!(invocation.outcome.answer(), Some(&json!({"drains": []})), "{invocation:?}");
    assert_eq!(stage.writes(), 0);
    let lines = function.log_lines().join("\n");
    assert!(lines.contains("waits in its warm pool") && lines.contains("its event tells"), "{lines}");
}

#[tokio::test]
async fn a_retained_host_is_held_by_nothing_and_its_next_termination_is_another() {
    let mut world = world();
    standalone(&mut world, Some(6.0), 0.3);
    world
        .add_group(GroupSpec {
            name: "retaining".into(),
            hooks: vec![HookSpec::terminating(HOOK, secs(300.0))],
            retains_on_abandon: true,
            ..GroupSpec::default()
        })
        .unwrap();
    let spec = HostSpec {
        instance_id: Some("i-0dddddddddddddddd".into()),
        cluster: Some(CLUSTER.into()),
        group: Some("retaining".into()),
        ..HostSpec::default()
    };
    world.add_host(spec).unwrap();
    let id = "i-0dddddddddddddddd";
    let job = simulator::world::TaskSpec {
        cluster: CLUSTER.into(),
        instance_id: id.into(),
        stop_time: secs(0.3),
        ..simulator::world::TaskSpec::default()
    };
    world.run_task(job).unwrap();
    let simulator = Simulator::start(world).unwrap();
    simulator.world(|world| world.scale_in(id, world.now())).unwrap();
    assert!(simulator.wait_for(secs(5.0), |world| world.lifecycle_state(id) == Some("Terminating:Wait")).await);
    let stage = Stage::of(simulator, Value::Null);
    let variables = [("DRAIN_TIMEOUT_SECONDS", "2"), ("ON_DRAIN_TIMEOUT", "abandon")];

    let abandoned = only(&stage.reconcile(&variables, secs(30.0)).invoke(&json!({})).await);

    assert_eq!(abandoned["outcome"], "timed-out", "{abandoned}");
    assert!(abandoned["detail"].as_str().unwrap().contains("its group retains it, and it runs on"), "{abandoned}");
    let retained = |world: &World| world.lifecycle_state(id) == Some("Terminating:Retained");
    assert!(stage.simulator.wait_for(secs(5.0), retained).await);
    let nothing = stage.reconcile(&variables, secs(10.0)).invoke(&json!({})).await;
    assert_eq!(nothing.outcome.answer(), Some(&json!({"drains": []})), "no lifecycle action is open: {nothing:?}");

    let event = stage.simulator.world(|world| world.release_retained(id, world.now())).unwrap().remove(0);
    let again = only(&stage.function(&[("POLL_FOR_SECONDS", "2")]).invoke(&event).await);
    assert_eq!(again["outcome"], "handed-over", "a new termination, with all its time: {again}");
    assert_eq!(stage.releases().len(), 1);
}

/// The leaving host is scaled in now, and its state says so long only that it begins to leave.
fn ahead_of_its_state(waits_after: f64) -> Stage {
    let mut world = bare_world(Settings { wait_begins_after: secs(waits_after), ..Settings::default() });
    host(&mut world, LEAVING, Some(CLUSTER));
    host(&mut world, STAYING, Some(CLUSTER));
    service(&mut world, 1, 0.0, 0.2);
    let simulator = Simulator::start(world).unwrap();
    let event = simulator.world(|world| world.scale_in(LEAVING, world.now())).unwrap().remove(0);
    Stage::of(simulator, event)
}

#[tokio::test]
async fn an_event_that_is_ahead_of_the_state_is_served_when_its_instance_waits() {
    let stage = ahead_of_its_state(2.0);

    let drain = stage.drain(&[]).await;

    assert_eq!(drain["outcome"], "drained", "{drain}");
    stage.released_empty();
}

#[tokio::test]
async fn a_message_whose_event_stays_ahead_of_the_state_comes_again() {
    let stage = ahead_of_its_state(9.0);
    let source = EventSource::new(simulator::sqs::QueueSpec { visibility_timeout: secs(12.0), ..EVENTS });
    source.send(stage.event.to_string());

    let invocations = source.feed(&stage.function(&[])).await;

    let answers: Vec<_> = invocations.iter().map(|it| it.outcome.answer().cloned()).collect();
    let again = json!({"batchItemFailures": [{"itemIdentifier": "message-1"}]});
    assert_eq!(answers, [Some(again), Some(json!({"batchItemFailures": []}))]);
    assert_eq!(source.dead_letters(), [""; 0]);
    stage.released_empty();
}

#[tokio::test]
async fn metadata_name_the_cluster_as_an_object_and_as_text() {
    for metadata in [json!({"cluster": CLUSTER}), json!(json!({"cluster": CLUSTER}).to_string())] {
        let mut world = World::new(simulator::clock::wall_now(), Settings::default());
        for cluster in ["a", "b", CLUSTER, "z"] {
            world.add_cluster(cluster).unwrap();
        }
        let hooks = vec![hook_with(&json!({"cluster": CLUSTER}).to_string())];
        world.add_group(GroupSpec { name: GROUP.into(), hooks, ..GroupSpec::default() }).unwrap();
        host(&mut world, LEAVING, Some(CLUSTER));
        let mut stage = Stage::scaling_in(world);
        assert!(stage.event["detail"]["NotificationMetadata"].is_object(), "as by EventBridge");
        stage.event["detail"]["NotificationMetadata"] = metadata;

        let drain = stage.drain(&[]).await;

        assert_eq!(drain["outcome"], "drained", "{drain}");
        let searches = [Operation::ListClusters, Operation::ListContainerInstances];
        assert_eq!(searches.map(|operation| stage.count(operation)), [0, 1], "it is where the event says");
    }
}

#[tokio::test]
async fn never_early_an_old_attribute_and_an_old_event_cut_no_drain_short() {
    let mut world = world();
    standalone(&mut world, None, 0.3);
    world.set_status(LEAVING, "DRAINING").unwrap();
    let long_ago = (world.now() - secs(20_000.0)).to_string();
    remembered(&mut world, "ecs-drainer.drain-started-at", &long_ago);
    let mut stage = Stage::scaling_in(world);
    stage.event = crate::support::aged(&stage.event, 20_000.0);

    let drain = stage.drain(&[("POLL_FOR_SECONDS", "2")]).await;

    assert_eq!(drain["outcome"], "handed-over", "an hour from the scaling activity's start: {drain}");
    assert!(drain["seconds"].as_f64().unwrap() < 60.0, "{drain}");
    assert_eq!((stage.releases().len(), stage.count(Operation::StopTask)), (0, 0));
}

#[tokio::test]
async fn where_no_scaling_activity_can_be_read_the_time_counts_from_the_invocation_and_the_report_says_so() {
    let mut world = world();
    standalone(&mut world, None, 0.3);
    let denied = simulator::world::FaultKind::AccessDenied;
    world.plan(simulator::world::Fault::times(Operation::DescribeScalingActivities, u32::MAX, denied));
    let stage = Stage::scaling_in(world);

    let invocation = stage.reconcile(&[], secs(6.0)).invoke(&json!({})).await;

    let drain = only(&invocation);
    assert_eq!(drain["outcome"], "handed-over", "{drain}");
    let detail = drain["detail"].as_str().unwrap();
    assert!(detail.contains("its time counts from this invocation") && detail.contains("AccessDenied"), "{detail}");
    assert!(drain.get("reason").is_none());
}

#[tokio::test]
async fn a_warm_pool_that_cannot_be_read_holds_up_none_that_waits_in_its_group() {
    let mut world = pooled(WarmPoolState::Running);
    let warm = "i-0eeeeeeeeeeeeeeee";
    let spec = HostSpec { instance_id: Some(warm.into()), group: Some(POOL.into()), ..HostSpec::default() };
    world.add_host(spec).unwrap();
    let now = world.now();
    world.return_to_warm_pool(warm, now).unwrap();
    let denied = simulator::world::FaultKind::AccessDenied;
    world.plan(simulator::world::Fault::times(Operation::DescribeWarmPool, u32::MAX, denied));
    let stage = Stage::scaling_in(world);

    let drain = only(&stage.reconcile(&[], secs(40.0)).invoke(&json!({})).await);

    assert_eq!((drain["instanceId"].as_str(), drain["outcome"].as_str()), (Some(LEAVING), Some("drained")), "{drain}");
}

#[tokio::test]
async fn a_launch_is_left_to_another_function() {
    let stage = Stage::idle(world());
    let launch = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/events/instance-launch.json")).unwrap();
    let outcome = stage.function(&[]).invoke(&sqs_batch([launch])).await.outcome;
    let Outcome::Answered(answer) = outcome else { panic!("{outcome:?}") };
    assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], "message-1");
    assert_eq!(stage.writes(), 0);
}

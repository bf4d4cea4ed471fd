//! Requests that AWS throttles, drops, denies, delays, or fails.

use serde_json::json;
use simulator::world::{Fault, FaultKind, Operation, Settings};

use crate::support::{
    CLUSTER, HOOK, LEAVING, Stage, bare_world, host, only, secs, service, standalone, world, world_with_hooks,
};

#[tokio::test]
async fn throttled_then_dropped_then_500_on_the_first_calls_of_every_operation() {
    let mut world = world();
    service(&mut world, 2, 0.3, 0.3);
    for operation in Operation::ALL {
        world.plan(Fault::times(operation, 1, FaultKind::Throttle));
        world.plan(Fault::times(operation, 1, FaultKind::DropConnection));
        world.plan(Fault::times(operation, 1, FaultKind::ServerError));
    }
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[]).await;

    assert_eq!(drain["outcome"], "drained", "{drain}");
    stage.released_empty();
    // The rest comes by when it is handed over, stopped or kept alive: below.
    let made = Operation::ALL.into_iter().filter(|operation| stage.count(*operation) > 0);
    let harmed = made.filter(|operation| stage.count(*operation) >= 4).count();
    assert!(harmed >= 9, "three failures and a success each, of {harmed} operations");
}

#[tokio::test]
async fn throttled_then_dropped_then_500_on_what_a_handed_over_drain_calls() {
    let mut world = world_with_hooks(&[(HOOK, 6.0)]);
    standalone(&mut world, None, 8.0);
    let calls = [Operation::StopTask, Operation::RecordLifecycleActionHeartbeat];
    for operation in calls {
        world.plan(Fault::times(operation, 1, FaultKind::Throttle));
        world.plan(Fault::times(operation, 1, FaultKind::DropConnection));
        world.plan(Fault::times(operation, 1, FaultKind::ServerError));
    }
    let stage = Stage::scaling_in(world);
    let variables = [("STANDALONE_TASKS", "stop"), ("POLL_FOR_SECONDS", "4")];
    let first = stage.drain(&variables).await;
    assert_eq!(first["outcome"], "handed-over", "{first}");

    let second = only(&stage.reconcile(&variables, secs(20.0)).invoke(&json!({})).await);

    assert_eq!(second["outcome"], "drained", "{second}");
    stage.released_empty();
    for operation in calls {
        assert!(stage.count(operation) >= 4, "{operation:?}: {}", stage.count(operation));
    }
}

#[tokio::test]
async fn never_lost_an_answer_lost_after_it_took_effect_is_harmless() {
    for operation in [Operation::UpdateContainerInstancesState, Operation::CompleteLifecycleAction] {
        let mut world = world();
        service(&mut world, 1, 0.0, 0.3);
        world.plan(Fault::times(operation, 2, FaultKind::LoseAnswer));
        let stage = Stage::scaling_in(world);

        let drain = stage.drain(&[]).await;

        assert!(matches!(drain["outcome"].as_str(), Some("drained" | "already-released")), "{drain}");
        stage.released_empty();
    }
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_only_so_long() {
    let mut world = world();
    service(&mut world, 1, 0.0, 0.3);
    world.plan(Fault::times(Operation::DescribeAutoScalingInstances, 1, FaultKind::Slow(secs(30.0))));
    let stage = Stage::scaling_in(world);

    let invocation = stage.function(&[]).invoke(&stage.event).await;

    assert_eq!(only(&invocation)["outcome"], "drained");
    assert!(invocation.duration < secs(30.0), "done before the slow answer came: {:?}", invocation.duration);
    stage.released_empty();
}

#[tokio::test]
async fn without_the_right_to_set_draining_nothing_is_released_and_the_report_says_so() {
    let mut world = world();
    standalone(&mut world, None, 0.2);
    let denied = Operation::UpdateContainerInstancesState;
    world.plan(Fault { operation: Some(denied), ..Fault::always(FaultKind::AccessDenied) });
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[("POLL_FOR_SECONDS", "1")]).await;

    assert_eq!(drain["outcome"], "handed-over", "{drain}");
    assert!(drain["detail"].as_str().unwrap().contains("AccessDenied"), "{drain}");
    assert!(stage.releases().is_empty());
}

#[tokio::test]
async fn unknown_is_not_empty_lists_that_lag_and_empty_pages_hide_no_task() {
    let settings = Settings { list_lag: secs(1.0), page_size: 2, empty_pages: true, ..Settings::default() };
    let mut world = bare_world(settings);
    for other in 0..5 {
        world.add_cluster(&format!("other-{other}")).unwrap();
    }
    host(&mut world, LEAVING, Some(CLUSTER));
    service(&mut world, 7, 0.5, 1.0);
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[]).await;

    assert_eq!((drain["outcome"].as_str(), drain["tasksStopped"].as_u64()), (Some("drained"), Some(7)), "{drain}");
    stage.released_empty();
}

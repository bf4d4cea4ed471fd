//! What AWS may do to a request.

use simulator::world::{Fault, FaultKind, Operation, Settings};

use crate::support::{CLUSTER, LEAVING, Stage, bare_world, host, secs, service, standalone, world};

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
}

#[tokio::test]
async fn an_answer_that_is_lost_after_it_took_effect_is_harmless() {
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

    assert_eq!(stage.drain(&[]).await["outcome"], "drained");

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
async fn an_attribute_that_cannot_be_written_stops_nothing() {
    let mut world = world();
    standalone(&mut world, None, 0.2);
    world.plan(Fault { operation: Some(Operation::PutAttributes), ..Fault::always(FaultKind::AccessDenied) });
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[("POLL_FOR_SECONDS", "1")]).await;

    assert_eq!(drain["outcome"], "handed-over", "{drain}");
    assert!(stage.count(Operation::PutAttributes) > 0);
}

#[tokio::test]
async fn lists_that_lag_and_pages_that_are_short_or_empty_hide_nothing() {
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

//! The start of a function: before its first event, and right after it.

use std::cell::Cell;

use simulator::lambda::Function;
use simulator::world::{Operation, Settings};
use tokio::net::TcpListener;

use crate::support::{CLUSTER, LEAVING, Stage, bare_world, host, secs, world};

/// An AWS that takes connections and never answers, and how many it took while the function started.
async fn connections_at_start(start: impl Fn(&Stage, &[(&str, &str)]) -> Function) -> usize {
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let stage = Stage::idle(world());
    let function = start(&stage, &[("AWS_ENDPOINT_URL", &url)]);
    let taken = Cell::new(0);
    let take = async {
        let mut held = Vec::new();
        loop {
            held.push(silent.accept().await.unwrap());
            taken.set(held.len());
        }
    };
    tokio::select! {
        biased;
        ready = function.ready() => assert!(ready.is_ok(), "{ready:?}: {:?}", function.log_lines()),
        () = take => {}
    }
    let told = function.log_lines().iter().filter(|line| line.contains("could not be connected to in time")).count();
    assert_eq!(told, 1, "{:?}", function.log_lines());
    taken.get()
}

#[tokio::test]
async fn a_start_connects_to_what_the_first_call_needs_and_does_not_fail_for_it() {
    let within = secs(60.0);
    assert_eq!(connections_at_start(|stage, variables| stage.function(variables)).await, 2);
    assert_eq!(connections_at_start(|stage, variables| stage.spot(variables, within)).await, 1);
    assert_eq!(connections_at_start(|stage, variables| stage.reconcile(variables, within)).await, 1);
}

#[tokio::test]
async fn a_start_asks_aws_for_nothing() {
    let stage = Stage::idle(world());
    for function in [stage.function(&[]), stage.spot(&[], secs(60.0)), stage.reconcile(&[], secs(60.0))] {
        assert!(function.ready().await.is_ok());
    }
    assert!(stage.simulator.world(|world| world.requests().is_empty()));
}

#[tokio::test]
async fn the_search_does_not_wait_for_auto_scalings_word() {
    let mut world = bare_world(Settings { latency: secs(0.1)..secs(0.11), ..Settings::default() });
    host(&mut world, LEAVING, Some(CLUSTER));
    let stage = Stage::scaling_in(world);

    assert_eq!(stage.drain(&[]).await["outcome"], "drained");

    let order: Vec<_> =
        stage.simulator.world(|world| world.requests().iter().map(|it| it.request.operation()).collect());
    let first = |operation| order.iter().position(|it| *it == operation).unwrap();
    assert!(first(Operation::ListClusters) < first(Operation::DescribeLifecycleHooks), "{order:?}");
    assert!(first(Operation::DescribeLifecycleHooks) < first(Operation::UpdateContainerInstancesState), "{order:?}");
}

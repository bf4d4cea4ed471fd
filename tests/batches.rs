//! SQS batches.

use serde_json::{Value, json};
use simulator::lambda::{Outcome, sqs_batch};
use simulator::wire::Simulator;
use simulator::world::{Operation, Settings};

use crate::support::{CLUSTER, Stage, bare_world, host, secs, service, world};

#[tokio::test]
async fn of_a_batch_only_the_messages_that_cannot_be_served_come_back() {
    let mut world = world();
    service(&mut world, 1, 0.0, 0.2);
    let stage = Stage::scaling_in(world);
    let batch = sqs_batch([stage.event.to_string(), "not JSON".to_owned(), "{}".to_owned()]);

    let invocation = stage.function(&[]).invoke(&batch).await;

    let expected = json!({"batchItemFailures": [{"itemIdentifier": "message-2"}, {"itemIdentifier": "message-3"}]});
    assert_eq!(invocation.outcome.answer(), Some(&expected), "{:?}", invocation.outcome);
    stage.released_empty();
}

#[tokio::test]
async fn an_unfinished_drain_is_no_failure_for_reconcile_goes_on() {
    let mut world = world();
    crate::support::standalone(&mut world, None, 0.2);
    let stage = Stage::scaling_in(world);
    let batch = sqs_batch([stage.event.to_string()]);

    let invocation = stage.function(&[("POLL_FOR_SECONDS", "1")]).invoke(&batch).await;

    assert_eq!(invocation.outcome.answer(), Some(&json!({"batchItemFailures": []})));
}

#[tokio::test]
async fn a_batch_shares_its_requests() {
    let settings = Settings { wait_begins_after: secs(0.0), ..Settings::default() };
    let mut world = bare_world(settings);
    let ids: Vec<_> = (0..8).map(|n| format!("i-{n:017x}")).collect();
    for id in &ids {
        host(&mut world, id, Some(CLUSTER));
    }
    let simulator = Simulator::start(world).unwrap();
    let events: Vec<Value> =
        simulator.world(|world| ids.iter().flat_map(|id| world.scale_in(id, world.now()).unwrap()).collect());
    let stage = Stage::of(simulator, Value::Null);
    let batch = sqs_batch(events.iter().chain(events.first()).map(Value::to_string));

    let outcome = stage.function(&[]).invoke(&batch).await.outcome;

    assert!(matches!(&outcome, Outcome::Answered(answer) if answer["batchItemFailures"] == json!([])), "{outcome:?}");
    let mut released: Vec<_> = stage.releases().into_iter().map(|release| release.instance_id).collect();
    released.sort();
    assert_eq!(released, ids, "each once, the doubled one too");
    assert_eq!(stage.count(Operation::DescribeAutoScalingInstances), 1);
    assert_eq!(stage.count(Operation::DescribeLifecycleHooks), 1);
    assert_eq!(stage.count(Operation::ListContainerInstances), 1);
    assert_eq!(stage.count(Operation::DescribeScalingActivities), 1);
    assert_eq!(stage.count(Operation::UpdateContainerInstancesState), 1);
}

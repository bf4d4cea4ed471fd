//! Input that is not an event.

use serde_json::{Value, json};
use simulator::lambda::{Function, Outcome, sqs_batch};
use simulator::world::SpotAction;

use crate::support::{LEAVING, Stage, only, secs, world};

/// Input that no function takes, and the type of the error.
fn bad_events() -> Vec<(Value, &'static str)> {
    let unrelated = json!({
        "version": "0", "id": "1", "detail-type": "EC2 Instance Launch Successful", "source": "aws.autoscaling",
        "account": "123456789012", "time": "yyyy-mm-ddThh:mm:ssZ", "region": "us-west-2", "resources": [], "detail": {},
    });
    vec![
        (json!({}), "UnknownEvent"),
        (json!([]), "UnreadableEvent"),
        (json!("x"), "UnreadableEvent"),
        (json!(7), "UnreadableEvent"),
        (Value::Null, "UnreadableEvent"),
        (unrelated, "UnknownEvent"),
        (json!({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}), "UnreadableEvent"),
    ]
}

/// Each is a Lambda error of a stable type when it comes bare, and one failed message when it comes in a batch.
async fn refuses(function: &Function, events: Vec<(Value, &str)>) {
    for (event, expected) in events {
        match function.invoke(&event).await.outcome {
            Outcome::Failed { error_type, error_message } => {
                assert_eq!(error_type, expected, "{event}");
                assert!(!error_message.is_empty() && !error_message.contains("::"), "{error_message}");
            }
            other => panic!("{event}: {other:?}"),
        }
        let batch = function.invoke(&sqs_batch([event.to_string()])).await;
        let failed = json!({"batchItemFailures": [{"itemIdentifier": "message-1"}]});
        assert_eq!(batch.outcome.answer(), Some(&failed), "{event}");
    }
    let no_json = function.invoke(&sqs_batch(["not JSON".to_owned()])).await;
    assert_eq!(no_json.outcome.answer(), Some(&json!({"batchItemFailures": [{"itemIdentifier": "message-1"}]})));
}

#[tokio::test]
async fn bad_input_is_a_lambda_error_with_a_stable_type_and_the_process_lives_on() {
    let stage = Stage::scaling_in(world());
    let function = stage.function(&[]);
    let mut quoted = stage.event.clone();
    quoted["detail"]["EC2InstanceId"] = json!("i-1234abcd'] or ec2InstanceId in ['");
    let another = stage.simulator.world(|world| world.recommend_rebalance(LEAVING)).unwrap();

    let events = bad_events().into_iter().chain([(quoted, "InvalidEvent"), (another, "UnknownEvent")]);
    refuses(&function, events.collect()).await;

    assert_eq!(stage.simulator.world(|world| world.requests().len()), 0, "no call for any of it");
    assert_eq!(only(&function.invoke(&stage.event).await)["outcome"], "drained", "the process lives on");
}

#[tokio::test]
async fn the_function_for_spot_refuses_the_same_and_what_is_wrong_with_a_notice() {
    let stage = Stage::scaling_in(world());
    let interrupt = |world: &mut simulator::world::World| world.interrupt(LEAVING, SpotAction::Terminate, world.now());
    let notice = stage.simulator.world(interrupt).unwrap();
    let function = stage.spot(&[], secs(60.0));
    let (mut quoted, mut timeless, mut nameless) = (notice.clone(), notice.clone(), notice.clone());
    quoted["detail"]["instance-id"] = json!("i-1234abcd'] or ec2InstanceId in ['");
    timeless["time"] = json!("yyyy-mm-ddThh:mm:ssZ");
    nameless["detail"] = json!({"instance-action": "terminate"});

    let of_notices = [
        (quoted, "InvalidEvent"),
        (timeless, "InvalidEvent"),
        (nameless, "UnreadableEvent"),
        (stage.event.clone(), "UnknownEvent"),
    ];
    refuses(&function, bad_events().into_iter().chain(of_notices).collect()).await;

    assert_eq!(stage.simulator.world(|world| world.requests().len()), 0, "no call for any of it");
    assert_eq!(only(&function.invoke(&notice).await)["outcome"], "drained", "the process lives on");
}

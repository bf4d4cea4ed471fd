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

/// Valid by RFC 8259 or not, a reader of JSON may refuse each of these: too deep, too large a number, half a surrogate pair.
fn unreadable(event: &Value) -> [String; 4] {
    let with = |extra: &str| event.to_string().replacen('{', &format!("{{\"extra\":{extra},"), 1);
    let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
    [with(&deep), with("1e999"), with(r#""\ud800""#), "no JSON at all".to_owned()]
}

#[tokio::test]
async fn json_that_cannot_be_read_is_an_error_of_its_own_type_and_fails_alone_in_a_batch() {
    let stage = Stage::scaling_in(world());
    let function = stage.function(&[]);
    for payload in unreadable(&stage.event) {
        match function.invoke_with(payload.clone()).await.outcome {
            Outcome::Failed { error_type, error_message } => {
                assert_eq!(error_type, "UnreadableEvent", "{payload}: {error_message}");
                assert!(error_message.starts_with("unreadable event: "), "{error_message}");
            }
            other => panic!("{payload}: {other:?}"),
        }
    }
    let bodies = unreadable(&stage.event).into_iter().chain([stage.event.to_string()]);
    let batch = function.invoke(&sqs_batch(bodies)).await;
    let failed = |number: usize| json!({"itemIdentifier": format!("message-{number}")});
    let failed: Vec<_> = (1..=4).map(failed).collect();
    assert_eq!(batch.outcome.answer(), Some(&json!({"batchItemFailures": failed})));
    stage.released_empty();
}

#[tokio::test]
async fn a_byte_order_mark_is_read_as_if_it_were_not_there() {
    for in_batch in [false, true] {
        let stage = Stage::scaling_in(world());
        let function = stage.function(&[]);
        let marked = format!("\u{feff}{}", stage.event);
        let payload = if in_batch { sqs_batch([marked]).to_string() } else { marked };
        let outcome = function.invoke_with(payload).await.outcome;
        assert!(outcome.answer().is_some(), "{outcome:?}");
        stage.released_empty();
    }
}

#[tokio::test]
async fn reconcile_is_woken_by_whatever_comes() {
    let stage = Stage::scaling_in(world());
    let function = stage.reconcile(&[], secs(60.0));
    let outcome = function.invoke_with("no JSON at all".to_owned()).await.outcome;
    assert!(outcome.answer().is_some(), "{outcome:?}");
    stage.released_empty();
}

#[tokio::test]
async fn a_pipe_hands_over_a_bare_list_of_messages_and_takes_the_answer_to_a_batch() {
    let stage = Stage::scaling_in(world());
    let function = stage.function(&[]);
    let records = |bodies: [String; 2]| sqs_batch(bodies)["Records"].clone();

    let outcome = function.invoke(&records([stage.event.to_string(), "{}".to_owned()])).await.outcome;

    let failed = json!({"batchItemFailures": [{"itemIdentifier": "message-2"}]});
    assert_eq!(outcome.answer(), Some(&failed), "{outcome:?}");
    stage.released_empty();
}

#[tokio::test]
async fn a_message_without_an_id_fails_its_batch() {
    let stage = Stage::scaling_in(world());
    let function = stage.function(&[]);
    let batch = sqs_batch([stage.event.to_string(), "no JSON".to_owned()]);
    for id in [None, Some(Value::Null), Some(json!(""))] {
        for envelope in [true, false] {
            let mut batch = batch.clone();
            let message = batch["Records"][1].as_object_mut().unwrap();
            match &id {
                Some(id) => drop(message.insert("messageId".to_owned(), id.clone())),
                None => drop(message.remove("messageId")),
            }
            let payload = if envelope { batch } else { batch["Records"].take() };
            let outcome = function.invoke(&payload).await.outcome;
            let is_unreadable =
                matches!(&outcome, Outcome::Failed { error_type, .. } if error_type == "UnreadableEvent");
            assert!(is_unreadable, "{id:?}: {outcome:?}");
        }
    }
}

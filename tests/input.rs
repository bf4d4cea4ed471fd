//! What may come in instead of an event.

use serde_json::{Value, json};
use simulator::lambda::Outcome;

use crate::support::{Stage, only, world};

#[tokio::test]
async fn bad_input_is_a_lambda_error_with_a_stable_type_and_the_process_lives_on() {
    let stage = Stage::scaling_in(world());
    let function = stage.function(&[]);
    let mut quoted = stage.event.clone();
    quoted["detail"]["EC2InstanceId"] = json!("i-1234abcd'] or ec2InstanceId in ['");
    let unrelated = json!({
        "version": "0", "id": "1", "detail-type": "EC2 Instance Launch Successful", "source": "aws.autoscaling",
        "account": "123456789012", "time": "yyyy-mm-ddThh:mm:ssZ", "region": "us-west-2", "resources": [], "detail": {},
    });
    let cases: [(Value, &str); 8] = [
        (json!({}), "UnknownEvent"),
        (json!([]), "UnreadableEvent"),
        (json!("x"), "UnreadableEvent"),
        (json!(7), "UnreadableEvent"),
        (Value::Null, "UnreadableEvent"),
        (unrelated, "UnknownEvent"),
        (quoted, "InvalidEvent"),
        (json!({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}), "UnreadableEvent"),
    ];
    for (event, expected) in cases {
        match function.invoke(&event).await.outcome {
            Outcome::Failed { error_type, error_message } => {
                assert_eq!(error_type, expected, "{event}");
                assert!(!error_message.is_empty() && !error_message.contains("::"), "{error_message}");
            }
            other => panic!("{event}: {other:?}"),
        }
    }
    assert_eq!(stage.simulator.world(|world| world.requests().len()), 0, "no call for any of it");

    assert_eq!(only(&function.invoke(&stage.event).await)["outcome"], "drained", "the process lives on");
}

//! A real process over the Runtime API.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;

use super::*;
use crate::sqs::QueueSpec;

fn spec() -> FunctionSpec {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lambda/tests/function.sh");
    FunctionSpec {
        name: "drain".to_owned(),
        binary: script,
        timeout: Duration::from_secs(20),
        ..FunctionSpec::default()
    }
}

fn with(name: &str, value: &str) -> FunctionSpec {
    FunctionSpec { environment: vec![(name.to_owned(), value.to_owned())], ..spec() }
}

async fn outcome(function: &Function, event: &str) -> Outcome {
    function.invoke(&json!({ "do": event })).await.outcome
}

fn handled(count: u32) -> Outcome {
    Outcome::Answered(json!({ "handled": count }))
}

#[tokio::test]
async fn one_process_serves_one_invocation_after_the_other() {
    let function = Function::start(spec()).unwrap();
    let event = json!({ "do": "answer" });
    let (first, second) = tokio::join!(function.invoke(&event), function.invoke(&event));
    assert_eq!(first.outcome, handled(1));
    assert_eq!(second.outcome, handled(2));
    assert!(first.init.is_some());
    assert_eq!(second.init, None);
    assert_ne!(first.request_id, second.request_id);
    assert!(function.peak_rss_kib().unwrap() > 0);
}

#[tokio::test]
async fn what_it_writes_is_kept() {
    let function = Function::start(spec()).unwrap();
    outcome(&function, "answer").await;
    for _ in 0..500 {
        if function.log_lines().len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut lines = function.log_lines();
    lines.sort();
    assert_eq!(lines, ["to stderr 1", "to stdout 1"]);
}

#[tokio::test]
async fn its_environment_is_what_lambda_sets_and_nothing_else() {
    let function = Function::start(with("MINE", "yes")).unwrap();
    let answer = outcome(&function, "variables").await;
    let expected = json!({ "region": "us-west-2", "mine": "yes", "home": "" });
    assert_eq!(answer, Outcome::Answered(expected));
    let arn = "arn:aws:lambda:us-west-2:123456789012:function:drain";
    let answer = outcome(&function, "headers").await;
    assert_eq!(answer, Outcome::Answered(json!({ "arn": arn })));
}

#[tokio::test]
async fn an_error_is_reported_and_the_process_stays() {
    let function = Function::start(spec()).unwrap();
    let failed = Outcome::Failed { error_type: "Unreadable".to_owned(), error_message: "no such event".to_owned() };
    assert_eq!(outcome(&function, "fail").await, failed);
    assert_eq!(outcome(&function, "answer").await, handled(2));
}

#[tokio::test]
async fn at_its_deadline_it_is_killed_and_the_next_invocation_starts_anew() {
    let function = Function::start(FunctionSpec { timeout: Duration::from_secs(2), ..spec() }).unwrap();
    assert_eq!(outcome(&function, "answer").await, handled(1));
    let invocation = function.invoke(&json!({ "do": "sleep" })).await;
    assert_eq!(invocation.outcome, Outcome::TimedOut);
    assert!(invocation.duration >= Duration::from_secs(2));
    assert_eq!(outcome(&function, "answer").await, handled(1));
}

#[tokio::test]
async fn a_process_that_exits_is_replaced() {
    let function = Function::start(spec()).unwrap();
    match outcome(&function, "exit").await {
        Outcome::Exited(status) => assert_eq!(status.code(), Some(7)),
        other => panic!("{other:?}"),
    }
    assert_eq!(outcome(&function, "answer").await, handled(1));
}

#[tokio::test]
async fn a_kill_in_the_middle_ends_the_invocation() {
    let function = Function::start(spec()).unwrap();
    assert_eq!(outcome(&function, "answer").await, handled(1));
    let (ended, ()) = tokio::join!(outcome(&function, "sleep"), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        function.kill();
    });
    match ended {
        Outcome::Exited(status) => assert_eq!(status.code(), None, "by a signal"),
        other => panic!("{other:?}"),
    }
    assert_eq!(outcome(&function, "answer").await, handled(1));
}

#[tokio::test]
async fn an_init_that_fails_says_why() {
    let function = Function::start(with("INIT", "error")).unwrap();
    let failed = Outcome::InitFailed {
        error_type: "Configuration".to_owned(),
        error_message: "DRAIN_TIMEOUT_SECONDS".to_owned(),
    };
    assert_eq!(outcome(&function, "answer").await, failed);
    assert_eq!(outcome(&function, "answer").await, failed, "and again");
    let function = Function::start(with("INIT", "exit")).unwrap();
    let failed = Outcome::InitFailed {
        error_type: "Runtime.ExitError".to_owned(),
        error_message: "Runtime exited with error: exit status: 3".to_owned(),
    };
    assert_eq!(outcome(&function, "answer").await, failed);
}

#[tokio::test]
async fn a_binary_that_is_not_there_is_an_error() {
    let missing = FunctionSpec { binary: PathBuf::from("/nonexistent/bootstrap"), ..spec() };
    assert!(Function::start(missing).is_err());
}

#[test]
fn a_batch_wraps_bodies_in_their_order() {
    let batch = sqs_batch(["{}".to_owned(), "[]".to_owned()]);
    let record = |n: usize, name: &str| batch["Records"][n][name].clone();
    assert_eq!(record(0, "messageId"), "message-1");
    assert_eq!(record(1, "messageId"), "message-2");
    assert_eq!(record(1, "body"), "[]");
    assert_eq!(record(1, "eventSource"), "aws:sqs");
}

#[tokio::test]
async fn a_queue_feeds_a_function_and_what_fails_comes_again_until_it_is_a_dead_letter() {
    let function = Function::start(spec()).unwrap();
    let queue = QueueSpec {
        visibility_timeout: Duration::from_millis(300),
        max_receive_count: 2,
        batch_size: 1,
        batch_window: Duration::ZERO,
    };
    let source = EventSource::new(queue);
    for wish in ["answer", "fail", "exit"] {
        source.send(wish.to_owned());
    }
    // The script looks for its wish in the whole event, in quotes.
    let invocations = source.feed(&function).await;
    assert_eq!(invocations.len(), 5, "{invocations:#?}");
    assert_eq!(source.dead_letters(), ["fail", "exit"]);
}

#[tokio::test]
async fn a_fleet_has_an_environment_for_each_invocation_at_a_time_and_uses_them_again() {
    let queue = QueueSpec {
        visibility_timeout: Duration::from_secs(30),
        max_receive_count: 2,
        batch_size: 10,
        batch_window: Duration::ZERO,
    };
    for (concurrency, environments) in [(pollers::MAX_CONCURRENCY, 3), (2, 2)] {
        let fleet = Fleet::new(|| Function::start(spec()));
        let source = EventSource::new(queue).with_maximum_concurrency(concurrency);
        for _ in 0..2 {
            (0..3).for_each(|_| source.send("answer".to_owned()));
            let invocations = source.feed_fleet(&fleet).await;
            assert_eq!(invocations.len(), 3, "five pollers share three messages: {invocations:#?}");
            assert_eq!((fleet.functions().len(), fleet.running()), (environments, 0));
        }
        assert_eq!(source.dead_letters(), [""; 0]);
    }
}

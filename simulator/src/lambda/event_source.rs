//! An event source mapping: feeds functions from a queue, with `ReportBatchItemFailures`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::{Function, Invocation};
use crate::{
    clock::wall_now,
    sqs::{Message, Queue, QueueSpec},
};

/// A queue from which functions are fed, in real time.
#[derive(Debug)]
pub struct EventSource(Mutex<Queue>);

impl EventSource {
    /// One with an empty queue.
    pub fn new(spec: QueueSpec) -> EventSource {
        EventSource(Mutex::new(Queue::new(spec)))
    }

    /// Sends a message.
    pub fn send(&self, body: String) {
        self.queue().send(body, wall_now());
    }

    /// Feeds `function` batch by batch until the queue is empty; answers its invocations. Several may be fed side by side.
    pub async fn feed(&self, function: &Function) -> Vec<Invocation> {
        let mut invocations = Vec::new();
        loop {
            let (next, window) = {
                let queue = self.queue();
                (queue.next_visible(), queue.spec().batch_window)
            };
            let Some(next) = next else { return invocations };
            let wait = next.duration_since(wall_now()).try_into().unwrap_or_default();
            tokio::time::sleep(window.max(wait)).await;
            let messages = self.queue().receive(wall_now());
            if messages.is_empty() {
                continue;
            }
            let invocation = function.invoke(&event(&messages)).await;
            self.queue().delete(done(&messages, invocation.outcome.answer()));
            invocations.push(invocation);
        }
    }

    /// The bodies of what was received too often.
    pub fn dead_letters(&self) -> Vec<String> {
        self.queue().dead_letters().iter().map(|message| message.body.clone()).collect()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wraps bodies as Lambda hands over a batch of an SQS queue, in their order as `message-1`, `message-2`, …
pub fn sqs_batch(bodies: impl IntoIterator<Item = String>) -> Value {
    let messages = (bodies.into_iter().zip(1..)).map(|(body, number): (String, usize)| Message {
        id: format!("message-{number}"),
        body,
        receive_count: 1,
    });
    event(&messages.collect::<Vec<_>>())
}

// Lambda developer guide, "Example Amazon SQS event".
fn event(messages: &[Message]) -> Value {
    let now = wall_now().as_millisecond().to_string();
    let record = |Message { id, body, receive_count }: &Message| {
        json!({
            "messageId": id,
            "receiptHandle": format!("receipt-of-{id}"),
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": receive_count.to_string(),
                "SentTimestamp": now,
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": now,
            },
            "messageAttributes": {},
            "md5OfBody": "00000000000000000000000000000000",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-west-2:123456789012:drain-queue",
            "awsRegion": "us-west-2",
        })
    };
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() })
}

/// The messages of a batch that are to be deleted after this answer; none is an error.
// Lambda developer guide, "Implementing partial batch responses": an empty or null answer is a success of all, one that is
// malformed or names no message of the batch a failure of all.
fn done<'a>(messages: &'a [Message], answer: Option<&Value>) -> Vec<&'a str> {
    let all: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
    let Some(answer) = answer else { return Vec::new() };
    let failed = match answer.get("batchItemFailures") {
        None | Some(Value::Null) => return all,
        Some(Value::Array(failures)) => {
            failures.iter().map(|failure| failure.get("itemIdentifier").and_then(Value::as_str)).collect::<Vec<_>>()
        }
        Some(_) => return Vec::new(),
    };
    if failed.iter().any(|id| !id.is_some_and(|id| all.contains(&id))) {
        return Vec::new();
    }
    all.into_iter().filter(|id| !failed.contains(&Some(id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_names_and_all_of_a_malformed_one_comes_again() {
        let batch = ["a", "b"].map(|id| Message { id: id.to_owned(), body: String::new(), receive_count: 1 });
        let done = |answer: Value| done(&batch, Some(&answer)).join(" ");
        assert_eq!(done(json!({"batchItemFailures": [{"itemIdentifier": "a"}]})), "b");
        assert_eq!(done(json!({"batchItemFailures": []})), "a b");
        assert_eq!(done(json!({"batchItemFailures": null})), "a b");
        assert_eq!(done(Value::Null), "a b");
        for failure in [json!({"itemIdentifier": ""}), json!({"id": "a"}), json!({"itemIdentifier": "c"})] {
            assert_eq!(done(json!({"batchItemFailures": [failure, {"itemIdentifier": "a"}]})), "", "{failure}");
        }
        assert_eq!(super::done(&batch, None).len(), 0, "an error is a failure of the batch");
    }
}

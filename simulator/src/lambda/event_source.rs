//! An event source mapping: feeds functions from a queue, with `ReportBatchItemFailures`.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{
    fleet::Fleet,
    function::Function,
    invocation::Invocation,
    pollers::{Batch, MAX_CONCURRENCY, Pollers},
};
use crate::{
    clock::wall_now,
    sqs::{Message, Queue, QueueSpec},
};

/// A queue from which a function is fed as Lambda does it, in real time.
#[derive(Debug)]
pub struct EventSource {
    maximum_concurrency: usize,
    queue: Mutex<Queue>,
    sent: Notify,
}

impl EventSource {
    /// One with an empty queue, and without a MaximumConcurrency of its own.
    pub fn new(spec: QueueSpec) -> EventSource {
        EventSource { maximum_concurrency: MAX_CONCURRENCY, queue: Mutex::new(Queue::new(spec)), sent: Notify::new() }
    }

    /// The same with a MaximumConcurrency.
    #[must_use]
    pub fn with_maximum_concurrency(self, maximum_concurrency: usize) -> EventSource {
        EventSource { maximum_concurrency, ..self }
    }

    /// Sends a message.
    pub fn send(&self, body: String) {
        self.queue().send(body, wall_now());
        self.sent.notify_one();
    }

    /// Feeds the environments of `fleet` until the queue is empty and nothing runs; answers the invocations in the order
    /// of their ends.
    pub async fn feed_fleet(&self, fleet: &Fleet<'_>) -> Vec<Invocation> {
        let mut invocations = Vec::new();
        let invoke = async |event| fleet.invoke(&event).await;
        self.feed_by(self.maximum_concurrency, invoke, |invocation| invocations.push(invocation), true).await;
        invocations
    }

    /// Feeds the environments of `fleet` with whatever is sent, until it is dropped.
    pub async fn serve(&self, fleet: &Fleet<'_>) {
        self.feed_by(self.maximum_concurrency, async |event| fleet.invoke(&event).await, drop, false).await;
    }

    /// Feeds one environment, batch by batch, likewise. Lambda always has room for a second.
    pub async fn feed(&self, function: &Function) -> Vec<Invocation> {
        let mut invocations = Vec::new();
        let invoke = async |event| function.invoke(&event).await;
        self.feed_by(1, invoke, |invocation| invocations.push(invocation), true).await;
        invocations
    }

    /// The bodies of what was received too often.
    pub fn dead_letters(&self) -> Vec<String> {
        self.queue().dead_letters().iter().map(|message| message.body.clone()).collect()
    }

    async fn feed_by(
        &self,
        maximum_concurrency: usize,
        invoke: impl AsyncFn(Value) -> Invocation,
        mut ended: impl FnMut(Invocation),
        until_idle: bool,
    ) {
        let mut pollers = Pollers::new(maximum_concurrency);
        let mut running = Vec::new();
        loop {
            let now = wall_now();
            let batches = pollers.poll(&mut self.queue(), now);
            for Batch { messages, .. } in batches {
                let invoked = invoke(event(&messages, now));
                running.push((Box::pin(invoked), messages));
            }
            let next = pollers.next_poll(&self.queue(), now);
            if until_idle && next.is_none() && running.is_empty() && pollers.is_idle() {
                return;
            }
            tokio::select! {
                biased;
                (invocation, messages) = first_ended(&mut running) => {
                    self.queue().delete(done(&messages, invocation.outcome.answer()));
                    pollers.invocation_ended(wall_now());
                    ended(invocation);
                }
                () = self.sent.notified() => {}
                () = until(next) => {}
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for one of them and takes it out; for ever when there is none.
async fn first_ended<F: Future>(running: &mut Vec<(Pin<Box<F>>, Vec<Message>)>) -> (F::Output, Vec<Message>) {
    let (index, output) = poll_fn(|context| {
        for (index, (invoked, _)) in running.iter_mut().enumerate() {
            if let Poll::Ready(output) = invoked.as_mut().poll(context) {
                return Poll::Ready((index, output));
            }
        }
        Poll::Pending
    })
    .await;
    (output, running.swap_remove(index).1)
}

async fn until(next: Option<Timestamp>) {
    match next {
        Some(at) => tokio::time::sleep(at.duration_since(wall_now()).try_into().unwrap_or_default()).await,
        None => std::future::pending().await,
    }
}

/// Wraps bodies as Lambda hands over a batch of an SQS queue, in their order as `message-1`, `message-2`, …
pub fn sqs_batch(bodies: impl IntoIterator<Item = String>) -> Value {
    let now = wall_now();
    let messages = (bodies.into_iter().zip(1..)).map(|(body, number): (String, usize)| Message {
        id: format!("message-{number}"),
        body,
        receive_count: 1,
        sent_at: now,
        first_received_at: Some(now),
    });
    event(&messages.collect::<Vec<_>>(), now)
}

// Lambda developer guide, "Example Amazon SQS event".
fn event(messages: &[Message], now: Timestamp) -> Value {
    let milliseconds = |at: Timestamp| at.as_millisecond().to_string();
    let record = |message: &Message| {
        json!({
            "messageId": message.id,
            "receiptHandle": format!("receipt-{}-of-{}", message.receive_count, message.id),
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": message.receive_count.to_string(),
                "SentTimestamp": milliseconds(message.sent_at),
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": milliseconds(message.first_received_at.unwrap_or(now)),
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
// Lambda developer guide, "Implementing partial batch responses": an empty or null answer is a success of all; one that is
// malformed or names no message of the batch is a failure of all. Recorded: so are an unknown id, "" and a number, but an
// item without an identifier is ignored, and `[{}]` deletes the whole batch.
fn done<'a>(messages: &'a [Message], answer: Option<&Value>) -> Vec<&'a str> {
    let all: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
    let Some(answer) = answer else { return Vec::new() };
    let failures = match answer.get("batchItemFailures") {
        None | Some(Value::Null) => return all,
        Some(Value::Array(failures)) => failures,
        Some(_) => return Vec::new(),
    };
    let mut failed = Vec::new();
    for failure in failures.iter().filter_map(Value::as_object) {
        match failure.get("itemIdentifier").map(|id| id.as_str().filter(|id| all.contains(id))) {
            None => {}
            Some(Some(id)) => failed.push(id),
            Some(None) => return Vec::new(),
        }
    }
    all.into_iter().filter(|id| !failed.contains(id)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn message(id: &str) -> Message {
        let (sent_at, first_received_at) = (Timestamp::UNIX_EPOCH, None);
        Message { id: id.to_owned(), body: String::new(), receive_count: 1, sent_at, first_received_at }
    }

    #[test]
    fn what_an_answer_names_and_all_of_a_malformed_one_comes_again() {
        let batch = ["a", "b"].map(message);
        let done = |answer: Value| done(&batch, Some(&answer)).join(" ");
        assert_eq!(done(json!({"batchItemFailures": [{"itemIdentifier": "a"}]})), "b");
        assert_eq!(done(json!({"batchItemFailures": []})), "a b");
        assert_eq!(done(json!({"batchItemFailures": null})), "a b");
        assert_eq!(done(Value::Null), "a b");
        for identifier in [json!(""), json!("c"), json!(7), json!(null)] {
            let failure = json!({"itemIdentifier": identifier});
            assert_eq!(done(json!({"batchItemFailures": [failure, {"itemIdentifier": "a"}]})), "", "{failure}");
        }
        assert_eq!(done(json!({"batchItemFailures": "a"})), "", "not an array");
        assert_eq!(super::done(&batch, None).len(), 0, "an error is a failure of the batch");
    }

    #[test]
    fn an_item_that_names_nothing_is_no_failure() {
        let batch = ["a", "b"].map(message);
        let done = |failures: Value| done(&batch, Some(&json!({ "batchItemFailures": failures }))).join(" ");
        assert_eq!(done(json!([{}])), "a b", "the whole batch is deleted");
        assert_eq!(done(json!([{}, {"itemIdentifier": "a"}])), "b");
    }

    #[test]
    fn a_message_keeps_its_times_when_it_comes_again() {
        let at = |ms: u64| Timestamp::UNIX_EPOCH + Duration::from_millis(ms);
        let mut queue = Queue::new(QueueSpec {
            visibility_timeout: Duration::from_secs(30),
            max_receive_count: 5,
            batch_size: 10,
            batch_window: Duration::ZERO,
        });
        queue.send("{}".to_owned(), at(1_000));
        queue.receive(at(1_014));
        let record = event(&queue.receive(at(31_014)), at(31_055))["Records"][0]["attributes"].clone();
        assert_eq!(record["SentTimestamp"], "1000");
        assert_eq!(record["ApproximateFirstReceiveTimestamp"], "1014");
        assert_eq!(record["ApproximateReceiveCount"], "2");
    }
}

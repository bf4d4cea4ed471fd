//! From a Lambda invocation's payload to its answer: bare events are answered with a report, batches with the messages
//! that should come again.

pub mod verdict;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};
use jiff::Timestamp;
use lambda_runtime::Diagnostic;
use serde::Serialize;
use tracing::{info, warn};

use self::verdict::{Judge, Verdict};
use crate::aws::chain;
use crate::config::Config;
use crate::drain::facts::departure::{Departure, Hints};
use crate::drain::facts::known::Known;
use crate::drain::reports::report::{Drain, Report, ignored};
use crate::drain::requests::scan::ScanError;
use crate::drain::rules::decision::Outcome;
use crate::ids::{ClusterName, GroupName, Home, InstanceId};
use crate::notice::{self, NoticeError, Payload};

/// The BatchSize of both event sources: without a batching window Lambda hands over no more (Lambda developer guide,
/// Amazon SQS), and so many only where more are waiting.
pub const FULL_BATCH: usize = 10;

/// What an invocation is to do.
#[derive(Debug, PartialEq)]
pub struct Intake {
    /// The instances about to leave, each once, in the order of their events.
    departures: Vec<Notified>,
    /// What needs nothing done.
    ignored: Vec<Drain>,
    /// For a batch, the messages that could not be read; none for a bare event.
    unreadable: Option<Vec<String>>,
    /// How many messages the batch has.
    messages: usize,
}

/// A departure, what else its first event told, and the messages that told of it; none for a bare event.
#[derive(Debug, PartialEq)]
struct Notified {
    departure: Departure,
    hints: Hints,
    messages: Vec<String>,
}

/// What goes on with a drain that a batch did not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// `reconcile` finds it in AWS's state; its message is done with.
    ReconcileGoesOn,
    /// Its message comes again.
    ComesAgain,
}

/// A function's answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// To a bare event.
    Report(Report),
    /// To an SQS batch.
    Batch(SqsBatchResponse),
}

/// Reads a payload, and asks `judge` what each notice in it means to this function.
///
/// # Errors
/// For a bare event that cannot be read, is not known or is another function's, or a batch that is none. A bad message
/// inside a batch fails alone.
pub fn intake(payload: &str, home: Option<&Home>, config: &Config, judge: Judge) -> Result<Intake, NoticeError> {
    let mut intake = Intake { departures: Vec::new(), ignored: Vec::new(), unreadable: None, messages: 0 };
    match Payload::read(notice::json(payload)?)? {
        Payload::Bare(event) => intake.take(judge(notice::read(&event, home)?, config)?, None),
        Payload::Batch(messages) => {
            let mut unreadable = Vec::new();
            intake.messages = messages.len();
            for message in messages {
                match notice::read_body(&message.body, home).and_then(|notice| judge(notice, config)) {
                    Ok(verdict) => intake.take(verdict.of_message(&message), Some(message.id)),
                    Err(error) => {
                        warn!(message_id = message.id, kind = error.kind(), error = %error, "a message that cannot be served");
                        unreadable.push(message.id);
                    }
                }
            }
            intake.unreadable = Some(unreadable);
        }
    }
    Ok(intake)
}

impl Intake {
    /// Whether it came as an SQS batch.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.unreadable.is_some()
    }

    /// Whether the batch is full, so that it is part of a burst.
    #[must_use]
    pub fn is_burst(&self) -> bool {
        self.messages >= FULL_BATCH
    }

    fn take(&mut self, verdict: Verdict, message: Option<String>) {
        match verdict {
            Verdict::Depart(departure, hints) => {
                let (instance, cause) = (departure.instance.as_str(), departure.cause.as_str());
                let (group, cluster) = (hints.group.as_ref().map(GroupName::as_str), hints.cluster.as_ref());
                info!(instance, cluster = cluster.map(ClusterName::as_str), group, cause, "notice received");
                match self.departures.iter_mut().find(|told| told.departure == departure) {
                    Some(told) => told.messages.extend(message),
                    None => {
                        let messages = message.into_iter().collect();
                        self.departures.push(Notified { departure, hints, messages });
                    }
                }
            }
            Verdict::Ignore(instance, why) => {
                info!(instance = instance.as_ref().map(InstanceId::as_str), detail = why, "ignored");
                self.ignored.push(ignored(instance, why));
            }
        }
    }

    /// The instances about to leave, met `now`.
    #[must_use]
    pub fn departures(&self, now: Timestamp) -> Vec<Known> {
        let told = |it: &Notified| {
            let departure = Departure { cause: it.departure.cause.received(now), ..it.departure.clone() };
            Known::told(departure, it.hints.clone().received(now), now)
        };
        self.departures.iter().map(told).collect()
    }

    /// Answers the invocation, given how the drain of each departure ended, in their order.
    #[must_use]
    pub fn answer(self, drains: Vec<Drain>, unfinished: Unfinished) -> Response {
        let Some(unreadable) = self.unreadable else {
            return Response::Report(Report::of(self.ignored.into_iter().chain(drains)));
        };
        let again = |drain: &Drain| match drain.outcome {
            Outcome::NotWaitingYet => true,
            Outcome::HandedOver => unfinished == Unfinished::ComesAgain,
            _ => false,
        };
        let each = drains.iter().zip(self.departures).filter(|(drain, _)| again(drain));
        let again = each.flat_map(|(_, told)| told.messages);
        let mut answer = SqsBatchResponse::default();
        answer.batch_item_failures = unreadable.into_iter().chain(again).map(failure).collect();
        Response::Batch(answer)
    }
}

impl From<ScanError> for Diagnostic {
    fn from(error: ScanError) -> Self {
        Self { error_type: "ScanFailed".to_owned(), error_message: chain(&error) }
    }
}

fn failure(id: String) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = id;
    failure
}

/// When Lambda ends the invocation that began at `now`. A local emulator may tell a time long past: then nothing does.
#[must_use]
pub fn deadline(context: &lambda_runtime::Context, now: Timestamp) -> Timestamp {
    let told = i64::try_from(context.deadline).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    told.filter(|deadline| *deadline > now).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::drain::facts::departure::Cause;

    #[test]
    fn a_notice_counts_from_its_receipt_where_its_time_is_ahead() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (sent_at, now) = (at("2026-01-15T20:06:20Z"), at("2026-01-15T20:07:20Z"));
        let config = Config::read(|_| None).unwrap();
        for (time, of_the_message, bare) in [
            ("2026-01-15T21:06:18Z", sent_at, now),
            ("2026-01-15T20:06:18Z", at("2026-01-15T20:06:18Z"), at("2026-01-15T20:06:18Z")),
        ] {
            for action in ["terminate", "hibernate"] {
                let notice = json!({
                    "detail-type": "EC2 Spot Instance Interruption Warning", "source": "aws.ec2", "time": time,
                    "account": "123456789012", "region": "us-west-2", "resources": [],
                    "detail": {"instance-id": "i-1234567890abcdef0", "instance-action": action},
                });
                let attributes = json!({
                    "ApproximateReceiveCount": "2", "SentTimestamp": sent_at.as_millisecond().to_string(),
                });
                let record = json!({
                    "messageId": "a", "eventSource": "aws:sqs", "body": notice.to_string(), "attributes": attributes,
                });
                for (payload, expected) in [(json!({"Records": [record]}), of_the_message), (notice, bare)] {
                    let intake = intake(&payload.to_string(), None, &config, verdict::of_interruption).unwrap();
                    let known = intake.departures(now).remove(0);
                    let (Cause::SpotInterruption { noticed_at } | Cause::SpotHibernation { noticed_at }) =
                        known.departure.cause
                    else {
                        panic!("{known:?}")
                    };
                    assert_eq!((noticed_at, known.hints.noticed_at), (expected, Some(expected)), "{payload}");
                }
            }
        }
    }

    #[test]
    fn a_deadline_in_the_past_is_none() {
        let mut context = lambda_runtime::Context::default();
        let now: Timestamp = "2026-01-15T20:00:00Z".parse().unwrap();
        context.deadline = 600_000;
        assert_eq!(deadline(&context, now), Timestamp::MAX);
        context.deadline = u64::MAX;
        assert_eq!(deadline(&context, now), Timestamp::MAX);
        context.deadline = u64::try_from(now.as_millisecond()).unwrap() + 150_000;
        assert_eq!(deadline(&context, now), "2026-01-15T20:02:30Z".parse().unwrap());
    }
}

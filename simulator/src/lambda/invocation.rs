//! An invocation, and what came of it.

use std::{process::ExitStatus, time::Duration};

use serde_json::Value;

/// One invocation and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// As in `Lambda-Runtime-Aws-Request-Id`.
    pub request_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// From the event's hand-over to the end, INIT excluded.
    pub duration: Duration,
    /// How long the INIT before it took, when it met a new process.
    pub init: Option<Duration>,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The function answered.
    Answered(Value),
    /// The function reported an error.
    Failed {
        /// `errorType`.
        error_type: String,
        /// `errorMessage`.
        error_message: String,
    },
    /// The timeout was over; the process was killed.
    TimedOut,
    /// The process ended before it answered.
    Exited(ExitStatus),
    /// The process never asked for an event.
    InitFailed {
        /// `errorType`.
        error_type: String,
        /// `errorMessage`.
        error_message: String,
    },
}

impl Outcome {
    /// The answer, when there is one.
    pub fn answer(&self) -> Option<&Value> {
        match self {
            Outcome::Answered(answer) => Some(answer),
            _ => None,
        }
    }
}

pub(super) fn init_failed(error_type: &str, why: &impl ToString) -> Outcome {
    Outcome::InitFailed { error_type: error_type.to_owned(), error_message: why.to_string() }
}

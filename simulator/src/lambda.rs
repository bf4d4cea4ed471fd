//! Runs a real function binary as Lambda would: one execution environment, one invocation at a time.

mod environment;
mod event_source;
mod fleet;
pub mod pollers;
mod runtime_api;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use crate::clock::{Stopwatch, wall_now};

use environment::Environment;
pub use event_source::{EventSource, sqs_batch};
pub use fleet::Fleet;
use runtime_api::{Finished, Work};

/// What Lambda is told of a function.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// Its name.
    pub name: String,
    /// The executable.
    pub binary: PathBuf,
    /// Its variables, besides those Lambda sets.
    pub environment: Vec<(String, String)>,
    /// After so long an invocation is killed.
    pub timeout: Duration,
    /// Told to the function; not enforced.
    pub memory_mb: u32,
    /// The account it is in.
    pub account: String,
    /// The region it is in.
    pub region: String,
    /// The partition in its ARN.
    pub partition: String,
}

impl Default for FunctionSpec {
    fn default() -> FunctionSpec {
        FunctionSpec {
            name: "function".to_owned(),
            binary: PathBuf::new(),
            environment: Vec::new(),
            // Lambda developer guide, "Configure Lambda function timeout": 3 seconds; memory: 128 MB.
            timeout: Duration::from_secs(3),
            memory_mb: 128,
            account: "123456789012".to_owned(),
            region: "us-west-2".to_owned(),
            partition: "aws".to_owned(),
        }
    }
}

/// A function with one execution environment. Dropping it kills the process.
#[derive(Debug)]
pub struct Function {
    spec: FunctionSpec,
    log: Log,
    current: Mutex<Current>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Current {
    environment: Option<Arc<Environment>>,
    invocations: u64,
    peak_rss_kib: Option<u64>,
}

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

impl Function {
    /// Starts the process, which begins its INIT. Needs a tokio runtime with I/O and time.
    pub fn start(spec: FunctionSpec) -> io::Result<Function> {
        let log = Log::default();
        let environment = Environment::start(&spec, &log)?;
        Ok(Function {
            spec,
            log,
            current: Mutex::new(Current { environment: Some(Arc::new(environment)), ..Current::default() }),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    /// Waits until the process has asked for its first event. Answers how long its INIT took, when it was this one's.
    ///
    /// # Errors
    /// How it ended, when it did not get there.
    pub async fn ready(&self) -> Result<Option<Duration>, Outcome> {
        let environment = self.environment().map_err(|error| init_failed("Runtime.InvalidEntrypoint", &error))?;
        environment.ready().await?;
        Ok(environment.init_duration())
    }

    /// The process, while it lives.
    pub fn process_id(&self) -> Option<u32> {
        self.current().environment.as_ref().and_then(|environment| environment.process_id())
    }

    /// Invokes the function with `event` and waits for the end; further calls wait for their turn.
    pub async fn invoke(&self, event: &Value) -> Invocation {
        let _turn = self.turn.lock().await;
        let request_id = self.next_request_id();
        let ended =
            |outcome| Invocation { request_id: request_id.clone(), outcome, duration: Duration::ZERO, init: None };
        let environment = match self.environment() {
            Ok(environment) => environment,
            Err(error) => return ended(init_failed("Runtime.InvalidEntrypoint", &error)),
        };
        let fresh = !environment.is_ready();
        if let Err(outcome) = environment.ready().await {
            self.give_up(&environment);
            return ended(outcome);
        }
        let init = fresh.then(|| environment.init_duration()).flatten();
        let (outcome, duration) = self.hand_over(&environment, &request_id, event).await;
        self.note_memory(&environment);
        if matches!(outcome, Outcome::TimedOut | Outcome::Exited(_)) {
            self.give_up(&environment);
        }
        Invocation { request_id, outcome, duration, init }
    }

    /// SIGKILL now, in the middle of whatever runs; the next invocation gets a new process.
    pub fn kill(&self) {
        if let Some(environment) = self.current().environment.take() {
            environment.kill();
        }
    }

    /// What the processes wrote to stdout and stderr, the oldest lines dropped when there are too many.
    pub fn log_lines(&self) -> Vec<String> {
        self.log.lines()
    }

    /// The most memory a process ever held, as far as it was seen: at the end of each invocation, and now.
    pub fn peak_rss_kib(&self) -> Option<u64> {
        let mut current = self.current();
        let now = (current.environment.as_ref()).and_then(|environment| environment.peak_rss_kib());
        current.peak_rss_kib = current.peak_rss_kib.max(now);
        current.peak_rss_kib
    }

    async fn hand_over(&self, environment: &Environment, request_id: &str, event: &Value) -> (Outcome, Duration) {
        let running = Stopwatch::start();
        let deadline = wall_now() + self.spec.timeout;
        let work = Work {
            request_id: request_id.to_owned(),
            deadline_ms: deadline.as_millisecond(),
            event: event.to_string(),
        };
        let outcome = tokio::select! {
            biased;
            finished = environment.run(work) => match finished {
                Finished::Answered(answer) => Outcome::Answered(answer),
                Finished::Failed { error_type, error_message } => {
                    Outcome::Failed { error_type, error_message }
                }
            },
            status = environment.exited() => Outcome::Exited(status),
            () = tokio::time::sleep(self.spec.timeout) => {
                // Lambda developer guide, "Timeout": the environment is ended, whatever it does.
                self.note_memory(environment);
                environment.kill();
                environment.exited().await;
                Outcome::TimedOut
            }
        };
        (outcome, running.elapsed())
    }

    /// The environment to use: a new one when there is none that lives.
    fn environment(&self) -> io::Result<Arc<Environment>> {
        let mut current = self.current();
        if let Some(environment) = &current.environment
            && !environment.is_over()
        {
            return Ok(Arc::clone(environment));
        }
        let environment = Arc::new(Environment::start(&self.spec, &self.log)?);
        current.environment = Some(Arc::clone(&environment));
        Ok(environment)
    }

    fn give_up(&self, environment: &Arc<Environment>) {
        environment.kill();
        let mut current = self.current();
        if (current.environment.as_ref()).is_some_and(|it| Arc::ptr_eq(it, environment)) {
            current.environment = None;
        }
    }

    fn note_memory(&self, environment: &Environment) {
        let now = environment.peak_rss_kib();
        let mut current = self.current();
        current.peak_rss_kib = current.peak_rss_kib.max(now);
    }

    fn next_request_id(&self) -> String {
        let mut current = self.current();
        current.invocations += 1;
        format!("00000000-0000-4000-8000-{:012x}", current.invocations)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn init_failed(error_type: &str, why: &impl ToString) -> Outcome {
    Outcome::InitFailed { error_type: error_type.to_owned(), error_message: why.to_string() }
}

/// More lines than any test reads.
const MAX_LOG_LINES: usize = 100_000;

/// Shared with the tasks that read stdout and stderr.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= MAX_LOG_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn lines(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }
}

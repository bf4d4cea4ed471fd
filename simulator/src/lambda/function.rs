//! A function with one execution environment: one invocation at a time.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use super::{
    environment::Environment,
    invocation::{Invocation, Outcome, init_failed},
    log::Log,
    runtime_api::{Finished, Work},
    spec::FunctionSpec,
};
use crate::clock::{Stopwatch, wall_now};

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
        self.invoke_with(event.to_string()).await
    }

    /// The same with a payload as it stands, which may be no JSON.
    pub async fn invoke_with(&self, payload: String) -> Invocation {
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
        let (outcome, duration) = self.hand_over(&environment, &request_id, payload).await;
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

    async fn hand_over(&self, environment: &Environment, request_id: &str, event: String) -> (Outcome, Duration) {
        let running = Stopwatch::start();
        let deadline = wall_now() + self.spec.timeout;
        let work = Work { request_id: request_id.to_owned(), deadline_ms: deadline.as_millisecond(), event };
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
                // Lambda developer guide, "Timeout": Lambda ends the environment, whatever it does.
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

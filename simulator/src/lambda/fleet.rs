//! A function with as many execution environments as its invocations need at a time.

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use super::{
    function::Function,
    invocation::{Invocation, init_failed},
};

/// Environments that are made when an invocation finds none free, and used again.
// Lambda developer guide, "Understanding the Lambda execution environment lifecycle": one invocation at a time in each.
pub struct Fleet<'a> {
    start: Box<dyn Fn() -> io::Result<Function> + 'a>,
    environments: Mutex<Environments>,
}

#[derive(Debug, Default)]
struct Environments {
    all: Vec<Arc<Function>>,
    /// The one that was used last is used next.
    idle: Vec<Arc<Function>>,
}

impl fmt::Debug for Fleet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("environments", &self.environments).finish_non_exhaustive()
    }
}

impl<'a> Fleet<'a> {
    /// One without an environment yet; `start` makes one.
    pub fn new(start: impl Fn() -> io::Result<Function> + 'a) -> Fleet<'a> {
        Fleet { start: Box::new(start), environments: Mutex::default() }
    }

    /// Invokes the function in an environment of its own.
    pub async fn invoke(&self, event: &Value) -> Invocation {
        let environment = match self.take() {
            Ok(environment) => environment,
            Err(error) => {
                let outcome = init_failed("Runtime.InvalidEntrypoint", &error);
                return Invocation { request_id: String::new(), outcome, duration: Duration::ZERO, init: None };
            }
        };
        let invocation = environment.invoke(event).await;
        self.environments().idle.push(environment);
        invocation
    }

    /// Every environment that was ever made.
    pub fn functions(&self) -> Vec<Arc<Function>> {
        self.environments().all.clone()
    }

    /// How many of them have an invocation.
    pub fn running(&self) -> usize {
        let environments = self.environments();
        environments.all.len().saturating_sub(environments.idle.len())
    }

    fn take(&self) -> io::Result<Arc<Function>> {
        if let Some(idle) = self.environments().idle.pop() {
            return Ok(idle);
        }
        let made = Arc::new((self.start)()?);
        self.environments().all.push(Arc::clone(&made));
        Ok(made)
    }

    fn environments(&self) -> MutexGuard<'_, Environments> {
        self.environments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

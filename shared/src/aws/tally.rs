//! How many requests were sent, for the metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{CallError, ErrorClass};

/// What was sent of one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Calls, whatever came of them.
    pub calls: u64,
    /// Of those, the ones that AWS throttled.
    pub throttled: u64,
    /// Tries beyond the first of each call.
    pub retries: u64,
}

/// Counts by operation, since they were last taken. A clone counts with it.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<String, Counts>>>);

#[derive(Debug, Default)]
struct Counts {
    calls: u64,
    throttled: u64,
    attempts: u64,
}

impl Tally {
    /// A request goes out: a call's first, or another try.
    pub(super) fn attempt(&self, operation: &str) {
        self.count(operation, |counts| counts.attempts += 1);
    }

    /// A call was answered, or given up.
    pub(super) fn call<T>(&self, operation: &str, answer: &Result<T, CallError>) {
        let throttled = answer.as_ref().is_err_and(|error| error.class() == ErrorClass::Throttled);
        self.count(operation, |counts| {
            counts.calls += 1;
            counts.throttled += u64::from(throttled);
        });
    }

    /// What was counted, and begins anew.
    #[must_use]
    pub fn take(&self) -> BTreeMap<String, Sent> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let sent =
            |Counts { calls, throttled, attempts }| Sent { calls, throttled, retries: attempts.saturating_sub(calls) };
        counts.into_iter().map(|(operation, counts)| (operation, sent(counts))).collect()
    }

    fn count(&self, operation: &str, add: impl FnOnce(&mut Counts)) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        add(counts.entry(operation.to_owned()).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_beyond_the_first_are_retries_and_what_was_taken_is_gone() {
        let tally = Tally::default();
        let refused =
            |code: &str| CallError::Refused { operation: "ListTasks", code: code.into(), message: String::new() };
        tally.attempt("ListTasks");
        tally.attempt("ListTasks");
        tally.call("ListTasks", &Ok(()));
        tally.attempt("ListTasks");
        tally.call::<()>("ListTasks", &Err(refused("ThrottlingException")));
        let expected = Sent { calls: 2, throttled: 1, retries: 1 };
        assert_eq!(tally.take(), BTreeMap::from([("ListTasks".to_owned(), expected)]));
        assert_eq!(tally.clone().take(), BTreeMap::new());
    }
}

//! How many requests were sent, for the metrics, and what was denied, for people.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The requests of one operation that were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Calls, with any result.
    pub calls: u64,
    /// The calls that AWS throttled.
    pub throttled: u64,
    /// Tries beyond the first of each call.
    pub retries: u64,
}

/// A request that AWS denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The operation.
    pub operation: &'static str,
    /// AWS's error code.
    pub code: String,
    /// AWS's words.
    pub message: String,
}

/// Counts by operation, since they were last taken. A clone counts with it.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    sent: BTreeMap<String, Sent>,
    denied: BTreeMap<&'static str, Denial>,
}

impl Tally {
    /// A call begins. It may be given up before it is answered.
    pub(super) fn call(&self, operation: &str) {
        self.count(operation, |sent| sent.calls += 1);
    }

    /// A call was throttled.
    pub(super) fn throttled(&self, operation: &str) {
        self.count(operation, |sent| sent.throttled += 1);
    }

    /// A call is tried again.
    pub(super) fn retry(&self, operation: &str) {
        self.count(operation, |sent| sent.retries += 1);
    }

    /// A call was denied; of each operation the last is kept.
    pub(super) fn denied(&self, denial: Denial) {
        self.counts().denied.insert(denial.operation, denial);
    }

    /// What was counted, and begins anew.
    #[must_use]
    pub fn take(&self) -> BTreeMap<String, Sent> {
        std::mem::take(&mut self.counts().sent)
    }

    /// The last denial of each operation.
    #[must_use]
    pub fn denials(&self) -> Vec<Denial> {
        self.counts().denied.values().cloned().collect()
    }

    fn count(&self, operation: &str, add: impl FnOnce(&mut Sent)) {
        add(self.counts().sent.entry(operation.to_owned()).or_default());
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_gone() {
        let tally = Tally::default();
        tally.call("ListTasks");
        tally.retry("ListTasks");
        tally.clone().throttled("ListTasks");
        let expected = Sent { calls: 1, throttled: 1, retries: 1 };
        assert_eq!(tally.take(), BTreeMap::from([("ListTasks".to_owned(), expected)]));
        assert_eq!(tally.take(), BTreeMap::new());
    }
}

//! How many requests were sent, for the metrics.

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

/// Counts by operation, since they were last taken. A clone counts with it.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<String, Sent>>>);

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

    /// What was counted, and begins anew.
    #[must_use]
    pub fn take(&self) -> BTreeMap<String, Sent> {
        std::mem::take(&mut *self.counts())
    }

    fn count(&self, operation: &str, add: impl FnOnce(&mut Sent)) {
        add(self.counts().entry(operation.to_owned()).or_default());
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, Sent>> {
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

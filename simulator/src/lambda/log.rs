//! The lines that functions write.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// More lines than any test reads.
const MAX_LOG_LINES: usize = 100_000;

/// Shared with the tasks that read stdout and stderr.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    pub(super) fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= MAX_LOG_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }
}

//! The one place that reads the clock of the machine.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The machine's wall clock: where a world for real clients begins.
#[expect(clippy::disallowed_methods, reason = "servers of real processes share the real time with them")]
pub fn wall_now() -> Timestamp {
    Timestamp::now()
}

/// Counts real time from its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "servers of real processes share the real time with them")]
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

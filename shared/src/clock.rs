//! The one wall clock: a start timestamp and tokio's elapsed time, so that paused time replays exactly.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells the time since a known wall-clock start.
///
/// Made anew for each invocation: a frozen execution environment's monotonic clock says nothing about the time it slept.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall: Timestamp,
    started: Instant,
}

impl Clock {
    /// A clock that reads the system's time once, now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn system() -> Self {
        Self::starting_at(Timestamp::now())
    }

    /// A clock that shows `wall` now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { wall, started: Instant::now() }
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        after(self.wall, self.started.elapsed())
    }

    /// The instant at which this clock will show `time`; its start if that is past.
    #[must_use]
    pub fn instant(&self, time: Timestamp) -> Instant {
        self.started + between(self.wall, time)
    }
}

/// `time` plus `duration`, held at the calendar's end instead of overflowing.
#[must_use]
pub fn after(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// `time` less `duration`, held at the calendar's start instead of overflowing.
#[must_use]
pub fn before(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_sub(duration).unwrap_or(Timestamp::MIN)
}

/// Whether `time` is longer than `age` ago.
#[must_use]
pub fn older_than(time: Timestamp, age: Duration, now: Timestamp) -> bool {
    now.duration_since(time) > SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX)
}

/// How long from `earlier` to `later`; zero when they are the other way round.
#[must_use]
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn shows_its_start_plus_what_tokio_says_has_passed() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().as_second(), 90);
        tokio::time::sleep_until(clock.instant(after(Timestamp::UNIX_EPOCH, Duration::from_secs(100)))).await;
        assert_eq!(clock.now().as_second(), 100);
    }

    #[test]
    fn never_goes_backwards_nor_overflows() {
        let hour = Duration::from_secs(3600);
        assert_eq!(between(after(Timestamp::UNIX_EPOCH, hour), Timestamp::UNIX_EPOCH), Duration::ZERO);
        assert_eq!(after(Timestamp::MAX, hour), Timestamp::MAX);
        assert_eq!(before(Timestamp::MIN, hour), Timestamp::MIN);
    }
}

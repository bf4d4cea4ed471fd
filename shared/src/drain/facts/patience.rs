//! Which requests failed, and when each may be tried again.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use crate::aws::{CallError, ErrorClass, chain};
use crate::clock;
use crate::config::Pace;

/// What is asked of AWS. Each fails and is tried again by itself: a refused heartbeat holds up nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// Reading who holds the termination.
    Hold,
    /// Searching for the registration.
    Location,
    /// Reading the container instance.
    Instance,
    /// Reading its tasks.
    Tasks,
    /// Reading the services that own them.
    Services,
    /// Setting it DRAINING.
    Drain,
    /// Stopping tasks.
    StopTasks,
    /// Completing the lifecycle action.
    Complete,
    /// Keeping it alive.
    Heartbeat,
    /// Reading when its termination began, and why.
    Start,
}

/// Failures since the last success, of each.
#[derive(Debug, Clone, Default)]
pub struct Patience {
    failed: BTreeMap<Request, Failed>,
    held_back: BTreeMap<Request, Timestamp>,
}

#[derive(Debug, Clone)]
struct Failed {
    times: u32,
    not_before: Timestamp,
    error: Rc<CallError>,
}

impl Patience {
    /// Whether it may be tried now.
    #[must_use]
    pub fn ready(&self, what: Request, now: Timestamp) -> bool {
        let failed = self.failed.get(&what).map(|failed| failed.not_before);
        let times = failed.into_iter().chain(self.held_back.get(&what).copied());
        times.max().is_none_or(|not_before| not_before <= now)
    }

    /// It was not tried, and should not be before `until`: others of its kind were throttled.
    pub fn hold_back(&mut self, what: Request, until: Timestamp) {
        self.held_back.insert(what, until);
    }

    /// When what has failed may be tried again.
    #[must_use]
    pub fn again_at(&self, what: Request) -> Option<Timestamp> {
        self.failed.get(&what).map(|failed| failed.not_before)
    }

    /// Whether it has failed since it last succeeded.
    #[must_use]
    pub fn has_failed(&self, what: Request) -> bool {
        self.failed.contains_key(&what)
    }

    /// Whether AWS denied it when it last failed, and it has not succeeded since.
    #[must_use]
    pub fn is_denied(&self, what: Request) -> bool {
        self.failed.get(&what).is_some_and(|failed| failed.error.class() == ErrorClass::Denied)
    }

    /// How often it has failed since it last succeeded.
    #[must_use]
    pub fn times(&self, what: Request) -> u32 {
        self.failed.get(&what).map_or(0, |failed| failed.times)
    }

    /// When something may be tried again.
    pub fn not_before(&self) -> impl Iterator<Item = Timestamp> {
        self.failed.values().map(|failed| failed.not_before).chain(self.held_back.values().copied())
    }

    /// The newest failure of each that has not succeeded since.
    pub fn errors(&self) -> impl Iterator<Item = &CallError> {
        self.failed.values().map(|failed| failed.error.as_ref())
    }

    /// The same as people read it, each with all that lies behind it.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.errors().map(|error| chain(error)).collect()
    }

    /// It succeeded.
    pub fn succeeded(&mut self, what: Request) {
        self.failed.remove(&what);
        self.held_back.remove(&what);
    }

    /// What has failed may be tried again at `time` at the latest, as what others of its kind held back.
    pub fn no_later_than(&mut self, what: Request, time: Timestamp) {
        if let Some(failed) = self.failed.get_mut(&what) {
            failed.not_before = failed.not_before.min(time);
        }
    }

    /// It failed, and may be tried again after a pause that doubles each time.
    pub fn failed(&mut self, what: Request, error: Rc<CallError>, now: Timestamp, pace: Pace, rng: &mut fastrand::Rng) {
        let times = self.times(what);
        let not_before = clock::after(now, backoff(times, pace, rng));
        self.failed.insert(what, Failed { times: times.saturating_add(1), not_before, error });
    }
}

/// How long to wait after the last of `times` + 1 failures: it doubles each time from the pace's shortest to its longest,
/// less up to half of it at random.
pub(crate) fn backoff(times: u32, pace: Pace, rng: &mut fastrand::Rng) -> Duration {
    let wait = pace.min.saturating_mul(2_u32.saturating_pow(times)).min(pace.max);
    scattered(wait, 0.5..1.0, rng)
}

/// `duration` times a random factor, so that many do not come at once.
pub(crate) fn scattered(duration: Duration, factor: std::ops::Range<f64>, rng: &mut fastrand::Rng) -> Duration {
    duration.mul_f64(factor.start + (factor.end - factor.start) * rng.f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_throttled_together_may_be_tried_again_together() {
        let pace = Pace { min: Duration::from_secs(2), max: Duration::from_secs(60) };
        let (mut patience, mut rng) = (Patience::default(), fastrand::Rng::with_seed(1));
        let (now, soon) = (Timestamp::UNIX_EPOCH, clock::after(Timestamp::UNIX_EPOCH, Duration::from_secs(3)));
        for _ in 0..6 {
            let error = CallError::Incomplete { operation: "RecordLifecycleActionHeartbeat", what: "".into() };
            patience.failed(Request::Heartbeat, Rc::new(error), now, pace, &mut rng);
        }
        assert!(!patience.ready(Request::Heartbeat, soon));
        patience.no_later_than(Request::Heartbeat, soon);
        assert!(patience.ready(Request::Heartbeat, soon) && !patience.ready(Request::Heartbeat, now));
        assert!(patience.has_failed(Request::Heartbeat), "it is told all the same");
    }

    #[test]
    fn each_waits_longer_by_itself_up_to_the_longest_pace() {
        let pace = Pace { min: Duration::from_secs(2), max: Duration::from_secs(15) };
        let (mut patience, mut rng) = (Patience::default(), fastrand::Rng::with_seed(1));
        let now = Timestamp::UNIX_EPOCH;
        let mut waits = Vec::new();
        for _ in 0..40 {
            let error = CallError::Incomplete { operation: "Op", what: String::new() };
            patience.failed(Request::Tasks, Rc::new(error), now, pace, &mut rng);
            waits.push(clock::between(now, patience.not_before().next().unwrap()));
        }
        for (wait, longest) in waits.iter().zip([2, 4, 8, 15, 15]) {
            let longest = Duration::from_secs(longest);
            assert!((longest / 2..=longest).contains(wait), "{wait:?} of {longest:?}");
        }
        assert!(waits.iter().all(|wait| *wait <= pace.max));
        assert!(!patience.ready(Request::Tasks, now) && patience.ready(Request::Heartbeat, now));
        patience.succeeded(Request::Tasks);
        assert!(patience.ready(Request::Tasks, now) && !patience.has_failed(Request::Tasks));
        patience.hold_back(Request::Tasks, clock::after(now, pace.min));
        assert!(!patience.ready(Request::Tasks, now) && !patience.has_failed(Request::Tasks));
        assert!(patience.ready(Request::Tasks, clock::after(now, pace.min)));
    }

    #[test]
    fn what_failed_and_is_held_back_waits_for_the_later_and_a_success_forgets_both() {
        let (mut patience, mut rng) = (Patience::default(), fastrand::Rng::with_seed(1));
        let now = Timestamp::UNIX_EPOCH;
        let at = |seconds| clock::after(now, Duration::from_secs(seconds));
        let pace = Pace { min: Duration::from_secs(2), max: Duration::from_secs(2) };
        let refused = || Rc::new(CallError::Incomplete { operation: "Op", what: "half".into() });
        patience.failed(Request::Tasks, refused(), now, pace, &mut rng);
        patience.hold_back(Request::Tasks, at(10));
        assert!(!patience.ready(Request::Tasks, at(9)) && patience.ready(Request::Tasks, at(10)));
        assert!(patience.again_at(Request::Tasks).is_some_and(|again_at| again_at <= at(2)));
        assert_eq!((patience.times(Request::Tasks), patience.times(Request::Hold)), (1, 0));
        assert_eq!(patience.not_before().count(), 2);
        assert_eq!(patience.told(), ["Op was answered incompletely: half"]);
        patience.succeeded(Request::Tasks);
        assert!(patience.ready(Request::Tasks, now) && patience.not_before().next().is_none());
        assert!(patience.errors().next().is_none() && patience.again_at(Request::Tasks).is_none());
        patience.failed(Request::Hold, refused(), now, pace, &mut rng);
        patience.hold_back(Request::Hold, now);
        assert!(!patience.ready(Request::Hold, now), "the failure is the later");
    }
}

//! The terms of an invocation: how long it may take, and what it may do for one host.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{after, before};
use crate::config::{Pace, Policy};
use crate::drain::facts::departure::Cause;
use crate::drain::facts::known::Known;

/// Between the end of polling and the end of the invocation: the tasks for the report, the answer.
const HAND_OVER_TAKES: Duration = Duration::from_secs(3);
/// Of that, what is kept for the answer alone.
const ANSWER_TAKES: Duration = Duration::from_millis(500);
/// `reconcile` has looked at a host so long after an event's invocation met it, or left it: the minute of its schedule, a
/// cold start, a scan.
pub const RECONCILE_LOOKS_WITHIN: Duration = Duration::from_secs(75);
/// Two minutes leave no time to look as seldom as at a drain that may take an hour.
const SPOT_LOOK_LONGEST: Duration = Duration::from_secs(5);

/// How long an invocation may take, and what becomes of the drains that it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// When the invocation itself ends.
    deadline: Timestamp,
    /// Polling ends, and what is left is handed over.
    pub hand_over_at: Timestamp,
    /// The report is given, whatever is still unknown.
    pub report_at: Timestamp,
    /// When what was handed over is surely looked at again; none where this invocation is the last to look.
    pub resumed_at: Option<Timestamp>,
    /// Whether the events came in a batch: `reconcile` or the queue goes on with what is left, and no caller reads a report.
    pub is_batch: bool,
    /// Whether the events came in a full batch: hosts are set DRAINING and handed over at once.
    pub is_burst: bool,
}

impl Budget {
    /// Polls for `poll_for` from `now`, and ends well before an invocation's `deadline`.
    #[must_use]
    pub fn within(deadline: Timestamp, poll_for: Duration, now: Timestamp) -> Self {
        let budget = Self { deadline, hand_over_at: now, report_at: now, ..Self::endless() };
        budget.polling_until(after(now, poll_for))
    }

    /// Polls on until then, or as long as the invocation allows.
    #[must_use]
    pub fn polling_until(self, time: Timestamp) -> Self {
        let hand_over_at = time.min(before(self.deadline, HAND_OVER_TAKES)).max(self.hand_over_at);
        let latest = before(self.deadline, ANSWER_TAKES).max(self.report_at);
        Self { hand_over_at, report_at: after(hand_over_at, HAND_OVER_TAKES).min(latest), ..self }
    }

    /// Without an end: a person waits for as long as it takes.
    #[must_use]
    pub fn endless() -> Self {
        let deadline = Timestamp::MAX;
        Self {
            deadline,
            hand_over_at: deadline,
            report_at: deadline,
            resumed_at: None,
            is_batch: false,
            is_burst: false,
        }
    }

    /// The events came in an SQS batch, which is answered with message ids.
    #[must_use]
    pub fn of_a_batch(self) -> Self {
        Self { is_batch: true, ..self }
    }

    /// The events came in a full batch: more are likely to come, and `reconcile` waits for all of them together.
    #[must_use]
    pub fn of_a_burst(self, is_burst: bool) -> Self {
        Self { is_burst, ..self }
    }

    /// What is handed over is looked at again from `resumed_at` on.
    #[must_use]
    pub fn resumed_at(self, resumed_at: Timestamp) -> Self {
        Self { resumed_at: Some(resumed_at), ..self }
    }
}

/// The terms of an invocation for one host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// The settings, with what its group's hook overrides.
    pub(crate) policy: Policy,
    /// When no invocation looks at it.
    pub(crate) unattended: Unattended,
    /// Whether its event came in a batch, so that `reconcile` may go on with it.
    pub(crate) is_in_a_batch: bool,
    /// Whether its event came in a full batch, so that `reconcile` waits for it, with all others of the account.
    pub(crate) is_in_a_burst: bool,
}

/// A time in which no invocation looks at a host, for this one is over and the next has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unattended {
    /// This invocation's last look.
    pub from: Timestamp,
    /// The next one's first; none where this one is the last.
    pub until: Option<Timestamp>,
}

impl Terms {
    /// Those of an invocation with this `budget`, under these settings.
    #[must_use]
    pub fn of(known: &Known, settings: Policy, budget: &Budget) -> Self {
        Self {
            policy: policy(known, settings),
            unattended: Unattended { from: budget.hand_over_at, until: budget.resumed_at },
            is_in_a_batch: budget.is_batch,
            is_in_a_burst: budget.is_burst,
        }
    }
}

/// Whether its hook's own timeout is longer than the pause between an event's invocation and `reconcile`.
#[must_use]
pub fn outlasts_a_pause(known: &Known) -> bool {
    let timeout = known.ours().and_then(|ours| ours.heartbeat_timeout);
    timeout.is_none_or(|timeout| timeout > RECONCILE_LOOKS_WITHIN)
}

fn policy(known: &Known, settings: Policy) -> Policy {
    let policy = known.ours().map_or(settings, |ours| ours.overrides.over(settings));
    if known.departure.cause.is_held() || known.departure.cause == Cause::Maintenance {
        return policy;
    }
    let longest = policy.pace.max.min(SPOT_LOOK_LONGEST.max(policy.pace.min));
    Policy { pace: Pace { max: longest, ..policy.pace }, ..policy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::between;

    fn budget(deadline_s: u64, poll_for_s: u64) -> (Duration, Duration) {
        let now = Timestamp::UNIX_EPOCH;
        let budget = Budget::within(after(now, Duration::from_secs(deadline_s)), Duration::from_secs(poll_for_s), now);
        (between(now, budget.hand_over_at), between(now, budget.report_at))
    }

    #[test]
    fn polling_ends_as_asked_or_well_before_the_invocation_does() {
        assert_eq!(budget(150, 120), (Duration::from_secs(120), Duration::from_secs(123)));
        assert_eq!(budget(150, 840), (Duration::from_secs(147), Duration::from_millis(149_500)));
        assert_eq!(budget(1, 120), (Duration::ZERO, Duration::from_millis(500)));
        assert_eq!(budget(0, 120), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn polling_goes_on_as_long_as_the_invocation_allows_and_ends_no_earlier() {
        let at = |seconds| after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds));
        let budget = Budget::within(at(60), Duration::from_secs(15), at(0));
        let until = |seconds| {
            let longer = budget.polling_until(at(seconds));
            (between(at(0), longer.hand_over_at).as_secs_f64(), between(at(0), longer.report_at).as_secs_f64())
        };
        assert_eq!([until(10), until(30), until(75)], [(15.0, 18.0), (30.0, 33.0), (57.0, 59.5)]);
    }

    #[test]
    fn what_is_handed_over_is_looked_at_again_when_that_is_said() {
        let again = Timestamp::UNIX_EPOCH;
        assert_eq!(Budget::endless().resumed_at(again).resumed_at, Some(again));
        assert_eq!(Budget::endless().resumed_at, None);
    }
}

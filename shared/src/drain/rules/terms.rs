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
/// Two minutes leave no time to look as seldom as at a drain that may take an hour.
const SPOT_LOOK_LONGEST: Duration = Duration::from_secs(5);

/// How long an invocation may take, and what becomes of the drains that it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
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
        let report_at = before(deadline, ANSWER_TAKES).max(now);
        let latest = before(deadline, HAND_OVER_TAKES).max(now);
        let hand_over_at = after(now, poll_for).min(latest);
        let report_at = report_at.min(after(hand_over_at, HAND_OVER_TAKES));
        Self { hand_over_at, report_at, resumed_at: None, is_batch: false, is_burst: false }
    }

    /// Without an end: a person waits for as long as it takes.
    #[must_use]
    pub fn endless() -> Self {
        let (hand_over_at, report_at) = (Timestamp::MAX, Timestamp::MAX);
        Self { hand_over_at, report_at, resumed_at: None, is_batch: false, is_burst: false }
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
    fn what_is_handed_over_is_looked_at_again_when_that_is_said() {
        let again = Timestamp::UNIX_EPOCH;
        assert_eq!(Budget::endless().resumed_at(again).resumed_at, Some(again));
        assert_eq!(Budget::endless().resumed_at, None);
    }
}

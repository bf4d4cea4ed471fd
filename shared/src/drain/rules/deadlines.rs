//! When a drain's patience ends, and when to look until then.

use std::time::Duration;

use jiff::Timestamp;

use super::terms::{Terms, Unattended};
use crate::clock::{after, before, between};
use crate::config::{OnDrainTimeout, Pace};
use crate::drain::facts::departure::{Cause, SPOT_NOTICE};
use crate::drain::facts::known::Known;
use crate::drain::facts::patience::scattered;

/// From stopping stragglers to giving up: a load balancer's default deregistration delay (300 s), and as much again for
/// the tasks' own stopTimeout (30 s by default, minutes where it was raised).
pub const STOP_GRACE: Duration = Duration::from_secs(600);
/// What stopping takes at the end of an invocation that no other follows in time: a read of the tasks, and a request for
/// each of some hundred.
const LAST_STOPS_TAKE: Duration = Duration::from_secs(5);
/// However often it is kept alive, a lifecycle action ends after the shorter of these (Auto Scaling user guide, lifecycle hooks).
const ACTION_LONGEST: Duration = Duration::from_secs(48 * 3600);
const ACTION_LONGEST_HEARTBEATS: u32 = 100;
/// Where AWS's own limit is near, no more than this part of it is grace.
const GRACE_OF_LIMIT: u32 = 4;
/// A heartbeat timeout shorter than this leaves too little room for a minute's pause between two invocations.
pub const HEARTBEAT_TIMEOUT_SHORTEST: Duration = Duration::from_secs(180);

/// When patience ends, computed from cause and policy; the same in every invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From here on `then` applies.
    pub stop_at: Timestamp,
    /// From here on the host goes, whatever still runs; never, where the policy is to wait.
    pub give_up_at: Option<Timestamp>,
    /// What happens from `stop_at` on.
    pub then: OnDrainTimeout,
}

/// The deadlines of an instance's drain.
#[must_use]
pub fn deadlines(known: &Known, terms: &Terms) -> Deadlines {
    let policy = &terms.policy;
    match known.departure.cause {
        Cause::SpotInterruption { noticed_at } => {
            let give_up_at = after(noticed_at, SPOT_NOTICE);
            let stop_at = attended(before(give_up_at, policy.spot_stop_lead), terms.unattended);
            Deadlines { stop_at, give_up_at: Some(give_up_at), then: OnDrainTimeout::StopTasks }
        }
        Cause::Termination { .. } => {
            let wanted = after(known.started(), policy.drain_timeout);
            let limit = known.ours().and_then(|ours| ours.heartbeat_timeout).map_or(ACTION_LONGEST, action_limit);
            let grace = STOP_GRACE.min(limit / GRACE_OF_LIMIT);
            let stop_at = wanted.min(before(after(known.started(), limit), grace));
            let then = policy.on_drain_timeout;
            let give_up_at = (then != OnDrainTimeout::Wait).then(|| after(stop_at, grace));
            Deadlines { stop_at, give_up_at, then }
        }
        // Nothing holds it, so AWS has no limit of its own.
        Cause::Maintenance => {
            let (stop_at, then) = (after(known.started(), policy.drain_timeout), policy.on_drain_timeout);
            let give_up_at = (then != OnDrainTimeout::Wait).then(|| after(stop_at, STOP_GRACE));
            Deadlines { stop_at, give_up_at, then }
        }
        // These are not waited for.
        Cause::SpotHibernation { .. } | Cause::RebalanceRecommendation => {
            Deadlines { stop_at: Timestamp::MAX, give_up_at: None, then: OnDrainTimeout::Wait }
        }
    }
}

/// `time`, or the last moment before it at which an invocation looks.
fn attended(time: Timestamp, Unattended { from, until }: Unattended) -> Timestamp {
    let last = before(from, LAST_STOPS_TAKE);
    let missed = time > last && until.is_none_or(|until| time < until);
    if missed { last } else { time }
}

/// How long AWS itself lets a lifecycle action last under this heartbeat timeout, from the start of the termination.
#[must_use]
pub fn action_limit(heartbeat_timeout: Duration) -> Duration {
    heartbeat_timeout.saturating_mul(ACTION_LONGEST_HEARTBEATS).min(ACTION_LONGEST)
}

/// When to look again at a drain that has gone on since `started`: soon while it is young, seldom when it is old.
#[must_use]
pub fn next_look(started: Timestamp, now: Timestamp, pace: Pace, rng: &mut fastrand::Rng) -> Timestamp {
    let wait = (between(started, now) / 8).clamp(pace.min, pace.max.max(pace.min));
    after(now, scattered(wait, 0.8..1.2, rng))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { min: Duration::from_secs(2), max: Duration::from_secs(15) };

    fn wait_after(elapsed: u64) -> (Duration, Duration) {
        let (start, mut rng) = (Timestamp::UNIX_EPOCH, fastrand::Rng::with_seed(7));
        let now = after(start, Duration::from_secs(elapsed));
        let waits: Vec<_> = (0..500).map(|_| between(now, next_look(start, now, PACE, &mut rng))).collect();
        (*waits.iter().min().unwrap(), *waits.iter().max().unwrap())
    }

    #[test]
    fn a_young_drain_is_looked_at_often_and_an_old_one_seldom_and_never_in_step() {
        for (elapsed, expected) in [(0, 2.0), (16, 2.0), (80, 10.0), (10_000, 15.0)] {
            let (least, most) = wait_after(elapsed);
            assert!(least.as_secs_f64() >= expected * 0.8 && most.as_secs_f64() <= expected * 1.2, "{elapsed}");
            assert!(most.as_secs_f64() - least.as_secs_f64() > expected * 0.3, "jitter: {least:?} to {most:?}");
        }
    }
}

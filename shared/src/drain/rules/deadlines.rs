//! When a drain's patience ends, and when to look and to send heartbeats until then.

use std::time::Duration;

use jiff::Timestamp;

use super::terms::{Terms, Unattended};
use crate::clock::{after, before, between};
use crate::config::{OnDrainTimeout, Pace};
use crate::drain::facts::departure::{Cause, SPOT_NOTICE};
use crate::drain::facts::known::Known;
use crate::drain::facts::patience::{Request, scattered};

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
/// Two heartbeats may be lost before the action is.
const HEARTBEATS_PER_TIMEOUT: u32 = 3;
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

/// When the next heartbeat is due. None for an instance that we do not hold or could not set DRAINING, so that the hook's
/// own timeout ends what we cannot help; none once the host may go, or after AWS's own limit; none where the hook was not
/// asked for its timeout.
///
/// Time is cut into periods at points that differ from instance to instance, and each new period wants a heartbeat:
/// so every invocation knows without memory, and a thousand instances do not send theirs at once.
#[must_use]
pub fn next_heartbeat(known: &Known, deadlines: Deadlines) -> Option<Timestamp> {
    let heartbeat_timeout = known.ours()?.heartbeat_timeout?;
    known.draining_since?;
    if known.patience.has_failed(Request::Complete) {
        return None;
    }
    let end = match deadlines.then {
        OnDrainTimeout::Proceed | OnDrainTimeout::Abandon => deadlines.stop_at,
        OnDrainTimeout::StopTasks | OnDrainTimeout::Wait => deadlines.give_up_at.unwrap_or(Timestamp::MAX),
    };
    let end = end.min(after(known.started(), action_limit(heartbeat_timeout)));
    let period = i128::try_from((heartbeat_timeout / HEARTBEATS_PER_TIMEOUT).as_nanos()).ok().filter(|p| *p > 0)?;
    let phase = i128::from(hash(known.departure.instance.as_str()));
    let since = known.heartbeat_at.as_nanosecond() + phase;
    let due = Timestamp::from_nanosecond((since.div_euclid(period) + 1) * period - phase).ok()?;
    (due < end).then_some(due)
}

/// FNV-1a: the same in every build and invocation, which the standard library's hash does not promise.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
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
    use crate::config::{Config, Overrides};
    use crate::drain::facts::departure::{Departure, NoticedBy};
    use crate::drain::facts::hold::{HeldBy, Hold, Ours};
    use crate::drain::fixtures::{draining, terms};
    use crate::drain::rules::terms::Budget;
    use crate::ids::InstanceId;

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

    #[test]
    fn instances_send_their_heartbeats_at_different_times() {
        let ours = Ours {
            group: "web".into(),
            hooks: vec!["ecs-drainer".into()],
            heartbeat_timeout: Some(Duration::from_secs(300)),
            others_hold_too: false,
            unhealthy: false,
            retains: None,
            overrides: Overrides::default(),
        };
        let now: Timestamp = "2026-01-15T20:00:00Z".parse().unwrap();
        let due = |n: u32| {
            let instance = InstanceId::parse(&format!("i-{n:017x}")).unwrap();
            let mut known = Known::new(Departure::of_termination(instance, NoticedBy::Event), now);
            known.hold = Some(Hold { read_at: now, by: HeldBy::Ours(ours.clone()) });
            (known.draining_since, known.heartbeat_at) = (Some(now), now);
            let terms = Terms::of(&known, Config::read(|_| None).unwrap().policy, &Budget::endless());
            between(now, next_heartbeat(&known, deadlines(&known, &terms)).unwrap())
        };
        let mut tenths = [0; 10];
        for wait in (0..1_000).map(due) {
            assert!(wait <= Duration::from_secs(100), "{wait:?}");
            tenths[usize::try_from(wait.as_millis() / 10_001).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (50..=200).contains(count)), "{tenths:?}");
    }

    #[test]
    fn no_heartbeat_is_due_at_the_end_nor_for_a_hook_without_a_timeout() {
        let mut known = draining(1);
        let far = deadlines(&known, &terms(&known));
        let due = next_heartbeat(&known, far).unwrap();
        let ends_at = |give_up_at| Deadlines { give_up_at: Some(give_up_at), then: OnDrainTimeout::StopTasks, ..far };
        assert_eq!(next_heartbeat(&known, ends_at(due)), None);
        assert_eq!(next_heartbeat(&known, ends_at(after(due, Duration::from_nanos(1)))), Some(due));
        if let Some(Hold { by: HeldBy::Ours(ours), .. }) = &mut known.hold {
            ours.heartbeat_timeout = Some(Duration::from_nanos(1));
        }
        assert_eq!(next_heartbeat(&known, far), None);
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // The FNV-1a test vectors of its authors.
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
    }
}

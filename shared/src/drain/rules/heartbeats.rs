//! When a lifecycle action is to be kept alive, and whose heartbeat goes first.

use std::time::Duration;

use jiff::Timestamp;

use super::deadlines::action_limit;
use super::decision::Case;
use super::terms::RECONCILE_LOOKS_WITHIN;
use crate::clock::{after, between};
use crate::config::OnDrainTimeout;
use crate::drain::facts::known::{Known, Place};
use crate::drain::facts::patience::Request;
use crate::drain::facts::registration::Registration;

/// One heartbeat at least may be lost before the action is.
const HEARTBEATS_PER_TIMEOUT: u32 = 3;

/// When the next heartbeat is due. None where it could not help: of what is not ours to drain, or where AWS denies the search
/// or DRAINING, so that the hook's own timeout ends it; none once the host may go, or after AWS's own limit; none where the
/// hook was not asked for its timeout.
///
/// The action's timeout runs from the start of the termination, or from its last heartbeat. A predecessor may have sent
/// one, or not, so that what is not remembered is not believed.
#[must_use]
pub fn next_heartbeat(case: &Case<'_>) -> Option<Timestamp> {
    let known = case.known;
    let timeout = known.ours()?.heartbeat_timeout.filter(|_| is_kept_alive(known))?;
    let period = timeout / HEARTBEATS_PER_TIMEOUT;
    let due = match (known.heartbeat_at, known.start.as_ref().map(|start| start.at)) {
        (Some(at), _) if known.heartbeats_are_throttled => after(at, period * (HEARTBEATS_PER_TIMEOUT - 1)),
        // Half of the timeout is left at least: `reconcile` may miss its next minutes.
        (Some(at), _) | (None, Some(at)) => turn(known, after(at, period / 2), period)?,
        (None, None) => known.met_at,
    };
    let due = due.max(case.now);
    (due < last_heartbeat(case, timeout)).then_some(due)
}

/// Whether a heartbeat is due, as far as its time is known not to be over.
#[must_use]
pub fn is_due(case: &Case<'_>) -> bool {
    is_allowed(case) && next_heartbeat(case).is_some_and(|due| due <= case.now)
}

/// Whether the action may end before `reconcile` has looked, if this invocation ends now.
#[must_use]
pub fn is_due_before_a_pause(case: &Case<'_>) -> bool {
    let Some(timeout) = case.known.ours().and_then(|ours| ours.heartbeat_timeout) else { return false };
    let is_wanted = is_allowed(case) && is_kept_alive(case.known) && case.now < last_heartbeat(case, timeout);
    is_wanted && expires_at(case.known, timeout).is_none_or(|at| at <= after(case.now, RECONCILE_LOOKS_WITHIN))
}

/// What orders the heartbeats of a round: first those whose action expires first. Of those for which that is not known, and
/// whose action may have expired, each has its turn: an invocation without memory begins where the last one may have ended.
#[must_use]
pub fn urgency(known: &Known) -> (Timestamp, Option<Timestamp>) {
    let timeout = known.ours().and_then(|ours| ours.heartbeat_timeout).unwrap_or_default();
    let turns = timeout / HEARTBEATS_PER_TIMEOUT * (HEARTBEATS_PER_TIMEOUT - 1);
    let expires_at = expires_at(known, timeout).map_or(known.met_at, |at| at.max(known.met_at));
    (expires_at, turn(known, known.met_at, turns))
}

/// Whether little of the action's time is left: less than a third, or it is not known how much.
#[must_use]
pub fn is_pressing(known: &Known, now: Timestamp) -> bool {
    let timeout = known.ours().and_then(|ours| ours.heartbeat_timeout).unwrap_or_default();
    expires_at(known, timeout).is_none_or(|at| between(now, at) < timeout / HEARTBEATS_PER_TIMEOUT)
}

/// When the action surely has not expired yet.
fn expires_at(known: &Known, timeout: Duration) -> Option<Timestamp> {
    let start = known.start.as_ref().map(|start| start.at);
    Some(after(known.heartbeat_at.max(start)?, timeout))
}

/// Whether its time is over is not known before it is known when that began.
fn is_allowed(case: &Case<'_>) -> bool {
    let is_dated = !case.is_to_be_dated() || case.known.patience.has_failed(Request::Start);
    is_dated && !case.terms.policy.dry_run
}

/// What drains, and what would if AWS answered. A host that may go needs no more time.
fn is_kept_alive(known: &Known) -> bool {
    let has_failed = |request| known.patience.has_failed(request);
    let may_be_helped = match &known.place {
        Place::Unwatched(_) => false,
        Place::Unknown | Place::Nowhere { .. } => has_failed(Request::Location),
        Place::Registered => {
            let is_closed_or_told = !known.registrations.iter().any(Registration::is_to_be_drained);
            is_closed_or_told || has_failed(Request::Drain)
        }
    };
    let needed = if known.is_unlocated() { Request::Location } else { Request::Drain };
    may_be_helped && !known.patience.is_denied(needed) && !known.is_released && !has_failed(Request::Complete)
}

/// From here on the host may go, or AWS lets it go.
fn last_heartbeat(case: &Case<'_>, timeout: Duration) -> Timestamp {
    let deadlines = case.deadlines;
    let end = match deadlines.then {
        // What its policy says is of a host that was found.
        _ if case.known.is_unlocated() => Timestamp::MAX,
        OnDrainTimeout::Proceed | OnDrainTimeout::Abandon => deadlines.stop_at,
        OnDrainTimeout::StopTasks | OnDrainTimeout::Wait => deadlines.give_up_at.unwrap_or(Timestamp::MAX),
    };
    end.min(after(case.known.started(), action_limit(timeout)))
}

/// The instance's turn at `time`, or the next one after it. Time is cut into periods at points that differ from instance to
/// instance, so that a thousand do not send theirs at once.
fn turn(known: &Known, time: Timestamp, period: Duration) -> Option<Timestamp> {
    let period = i128::try_from(period.as_nanos()).ok().filter(|period| *period > 0)?;
    let phase = i128::from(hash(known.departure.instance.as_str()));
    let since = time.as_nanosecond() + phase - 1;
    Timestamp::from_nanosecond((since.div_euclid(period) + 1) * period - phase).ok()
}

/// FNV-1a: the same in every build and invocation, which the standard library's hash does not promise.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OnDrainTimeout;
    use crate::drain::facts::departure::{Departure, NoticedBy};
    use crate::drain::facts::hold::{HeldBy, Hold, Ours};
    use crate::drain::facts::known::Start;
    use crate::drain::fixtures::{at, draining, ours, terms};
    use crate::drain::rules::deadlines::Deadlines;
    use crate::ids::InstanceId;

    fn due(known: &Known) -> Option<Timestamp> {
        next_heartbeat(&Case::new(known, &terms(known), at(0)))
    }

    #[test]
    fn instances_that_leave_together_send_their_heartbeats_at_different_times() {
        let wait = |n: u32, heartbeat_at| {
            let instance = InstanceId::parse(&format!("i-{n:017x}")).unwrap();
            let departure = Departure::of_termination(instance, NoticedBy::Event);
            let start = Some(Start { at: at(0), reason: None });
            between(at(0), due(&Known { departure, start, heartbeat_at, ..draining(1) }).unwrap())
        };
        for heartbeat_at in [None, Some(at(0))] {
            let mut tenths = [0; 10];
            for wait in (0..1_000).map(|n| wait(n, heartbeat_at)) {
                let since = wait.as_secs().checked_sub(600).unwrap();
                tenths[usize::try_from(since / 121).unwrap()] += 1;
            }
            assert!(tenths.iter().all(|count| (50..=200).contains(count)), "{tenths:?}");
        }
    }

    #[test]
    fn one_that_was_sent_in_its_turn_is_followed_a_period_later() {
        let known = Known { heartbeat_at: None, ..draining(1) };
        let first = due(&known).unwrap();
        let sent = Known { heartbeat_at: Some(after(first, Duration::from_millis(20))), ..known };
        assert_eq!(due(&sent), Some(after(first, Duration::from_secs(1_200))));
    }

    #[test]
    fn no_heartbeat_is_due_at_the_end_nor_for_a_hook_without_a_timeout() {
        let mut known = draining(1);
        let terms = terms(&known);
        let case = Case::new(&known, &terms, at(0));
        let due = next_heartbeat(&case).unwrap();
        let ends_at = |give_up_at| {
            let deadlines =
                Deadlines { give_up_at: Some(give_up_at), then: OnDrainTimeout::StopTasks, ..case.deadlines };
            next_heartbeat(&Case { deadlines, ..case })
        };
        assert_eq!(ends_at(due), None);
        assert_eq!(ends_at(after(due, Duration::from_nanos(1))), Some(due));
        let hold = |heartbeat_timeout| Hold { read_at: at(0), by: HeldBy::Ours(Ours { heartbeat_timeout, ..ours() }) };
        for timeout in [None, Some(Duration::from_nanos(1))] {
            known.hold = Some(hold(timeout));
            assert_eq!(self::due(&known), None);
        }
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // The FNV-1a test vectors of its authors.
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
    }
}

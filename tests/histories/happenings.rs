//! What happens in a history, and when, as its plan has it.

use shared::drain::facts::departure::SPOT_NOTICE;

use super::plan::{GroupPlan, InterruptionPlan, OutagePlan, Plan};

/// Tasks are placed from so long before their host leaves.
const PLACED_BEFORE_MS: u64 = 6_000;

/// The events of a history that the world does not make itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    Leaves(usize),
    AgentLost(usize),
    AgentBack(usize),
    Deregistered(usize),
    Undrained(usize),
    /// Its container instance, which was registering, is ACTIVE.
    Registered(usize),
    PlacedLast(usize),
    RegistersAnew(usize),
    Denied(usize),
    TheirsCompleted(usize),
    Interrupted(usize),
    NoticeSent(usize),
    /// The two minutes of its notice are over.
    Taken(usize),
    OutageBegins,
    OutageEnds,
    /// The events of the hooks of ours that hold a host.
    EventSent(usize),
    Minute(usize),
    /// `reconcile` is woken once more while it may still run.
    MinuteAgain(usize),
}

/// In the order of their time, up to the `end`, in milliseconds.
pub(super) fn happenings(plan: &Plan, end_s: u64) -> Vec<(u64, Happening)> {
    let mut all = Vec::new();
    for (n, host) in plan.hosts.iter().enumerate() {
        let after_leaving = |seconds: u64| (host.leaves_at_s + seconds) * 1000;
        if host.is_scaled_in() {
            all.push((after_leaving(0), Happening::Leaves(n)));
            // The rule lets no foreign hook's event through.
            let events = host.events_after_s.iter().filter(|_| host.group != GroupPlan::Theirs);
            all.extend(events.map(|s| (after_leaving(*s) + plan.received_after_ms, Happening::EventSent(n))));
        }
        if let Some(InterruptionPlan { noticed_at_s, sent_after_s, .. }) = &host.interrupted {
            all.push((noticed_at_s * 1000, Happening::Interrupted(n)));
            let sent = sent_after_s.iter().map(|s| (noticed_at_s + s) * 1000 + plan.received_after_ms);
            all.extend(sent.map(|at_ms| (at_ms, Happening::NoticeSent(n))));
            all.push((noticed_at_s * 1000 + u64::try_from(SPOT_NOTICE.as_millis()).unwrap(), Happening::Taken(n)));
        }
        if let Some(lost) = host.lost {
            all.push((after_leaving(lost.after_s), Happening::AgentLost(n)));
            all.extend(lost.back_after_s.map(|s| (after_leaving(lost.after_s + s), Happening::AgentBack(n))));
        }
        all.extend(host.deregistered_after_s.map(|s| (after_leaving(s), Happening::Deregistered(n))));
        all.extend(host.undrained_after_s.map(|s| (after_leaving(s), Happening::Undrained(n))));
        let placed =
            host.placed_last.map(|placed| (host.leaves_at_s * 1000 + placed.after_ms).saturating_sub(PLACED_BEFORE_MS));
        all.extend(placed.map(|at_ms| (at_ms, Happening::PlacedLast(n))));
        let registered = host.odd_state.and_then(|odd| odd.until_s);
        all.extend(registered.map(|s| (s * 1000, Happening::Registered(n))));
        all.extend(host.registers_anew.map(|anew| (after_leaving(anew.after_s), Happening::RegistersAnew(n))));
        all.extend(host.denied.map(|(_, s)| (after_leaving(s), Happening::Denied(n))));
        if let GroupPlan::OursAndTheirs(seconds) = host.group {
            all.push((after_leaving(seconds), Happening::TheirsCompleted(n)));
        }
    }
    if let Some(OutagePlan { begins_at_s, lasts_s, .. }) = plan.outage {
        all.push((begins_at_s * 1000, Happening::OutageBegins));
        all.push(((begins_at_s + lasts_s) * 1000, Happening::OutageEnds));
    }
    let away = plan.reconcile.away_minutes(plan.world.hook_timeout_s);
    for minute in 0..usize::try_from(end_s / 60).unwrap() {
        let jitter = plan.reconcile.jitter_ms * u64::try_from(minute % 3).unwrap();
        let at = (plan.reconcile.phase_s + 60 * u64::try_from(minute).unwrap()) * 1000 + jitter;
        if !plan.reconcile.skipped.contains(&minute) && !away.contains(&minute) {
            all.push((at, Happening::Minute(minute)));
            let again = plan.reconcile.doubled_after_s;
            all.extend(again.map(|s| (at + s * 1000, Happening::MinuteAgain(minute))));
        }
    }
    all.sort();
    all.dedup();
    all
}

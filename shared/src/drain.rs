//! The engine: observe, decide, act, over a whole batch of departures.
//!
//! [`decide`](decide::decide) says what comes next for each instance; this module groups equal steps into as few AWS
//! requests as their limits allow, does the urgent ones first, and sleeps until somebody wants to look again. Nothing is
//! spawned: dropping the future of [`run`] ends all of it, at any await, and whoever comes next works from AWS's state.

mod act;
mod attempt;
pub mod attributes;
pub mod deadlines;
pub mod decide;
pub mod known;
mod locate;
mod observe;
pub mod remembered;
pub mod report;
pub mod scan;
mod tasks;
pub mod tries;

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout_at;
use tracing::{info, warn};

use self::decide::{Action, Need, Outcome, Settled, Step, decide, next_stop};
use self::known::{Cause, Known, Place, Unattended};
use self::remembered::Remembered;
use self::report::{Drain, report};
use crate::aws::{CallError, Calls};
use crate::clock::{Clock, after, before};
use crate::config::Config;

/// Keeps a pause that rounds to nothing from becoming a busy loop.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
/// Between the end of polling and the end of the invocation: attributes, the tasks for the report, the answer.
const HAND_OVER_TAKES: Duration = Duration::from_secs(3);
/// Of that, what is kept for the answer alone.
const ANSWER_TAKES: Duration = Duration::from_millis(500);

/// Hosts whose tasks are listed only to be named in the report. It is for people, and nobody reads about more.
const REPORT_READS_MAX: usize = 10;

/// What a run works with.
#[derive(Debug)]
pub struct Context<'a, C> {
    /// The port to AWS.
    pub calls: &'a C,
    /// Every setting.
    pub config: &'a Config,
    /// What this warm environment remembers.
    pub remembered: &'a Remembered,
    /// The time.
    pub clock: Clock,
}

/// How long a run may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Polling ends, and what is left is handed over.
    pub hand_over_at: Timestamp,
    /// The report is given, whatever is still unknown.
    pub report_at: Timestamp,
    /// When somebody surely looks again at what was handed over; none where nobody does.
    pub resumed_at: Option<Timestamp>,
}

impl Budget {
    /// Polls for `poll_for` from `now`, and ends well before an invocation's `deadline`.
    #[must_use]
    pub fn within(deadline: Timestamp, poll_for: Duration, now: Timestamp) -> Self {
        let report_at = before(deadline, ANSWER_TAKES).max(now);
        let latest = before(deadline, HAND_OVER_TAKES).max(now);
        let hand_over_at = after(now, poll_for).min(latest);
        Self { hand_over_at, report_at: report_at.min(after(hand_over_at, HAND_OVER_TAKES)), resumed_at: None }
    }

    /// What is handed over is looked at again from `resumed_at` on.
    #[must_use]
    pub fn resumed_at(self, resumed_at: Timestamp) -> Self {
        Self { resumed_at: Some(resumed_at), ..self }
    }
}

/// One instance on its way.
#[derive(Debug)]
struct Drainee {
    known: Known,
    settled: Option<Settled>,
    settled_at: Option<Timestamp>,
}

/// Drains every departing instance as far as `budget` allows, from what is already known of it, and reports on each, in
/// the order given; a departure named twice is one.
pub async fn run<C: Calls>(
    context: &Context<'_, C>,
    departures: Vec<Known>,
    budget: Budget,
    rng: &mut fastrand::Rng,
) -> Vec<Drain> {
    let mut seen = BTreeSet::new();
    let first = departures.into_iter().filter(|known| seen.insert(known.departure.clone()));
    let unattended = Some(Unattended { from: budget.hand_over_at, until: budget.resumed_at });
    let drainee = |known| Drainee { known: Known { unattended, ..known }, settled: None, settled_at: None };
    let mut drainees: Vec<_> = first.map(drainee).collect();

    let clock = context.clock;
    if timeout_at(clock.instant(budget.hand_over_at), pursue(context, &mut drainees, rng)).await.is_err() {
        let left = drainees.iter().filter(|drainee| drainee.settled.is_none()).count();
        info!(drains = left, "polling ends, handing over");
    }
    if timeout_at(clock.instant(budget.report_at), hand_over(context, &mut drainees)).await.is_err() {
        warn!("the hand-over was cut short by the end of the invocation");
    }
    drainees.iter().map(|drainee| finished(drainee, clock.now())).collect()
}

/// Observes, decides and acts until everything is settled.
async fn pursue<C: Calls>(context: &Context<'_, C>, drainees: &mut [Drainee], rng: &mut fastrand::Rng) {
    loop {
        let steps = next_steps(drainees, context);
        if drainees.iter().all(|drainee| drainee.settled.is_some()) {
            return;
        }
        if steps.work.is_empty() {
            let now = context.clock.now();
            let wake = steps.wake.unwrap_or(now).max(after(now, SHORTEST_PAUSE));
            tokio::time::sleep_until(context.clock.instant(wake)).await;
            continue;
        }
        act::urgent(context, drainees, &steps.work, rng).await;
        act::others_and_read(context, drainees, &steps, rng).await;
    }
}

/// What is to be done now, Spot before the rest; who waits; when to look again if nobody does anything; and when tasks
/// that are known are to be stopped next.
#[derive(Debug, Default)]
struct Steps {
    work: Vec<(usize, Work)>,
    idle: Vec<usize>,
    wake: Option<Timestamp>,
    next_stop: Option<Timestamp>,
}

#[derive(Debug)]
enum Work {
    Read(Need),
    Act(Action),
}

fn next_steps<C>(drainees: &mut [Drainee], context: &Context<'_, C>) -> Steps {
    let now = context.clock.now();
    let mut steps = Steps::default();
    for (index, drainee) in drainees.iter_mut().enumerate().filter(|(_, drainee)| drainee.settled.is_none()) {
        let policy = drainee.known.policy(context.config.policy);
        steps.next_stop = steps.next_stop.into_iter().chain(next_stop(&drainee.known, &policy, now)).min();
        match decide(&drainee.known, &policy, now) {
            Step::Read(need) => steps.work.push((index, Work::Read(need))),
            Step::Act(action) => steps.work.push((index, Work::Act(action))),
            Step::WaitUntil(time) => {
                steps.idle.push(index);
                steps.wake = Some(steps.wake.map_or(time, |wake| wake.min(time)));
            }
            Step::Settled(settled) => drainee.settle(settled, now),
        }
    }
    let waits =
        |index: usize| drainees.get(index).is_none_or(|d| matches!(d.known.departure.cause, Cause::Termination { .. }));
    steps.work.sort_by_key(|(index, _)| waits(*index));
    steps
}

impl Drainee {
    fn settle(&mut self, settled: Settled, now: Timestamp) {
        info!(instance = %self.known.departure.instance, outcome = %settled.outcome, detail = settled.detail, "settled");
        self.settled_at = Some(now);
        self.settled = Some(settled);
    }
}

/// What an unfinished drain leaves for the next invocation, and the tasks that its report names.
async fn hand_over<C: Calls>(context: &Context<'_, C>, drainees: &mut [Drainee]) {
    if !context.config.policy.dry_run {
        let unfinished = drainees.iter().filter(|drainee| drainee.settled.is_none());
        let changes = unfinished.flat_map(|d| attributes::changes(&d.known, attributes::Occasion::HandOver));
        act::write_attributes(context.calls, &changes.collect::<Vec<_>>()).await;
    }
    let untold = |drainee: &Drainee| {
        let open = drainee.settled.as_ref().is_none_or(|s| s.outcome == Outcome::WouldDrain);
        open && drainee.known.registrations.iter().any(|r| r.tasks.is_none())
    };
    let unread = drainees.iter().enumerate().filter(|(_, drainee)| untold(drainee)).map(|(index, _)| index);
    let unread: Vec<_> = unread.take(REPORT_READS_MAX).collect();
    observe::tasks_for_report(context, drainees, &unread).await;
}

fn finished(drainee: &Drainee, now: Timestamp) -> Drain {
    let settled = drainee.settled.clone().unwrap_or_else(|| {
        let settled = handed_over(&drainee.known);
        info!(instance = %drainee.known.departure.instance, detail = settled.detail, "handed over");
        settled
    });
    report(&drainee.known, settled, drainee.settled_at.unwrap_or(now))
}

fn handed_over(known: &Known) -> Settled {
    let waiting = match (&known.hold, &known.place) {
        (_, Place::Nowhere | Place::Unwatched(_)) => "it may go, but could not be released",
        (None, _) if matches!(known.departure.cause, Cause::Termination { .. }) => "who holds it is not known yet",
        (_, Place::Registered) => "waiting for its tasks to stop",
        _ => "where it is registered is not known yet",
    };
    let errors: Vec<_> = known.tries.errors().collect();
    let detail = if errors.is_empty() { waiting.into() } else { format!("{waiting}, last: {}", errors.join("; ")) };
    Settled { outcome: Outcome::HandedOver, detail }
}

/// Logs a failed request once, where it is handled, with its whole chain.
fn log_failure(doing: &str, error: &CallError) {
    warn!(error = chain(error), class = ?error.class(), "{doing} failed");
}

/// An error and what lies behind it, outermost first.
fn chain(error: &dyn Error) -> String {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(deadline_s: u64, poll_for_s: u64) -> (Duration, Duration) {
        let now = Timestamp::UNIX_EPOCH;
        let budget = Budget::within(after(now, Duration::from_secs(deadline_s)), Duration::from_secs(poll_for_s), now);
        (crate::clock::between(now, budget.hand_over_at), crate::clock::between(now, budget.report_at))
    }

    #[test]
    fn polling_ends_as_asked_or_well_before_the_invocation_does() {
        assert_eq!(budget(150, 120), (Duration::from_secs(120), Duration::from_secs(123)));
        assert_eq!(budget(150, 840), (Duration::from_secs(147), Duration::from_millis(149_500)));
        assert_eq!(budget(1, 120), (Duration::ZERO, Duration::from_millis(500)));
        assert_eq!(budget(0, 120), (Duration::ZERO, Duration::ZERO));
    }
}

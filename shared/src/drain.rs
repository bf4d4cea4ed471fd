//! The engine: observe, decide, act, over a whole batch of departures.
//!
//! [`decide`](decide::decide) says what comes next for each instance; this module groups equal steps into as few AWS
//! requests as their limits allow, does the urgent ones first, and sleeps until somebody wants to look again. Nothing is
//! spawned: dropping the future of [`run`] ends all of it, at any await, and whoever comes next works from AWS's state.

mod act;
mod attempt;
pub mod deadlines;
pub mod decide;
pub mod departure;
mod explain;
mod facts;
mod hand_over;
pub mod known;
pub mod lifecycle;
mod locate;
pub mod look;
mod observe;
pub mod prospect;
pub mod remembered;
pub mod report;
pub mod scan;
pub mod standing;
pub mod starts;
pub mod straggler;
mod tasks;
pub mod tries;

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout_at;
use tracing::{info, warn};

use self::decide::{Action, Need, Outcome, Settled, Step, decide, is_late, next_drain, next_stop};
use self::departure::NoticedBy;
use self::facts::log_drain;
use self::known::{Known, Unattended};
use self::remembered::Remembered;
use self::report::Drain;
use self::scan::ScanError;
use self::tasks::Listings;
use crate::aws::{CallError, Calls};
use crate::clock::{Clock, after, before};
use crate::config::Config;

/// No pause and no round is shorter, so that neither becomes a busy loop: less than any answer of AWS takes.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
/// Between the end of polling and the end of the invocation: the tasks for the report, the answer.
const HAND_OVER_TAKES: Duration = Duration::from_secs(3);
/// Of that, what is kept for the answer alone.
const ANSWER_TAKES: Duration = Duration::from_millis(500);

/// A host that an event's function hands over waits no longer than this for `reconcile`, while that waits for others: as
/// long as the longest pause between two looks.
const SCAN_AGAIN_AFTER: Duration = Duration::from_secs(15);
/// A scan that takes longer holds up the drains that are known.
const SCAN_PATIENCE: Duration = Duration::from_secs(5);
/// Where a stop is late, a round of reads lasts no longer: a little more than one request may take.
const LATE_ROUND: Duration = Duration::from_secs(4);

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
    /// Whether anybody reads the report: the tasks that it names may cost requests of their own.
    pub is_reported: bool,
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
        Self { hand_over_at, report_at, resumed_at: None, is_reported: true, is_burst: false }
    }

    /// Without an end: a person waits for as long as it takes.
    #[must_use]
    pub fn endless() -> Self {
        let (hand_over_at, report_at) = (Timestamp::MAX, Timestamp::MAX);
        Self { hand_over_at, report_at, resumed_at: None, is_reported: true, is_burst: false }
    }

    /// Nobody reads the report: an SQS batch is answered with message ids.
    #[must_use]
    pub fn unreported(self) -> Self {
        Self { is_reported: false, ..self }
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
    let mut pursuit = Pursuit::new(context, departures, budget);
    let polling_ends = context.clock.instant(budget.hand_over_at);
    if timeout_at(polling_ends, async { while !pursuit.round(rng).await.is_over() {} }).await.is_err() {
        pursuit.log_end_of_polling();
    }
    pursuit.conclude().await
}

/// Drains what waits on our hooks by Auto Scaling's word, and looks for more of it for as long as there is any: what an
/// event's function hands over meanwhile does not wait for the next minute. Reports on each.
///
/// # Errors
/// When the first scan fails: then it is not known what waits.
pub async fn reconcile<C: Calls>(
    context: &Context<'_, C>,
    budget: Budget,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Drain>, ScanError> {
    let mut pursuit = Pursuit::new(context, Vec::new(), budget);
    pursuit.add(scan::departures(context, budget, rng).await?);
    let rounds = async {
        let mut next_scan = after(context.clock.now(), SCAN_AGAIN_AFTER);
        while !pursuit.round_until(next_scan, rng).await.is_over() {
            let now = context.clock.now();
            if now >= next_scan {
                let ends_at = after(now, SCAN_PATIENCE).min(budget.hand_over_at);
                let scan = scan::departures(context, Budget { hand_over_at: ends_at, ..budget }, rng);
                // What failed is in the log, and the next scan is near.
                if let Ok(Ok(departures)) = timeout_at(context.clock.instant(ends_at), scan).await {
                    pursuit.add(departures);
                }
                next_scan = after(context.clock.now(), SCAN_AGAIN_AFTER);
            }
        }
    };
    if timeout_at(context.clock.instant(budget.hand_over_at), rounds).await.is_err() {
        pursuit.log_end_of_polling();
    }
    Ok(pursuit.conclude().await)
}

/// A run, round by round, so that it can be looked at between two of them.
#[derive(Debug)]
pub struct Pursuit<'a, C> {
    context: &'a Context<'a, C>,
    drainees: Vec<Drainee>,
    listings: Listings,
    budget: Budget,
}

/// Whether a pursuit goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Something is open.
    GoesOn,
    /// Everything is settled.
    Over,
}

impl Round {
    /// Whether nothing is open any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        self == Self::Over
    }
}

impl<'a, C: Calls> Pursuit<'a, C> {
    /// Nothing is done yet.
    #[must_use]
    pub fn new(context: &'a Context<'a, C>, departures: Vec<Known>, budget: Budget) -> Self {
        let mut pursuit = Self { context, drainees: Vec::new(), listings: Listings::default(), budget };
        pursuit.add(departures);
        pursuit
    }

    /// Takes on those departures that are not among those it has: how many.
    pub fn add(&mut self, departures: Vec<Known>) -> usize {
        let budget = self.budget;
        let unattended = Some(Unattended { from: budget.hand_over_at, until: budget.resumed_at });
        let mut seen: BTreeSet<_> = self.drainees.iter().map(|drainee| drainee.known.departure.clone()).collect();
        let new = departures.into_iter().filter(|known| seen.insert(known.departure.clone()));
        let new = new.inspect(|known| {
            if known.departure.noticed_by == NoticedBy::Scan {
                log_drain!(info, known, known.met_at, "found waiting");
            }
        });
        let drainee = |known| {
            let (in_a_batch, in_a_burst) = (!budget.is_reported, budget.is_burst);
            Drainee::new(Known { unattended, in_a_batch, in_a_burst, ..known })
        };
        let before = self.drainees.len();
        self.drainees.extend(new.map(drainee));
        self.drainees.len() - before
    }

    /// Observes, decides and acts once, or sleeps until somebody wants to. Dropped at any await, it is as if it had ended
    /// there: the next one works from AWS's state.
    pub async fn round(&mut self, rng: &mut fastrand::Rng) -> Round {
        self.round_until(Timestamp::MAX, rng).await
    }

    /// The same, sleeping no longer than to that time.
    pub async fn round_until(&mut self, until: Timestamp, rng: &mut fastrand::Rng) -> Round {
        let Self { context, drainees, listings, .. } = self;
        let earliest_end = after(context.clock.now(), SHORTEST_PAUSE);
        let steps = next_steps(drainees, context);
        if drainees.iter().all(|drainee| drainee.settled.is_some()) {
            return Round::Over;
        }
        let wake = if steps.work.is_empty() {
            steps.wake.map_or(until, |wake| wake.min(until))
        } else {
            act::urgent(context, drainees, &steps.work, rng).await;
            act::others_and_read(context, drainees, &steps, listings, rng).await;
            earliest_end
        };
        tokio::time::sleep_until(context.clock.instant(wake.max(earliest_end))).await;
        Round::GoesOn
    }

    /// Reads what people want to know sooner than the engine does: which tasks are left, and why.
    pub async fn look(&mut self) {
        look::refresh(self.context, &self.listings, &mut self.drainees).await;
    }

    /// What is known of each, and how it ended, if it has.
    pub fn known(&self) -> impl Iterator<Item = (&Known, Option<&Settled>)> {
        self.drainees.iter().map(|drainee| (&drainee.known, drainee.settled.as_ref()))
    }

    fn log_end_of_polling(&self) {
        let left = self.drainees.iter().filter(|drainee| drainee.settled.is_none()).count();
        info!(drains = left, "polling ends");
    }

    /// Hands over what is open, and reports.
    pub async fn conclude(mut self) -> Vec<Drain> {
        let Self { context, drainees, listings, budget } = &mut self;
        let handed_over = hand_over::hand_over(context, drainees, listings, *budget);
        if timeout_at(context.clock.instant(budget.report_at), handed_over).await.is_err() {
            warn!("the hand-over was cut short by the end of the invocation");
        }
        hand_over::reports(context, drainees, *budget)
    }
}

/// What is to be done now, Spot before the rest; who waits; when to look again if nobody does anything; and until when
/// reads may last, because something urgent is due then.
#[derive(Debug, Default)]
struct Steps {
    work: Vec<(usize, Work)>,
    idle: Vec<usize>,
    wake: Option<Timestamp>,
    cut_reads_at: Option<Timestamp>,
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
        let urgent = [next_stop(&drainee.known, &policy, now), next_drain(&drainee.known, now)];
        let late = is_late(&drainee.known, &policy, now).then(|| after(now, LATE_ROUND));
        steps.cut_reads_at = urgent.into_iter().chain([late, steps.cut_reads_at]).flatten().min();
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
    let is_held = |index: usize| drainees.get(index).is_none_or(|d| d.known.departure.cause.is_held());
    steps.work.sort_by_key(|(index, _)| is_held(*index));
    steps
}

impl Drainee {
    fn new(known: Known) -> Self {
        Self { known, settled: None, settled_at: None }
    }

    fn settle(&mut self, settled: Settled, now: Timestamp) {
        log_end(&self.known, &settled, now);
        self.settled_at = Some(now);
        self.settled = Some(settled);
    }
}

/// How a drain ended, or where this invocation leaves it.
fn log_end(known: &Known, settled: &Settled, now: Timestamp) {
    let message = match settled.outcome {
        Outcome::HandedOver => "handed over",
        Outcome::TimedOut => "given up",
        Outcome::Ignored => "ignored",
        Outcome::AlreadyReleased => "already released",
        Outcome::WouldDrain => "would drain",
        Outcome::NotWaitingYet => "not waiting yet",
        _ => "ended",
    };
    let (outcome, detail) = (settled.outcome.as_str(), settled.detail.as_str());
    // Once for a drain, for it is long.
    let reason = known.reason().filter(|_| settled.outcome != Outcome::HandedOver);
    log_drain!(info, known, now, message, outcome, detail, reason);
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

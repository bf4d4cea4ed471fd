//! The engine: facts, rules, requests and reports, over a whole batch of departures.
//!
//! [`decide`] says what comes next for each host; this module asks equal things of AWS in as few requests as their limits
//! allow, the urgent ones first, and sleeps until the next look is due. Nothing is spawned: dropping the future of [`run`]
//! ends all of it, at any await, and the next invocation works from AWS's state.

pub mod context;
mod drainee;
pub mod facts;
#[cfg(test)]
mod fixtures;
pub mod remembered;
pub mod reports;
pub mod requests;
pub mod rules;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout_at;
use tracing::{info, warn};

pub use self::context::Context;
use self::drainee::{Drainee, those};
use self::facts::departure::{Departure, NoticedBy};
use self::facts::known::{Known, Place};
use self::facts::log::log_drain;
use self::remembered::Left;
use self::reports::report::Drain;
use self::reports::{Explanations, hand_over, look};
use self::requests::listing::Listings;
use self::requests::round::{self, Wanted};
use self::requests::scan::{self, ScanError};
use self::rules::decide::decide;
use self::rules::decision::{Settled, Step};
pub use self::rules::terms::Budget;
use self::rules::terms::{RECONCILE_LOOKS_WITHIN, outlasts_a_pause};
use crate::aws::Calls;
use crate::clock::after;

/// No pause and no round is shorter, so that neither becomes a busy loop: less than any answer of AWS takes.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
/// A host that an event's function hands over waits no longer than this for `reconcile`, while that waits for others: as
/// long as the longest pause between two looks.
const SCAN_AGAIN_AFTER: Duration = Duration::from_secs(15);
/// A scan that takes longer holds up the drains that are known.
const SCAN_PATIENCE: Duration = Duration::from_secs(5);

/// Drains every departing instance as far as its budget allows, from what is already known of it, and reports on each, in
/// the order given; a departure named twice is one.
pub async fn run<C: Calls>(context: &Context<'_, C>, departures: Vec<Known>, rng: &mut fastrand::Rng) -> Vec<Drain> {
    let longer = context.budget.polling_until(after(context.clock.now(), RECONCILE_LOOKS_WITHIN));
    let longer = Context { budget: longer, ..*context };
    let mut pursuit = Pursuit::new(context, departures);
    let mut end = pursuit.poll(rng).await;
    if !end.is_over() && pursuit.cannot_be_left() {
        pursuit.context = &longer;
        end = pursuit.poll(rng).await;
    }
    if !end.is_over() {
        pursuit.log_end_of_polling();
    }
    pursuit.conclude().await
}

/// Drains what waits on our hooks by Auto Scaling's word, and looks for more of it for as long as there is any: what an
/// event's function hands over meanwhile does not wait for the next minute. Reports on each.
///
/// # Errors
/// When the first scan fails: then it is not known what waits.
pub async fn reconcile<C: Calls>(context: &Context<'_, C>, rng: &mut fastrand::Rng) -> Result<Vec<Drain>, ScanError> {
    let hand_over_at = context.budget.hand_over_at;
    let mut pursuit = Pursuit::new(context, Vec::new());
    let departures = scan::departures(context, &BTreeSet::new(), hand_over_at, rng).await?;
    let departures = pursuit.go_on_with_what_is_left(departures);
    pursuit.add(departures);
    let rounds = async {
        let mut next_scan = after(context.clock.now(), SCAN_AGAIN_AFTER);
        while !pursuit.round_until(next_scan, rng).await.is_over() {
            let now = context.clock.now();
            if now >= next_scan {
                let ends_at = after(now, SCAN_PATIENCE).min(hand_over_at);
                let known = pursuit.departures();
                let scan = scan::departures(context, &known, ends_at, rng);
                // What failed is in the log, and the next scan is near.
                if let Ok(Ok(departures)) = timeout_at(context.clock.instant(ends_at), scan).await {
                    pursuit.add(departures);
                }
                next_scan = after(context.clock.now(), SCAN_AGAIN_AFTER);
            }
        }
    };
    if timeout_at(context.clock.instant(hand_over_at), rounds).await.is_err() {
        pursuit.log_end_of_polling();
    }
    let drains = pursuit.hand_over().await;
    pursuit.leave();
    Ok(drains)
}

/// A run, round by round, so that it can be looked at between two of them.
#[derive(Debug)]
pub struct Pursuit<'a, C> {
    context: &'a Context<'a, C>,
    drainees: Vec<Drainee>,
    listings: Listings,
    explanations: Explanations,
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
    pub fn new(context: &'a Context<'a, C>, departures: Vec<Known>) -> Self {
        let (listings, explanations) = (Listings::new(context.clock.now()), Explanations::default());
        let mut pursuit = Self { context, drainees: Vec::new(), listings, explanations };
        pursuit.add(departures);
        pursuit
    }

    /// Takes on those departures that are not among those it has.
    fn add(&mut self, departures: Vec<Known>) {
        let mut seen = self.departures();
        for known in departures {
            if !seen.insert(known.departure.clone()) {
                continue;
            }
            // What an earlier invocation left was found by that one.
            if known.departure.noticed_by == NoticedBy::Scan && known.place == Place::Unknown {
                log_drain!(info, &known, known.met_at, "found waiting");
            }
            let heartbeat_at = known.heartbeat_at.max(self.context.heartbeat_of(&known));
            self.drainees.push(Drainee::new(Known { heartbeat_at, ..known }));
        }
    }

    /// What it was told to drain, settled or not.
    fn departures(&self) -> BTreeSet<Departure> {
        self.drainees.iter().map(|drainee| drainee.known.departure.clone()).collect()
    }

    /// Round by round, until everything is settled or polling ends.
    async fn poll(&mut self, rng: &mut fastrand::Rng) -> Round {
        let ends_at = self.context.clock.instant(self.context.budget.hand_over_at);
        let rounds = async { while !self.round(rng).await.is_over() {} };
        timeout_at(ends_at, rounds).await.map_or(Round::GoesOn, |()| Round::Over)
    }

    /// Whether a hook would end before `reconcile` is sure to look.
    fn cannot_be_left(&self) -> bool {
        let is_batch = self.context.budget.is_batch && !self.context.budget.is_burst;
        let ends_soon = |it: &Drainee| !it.is_settled() && !outlasts_a_pause(&it.known);
        is_batch && self.drainees.iter().any(ends_soon)
    }

    /// Takes up what the last invocation in this environment left, of those instances that still wait.
    fn go_on_with_what_is_left(&mut self, departures: Vec<Known>) -> Vec<Known> {
        let Some(mut left) = self.context.remembered.take_left(self.context.clock.now()) else { return departures };
        self.listings.go_on_with(&mut left);
        departures.into_iter().map(|found| left.resume(found)).collect()
    }

    /// Leaves what is not settled to the next invocation in this environment.
    fn leave(mut self) {
        let unsettled = self.drainees.into_iter().filter(|drainee| !drainee.is_settled()).map(|drainee| drainee.known);
        let mut left = Left::new(unsettled, self.context.clock.now());
        self.listings.leave(&mut left);
        self.context.remembered.leave(left);
    }

    /// Decides and asks once, or sleeps until the next look is due. Dropped at any await, it is as if it had ended
    /// there: the next one works from AWS's state.
    pub async fn round(&mut self, rng: &mut fastrand::Rng) -> Round {
        self.round_until(Timestamp::MAX, rng).await
    }

    /// The same, sleeping no longer than to that time.
    async fn round_until(&mut self, until: Timestamp, rng: &mut fastrand::Rng) -> Round {
        let Self { context, drainees, listings, .. } = self;
        let earliest_end = after(context.clock.now(), SHORTEST_PAUSE);
        let (wanted, wake) = next_steps(drainees, context);
        if drainees.iter().all(Drainee::is_settled) {
            return Round::Over;
        }
        let wake = if wanted.asked.is_empty() {
            wake.map_or(until, |wake| wake.min(until))
        } else {
            round::ask(context, drainees, &wanted, listings, rng).await;
            earliest_end
        };
        tokio::time::sleep_until(context.clock.instant(wake.max(earliest_end))).await;
        Round::GoesOn
    }

    /// Reads what people want to know sooner than the engine does: which tasks are left, and why.
    pub async fn look(&mut self) {
        self.explanations = look::refresh(self.context, &self.listings, &mut self.drainees).await;
    }

    /// What is known of each, and how it ended, if it has.
    pub fn known(&self) -> impl Iterator<Item = (&Known, Option<&Settled>)> {
        self.drainees.iter().map(|drainee| (&drainee.known, drainee.settled.as_ref()))
    }

    /// Why their tasks are left, as far as the last look was told.
    #[must_use]
    pub fn explanations(&self) -> &Explanations {
        &self.explanations
    }

    fn log_end_of_polling(&self) {
        let left = those(&self.drainees, |drainee| !drainee.is_settled()).len();
        info!(drains = left, "polling ends");
    }

    /// Hands over what is open, and reports.
    pub async fn conclude(mut self) -> Vec<Drain> {
        self.hand_over().await
    }

    async fn hand_over(&mut self) -> Vec<Drain> {
        let Self { context, drainees, listings, explanations } = self;
        let handed_over = async {
            hand_over::keep_alive(context, drainees).await;
            hand_over::hand_over(context, drainees, listings, explanations).await;
        };
        if timeout_at(context.clock.instant(context.budget.report_at), handed_over).await.is_err() {
            warn!("the hand-over was cut short by the end of the invocation");
        }
        hand_over::reports(context, drainees, explanations)
    }
}

/// Settles what has ended; answers what is asked now, and when to look again if nothing is.
fn next_steps<C>(drainees: &mut [Drainee], context: &Context<'_, C>) -> (Wanted, Option<Timestamp>) {
    let now = context.clock.now();
    let (mut wanted, mut wake) = (Wanted::default(), None);
    for (index, drainee) in drainees.iter_mut().enumerate().filter(|(_, drainee)| !drainee.is_settled()) {
        let decision = decide(&drainee.known, &context.terms(&drainee.known), now);
        wanted.reads_until = decision.reads_until.into_iter().chain(wanted.reads_until).min();
        match decision.step {
            Step::Ask(ask) => wanted.asked.push((index, ask)),
            Step::WaitUntil(time) => {
                wanted.waiting.push(index);
                wake = Some(wake.map_or(time, |wake: Timestamp| wake.min(time)));
            }
            Step::Settled(settled) => drainee.settle(settled, now),
        }
    }
    let is_held = |index: usize| drainees.get(index).is_none_or(|d| d.known.departure.cause.is_held());
    wanted.asked.sort_by_key(|(index, _)| is_held(*index));
    (wanted, wake)
}

//! The end of an invocation: what people are told of what is left.

use std::time::Duration;

use jiff::Timestamp;

use super::decide::{Outcome, Settled};
use super::facts::log_drain;
use super::known::{Known, Place};
use super::report::{Drain, report};
use super::tasks::Listings;
use super::{Budget, Context, Drainee, explain, log_end, observe};
use crate::aws::Calls;
use crate::clock::between;

/// A drain must have lasted so long before anybody is asked why: most are over by then.
const EXPLAINED_AFTER: Duration = Duration::from_secs(60);
/// Hosts of which an invocation asks only for people's sake which tasks are left and why. Nobody reads about more.
const EXPLAINED_HOSTS_MAX: usize = 10;
/// Tasks that one invocation names in its log, each in a line of its own.
const STRAGGLERS_LOGGED_MAX: usize = 200;

impl Drainee {
    /// Whether tasks may be left on it.
    fn is_open(&self) -> bool {
        let outcome = self.settled.as_ref().map(|settled| settled.outcome);
        matches!(outcome, None | Some(Outcome::WouldDrain | Outcome::TimedOut))
    }

    /// Whether its drain has lasted so long that somebody may ask why.
    fn is_long(&self, now: Timestamp) -> bool {
        self.is_open() && between(self.known.started(), now) >= EXPLAINED_AFTER
    }
}

/// Reads what people are told of the tasks that are left.
pub(super) async fn hand_over<C: Calls>(
    context: &Context<'_, C>,
    drainees: &mut [Drainee],
    listings: &Listings,
    budget: Budget,
) {
    let now = context.clock.now();
    let unread = |drainee: &Drainee| {
        let told = budget.is_reported && drainee.is_open() || drainee.is_long(now);
        told && drainee.known.has_unread_tasks()
    };
    let unread = some(drainees, unread);
    observe::tasks_for_report(context, listings, drainees, &unread).await;
    let long = some(drainees, |drainee| drainee.is_long(now) && explain::is_due(context, drainee));
    explain::stragglers(context, drainees, &long).await;
}

/// The first few that fit, by index.
fn some(drainees: &[Drainee], fits: impl Fn(&Drainee) -> bool) -> Vec<usize> {
    let fitting = drainees.iter().enumerate().filter(|(_, drainee)| fits(drainee)).map(|(index, _)| index);
    fitting.take(EXPLAINED_HOSTS_MAX).collect()
}

/// Where each drain stands.
pub(super) fn reports<C>(context: &Context<'_, C>, drainees: &[Drainee], budget: Budget) -> Vec<Drain> {
    let drains: Vec<_> = drainees.iter().map(|drainee| finished(context, drainee, budget)).collect();
    log_stragglers(context, drainees, &drains);
    drains
}

fn finished<C>(context: &Context<'_, C>, drainee: &Drainee, budget: Budget) -> Drain {
    let settled = drainee.settled.clone().unwrap_or_else(|| {
        let settled = unfinished(&drainee.known, budget);
        log_end(&drainee.known, &settled, context.clock.now());
        settled
    });
    let policy = drainee.known.policy(context.config.policy);
    let now = drainee.settled_at.unwrap_or(context.clock.now());
    report(&drainee.known, settled, &policy, context.remembered, now)
}

/// How a drain stands that is not done when its invocation ends. One whose power goes before anybody looks again is over.
fn unfinished(known: &Known, budget: Budget) -> Settled {
    let taken_at = known.departure.cause.taken_at();
    if taken_at.is_some_and(|taken_at| budget.resumed_at.is_none_or(|resumed_at| taken_at <= resumed_at)) {
        let detail = format!("{}, and its power goes before anybody looks again", what_it_waits_for(known));
        return Settled { outcome: Outcome::TimedOut, detail };
    }
    Settled { outcome: Outcome::HandedOver, detail: what_it_waits_for(known) }
}

fn what_it_waits_for(known: &Known) -> String {
    let waiting = match (&known.hold, &known.place) {
        (None, _) if known.departure.cause.is_held() => "who holds it is not known yet",
        (_, Place::Nowhere) => "it may go, but could not be released",
        (_, Place::Registered) => "waiting for its tasks to stop",
        _ => "where it is registered is not known yet",
    };
    let undated = known.departure.cause.is_held() && known.ours().is_some() && known.start.is_none();
    let waiting = if undated {
        format!("{waiting}; its time counts from this invocation, for none told when its termination began")
    } else {
        waiting.to_owned()
    };
    let errors: Vec<_> = known.tries.errors().collect();
    if errors.is_empty() { waiting } else { format!("{waiting}, last: {}", errors.join("; ")) }
}

/// Names what is left of drains that are long or were given up, and why.
fn log_stragglers<C>(context: &Context<'_, C>, drainees: &[Drainee], drains: &[Drain]) {
    let now = context.clock.now();
    let told = |(drainee, drain): &(&Drainee, &Drain)| drainee.is_long(now) || drain.outcome == Outcome::TimedOut;
    let told = drainees.iter().zip(drains).filter(told);
    let each = told.flat_map(|(drainee, drain)| drain.remaining.iter().map(move |straggler| (drainee, straggler)));
    for (drainee, straggler) in each.take(STRAGGLERS_LOGGED_MAX) {
        log_drain!(
            info,
            &drainee.known,
            now,
            "a task is left",
            task = %straggler.task,
            task_group = straggler.group.as_str(),
            owner = straggler.owner.as_str(),
            last_status = straggler.last_status.as_str(),
            why = straggler.why.as_str(),
            protected_until = straggler.protected_until.map(|until| until.to_string())
        );
    }
}

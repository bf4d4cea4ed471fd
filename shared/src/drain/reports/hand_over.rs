//! The end of an invocation: what people are told of what is left.

use std::time::Duration;

use jiff::Timestamp;

use super::explain::{self, Explanations};
use super::report::{Drain, report};
use crate::aws::{Calls, InstanceStatus};
use crate::clock::between;
use crate::drain::context::Context;
use crate::drain::drainee::{Drainee, log_end, those};
use crate::drain::facts::known::{Known, Place};
use crate::drain::facts::log::log_drain;
use crate::drain::requests::act;
use crate::drain::requests::answer::only_learn;
use crate::drain::requests::listing::Listings;
use crate::drain::requests::tasks;
use crate::drain::rules::decision::{Ask, Case, Outcome, Settled};
use crate::drain::rules::heartbeats;

/// A drain must have lasted so long before its services are asked why: most are over by then.
const EXPLAINED_AFTER: Duration = Duration::from_secs(60);
/// An invocation asks of so many hosts, only for people's sake, which tasks are left and why. People read about no more.
const EXPLAINED_HOSTS_MAX: usize = 10;
/// Tasks that one invocation names in its log, each in a line of its own.
const STRAGGLERS_LOGGED_MAX: usize = 200;

/// Whether tasks may be left on it.
fn is_open(drainee: &Drainee) -> bool {
    let outcome = drainee.settled.as_ref().map(|settled| settled.outcome);
    matches!(outcome, None | Some(Outcome::WouldDrain | Outcome::TimedOut))
}

/// Whether its drain has lasted so long that people may ask why.
fn is_long(drainee: &Drainee, now: Timestamp) -> bool {
    is_open(drainee) && between(drainee.known.started(), now) >= EXPLAINED_AFTER
}

/// Keeps alive, once more, what may not last until `reconcile` looks.
pub(crate) async fn keep_alive<C: Calls>(context: &Context<'_, C>, drainees: &mut [Drainee]) {
    let now = context.clock.now();
    let is_left = |it: &Drainee| it.settled.as_ref().is_none_or(|settled| settled.outcome == Outcome::HandedOver);
    let is_due = |known: &Known| heartbeats::is_due_before_a_pause(&Case::new(known, &context.terms(known), now));
    let mut due = those(drainees, |it| is_left(it) && is_due(&it.known));
    due.sort_by_cached_key(|index| drainees.get(*index).map(|it| heartbeats::urgency(&it.known)));
    let due: Vec<_> = due.into_iter().map(|index| (index, &Ask::Heartbeat)).collect();
    let sent = act::on_hooks(context, drainees, &due).await;
    only_learn(context, drainees, sent);
}

/// Reads what people are told of the tasks that are left.
pub(crate) async fn hand_over<C: Calls>(
    context: &Context<'_, C>,
    drainees: &mut [Drainee],
    listings: &Listings,
    explanations: &mut Explanations,
) {
    let now = context.clock.now();
    let unread = |drainee: &Drainee| {
        let told = !context.budget.is_batch && is_open(drainee) || is_long(drainee, now);
        told && drainee.known.has_unread_tasks()
    };
    let unread = first_few(drainees, unread);
    let read = tasks::every(context, listings, drainees, &unread).await;
    only_learn(context, drainees, read);
    let long = first_few(drainees, |it| is_long(it, now) && explain::is_due(context, &it.known));
    *explanations = Explanations::remembered(context, drainees.iter().map(|drainee| &drainee.known));
    explain::ask(context, drainees, &long, explanations).await;
}

fn first_few(drainees: &[Drainee], fits: impl Fn(&Drainee) -> bool) -> Vec<usize> {
    those(drainees, fits).into_iter().take(EXPLAINED_HOSTS_MAX).collect()
}

/// Where each drain stands.
pub(crate) fn reports<C>(context: &Context<'_, C>, drainees: &[Drainee], explanations: &Explanations) -> Vec<Drain> {
    let drains: Vec<_> = drainees.iter().map(|drainee| finished(context, drainee, explanations)).collect();
    log_stragglers(context, drainees, &drains);
    drains
}

fn finished<C>(context: &Context<'_, C>, drainee: &Drainee, explanations: &Explanations) -> Drain {
    let settled = drainee.settled.clone().unwrap_or_else(|| {
        let settled = unfinished(context, &drainee.known);
        log_end(&drainee.known, &settled, context.clock.now());
        settled
    });
    let now = drainee.settled_at.unwrap_or(context.clock.now());
    report(&drainee.known, settled, &context.terms(&drainee.known), explanations, now)
}

/// How a drain stands that is not done when its invocation ends. One whose power goes before the next look is over.
fn unfinished<C>(context: &Context<'_, C>, known: &Known) -> Settled {
    let taken_at = known.departure.cause.taken_at();
    if taken_at.is_some_and(|taken_at| context.budget.resumed_at.is_none_or(|resumed_at| taken_at <= resumed_at)) {
        let detail = format!("{}, and its power goes before the next look", what_it_waits_for(known));
        return Settled { outcome: Outcome::TimedOut, detail };
    }
    Settled { outcome: Outcome::HandedOver, detail: what_it_waits_for(known) }
}

fn what_it_waits_for(known: &Known) -> String {
    let waiting = match (&known.hold, &known.place) {
        (None, _) if known.departure.cause.is_held() => "who holds it is not known yet".to_owned(),
        (_, Place::Nowhere { .. }) if known.is_in_no_cluster(known.located_at) => {
            "it may go, but could not be released".to_owned()
        }
        (_, Place::Nowhere { .. }) => "no cluster has it, by one search; a second one proves it".to_owned(),
        (_, Place::Registered) => waits_as(known),
        _ => "where it is registered is not known yet".to_owned(),
    };
    let undated = known.departure.cause.is_held() && known.ours().is_some() && known.start.is_none();
    let waiting = if undated {
        format!(
            "{waiting}; its time counts from this invocation, for neither an event nor Auto Scaling told when its termination began"
        )
    } else {
        waiting
    };
    let errors = known.patience.told();
    if errors.is_empty() { waiting } else { format!("{waiting}, last: {}", errors.join("; ")) }
}

/// What a host waits for whose container instance is known. A state from which ECS sets nothing DRAINING is named.
fn waits_as(known: &Known) -> String {
    let odd = known.registrations.iter().map(|it| &it.status).find(|it| matches!(it, InstanceStatus::Other(_)));
    match odd {
        Some(status) => {
            format!(
                "its container instance is {status}, which ECS does not set DRAINING; waiting for its tasks to stop"
            )
        }
        None => "waiting for its tasks to stop".to_owned(),
    }
}

/// Names what is left of drains that are long or were given up, and why.
fn log_stragglers<C>(context: &Context<'_, C>, drainees: &[Drainee], drains: &[Drain]) {
    let now = context.clock.now();
    let told = |(drainee, drain): &(&Drainee, &Drain)| is_long(drainee, now) || drain.outcome == Outcome::TimedOut;
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

//! A look at drains, without doing anything about them: what people are shown.

use std::time::Duration;

use super::explain::{self, Explanations};
use crate::aws::Calls;
use crate::drain::context::Context;
use crate::drain::drainee::{Drainee, those};
use crate::drain::facts::known::{Known, Place};
use crate::drain::facts::patience::Request;
use crate::drain::facts::registration::Registration;
use crate::drain::requests::answer::{only_learn, take_in};
use crate::drain::requests::listing::Listings;
use crate::drain::requests::{hosts, tasks};

/// Rounds of lists that one look takes at most: forty hosts or forty requests each, more than a person reads about.
const ROUNDS_MAX: usize = 100;
/// Between a round in which nothing was learnt and the next: a bucket has refilled a little.
const PAUSE: Duration = Duration::from_secs(1);
/// So many such rounds are enough.
const FRUITLESS_ROUNDS_MAX: usize = 3;

/// Reads of each what is not known yet: where it is registered, when its termination began, every task on it, and why
/// those are there. What could not be read is left unknown, and [`Patience`](crate::drain::facts::patience::Patience) says
/// why.
pub async fn look<C: Calls>(
    context: &Context<'_, C>,
    known: Vec<Known>,
    rng: &mut fastrand::Rng,
) -> (Vec<Known>, Explanations) {
    let mut drainees: Vec<_> = locate(context, known, rng).await.into_iter().map(Drainee::new).collect();
    let undated = those(&drainees, |it| it.known.is_undated());
    let began = hosts::starts(context, &drainees, &undated).await;
    take_in(context, &mut drainees, began, rng);
    let (listings, mut fruitless) = (Listings::new(context.clock.now()), 0);
    for _ in 0..ROUNDS_MAX {
        let unread = those(&drainees, has_unread_tasks);
        if unread.is_empty() || fruitless == FRUITLESS_ROUNDS_MAX {
            break;
        }
        let read = tasks::every(context, &listings, &drainees, &unread).await;
        let is_under_way = read.iter().any(|answer| answer.progressed);
        take_in(context, &mut drainees, read, rng);
        let still = those(&drainees, has_unread_tasks);
        fruitless = if is_under_way || still.len() < unread.len() { 0 } else { fruitless + 1 };
        if (1..FRUITLESS_ROUNDS_MAX).contains(&fruitless) {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let mut explanations = Explanations::remembered(context, drainees.iter().map(|drainee| &drainee.known));
    explain::ask(context, &drainees, &those(&drainees, |_| true), &mut explanations).await;
    (drainees.into_iter().map(|drainee| drainee.known).collect(), explanations)
}

/// Reads of the drains under way what people want to know sooner than the engine does: which tasks are left, and why. Only of
/// hosts that are DRAINING, for which the engine would know as much sooner or later.
pub(crate) async fn refresh<C: Calls>(
    context: &Context<'_, C>,
    listings: &Listings,
    drainees: &mut [Drainee],
) -> Explanations {
    let is_wanted = |it: &Drainee| !it.is_settled() && it.known.registrations.iter().all(Registration::is_draining);
    let wanted = those(drainees, is_wanted);
    let unread = those(drainees, |it| is_wanted(it) && has_unread_tasks(it));
    let read = those(drainees, |it| is_wanted(it) && !has_unread_tasks(it));
    let whole = tasks::every(context, listings, drainees, &unread).await;
    let left = tasks::stragglers(context, drainees, &read).await;
    only_learn(context, drainees, whole);
    only_learn(context, drainees, left);
    let mut explanations = Explanations::remembered(context, drainees.iter().map(|drainee| &drainee.known));
    explain::ask(context, drainees, &wanted, &mut explanations).await;
    explanations
}

fn has_unread_tasks(drainee: &Drainee) -> bool {
    drainee.known.has_unread_tasks()
}

/// Where each is registered for which that is not known.
pub async fn locate<C: Calls>(context: &Context<'_, C>, known: Vec<Known>, rng: &mut fastrand::Rng) -> Vec<Known> {
    let mut drainees: Vec<_> = known.into_iter().map(Drainee::new).collect();
    let unlocated = those(&drainees, |it| it.known.place == Place::Unknown);
    let found = hosts::locations(context, &drainees, &unlocated).await;
    take_in(context, &mut drainees, found, rng);
    drainees.into_iter().map(|drainee| drainee.known).collect()
}

/// Who holds each termination, and its group, as far as Auto Scaling tells.
pub async fn holds<C: Calls>(context: &Context<'_, C>, known: Vec<Known>, rng: &mut fastrand::Rng) -> Vec<Known> {
    let mut drainees: Vec<_> = known.into_iter().map(Drainee::new).collect();
    let all = those(&drainees, |_| true);
    let read = hosts::holds(context, &drainees, &all).await;
    take_in(context, &mut drainees, read, rng);
    drainees.into_iter().map(|drainee| drainee.known).collect()
}

/// Whether a look left something unknown.
#[must_use]
pub fn is_incomplete(known: &Known) -> bool {
    known.place == Place::Unknown || known.patience.has_failed(Request::Hold) || known.has_unread_tasks()
}

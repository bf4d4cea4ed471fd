//! A look at drains, without doing anything about them: what people are shown.

use std::time::Duration;

use super::attempt::take_in;
use super::known::{Known, Place};
use super::tasks::Listings;
use super::tries::Try;
use super::{Context, Drainee, explain, observe, tasks};
use crate::aws::{Calls, InstanceStatus};

/// Rounds of lists that one look takes at most: forty hosts each, more than a person reads about.
const ROUNDS_MAX: usize = 25;
/// Between a round in which nothing was learnt and the next: a bucket has refilled a little.
const PAUSE: Duration = Duration::from_secs(1);
/// So many such rounds are enough.
const FRUITLESS_ROUNDS_MAX: usize = 3;

/// Reads of each what is not known yet: where it is registered, when its termination began, every task on it, and why
/// those are there. What could not
/// be read is left unknown, and [`Tries`](super::tries::Tries) say why.
pub async fn look<C: Calls>(context: &Context<'_, C>, known: Vec<Known>, rng: &mut fastrand::Rng) -> Vec<Known> {
    let mut drainees: Vec<_> = locate(context, known, rng).await.into_iter().map(Drainee::new).collect();
    let undated = those(&drainees, Known::wants_start);
    let began = observe::starts(context, &drainees, &undated).await;
    take_in(context, &mut drainees, began, rng);
    let (listings, mut fruitless) = (Listings::default(), 0);
    for _ in 0..ROUNDS_MAX {
        let unread = those(&drainees, Known::has_unread_tasks);
        if unread.is_empty() || fruitless == FRUITLESS_ROUNDS_MAX {
            break;
        }
        let read = tasks::every(context, &listings, &drainees, &unread).await;
        take_in(context, &mut drainees, read, rng);
        let still = those(&drainees, Known::has_unread_tasks);
        fruitless = if still.len() < unread.len() { 0 } else { fruitless + 1 };
        if (1..FRUITLESS_ROUNDS_MAX).contains(&fruitless) {
            tokio::time::sleep(PAUSE).await;
        }
    }
    explain::stragglers(context, &drainees, &those(&drainees, |_| true)).await;
    drainees.into_iter().map(|drainee| drainee.known).collect()
}

/// Reads of the drains under way what people want to know sooner than the engine does: which tasks are left, and why. Only of
/// hosts that are DRAINING, for which the engine would know as much sooner or later.
pub(super) async fn refresh<C: Calls>(context: &Context<'_, C>, listings: &Listings, drainees: &mut [Drainee]) {
    let is_open = |index: &usize| drainees.get(*index).is_some_and(|drainee| drainee.settled.is_none());
    let is_closed = |known: &Known| known.registrations.iter().all(|r| r.status == InstanceStatus::Draining);
    let wanted: Vec<_> = those(drainees, is_closed).into_iter().filter(is_open).collect();
    let unread = those(drainees, Known::has_unread_tasks);
    let (unread, read): (Vec<_>, Vec<_>) = wanted.iter().partition(|index| unread.contains(index));
    let whole = tasks::every(context, listings, drainees, &unread).await;
    let left = tasks::stragglers(context, drainees, &read).await;
    observe::learn_tasks(context, drainees, whole);
    observe::learn_tasks(context, drainees, left);
    explain::stragglers(context, drainees, &wanted).await;
}

/// Where each is registered of which that is not known.
pub async fn locate<C: Calls>(context: &Context<'_, C>, known: Vec<Known>, rng: &mut fastrand::Rng) -> Vec<Known> {
    let mut drainees: Vec<_> = known.into_iter().map(Drainee::new).collect();
    let unlocated = those(&drainees, |known| known.place == Place::Unknown);
    let found = observe::locations(context, &drainees, &unlocated).await;
    take_in(context, &mut drainees, found, rng);
    drainees.into_iter().map(|drainee| drainee.known).collect()
}

/// Who holds each termination, and its group, as far as Auto Scaling tells.
pub async fn holds<C: Calls>(context: &Context<'_, C>, known: Vec<Known>, rng: &mut fastrand::Rng) -> Vec<Known> {
    let mut drainees: Vec<_> = known.into_iter().map(Drainee::new).collect();
    let all = those(&drainees, |_| true);
    let read = observe::holds(context, &drainees, &all).await;
    take_in(context, &mut drainees, read, rng);
    drainees.into_iter().map(|drainee| drainee.known).collect()
}

fn those(drainees: &[Drainee], fits: impl Fn(&Known) -> bool) -> Vec<usize> {
    let fitting = drainees.iter().enumerate().filter(|(_, drainee)| fits(&drainee.known));
    fitting.map(|(index, _)| index).collect()
}

/// Whether something that a look reads is unknown.
#[must_use]
pub fn is_incomplete(known: &Known) -> bool {
    known.place == Place::Unknown || known.tries.has_failed(Try::Hold) || known.has_unread_tasks()
}

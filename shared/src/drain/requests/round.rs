//! A round: what is asked of AWS for every host, in the order of its urgency.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join, join3, join4};
use jiff::Timestamp;
use tokio::time::timeout_at;

use super::answer::{Answer, hold_all_back, take_in};
use super::listing::Listings;
use super::{act, hosts, tasks};
use crate::aws::Calls;
use crate::clock::after;
use crate::drain::context::Context;
use crate::drain::drainee::Drainee;
use crate::drain::facts::known::{Known, Place};
use crate::drain::facts::patience::Request;
use crate::drain::rules::decision::Ask;
use crate::drain::rules::heartbeats;
use crate::ids::TaskArn;

/// A search that is throttled for longer holds up no host that is found.
const SEARCH_GOES_FIRST_FOR: Duration = Duration::from_secs(60);

/// What a round is about.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// What is asked for each host, by its index; Spot's hosts before the rest.
    pub(crate) asked: Vec<(usize, Ask)>,
    /// Hosts for which nothing is asked: a look at others takes them along.
    pub(crate) waiting: Vec<usize>,
    /// Reads that are still under way then are cut off, for something urgent is due.
    pub(crate) reads_until: Option<Timestamp>,
}

/// Asks all of it, and takes in the answers: DRAINING, StopTask, releases, heartbeats; then every read, side by side.
pub(crate) async fn ask<C: Calls>(
    context: &Context<'_, C>,
    drainees: &mut [Drainee],
    wanted: &Wanted,
    listings: &Listings,
    rng: &mut fastrand::Rng,
) {
    let drained = act::set_draining(context, drainees, &wanted.that_ask(&[Ask::Drain])).await;
    take_in(context, drainees, drained, rng);

    let to_stop: Vec<_> = wanted.asked.iter().filter_map(|(index, ask)| Some((*index, tasks_to_stop(ask)?))).collect();
    let stopping = act::stop_tasks(context, drainees, &to_stop).await;
    take_in(context, drainees, stopping, rng);

    let on_hooks = wanted.asked.iter().filter(|(_, ask)| matches!(ask, Ask::Complete { .. } | Ask::Heartbeat));
    let mut on_hooks: Vec<_> = on_hooks.map(|(index, ask)| (*index, ask)).collect();
    let now = context.clock.now();
    on_hooks.sort_by_cached_key(|(index, ask)| drainees.get(*index).map(|it| urgency(&it.known, ask, now)));
    let done = act::on_hooks(context, drainees, &on_hooks).await;
    let is_throttled = |it: &&Answer| it.held_back || it.is_throttled();
    let throttled = done.iter().any(|it| is_throttled(&it));
    if done.iter().filter(is_throttled).any(|it| it.request == Request::Heartbeat) {
        drainees.iter_mut().for_each(|drainee| drainee.known.heartbeats_are_throttled = true);
    }
    take_in(context, drainees, done, rng);
    if throttled {
        hold_all_back(drainees, &[Request::Complete, Request::Heartbeat], context.clock.now(), rng);
    }

    let read = read(context, drainees, wanted, listings).await;
    take_in(context, drainees, read, rng);
}

/// What Auto Scaling is asked first: heartbeats that are pressing, completions, other heartbeats; the first that an action
/// needs before the next.
fn urgency(known: &Known, ask: &Ask, now: Timestamp) -> impl Ord + use<> {
    let class = match ask {
        Ask::Heartbeat if heartbeats::is_pressing(known, now) => 0,
        Ask::Heartbeat => 2,
        _ => 1,
    };
    (class, (class != 1).then(|| heartbeats::urgency(known)))
}

fn tasks_to_stop(ask: &Ask) -> Option<&[TaskArn]> {
    match ask {
        Ask::StopTasks(tasks) => Some(tasks),
        _ => None,
    }
}

async fn read<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    wanted: &Wanted,
    listings: &Listings,
) -> Vec<Answer> {
    let starts = wanted.that_ask(&[Ask::Start]);
    let hooks = wanted.that_ask(&[Ask::Hold, Ask::HoldAndLocation]);
    let locations = wanted.that_ask(&[Ask::Location, Ask::HoldAndLocation]);
    let held_back = held_back_for_a_search(drainees, wanted, context.clock.now());
    let unless_held_back = |asks: &[Ask]| {
        let mut asked = wanted.that_ask(asks);
        asked.retain(|index| !held_back.contains_key(index));
        asked
    };
    let instances = unless_held_back(&[Ask::Instance]);
    let every = unless_held_back(&[Ask::Tasks]);
    let stragglers = unless_held_back(&[Ask::Stragglers]);
    let services = wanted.that_ask(&[Ask::Services]);
    let done = RefCell::new(held_back.iter().map(|(index, it)| Answer::held_back(*index, *it)).collect::<Vec<_>>());
    let of_hosts = join4(
        into(&done, hosts::starts(context, drainees, &starts)),
        into(&done, hosts::holds(context, drainees, &hooks)),
        into(&done, hosts::locations(context, drainees, &locations)),
        into(&done, hosts::instances(context, drainees, &instances, &wanted.waiting)),
    );
    let of_tasks = join3(
        into(&done, tasks::every(context, listings, drainees, &every)),
        into(&done, tasks::stragglers(context, drainees, &stragglers)),
        into(&done, tasks::services(context, drainees, &services)),
    );
    let reads = join(of_hosts, of_tasks);
    match wanted.reads_until {
        // No read is worth a late SIGTERM: what is cut off is read again, or gone on with.
        Some(time) => drop(timeout_at(context.clock.instant(time), reads).await),
        None => drop(reads.await),
    }
    done.into_inner()
}

/// Reads of hosts that are found wait while AWS throttles the search for others: those have yet to be set DRAINING. None of a
/// host whose power goes.
fn held_back_for_a_search(drainees: &[Drainee], wanted: &Wanted, now: Timestamp) -> BTreeMap<usize, Request> {
    let is_searched = |known: &Known| {
        let is_new = now < after(known.met_at, SEARCH_GOES_FIRST_FOR);
        known.place == Place::Unknown && known.reads_are_throttled && is_new
    };
    if !drainees.iter().any(|drainee| !drainee.is_settled() && is_searched(&drainee.known)) {
        return BTreeMap::new();
    }
    let waits = |(index, ask): &&(usize, Ask)| {
        let is_held = drainees.get(*index).is_some_and(|drainee| drainee.known.departure.cause.is_held());
        is_held && matches!(ask, Ask::Instance | Ask::Tasks | Ask::Stragglers)
    };
    wanted.asked.iter().filter(waits).map(|(index, ask)| (*index, ask.request())).collect()
}

/// Keeps what a read told, whatever becomes of those beside it.
async fn into(done: &RefCell<Vec<Answer>>, answers: impl Future<Output = Vec<Answer>>) {
    let answers = answers.await;
    done.borrow_mut().extend(answers);
}

impl Wanted {
    /// The hosts that ask one of these things.
    fn that_ask(&self, wanted: &[Ask]) -> Vec<usize> {
        self.asked.iter().filter(|(_, ask)| wanted.contains(ask)).map(|(index, _)| *index).collect()
    }
}

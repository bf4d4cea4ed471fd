//! Where a host is registered, and its release where it is registered nowhere.

use std::time::Duration;

use super::decision::{Ask, Case, Outcome, Says, settled};
use super::ending::release;
use super::ours::released_before;
use super::terms::outlasts_a_pause;
use crate::aws::LifecycleActionResult;
use crate::clock::{after, older_than};
use crate::config::why_unwatched;
use crate::drain::facts::known::{Known, Place};
use crate::drain::facts::proof::SETTLES;
use crate::drain::facts::registration::Registration;

/// Where AWS throttles, an event's function goes on with a search that has no more clusters left: a second's reads (ECS API
/// reference, Request throttling).
const SEARCHED_BY_EVENTS_MAX: usize = 20;

/// An agent that is disconnected is searched for so often: as often as a cold `reconcile` would.
const MOVED_WITHIN: Duration = Duration::from_secs(60);

/// Of a burst, `reconcile` searches for all together: a hundred invocations that each search every cluster for ten hosts
/// would ask a hundred times as much, out of one quota.
pub(super) fn search_left_to_reconcile(case: &Case<'_>) -> Option<Says> {
    let Case { known, terms, .. } = case;
    let many = known.reads_are_throttled && known.clusters_left > SEARCHED_BY_EVENTS_MAX;
    let left = is_to_be_searched_for(known) && terms.is_in_a_batch && many && outlasts_a_pause(known);
    let left = left && known.is_held_by_event();
    left.then(|| {
        let detail =
            "not located yet; many clusters are left to be asked, and reconcile asks them for all hosts together"
                .to_owned();
        settled(Outcome::HandedOver, detail)
    })
}

/// Unknown is not empty; nor are no registrations at all, which would satisfy every "all of them" of the rules below.
pub(super) fn not_located(case: &Case<'_>) -> Option<Says> {
    is_to_be_searched_for(case.known).then_some(Says::Needs(Ask::Location))
}

fn is_to_be_searched_for(known: &Known) -> bool {
    match known.place {
        Place::Unknown => true,
        Place::Registered => known.registrations.is_empty(),
        Place::Unwatched(_) | Place::Nowhere { .. } => false,
    }
}

/// An agent that is disconnected may have joined again, as another container instance, or in another cluster.
pub(super) fn may_have_moved(case: &Case<'_>) -> Option<Says> {
    let known = case.known;
    let is_lost = !known.registrations.iter().any(Registration::is_live);
    (is_lost && older_than(known.located_at, MOVED_WITHIN, case.now)).then_some(Says::Wants(Ask::Location))
}

pub(super) fn unwatched(case: &Case<'_>) -> Option<Says> {
    let Place::Unwatched(cluster) = &case.known.place else { return None };
    Some(settled(Outcome::Ignored, format!("registered in cluster {}", why_unwatched(cluster))))
}

/// One search may miss what lags, and an old one what came since.
pub(super) fn absence_unproved(case: &Case<'_>) -> Option<Says> {
    let Place::Nowhere { since } = case.known.place else { return None };
    let again_at = after(since, SETTLES);
    let next = if case.now < again_at { Says::WaitsUntil(again_at) } else { Says::Needs(Ask::Location) };
    (!case.known.is_released && !case.known.is_in_no_cluster(case.now)).then_some(next)
}

/// Where another's hook holds it, too, it may have been released before.
pub(super) fn absent_and_undated(case: &Case<'_>) -> Option<Says> {
    let known = case.known;
    let may_be_released = known.is_by_scan_beside_others() && !known.is_released && case.is_to_be_dated();
    (is_in_no_cluster(case) && may_be_released).then_some(Says::Wants(Ask::Start))
}

pub(super) fn in_no_cluster(case: &Case<'_>) -> Option<Says> {
    if !is_in_no_cluster(case) {
        return None;
    }
    if case.known.is_released {
        return Some(released_before());
    }
    let detail = "registered in no cluster of this account and region".to_owned();
    Some(release(case.known, LifecycleActionResult::Continue, Outcome::NotInEcs, detail))
}

fn is_in_no_cluster(case: &Case<'_>) -> bool {
    matches!(case.known.place, Place::Nowhere { .. })
}

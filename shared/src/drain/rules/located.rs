//! Where a host is registered, and its release where it is registered nowhere.

use super::decision::{Ask, Case, Outcome, Says, settled};
use super::ending::release;
use super::ours::released_before;
use crate::aws::LifecycleActionResult;
use crate::clock::older_than;
use crate::config::why_unwatched;
use crate::drain::facts::known::Place;
use crate::drain::facts::proof::SEEN_VALID_FOR;

/// Unknown is not empty; nor are no registrations at all, which would satisfy every "all of them" of the rules below.
pub(super) fn not_located(case: &Case<'_>) -> Option<Says> {
    let located = match case.known.place {
        Place::Unknown => false,
        Place::Registered => !case.known.registrations.is_empty(),
        Place::Unwatched(_) | Place::Nowhere => true,
    };
    (!located).then_some(Says::Needs(Ask::Location))
}

pub(super) fn unwatched(case: &Case<'_>) -> Option<Says> {
    let Place::Unwatched(cluster) = &case.known.place else { return None };
    Some(settled(Outcome::Ignored, format!("registered in cluster {}", why_unwatched(cluster))))
}

pub(super) fn absence_is_old(case: &Case<'_>) -> Option<Says> {
    let old = older_than(case.known.located_at, SEEN_VALID_FOR, case.now);
    (is_in_no_cluster(case) && old).then_some(Says::Needs(Ask::Location))
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
    case.known.place == Place::Nowhere
}

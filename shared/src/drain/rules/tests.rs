mod maintenance;
mod order;
mod spot;
mod waiting;

use std::collections::BTreeSet;
use std::time::Duration;

use super::deadlines::{STOP_GRACE, deadlines};
use super::decide::decide;
use super::decision::{Ask, Case, Outcome, Step};
use super::heartbeats;
use super::ours::LOOK_AGAIN_AFTER;
use super::terms::{Budget, Terms};
use crate::aws::{ContainerInstance, InstanceStatus, LifecycleActionResult, Task};
use crate::clock::after;
use crate::config::{OnDrainTimeout, Overrides, Pace, Policy, StandaloneTasks};
use crate::drain::facts::departure::{Cause, Destination, Hints, NoticedBy};
use crate::drain::facts::hold::{HeldBy, Hold, Ours};
use crate::drain::facts::known::{FoundIn, Known, Place, Start};
use crate::drain::facts::patience::{Patience, Request};
use crate::drain::facts::proof::WholeRead;
use crate::drain::fixtures::*;
use crate::ids::{ClusterName, TaskArn};

// Whether a hook of ours holds it.

#[test]
fn first_it_asks_who_holds_the_termination_and_where_it_is_if_an_event_told_of_it() {
    let mut known = met(termination());
    assert_eq!(step(&known, 0), Step::Ask(Ask::HoldAndLocation));
    let mut found = known.clone();
    in_no_cluster(&mut found);
    assert_eq!(step(&found, 0), Step::Ask(Ask::Hold), "where it is proves nothing of who holds it");
    fail(&mut known, Request::Location, 0);
    assert_eq!(step(&known, 0), Step::Ask(Ask::Hold), "a search that failed waits for its turn");
    known.departure.noticed_by = NoticedBy::Scan;
    known.patience = Patience::default();
    assert_eq!(step(&known, 0), Step::Ask(Ask::Hold));
}

/// An instance that Auto Scaling shows in this state when its event is so old.
fn in_state(state: &str, age: u64) -> Known {
    let mut known = held(HeldBy::NoHook { state: Some(state.to_owned()) });
    known.hints.noticed_at = Some(crate::clock::before(at(0), Duration::from_secs(age)));
    known
}

#[test]
fn what_waits_on_no_hook_or_on_none_of_ours_is_left_alone() {
    assert_eq!(outcome(&step(&in_state("InService", 121), 0)), Some(Outcome::Ignored));
    assert_eq!(outcome(&step(&in_state("Terminating:Proceed", 1), 0)), Some(Outcome::AlreadyReleased));
    let retained = step(&in_state("Terminating:Retained", 121), 0);
    assert!(matches!(&retained, Step::Settled(it) if it.detail.contains("keeps it running")), "{retained:?}");
    assert_eq!(outcome(&retained), Some(Outcome::AlreadyReleased));
    assert_eq!(outcome(&step(&held(HeldBy::NoHook { state: None }), 0)), Some(Outcome::AlreadyReleased));
    let others = held(HeldBy::Others { group: "web".into() });
    assert!(matches!(step(&others, 0), Step::Settled(s) if s.outcome == Outcome::Ignored && s.detail.contains("web")));
}

#[test]
fn a_young_event_that_is_ahead_of_the_state_is_looked_at_again_for_some_seconds_and_then_comes_again() {
    for state in ["Terminating", "InService", "Warmed:Stopped", "Terminating:Retained"] {
        let mut known = in_state(state, 3);
        assert_eq!(step(&known, 0), Step::WaitUntil(after(at(0), LOOK_AGAIN_AFTER)), "{state}");
        assert_eq!(step(&known, 1), Step::Ask(Ask::Hold), "{state}");
        fail(&mut known, Request::Hold, 1);
        assert!(matches!(step(&known, 1), Step::WaitUntil(_)), "{state}: not without a pause");
        assert_eq!(step(&known, 6), Step::Ask(Ask::Hold), "{state}: what was read before proves nothing now");
        let late = Hold { read_at: at(6), by: known.hold.clone().unwrap().by };
        let waited = Known { hold: Some(late), ..known.clone() };
        assert_eq!(outcome(&step(&waited, 6)), Some(Outcome::NotWaitingYet), "{state}");
        known.departure.noticed_by = NoticedBy::Scan;
        assert!(matches!(step(&known, 1), Step::Settled(_)), "{state}: a scan saw it waiting, so that is over");
    }
}

#[test]
fn an_event_whose_time_is_not_told_is_young_unless_it_comes_again() {
    let untimed = |comes_again| {
        let mut known = in_state("Terminating", 0);
        known.hints = Hints { comes_again, ..Hints::default() };
        step(&known, 0)
    };
    assert!(matches!(untimed(false), Step::WaitUntil(_)));
    assert!(matches!(untimed(true), Step::Settled(_)));
    let mut due = in_state("Terminating", 0);
    due.hold = due.hold.map(|hold| Hold { read_at: after(at(1), LOOK_AGAIN_AFTER), ..hold });
    let now = after(after(at(1), LOOK_AGAIN_AFTER), LOOK_AGAIN_AFTER);
    assert_eq!(decide(&due, &terms(&due), now).step, Step::Ask(Ask::Hold), "at that time, and not after it");
}

// When it began.

#[test]
fn a_drain_began_when_its_event_says_unless_that_is_old_and_auto_scalings_word_goes_before() {
    let told = |age: u64| {
        let hints =
            Hints { noticed_at: Some(crate::clock::before(at(0), Duration::from_secs(age))), ..Hints::default() };
        Known::told(met(termination()).departure, hints, at(0))
    };
    assert_eq!(told(7).started(), crate::clock::before(at(0), Duration::from_secs(7)));
    assert_eq!(told(61).started(), at(0), "an old event may be of an earlier termination");
    let mut known = Known { asked_start: false, ..draining(2) };
    assert_eq!(step(&known, 1), Step::Ask(Ask::Start));
    fail(&mut known, Request::Start, 1);
    assert!(matches!(step(&known, 1), Step::WaitUntil(_)), "nothing hangs on it");
    assert_eq!(step(&known, 6), Step::Ask(Ask::Start), "and it is asked again");
    let reason = Some("At … an instance was taken out of service".to_owned());
    known.start = Some(Start { at: crate::clock::before(at(0), Duration::from_secs(3_000)), reason: reason.clone() });
    known.asked_start = true;
    assert_eq!(known.reason(), reason.as_deref());
    assert_eq!(deadlines(&known, &terms(&known)).stop_at, at(600));
    let active = Known { asked_start: false, ..found(&container_instance("ACTIVE", 2), 0) };
    assert_eq!(step(&active, 0), Step::Ask(Ask::Drain), "DRAINING goes first");
}

#[test]
fn where_looks_are_throttled_what_an_event_told_of_is_left_to_reconcile() {
    let throttled = |noticed_by| {
        let mut known = Known { reads_are_throttled: true, ..draining(2) };
        known.departure.noticed_by = noticed_by;
        outcome(&step_within(&known, &Budget::endless().of_a_batch(), 1))
    };
    let in_a_batch = Budget::endless().of_a_batch();
    assert_eq!(outcome(&step_within(&draining(2), &in_a_batch, 1)), None, "its looks are answered");
    assert_eq!(throttled(NoticedBy::Event), Some(Outcome::HandedOver));
    assert_eq!(throttled(NoticedBy::Scan), None, "it is reconcile itself");
}

#[test]
fn in_a_burst_it_is_set_draining_and_handed_over_whatever_runs_on_it() {
    for counted in [0, 3] {
        let budget = Budget::endless().of_a_batch().of_a_burst(true);
        let burst = |status: &str| step_within(&found(&container_instance(status, counted), 0), &budget, 0);
        assert_eq!(burst("ACTIVE"), Step::Ask(Ask::Drain));
        assert_eq!(outcome(&burst("DRAINING")), Some(Outcome::HandedOver));
    }
}

// Where it is.

#[test]
fn it_searches_until_every_cluster_answered_and_only_then_releases_what_is_in_none() {
    let mut known = held(HeldBy::Ours(ours()));
    assert_eq!(step(&known, 1), Step::Ask(Ask::Location));
    fail(&mut known, Request::Location, 1);
    assert!(matches!(step(&known, 1), Step::WaitUntil(until) if until > at(1)));
    assert_eq!(step(&known, 6), Step::Ask(Ask::Location));
    known.learn_place(FoundIn::NoCluster, at(6), at(6));
    assert_eq!(step(&known, 7), Step::WaitUntil(at(16)), "one list may lag");
    assert_eq!(step(&known, 16), Step::Ask(Ask::Location));
    known.learn_place(FoundIn::NoCluster, at(16), at(17));
    assert_eq!(outcome(&step(&known, 17)), Some(Outcome::NotInEcs));
    assert_eq!(released(&step(&known, 17)), Some(LifecycleActionResult::Continue));
}

#[test]
fn what_a_search_did_not_find_is_asked_when_it_began_and_kept_alive_unless_aws_denies_the_search() {
    let mut known = Known { asked_start: false, ..held(HeldBy::Ours(ours())) };
    assert_eq!(step(&known, 5_000), Step::Ask(Ask::Location), "it may well be found");
    fail(&mut known, Request::Location, 5_000);
    assert_eq!(step(&known, 5_000), Step::Ask(Ask::Start), "whether its time is over is not known");
    known.asked_start = true;
    known.start = Some(Start { at: at(2_000), reason: None });
    assert_eq!(step(&known, 5_000), Step::Ask(Ask::Heartbeat), "a predecessor may have sent none");
    known.heartbeat_at = Some(at(5_000));
    assert!(matches!(step(&known, 5_001), Step::WaitUntil(_)));
    assert_eq!(step(&known, 5_010), Step::Ask(Ask::Location));
    let late = Known { start: Some(Start { at: at(0), reason: None }), heartbeat_at: None, ..known.clone() };
    assert_eq!(step(&late, 5_000), Step::Ask(Ask::Heartbeat), "its deadline is for what was found");
    assert_ne!(step(&late, 48 * 3_600), Step::Ask(Ask::Heartbeat), "AWS's own limit is over");
    known.heartbeat_at = None;
    deny(&mut known, Request::Location, 5_000);
    assert!(matches!(step(&known, 5_000), Step::WaitUntil(_)), "the hook's own timeout ends what we cannot help");
}

#[test]
fn what_is_only_in_an_unwatched_cluster_is_ignored() {
    let mut known = held(HeldBy::Ours(ours()));
    known.learn_place(FoundIn::Unwatched(ClusterName::parse("theirs").unwrap()), at(0), at(0));
    assert!(
        matches!(step(&known, 0), Step::Settled(s) if s.outcome == Outcome::Ignored && s.detail.contains("theirs"))
    );
}

#[test]
fn no_registration_at_all_is_no_proof_of_anything() {
    let mut known = held(HeldBy::Ours(ours()));
    known.place = Place::Registered;
    assert_eq!(step(&known, 0), Step::Ask(Ask::Location));
}

// DRAINING.

#[test]
fn active_is_set_draining_even_with_no_task() {
    assert_eq!(step(&found(&container_instance("ACTIVE", 0), 0), 0), Step::Ask(Ask::Drain));
}

#[test]
fn a_status_in_which_ecs_sets_nothing_draining_is_proved_empty_all_the_same() {
    for status in ["REGISTERING", "REGISTRATION_FAILED", "DEREGISTERING"] {
        let mut known = found(&container_instance(status, 0), 0);
        assert_eq!(step(&known, 0), Step::Ask(Ask::Tasks), "{status}");
        read_tasks(&mut known, &[], 1);
        look(&mut known, &container_instance(status, 0), 11);
        read_tasks(&mut known, &[], 12);
        assert_eq!(step(&known, 12), Step::WaitUntil(at(21)), "{status}: it may have become ACTIVE since");
        look(&mut known, &container_instance(status, 0), 13);
        assert_eq!(outcome(&step(&known, 13)), Some(Outcome::Drained), "{status}");
        read_tasks(&mut known, &[task("a", "RUNNING", "RUNNING")], 14);
        assert_eq!(outcome(&step(&known, 14)), None, "{status}");
    }
}

#[test]
fn inactive_or_missing_counts_as_absent_and_every_cluster_is_asked_again() {
    let arn = draining(0).registrations[0].arn.clone();
    for found in [None, Some(container_instance("INACTIVE", 0))] {
        let mut known = draining(3);
        known.learn_instance(&arn, found.as_ref(), at(5));
        assert_eq!(step(&known, 5), Step::Ask(Ask::Location));
    }
}

#[test]
fn all_registrations_count() {
    let mut known = draining(0);
    let mut second = container_instance("ACTIVE", 0);
    second.arn = "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/2".into();
    place(&mut known, &second, 0);
    assert_eq!(step(&known, 0), Step::Ask(Ask::Drain));
    second.status = InstanceStatus::Draining;
    look(&mut known, &second, 1);
    read_tasks(&mut known, &[], 2);
    read_tasks(&mut known, &[], 5);
    assert_eq!(step(&known, 5), Step::Ask(Ask::Tasks), "the second's tasks are not known");
}

#[test]
fn an_empty_registration_beside_one_that_is_not_is_read_once_and_again_when_both_are() {
    let mut known = draining(1);
    let mut left_behind = container_instance("DRAINING", 0);
    left_behind.arn = "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/2".into();
    place(&mut known, &left_behind, 0);
    known.next_look = at(100);
    assert_eq!(step(&known, 1), Step::Ask(Ask::Tasks), "once, for its own tasks are not known");
    let runs = task("web", "RUNNING", "RUNNING");
    let second = known.registrations[1].arn.clone();
    let read = WholeRead { began_at: at(1), ended_at: at(1) };
    read_tasks(&mut known, std::slice::from_ref(&runs), 1);
    known.learn_tasks(&second, Default::default(), read);
    known.learn_instance(&left_behind.arn, Some(&left_behind), at(5));
    assert!(matches!(step(&known, 5), Step::WaitUntil(_)), "the other one runs a task");
    let mut stopping = known.clone();
    let stops = task("old", "STOPPING", "STOPPED");
    stopping.learn_tasks(&second, [(stops.arn.clone(), stops)].into_iter().collect(), read);
    assert_eq!(step(&stopping, 5), Step::Ask(Ask::Stragglers), "one that is not empty is asked about");
    read_tasks(&mut known, &[task("web", "STOPPED", "STOPPED")], 6);
    let emptied = container_instance("DRAINING", 0);
    known.learn_instance(&emptied.arn, Some(&emptied), at(7));
    assert_eq!(step(&known, 7), Step::Ask(Ask::Tasks));
}

// A host that is gone.

#[test]
fn a_host_whose_agent_is_long_lost_goes_when_auto_scaling_calls_it_unhealthy() {
    let mut lost = container_instance("DRAINING", 2);
    lost.agent_connected = false;
    let mut known = found(&lost, 0);
    read_tasks(&mut known, &[task("a", "RUNNING", "RUNNING"), task("b", "RUNNING", "RUNNING")], 1);
    assert!(matches!(step(&known, 5), Step::WaitUntil(_)));
    look(&mut known, &lost, 61);
    assert_eq!(step(&known, 61), Step::Ask(Ask::Location), "it may have registered anew, or elsewhere");
    known.located_at = at(599);
    look(&mut known, &lost, 600);
    assert_eq!(step(&known, 600), Step::Ask(Ask::Hold), "health is asked anew");
    fail(&mut known, Request::Hold, 600);
    assert!(matches!(step(&known, 600), Step::WaitUntil(_)), "but not without a pause");
    known.patience.succeeded(Request::Hold);
    known.hold = Some(Hold { read_at: at(600), by: HeldBy::Ours(ours()) });
    assert!(matches!(step(&known, 600), Step::WaitUntil(_)), "healthy: its network may be back");
    let unhealthy = Hold { read_at: at(600), by: HeldBy::Ours(Ours { unhealthy: true, ..ours() }) };
    known.hold = Some(unhealthy.clone());
    assert_eq!(step(&known, 600), Step::Ask(Ask::Location), "its agent may have joined another cluster");
    known.located_at = at(600);
    assert_eq!(outcome(&step(&known, 600)), Some(Outcome::HostGone));
    look(&mut known, &container_instance("DRAINING", 2), 601);
    assert!(matches!(step(&known, 601), Step::WaitUntil(_)), "the agent is back");
    look(&mut known, &lost, 602);
    known.hold = Some(Hold { read_at: at(647), ..unhealthy });
    look(&mut known, &lost, 646);
    assert_eq!(outcome(&step(&known, 646)), None, "lost for 44 s of this invocation");
    look(&mut known, &lost, 647);
    known.located_at = at(647);
    assert_eq!(
        outcome(&step(&known, 647)),
        Some(Outcome::HostGone),
        "the termination is older than AGENT_LOST_SECONDS"
    );
    known.start = Some(Start { at: at(60), reason: None });
    assert_eq!(outcome(&step(&known, 647)), None, "or younger");
}

// Proof.

#[test]
fn only_two_whole_reads_apart_prove_it_when_every_task_has_stopped() {
    let mut known = draining(0);
    assert_eq!(step(&known, 0), Step::Ask(Ask::Tasks), "a count of zero proves nothing");
    read_tasks(&mut known, &[task("a", "STOPPED", "STOPPED")], 1);
    assert_eq!(outcome(&step(&known, 1)), None, "once is not enough");
    for pace in [1, 300_000] {
        let pace = Pace { min: Duration::from_millis(pace), max: Duration::from_secs(300) };
        let decided = |known: &Known, seconds| step_under(known, Policy { pace, ..policy() }, seconds);
        let mut known = known.clone();
        read_tasks(&mut known, &[task("a", "STOPPED", "STOPPED")], 10);
        assert_eq!(outcome(&decided(&known, 10)), None, "twice within 10 s is not enough, whatever the pace");
        read_tasks(&mut known, &[task("a", "STOPPED", "STOPPED")], 11);
        assert_eq!(outcome(&decided(&known, 11)), Some(Outcome::Drained));
        assert_eq!(released(&decided(&known, 11)), Some(LifecycleActionResult::Continue));
    }
}

#[test]
fn where_its_agent_is_lost_the_clusters_are_asked_once_more_before_a_release() {
    let mut known = draining(0);
    read_tasks(&mut known, &[], 1);
    let lost = ContainerInstance { agent_connected: false, ..container_instance("DRAINING", 0) };
    look(&mut known, &lost, 8);
    read_tasks(&mut known, &[], 11);
    assert_eq!(step(&known, 11), Step::WaitUntil(at(18)), "where it is now may not be listed yet");
    assert_eq!(step(&known, 18), Step::Ask(Ask::Location));
    let prod = ClusterName::parse("prod").unwrap();
    known.learn_place(FoundIn::Clusters(vec![(prod.clone(), lost.clone())]), at(18), at(18));
    assert_eq!(outcome(&step(&known, 18)), Some(Outcome::Drained), "it is nowhere else");
    let mut live = ContainerInstance { agent_connected: true, ..container_instance("ACTIVE", 1) };
    live.arn = "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/2".into();
    known.learn_place(FoundIn::Clusters(vec![(prod.clone(), lost), (prod, live)]), at(18), at(18));
    assert_eq!(step(&known, 18), Step::Ask(Ask::Drain), "its agent registered it anew");
}

#[test]
fn what_is_known_to_stop_is_looked_at_without_a_list_and_one_list_then_is_enough() {
    let mut known = draining(0);
    read_tasks(&mut known, &[task("a", "STOPPING", "STOPPED")], 1);
    assert_eq!(step(&known, 1), Step::WaitUntil(at(10)));
    look(&mut known, &container_instance("DRAINING", 0), 10);
    assert_eq!(step(&known, 10), Step::Ask(Ask::Stragglers));
    let arn = known.registrations[0].arn.clone();
    known.learn_stragglers(&arn, vec![task("a", "STOPPING", "STOPPED")], &BTreeSet::new(), at(10));
    assert_eq!(step(&known, 10), Step::WaitUntil(at(20)));
    known.learn_stragglers(&arn, vec![task("a", "STOPPED", "STOPPED")], &BTreeSet::new(), at(10));
    assert_eq!(step(&known, 10), Step::Ask(Ask::Tasks), "that it has stopped does not prove that it was all");
    read_tasks(&mut known, &[task("a", "STOPPED", "STOPPED")], 11);
    assert_eq!(outcome(&step(&known, 11)), Some(Outcome::Drained));
}

#[test]
fn a_task_that_shows_up_between_the_reads_starts_the_proof_anew() {
    let mut known = draining(0);
    read_tasks(&mut known, &[], 1);
    read_tasks(&mut known, &[task("late", "STOPPED", "STOPPED")], 11);
    assert_eq!(outcome(&step(&known, 11)), None, "the first read had not all of them");
    read_tasks(&mut known, &[task("late", "STOPPED", "STOPPED")], 21);
    assert_eq!(outcome(&step(&known, 21)), Some(Outcome::Drained));
}

#[test]
fn a_count_that_is_never_taken_back_is_compared_with_the_lists_after_a_minute() {
    let mut known = draining(1);
    let counts = |known: &mut Known, seconds| {
        look(known, &container_instance("DRAINING", 1), seconds);
        known.next_look = at(10_000);
    };
    counts(&mut known, 60);
    assert!(matches!(step(&known, 60), Step::WaitUntil(_)), "most tasks run for longer");
    counts(&mut known, 61);
    assert_eq!(step(&known, 61), Step::Ask(Ask::Tasks));
    read_tasks(&mut known, &[], 61);
    counts(&mut known, 90);
    assert!(matches!(step(&known, 90), Step::WaitUntil(_)), "not at every look");
    (3..8).for_each(|minute| counts(&mut known, minute * 45));
    counts(&mut known, 361);
    assert_eq!(step(&known, 361), Step::Ask(Ask::Tasks));
    read_tasks(&mut known, &[], 361);
    assert_eq!(outcome(&step(&known, 361)), Some(Outcome::Drained));
    let mut pending = draining(0);
    let waits = ContainerInstance { pending_tasks: 1, ..container_instance("DRAINING", 0) };
    look(&mut pending, &waits, 1);
    read_tasks(&mut pending, &[], 1);
    look(&mut pending, &waits, 11);
    read_tasks(&mut pending, &[], 11);
    assert_eq!(outcome(&step(&pending, 11)), Some(Outcome::Drained), "what is on its way proves nothing");
}

#[test]
fn reads_from_before_draining_was_seen_prove_nothing() {
    let mut known = found(&container_instance("DRAINING", 0), 5);
    read_tasks(&mut known, &[], 1);
    read_tasks(&mut known, &[], 4);
    assert_eq!(outcome(&step(&known, 5)), None);
}

#[test]
fn a_host_that_is_set_active_again_is_drained_and_proven_anew() {
    let mut known = draining(0);
    read_tasks(&mut known, &[], 1);
    look(&mut known, &container_instance("ACTIVE", 0), 3);
    assert_eq!(step(&known, 3), Step::Ask(Ask::Drain));
    look(&mut known, &container_instance("DRAINING", 0), 4);
    read_tasks(&mut known, &[], 4);
    assert_eq!(outcome(&step(&known, 4)), None);
}

#[test]
fn a_deleted_task_was_stopped() {
    let mut known = draining(0);
    read_tasks(&mut known, &[task("a", "DELETED", "STOPPED")], 1);
    read_tasks(&mut known, &[task("a", "DELETED", "STOPPED")], 11);
    assert_eq!(outcome(&step(&known, 11)), Some(Outcome::Drained));
}

#[test]
fn a_refused_completion_is_tried_again_later() {
    let mut known = draining(0);
    read_tasks(&mut known, &[], 1);
    look(&mut known, &container_instance("DRAINING", 0), 11);
    read_tasks(&mut known, &[], 11);
    fail(&mut known, Request::Complete, 11);
    assert!(matches!(step(&known, 11), Step::WaitUntil(_)));
    assert_eq!(released(&step(&known, 16)), Some(LifecycleActionResult::Continue));
    assert_eq!(step(&known, 42), Step::Ask(Ask::Instance), "its last look is too old by then");
    look(&mut known, &container_instance("DRAINING", 0), 42);
    assert_eq!(released(&step(&known, 42)), Some(LifecycleActionResult::Continue), "and its lists are not");
    look(&mut known, &container_instance("DRAINING", 0), 72);
    assert_eq!(released(&step(&known, 72)), Some(LifecycleActionResult::Continue), "nor while its version is the same");
    look(&mut known, &ContainerInstance { version: 2, ..container_instance("DRAINING", 0) }, 73);
    assert_eq!(step(&known, 73), Step::Ask(Ask::Tasks), "it may have been ACTIVE in between");
    let mut nowhere = held(HeldBy::Ours(ours()));
    in_no_cluster(&mut nowhere);
    assert_eq!(released(&step(&nowhere, 40)), Some(LifecycleActionResult::Continue));
    assert_eq!(step(&nowhere, 41), Step::Ask(Ask::Location));
}

// What a scan finds again.

#[test]
fn a_scan_leaves_what_it_released_to_the_other_hook_unless_it_takes_tasks_again() {
    let released = |status: &str| Known { is_released: true, ..found(&container_instance(status, 0), 0) };
    assert_eq!(outcome(&step(&released("DRAINING"), 0)), Some(Outcome::AlreadyReleased));
    assert_eq!(step(&released("ACTIVE"), 0), Step::Ask(Ask::Drain));
    let mut again = released("ACTIVE");
    look(&mut again, &container_instance("DRAINING", 0), 1);
    assert_eq!(step(&again, 1), Step::Ask(Ask::Tasks), "it took tasks between");
    let mut nowhere = Known { is_released: true, ..held(HeldBy::Ours(ours())) };
    in_no_cluster(&mut nowhere);
    assert_eq!(outcome(&step(&nowhere, 0)), Some(Outcome::AlreadyReleased));
}

// Dry run.

#[test]
fn a_dry_run_settles_instead_of_acting_or_waiting() {
    let dry = Policy { dry_run: true, ..policy() };
    let decided = |known: &Known, seconds| step_under(known, dry, seconds);
    let would = |known: &Known, seconds| match decided(known, seconds) {
        Step::Settled(settled) if settled.outcome == Outcome::WouldDrain => settled.detail,
        other => panic!("{other:?}"),
    };
    assert_eq!(decided(&met(termination()), 0), Step::Ask(Ask::HoldAndLocation), "it reads");
    assert_eq!(would(&found(&container_instance("ACTIVE", 2), 0), 0), "would set it DRAINING");
    assert_eq!(would(&draining(2), 1), "would wait for its tasks to stop");
    let mut empty = draining(0);
    empty.heartbeat_at = Some(at(0));
    assert_eq!(decided(&empty, 2_000), Step::Ask(Ask::Instance), "it reads until it knows");
    read_tasks(&mut empty, &[], 1);
    assert_eq!(decided(&empty, 2), Step::WaitUntil(at(10)));
    read_tasks(&mut empty, &[], 11);
    assert_eq!(would(&empty, 11), "would release it, drained: every task has stopped");
    let mut nowhere = held(HeldBy::Ours(ours()));
    in_no_cluster(&mut nowhere);
    assert!(would(&nowhere, 10).starts_with("would release it, not-in-ecs"));
}

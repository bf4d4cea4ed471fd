mod fixtures;
mod maintenance;
mod spot;
mod trouble;
mod waiting;

use std::collections::BTreeSet;

use self::fixtures::*;
use super::*;
use crate::config::{Overrides, StandaloneTasks};
use crate::drain::attributes::{AGENT_LOST_AT, DRAIN_STARTED_AT, RELEASED_AT};
use crate::drain::deadlines::STOP_GRACE;
use crate::drain::departure::NoticedBy;
use crate::drain::known::{Hold, Ours};
use crate::drain::tries::Tries;
use crate::ids::ClusterName;

// Rule 1.

#[test]
fn first_it_asks_who_holds_the_termination_and_where_it_is_if_an_event_told_of_it() {
    let mut known = met(termination());
    assert_eq!(step(&known, 0), Step::Read(Need::HookAndLocation));
    let mut found = known.clone();
    found.learn_place(Place::Nowhere, vec![], at(0));
    assert_eq!(step(&found, 0), Step::Read(Need::Hook), "where it is proves nothing of who holds it");
    fail(&mut known, Try::Location, 0);
    assert_eq!(step(&known, 0), Step::Read(Need::Hook), "a search that failed waits for its turn");
    known.departure.noticed_by = NoticedBy::Scan;
    known.tries = Tries::default();
    assert_eq!(step(&known, 0), Step::Read(Need::Hook));
}

#[test]
fn what_waits_on_no_hook_or_on_none_of_ours_is_left_alone() {
    let nobody = |state: Option<&str>| held(HeldBy::Nobody { state: state.map(ToOwned::to_owned) });
    assert_eq!(outcome(&step(&nobody(Some("InService")), 0)), Some(Outcome::Ignored));
    assert_eq!(outcome(&step(&nobody(Some("Terminating:Proceed")), 0)), Some(Outcome::AlreadyReleased));
    assert_eq!(outcome(&step(&nobody(None), 0)), Some(Outcome::AlreadyReleased));
    let others = held(HeldBy::Others { group: "web".into() });
    assert!(matches!(step(&others, 0), Step::Settled(s) if s.outcome == Outcome::Ignored && s.detail.contains("web")));
}

#[test]
fn only_terminating_wait_waits_on_a_termination_hook_and_a_warm_pools_states_for_its_own_events() {
    let to_warm_pool = Cause::Termination { to_warm_pool: true };
    assert!(waits_on_a_termination_hook("Terminating:Wait", termination()));
    assert!(waits_on_a_termination_hook("Warmed:Terminating:Wait", termination()));
    assert!(waits_on_a_termination_hook("Warmed:Pending:Wait", to_warm_pool));
    assert!(!waits_on_a_termination_hook("Warmed:Pending:Wait", termination()));
    for state in ["InService", "Pending:Wait", "Terminating", "Terminating:Proceed", "Terminating:Retained"] {
        assert!(!waits_on_a_termination_hook(state, to_warm_pool), "{state}");
    }
}

// Rules 2 and 3.

#[test]
fn it_searches_until_every_cluster_answered_and_only_then_releases_what_is_in_none() {
    let mut known = held(HeldBy::Ours(ours()));
    assert_eq!(step(&known, 1), Step::Read(Need::Location));
    fail(&mut known, Try::Location, 1);
    assert!(matches!(step(&known, 1), Step::WaitUntil(until) if until > at(1)));
    assert_eq!(step(&known, 6), Step::Read(Need::Location));
    known.learn_place(Place::Nowhere, vec![], at(0));
    assert_eq!(outcome(&step(&known, 7)), Some(Outcome::NotInEcs));
    assert_eq!(released(&step(&known, 7)), Some(LifecycleActionResult::Continue));
}

#[test]
fn what_was_never_located_is_not_kept_alive() {
    let mut known = held(HeldBy::Ours(ours()));
    known.heartbeat_at = at(0);
    fail(&mut known, Try::Location, 5_000);
    assert!(matches!(step(&known, 5_000), Step::WaitUntil(_)));
    assert_eq!(step(&known, 5_010), Step::Read(Need::Location));
}

#[test]
fn what_is_only_in_an_unwatched_cluster_is_ignored() {
    let mut known = held(HeldBy::Ours(ours()));
    known.learn_place(Place::Unwatched(ClusterName::parse("theirs").unwrap()), vec![], at(0));
    assert!(
        matches!(step(&known, 0), Step::Settled(s) if s.outcome == Outcome::Ignored && s.detail.contains("theirs"))
    );
}

#[test]
fn no_registration_at_all_is_no_proof_of_anything() {
    let mut known = held(HeldBy::Ours(ours()));
    known.place = Place::Registered;
    assert_eq!(step(&known, 0), Step::Read(Need::Location));
}

// Rule 4.

#[test]
fn active_is_set_draining_even_with_no_task() {
    assert_eq!(step(&found(&container_instance("ACTIVE", 0), 0), 0), Step::Act(Action::Drain));
}

#[test]
fn a_status_in_between_is_looked_at_again() {
    let mut known = found(&container_instance("DEREGISTERING", 0), 0);
    read_tasks(&mut known, &[], 1);
    read_tasks(&mut known, &[], 9);
    assert_eq!(step(&known, 9), Step::WaitUntil(at(10)));
    assert_eq!(step(&known, 10), Step::Read(Need::Instance));
}

#[test]
fn inactive_or_missing_counts_as_absent_and_every_cluster_is_asked_again() {
    let arn = draining(0).registrations[0].arn.clone();
    for found in [None, Some(container_instance("INACTIVE", 0))] {
        let mut known = draining(3);
        known.learn_instance(&arn, found.as_ref(), at(5));
        assert_eq!(step(&known, 5), Step::Read(Need::Location));
    }
}

#[test]
fn all_registrations_count() {
    let mut known = draining(0);
    let mut second = container_instance("ACTIVE", 0);
    second.arn = "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/2".into();
    let mut registrations = known.registrations.clone();
    registrations.push(Registration::new(ClusterName::parse("prod").unwrap(), &second, at(0)));
    known.learn_place(Place::Registered, registrations, at(0));
    assert_eq!(step(&known, 0), Step::Act(Action::Drain));
    second.status = InstanceStatus::Draining;
    look(&mut known, &second, 1);
    read_tasks(&mut known, &[], 2);
    read_tasks(&mut known, &[], 5);
    assert_eq!(step(&known, 5), Step::Read(Need::Tasks), "the second's tasks are not known");
}

// Rule 5.

#[test]
fn a_host_whose_agent_is_long_lost_goes_when_auto_scaling_calls_it_unhealthy() {
    let mut lost = container_instance("DRAINING", 2);
    lost.agent_connected = false;
    let mut known = found(&lost, 0);
    assert!(matches!(step(&known, 5), Step::WaitUntil(_)));
    look(&mut known, &lost, 600);
    assert_eq!(step(&known, 600), Step::Read(Need::Hook), "health is asked anew");
    fail(&mut known, Try::Hold, 600);
    assert!(matches!(step(&known, 600), Step::WaitUntil(_)), "but not without a pause");
    known.tries.succeeded(Try::Hold);
    known.hold = Some(Hold { read_at: at(600), by: HeldBy::Ours(ours()) });
    assert!(matches!(step(&known, 600), Step::WaitUntil(_)), "healthy: its network may be back");
    known.hold = Some(Hold { read_at: at(600), by: HeldBy::Ours(Ours { unhealthy: true, ..ours() }) });
    assert_eq!(outcome(&step(&known, 600)), Some(Outcome::HostGone));
    look(&mut known, &container_instance("DRAINING", 2), 601);
    assert!(matches!(step(&known, 601), Step::WaitUntil(_)), "the agent is back");
}

#[test]
fn an_earlier_invocations_word_on_a_lost_agent_counts() {
    let mut lost = container_instance("DRAINING", 2);
    lost.agent_connected = false;
    lost.attributes.insert(AGENT_LOST_AT.into(), "2026-01-15T19:50:00Z".into());
    let mut known = found(&lost, 0);
    known.hold = Some(Hold { read_at: at(0), by: HeldBy::Ours(Ours { unhealthy: true, ..ours() }) });
    assert_eq!(outcome(&step(&known, 0)), Some(Outcome::HostGone));
}

#[test]
fn what_an_earlier_drain_knew_of_the_agent_does_not_count_for_a_host_that_was_active() {
    let mut lost = container_instance("ACTIVE", 2);
    lost.agent_connected = false;
    lost.attributes.insert(AGENT_LOST_AT.into(), "2026-01-15T19:50:00Z".into());
    let known = found(&lost, 0);
    let Step::Act(Action::Remember(changes)) = step(&known, 0) else { panic!("it stands") };
    assert_eq!(changes[0].delete, [AGENT_LOST_AT]);
    assert_eq!(known.registrations[0].agent_lost_at, Some(at(0)));
}

// Rule 7.

#[test]
fn only_two_whole_reads_apart_prove_it_when_every_task_has_stopped() {
    let mut known = draining(0);
    assert_eq!(step(&known, 0), Step::Read(Need::Tasks), "a count of zero proves nothing");
    read_tasks(&mut known, &[task("a", "STOPPED", "STOPPED")], 1);
    assert_eq!(outcome(&step(&known, 1)), None, "once is not enough");
    read_tasks(&mut known, &[task("a", "STOPPED", "STOPPED")], 2);
    assert_eq!(outcome(&step(&known, 2)), None, "twice within POLL_MIN is not enough");
    read_tasks(&mut known, &[task("a", "STOPPED", "STOPPED")], 1 + POLL_MIN);
    assert_eq!(outcome(&step(&known, 3)), Some(Outcome::Drained));
    assert_eq!(released(&step(&known, 3)), Some(LifecycleActionResult::Continue));
}

#[test]
fn what_is_known_to_stop_is_looked_at_without_a_list_and_one_list_then_is_enough() {
    let mut known = draining(0);
    read_tasks(&mut known, &[task("a", "STOPPING", "STOPPED")], 1);
    assert_eq!(step(&known, 1), Step::WaitUntil(at(10)));
    look(&mut known, &container_instance("DRAINING", 0), 10);
    assert_eq!(step(&known, 10), Step::Read(Need::Stragglers));
    let arn = known.registrations[0].arn.clone();
    known.learn_stragglers(&arn, vec![task("a", "STOPPING", "STOPPED")], &BTreeSet::new(), at(10));
    assert_eq!(step(&known, 10), Step::WaitUntil(at(20)));
    known.learn_stragglers(&arn, vec![task("a", "STOPPED", "STOPPED")], &BTreeSet::new(), at(10));
    assert_eq!(step(&known, 10), Step::Read(Need::Tasks), "that it has stopped does not prove that it was all");
    read_tasks(&mut known, &[task("a", "STOPPED", "STOPPED")], 10);
    assert_eq!(outcome(&step(&known, 10)), Some(Outcome::Drained));
}

#[test]
fn a_task_that_shows_up_between_the_reads_starts_the_proof_anew() {
    let mut known = draining(0);
    read_tasks(&mut known, &[], 1);
    read_tasks(&mut known, &[task("late", "STOPPED", "STOPPED")], 4);
    assert_eq!(outcome(&step(&known, 4)), None, "the first read had not all of them");
    read_tasks(&mut known, &[task("late", "STOPPED", "STOPPED")], 7);
    assert_eq!(outcome(&step(&known, 7)), Some(Outcome::Drained));
}

#[test]
fn a_task_counted_between_the_reads_starts_the_proof_anew() {
    let mut known = draining(0);
    read_tasks(&mut known, &[], 1);
    look(&mut known, &container_instance("DRAINING", 1), 3);
    look(&mut known, &container_instance("DRAINING", 0), 5);
    read_tasks(&mut known, &[], 5);
    assert_eq!(outcome(&step(&known, 5)), None);
}

#[test]
fn reads_from_before_draining_was_seen_prove_nothing() {
    let mut known = found(&container_instance("DRAINING", 0), 5);
    read_tasks(&mut known, &[], 1);
    read_tasks(&mut known, &[], 4);
    assert_eq!(outcome(&step(&known, 5)), None);
}

#[test]
fn a_host_that_somebody_set_active_again_is_drained_and_proven_anew() {
    let mut known = draining(0);
    read_tasks(&mut known, &[], 1);
    look(&mut known, &container_instance("ACTIVE", 0), 3);
    assert_eq!(step(&known, 3), Step::Act(Action::Drain));
    look(&mut known, &container_instance("DRAINING", 0), 4);
    read_tasks(&mut known, &[], 4);
    assert_eq!(outcome(&step(&known, 4)), None);
}

#[test]
fn a_deleted_task_was_stopped() {
    let mut known = draining(0);
    read_tasks(&mut known, &[task("a", "DELETED", "STOPPED")], 1);
    read_tasks(&mut known, &[task("a", "DELETED", "STOPPED")], 4);
    assert_eq!(outcome(&step(&known, 4)), Some(Outcome::Drained));
}

#[test]
fn a_refused_completion_is_tried_again_later() {
    let mut known = draining(0);
    read_tasks(&mut known, &[], 1);
    read_tasks(&mut known, &[], 4);
    fail(&mut known, Try::Complete, 4);
    assert!(matches!(step(&known, 4), Step::WaitUntil(_)));
    assert_eq!(released(&step(&known, 9)), Some(LifecycleActionResult::Continue));
    assert_eq!(step(&known, 35), Step::Read(Need::Instance), "its last look is too old by then");
    look(&mut known, &container_instance("DRAINING", 0), 35);
    assert_eq!(released(&step(&known, 35)), Some(LifecycleActionResult::Continue), "and its lists are not");
    look(&mut known, &container_instance("DRAINING", 0), 65);
    assert_eq!(step(&known, 65), Step::Read(Need::Tasks), "a minute later they are, too");
    let mut nowhere = held(HeldBy::Ours(ours()));
    nowhere.learn_place(Place::Nowhere, vec![], at(0));
    assert_eq!(released(&step(&nowhere, 30)), Some(LifecycleActionResult::Continue));
    assert_eq!(step(&nowhere, 31), Step::Read(Need::Location));
}

// What a scan finds again.

#[test]
fn a_scan_leaves_what_it_released_to_the_other_hook_and_an_event_does_not() {
    let mut instance = container_instance("DRAINING", 0);
    instance.attributes.insert(RELEASED_AT.into(), "2026-01-15T19:30:00Z".into());
    let mut known = found(&instance, 0);
    known.hold = Some(Hold { read_at: at(0), by: HeldBy::Ours(Ours { others_hold_too: true, ..ours() }) });
    known.departure.noticed_by = NoticedBy::Scan;
    known.tries.failed(Try::Remember, "off".into(), at(10_000), policy().pace, &mut fastrand::Rng::with_seed(0));
    assert_eq!(outcome(&step(&known, 0)), Some(Outcome::AlreadyReleased));
    known.departure.noticed_by = NoticedBy::Event;
    assert_eq!(step(&known, 0), Step::Read(Need::Tasks));
    known.departure.noticed_by = NoticedBy::Scan;
    known.hold = Some(Hold { read_at: at(0), by: HeldBy::Ours(ours()) });
    assert_eq!(step(&known, 0), Step::Read(Need::Tasks), "nobody else holds it");
    instance.attributes.insert(RELEASED_AT.into(), "2026-01-15T18:59:00Z".into());
    let mut old = found(&instance, 0);
    old.departure.noticed_by = NoticedBy::Scan;
    old.hold = Some(Hold { read_at: at(0), by: HeldBy::Ours(Ours { others_hold_too: true, ..ours() }) });
    assert_ne!(outcome(&step(&old, 0)), Some(Outcome::AlreadyReleased), "an hour later it is tried once more");
}

// Dry run.

#[test]
fn a_dry_run_settles_instead_of_acting_or_waiting() {
    let dry = Policy { dry_run: true, ..policy() };
    let would = |known: &Known, seconds| match decide(known, &dry, at(seconds)) {
        Step::Settled(settled) if settled.outcome == Outcome::WouldDrain => settled.detail,
        other => panic!("{other:?}"),
    };
    assert_eq!(decide(&met(termination()), &dry, at(0)), Step::Read(Need::HookAndLocation), "it reads");
    assert_eq!(would(&found(&container_instance("ACTIVE", 2), 0), 0), "would set it DRAINING");
    assert_eq!(would(&draining(2), 1), "would wait for its tasks to stop");
    let mut empty = draining(0);
    empty.heartbeat_at = at(0);
    assert_eq!(decide(&empty, &dry, at(2_000)), Step::Read(Need::Instance), "it reads until it knows");
    read_tasks(&mut empty, &[], 1);
    assert_eq!(decide(&empty, &dry, at(2)), Step::WaitUntil(at(10)));
    read_tasks(&mut empty, &[], 4);
    assert_eq!(would(&empty, 4), "would release it, drained: every task has stopped");
    let mut nowhere = held(HeldBy::Ours(ours()));
    nowhere.learn_place(Place::Nowhere, vec![], at(0));
    assert!(would(&nowhere, 0).starts_with("would release it, not-in-ecs"));
}

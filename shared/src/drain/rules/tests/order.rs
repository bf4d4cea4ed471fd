//! The order of the rules: facts that two of them fit, and what the upper one says.

use super::*;

/// Empty, proven at 11 s by reads of a host that drains from the start, and looked at then.
fn empty() -> Known {
    let mut known = draining(0);
    read_tasks(&mut known, &[], 1);
    read_tasks(&mut known, &[], 11);
    known
}

/// The same with its agent disconnected all the time, in a group that calls it unhealthy.
fn gone(mut known: Known) -> Known {
    known.located_at = at(11);
    known.registrations[0].agent_lost_at = Some(at(0));
    known.hold =
        Some(Hold { read_at: known.registrations[0].read_at, by: HeldBy::Ours(Ours { unhealthy: true, ..ours() }) });
    known
}

fn under(then: OnDrainTimeout) -> Overrides {
    let drain_timeout = Some(Duration::from_secs(3));
    Overrides { drain_timeout, on_drain_timeout: Some(then), ..Overrides::default() }
}

fn held_under(known: Known, overrides: Overrides) -> Known {
    let unhealthy = known.ours().is_some_and(|ours| ours.unhealthy);
    Known { hold: Some(Hold { read_at: at(11), by: HeldBy::Ours(Ours { overrides, unhealthy, ..ours() }) }), ..known }
}

#[test]
fn never_early_an_empty_host_past_its_deadline_is_drained_and_not_given_up() {
    for then in [OnDrainTimeout::Abandon, OnDrainTimeout::Proceed] {
        let late = step(&held_under(empty(), under(then)), 11);
        assert_eq!((outcome(&late), released(&late)), (Some(Outcome::Drained), Some(LifecycleActionResult::Continue)));
        let Step::Ask(Ask::Complete { settled, .. }) = late else { panic!("{late:?}") };
        assert_eq!(settled.detail, "every task has stopped, after its deadline");
    }
}

#[test]
fn an_empty_host_is_drained_though_its_agent_is_lost_and_one_that_is_lost_is_gone_before_its_deadline_counts() {
    let mut lost = gone(empty());
    lost.start =
        Some(Start { at: crate::clock::before(at(0), Duration::from_secs(1_000)), reason: Some(String::new()) });
    lost.registrations[0].agent_lost_at = Some(crate::clock::before(at(0), Duration::from_secs(60)));
    assert_eq!(outcome(&step(&lost, 11)), Some(Outcome::Drained));
    lost.registrations[0].running_tasks = 1;
    assert_eq!(outcome(&step(&lost, 11)), Some(Outcome::HostGone));
    assert_eq!(outcome(&step(&held_under(lost, under(OnDrainTimeout::Abandon)), 11)), Some(Outcome::HostGone));
}

#[test]
fn a_heartbeat_goes_before_a_release_and_not_before_the_start_is_known() {
    let mut due = empty();
    due.heartbeat_at = Some(crate::clock::before(at(0), Duration::from_secs(3_600)));
    assert_eq!(step(&due, 11), Step::Ask(Ask::Heartbeat));
    due.asked_start = false;
    assert_eq!(step(&due, 11), Step::Ask(Ask::Start), "whether its time is over is not known");
    fail(&mut due, Request::Start, 11);
    assert_eq!(step(&due, 11), Step::Ask(Ask::Heartbeat), "unknown must not kill");
    due.is_released = true;
    assert_eq!(outcome(&step(&due, 11)), Some(Outcome::AlreadyReleased));
}

#[test]
fn nothing_is_stopped_or_given_up_before_the_start_is_known() {
    for then in [OnDrainTimeout::StopTasks, OnDrainTimeout::Proceed, OnDrainTimeout::Abandon] {
        let mut undated = held_under(draining(1), under(then));
        read_tasks(&mut undated, &[standalone("job")], 1);
        (undated.asked_start, undated.heartbeat_at) = (false, Some(at(11)));
        assert_eq!(step(&undated, 11), Step::Ask(Ask::Start), "{then:?}");
    }
}

#[test]
fn a_host_of_ecs_managed_instances_is_not_set_draining_again() {
    let mut known = found(&container_instance("ACTIVE", 1), 0);
    read_tasks(&mut known, &[Task { is_managed: true, ..task("web", "RUNNING", "RUNNING") }], 1);
    assert_eq!(outcome(&step(&known, 1)), Some(Outcome::Ignored));
}

#[test]
fn in_no_cluster_beside_anothers_hook_a_scan_asks_for_the_start_before_it_releases() {
    let beside = HeldBy::Ours(Ours { others_hold_too: true, ..ours() });
    let mut known = held(beside);
    in_no_cluster(&mut known);
    (known.asked_start, known.departure.noticed_by) = (false, NoticedBy::Scan);
    assert_eq!(step(&known, 0), Step::Ask(Ask::Start), "it may have been released before");
    fail(&mut known, Request::Start, 0);
    assert_eq!(outcome(&step(&known, 0)), Some(Outcome::NotInEcs));
    known.patience = Patience::default();
    known.departure.noticed_by = NoticedBy::Event;
    assert_eq!(outcome(&step(&known, 0)), Some(Outcome::NotInEcs));
    known.departure.noticed_by = NoticedBy::Scan;
    known.is_released = true;
    assert_eq!(outcome(&step(&known, 0)), Some(Outcome::AlreadyReleased), "it was: that is known");
    let alone = Hold { read_at: at(0), by: HeldBy::Ours(ours()) };
    let alone = Known { hold: Some(alone), is_released: false, ..known };
    assert_eq!(outcome(&step(&alone, 0)), Some(Outcome::NotInEcs), "no other hook can hold it");
}

#[test]
fn of_a_burst_one_that_cannot_be_set_draining_is_looked_at_and_no_more() {
    let budget = Budget::endless().of_a_batch().of_a_burst(true);
    let mut refused = held_under(found(&container_instance("ACTIVE", 1), 0), under(OnDrainTimeout::Abandon));
    for seconds in [4, 9, 3_000] {
        fail(&mut refused, Request::Drain, seconds);
        refused.next_look = at(seconds);
        assert_eq!(step_within(&refused, &budget, seconds), Step::Ask(Ask::Instance), "its deadline is not known");
        refused.next_look = at(seconds + 10);
        assert!(matches!(step_within(&refused, &budget, seconds), Step::WaitUntil(_)), "at {seconds} s");
    }
}

//! A drain by hand: nothing holds it, and its flags are its policy.

use super::*;
use crate::aws::ContainerInstance;
use crate::drain::facts::registration::MAINTENANCE_SINCE;
use crate::drain::fixtures::*;

/// With its attribute, which is written as soon as it is DRAINING.
fn written_down(counted: u32) -> ContainerInstance {
    let since = (MAINTENANCE_SINCE.to_owned(), at(0).to_string());
    ContainerInstance { attributes: [since].into(), ..container_instance("DRAINING", counted) }
}

fn by_hand() -> Known {
    let mut known = met(Cause::Maintenance);
    known.departure.noticed_by = NoticedBy::Person;
    place(&mut known, &written_down(1), 0);
    known
}

fn flags(drain_timeout: Duration, on_drain_timeout: OnDrainTimeout) -> Policy {
    Policy { drain_timeout, on_drain_timeout, ..policy() }
}

#[test]
fn it_does_not_ask_what_holds_it_and_is_set_draining_first() {
    let mut known = met(Cause::Maintenance);
    assert_eq!(step(&known, 0), Step::Ask(Ask::Location));
    place(&mut known, &container_instance("ACTIVE", 1), 0);
    assert_eq!(step(&known, 0), Step::Ask(Ask::Drain));
    place(&mut known, &container_instance("DRAINING", 1), 1);
    assert_eq!(step(&known, 1), Step::WaitUntil(at(11)));
}

#[test]
fn its_deadline_counts_from_when_it_was_given_whatever_is_written_on_the_host() {
    let mut known = met(Cause::Maintenance);
    let hours_ago = crate::clock::before(at(0), Duration::from_secs(4 * 3_600)).to_string();
    let written = ["ecs-drainer.drain-started-at", MAINTENANCE_SINCE];
    let attributes = written.map(|name| (name.to_owned(), hours_ago.clone())).into();
    place(&mut known, &ContainerInstance { attributes, ..container_instance("DRAINING", 1) }, 5);
    assert_eq!(known.started(), at(5));
    let flags = flags(Duration::from_secs(60), OnDrainTimeout::StopTasks);
    assert_eq!(deadlines(&known, &Terms::of(&known, flags, &Budget::endless())).stop_at, at(65));
}

#[test]
fn without_a_deadline_nothing_is_ever_stopped_nor_given_up() {
    let mut known = by_hand();
    read_tasks(&mut known, &[task("web", "RUNNING", "RUNNING")], 1);
    let endless = flags(Duration::MAX, OnDrainTimeout::Wait);
    for seconds in [10, 3_600, 200_000, 30_000_000] {
        known.next_look = at(seconds + 5);
        assert_eq!(step_under(&known, endless, seconds), Step::WaitUntil(at(seconds + 5)), "{seconds}");
    }
}

#[test]
fn at_its_deadline_what_is_left_is_stopped_and_after_its_grace_the_wait_is_over() {
    let mut known = by_hand();
    let flags = flags(Duration::from_secs(60), OnDrainTimeout::StopTasks);
    known.next_look = at(10_000);
    read_tasks(&mut known, &[task("web", "RUNNING", "RUNNING")], 50);
    known.registrations[0].daemons = [("web".into(), false)].into();
    assert!(matches!(step_under(&known, flags, 59), Step::WaitUntil(_)));
    assert!(matches!(step_under(&known, flags, 60), Step::Ask(Ask::StopTasks(tasks)) if tasks.len() == 1));
    read_tasks(&mut known, &[task("web", "RUNNING", "STOPPED")], 61);
    let given_up = step_under(&known, flags, 60 + STOP_GRACE.as_secs());
    assert!(matches!(&given_up, Step::Settled(settled) if settled.outcome == Outcome::TimedOut), "{given_up:?}");
}

#[test]
fn it_is_done_when_every_task_is_proven_stopped_and_no_hook_is_touched() {
    let mut known = by_hand();
    look(&mut known, &written_down(0), 8);
    read_tasks(&mut known, &[task("web", "STOPPED", "STOPPED")], 8);
    assert!(!matches!(step(&known, 8), Step::Settled(_)), "one whole read proves nothing");
    look(&mut known, &written_down(0), 18);
    read_tasks(&mut known, &[task("web", "STOPPED", "STOPPED")], 18);
    let done = step(&known, 18);
    assert!(matches!(&done, Step::Settled(settled) if settled.outcome == Outcome::Drained), "{done:?}");
}

#[test]
fn what_is_not_draining_has_nothing_stopped() {
    let mut known = met(Cause::Maintenance);
    place(&mut known, &container_instance("ACTIVE", 1), 0);
    read_tasks(&mut known, &[standalone("job"), task("web", "RUNNING", "RUNNING")], 1);
    known.registrations[0].daemons = [("web".into(), false)].into();
    fail(&mut known, Request::Drain, 1);
    known.next_look = at(10_000);
    let late =
        Policy { standalone_tasks: StandaloneTasks::Stop, ..flags(Duration::from_secs(1), OnDrainTimeout::StopTasks) };
    for seconds in [1, 3, 5] {
        let step = step_under(&known, late, seconds);
        assert!(!matches!(step, Step::Ask(Ask::StopTasks(_))), "{seconds}: {step:?}");
    }
}

#[test]
fn one_that_another_operator_sets_active_again_is_theirs_unless_the_description_lags() {
    let mut known = by_hand();
    look(&mut known, &container_instance("ACTIVE", 1), 8);
    assert_eq!(step(&known, 8), Step::Ask(Ask::Drain), "it may be ours of before");
    let mut known = by_hand();
    look(&mut known, &container_instance("ACTIVE", 1), 12);
    let taken = step(&known, 12);
    assert!(matches!(&taken, Step::Settled(settled) if settled.outcome == Outcome::TakenBack), "{taken:?}");
    let mut held = held(HeldBy::Ours(ours()));
    place(&mut held, &container_instance("DRAINING", 1), 0);
    look(&mut held, &container_instance("ACTIVE", 1), 12);
    assert_eq!(step(&held, 12), Step::Ask(Ask::Drain), "one that leaves has no choice");
}

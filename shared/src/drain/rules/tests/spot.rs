//! Spot: two minutes, and nothing that waits.

use super::*;
use crate::config::StandaloneTasks;
use crate::drain::fixtures::*;
use crate::drain::rules::terms::Unattended;

/// What `SPOT_STOP_LEAD_SECONDS` leaves of the two minutes.
const STOP_AT: u64 = 75;

fn interruption() -> Cause {
    Cause::SpotInterruption { noticed_at: at(0) }
}

/// DRAINING since the first second, with a look at `seconds` that counted so many tasks, and all of these read then.
fn interrupted(counted: u32, tasks: &[Task], seconds: u64) -> Known {
    let mut known = met(interruption());
    place(&mut known, &container_instance("DRAINING", counted), 1);
    look(&mut known, &container_instance("DRAINING", counted), seconds);
    read_tasks(&mut known, tasks, seconds);
    known.registrations[0].daemons = [("web".into(), false), ("log-agent".into(), true)].into();
    known
}

fn of_service(name: &str, service: &str) -> Task {
    Task { group: format!("service:{service}"), ..task(name, "RUNNING", "RUNNING") }
}

fn stops(step: &Step) -> Vec<TaskArn> {
    match step {
        Step::Ask(Ask::StopTasks(tasks)) => tasks.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_host_of_ecs_managed_instances_is_left_alone_as_soon_as_its_tasks_tell() {
    let known = interrupted(1, &[Task { is_managed: true, ..task("web", "RUNNING", "RUNNING") }], 2);
    let left = step(&known, STOP_AT);
    assert!(
        matches!(&left, Step::Settled(it) if it.outcome == Outcome::Ignored && it.detail.contains("Managed")),
        "{left:?}"
    );
}

#[test]
fn it_does_not_ask_what_holds_it_and_settles_without_a_hook() {
    let mut known = met(interruption());
    assert_eq!(step(&known, 1), Step::Ask(Ask::Location));
    in_no_cluster(&mut known);
    assert!(matches!(step(&known, 10), Step::Settled(s) if s.outcome == Outcome::NotInEcs));
    let mut done = interrupted(0, &[task("a", "STOPPED", "STOPPED")], 10);
    read_tasks(&mut done, &[task("a", "STOPPED", "STOPPED")], 20);
    assert!(matches!(step(&done, 20), Step::Settled(s) if s.outcome == Outcome::Drained));
}

#[test]
fn tasks_are_read_ahead_and_told_in_time() {
    let mut known = met(interruption());
    place(&mut known, &container_instance("DRAINING", 1), 1);
    known.next_look = at(200);
    assert_eq!(step(&known, 2), Step::WaitUntil(at(STOP_AT - 15)));
    assert_eq!(step(&known, STOP_AT - 15), Step::Ask(Ask::Tasks));
    read_tasks(&mut known, &[standalone("job")], STOP_AT - 15);
    assert_eq!(step(&known, STOP_AT - 15), Step::WaitUntil(at(STOP_AT)), "120 s less SPOT_STOP_LEAD_SECONDS");
    assert_eq!(decision(&known, STOP_AT - 1).reads_until, Some(at(STOP_AT)));
    known.next_look = at(0);
    assert_eq!(stops(&step(&known, STOP_AT)), [standalone("job").arn], "before the look that is due, too");
    assert_eq!(decision(&known, STOP_AT).reads_until, None);
}

#[test]
fn daemons_are_told_when_the_others_were_and_no_task_twice() {
    let tasks = [of_service("agent", "log-agent"), of_service("app", "web"), standalone("job")];
    let mut known = interrupted(3, &tasks, STOP_AT - 15);
    look(&mut known, &container_instance("DRAINING", 3), STOP_AT - 1);
    assert_eq!(stops(&step(&known, STOP_AT)), [tasks[1].arn.clone(), tasks[2].arn.clone()]);
    known.told_to_stop(&Task { desired_status: "STOPPED".into(), ..tasks[1].clone() }, at(STOP_AT));
    assert_eq!(stops(&step(&known, STOP_AT)), [tasks[2].arn.clone()]);
    known.told_to_stop(&Task { desired_status: "STOPPED".into(), ..tasks[2].clone() }, at(STOP_AT));
    assert_eq!(stops(&step(&known, STOP_AT)), [tasks[0].arn.clone()]);
    known.told_to_stop(&Task { desired_status: "STOPPED".into(), ..tasks[0].clone() }, at(STOP_AT));
    assert!(matches!(step(&known, STOP_AT), Step::WaitUntil(_)), "what was counted before needs no list");
}

#[test]
fn a_read_that_lags_does_not_have_a_task_told_twice() {
    let mut known = interrupted(1, &[standalone("job")], STOP_AT - 1);
    known.told_to_stop(&Task { desired_status: "STOPPED".into(), ..standalone("job") }, at(STOP_AT));
    look(&mut known, &container_instance("DRAINING", 1), STOP_AT + 1);
    read_tasks(&mut known, &[standalone("job")], STOP_AT + 1);
    assert!(matches!(step(&known, STOP_AT + 1), Step::WaitUntil(_)), "listed as if it should run");
    let arn = known.registrations[0].arn.clone();
    known.learn_stragglers(&arn, vec![standalone("job")], &BTreeSet::new(), at(STOP_AT + 2));
    assert!(matches!(step(&known, STOP_AT + 2), Step::WaitUntil(_)), "described as if it should run");
}

#[test]
fn daemons_do_not_wait_for_what_cannot_be_told() {
    let tasks = [of_service("agent", "log-agent"), of_service("app", "web")];
    let mut known = interrupted(2, &tasks, STOP_AT - 1);
    fail(&mut known, Request::StopTasks, STOP_AT);
    let both: Vec<_> = [&tasks[1], &tasks[0]].map(|task| task.arn.clone()).into();
    assert_eq!(stops(&step(&known, STOP_AT + 5)), both);
}

#[test]
fn owners_are_asked_about_once_and_one_that_is_not_known_is_no_daemon() {
    let tasks = [of_service("agent", "log-agent"), of_service("app", "web")];
    let mut known = interrupted(2, &tasks, STOP_AT - 10);
    known.registrations[0].daemons.clear();
    known.next_look = at(200);
    assert_eq!(step(&known, STOP_AT - 10), Step::Ask(Ask::Services));
    fail(&mut known, Request::Services, STOP_AT - 10);
    assert_eq!(step(&known, STOP_AT - 1), Step::WaitUntil(at(STOP_AT)));
    assert_eq!(stops(&step(&known, STOP_AT)).len(), 2);
    let mut only_jobs = interrupted(1, &[standalone("job")], STOP_AT - 10);
    only_jobs.registrations[0].daemons.clear();
    only_jobs.next_look = at(200);
    assert_eq!(step(&only_jobs, STOP_AT - 10), Step::WaitUntil(at(STOP_AT)), "no service owns it");
}

#[test]
fn what_is_known_is_stopped_before_anything_is_read() {
    let tasks = [of_service("app", "web"), of_service("new", "unheard-of"), standalone("job")];
    let mut known = interrupted(4, &tasks, STOP_AT - 10);
    known.next_look = at(0);
    let known_ones = [tasks[0].arn.clone(), tasks[2].arn.clone()];
    assert_eq!(stops(&step(&known, STOP_AT)), known_ones, "though a look, a list and an owner are due");
    for task in [&tasks[0], &tasks[2]] {
        known.told_to_stop(&Task { desired_status: "STOPPED".into(), ..task.clone() }, at(STOP_AT));
    }
    assert_eq!(step(&known, STOP_AT), Step::Ask(Ask::Services));
    assert!(decision(&known, STOP_AT).reads_until.is_some());
    fail(&mut known, Request::Services, STOP_AT);
    assert_eq!(stops(&step(&known, STOP_AT)), [tasks[1].arn.clone()]);
}

#[test]
fn a_dry_run_of_a_notice_tells_that_it_would_wait() {
    let dry = Policy { dry_run: true, ..policy() };
    let step = step_under(&interrupted(1, &[standalone("job")], 1), dry, 2);
    assert!(matches!(&step, Step::Settled(it) if it.detail == "would wait for its tasks to stop"), "{step:?}");
}

#[test]
fn where_standalone_tasks_go_first_the_others_are_read_ahead_all_the_same() {
    let stop = Policy { standalone_tasks: StandaloneTasks::Stop, ..policy() };
    let mut known = interrupted(1, &[of_service("app", "unheard-of")], STOP_AT - 10);
    known.next_look = at(200);
    assert_eq!(step_under(&known, stop, STOP_AT - 10), Step::Ask(Ask::Services));
}

#[test]
fn one_that_cannot_be_set_draining_is_stopped_all_the_same() {
    let mut known = met(interruption());
    place(&mut known, &container_instance("ACTIVE", 1), 1);
    known.next_look = at(200);
    fail(&mut known, Request::Drain, STOP_AT - 1);
    assert_eq!(step(&known, STOP_AT - 1), Step::Ask(Ask::Tasks));
    assert_eq!(decision(&known, STOP_AT - 1).reads_until, known.patience.again_at(Request::Drain));
    read_tasks(&mut known, &[standalone("job")], STOP_AT - 1);
    assert_eq!(stops(&step(&known, STOP_AT)), [standalone("job").arn]);
    read_tasks(&mut known, &[task("job", "STOPPED", "STOPPED")], STOP_AT + 1);
    read_tasks(&mut known, &[task("job", "STOPPED", "STOPPED")], STOP_AT + 4);
    assert_eq!(outcome(&step(&known, STOP_AT + 4)), None, "it may still get others");
}

#[test]
fn lists_are_read_again_only_when_there_must_be_another_task() {
    let tasks = [of_service("app", "web"), standalone("job")];
    let mut known = interrupted(2, &tasks, STOP_AT - 10);
    look(&mut known, &container_instance("DRAINING", 2), STOP_AT - 6);
    assert!(matches!(step(&known, STOP_AT - 6), Step::WaitUntil(_)), "both are known");
    look(&mut known, &container_instance("DRAINING", 3), STOP_AT - 5);
    assert_eq!(step(&known, STOP_AT - 5), Step::Ask(Ask::Tasks));
    look(&mut known, &container_instance("DRAINING", 1), STOP_AT - 4);
    assert_eq!(step(&known, STOP_AT - 4), Step::Ask(Ask::Stragglers), "one of them was told by ECS");
    let arn = known.registrations[0].arn.clone();
    let leaves = Task { desired_status: "STOPPED".into(), ..tasks[0].clone() };
    known.learn_stragglers(&arn, vec![leaves, tasks[1].clone()], &BTreeSet::new(), at(STOP_AT - 4));
    assert_eq!(stops(&step(&known, STOP_AT)), [tasks[1].arn.clone()]);
    known.told_to_stop(&Task { desired_status: "STOPPED".into(), ..tasks[1].clone() }, at(STOP_AT));
    assert!(matches!(step(&known, STOP_AT), Step::WaitUntil(_)), "no look since");
    look(&mut known, &container_instance("DRAINING", 1), STOP_AT + 1);
    assert_eq!(step(&known, STOP_AT + 1), Step::Ask(Ask::Tasks), "both were told, and ECS still counts one");
}

#[test]
fn what_would_fall_into_a_pause_is_stopped_before_it() {
    let with = |from, until: Option<u64>| {
        let known = met(interruption());
        let unattended = Unattended { from: at(from), until: until.map(at) };
        deadlines(&known, &Terms { unattended, ..terms(&known) }).stop_at
    };
    assert_eq!(with(40, Some(60)), at(STOP_AT), "the next invocation is there again");
    assert_eq!(with(40, Some(STOP_AT)), at(STOP_AT), "just in time");
    assert_eq!(with(90, Some(110)), at(STOP_AT), "this invocation is still there");
    assert_eq!(with(70, Some(90)), at(65));
    assert_eq!(with(78, Some(90)), at(73), "with some time to do it");
    assert_eq!(with(40, None), at(35), "no invocation follows a bare event");
}

#[test]
fn at_the_deadline_it_is_over_whatever_is_known() {
    let runs = interrupted(1, &[standalone("job")], STOP_AT);
    assert!(matches!(step(&runs, 120), Step::Settled(s) if s.outcome == Outcome::TimedOut));
    let mut unlocated = met(interruption());
    fail(&mut unlocated, Request::Location, 100);
    assert!(matches!(step(&unlocated, 100), Step::WaitUntil(_)));
    assert!(matches!(step(&unlocated, 120), Step::Settled(s) if s.outcome == Outcome::TimedOut));
}

#[test]
fn a_notice_that_comes_when_its_time_is_over_is_dropped() {
    for cause in [interruption(), Cause::SpotHibernation { noticed_at: at(0) }] {
        let late = |seconds| Known { met_at: at(seconds), ..met(cause) };
        assert_eq!(step(&late(119), 119), Step::Ask(Ask::Location));
        assert!(
            matches!(step(&late(130), 130), Step::Settled(s) if s.outcome == Outcome::Ignored && s.detail.contains("130 s"))
        );
    }
    let recommended = Known { met_at: at(9_999), ..met(Cause::RebalanceRecommendation) };
    assert_eq!(step(&recommended, 9_999), Step::Ask(Ask::Location), "it has no deadline");
}

#[test]
fn one_that_hibernates_or_may_be_interrupted_is_set_draining_and_no_more() {
    for cause in [Cause::SpotHibernation { noticed_at: at(0) }, Cause::RebalanceRecommendation] {
        let mut known = met(cause);
        place(&mut known, &container_instance("ACTIVE", 3), 1);
        assert_eq!(step(&known, 1), Step::Ask(Ask::Drain));
        look(&mut known, &container_instance("DRAINING", 3), 2);
        assert!(matches!(step(&known, 2), Step::Settled(s) if s.outcome == Outcome::Draining), "{cause:?}");
    }
}

#[test]
fn two_minutes_are_looked_at_more_often_than_an_hour() {
    assert_eq!(terms(&met(termination())).policy.pace.max, Duration::from_secs(15));
    assert_eq!(terms(&met(interruption())).policy.pace.max, Duration::from_secs(5));
    let mut slow = policy();
    slow.pace.min = Duration::from_secs(8);
    assert_eq!(
        Terms::of(&met(interruption()), slow, &Budget::endless()).policy.pace.max,
        Duration::from_secs(8),
        "never less than the shortest"
    );
}

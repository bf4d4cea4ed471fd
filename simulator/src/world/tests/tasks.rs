//! The way of a task.

use super::*;

fn load_balanced(stop_task_waits_for_deregistration: bool) -> (World, String) {
    let mut world = world();
    host(&mut world, "i-1");
    let spec = ServiceSpec {
        deregistration: Some(seconds(30)),
        stop_time: seconds(5),
        stop_task_waits_for_deregistration,
        ..service("web", 1)
    };
    let tasks = world.add_service_with_tasks_on(spec, "i-1").unwrap();
    (world, tasks[0].clone())
}

#[test]
fn a_task_that_got_sigterm_is_counted_nowhere_while_it_still_runs() {
    let mut world = world();
    host(&mut world, "i-1");
    let task = world.run_task(job("i-1")).unwrap();
    assert_eq!(counts(&world, "i-1"), (1, 0));
    stop(&mut world, &task);
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running]);
    assert_eq!(world.task(&task).unwrap().desired_status, DesiredStatus::Stopped);
    assert_eq!(counts(&world, "i-1"), (0, 0));
    assert!(list_tasks(&mut world, "i-1", "RUNNING").is_empty());
    assert_eq!(list_tasks(&mut world, "i-1", "STOPPED").len(), 1);
}

#[test]
fn a_task_takes_its_stop_time_and_at_most_its_stop_timeout() {
    for (stop_time, stop_timeout, takes) in [(3, 30, 3), (90, 30, 30)] {
        let mut world = world();
        host(&mut world, "i-1");
        let task = TaskSpec { stop_time: seconds(stop_time), stop_timeout: seconds(stop_timeout), ..job("i-1") };
        let task = world.run_task(task).unwrap();
        stop(&mut world, &task);
        world.advance(at(3600));
        let stopped = world.last_stopped_at("i-1").unwrap();
        assert_eq!(stopped, at(takes) + world.settings().deprovisioning);
    }
}

#[test]
fn a_new_task_goes_through_every_status_of_its_start() {
    let mut world = world();
    host(&mut world, "i-1");
    let starting = TaskSpec { start_time: seconds(8), ..job("i-1") };
    world.run_task(starting).unwrap();
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Provisioning]);
    assert_eq!(counts(&world, "i-1"), (0, 1));
    world.advance(at(2));
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Pending]);
    world.advance(at(8));
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running]);
    assert_eq!(counts(&world, "i-1"), (1, 0));
}

#[test]
fn a_load_balanced_task_activates_before_it_runs_and_deregisters_before_it_stops() {
    let (mut world, task) = load_balanced(true);
    stop(&mut world, &task);
    let seen = |world: &World| world.task(&task).unwrap().last_status;
    assert_eq!(seen(&world), LastStatus::Deactivating);
    world.advance(at(30));
    assert_eq!(seen(&world), LastStatus::Stopping, "documented, and not recorded");
    world.advance(at(35));
    assert_eq!(seen(&world), LastStatus::Deprovisioning);
    world.advance(at(36));
    assert_eq!(seen(&world), LastStatus::Stopped);
    let activated = world.task_changes_since(0).iter().any(|change| change.to == LastStatus::Activating);
    assert!(activated, "its replacement");
}

#[test]
fn stop_task_may_skip_the_deregistration() {
    let (mut world, task) = load_balanced(false);
    stop(&mut world, &task);
    assert_eq!(world.task(&task).unwrap().last_status, LastStatus::Running);
    world.advance(at(6));
    assert_eq!(world.task(&task).unwrap().last_status, LastStatus::Stopped);
}

#[test]
fn a_pending_task_stops_without_having_run() {
    let mut world = world();
    host(&mut world, "i-1");
    let starting = TaskSpec { start_time: seconds(60), ..job("i-1") };
    let task = world.run_task(starting).unwrap();
    stop(&mut world, &task);
    world.advance(at(1));
    let task = world.task(&task).unwrap();
    assert_eq!(task.last_status, LastStatus::Stopped);
    assert_eq!((task.started_at, task.execution_stopped_at), (None, None), "nothing of it ran");
}

#[test]
fn a_job_ends_by_itself() {
    let mut world = world();
    host(&mut world, "i-1");
    let short = TaskSpec { finishes_after: Some(seconds(20)), ..job("i-1") };
    let task = world.run_task(short).unwrap();
    assert_eq!(world.next_change(), Some(at(20)));
    world.advance(at(21));
    let task = world.task(&task).unwrap();
    assert_eq!(task.last_status, LastStatus::Stopped);
    assert_eq!(task.stop_code.as_deref(), Some("EssentialContainerExited"));
}

#[test]
fn stopped_tasks_stay_listed_for_an_hour() {
    let mut world = world();
    host(&mut world, "i-1");
    let task = world.run_task(job("i-1")).unwrap();
    stop(&mut world, &task);
    world.advance(at(3600));
    assert_eq!(list_tasks(&mut world, "i-1", "STOPPED").len(), 1);
    world.advance(at(3602));
    assert!(list_tasks(&mut world, "i-1", "STOPPED").is_empty());
    assert!(world.task(&task).is_none());
}

#[test]
fn nothing_moves_while_the_agent_is_disconnected() {
    let mut world = world();
    host(&mut world, "i-1");
    let task = world.run_task(job("i-1")).unwrap();
    world.set_agent_connected("i-1", false).unwrap();
    stop(&mut world, &task);
    world.advance(at(600));
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running]);
    assert_eq!(counts(&world, "i-1"), (0, 0), "desired is STOPPED");
    world.set_agent_connected("i-1", true).unwrap();
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running], "it gets SIGTERM only now");
    world.advance(at(600) + Duration::from_millis(999));
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running]);
    world.advance(at(602));
    assert_eq!(world.unstopped_on("i-1"), 0);
}

#[test]
fn a_task_may_take_for_ever() {
    let mut world = world();
    host(&mut world, "i-1");
    let stubborn = TaskSpec { stop_time: Duration::MAX, stop_timeout: Duration::MAX, ..job("i-1") };
    let task = world.run_task(stubborn).unwrap();
    stop(&mut world, &task);
    world.advance(at(864_000));
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running]);
}

fn slow() -> Settings {
    Settings { deprovisioning: seconds(25), exit_noticed_after: seconds(10), ..Settings::default() }
}

/// A world with one host and one job on it.
fn with_job(settings: Settings, job: TaskSpec) -> (World, String) {
    let mut world = world_with(settings, Vec::new());
    host(&mut world, "i-1");
    let task = world.run_task(job).unwrap();
    (world, task)
}

/// `lastStatus`, and the time of `executionStoppedAt` and `stoppedAt` in seconds.
fn seen(world: &World, task: &str) -> (LastStatus, Option<f64>, Option<f64>) {
    let task = world.task(task).unwrap();
    let seconds = |at: Option<Timestamp>| at.map(|at| at.duration_since(START).as_secs_f64());
    (task.last_status, seconds(task.execution_stopped_at), seconds(task.stopped_at))
}

#[test]
fn a_task_that_is_told_to_stop_runs_until_its_containers_end_and_is_deprovisioned_then() {
    let (mut world, task) = with_job(slow(), TaskSpec { stop_time: seconds(20), ..job("i-1") });
    let version = world.task(&task).unwrap().version;
    stop(&mut world, &task);
    let told = world.task(&task).unwrap();
    assert_eq!((told.version, told.stopping_at), (version + 1, Some(START)));
    world.advance(at(19));
    assert_eq!(seen(&world, &task), (LastStatus::Running, None, None));
    world.advance(at(20));
    assert_eq!(seen(&world, &task), (LastStatus::Deprovisioning, Some(20.0), None));
    world.advance(at(60));
    assert_eq!(seen(&world, &task), (LastStatus::Stopped, Some(20.0), Some(45.0)));
    assert_eq!(world.task(&task).unwrap().stopping_takes(), seconds(45));
}

#[test]
fn a_pending_task_stays_pending_until_its_containers_have_ended() {
    let (mut world, task) = with_job(slow(), TaskSpec { start_time: seconds(60), ..job("i-1") });
    world.advance(at(20));
    stop(&mut world, &task);
    assert_eq!(seen(&world, &task), (LastStatus::Pending, None, None));
    assert_eq!(list_tasks(&mut world, "i-1", "RUNNING").len(), 0);
    world.advance(at(22));
    assert_eq!(seen(&world, &task), (LastStatus::Deprovisioning, Some(21.0), None));
}

#[test]
fn the_end_of_an_essential_container_is_told_ten_seconds_before_anything_follows() {
    let (mut world, task) = with_job(slow(), TaskSpec { finishes_after: Some(seconds(5)), ..job("i-1") });
    world.advance(at(14));
    assert_eq!(seen(&world, &task), (LastStatus::Running, Some(5.0), None));
    let running = world.task(&task).unwrap();
    assert_eq!((running.desired_status, running.stopping_at), (DesiredStatus::Running, None));
    world.advance(at(15));
    assert_eq!(seen(&world, &task), (LastStatus::Deprovisioning, Some(5.0), None));
    let ended = world.task(&task).unwrap();
    assert_eq!((ended.desired_status, ended.stopping_at), (DesiredStatus::Stopped, Some(at(15))));
    assert_eq!(ended.stop_code.as_deref(), Some("EssentialContainerExited"));
    world.advance(at(60));
    assert_eq!(seen(&world, &task).2, Some(40.0));
}

#[test]
fn what_has_ended_already_is_not_waited_for_when_it_is_told_to_stop() {
    let job = TaskSpec { finishes_after: Some(seconds(5)), stop_time: seconds(20), ..job("i-1") };
    let (mut world, task) = with_job(slow(), job);
    world.advance(at(7));
    stop(&mut world, &task);
    assert_eq!(seen(&world, &task), (LastStatus::Deprovisioning, Some(5.0), None));
}

#[test]
fn a_second_stop_task_is_answered_and_keeps_the_first_reason() {
    let (mut world, task) = with_job(slow(), job("i-1"));
    let told = |world: &mut World, reason: &str| {
        let stop =
            EcsRequest::StopTask { cluster: Some(CLUSTER.into()), task: task.clone(), reason: Some(reason.into()) };
        match ask(world, stop) {
            Ok(Response::Task(task)) => (task.stopped_reason.unwrap(), task.version),
            other => panic!("{other:?}"),
        }
    };
    let first = told(&mut world, "first");
    assert_eq!(first.0, "first");
    world.advance(at(1));
    assert_eq!(told(&mut world, "second").0, "first", "while it is deprovisioned");
    world.advance(at(60));
    assert_eq!(told(&mut world, "third").0, "first", "when it is STOPPED");
}

#[test]
fn what_is_deprovisioned_does_not_die_with_its_host() {
    for (seconds_later, killed) in [(19, 1), (20, 0)] {
        let (mut world, task) = with_job(slow(), TaskSpec { stop_time: seconds(20), ..job("i-1") });
        stop(&mut world, &task);
        world.advance(at(seconds_later));
        world.power_off("i-1").unwrap();
        assert_eq!(world.killed().len(), killed, "after {seconds_later} s");
        assert_eq!(world.task(&task).unwrap().ending_takes(), seconds(20));
    }
}

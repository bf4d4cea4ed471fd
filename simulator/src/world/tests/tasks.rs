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
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Stopping]);
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
        assert_eq!(stopped, at(takes) + DEPROVISIONING);
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
    assert_eq!(seen(&world), LastStatus::Stopping);
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
    assert_eq!(world.task(&task).unwrap().last_status, LastStatus::Stopping);
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
    assert_eq!(task.started_at, None);
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
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Stopping]);
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
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Stopping]);
}

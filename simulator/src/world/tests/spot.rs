//! Spot interruptions.

use super::*;

fn web_that_leaves_slowly(stop_task_waits_for_deregistration: bool) -> ServiceSpec {
    ServiceSpec {
        minimum_healthy_percent: 100,
        maximum_percent: 100,
        deregistration: Some(seconds(20)),
        stop_time: seconds(5),
        stop_task_waits_for_deregistration,
        ..service("web", 1)
    }
}

#[test]
fn two_minutes_after_the_notice_the_power_goes_and_kills_what_still_runs() {
    let mut world = world();
    host(&mut world, "i-1");
    let stopped = world.run_task(job("i-1")).unwrap();
    let runs = world.run_task(job("i-1")).unwrap();
    world.advance(at(10));
    let event = world.interrupt("i-1", SpotAction::Terminate, at(10)).unwrap();
    stop(&mut world, &stopped);
    world.advance(at(129));
    assert!(world.killed().is_empty() && world.host("i-1").unwrap().powered);
    world.advance(at(130));
    let killed: Vec<_> = (world.killed().iter()).map(|killed| (killed.at, killed.task.clone())).collect();
    assert_eq!(killed, [(at(130), world.task(&runs).unwrap().arn.clone())]);
    assert_eq!(event["detail-type"], "EC2 Spot Instance Interruption Warning");
    assert_eq!(event["time"], "1970-01-01T00:00:10Z");
    assert_eq!(event["detail"]["instance-action"], "terminate");
    assert_eq!(event["resources"][0], "arn:aws:ec2:us-west-2a:123456789012:instance/i-1");
}

#[test]
fn a_notice_may_be_older_than_the_present() {
    let mut world = world();
    host(&mut world, "i-1");
    world.advance(at(500));
    world.interrupt("i-1", SpotAction::Stop, at(400)).unwrap();
    world.advance(at(519));
    assert!(world.host("i-1").unwrap().powered);
    world.advance(at(520));
    assert!(!world.host("i-1").unwrap().powered);
    assert!(world.interrupt("i-1", SpotAction::Stop, at(520)).is_err(), "it is gone");
}

#[test]
fn a_hook_does_not_hold_the_power() {
    let mut world = world();
    host(&mut world, "i-1");
    world.run_task(job("i-1")).unwrap();
    world.interrupt("i-1", SpotAction::Terminate, at(0)).unwrap();
    world.scale_in("i-1", at(30)).unwrap();
    world.advance(at(120));
    assert_eq!(world.killed().len(), 1);
    assert_eq!(world.host("i-1").unwrap().waits_on().count(), 0);
    world.advance(at(1_000));
    assert!(world.hook_timeouts().is_empty() && world.killed().len() == 1);
}

#[test]
fn one_that_hibernates_freezes_at_once_and_kills_nothing() {
    let mut world = world();
    host(&mut world, "i-1");
    let task = world.run_task(job("i-1")).unwrap();
    world.interrupt("i-1", SpotAction::Hibernate, at(0)).unwrap();
    stop(&mut world, &task);
    world.advance(at(1_000));
    assert!(world.killed().is_empty());
    assert_eq!(statuses(&world, "i-1"), [LastStatus::Running], "nothing moves");
}

#[test]
fn a_load_balanced_task_may_or_may_not_be_deregistered_before_stop_task_stops_it() {
    for (waits, killed) in [(true, 1), (false, 0)] {
        let mut world = world();
        host(&mut world, "i-1");
        let tasks = world.add_service_with_tasks_on(web_that_leaves_slowly(waits), "i-1").unwrap();
        world.interrupt("i-1", SpotAction::Terminate, at(0)).unwrap();
        world.set_status("i-1", "DRAINING").unwrap();
        world.advance(at(110));
        stop(&mut world, &tasks[0]);
        world.advance(at(120));
        assert_eq!(world.killed().len(), killed, "StopTask waits for deregistration: {waits}");
    }
}

#[test]
fn a_recommendation_changes_nothing() {
    let mut world = world();
    host(&mut world, "i-1");
    let event = world.recommend_rebalance("i-1").unwrap();
    world.advance(at(1_000));
    assert!(world.host("i-1").unwrap().powered);
    assert_eq!((&event["source"], &event["detail"]["instance-id"]), (&"aws.ec2".into(), &"i-1".into()));
}

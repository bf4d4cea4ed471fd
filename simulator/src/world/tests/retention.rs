//! Groups that retain an instance whose termination is abandoned.

use super::*;

fn retaining(default_result: ActionResult) -> World {
    let hooks = vec![HookSpec { default_result, ..HookSpec::terminating("ours", seconds(60)) }];
    let mut world = world_of(GroupSpec { hooks, retains_on_abandon: true, ..GroupSpec::default() });
    host(&mut world, "i-1");
    world
}

fn token(events: &[Value]) -> String {
    events[0]["detail"]["LifecycleActionToken"].as_str().unwrap().to_owned()
}

#[test]
fn abandon_keeps_the_instance_and_no_action_is_open() {
    let mut world = retaining(ActionResult::Continue);
    let task = world.run_task(job("i-1")).unwrap();
    world.scale_in("i-1", START).unwrap();
    world.advance(at(5));
    ask(&mut world, complete("ours", "i-1", "ABANDON")).unwrap();
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Wait"), "for a moment");
    assert_eq!(states_until(&mut world, "i-1", at_ms(5_200)), ["Terminating:Wait", "Terminating:Retained"]);
    world.advance(at(1000));
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Retained"));
    assert!(world.host("i-1").unwrap().powered && world.killed().is_empty());
    assert_eq!(world.task(&task).unwrap().last_status, LastStatus::Running);
    assert_eq!(world.host("i-1").unwrap().waits_on().count(), 0);
    let error = refusal(&mut world, heartbeat("ours", "i-1"));
    assert_eq!(error.message, "No active Lifecycle Action found with instance ID i-1");
    assert_eq!(world.releases()[0].leads_to, "Terminating:Retained");
    assert!(world.scale_in("i-1", at(1000)).is_err(), "it is not in service");
}

#[test]
fn continue_terminates_and_so_does_a_time_out_with_continue() {
    for completed in [true, false] {
        let mut world = retaining(ActionResult::Continue);
        world.scale_in("i-1", START).unwrap();
        if completed {
            ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
        }
        world.advance(at(62));
        assert_eq!(world.lifecycle_state("i-1"), None);
    }
}

#[test]
fn a_time_out_with_abandon_keeps_it_too() {
    let mut world = retaining(ActionResult::Abandon);
    world.scale_in("i-1", START).unwrap();
    world.advance(at(61));
    assert_eq!(world.hook_timeouts()[0].result, ActionResult::Abandon);
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Retained"));
    world.advance(at(2000));
    assert!(world.host("i-1").unwrap().powered);
}

#[test]
fn who_releases_it_begins_a_new_action() {
    let mut world = retaining(ActionResult::Continue);
    let first = token(&world.scale_in("i-1", START).unwrap());
    assert!(world.release_retained("i-1", at(1)).is_err(), "it waits");
    ask(&mut world, complete("ours", "i-1", "ABANDON")).unwrap();
    let events = world.release_retained("i-1", at(10)).unwrap();
    assert_ne!(token(&events), first);
    assert_eq!(events[0]["time"], "1970-01-01T00:00:10Z");
    assert_eq!(events[0]["detail"]["Origin"], "AutoScalingGroup");
    assert_eq!(states_until(&mut world, "i-1", at(11)), ["Terminating", "Terminating:Wait"]);
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    assert_eq!(states_until(&mut world, "i-1", at(13)), ["Terminating:Proceed", "-"]);
}

#[test]
fn a_way_into_the_warm_pool_is_retained_there() {
    let pool = WarmPoolSpec { state: WarmPoolState::Running, reuse_on_scale_in: true };
    let hooks = vec![HookSpec::terminating("ours", seconds(60))];
    let spec = GroupSpec { hooks, retains_on_abandon: true, warm_pool: Some(pool), ..GroupSpec::default() };
    let mut world = world_of(spec);
    host(&mut world, "i-1");
    world.return_to_warm_pool("i-1", START).unwrap();
    world.advance(at(1));
    ask(&mut world, complete("ours", "i-1", "ABANDON")).unwrap();
    world.advance(at(2));
    assert_eq!(world.lifecycle_state("i-1"), Some("Warmed:Pending:Retained"));
    let events = world.release_retained("i-1", at(3)).unwrap();
    assert_eq!(events[0]["detail"]["Origin"], "WarmPool");
    world.advance(at(4));
    assert_eq!(world.lifecycle_state("i-1"), Some("Warmed:Terminating:Wait"));
    ask(&mut world, complete("ours", "i-1", "ABANDON")).unwrap();
    world.advance(at(5));
    assert_eq!(world.lifecycle_state("i-1"), Some("Warmed:Terminating:Retained"));
}

#[test]
fn a_group_says_whether_it_retains() {
    for (mut world, says) in [(retaining(ActionResult::Continue), "retain"), (world(), "terminate")] {
        let request =
            AutoScalingRequest::DescribeAutoScalingGroups { names: Vec::new(), max_records: None, next_token: None };
        let Ok(Response::AutoScalingGroups { groups, .. }) = ask(&mut world, request) else { panic!("not groups") };
        assert_eq!(groups[0].terminate_hook_abandon, says);
    }
}

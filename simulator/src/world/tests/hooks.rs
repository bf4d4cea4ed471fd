//! Lifecycle hooks.

use super::*;

fn two_hooks() -> World {
    let hooks = vec![
        HookSpec::terminating("ours", seconds(300)),
        HookSpec { default_result: ActionResult::Abandon, ..HookSpec::terminating("theirs", seconds(1000)) },
    ];
    let mut world = world_with(Settings::default(), hooks);
    host(&mut world, "i-1");
    world
}

#[test]
fn an_event_says_what_auto_scaling_says() {
    let hook = HookSpec {
        notification_metadata: Some("additional-info".to_owned()),
        ..HookSpec::terminating("ours", seconds(300))
    };
    let mut world = world_with(Settings::default(), vec![hook]);
    host(&mut world, "i-1");
    let events = world.scale_in("i-1", at(5)).unwrap();
    let [event] = events.as_slice() else {
        panic!("one event for one hook");
    };
    assert_eq!(event["time"], "1970-01-01T00:00:05Z");
    assert_eq!(event["account"], "123456789012");
    let arn = event["resources"][0].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:autoscaling:us-west-2:123456789012:autoScalingGroup:"));
    assert!(arn.ends_with(":autoScalingGroupName/my-asg"));
    let mut detail = event["detail"].clone();
    let token = detail["LifecycleActionToken"].take();
    assert_eq!(token.as_str().unwrap().len(), 36);
    assert_eq!(
        detail,
        serde_json::json!({
            "LifecycleActionToken": null,
            "AutoScalingGroupName": "my-asg",
            "LifecycleHookName": "ours",
            "EC2InstanceId": "i-1",
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
            "NotificationMetadata": "additional-info",
            "Origin": "AutoScalingGroup",
            "Destination": "EC2",
            "Action": "Terminate",
        })
    );
}

#[test]
fn continue_ends_one_action_and_the_last_one_lets_the_host_go() {
    let mut world = two_hooks();
    assert_eq!(world.scale_in("i-1", START).unwrap().len(), 2);
    world.run_task(job("i-1")).unwrap();
    world.advance(at(1));
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Wait"));
    ask(&mut world, complete("theirs", "i-1", "CONTINUE")).unwrap();
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Proceed"));
    world.advance(at(2));
    assert_eq!(world.lifecycle_state("i-1"), None);
    assert_eq!(world.releases().len(), 2);
    assert_eq!(world.releases()[0].unstopped.len(), 1);
    assert!(world.hook_timeouts().is_empty());
}

#[test]
fn abandon_ends_every_action() {
    let mut world = two_hooks();
    world.scale_in("i-1", START).unwrap();
    ask(&mut world, complete("ours", "i-1", "ABANDON")).unwrap();
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Proceed"));
    let error = refusal(&mut world, complete("theirs", "i-1", "CONTINUE"));
    assert_eq!(error.code, "ValidationError");
}

#[test]
fn an_action_without_heartbeat_times_out_with_its_default_result() {
    let mut world = two_hooks();
    world.scale_in("i-1", START).unwrap();
    world.advance(at(300));
    let timeout = &world.hook_timeouts()[0];
    assert_eq!((timeout.at, timeout.hook.as_str()), (at(300), "ours"));
    assert_eq!(timeout.result, ActionResult::Continue);
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Wait"));
    world.advance(at(1000));
    assert_eq!(world.hook_timeouts()[1].result, ActionResult::Abandon);
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Proceed"));
}

#[test]
fn a_heartbeat_restarts_the_timeout_but_not_beyond_the_global_limit() {
    let mut world = world_with(Settings::default(), vec![HookSpec::terminating("ours", seconds(30))]);
    host(&mut world, "i-1");
    world.scale_in("i-1", START).unwrap();
    for n in 1..150 {
        world.advance(at(n * 20));
        ask(&mut world, heartbeat("ours", "i-1")).unwrap();
    }
    world.advance(at(4000));
    assert_eq!(world.hook_timeouts()[0].at, at(3000));
}

#[test]
fn what_is_over_or_unknown_is_refused() {
    let mut world = two_hooks();
    let none = "No active Lifecycle Action found with instance ID i-1";
    let error = refusal(&mut world, heartbeat("ours", "i-1"));
    assert_eq!((error.code.as_str(), error.message.as_str()), ("ValidationError", none));
    world.scale_in("i-1", START).unwrap();
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    let again = refusal(&mut world, complete("ours", "i-1", "CONTINUE"));
    assert_eq!(again.message, none);
    let unknown_hook = refusal(&mut world, complete("unknown", "i-1", "CONTINUE"));
    assert_eq!(unknown_hook.message, none);
    let unknown_result = refusal(&mut world, complete("theirs", "i-1", "PROCEED"));
    assert_eq!(unknown_result.code, "ValidationError");
    let unknown_group = refusal(
        &mut world,
        AutoScalingRequest::DescribeLifecycleHooks { group: "lost".to_owned(), hook_names: Vec::new() },
    );
    assert!(unknown_group.message.contains("'lost' not found"));
    assert_eq!(world.releases().len(), 1);
}

#[test]
fn an_action_is_found_by_its_token_and_not_by_a_wrong_one() {
    let mut world = two_hooks();
    let events = world.scale_in("i-1", START).unwrap();
    let token = events[0]["detail"]["LifecycleActionToken"].as_str();
    let with = |token: Option<&str>| AutoScalingRequest::CompleteLifecycleAction {
        group: GROUP.to_owned(),
        hook: "ours".to_owned(),
        instance_id: None,
        token: token.map(str::to_owned),
        result: "CONTINUE".to_owned(),
    };
    let wrong = refusal(&mut world, with(Some("other")));
    assert!(wrong.message.contains("with token other"));
    assert_eq!(refusal(&mut world, with(None)).code, "ValidationError");
    ask(&mut world, with(token)).unwrap();
}

#[test]
fn without_a_termination_hook_nothing_waits() {
    let launch = HookSpec { transition: Transition::Launching, ..HookSpec::terminating("boot", seconds(300)) };
    let mut world = world_with(Settings::default(), vec![launch]);
    host(&mut world, "i-1");
    assert!(world.scale_in("i-1", START).unwrap().is_empty());
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating"));
    assert_eq!(world.scale_in("i-1", START), Err(WorldError::Terminating("i-1".to_owned())));
}

#[test]
fn a_host_that_dies_takes_its_actions_with_it() {
    let mut world = two_hooks();
    world.scale_in("i-1", START).unwrap();
    world.power_off("i-1").unwrap();
    world.advance(at(5000));
    assert!(world.hook_timeouts().is_empty());
    refusal(&mut world, heartbeat("ours", "i-1"));
}

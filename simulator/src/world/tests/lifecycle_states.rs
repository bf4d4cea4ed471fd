//! The states of an instance that leaves, in their order.

use super::*;

fn with_hooks(hooks: Vec<HookSpec>) -> World {
    let mut world = world_with(Settings::default(), hooks);
    host(&mut world, "i-1");
    world
}

fn ours() -> HookSpec {
    HookSpec::terminating("ours", seconds(300))
}

#[test]
fn a_termination_reads_terminating_before_it_waits_and_proceeds_after_its_hook_only() {
    let mut world = world();
    host(&mut world, "i-1");
    world.scale_in("i-1", START).unwrap();
    world.advance(at_ms(399));
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating"));
    world.advance(at_ms(400));
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Wait"));
    world.advance(at(20));
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    let rest = states_until(&mut world, "i-1", at(30));
    assert_eq!(rest, ["Terminating:Proceed", "-"]);
}

#[test]
fn the_time_before_it_waits_is_a_setting() {
    let settings = Settings { wait_begins_after: Duration::ZERO, ..Settings::default() };
    let mut world = world_with(settings, vec![ours()]);
    host(&mut world, "i-1");
    world.scale_in("i-1", START).unwrap();
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Wait"));
}

#[test]
fn without_a_hook_it_reads_terminating_until_it_is_gone() {
    let mut world = with_hooks(Vec::new());
    world.scale_in("i-1", START).unwrap();
    assert_eq!(states_until(&mut world, "i-1", at(2)), ["Terminating", "-"]);
}

#[test]
fn an_action_begins_with_the_activity_and_can_be_completed_before_the_state_tells_of_it() {
    let mut world = with_hooks(vec![HookSpec::terminating("ours", seconds(30))]);
    world.scale_in("i-1", START).unwrap();
    assert_eq!(world.host("i-1").unwrap().waits_on().collect::<Vec<_>>(), ["ours"]);
    ask(&mut world, heartbeat("ours", "i-1")).unwrap();
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    assert_eq!(states_until(&mut world, "i-1", at(2)), ["Terminating:Proceed", "-"]);
    assert_eq!(world.releases()[0].at, START);
}

#[test]
fn a_time_out_counts_from_the_begin_of_the_action_and_not_from_the_state() {
    let mut world = with_hooks(vec![HookSpec::terminating("ours", seconds(30))]);
    world.scale_in("i-1", START).unwrap();
    world.advance(at(40));
    assert_eq!(world.hook_timeouts()[0].at, at(30));
}

#[test]
fn a_hook_whose_target_is_gone_does_not_wait_and_others_do() {
    let target = Some("arn:aws:sqs:us-west-2:123456789012:lost".to_owned());
    let deaf = HookSpec { notification_target: target, target_is_gone: true, ..ours() };
    let mut world = with_hooks(vec![deaf.clone()]);
    world.run_task(job("i-1")).unwrap();
    assert!(world.scale_in("i-1", START).unwrap().is_empty());
    assert_eq!(states_until(&mut world, "i-1", at(2)), ["Terminating", "-"]);
    assert_eq!(world.killed().len(), 1);
    let mut world = with_hooks(vec![deaf, HookSpec::terminating("theirs", seconds(300))]);
    assert_eq!(world.scale_in("i-1", START).unwrap().len(), 1);
    assert_eq!(states_until(&mut world, "i-1", at(2)), ["Terminating", "Terminating:Wait"]);
}

#[test]
fn a_deleted_group_has_no_actions_and_its_instances_are_terminated() {
    let mut world = with_hooks(vec![ours()]);
    host(&mut world, "i-2");
    world.scale_in("i-1", START).unwrap();
    world.delete_group(GROUP, at(5)).unwrap();
    for request in [heartbeat("ours", "i-1"), complete("ours", "i-1", "CONTINUE")] {
        let error = refusal(&mut world, request);
        assert_eq!((error.code.as_str(), error.status), ("ValidationError", 400));
        assert_eq!(error.message, "No active Lifecycle Action found with instance ID i-1");
    }
    let hooks = AutoScalingRequest::DescribeLifecycleHooks { group: GROUP.to_owned(), hook_names: Vec::new() };
    assert!(refusal(&mut world, hooks).message.starts_with("AutoScalingGroup name not found"));
    assert_eq!(states_until(&mut world, "i-1", at(7)), ["Terminating:Proceed", "-"]);
    assert_eq!(world.lifecycle_state("i-2"), None);
    assert!(world.releases().is_empty() && world.hook_timeouts().is_empty());
    assert_eq!(world.delete_group(GROUP, at(8)), Err(unknown("group", GROUP)));
}

#[test]
fn an_instance_that_is_gone_has_no_action() {
    let mut world = with_hooks(vec![ours()]);
    world.scale_in("i-1", START).unwrap();
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    world.advance(at(10));
    let error = refusal(&mut world, heartbeat("ours", "i-1"));
    assert_eq!(error.message, "No active Lifecycle Action found with instance ID i-1");
}

#[test]
fn a_release_says_what_it_leads_to() {
    let mut world = with_hooks(vec![ours()]);
    world.scale_in("i-1", START).unwrap();
    ask(&mut world, complete("ours", "i-1", "ABANDON")).unwrap();
    let release = &world.releases()[0];
    assert_eq!((release.result, release.destination), (ActionResult::Abandon, "EC2"));
    assert_eq!(release.leads_to, "Terminating:Proceed");
}

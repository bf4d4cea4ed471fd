//! Lifecycle hooks that are put and deleted.

use super::*;

/// What PutLifecycleHook is asked, for the hook `new`.
#[derive(Default)]
struct Put<'a> {
    transition: Option<&'a str>,
    timeout: Option<i32>,
    result: Option<&'a str>,
    metadata: Option<&'a str>,
}

const TERMINATING: Option<&str> = Some("autoscaling:EC2_INSTANCE_TERMINATING");

fn put(hook: &str, put: &Put<'_>) -> Request {
    Request::PutLifecycleHook {
        group: GROUP.to_owned(),
        hook: hook.to_owned(),
        transition: put.transition.map(str::to_owned),
        heartbeat_timeout: put.timeout,
        default_result: put.result.map(str::to_owned),
        notification_metadata: put.metadata.map(str::to_owned),
    }
}

fn delete(group: &str, hook: &str) -> Request {
    Request::DeleteLifecycleHook { group: group.to_owned(), hook: hook.to_owned() }
}

fn hook(world: &World, name: &str) -> HookSpec {
    world.hook(GROUP, name).unwrap()
}

#[test]
fn a_new_hook_has_defaults_and_an_update_keeps_what_it_leaves_out() {
    let mut world = world();
    ask(&mut world, put("new", &Put { transition: TERMINATING, ..Put::default() })).unwrap();
    let made = hook(&world, "new");
    assert_eq!((made.transition, made.heartbeat_timeout), (Transition::Terminating, seconds(3600)));
    assert_eq!((made.default_result, made.notification_metadata), (ActionResult::Abandon, None));
    let all = Put { timeout: Some(30), result: Some("CONTINUE"), metadata: Some("{}"), ..Put::default() };
    ask(&mut world, put("new", &all)).unwrap();
    ask(&mut world, put("new", &Put { timeout: Some(7200), ..Put::default() })).unwrap();
    let updated = hook(&world, "new");
    assert_eq!((updated.transition, updated.heartbeat_timeout), (Transition::Terminating, seconds(7200)));
    assert_eq!(updated.default_result, ActionResult::Continue);
    assert_eq!(updated.notification_metadata.as_deref(), Some("{}"));
}

#[test]
fn a_hook_that_was_put_holds_the_next_termination() {
    let mut world = world_with(Settings::default(), Vec::new());
    host(&mut world, "i-1");
    ask(&mut world, put("new", &Put { transition: TERMINATING, ..Put::default() })).unwrap();
    assert_eq!(world.scale_in("i-1", START).unwrap().len(), 1);
    world.advance(at(1));
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Wait"));
}

#[test]
fn what_a_hook_cannot_have_is_refused() {
    let mut world = world();
    let with = |change: Put<'static>| put("new", &Put { transition: change.transition.or(TERMINATING), ..change });
    let long = "x".repeat(4001);
    let too_long = Put { transition: TERMINATING, metadata: Some(&long), ..Put::default() };
    for request in [
        put("new", &Put::default()),
        put("a b", &Put { transition: TERMINATING, ..Put::default() }),
        put("", &Put { transition: TERMINATING, ..Put::default() }),
        put(&long, &Put { transition: TERMINATING, ..Put::default() }),
        put("new", &too_long),
        with(Put { transition: Some("autoscaling:TEST_NOTIFICATION"), ..Put::default() }),
        with(Put { timeout: Some(29), ..Put::default() }),
        with(Put { timeout: Some(7201), ..Put::default() }),
        with(Put { timeout: Some(-30), ..Put::default() }),
        with(Put { result: Some("continue"), ..Put::default() }),
        with(Put { metadata: Some(""), ..Put::default() }),
        with(Put { metadata: Some("\u{e9}"), ..Put::default() }),
        delete(GROUP, "new"),
        delete("lost", "ours"),
    ] {
        assert_eq!(refusal(&mut world, request.clone()).code, "ValidationError", "{request:?}");
    }
    assert!(world.hook(GROUP, "new").is_none() && world.hook(GROUP, "ours").is_some(), "nothing was done");
}

#[test]
fn a_group_has_fifty_hooks_at_most() {
    let mut world = world();
    let new = Put { transition: TERMINATING, ..Put::default() };
    for number in 1..50 {
        ask(&mut world, put(&format!("hook-{number}"), &new)).unwrap();
    }
    assert_eq!(refusal(&mut world, put("one-more", &new)).code, "LimitExceeded");
    ask(&mut world, put("ours", &new)).unwrap();
}

#[test]
fn who_waits_on_a_deleted_hook_goes_on() {
    let hooks = ["ours", "theirs"].map(|name| HookSpec::terminating(name, seconds(300)));
    let mut world = world_with(Settings::default(), hooks.to_vec());
    host(&mut world, "i-1");
    host(&mut world, "i-2");
    world.scale_in("i-1", START).unwrap();
    world.advance(at(1));
    ask(&mut world, delete(GROUP, "theirs")).unwrap();
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Wait"), "for the other hook");
    ask(&mut world, delete(GROUP, "ours")).unwrap();
    assert_eq!(world.lifecycle_state("i-1"), Some("Terminating:Proceed"));
    assert_eq!(world.lifecycle_state("i-2"), Some("InService"));
    world.advance(at(600));
    assert!(world.hook_timeouts().is_empty() && world.releases().is_empty());
}

#[test]
fn a_launch_that_waits_on_a_deleted_hook_is_abandoned() {
    let hooks = vec![HookSpec { transition: Transition::Launching, ..HookSpec::terminating("boot", seconds(300)) }];
    let warm_pool = Some(WarmPoolSpec { state: WarmPoolState::Stopped, reuse_on_scale_in: false });
    let mut world = world_of(GroupSpec { hooks, warm_pool, ..GroupSpec::default() });
    world.launch_into_warm_pool("i-9", GROUP, START).unwrap();
    world.advance(at(1));
    ask(&mut world, delete(GROUP, "boot")).unwrap();
    assert_eq!(states_until(&mut world, "i-9", at(3)), ["Warmed:Terminating", "-"]);
}

//! Lifecycle hooks that are deleted.

use super::*;

fn delete(group: &str, hook: &str) -> AutoScalingRequest {
    AutoScalingRequest::DeleteLifecycleHook { group: group.to_owned(), hook: hook.to_owned() }
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

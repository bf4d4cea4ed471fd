//! What raises the version of a container instance and of a task: every change that ECS tells of.

use super::*;

fn version(world: &World) -> i64 {
    registration(world, "i-1").version
}

/// What `change` adds to the version of the container instance.
fn raises(world: &mut World, change: impl FnOnce(&mut World)) -> i64 {
    let before = version(world);
    change(world);
    version(world) - before
}

#[test]
fn each_change_of_a_host_raises_its_version_by_one() {
    let mut world = world();
    host(&mut world, "i-1");
    assert_eq!(raises(&mut world, |world| drain(world, "i-1")), 1);
    assert_eq!(raises(&mut world, |world| drain(world, "i-1")), 0, "it was DRAINING before");
    for connected in [false, true] {
        assert_eq!(raises(&mut world, |world| world.set_agent_connected("i-1", connected).unwrap()), 1);
    }
    assert_eq!(raises(&mut world, |world| world.set_agent_connected("i-1", true).unwrap()), 0);
    assert_eq!(raises(&mut world, |world| world.deregister("i-1").unwrap()), 1);
}

#[test]
fn each_change_of_what_a_host_runs_raises_its_version() {
    let mut world = world();
    host(&mut world, "i-1");
    let mut task = String::new();
    let slow = TaskSpec { start_time: seconds(8), ..job("i-1") };
    assert!(raises(&mut world, |world| task = world.run_task(slow).unwrap()) > 0, "placed: one more is pending");
    assert!(raises(&mut world, |world| world.advance(at(9))) > 0, "one less is pending, one more is running");
    assert!(raises(&mut world, |world| stop(world, &task)) > 0, "one less is running");
    assert!(raises(&mut world, |world| world.advance(at(60))) > 0, "it is STOPPED, and its resources are free");
    assert_eq!(raises(&mut world, |world| world.advance(at(120))), 0);
}

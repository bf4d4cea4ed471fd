//! Root volumes that an instance refresh replaces.

use super::*;

fn replacing() -> World {
    let mut world = world();
    host(&mut world, "i-1");
    world.replace_root_volume("i-1", START).unwrap();
    world
}

#[test]
fn it_waits_and_comes_back_into_service() {
    let mut world = replacing();
    assert_eq!(states_until(&mut world, "i-1", at(1)), ["ReplacingRootVolume", "ReplacingRootVolume:Wait"]);
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    let rest = states_until(&mut world, "i-1", at(5));
    assert_eq!(rest, ["ReplacingRootVolume:Proceed", "RootVolumeReplaced", "InService"]);
    let release = &world.releases()[0];
    assert_eq!((release.destination, release.leads_to), ("AutoScalingGroup", "ReplacingRootVolume:Proceed"));
    assert!(world.host("i-1").unwrap().powered);
    world.scale_in("i-1", at(6)).unwrap();
}

#[test]
fn without_a_hook_nothing_waits() {
    let mut world = world_with(Settings::default(), Vec::new());
    host(&mut world, "i-1");
    assert!(world.replace_root_volume("i-1", START).unwrap().is_empty());
    let states = states_until(&mut world, "i-1", at(3));
    assert_eq!(states, ["ReplacingRootVolume", "RootVolumeReplaced", "InService"]);
}

#[test]
fn the_host_registers_anew_and_the_old_registration_stays_as_it_was_without_its_agent() {
    let mut world = replacing();
    let before = registration(&world, "i-1").id;
    world.set_status("i-1", "DRAINING").unwrap();
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    world.advance(at(10));
    let (old, new): (Vec<_>, Vec<_>) = world.registrations("i-1").partition(|instance| instance.id == before);
    let of =
        |instance: &ContainerInstance| (instance.cluster.clone(), instance.status.clone(), instance.agent_connected);
    assert_eq!(old.into_iter().map(of).collect::<Vec<_>>(), [(CLUSTER.to_owned(), "DRAINING".to_owned(), false)]);
    assert_eq!(new.into_iter().map(of).collect::<Vec<_>>(), [(CLUSTER.to_owned(), "ACTIVE".to_owned(), true)]);
    world.set_agent_connected("i-1", true).unwrap();
    let connected = world.registrations("i-1").filter(|instance| instance.agent_connected).count();
    assert_eq!(connected, 1, "the old agent never comes back");
}

#[test]
fn what_still_runs_is_killed_once_and_new_tasks_run_on_the_new_registration() {
    let mut world = replacing();
    let lost = world.run_task(job("i-1")).unwrap();
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    assert_eq!(world.releases()[0].unstopped.len(), 1);
    world.advance(at(10));
    let arn = world.task(&lost).unwrap().arn.clone();
    assert_eq!(world.killed().iter().map(|it| (it.task.clone(), it.at)).collect::<Vec<_>>(), [(arn, at(1))]);
    assert_eq!(world.task(&lost).unwrap().last_status, LastStatus::Running, "ECS learns no more of it");
    let task = world.run_task(job("i-1")).unwrap();
    assert_eq!(world.tasks_on("i-1").iter().map(|it| it.id.clone()).collect::<Vec<_>>(), [task]);
    world.power_off("i-1").unwrap();
    assert_eq!(world.killed().len(), 2, "and the lost one is not killed again");
}

#[test]
fn one_that_ends_before_is_not_killed() {
    let mut world = replacing();
    let task = world.run_task(job("i-1")).unwrap();
    stop(&mut world, &task);
    world.advance(at(60));
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    world.advance(at(70));
    assert!(world.killed().is_empty());
}

#[test]
fn a_volume_may_be_replaced_again() {
    let mut world = replacing();
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    world.replace_root_volume("i-1", at(10)).unwrap();
    ask(&mut world, complete("ours", "i-1", "ABANDON")).unwrap();
    world.advance(at(20));
    assert_eq!(world.lifecycle_state("i-1"), Some("InService"));
    assert_eq!(world.registrations("i-1").count(), 3);
    assert_eq!(world.registrations("i-1").filter(|instance| instance.agent_connected).count(), 1);
}

#[test]
fn it_registers_where_it_was_registered_last_and_not_where_it_was_deregistered() {
    let mut world = world();
    host(&mut world, "i-1");
    world.deregister("i-1").unwrap();
    world.add_cluster("other").unwrap();
    world.register("i-1", "other").unwrap();
    world.replace_root_volume("i-1", START).unwrap();
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    world.advance(at(10));
    let clusters: Vec<_> = (world.registrations("i-1").filter(|instance| instance.agent_connected))
        .map(|instance| instance.cluster.as_str())
        .collect();
    assert_eq!(clusters, ["other"]);
}

//! Describing and updating container instances and tasks: what ECS accepts, and what it says of the rest.

use super::*;

fn update(ids: Vec<String>, status: &str) -> EcsRequest {
    EcsRequest::UpdateContainerInstancesState {
        cluster: named(CLUSTER),
        container_instances: ids,
        status: status.to_owned(),
    }
}

#[test]
fn an_inactive_instance_cannot_be_updated() {
    let mut world = world();
    host(&mut world, "i-1");
    world.deregister("i-1").unwrap();
    let id = registration(&world, "i-1").id;
    let Ok(Response::ContainerInstances { failures, .. }) = ask(&mut world, update(vec![id], "DRAINING")) else {
        panic!("not answered");
    };
    assert_eq!(failures[0].reason, "INACTIVE");
}

#[test]
fn an_instance_in_another_state_refuses_the_whole_call_with_one_error_or_another() {
    let mut world = world();
    host(&mut world, "i-1");
    host(&mut world, "i-2");
    let ids = ["i-2", "i-1"].map(|id| registration(&world, id).id);
    let mut codes = BTreeSet::new();
    for status in ["REGISTERING", "DEREGISTERING", "REGISTRATION_FAILED"].repeat(5) {
        world.set_status("i-1", status).unwrap();
        codes.insert(refusal(&mut world, update(ids.to_vec(), "DRAINING")).code);
        assert_eq!(registration(&world, "i-2").status, "ACTIVE");
    }
    assert_eq!(codes, BTreeSet::from(["ClientException", "InvalidParameterException"].map(str::to_owned)));
}

#[test]
fn nothing_is_placed_on_a_host_that_is_registering_and_it_may_become_active() {
    let mut world = world();
    host(&mut world, "i-1");
    world.set_status("i-1", "REGISTERING").unwrap();
    world.add_service(ServiceSpec { kind: ServiceKind::Daemon, ..service("daemon", 1) }).unwrap();
    assert_eq!(counts(&world, "i-1"), (0, 0));
    world.set_status("i-1", "ACTIVE").unwrap();
    world.advance(at(1));
    assert_eq!(counts(&world, "i-1"), (0, 1));
}

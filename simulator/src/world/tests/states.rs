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
fn an_instance_that_is_registering_refuses_the_whole_call() {
    let mut world = world();
    host(&mut world, "i-1");
    host(&mut world, "i-2");
    world.set_status("i-1", "REGISTERING").unwrap();
    let ids = ["i-2", "i-1"].map(|id| registration(&world, id).id);
    let error = refusal(&mut world, update(ids.to_vec(), "DRAINING"));
    assert_eq!(error.code, "InvalidParameterException");
    assert_eq!(registration(&world, "i-2").status, "ACTIVE");
}

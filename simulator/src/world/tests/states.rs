//! Describing and updating container instances and tasks: what ECS accepts, and what it says of the rest.

use super::*;

fn update(ids: Vec<String>, status: &str) -> Request {
    Request::UpdateContainerInstancesState {
        cluster: named(CLUSTER),
        container_instances: ids,
        status: status.to_owned(),
    }
}

fn describe(cluster: Option<String>, ids: Vec<String>) -> Request {
    Request::DescribeContainerInstances { cluster, container_instances: ids }
}

#[test]
fn ids_may_be_bare_or_arns_and_a_cluster_too() {
    let mut world = world();
    host(&mut world, "i-1");
    let ContainerInstance { id, arn, .. } = registration(&world, "i-1");
    let cluster = "arn:aws:ecs:us-west-2:123456789012:cluster/prod";
    let request = describe(named(cluster), vec![id, arn]);
    let Ok(Response::ContainerInstances { container_instances, failures }) = ask(&mut world, request) else {
        panic!("not described");
    };
    assert_eq!((container_instances.len(), failures.len()), (2, 0));
}

#[test]
fn what_is_missing_is_a_failure_and_not_an_error() {
    let mut world = world();
    host(&mut world, "i-1");
    let known = registration(&world, "i-1").id;
    let request = describe(named(CLUSTER), vec![known, "0123".to_owned()]);
    let Ok(Response::ContainerInstances { container_instances, failures }) = ask(&mut world, request) else {
        panic!("not described");
    };
    assert_eq!(container_instances.len(), 1);
    let failure = Failure {
        arn: "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/0123".to_owned(),
        reason: "MISSING".to_owned(),
    };
    assert_eq!(failures, [failure]);
    let tasks = Request::DescribeTasks { cluster: named(CLUSTER), tasks: vec!["0123".to_owned()] };
    let Ok(Response::Tasks { failures, .. }) = ask(&mut world, tasks) else {
        panic!("not described");
    };
    assert_eq!(failures[0].reason, "MISSING");
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

#[test]
fn too_many_none_and_other_states_are_refused() {
    let mut world = world();
    let ids = |count: usize| vec!["0123".to_owned(); count];
    let tasks = |count: usize| Request::DescribeTasks { cluster: named(CLUSTER), tasks: ids(count) };
    for request in [
        update(ids(11), "DRAINING"),
        update(ids(0), "DRAINING"),
        update(ids(1), "INACTIVE"),
        describe(named(CLUSTER), ids(101)),
        describe(named(CLUSTER), ids(0)),
        tasks(101),
        tasks(0),
    ] {
        let error = refusal(&mut world, request);
        assert_eq!(error.code, "InvalidParameterException");
    }
}

#[test]
fn an_unknown_cluster_is_not_found_and_the_default_is_default() {
    let mut world = world();
    let error = refusal(&mut world, describe(None, vec!["0123".to_owned()]));
    assert_eq!(error.code, "ClusterNotFoundException");
    assert_eq!(error.message, "Cluster not found.");
    world.add_cluster("default").unwrap();
    ask(&mut world, describe(None, vec!["0123".to_owned()])).unwrap();
}

#[test]
fn an_arn_of_another_cluster_is_refused() {
    let mut world = world();
    host(&mut world, "i-1");
    world.add_cluster("other").unwrap();
    let arn = registration(&world, "i-1").arn;
    let error = refusal(&mut world, describe(named("other"), vec![arn]));
    assert!(error.message.contains("Identifier is for cluster prod"));
}

#[test]
fn an_unknown_task_cannot_be_stopped() {
    let mut world = world();
    let request = Request::StopTask { cluster: named(CLUSTER), task: "0123".to_owned(), reason: None };
    let error = refusal(&mut world, request);
    assert_eq!(error.message, "The referenced task was not found.");
}

#[test]
fn a_description_says_who_owns_a_task_and_why_it_stopped() {
    let mut world = world();
    host(&mut world, "i-1");
    let tasks = world.add_service_with_tasks_on(service("web", 1), "i-1").unwrap();
    let request =
        Request::StopTask { cluster: named(CLUSTER), task: tasks[0].clone(), reason: Some("drained".to_owned()) };
    let Ok(Response::Task(task)) = ask(&mut world, request) else {
        panic!("not stopped");
    };
    assert_eq!(task.group, "service:web");
    assert!(task.started_by.unwrap().starts_with("ecs-svc/"));
    assert_eq!(task.desired_status, DesiredStatus::Stopped);
    assert_eq!(task.stopped_reason.as_deref(), Some("drained"));
    assert_eq!(task.stop_code.as_deref(), Some("UserInitiated"));
    assert_eq!(task.stopping_at, Some(START));
}

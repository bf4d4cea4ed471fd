//! Faults, quotas and the record of requests.

use super::*;

fn list() -> EcsRequest {
    EcsRequest::ListClusters { max_results: None, next_token: None }
}

fn draining(world: &World) -> EcsRequest {
    EcsRequest::UpdateContainerInstancesState {
        cluster: named(CLUSTER),
        container_instances: vec![registration(world, "i-1").id],
        status: "DRAINING".to_owned(),
    }
}

fn with_fault(kind: FaultKind) -> World {
    let mut world = world();
    host(&mut world, "i-1");
    let operation = Operation::UpdateContainerInstancesState;
    world.plan(Fault::times(operation, 1, kind));
    world
}

#[test]
fn a_lost_answer_takes_effect_and_a_dropped_connection_does_not() {
    for (kind, status) in [(FaultKind::LoseAnswer, "DRAINING"), (FaultKind::DropConnection, "ACTIVE")] {
        let mut world = with_fault(kind);
        let request = draining(&world);
        assert_eq!(ask(&mut world, request), Err(RequestError::ConnectionLost));
        assert_eq!(registration(&world, "i-1").status, status);
        let effect = kind == FaultKind::LoseAnswer;
        assert_eq!(world.requests()[0].outcome, Outcome::Lost { effect });
    }
}

#[test]
fn refusals_have_the_codes_of_their_service_and_no_effect() {
    for (kind, code, status) in [
        (FaultKind::Throttle, "ThrottlingException", 400),
        (FaultKind::ServerError, "ServerException", 500),
        (FaultKind::AccessDenied, "AccessDeniedException", 400),
    ] {
        let mut world = with_fault(kind);
        let request = draining(&world);
        let error = refusal(&mut world, request);
        assert_eq!((error.code.as_str(), error.status), (code, status));
        assert_eq!(registration(&world, "i-1").status, "ACTIVE");
    }
    let groups =
        AutoScalingRequest::DescribeAutoScalingGroups { names: Vec::new(), max_records: None, next_token: None };
    for (kind, code, status) in [
        (FaultKind::Throttle, "Throttling", 400),
        (FaultKind::ServerError, "InternalFailure", 500),
        (FaultKind::AccessDenied, "AccessDenied", 403),
    ] {
        let mut world = world();
        world.plan(Fault::always(kind));
        let error = refusal(&mut world, groups.clone());
        assert_eq!((error.code.as_str(), error.status), (code, status));
    }
}

#[test]
fn a_service_that_is_broken_answers_nothing_while_others_do_and_what_was_planned_stays_planned() {
    let mut world = with_fault(FaultKind::AccessDenied);
    let update = draining(&world);
    let groups =
        AutoScalingRequest::DescribeAutoScalingGroups { names: Vec::new(), max_records: None, next_token: None };
    world.break_down(Service::Ecs, FaultKind::ServerError);
    assert_eq!(refusal(&mut world, update.clone()).code, "ServerException");
    ask(&mut world, groups).unwrap();
    world.recover(Service::Ecs);
    assert_eq!(refusal(&mut world, update.clone()).code, "AccessDeniedException");
    ask(&mut world, update).unwrap();
}

#[test]
fn a_fault_may_be_for_one_member_of_a_request() {
    let mut world = world();
    host(&mut world, "i-1");
    host(&mut world, "i-2");
    let ids = ["i-1", "i-2"].map(|id| registration(&world, id).id);
    let update = |ids: &[String]| EcsRequest::UpdateContainerInstancesState {
        cluster: named(CLUSTER),
        container_instances: ids.to_vec(),
        status: "DRAINING".to_owned(),
    };
    world.plan(Fault { matching: Some(ids[0].clone()), ..Fault::always(FaultKind::AccessDenied) });
    for ids in [&ids[..], &ids[..1]] {
        assert_eq!(refusal(&mut world, update(ids)).code, "AccessDeniedException");
    }
    ask(&mut world, update(&ids[1..])).unwrap();
}

#[test]
fn latency_is_drawn_from_its_range() {
    let settings = Settings { latency: Duration::from_millis(20)..Duration::from_millis(80), ..Settings::default() };
    let range = settings.latency.clone();
    let mut world = World::new(START, settings);
    let delays: BTreeSet<_> = (0..20).map(|_| world.request(START, "test", list()).delay).collect();
    assert!(delays.iter().all(|delay| range.contains(delay)));
    assert!(delays.len() > 10);
}

#[test]
fn a_part_of_all_requests_fails_at_random() {
    let mut world = world_with(Settings { failing: 0.25, ..Settings::default() }, Vec::new());
    let failed = (0..400).filter(|n| {
        world.advance(at(*n));
        ask(&mut world, EcsRequest::ListClusters { max_results: None, next_token: None }).is_err()
    });
    let failed = failed.count();
    assert!((60..140).contains(&failed), "{failed} of 400");
}

#[test]
fn what_is_missing_is_named_in_the_failures_and_the_others_are_described() {
    let mut world = world();
    host(&mut world, "i-1");
    host(&mut world, "i-2");
    let container_instances: Vec<_> = ["i-1", "i-2"].iter().map(|id| registration(&world, id).arn.clone()).collect();
    let request = EcsRequest::DescribeContainerInstances {
        cluster: named(CLUSTER),
        container_instances: container_instances.clone(),
    };
    world.plan(Fault { matching: Some(container_instances[0].clone()), ..Fault::always(FaultKind::Missing) });

    let Ok(Response::ContainerInstances { container_instances: found, failures }) = ask(&mut world, request) else {
        panic!("described")
    };

    assert_eq!(found.iter().map(|it| &it.container_instance_arn).collect::<Vec<_>>(), [&container_instances[1]]);
    assert_eq!(failures, [Failure { arn: container_instances[0].clone(), reason: "MISSING".into() }]);
}

//! Faults, quotas and the record of requests.

use super::*;

fn list() -> Request {
    Request::ListClusters { max_results: None, next_token: None }
}

fn draining(world: &World) -> Request {
    Request::UpdateContainerInstancesState {
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
    let groups = Request::DescribeAutoScalingGroups { names: Vec::new(), max_records: None, next_token: None };
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
fn a_slow_answer_has_its_effect_at_once() {
    let mut world = with_fault(FaultKind::Slow(seconds(7)));
    let request = draining(&world);
    let reply = world.request(START, "test", request);
    assert_eq!(reply.delay, seconds(7));
    assert_eq!(registration(&world, "i-1").status, "DRAINING");
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
fn a_quota_throttles_and_refills_with_the_clock() {
    let mut world = world();
    for _ in 0..50 {
        ask(&mut world, list()).unwrap();
    }
    let error = refusal(&mut world, list());
    assert_eq!(error.message, "Rate exceeded");
    world.advance(at(1));
    ask(&mut world, list()).unwrap();
    assert_eq!(world.count(Operation::ListClusters), 52);
}

#[test]
fn every_request_is_recorded_with_who_asked() {
    let mut world = world();
    let unknown = Request::ListTasks {
        cluster: None,
        container_instance: None,
        desired_status: None,
        max_results: None,
        next_token: None,
    };
    world.request(at(1), "reconcile", unknown.clone());
    world.request(at(2), "operator", list());
    let [first, second] = world.requests() else {
        panic!("two requests");
    };
    assert_eq!((first.at, first.client.as_str()), (at(1), "reconcile"));
    assert_eq!(first.request, unknown);
    let refused = Outcome::Refused("ClusterNotFoundException".to_owned());
    assert_eq!(first.outcome, refused);
    assert_eq!(second.outcome, Outcome::Answered);
    assert_eq!(world.requests_since(1).len(), 1);
}

#[test]
fn a_part_of_all_requests_fails_at_random() {
    let mut world = world_with(Settings { failing: 0.25, ..Settings::default() }, Vec::new());
    let failed = (0..400).filter(|n| {
        world.advance(at(*n));
        ask(&mut world, Request::ListClusters { max_results: None, next_token: None }).is_err()
    });
    let failed = failed.count();
    assert!((60..140).contains(&failed), "{failed} of 400");
}

//! Requests that AWS throttles.

use simulator::world::{Fault, FaultKind, Operation};

use crate::support::{Stage, only, world};

#[tokio::test]
async fn only_the_engine_tries_a_throttled_request_again() {
    let mut world = world();
    world.plan(Fault::times(Operation::DescribeAutoScalingInstances, 1, FaultKind::Throttle));
    let stage = Stage::scaling_in(world);

    let drain =
        only(&stage.function(&[("POLL_MIN_SECONDS", "2"), ("POLL_MAX_SECONDS", "2")]).invoke(&stage.event).await);

    assert_eq!(drain["outcome"], "drained", "{drain}");
    let asked: Vec<_> = stage.simulator.world(|world| {
        let fits = |it: &&simulator::world::Recorded| it.request.operation() == Operation::DescribeAutoScalingInstances;
        world.requests().iter().filter(fits).map(|it| it.at).collect()
    });
    assert_eq!(asked.len(), 2);
    let pause = asked[1].duration_since(asked[0]).as_secs_f64();
    assert!(pause >= 1.0, "half of POLL_MIN_SECONDS at least, where the SDK would wait at most 0.25 s: {pause}");
}

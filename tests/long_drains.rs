//! Drains of hours, in virtual time, over the model.

use std::time::Duration;

use shared::config::Config;
use shared::drain::decide::Outcome;
use shared::drain::known::{Departure, Known, NoticedBy};
use shared::drain::locate::ClusterOfGroup;
use shared::drain::report::Drain;
use shared::drain::{self, Budget, Context};
use shared::ids::InstanceId;
use simulator::world::{Fault, FaultKind, Operation, TaskSpec, World};

use crate::support::model::Model;
use crate::support::{CLUSTER, LEAVING, secs, service, world};

fn config(variables: &[(&str, &str)]) -> Config {
    Config::read(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())).unwrap()
}

/// A standalone task that would run for ever, and takes `stop` to stop.
fn endless(world: &mut World, stop: f64) {
    let spec = TaskSpec {
        cluster: CLUSTER.into(),
        instance_id: LEAVING.into(),
        family: "job".into(),
        stop_time: secs(stop),
        stop_timeout: secs(120.0),
        ..TaskSpec::default()
    };
    world.run_task(spec).unwrap();
}

fn leaving(mut world: World) -> Model {
    let now = world.now();
    world.scale_in(LEAVING, now).unwrap();
    Model::of(world)
}

/// One invocation of a minute, cold, knowing only what AWS knows.
async fn invocation(model: &Model, config: &Config, seed: u64) -> Drain {
    let clock = model.clock();
    let budget = Budget::within(shared::clock::after(clock.now(), secs(60.0)), secs(50.0), clock.now());
    let context = Context { calls: model, config, remembered: &ClusterOfGroup::default(), clock };
    let departure = Departure::of_termination(InstanceId::parse(LEAVING).unwrap(), NoticedBy::Event);
    let drains =
        drain::run(&context, vec![Known::new(departure, clock.now())], budget, &mut fastrand::Rng::with_seed(seed))
            .await;
    drains.into_iter().next().unwrap()
}

/// An invocation a minute until one ends it.
async fn minute_by_minute(model: &Model, config: &Config, most: u64) -> (u64, Drain) {
    for minute in 0..most {
        let next = tokio::time::Instant::now() + secs(60.0);
        let drain = invocation(model, config, minute).await;
        if drain.outcome != Outcome::HandedOver {
            return (minute, drain);
        }
        tokio::time::sleep_until(next).await;
    }
    panic!("not done after {most} minutes");
}

#[tokio::test(start_paused = true)]
async fn a_drain_of_an_hour_goes_from_hand_to_hand_to_its_deadline() {
    let mut world = world();
    endless(&mut world, 90.0);
    let model = leaving(world);

    let (minute, drain) = minute_by_minute(&model, &config(&[]), 90).await;

    assert_eq!((drain.outcome, drain.tasks_stopped), (Outcome::Drained, 1), "{drain:?}");
    assert!((60..=62).contains(&minute), "DRAIN_TIMEOUT_SECONDS and 90 s to stop: {minute} minutes");
    assert!((3_690.0..3_720.0).contains(&drain.seconds), "{}", drain.seconds);
    model.world(|world| {
        assert_eq!(world.releases().len(), 1);
        assert_eq!(world.releases()[0].unstopped, []);
        assert!(world.hook_timeouts().is_empty(), "kept alive, twelve heartbeat timeouts long");
        assert_eq!(world.count(Operation::StopTask), 1);
        let heartbeats = world.count(Operation::RecordLifecycleActionHeartbeat);
        // A period's heartbeat may be sent twice: an invocation's first look does not know whether the last one sent it.
        assert!((36..=2 * 38).contains(&heartbeats), "one or two each 100 s of 3,700: {heartbeats}");
    });
}

#[tokio::test(start_paused = true)]
async fn what_will_not_stop_is_given_up_after_its_grace() {
    let mut world = world();
    endless(&mut world, 1.0);
    world.plan(Fault { operation: Some(Operation::StopTask), ..Fault::always(FaultKind::AccessDenied) });
    let model = leaving(world);

    let (_, drain) = minute_by_minute(&model, &config(&[("DRAIN_TIMEOUT_SECONDS", "600")]), 40).await;

    assert_eq!((drain.outcome, drain.remaining.len()), (Outcome::TimedOut, 1), "{drain:?}");
    assert!((1_200.0..1_270.0).contains(&drain.seconds), "600 s and as much grace: {}", drain.seconds);
    assert_eq!(drain.remaining[0].last_status, "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_any_answer_releases_nothing_and_ends_well_after_it() {
    let mut world = world();
    service(&mut world, 3, 5.0, 10.0);
    world.plan(Fault::always(FaultKind::ServerError));
    let model = leaving(world);
    let config = config(&[]);
    for minute in 0..4 {
        assert_eq!(invocation(&model, &config, minute).await.outcome, Outcome::HandedOver);
    }
    assert!(model.world(|world| world.releases().is_empty()));
    model.world(World::forget_faults);

    let (_, drain) = minute_by_minute(&model, &config, 5).await;

    assert_eq!((drain.outcome, drain.tasks_stopped), (Outcome::Drained, 3), "{drain:?}");
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_dies_at_any_await_is_followed_by_one_that_ends_it() {
    for died_after in (0..400).map(|step| Duration::from_millis(37 * step)) {
        let mut world = world();
        service(&mut world, 2, 3.0, 5.0);
        let mut world = with_latency(world);
        world.set_status(LEAVING, "ACTIVE").unwrap();
        let model = leaving(world);
        let config = config(&[]);
        let died = tokio::time::timeout(died_after, invocation(&model, &config, 1)).await;

        if died.is_err() {
            minute_by_minute(&model, &config, 3).await;
        }

        model.world(|world| {
            let releases = world.releases();
            assert_eq!(releases.len(), 1, "died after {died_after:?}");
            assert_eq!(releases[0].unstopped, [], "died after {died_after:?}");
        });
    }
}

/// Every request takes 25 ms, so that there is something to die in.
fn with_latency(mut world: World) -> World {
    let slow = FaultKind::Slow(Duration::from_millis(25));
    world.plan(Fault::always(slow));
    world
}

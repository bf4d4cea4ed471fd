//! Drains of hours, in virtual time, over the model.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::clock::after;
use shared::config::Config;
use shared::drain::facts::departure::{Departure, NoticedBy};
use shared::drain::facts::known::Known;
use shared::drain::remembered::Remembered;
use shared::drain::reports::report::Drain;
use shared::drain::requests::scan::{self, ScanError};
use shared::drain::rules::decision::Outcome;
use shared::drain::{self, Budget, Context};
use shared::ids::InstanceId;
use simulator::world::{
    Fault, FaultKind, GroupSpec, HookSpec, HostSpec, Operation, Quotas, Settings, TaskSpec, WarmPoolSpec,
    WarmPoolState, World,
};

use crate::support::model::Model;
use crate::support::{
    CLUSTER, GROUP, HOOK, LEAVING, STAYING, bare_world, host, remembered, secs, service, world, world_with_hooks,
};

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
    world.advance(now + secs(0.5));
    Model::of(world)
}

/// One invocation of a minute, cold, knowing only what AWS knows.
async fn invocation(model: &Model, config: &Config, seed: u64) -> Drain {
    let clock = model.clock();
    let budget = Budget::within(after(clock.now(), secs(60.0)), secs(50.0), clock.now());
    let context = Context { calls: model, config, remembered: &Remembered::default(), clock, budget };
    let departure = Departure::of_termination(InstanceId::parse(LEAVING).unwrap(), NoticedBy::Event);
    let drains =
        drain::run(&context, vec![Known::new(departure, clock.now())], &mut fastrand::Rng::with_seed(seed)).await;
    drains.into_iter().next().unwrap()
}

/// The drains that a cold `reconcile` finds within its minute.
async fn scan(model: &Model, config: &Config) -> Result<Vec<Known>, ScanError> {
    let clock = model.clock();
    let budget = Budget::within(after(clock.now(), secs(60.0)), secs(50.0), clock.now());
    let context = Context { calls: model, config, remembered: &Remembered::default(), clock, budget };
    scan::departures(&context, &BTreeSet::new(), budget.hand_over_at, &mut fastrand::Rng::with_seed(0)).await
}

/// An invocation a minute until one ends it.
async fn minute_by_minute(model: &Model, config: &Config, most: u64) -> (u64, Drain) {
    for minute in 0..most {
        let next = after(model.clock().now(), secs(60.0));
        let drain = invocation(model, config, minute).await;
        if drain.outcome != Outcome::HandedOver {
            return (minute, drain);
        }
        tokio::time::sleep_until(model.clock().instant(next)).await;
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
async fn never_stuck_a_task_that_does_not_stop_is_given_up_after_its_grace() {
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
async fn never_stuck_a_host_that_cannot_be_released_is_not_kept_alive_past_its_deadline() {
    let mut world = world();
    endless(&mut world, 1.0);
    let denied = Some(Operation::CompleteLifecycleAction);
    world.plan(Fault { operation: denied, ..Fault::always(FaultKind::AccessDenied) });
    let model = leaving(world);
    let config = config(&[("DRAIN_TIMEOUT_SECONDS", "600"), ("ON_DRAIN_TIMEOUT", "proceed")]);
    for minute in 0..30 {
        let next = after(model.clock().now(), secs(60.0));
        invocation(&model, &config, minute).await;
        tokio::time::sleep_until(model.clock().instant(next)).await;
    }

    model.world(|world| {
        let timed_out = &world.hook_timeouts()[0];
        let started = world.requests()[0].at;
        let after = timed_out.at.duration_since(started).as_secs();
        assert!((600..=930).contains(&after), "its own timeout of 300 s ends it: {after} s");
    });
}

#[tokio::test(start_paused = true)]
async fn a_host_that_cannot_be_set_draining_is_left_to_its_hooks_own_timeout() {
    let mut world = world();
    endless(&mut world, 1.0);
    let denied = Some(Operation::UpdateContainerInstancesState);
    world.plan(Fault { operation: denied, ..Fault::always(FaultKind::AccessDenied) });
    let model = leaving(world);
    for minute in 0..6 {
        let next = after(model.clock().now(), secs(60.0));
        invocation(&model, &config(&[]), minute).await;
        tokio::time::sleep_until(model.clock().instant(next)).await;
    }
    assert_eq!(model.world(|world| (world.releases().len(), world.hook_timeouts().len())), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn hosts_of_a_cluster_are_looked_at_together_and_handed_over_together() {
    let mut world = bare_world(Settings { quotas: Quotas::unlimited(), ..Settings::default() });
    let ids: Vec<_> = (0..100).map(|n| format!("i-{n:017x}")).collect();
    for id in &ids {
        host(&mut world, id, Some(CLUSTER));
        let job =
            TaskSpec { cluster: CLUSTER.into(), instance_id: id.clone(), family: "job".into(), ..TaskSpec::default() };
        world.run_task(job).unwrap();
        let now = world.now();
        world.scale_in(id, now).unwrap();
    }
    world.advance(world.now() + secs(0.5));
    let (model, config) = (Model::of(world), config(&[]));
    let clock = model.clock();
    let budget = Budget::within(after(clock.now(), secs(150.0)), secs(120.0), clock.now());
    let context = Context { calls: &model, config: &config, remembered: &Remembered::default(), clock, budget };
    let known = ids
        .iter()
        .map(|id| Known::new(Departure::of_termination(InstanceId::parse(id).unwrap(), NoticedBy::Scan), clock.now()));

    let drains = drain::run(&context, known.collect(), &mut fastrand::Rng::with_seed(1)).await;

    assert!(drains.iter().all(|drain| drain.outcome == Outcome::HandedOver));
    let count = |operation| model.world(|world| world.count(operation));
    assert_eq!(count(Operation::ListContainerInstances), 1);
    assert_eq!(count(Operation::UpdateContainerInstancesState), 10);
    let looks = count(Operation::DescribeContainerInstances);
    assert!((10..=60).contains(&looks), "one for all of them, each 2 s to 15 s: {looks}");
    let dated = count(Operation::DescribeScalingActivities);
    assert!(dated <= 2, "when and why, for all of them together: {dated}");
    assert_eq!(count(Operation::ListTasks), 2, "the cluster's two lists, for the ten hosts whose tasks are named");
}

#[tokio::test(start_paused = true)]
async fn a_scan_tries_again_what_fails_and_no_group_holds_up_the_others() {
    let mut world = world_with_hooks(&[(HOOK, 300.0)]);
    host(&mut world, STAYING, Some(CLUSTER));
    let now = world.now();
    world.scale_in(STAYING, now).unwrap();
    world.plan(Fault::times(Operation::DescribeAutoScalingGroups, 2, FaultKind::Throttle));
    let mute = Fault { operation: Some(Operation::DescribeLifecycleHooks), ..Fault::always(FaultKind::ServerError) };
    world.plan(Fault { matching: Some(GROUP.into()), ..mute });
    let model = leaving(world);
    let started = model.clock().now();

    let found = scan(&model, &config(&[])).await.unwrap();

    assert_eq!(found.iter().map(|known| known.departure.instance.as_str()).collect::<Vec<_>>(), [LEAVING]);
    assert!(model.clock().now().duration_since(started).as_secs() < 30, "half of its minute is left for the drains");
}

#[tokio::test(start_paused = true)]
async fn a_scan_tries_again_what_tells_a_return_to_the_warm_pool_from_a_launch() {
    let mut world = bare_world(Settings::default());
    let warm_pool = Some(WarmPoolSpec { state: WarmPoolState::Running, reuse_on_scale_in: true });
    let hooks = vec![HookSpec::terminating(HOOK, secs(300.0))];
    world.add_group(GroupSpec { name: "pooled".into(), hooks, warm_pool, ..GroupSpec::default() }).unwrap();
    let instance_id = Some(LEAVING.into());
    let (cluster, group) = (Some(CLUSTER.into()), Some("pooled".into()));
    world.add_host(HostSpec { instance_id, cluster, group, ..HostSpec::default() }).unwrap();
    let now = world.now();
    world.return_to_warm_pool(LEAVING, now).unwrap();
    world.advance(now + secs(0.5));
    world.plan(Fault::times(Operation::DescribeScalingActivities, 2, FaultKind::Throttle));

    let found = scan(&Model::of(world), &config(&[])).await.unwrap();

    assert_eq!(found.len(), 1, "the next scan is a minute away");
}

#[tokio::test(start_paused = true)]
async fn unknown_is_not_empty_an_hour_without_an_answer_releases_nothing() {
    let mut world = world_with_hooks(&[(HOOK, 7_200.0)]);
    host(&mut world, STAYING, Some(CLUSTER));
    service(&mut world, 3, 5.0, 10.0);
    world.plan(Fault::always(FaultKind::ServerError));
    let model = leaving(world);
    let config = config(&[]);
    for minute in 0..60 {
        let next = after(model.clock().now(), secs(60.0));
        if minute % 2 == 0 {
            assert_eq!(invocation(&model, &config, minute).await.outcome, Outcome::HandedOver);
        } else {
            assert!(scan(&model, &config).await.is_err(), "it says so, and not that no instance waits");
        }
        tokio::time::sleep_until(model.clock().instant(next)).await;
    }
    assert!(model.world(|world| world.releases().is_empty() && world.hook_timeouts().is_empty()));
    model.world(World::forget_faults);

    assert_eq!(scan(&model, &config).await.unwrap().len(), 1, "the scan finds it again");
    let (_, drain) = minute_by_minute(&model, &config, 5).await;

    assert_eq!((drain.outcome, drain.tasks_stopped), (Outcome::Drained, 3), "{drain:?}");
}

#[tokio::test(start_paused = true)]
async fn never_lost_after_a_death_at_any_await_the_next_invocation_ends_the_drain() {
    for died_after in (0..400).map(|step| Duration::from_millis(37 * step)) {
        let mut world = world();
        service(&mut world, 2, 3.0, 5.0);
        // A drain that an operator undid left this. A drainer that believed it would be past its deadline.
        let old = world.now() - secs(7_200.0);
        remembered(&mut world, "ecs-drainer.drain-started-at", &old.to_string());
        let model = leaving(with_latency(world));
        let config = config(&[("ON_DRAIN_TIMEOUT", "proceed")]);
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

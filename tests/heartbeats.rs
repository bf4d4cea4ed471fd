//! Heartbeats, in virtual time: what waits on our hook is kept alive while anything is unknown, though they are scarce, and
//! though the hook is short.

use shared::clock::after;
use shared::config::Config;
use shared::drain::facts::departure::{Departure, Hints, NoticedBy};
use shared::drain::facts::known::Known;
use shared::drain::remembered::Remembered;
use shared::drain::{self, Budget, Context};
use shared::ids::InstanceId;
use simulator::world::{
    Bucket, Fault, FaultKind, GroupSpec, HookSpec, HostSpec, Operation, Outcome, Quotas, Recorded, Settings, World,
};

use crate::support::engine::{job, reconcile};
use crate::support::model::Model;
use crate::support::{CLUSTER, GROUP, HOOK, LEAVING, secs};

const START: &str = "2026-01-15T20:00:00Z";

fn config() -> Config {
    Config::read(|_| None).unwrap()
}

/// A cluster, and a group with our hook.
fn world(heartbeat_timeout: f64, settings: Settings) -> World {
    let mut world = World::new(START.parse().unwrap(), settings);
    world.add_cluster(CLUSTER).unwrap();
    let hooks = vec![HookSpec::terminating(HOOK, secs(heartbeat_timeout))];
    world.add_group(GroupSpec { name: GROUP.into(), hooks, ..GroupSpec::default() }).unwrap();
    world
}

/// A host that leaves now, with a task that runs on for so long.
fn leaving(world: &mut World, instance_id: &str, finishes_after: Option<f64>) {
    let spec = HostSpec {
        instance_id: Some(instance_id.into()),
        cluster: Some(CLUSTER.into()),
        group: Some(GROUP.into()),
        ..HostSpec::default()
    };
    world.add_host(spec).unwrap();
    job(world, instance_id, finishes_after, 5.0);
    let now = world.now();
    world.scale_in(instance_id, now).unwrap();
}

/// Whether an environment of `reconcile` lives on from one minute to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Environment {
    Warm,
    Cold,
}

/// `reconcile` every minute; `before` each of them something may happen.
async fn minutes(model: &Model, environment: Environment, minutes: u64, before: impl Fn(u64)) {
    let mut remembered = Remembered::default();
    for minute in 0..minutes {
        let next = after(model.clock().now(), secs(60.0));
        before(minute);
        if environment == Environment::Cold {
            remembered = Remembered::default();
        }
        reconcile(model, model.clock(), &config(), &remembered, minute).await;
        tokio::time::sleep_until(model.clock().instant(next)).await;
    }
}

/// `instance-terminating` for the event of one host, as deployed: in a batch that is not full, within 60 s.
async fn instance_terminating(model: &Model, instance_id: &str) {
    let (config, clock) = (config(), model.clock());
    let budget = Budget::within(after(clock.now(), secs(60.0)), config.poll_for.batch(false), clock.now()).of_a_batch();
    let context = Context { calls: model, config: &config, remembered: &Remembered::default(), clock, budget };
    let departure = Departure::of_termination(InstanceId::parse(instance_id).unwrap(), NoticedBy::Event);
    let noticed_at = Some(START.parse().unwrap());
    let hints = Hints { group: Some(GROUP.into()), hook: Some(HOOK.into()), noticed_at, ..Hints::default() };
    let known = vec![Known::told(departure, hints, clock.now())];
    drain::run(&context, known, &mut fastrand::Rng::with_seed(7)).await;
}

/// How many hooks timed out, and tasks died.
fn lost(model: &Model) -> (usize, usize) {
    model.world(|world| (world.hook_timeouts().len(), world.killed().len()))
}

fn heartbeats(model: &Model) -> usize {
    model.world(|world| world.count(Operation::RecordLifecycleActionHeartbeat))
}

fn do_not_answer(world: &mut World, operations: &[Operation], kind: &FaultKind) {
    for operation in operations {
        world.plan(Fault { operation: Some(*operation), ..Fault::always(*kind) });
    }
}

const SEARCH: [Operation; 2] = [Operation::ListContainerInstances, Operation::DescribeContainerInstances];

#[tokio::test(start_paused = true)]
async fn while_ecs_does_not_answer_for_twenty_minutes_a_drain_is_kept_alive() {
    let outages: [(&[Operation], u64); 4] = [
        // The drain was under way.
        (&SEARCH, 3),
        // The host was never found before.
        (&SEARCH, 0),
        (&[Operation::ListClusters, Operation::ListContainerInstances], 0),
        (&[Operation::UpdateContainerInstancesState], 0),
    ];
    for (operations, from) in outages {
        for kind in [FaultKind::ServerError, FaultKind::Throttle] {
            let mut world = world(900.0, Settings::default());
            leaving(&mut world, LEAVING, Some(1_500.0));
            let model = Model::of(world);
            minutes(&model, Environment::Cold, 40, |minute| {
                model.world(|world| match minute {
                    _ if minute == from => do_not_answer(world, operations, &kind),
                    _ if minute == from + 20 => world.forget_faults(),
                    _ => {}
                });
            })
            .await;
            assert_eq!(lost(&model), (0, 0), "{kind:?} of {operations:?} from minute {from}");
            assert_eq!(model.world(|world| world.releases().len()), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_search_or_draining_that_is_denied_is_left_to_the_hooks_own_timeout() {
    for operations in [&SEARCH[..], &[Operation::UpdateContainerInstancesState]] {
        let mut world = world(900.0, Settings::default());
        leaving(&mut world, LEAVING, None);
        do_not_answer(&mut world, operations, &FaultKind::AccessDenied);
        let model = Model::of(world);
        minutes(&model, Environment::Cold, 17, |_| {}).await;
        assert_eq!((lost(&model).0, heartbeats(&model)), (1, 0), "{operations:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_found_is_kept_alive_within_awss_own_limit() {
    let mut world = world(90.0, Settings::default());
    leaving(&mut world, LEAVING, None);
    do_not_answer(&mut world, &SEARCH, &FaultKind::ServerError);
    let start = world.now();
    let model = Model::of(world);
    minutes(&model, Environment::Warm, 160, |_| {}).await;
    let ended = model.world(|world| world.hook_timeouts()[0].at.duration_since(start).as_secs());
    // A hundred heartbeat timeouts, past DRAIN_TIMEOUT_SECONDS and its grace.
    assert!((9_000..=9_000 + 90).contains(&ended), "{ended}");
}

#[tokio::test(start_paused = true)]
async fn a_drainer_that_is_back_in_time_keeps_the_hook_alive() {
    for away in [700.0, 780.0, 860.0] {
        let mut gone = 0;
        for n in 0..20 {
            let mut world = world(900.0, Settings::default());
            leaving(&mut world, &format!("i-{n:017x}"), Some(1_500.0));
            let model = Model::of(world);
            tokio::time::sleep(secs(away)).await;
            minutes(&model, Environment::Cold, 20, |_| {}).await;
            gone += lost(&model).0;
        }
        println!("away for {away} s of 900: {gone} of 20 lost");
        assert_eq!(gone, 0, "away for {away} s");
    }
}

/// A quarter of 2,600 hosts, and of Auto Scaling's assumed quota: one heartbeat each third of the timeout would be 6.5 a second
/// of its 5; one each timeout is 2.2.
#[tokio::test(start_paused = true)]
async fn when_heartbeats_are_scarce_those_that_need_them_first_get_them_first() {
    const HOSTS: usize = 650;
    for environment in [Environment::Warm, Environment::Cold] {
        let auto_scaling = Some(Bucket { burst: 25.0, per_second: 5.0 });
        let quotas = Quotas { auto_scaling, ..Quotas::documented() };
        let mut world = world(300.0, Settings { quotas, latency: secs(0.01)..secs(0.03), ..Settings::default() });
        (0..HOSTS).for_each(|n| leaving(&mut world, &format!("i-{n:017x}"), None));
        let model = Model::of(world);
        minutes(&model, environment, 12, |_| {}).await;
        let (gone, sent) = (lost(&model).0, heartbeats(&model));
        let (refused, hooks_read) = model.world(|world| {
            let is_heartbeat = |it: &&Recorded| it.request.operation() == Operation::RecordLifecycleActionHeartbeat;
            let heartbeats = world.requests().iter().filter(is_heartbeat);
            let refused = heartbeats.filter(|it| it.outcome != Outcome::Answered).count();
            (refused, world.count(Operation::DescribeLifecycleHooks))
        });
        println!("{environment:?}: {gone} of {HOSTS} lost, {sent} heartbeats, {refused} of them refused");
        assert_eq!(gone, 0, "of {HOSTS}, {environment:?}");
        assert!(refused * 2 < sent, "{refused} of {sent}: what is throttled takes no turn from what is more urgent");
        assert!(hooks_read <= 12 + 1, "{hooks_read}: the later scans of a minute find nothing new");
    }
}

/// With `reconcile` at several times of the minute, as its schedule and the event's time fall.
#[tokio::test(start_paused = true)]
async fn short_hooks_are_kept_alive_from_an_event_to_reconcile_and_from_minute_to_minute() {
    let mut failed = Vec::new();
    for timeout in [30.0, 45.0, 60.0, 90.0, 180.0] {
        let mut gone = 0;
        for reconcile_at in [1.0, 13.0, 25.0, 37.0, 49.0, 59.0] {
            let settings = Settings { latency: secs(0.01)..secs(0.03), ..Settings::default() };
            let mut world = world(timeout, settings);
            leaving(&mut world, LEAVING, Some(600.0));
            let model = Model::of(world);
            let event = async {
                tokio::time::sleep(secs(1.0)).await;
                instance_terminating(&model, LEAVING).await;
            };
            let scans = async {
                tokio::time::sleep(secs(reconcile_at)).await;
                minutes(&model, Environment::Warm, 13, |_| {}).await;
            };
            tokio::join!(event, scans);
            gone += lost(&model).0;
        }
        println!("a hook of {timeout} s: {gone} of 6 lost");
        if gone > 0 {
            failed.push((timeout, gone));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

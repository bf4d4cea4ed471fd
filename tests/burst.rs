//! Many hosts at once, out of one account's quota.

use std::cell::RefCell;
use std::rc::Rc;

use jiff::Timestamp;
use serde_json::json;
use shared::clock::after;
use shared::config::Config;
use shared::drain::facts::departure::{Departure, Hints, NoticedBy};
use shared::drain::facts::known::Known;
use shared::drain::remembered::Remembered;
use shared::drain::{self, Budget, Context};
use shared::ids::InstanceId;
use shared::invocation::FULL_BATCH;
use simulator::clock::wall_now;
use simulator::lambda::sqs_batch;
use simulator::sqs::Message;
use simulator::world::{GroupSpec, HookSpec, HostSpec, LastStatus, Operation, ServiceSpec, Settings, World};
use tokio::task::{LocalSet, spawn_local};

use crate::support::delivery::Delivery;
use crate::support::model::Model;
use crate::support::{CLUSTER, EVENTS, EVENTS_CONCURRENCY, GROUP, HOOK, Stage, secs};

const HOSTS: usize = 1_000;

fn instance_id(n: usize) -> String {
    format!("i-{n:017x}")
}

/// So many hosts with three tasks each, which may all go; and as many slots on others as their tasks will take. This part
/// of all requests fails, and tasks take `slow` times as long as short ones.
fn world(start: Timestamp, hosts: usize, failing: f64, slow: f64) -> World {
    let settings = Settings { latency: secs(0.010)..secs(0.030), failing, ..Settings::default() };
    let mut world = World::new(start, settings);
    world.add_cluster(CLUSTER).unwrap();
    let hooks = vec![HookSpec::terminating(HOOK, secs(3600.0))];
    world.add_group(GroupSpec { name: GROUP.into(), hooks, ..GroupSpec::default() }).unwrap();
    let add = |world: &mut World, n: usize, slots: usize| {
        let spec = HostSpec {
            instance_id: Some(instance_id(n)),
            cluster: Some(CLUSTER.into()),
            group: Some(GROUP.into()),
            slots,
            ..HostSpec::default()
        };
        world.add_host(spec).unwrap();
    };
    (0..hosts).for_each(|n| add(&mut world, n, 3));
    for (n, deregistration) in [(0, Some(2.0 * slow)), (1, Some(slow)), (2, None)] {
        let service = ServiceSpec {
            cluster: CLUSTER.into(),
            name: format!("service-{n}"),
            desired: hosts,
            minimum_healthy_percent: 50,
            deregistration: deregistration.map(secs),
            start_time: secs(slow),
            stop_time: secs(slow / 2.0),
            ..ServiceSpec::default()
        };
        world.add_service(service).unwrap();
    }
    (hosts..hosts * 2).for_each(|n| add(&mut world, n, 3));
    world
}

/// The environments of `instance-terminating` that are free, each with what it remembers. The last one used is used next.
type Warm = RefCell<Vec<Remembered>>;

/// One invocation of `instance-terminating` for a batch.
async fn terminating(model: Rc<Model>, warm: Rc<Warm>, messages: Vec<Message>) -> Vec<String> {
    let config = Config::read(|_| None).unwrap();
    let (clock, now) = (model.clock(), model.clock().now());
    let remembered = warm.borrow_mut().pop().unwrap_or_default();
    let is_burst = messages.len() >= FULL_BATCH;
    let budget = Budget::within(after(now, secs(60.0)), config.poll_for.batch(is_burst), now);
    let budget = budget.of_a_batch().of_a_burst(is_burst);
    let context = Context { calls: &*model, config: &config, remembered: &remembered, clock, budget };
    let told = |message: &Message| {
        let instance = InstanceId::parse(&message.body).unwrap();
        let hints = Hints { group: Some(GROUP.into()), hook: Some(HOOK.into()), ..Hints::default() };
        Known::told(Departure::of_termination(instance, NoticedBy::Event), hints, now)
    };
    let known = messages.iter().map(told).collect();
    let mut rng = fastrand::Rng::with_seed(messages[0].id.bytes().map(u64::from).sum());
    drain::run(&context, known, &mut rng).await;
    warm.borrow_mut().push(remembered);
    messages.into_iter().map(|message| message.id).collect()
}

/// One of `reconcile`, likewise.
async fn reconcile(model: Rc<Model>, seed: u64) {
    let config = Config::read(|_| None).unwrap();
    let (clock, now) = (model.clock(), model.clock().now());
    let remembered = Remembered::default();
    let budget = Budget::within(after(now, secs(60.0)), secs(55.0), now).of_a_batch();
    let context = Context { calls: &*model, config: &config, remembered: &remembered, clock, budget };
    drop(drain::reconcile(&context, &mut fastrand::Rng::with_seed(seed)).await);
}

/// All events within a second, delivered as Lambda does, and `reconcile` every minute beside them.
async fn burst(failing: f64, reconcile_at: f64) {
    let mut world = world("2026-01-15T20:00:00Z".parse().unwrap(), HOSTS, failing, 10.0);
    let start = world.now();
    let ids: Vec<_> = (0..HOSTS).map(|n| InstanceId::parse(&instance_id(n)).unwrap()).collect();
    for id in &ids {
        world.scale_in(id.as_str(), start).unwrap();
    }
    let model = Rc::new(Model::of(world));
    let clock = model.clock();
    let delivery = Rc::new(Delivery::new(EVENTS, EVENTS_CONCURRENCY, clock));
    ids.iter().for_each(|id| delivery.send(id.to_string()));
    let (fed, warm) = (model.clone(), Rc::new(Warm::default()));
    spawn_local(delivery.feed(move |messages| terminating(fed.clone(), warm.clone(), messages)));
    let mut draining_at = None;
    let (mut next_minute, mut seed) = (after(start, secs(reconcile_at)), 100);
    while model.world(|world| world.releases().len()) < HOSTS && clock.now() < after(start, secs(600.0)) {
        tokio::time::sleep(secs(0.25)).await;
        let active = model.world(|world| {
            let draining = |id: &&InstanceId| world.registrations(id.as_str()).any(|r| r.status == "ACTIVE");
            ids.iter().filter(draining).count()
        });
        if active == 0 && draining_at.is_none() {
            draining_at = Some(clock.now());
        }
        if clock.now() >= next_minute {
            spawn_local(reconcile(model.clone(), seed));
            (next_minute, seed) = (after(next_minute, secs(60.0)), seed + 1);
        }
    }
    model.world(|world| {
        let since = |at: Timestamp| at.duration_since(start).as_secs_f64();
        let stopped = ids.iter().filter_map(|id| world.last_stopped_at(id.as_str())).max().unwrap();
        let released = world.releases().iter().map(|release| release.at).max().unwrap();
        let calls: usize = Operation::ALL.iter().map(|operation| world.count(*operation)).sum();
        println!(
            "failing {failing}, reconcile after {reconcile_at} s: all DRAINING after {:.1} s, the last STOPPED after \
             {:.1} s, the last release after {:.1} s; {:.2} calls a host",
            since(draining_at.unwrap()),
            since(stopped),
            since(released),
            f64::from(u32::try_from(calls).unwrap()) / 1000.0,
        );
        for operation in Operation::ALL.into_iter().filter(|operation| world.count(*operation) > 0) {
            println!("  {operation}: {}", world.count(operation));
        }
        let mut each: Vec<_> = world.releases().iter().map(|release| release.instance_id.as_str()).collect();
        each.sort_unstable();
        assert_eq!(each, ids.iter().map(InstanceId::as_str).collect::<Vec<_>>(), "each once, none lost");
        assert!(world.releases().iter().all(|release| release.unstopped == [] as [(String, LastStatus); 0]), "early");
        assert!(world.killed().is_empty() && world.hook_timeouts().is_empty());
        assert!(since(draining_at.unwrap()) < 10.0);
        assert!(since(released) - since(stopped) <= 90.0);
        assert!(calls <= 4 * HOSTS, "{calls}");
    });
}

/// Five hosts in each of so many clusters, each with a group of its own, that leave at once.
fn in_many_clusters(clusters: usize) -> (World, Vec<InstanceId>) {
    let settings = Settings { latency: secs(0.010)..secs(0.030), ..Settings::default() };
    let mut world = World::new("2026-01-15T20:00:00Z".parse().unwrap(), settings);
    let start = world.now();
    let mut ids = Vec::new();
    for cluster in 0..clusters {
        let (name, group) = (format!("cluster-{cluster}"), format!("group-{cluster}"));
        world.add_cluster(&name).unwrap();
        let hooks = vec![HookSpec::terminating(HOOK, secs(3600.0))];
        world.add_group(GroupSpec { name: group.clone(), hooks, ..GroupSpec::default() }).unwrap();
        for n in 0..5 {
            let id = instance_id(cluster * 5 + n);
            let spec = HostSpec {
                instance_id: Some(id.clone()),
                cluster: Some(name.clone()),
                group: Some(group.clone()),
                ..HostSpec::default()
            };
            world.add_host(spec).unwrap();
            world.scale_in(&id, start).unwrap();
            ids.push(InstanceId::parse(&id).unwrap());
        }
    }
    world.advance(start + secs(1.0));
    (world, ids)
}

/// Nothing tells in which of them a host is: a search asks all. Each list takes a request, each description another, so
/// that 200 clusters take 15 s at least (400 reads; ECS takes 100 at once, and 20 a second).
#[tokio::test(start_paused = true)]
async fn a_thousand_hosts_in_two_hundred_clusters_are_searched_for_together() {
    LocalSet::new()
        .run_until(async {
            let (world, ids) = in_many_clusters(200);
            let model = Rc::new(Model::of(world));
            let clock = model.clock();
            let start = clock.now();
            let delivery = Rc::new(Delivery::new(EVENTS, EVENTS_CONCURRENCY, clock));
            ids.iter().for_each(|id| delivery.send(id.to_string()));
            let (fed, warm) = (model.clone(), Rc::new(Warm::default()));
            spawn_local(delivery.feed(move |messages| terminating(fed.clone(), warm.clone(), messages)));
            let begins_at = after(start, secs(30.0));
            tokio::time::sleep_until(clock.instant(begins_at)).await;
            spawn_local(reconcile(model.clone(), 1));
            let active = || {
                model.world(|world| {
                    let is_active = |id: &&InstanceId| world.registrations(id.as_str()).any(|r| r.status == "ACTIVE");
                    ids.iter().filter(is_active).count()
                })
            };
            while active() > 0 && clock.now() < after(begins_at, secs(70.0)) {
                tokio::time::sleep(secs(0.25)).await;
            }
            let took = clock.now().duration_since(begins_at).as_secs_f64();
            let searches = model.world(|world| world.count(Operation::ListContainerInstances));
            println!("all DRAINING {took:.1} s after reconcile began; {searches} searches");
            // Each invocation by itself, without a word of the others, would ask 20,000 times.
            assert!(searches < 3_000, "{searches}");
            // Two hundred reads of hooks and four hundred of ECS at twenty a second, less a full bucket of the latter.
            assert!(took < 25.0 + 30.0, "{took} s, {} are left", active());
        })
        .await;
}

#[test]
fn a_thousand_hosts_at_once_are_drained_out_of_one_quota() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, burst(0.0, 30.0));
}

#[test]
fn a_thousand_hosts_at_once_are_drained_with_one_request_in_twenty_failing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, burst(0.05, 30.0));
}

#[tokio::test]
async fn of_a_full_batch_only_the_event_that_is_ahead_of_its_state_comes_again() {
    let mut world = world(wall_now(), FULL_BATCH, 0.0, 2.0);
    let ids: Vec<_> = (0..FULL_BATCH).map(instance_id).collect();
    let (ahead, others) = ids.split_last().unwrap();
    let now = world.now();
    // The last one is in service still, and its event is taken from a world in which it is not.
    let event = world.clone().scale_in(ahead, now).unwrap();
    let events = others.iter().flat_map(|id| world.scale_in(id, now).unwrap()).chain(event);
    let events: Vec<_> = events.map(|event| event.to_string()).collect();
    world.advance(now + secs(0.5));
    let stage = Stage::idle(world);

    let batch = stage.function(&[]).invoke(&sqs_batch(events)).await;

    let again = json!({"batchItemFailures": [{"itemIdentifier": format!("message-{FULL_BATCH}")}]});
    assert_eq!(batch.outcome.answer(), Some(&again), "{batch:?}");
    assert!(others.iter().all(|id| stage.status(id) == "DRAINING"));
    assert_eq!(stage.status(ahead), "ACTIVE");
}

#[tokio::test]
async fn a_full_batch_that_cannot_be_set_draining_decides_nothing_without_its_groups_own_settings() {
    let mut world = world(wall_now(), FULL_BATCH, 0.0, 2.0);
    let denied = simulator::world::FaultKind::Throttle;
    world.plan(simulator::world::Fault::times(Operation::UpdateContainerInstancesState, u32::MAX, denied));
    let now = world.now();
    let events: Vec<_> = (0..FULL_BATCH).flat_map(|n| world.scale_in(&instance_id(n), now).unwrap()).collect();
    world.advance(now + secs(0.5));
    let stage = Stage::idle(world);
    let settings = [("DRAIN_TIMEOUT_SECONDS", "1"), ("ON_DRAIN_TIMEOUT", "proceed")];

    let function = stage.function_with(&settings, secs(8.0));
    let batch = function.invoke(&sqs_batch(events.iter().map(ToString::to_string))).await;

    assert_eq!(batch.outcome.answer(), Some(&json!({"batchItemFailures": []})), "{batch:?}");
    assert_eq!(stage.releases().len(), 0, "its group's hook may say something else");
}

#[tokio::test]
async fn a_full_batch_is_set_draining_by_the_real_binary_in_few_requests_and_handed_over_at_once() {
    let stage = Stage::idle(world(wall_now(), FULL_BATCH, 0.0, 2.0));
    let ids: Vec<_> = (0..FULL_BATCH).map(instance_id).collect();
    let events: Vec<_> = stage.simulator.world(|world| {
        ids.iter().flat_map(|id| world.scale_in(id, world.now()).unwrap()).map(|e| e.to_string()).collect()
    });
    let waits = |world: &World| ids.iter().all(|id| world.lifecycle_state(id) == Some("Terminating:Wait"));
    assert!(stage.simulator.wait_for(secs(5.0), waits).await);
    let as_deployed = [("POLL_MIN_SECONDS", "2"), ("POLL_MAX_SECONDS", "15")];

    let batch = stage.function_with(&as_deployed, secs(45.0)).invoke(&sqs_batch(events)).await;

    assert_eq!(batch.outcome.answer(), Some(&json!({"batchItemFailures": []})), "{batch:?}");
    assert!(ids.iter().all(|id| stage.status(id) == "DRAINING"));
    let expected = [
        (Operation::DescribeAutoScalingInstances, 1),
        (Operation::ListClusters, 1),
        (Operation::ListContainerInstances, 1),
        (Operation::DescribeContainerInstances, 1),
        (Operation::UpdateContainerInstancesState, 1),
    ];
    for operation in Operation::ALL {
        let wanted = expected.iter().find(|(it, _)| *it == operation).map_or(0, |(_, count)| *count);
        assert_eq!(stage.count(operation), wanted, "{operation}: the event names group and hook, and reconcile waits");
    }
    let reconcile = stage.reconcile(&as_deployed, secs(60.0));
    reconcile.invoke(&json!({})).await;
    stage.simulator.world(|world| {
        let mut each: Vec<_> = world.releases().iter().map(|release| release.instance_id.clone()).collect();
        each.sort_unstable();
        assert_eq!(each, ids, "each once, none lost");
        assert!(world.releases().iter().all(|release| release.unstopped == [] as [(String, LastStatus); 0]), "early");
    });
}

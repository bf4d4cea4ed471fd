//! Many hosts at once, out of one account's quota.

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use shared::clock::after;
use shared::config::Config;
use shared::drain::departure::{Departure, NoticedBy};
use shared::drain::known::Known;
use shared::drain::remembered::Remembered;
use shared::drain::{self, Budget, Context, scan};
use shared::ids::InstanceId;
use simulator::clock::wall_now;
use simulator::lambda::sqs_batch;
use simulator::world::{GroupSpec, HookSpec, HostSpec, LastStatus, Operation, ServiceSpec, Settings, World};
use tokio::task::{LocalSet, spawn_local};

use crate::support::model::Model;
use crate::support::{CLUSTER, GROUP, HOOK, Stage, secs};

const HOSTS: usize = 1_000;
const BATCH: usize = 100;

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
    world.add_group(GroupSpec { name: GROUP.into(), hooks }).unwrap();
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

/// One invocation of `instance-terminating` for a batch, or of `reconcile`, in an environment of its own.
async fn invocation(model: Rc<Model>, batch: Option<Vec<InstanceId>>, seed: u64) {
    let config = Config::read(|_| None).unwrap();
    let (clock, now) = (model.clock(), model.clock().now());
    let remembered = Remembered::default();
    let context = Context { calls: &*model, config: &config, remembered: &remembered, clock };
    let mut rng = fastrand::Rng::with_seed(seed);
    let within = |lasts: f64, polls: Duration| Budget::within(after(now, secs(lasts)), polls, now).unreported();
    let (known, budget) = match batch {
        Some(ids) => {
            let departures = ids.into_iter().map(|id| Departure::of_termination(id, NoticedBy::Event));
            (departures.map(|departure| Known::new(departure, now)).collect(), within(150.0, config.poll_for.batch))
        }
        None => {
            let budget = within(60.0, secs(55.0));
            let Ok(known) = scan::departures(&context, budget, &mut rng).await else { return };
            (known, budget)
        }
    };
    drain::run(&context, known, budget, &mut rng).await;
}

/// Ten batches at once, each in an environment of its own, and `reconcile` every minute beside them.
async fn burst(failing: f64, reconcile_at: f64) {
    let mut world = world("2026-01-15T20:00:00Z".parse().unwrap(), HOSTS, failing, 10.0);
    let start = world.now();
    let ids: Vec<_> = (0..HOSTS).map(|n| InstanceId::parse(&instance_id(n)).unwrap()).collect();
    for id in &ids {
        world.scale_in(id.as_str(), start).unwrap();
    }
    let model = Rc::new(Model::of(world));
    let clock = model.clock();
    for (batch, seed) in ids.chunks(BATCH).zip(0..) {
        spawn_local(invocation(model.clone(), Some(batch.to_vec()), seed));
    }
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
            spawn_local(invocation(model.clone(), None, seed));
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

#[test]
fn a_thousand_hosts_at_once_are_drained_out_of_one_quota() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, burst(0.0, 30.0));
}

#[test]
fn and_so_they_are_with_one_request_in_twenty_failing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, burst(0.05, 30.0));
}

#[tokio::test]
async fn a_hundred_hosts_in_one_batch_of_the_real_binaries_cost_few_requests() {
    let stage = Stage::idle(world(wall_now(), 100, 0.0, 2.0));
    let ids: Vec<_> = (0..100).map(instance_id).collect();
    let events: Vec<_> = stage.simulator.world(|world| {
        ids.iter().flat_map(|id| world.scale_in(id, world.now()).unwrap()).map(|e| e.to_string()).collect()
    });
    let as_deployed = [("POLL_MIN_SECONDS", "2"), ("POLL_MAX_SECONDS", "15")];

    let batch = stage.function_with(&as_deployed, secs(150.0)).invoke(&sqs_batch(events)).await;

    assert_eq!(batch.outcome.answer(), Some(&json!({"batchItemFailures": []})), "{batch:?}");
    assert!(ids.iter().all(|id| stage.status(id) == "DRAINING"));
    assert_eq!(stage.count(Operation::ListTasks), 0, "a crowd is left to reconcile");
    let reconcile = stage.reconcile(&as_deployed, secs(60.0));
    for _ in 0..2 {
        reconcile.invoke(&json!({})).await;
    }
    stage.simulator.world(|world| {
        let mut each: Vec<_> = world.releases().iter().map(|release| release.instance_id.clone()).collect();
        each.sort_unstable();
        assert_eq!(each, ids, "each once, none lost");
        assert!(world.releases().iter().all(|release| release.unstopped == [] as [(String, LastStatus); 0]), "early");
        let calls: usize = Operation::ALL.iter().map(|operation| world.count(*operation)).sum();
        assert!(calls <= 4 * 100, "{calls}");
    });
}

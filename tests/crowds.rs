//! Crowds of hosts, whose tasks take longer to read than one invocation lasts: in virtual time, over the model.

use std::collections::BTreeSet;

use shared::clock::after;
use shared::drain::remembered::Remembered;
use shared::drain::reports::report::Drain;
use shared::drain::rules::decision::Outcome;
use shared::drain::{self, Budget, Context};
use simulator::world::{
    EcsRequest, Fault, FaultKind, GroupSpec, HookSpec, LastStatus, Operation, Quotas, Request, Settings, TaskSpec,
    World,
};

use crate::support::engine::{config, reconcile};
use crate::support::model::Model;
use crate::support::{CLUSTER, GROUP, HOOK, host, secs};

fn instance_id(n: usize) -> String {
    format!("i-{n:017x}")
}

/// So many hosts that leave, with so many tasks each that end by themselves after five seconds. A page holds ten tasks, so
/// that lists are as long as those of ten times as many tasks.
fn leaving(hosts: usize, tasks: usize, quotas: Quotas) -> World {
    let settings = Settings { latency: secs(0.08)..secs(0.1), quotas, page_size: 10, ..Settings::default() };
    let mut world = World::new("2026-01-15T20:00:00Z".parse().unwrap(), settings);
    world.add_cluster(CLUSTER).unwrap();
    let hooks = vec![HookSpec::terminating(HOOK, secs(300.0))];
    world.add_group(GroupSpec { name: GROUP.into(), hooks, ..GroupSpec::default() }).unwrap();
    let now = world.now();
    for id in (0..hosts).map(instance_id) {
        host(&mut world, &id, Some(CLUSTER));
        for _ in 0..tasks {
            job(&mut world, &id, Some(5.0));
        }
        world.scale_in(&id, now).unwrap();
    }
    world.advance(now + secs(1.0));
    world
}

fn job(world: &mut World, instance_id: &str, finishes_after: Option<f64>) {
    let spec = TaskSpec {
        cluster: CLUSTER.into(),
        instance_id: instance_id.into(),
        family: "job".into(),
        finishes_after: finishes_after.map(secs),
        ..TaskSpec::default()
    };
    world.run_task(spec).unwrap();
}

/// `reconcile` every minute, each in the environment that `environment` gives it.
async fn minutes(model: &Model, count: u64, environment: impl Fn() -> Option<Remembered>) -> Vec<Vec<Drain>> {
    let (kept, mut reports) = (Remembered::default(), Vec::new());
    for minute in 0..count {
        let next = after(model.clock().now(), secs(60.0));
        let cold = environment();
        reports.push(reconcile(model, model.clock(), &config(&[]), cold.as_ref().unwrap_or(&kept), minute).await);
        tokio::time::sleep_until(model.clock().instant(next)).await;
    }
    reports
}

fn released(model: &Model) -> usize {
    model.world(|world| {
        let each: BTreeSet<_> = world.releases().iter().map(|release| &release.instance_id).collect();
        assert!(world.releases().iter().all(|release| release.unstopped == [] as [(String, LastStatus); 0]), "early");
        assert_eq!(each.len(), world.releases().len(), "each once");
        each.len()
    })
}

/// When each page of the cluster's lists was asked for, and by which token.
fn pages_of_the_cluster(model: &Model) -> Vec<(jiff::Timestamp, Option<String>)> {
    model.world(|world| {
        let pages = world.requests().iter().filter_map(|it| match &it.request {
            Request::Ecs(EcsRequest::ListTasks { container_instance: None, next_token, .. }) => {
                Some((it.at, next_token.clone()))
            }
            _ => None,
        });
        pages.collect()
    })
}

#[tokio::test(start_paused = true)]
async fn where_no_environment_stays_warm_a_crowd_of_idle_hosts_is_released_all_the_same() {
    let model = Model::of(leaving(1_000, 7, Quotas::unlimited()));

    minutes(&model, 8, || Some(Remembered::default())).await;

    assert!(released(&model) > 500, "{} of 1,000", released(&model));
}

#[tokio::test(start_paused = true)]
async fn a_warm_environment_goes_on_with_a_listing_that_did_not_end() {
    let model = Model::of(leaving(1_000, 7, Quotas::unlimited()));
    let began = model.clock().now();

    minutes(&model, 6, || None).await;

    assert_eq!(released(&model), 1_000);
    let pages = pages_of_the_cluster(&model);
    let tokens: Vec<_> = pages.iter().map(|(_, token)| token).collect();
    let anew = tokens.iter().filter(|token| token.is_none()).count();
    // Of 700 pages a minute of 55 s holds no more than 610, one after the other.
    let first = pages.iter().skip(2).position(|(_, token)| token.is_none()).map_or(pages.len(), |more| more + 2);
    assert!(pages[first - 1].0.duration_since(began).as_secs() > 60, "the first listing ends in the second minute");
    assert!(first > 610 && anew <= 2 * 6, "no page twice, and no listing anew: {first} pages, {anew} lists");
    let searches = model.world(|world| world.count(Operation::ListContainerInstances));
    assert_eq!(searches, 101, "one page of the cluster, which has more, and ten hosts each, once");
}

#[tokio::test(start_paused = true)]
async fn heartbeats_and_releases_go_out_while_a_long_listing_is_under_way() {
    let mut world = leaving(600, 10, Quotas::documented());
    // One in ten goes on, and is kept alive.
    (0..60).for_each(|n| job(&mut world, &instance_id(n * 10), None));
    let model = Model::of(world);

    let reports = minutes(&model, 6, || None).await;

    assert!(model.world(|world| world.hook_timeouts().is_empty()), "no hook was lost");
    let pages = pages_of_the_cluster(&model);
    let others = model.world(|world| {
        let of =
            |operation| world.requests().iter().filter(move |it| it.request.operation() == operation).map(|it| it.at);
        let all: Vec<_> =
            of(Operation::RecordLifecycleActionHeartbeat).chain(of(Operation::CompleteLifecycleAction)).collect();
        all
    });
    let in_between = |at: &jiff::Timestamp| {
        let (before, after) = (pages.iter().rfind(|(page, _)| page <= at), pages.iter().find(|(page, _)| page > at));
        before.is_some() && after.is_some_and(|(_, token)| token.is_some())
    };
    assert!(others.iter().filter(|at| in_between(at)).count() > 20, "a round is short: {}", others.len());
    let outcomes = |outcome| reports.iter().flatten().filter(|drain| drain.outcome == outcome).count();
    assert_eq!(released(&model), 540);
    // The answer to a completion may come after the invocation's end.
    assert!((530..=540).contains(&outcomes(Outcome::Drained)), "none twice: {}", outcomes(Outcome::Drained));
}

#[tokio::test(start_paused = true)]
async fn what_was_left_long_ago_or_of_another_termination_is_not_gone_on_with() {
    let mut world = leaving(3, 1, Quotas::unlimited());
    (0..3).for_each(|n| job(&mut world, &instance_id(n), None));
    let model = Model::of(world);
    let searches = |model: &Model| model.world(|world| world.count(Operation::ListContainerInstances));
    let remembered = Remembered::default();

    reconcile(&model, model.clock(), &config(&[]), &remembered, 0).await;
    assert_eq!(searches(&model), 1);
    tokio::time::sleep(secs(5.0)).await;
    reconcile(&model, model.clock(), &config(&[]), &remembered, 1).await;
    assert_eq!(searches(&model), 1, "it is known where they are");
    tokio::time::sleep(secs(121.0)).await;
    reconcile(&model, model.clock(), &config(&[]), &remembered, 2).await;
    assert_eq!(searches(&model), 2, "that was long ago");
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_fails_takes_nothing_away_from_what_was_left() {
    let mut world = leaving(3, 1, Quotas::unlimited());
    (0..3).for_each(|n| job(&mut world, &instance_id(n), None));
    let model = Model::of(world);
    let remembered = Remembered::default();
    reconcile(&model, model.clock(), &config(&[]), &remembered, 0).await;
    model.world(|world| {
        let silent = Some(Operation::DescribeAutoScalingGroups);
        world.plan(Fault { operation: silent, ..Fault::always(FaultKind::AccessDenied) });
    });
    let (clock, settings) = (model.clock(), config(&[]));
    let budget = Budget::within(after(clock.now(), secs(20.0)), secs(15.0), clock.now());
    let context = Context { calls: &model, config: &settings, remembered: &remembered, clock, budget };
    assert!(drain::reconcile(&context, &mut fastrand::Rng::with_seed(1)).await.is_err());
    model.world(World::forget_faults);

    reconcile(&model, model.clock(), &config(&[]), &remembered, 2).await;

    assert_eq!(model.world(|world| world.count(Operation::ListContainerInstances)), 1);
}

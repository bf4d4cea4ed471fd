//! One member of a request that is denied, or that no answer describes: its neighbours are drained as ever. Virtual time.

use std::collections::BTreeSet;

use shared::clock::after;
use shared::config::Config;
use shared::drain::remembered::Remembered;
use shared::drain::reports::report::Drain;
use shared::drain::requests::scan;
use shared::drain::{self, Budget, Context};
use simulator::world::{Fault, FaultKind, Operation, Settings, World};

use crate::support::engine::job;
use crate::support::model::Model;
use crate::support::{CLUSTER, STAYING, bare_world, host, secs};

fn hosts(world: &mut World, count: usize) -> Vec<String> {
    let ids: Vec<_> = (0..count).map(|n| format!("i-{n:017x}")).collect();
    ids.iter().for_each(|id| host(world, id, Some(CLUSTER)));
    ids
}

fn leaving(mut world: World, ids: &[String]) -> Model {
    let now = world.now();
    for id in ids {
        world.scale_in(id, now).unwrap();
    }
    Model::of(world)
}

/// `reconcile` once a minute, each time in a cold environment; answers what the last one told.
async fn minutes(model: &Model, count: u64) -> Vec<Drain> {
    let config = Config::read(|_| None).unwrap();
    let mut told = Vec::new();
    for minute in 0..count {
        let clock = model.clock();
        let next = after(clock.now(), secs(60.0));
        let budget = Budget::within(next, secs(55.0), clock.now());
        let context = Context { calls: model, config: &config, remembered: &Remembered::default(), clock, budget };
        let mut rng = fastrand::Rng::with_seed(minute);
        if let Ok(known) = scan::departures(&context, &BTreeSet::new(), budget.hand_over_at, &mut rng).await {
            told = drain::run(&context, known, &mut rng).await;
        }
        tokio::time::sleep_until(clock.instant(next)).await;
    }
    told
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_denied_does_not_keep_its_chunk_from_draining() {
    for operation in
        [Operation::UpdateContainerInstancesState, Operation::DescribeContainerInstances, Operation::DescribeTasks]
    {
        let mut world = bare_world(Settings::default());
        let ids = hosts(&mut world, 10);
        ids.iter().for_each(|id| drop(job(&mut world, id, Some(400.0), 5.0)));
        let denied = match operation {
            Operation::DescribeTasks => world.tasks_on(&ids[3])[0].arn.clone(),
            _ => world.registrations(&ids[3]).next().unwrap().arn.clone(),
        };
        let fault = Fault { matching: Some(denied), ..Fault::always(FaultKind::AccessDenied) };
        world.plan(Fault { operation: Some(operation), ..fault });
        let model = leaving(world, &ids);

        minutes(&model, 12).await;

        model.world(|world| {
            let mut released: Vec<_> = world.releases().iter().map(|it| it.instance_id.clone()).collect();
            released.sort();
            let others: Vec<_> = ids.iter().filter(|id| **id != ids[3]).cloned().collect();
            assert_eq!(released, others, "{operation} is denied for one of ten");
            assert!(world.releases().iter().all(|it| it.unstopped.is_empty()), "{:?}", world.releases());
            assert!(world.killed().iter().all(|it| it.instance_id == ids[3]), "{:?}", world.killed());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_cannot_be_described_holds_up_only_its_own_host() {
    for kind in [FaultKind::AccessDenied, FaultKind::Missing] {
        let mut world = bare_world(Settings::default());
        let ids = hosts(&mut world, 3);
        host(&mut world, STAYING, Some(CLUSTER));
        let odd = job(&mut world, STAYING, Some(40_000.0), 5.0);
        world.plan(Fault { operation: Some(Operation::DescribeTasks), matching: Some(odd), ..Fault::always(kind) });
        let model = leaving(world, &ids);

        minutes(&model, 2).await;

        let released = model.world(|world| world.releases().len());
        assert_eq!(released, 3, "{kind:?} of a task on a host that stays");
    }
}

#[tokio::test(start_paused = true)]
async fn where_everything_is_denied_a_round_costs_a_few_requests() {
    let mut world = bare_world(Settings::default());
    let ids = hosts(&mut world, 100);
    ids.iter().for_each(|id| drop(job(&mut world, id, Some(400.0), 5.0)));
    let denied = Some(Operation::DescribeContainerInstances);
    world.plan(Fault { operation: denied, ..Fault::always(FaultKind::AccessDenied) });
    let model = leaving(world, &ids);

    minutes(&model, 1).await;

    let asked = model.world(|world| world.count(Operation::DescribeContainerInstances));
    let rounds = model.world(|world| world.count(Operation::ListContainerInstances));
    assert!(asked <= 20 * rounds, "{asked} requests in {rounds} rounds");
    assert!(model.world(|world| world.releases().is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_container_instance_that_is_listed_and_missing_is_not_absent() {
    let mut world = bare_world(Settings::default());
    let ids = hosts(&mut world, 2);
    ids.iter().for_each(|id| drop(job(&mut world, id, Some(300.0), 5.0)));
    let listed = world.registrations(&ids[0]).next().unwrap().arn.clone();
    world.plan(Fault {
        matching: Some(listed),
        ..Fault::times(Operation::DescribeContainerInstances, 3, FaultKind::Missing)
    });
    let model = leaving(world, &ids);

    minutes(&model, 8).await;

    model.world(|world| {
        assert_eq!(world.releases().len(), 2);
        assert!(world.releases().iter().all(|it| it.unstopped.is_empty()), "{:?}", world.releases());
    });
}

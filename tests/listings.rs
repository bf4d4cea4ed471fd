//! Tasks of many hosts, listed together: in virtual time, over the model, with what can go wrong.

use shared::config::Config;
use shared::drain::facts::departure::{Departure, NoticedBy};
use shared::drain::facts::known::Known;
use shared::drain::remembered::Remembered;
use shared::drain::reports::report::Drain;
use shared::drain::rules::decision::Outcome;
use shared::drain::{self, Budget, Context};
use shared::ids::InstanceId;
use simulator::world::{
    EcsRequest, Fault, FaultKind, GroupSpec, HookSpec, LastStatus, Operation, Quotas, Request, Settings, TaskSpec,
    World,
};

use crate::support::model::Model;
use crate::support::{CLUSTER, GROUP, HOOK, host, secs};

/// So many hosts of one cluster that leave, each with a task that is stopping; and as many tasks on others.
fn leaving(hosts: usize, elsewhere: usize, settings: Settings) -> (Model, Vec<String>) {
    // At a fixed time: whose heartbeat is due, and comes before its list, depends on it.
    let mut world = World::new("2026-01-15T20:00:00Z".parse().unwrap(), settings);
    world.add_cluster(CLUSTER).unwrap();
    let hooks = vec![HookSpec::terminating(HOOK, secs(7200.0))];
    world.add_group(GroupSpec { name: GROUP.into(), hooks, ..GroupSpec::default() }).unwrap();
    let ids: Vec<_> = (1..=hosts).map(|n| format!("i-{n:017x}")).collect();
    for id in &ids {
        host(&mut world, id, Some(CLUSTER));
        job(&mut world, id);
        let now = world.now();
        world.scale_in(id, now).unwrap();
    }
    host(&mut world, "i-0bbbbbbbbbbbbbbbb", Some(CLUSTER));
    for _ in 0..elsewhere {
        job(&mut world, "i-0bbbbbbbbbbbbbbbb");
    }
    (Model::of(world), ids)
}

fn job(world: &mut World, instance_id: &str) {
    let spec = TaskSpec {
        cluster: CLUSTER.into(),
        instance_id: instance_id.into(),
        stop_time: secs(5.0),
        ..TaskSpec::default()
    };
    world.run_task(spec).unwrap();
}

/// One invocation that stops standalone tasks and waits for them, for bare events or for a batch.
async fn drained(model: &Model, ids: &[String]) -> Vec<Drain> {
    let now = model.clock().now();
    drained_within(model, ids, Budget::within(now + secs(600.0), secs(590.0), now)).await
}

async fn drained_within(model: &Model, ids: &[String], budget: Budget) -> Vec<Drain> {
    let config = Config::read(|name| (name == "STANDALONE_TASKS").then(|| "stop".to_owned())).unwrap();
    let remembered = Remembered::default();
    let now = model.clock().now();
    let context = Context { calls: model, config: &config, remembered: &remembered, clock: model.clock(), budget };
    let known = |id: &String| {
        let instance = InstanceId::parse(id).unwrap();
        Known::new(Departure::of_termination(instance, NoticedBy::Event), now)
    };
    drain::run(&context, ids.iter().map(known).collect(), &mut fastrand::Rng::with_seed(5)).await
}

fn all_drained(model: &Model, drains: &[Drain]) {
    assert!(drains.iter().all(|drain| drain.outcome == Outcome::Drained), "{drains:#?}");
    model.world(|world| {
        assert_eq!(world.releases().len(), drains.len());
        assert!(world.releases().iter().all(|release| release.unstopped == [] as [(String, LastStatus); 0]));
    });
}

/// Requests for lists of whole clusters, and of single hosts.
fn lists(model: &Model) -> (usize, usize) {
    model.world(|world| {
        let of = |whole: bool| {
            let lists = world.requests().iter().filter(
                |it| matches!(&it.request, Request::Ecs(EcsRequest::ListTasks { container_instance, .. }) if container_instance.is_none() == whole),
            );
            lists.count()
        };
        (of(true), of(false))
    })
}

#[tokio::test(start_paused = true)]
async fn hosts_of_a_cluster_are_listed_together() {
    let (model, ids) = leaving(15, 0, Settings::default());

    all_drained(&model, &drained(&model, &ids).await);

    let (of_cluster, of_hosts) = lists(&model);
    assert_eq!(of_hosts, 0, "each by itself would take 30 requests, and again 30");
    assert!((4..=10).contains(&of_cluster), "{of_cluster}");
}

#[tokio::test(start_paused = true)]
async fn where_lists_or_descriptions_of_tasks_are_throttled_a_batch_is_left_to_reconcile() {
    for operation in [Operation::ListTasks, Operation::DescribeTasks] {
        let (model, ids) = leaving(2, 0, Settings::default());
        model.world(|world| world.plan(Fault::times(operation, u32::MAX, FaultKind::Throttle)));
        let now = model.clock().now();
        let budget = Budget::within(now + secs(60.0), secs(50.0), now);

        let drains = drained_within(&model, &ids, budget.of_a_batch()).await;

        let took = model.clock().now().duration_since(now).as_secs();
        let left = |drain: &Drain| drain.outcome == Outcome::HandedOver && drain.detail.contains("reconcile waits");
        assert!(took < 10 && drains.iter().all(left), "{operation} after {took} s: {drains:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_with_more_pages_than_hosts_that_ask_is_not_listed_whole() {
    let settings = Settings { page_size: 10, ..Settings::default() };
    let (model, ids) = leaving(3, 300, settings);

    all_drained(&model, &drained(&model, &ids).await);

    let (of_cluster, of_hosts) = lists(&model);
    assert!(of_cluster <= 3 + 6, "tried once, remembered as twice as long: {of_cluster}");
    assert!(of_hosts >= 3 * 2 * 2, "{of_hosts}");
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_list_a_whole_cluster_lists_host_by_host() {
    let (model, ids) = leaving(15, 0, Settings { quotas: Quotas::unlimited(), ..Settings::default() });
    // As IAM denies it: the request names no container instance.
    let denied = Fault { after: 0, ..Fault::times(Operation::ListTasks, 1, FaultKind::AccessDenied) };
    model.world(|world| world.plan(denied));

    all_drained(&model, &drained(&model, &ids).await);

    let (of_cluster, of_hosts) = lists(&model);
    assert_eq!(of_cluster, 1, "once denied, never asked again");
    assert!(of_hosts >= 15 * 2 * 2, "{of_hosts}");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_costs_no_page_before_it() {
    let settings = Settings { page_size: 10, quotas: Quotas::unlimited(), ..Settings::default() };
    let (model, ids) = leaving(20, 100, settings);
    // The eighth page of the first listing fails, and so does the next try.
    model.world(|world| {
        world.plan(Fault { after: 7, ..Fault::times(Operation::ListTasks, 2, FaultKind::ServerError) });
    });

    all_drained(&model, &drained(&model, &ids).await);

    model.world(|world| {
        let tokens = world.requests().iter().filter_map(|it| match &it.request {
            Request::Ecs(EcsRequest::ListTasks { next_token, desired_status, .. }) => {
                Some((desired_status.clone(), next_token.clone()))
            }
            _ => None,
        });
        let tokens: Vec<_> = tokens.take(10).collect();
        assert_eq!(tokens[7], tokens[8], "the failed page again");
        assert_eq!(tokens[7], tokens[9]);
        let mut pages = tokens.clone();
        pages.dedup();
        let each = pages.iter().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(each.len(), pages.len(), "no page but the failed one was read again: {tokens:?}");
    });
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_cannot_be_described_is_asked_for_again_by_itself() {
    let (model, ids) = leaving(20, 380, Settings { quotas: Quotas::unlimited(), ..Settings::default() });
    model.world(|world| {
        world.plan(Fault { after: 1, ..Fault::times(Operation::DescribeTasks, 1, FaultKind::Throttle) });
    });

    all_drained(&model, &drained(&model, &ids).await);

    let described = |world: &mut World| {
        let sizes = world.requests().iter().filter_map(|it| match &it.request {
            Request::Ecs(EcsRequest::DescribeTasks { tasks, .. }) => Some(tasks.len()),
            _ => None,
        });
        sizes.take(5).collect::<Vec<_>>()
    };
    assert_eq!(model.world(described), [100; 5], "four chunks, and the second once more");
}

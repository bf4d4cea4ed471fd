//! Spot: every task gets its graceful stop before the power goes. Notices are back-dated, so that no test waits for all
//! of their two minutes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::config::Config;
use shared::drain::facts::departure::{Cause, Departure, NoticedBy, SPOT_NOTICE};
use shared::drain::facts::known::Known;
use shared::drain::remembered::Remembered;
use shared::drain::{self, Budget, Context};
use shared::ids::InstanceId;
use simulator::lambda::sqs_batch;
use simulator::wire::Simulator;
use simulator::world::{
    EcsRequest, Fault, FaultKind, Operation, Request, ServiceKind, ServiceSpec, Settings, SpotAction, TaskSpec, World,
};

use crate::support::model::Model;
use crate::support::{CLUSTER, LEAVING, STAYING, Stage, bare_world, host, only, secs, service, standalone, world};

/// A service that may have neither less nor more than its tasks, so that draining moves none. Each takes `stop` from
/// SIGTERM to its end; one with a load balancer leaves that within so many seconds, and StopTask waits for it or not.
pub(crate) fn held(tasks: usize, stop: f64, load_balancer: Option<(f64, bool)>) -> ServiceSpec {
    let kind = load_balancer.map_or("alone", |(_, waits)| if waits { "waits" } else { "waits-not" });
    ServiceSpec {
        cluster: CLUSTER.into(),
        name: format!("held-{kind}"),
        desired: tasks,
        minimum_healthy_percent: 100,
        maximum_percent: 100,
        deregistration: load_balancer.map(|(seconds, _)| secs(seconds)),
        stop_task_waits_for_deregistration: load_balancer.is_some_and(|(_, waits)| waits),
        start_time: secs(1.0),
        stop_time: secs(stop),
        ..ServiceSpec::default()
    }
}

pub(crate) fn held_on_leaving(world: &mut World, stop: f64, load_balancer: Option<(f64, bool)>) {
    world.add_service_with_tasks_on(held(1, stop, load_balancer), LEAVING).unwrap();
}

pub(crate) fn daemon(world: &mut World, stop: f64) {
    let spec = ServiceSpec {
        cluster: CLUSTER.into(),
        name: "log-agent".into(),
        kind: ServiceKind::Daemon,
        stop_time: secs(stop),
        ..ServiceSpec::default()
    };
    world.add_service(spec).unwrap();
}

/// A notice that is so many seconds old.
pub(crate) fn interrupt(simulator: &Simulator, instance_id: &str, seconds_ago: f64) -> Value {
    let notice = |world: &mut World| {
        let noticed_at = world.now() - secs(seconds_ago);
        world.interrupt(instance_id, SpotAction::Terminate, noticed_at)
    };
    simulator.world(notice).unwrap()
}

pub(crate) fn interrupted(world: World, seconds_ago: f64) -> Stage {
    let mut stage = Stage::idle(world);
    let event = interrupt(&stage.simulator, LEAVING, seconds_ago);
    stage.event = event;
    stage
}

/// The groups of the tasks that were told to stop, in the order of the requests.
pub(crate) fn told(stage: &Stage) -> Vec<String> {
    stage.simulator.world(|world| {
        let stops = world.requests().iter().filter_map(|recorded| match &recorded.request {
            Request::Ecs(EcsRequest::StopTask { task, .. }) => task.rsplit('/').next().and_then(|id| world.task(id)),
            _ => None,
        });
        stops.map(|task| task.group()).collect()
    })
}

pub(crate) fn killed(stage: &Stage) -> Vec<String> {
    let group = |world: &World, arn: &str| world.task(arn.rsplit('/').next().unwrap()).unwrap().group();
    stage.simulator.world(|world| world.killed().iter().map(|it| group(world, &it.task)).collect())
}

async fn power_is_off(stage: &Stage) {
    let off = |world: &World| world.host(LEAVING).is_some_and(|host| !host.powered);
    assert!(stage.simulator.wait_for(secs(120.0), off).await);
}

pub(crate) async fn killed_in_the_end(stage: &Stage) -> Vec<String> {
    power_is_off(stage).await;
    killed(stage)
}

#[tokio::test]
async fn tasks_that_ecs_does_not_move_are_stopped_before_the_power_goes_and_daemons_last() {
    let mut world = world();
    service(&mut world, 2, 1.0, 1.0);
    held_on_leaving(&mut world, 1.0, None);
    held_on_leaving(&mut world, 1.0, Some((3.0, true)));
    held_on_leaving(&mut world, 1.0, Some((60.0, false)));
    daemon(&mut world, 1.0);
    standalone(&mut world, None, 2.0);
    let stage = interrupted(world, 105.0);
    let lead = [("SPOT_STOP_LEAD_SECONDS", "9")];

    let drain = only(&stage.spot(&lead, secs(60.0)).invoke(&stage.event).await);

    assert_eq!((drain["outcome"].as_str(), drain["tasksStopped"].as_u64()), (Some("drained"), Some(7)), "{drain}");
    let groups = told(&stage);
    let others: BTreeSet<_> = groups[..4].iter().map(String::as_str).collect();
    let expected = ["family:job", "service:held-alone", "service:held-waits", "service:held-waits-not"];
    assert_eq!(others, BTreeSet::from(expected));
    assert_eq!(groups[4..], ["service:log-agent"], "last, and nothing that ECS had stopped by itself");
    stage.simulator.world(|world| {
        let first_stop = world.requests().iter().find(|it| it.request.operation() == Operation::StopTask).unwrap();
        let noticed_at = world.host(LEAVING).unwrap().interrupted_at.unwrap();
        let after = first_stop.at.duration_since(noticed_at).as_secs_f64();
        // The event's time is the notice's without its fraction.
        assert!((110.0..111.5).contains(&after), "two minutes less SPOT_STOP_LEAD_SECONDS: {after}");
        let job = world.tasks_on(LEAVING).into_iter().find(|task| task.group() == "family:job").unwrap().clone();
        let reason = job.stopped_reason.unwrap_or_default();
        assert!(reason.contains("ecs-drainer") && reason.contains("Spot") && reason.contains(LEAVING), "{reason}");
    });
    assert_eq!(killed_in_the_end(&stage).await, [""; 0]);
    assert_eq!(stage.status(STAYING), "ACTIVE");
}

#[tokio::test]
async fn nobody_elses_business_a_task_of_ecs_managed_instances_is_not_stopped() {
    let mut world = world();
    standalone(&mut world, None, 0.2);
    world.manage(LEAVING).unwrap();
    let stage = interrupted(world, 80.0);

    let drain = only(&stage.spot(&[], secs(30.0)).invoke(&stage.event).await);

    assert_eq!(drain["outcome"], "ignored", "{drain}");
    assert!(drain["detail"].as_str().unwrap().contains("ECS Managed Instances"), "{drain}");
    assert_eq!(told(&stage), [""; 0]);
}

#[tokio::test]
async fn a_task_that_ends_before_the_lead_is_not_stopped() {
    let mut world = world();
    service(&mut world, 3, 0.5, 0.5);
    standalone(&mut world, Some(2.0), 0.5);
    let stage = interrupted(world, 20.0);

    let drain = only(&stage.spot(&[], secs(60.0)).invoke(&stage.event).await);

    assert_eq!((drain["outcome"].as_str(), drain["tasksStopped"].as_u64()), (Some("drained"), Some(4)), "{drain}");
    assert_eq!(told(&stage), [""; 0]);
    assert_eq!(stage.count(Operation::DescribeServices), 0, "asked only of what has to be stopped");
    assert_eq!(stage.count(Operation::PutAttributes), 0, "the notice's time is all that a slice must know");
}

#[tokio::test]
async fn the_agents_own_draining_first_is_harmless() {
    let mut world = world();
    service(&mut world, 1, 0.0, 0.5);
    world.set_status(LEAVING, "DRAINING").unwrap();
    let stage = interrupted(world, 60.0);

    assert_eq!(only(&stage.spot(&[], secs(60.0)).invoke(&stage.event).await)["outcome"], "drained");

    assert_eq!(stage.count(Operation::UpdateContainerInstancesState), 0);
}

#[tokio::test]
async fn where_less_is_left_than_the_lead_stragglers_are_stopped_at_once() {
    let mut world = world();
    standalone(&mut world, None, 3.0);
    let hopeless = TaskSpec {
        cluster: CLUSTER.into(),
        instance_id: LEAVING.into(),
        family: "hopeless".into(),
        stop_time: secs(25.0),
        ..TaskSpec::default()
    };
    world.run_task(hopeless).unwrap();
    let stage = interrupted(world, 112.0);

    let drain = only(&stage.spot(&[], secs(60.0)).invoke(&stage.event).await);

    assert_eq!(drain["outcome"], "timed-out", "{drain}");
    assert_eq!(drain["remaining"][0]["group"], "family:hopeless", "{drain}");
    let both: BTreeSet<_> = told(&stage).into_iter().collect();
    assert_eq!(both, BTreeSet::from(["family:hopeless".to_owned(), "family:job".to_owned()]));
    assert_eq!(killed_in_the_end(&stage).await, ["family:hopeless"], "it got its SIGTERM, and would have needed 25 s");
}

#[tokio::test]
async fn a_notice_whose_time_is_over_is_answered_and_dropped() {
    let mut world = world();
    standalone(&mut world, None, 0.5);
    let stage = Stage::idle(world);
    let mut event = stage.simulator.world(|world| world.recommend_rebalance(LEAVING)).unwrap();
    event["detail-type"] = json!("EC2 Spot Instance Interruption Warning");
    event["time"] = json!((simulator::clock::wall_now() - secs(121.0)).strftime("%FT%TZ").to_string());
    let function = stage.spot(&[], secs(60.0));

    let drain = only(&function.invoke(&event).await);
    let batch = function.invoke(&sqs_batch([event.to_string()])).await;

    assert_eq!(drain["outcome"], "ignored", "{drain}");
    let late = "s old, and gave it 120 s";
    assert!(drain["detail"].as_str().unwrap().contains(late), "{drain}");
    assert_eq!(batch.outcome.answer(), Some(&json!({"batchItemFailures": []})));
    assert_eq!(stage.simulator.world(|world| world.request_count()), 0);
    let logs = function.log_lines().join("\n");
    assert!(logs.contains(late) && logs.contains(LEAVING), "{logs}");
}

#[tokio::test]
async fn a_host_that_hibernates_or_may_be_interrupted_is_set_draining_and_no_more() {
    type Happens = fn(&mut World) -> Value;
    let cases: [(&str, Happens); 2] = [
        ("hibernation", |world| world.interrupt(LEAVING, SpotAction::Hibernate, world.now()).unwrap()),
        ("recommendation", |world| world.recommend_rebalance(LEAVING).unwrap()),
    ];
    for (cause, happens) in cases {
        let mut world = world();
        standalone(&mut world, None, 0.5);
        let stage = Stage::idle(world);
        let event = stage.simulator.world(happens);
        let function = stage.spot(&[("REBALANCE_RECOMMENDATIONS", "drain")], secs(60.0));

        let drain = only(&function.invoke(&event).await);
        let batch = function.invoke(&sqs_batch([event.to_string()])).await;

        assert_eq!(drain["outcome"], "draining", "{drain}");
        assert!(drain["detail"].as_str().unwrap().contains(cause), "{drain}");
        assert_eq!(batch.outcome.answer(), Some(&json!({"batchItemFailures": []})), "nothing is left to do");
        assert_eq!(stage.status(LEAVING), "DRAINING");
        assert_eq!(stage.writes(), 1, "{cause}");
        assert_eq!(stage.count(Operation::DescribeContainerInstances), 2, "one search each: {cause}");
    }
}

#[tokio::test]
async fn a_recommendation_in_the_same_batch_does_not_hide_the_interruption() {
    let mut world = world();
    standalone(&mut world, None, 0.5);
    let stage = Stage::idle(world);
    let recommendation = stage.simulator.world(|world| world.recommend_rebalance(LEAVING)).unwrap();
    let notice = interrupt(&stage.simulator, LEAVING, 105.0);
    let variables = [("REBALANCE_RECOMMENDATIONS", "drain"), ("SPOT_STOP_LEAD_SECONDS", "12")];
    let batch = sqs_batch([recommendation.to_string(), notice.to_string()]);

    let slice = stage.spot(&variables, secs(30.0)).invoke(&batch).await;

    assert_eq!(slice.outcome.answer(), Some(&json!({"batchItemFailures": []})));
    assert_eq!(told(&stage), ["family:job"]);
    assert_eq!(killed_in_the_end(&stage).await, [""; 0]);
}

#[tokio::test]
async fn rebalance_recommendations_are_ignored_unless_asked_for() {
    let stage = Stage::idle(world());
    let event = stage.simulator.world(|world| world.recommend_rebalance(LEAVING)).unwrap();

    let drain = only(&stage.spot(&[], secs(60.0)).invoke(&event).await);

    assert_eq!(drain["outcome"], "ignored");
    assert!(drain["detail"].as_str().unwrap().contains("REBALANCE_RECOMMENDATIONS"), "{drain}");
    assert_eq!(stage.simulator.world(|world| world.request_count()), 0);
}

#[tokio::test]
async fn hosts_in_no_cluster_cost_one_search_for_all() {
    let mut world = bare_world(Settings::default());
    world.add_cluster("other").unwrap();
    let ids: Vec<_> = (0..20).map(|n| format!("i-{n:017x}")).collect();
    for id in &ids {
        host(&mut world, id, None);
    }
    let stage = Stage::idle(world);
    let events = ids.iter().map(|id| interrupt(&stage.simulator, id, 10.0));
    let function = stage.spot(&[], secs(30.0));

    let invocation = function.invoke(&sqs_batch(events.map(|event| event.to_string()))).await;

    assert_eq!(invocation.outcome.answer(), Some(&json!({"batchItemFailures": []})));
    let settled = function.log_lines().iter().filter(|line| line.contains("not-in-ecs")).count();
    assert_eq!(settled, 20);
    assert_eq!(
        (stage.count(Operation::ListClusters), stage.count(Operation::ListContainerInstances)),
        (2, 4),
        "two searches"
    );
    assert_eq!(stage.simulator.world(|world| world.request_count()), 6);
}

#[tokio::test]
async fn many_at_once_share_one_search_and_few_writes() {
    let mut world = bare_world(Settings::default());
    let ids: Vec<_> = (0..25).map(|n| format!("i-{n:017x}")).collect();
    for id in &ids {
        host(&mut world, id, Some(CLUSTER));
    }
    let stage = Stage::idle(world);
    let events: Vec<_> = ids.iter().map(|id| interrupt(&stage.simulator, id, 60.0).to_string()).collect();
    let doubled = events.iter().chain(events.first()).cloned();

    let invocation = stage.spot(&[], secs(30.0)).invoke(&sqs_batch(doubled)).await;

    assert_eq!(invocation.outcome.answer(), Some(&json!({"batchItemFailures": []})));
    assert_eq!(stage.count(Operation::ListContainerInstances), 1);
    assert_eq!(stage.count(Operation::UpdateContainerInstancesState), 3, "ten at a time");
    assert_eq!(stage.writes(), 3);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let mut world = world();
    standalone(&mut world, None, 0.5);
    let stage = interrupted(world, 60.0);

    let drain = only(&stage.spot(&[("DRY_RUN", "true")], secs(60.0)).invoke(&stage.event).await);

    assert_eq!((drain["outcome"].as_str(), stage.writes()), (Some("would-drain"), 0), "{drain}");
}

/// One invocation for a notice that is so many seconds old, in virtual time; and what happens beside it.
async fn notice_served(world: World, age: f64, beside: impl AsyncFnOnce(&Model)) -> Model {
    let mut world = world;
    let noticed_at = world.now() - secs(age);
    world.interrupt(LEAVING, SpotAction::Terminate, noticed_at).unwrap();
    let (model, config) = (Model::of(world), Config::read(|_| None).unwrap());
    let (clock, now) = (model.clock(), model.clock().now());
    let budget = Budget::within(now + secs(300.0), SPOT_NOTICE, now);
    let context = Context { calls: &model, config: &config, remembered: &Remembered::default(), clock, budget };
    let cause = Cause::SpotInterruption { noticed_at };
    let departure = Departure { instance: InstanceId::parse(LEAVING).unwrap(), cause, noticed_by: NoticedBy::Event };
    let mut rng = fastrand::Rng::with_seed(1);
    let drained = drain::run(&context, vec![Known::new(departure, now)], &mut rng);
    tokio::join!(drained, beside(&model));
    model
}

/// The request before the first StopTask, and the StopTask, each with the seconds since the notice.
fn first_stop(world: &World) -> [(f64, Operation); 2] {
    let noticed_at = world.host(LEAVING).unwrap().interrupted_at.unwrap();
    let stopped = world.requests().iter().position(|it| it.request.operation() == Operation::StopTask).unwrap();
    let [before, stop] = &world.requests()[stopped - 1..=stopped] else { panic!("two requests") };
    [before, stop].map(|it| (it.at.duration_since(noticed_at).as_secs_f64(), it.request.operation()))
}

#[tokio::test(start_paused = true)]
async fn no_read_that_takes_long_makes_a_stop_late() {
    let mut world = world();
    standalone(&mut world, None, 30.0);
    let slower = async |model: &Model| {
        // When its tasks have been read, ahead of the time at which they are to be stopped.
        tokio::time::sleep(secs(65.0)).await;
        model.world(|world| world.plan(Fault::always(FaultKind::Slow(secs(40.0)))));
    };

    let model = notice_served(world, 0.0, slower).await;

    model.world(|world| {
        let [(before, _), (stop, _)] = first_stop(world);
        assert!((65.0..75.0).contains(&before), "a slow look was under way: {before}");
        assert!((75.0..75.01).contains(&stop), "{stop}");
        assert!(world.killed().is_empty());
    });
}

#[tokio::test(start_paused = true)]
async fn a_straggler_is_stopped_as_soon_as_it_is_known_where_less_is_left_than_the_lead() {
    let mut world = bare_world(Settings { latency: secs(0.02)..secs(0.03), ..Settings::default() });
    host(&mut world, LEAVING, Some(CLUSTER));
    standalone(&mut world, None, 6.0);
    service(&mut world, 1, 0.0, 1.0);

    let model = notice_served(world, 112.0, async |_| {}).await;

    model.world(|world| {
        let [_, (stop, _)] = first_stop(world);
        assert!(stop < 112.5, "a search, DRAINING, the tasks, and nothing else before it: {stop}");
        assert!(world.killed().is_empty());
    });
}

#[tokio::test]
async fn a_notice_and_the_groups_hook_for_one_host_both_end_well_in_either_order_and_at_once() {
    for (hook_first, pause) in [(true, 1.5), (false, 1.5), (true, 0.0)] {
        let mut world = world();
        service(&mut world, 2, 0.5, 0.5);
        standalone(&mut world, None, 1.0);
        let stage = Stage::idle(world);
        let scale_in = || stage.simulator.world(|world| world.scale_in(LEAVING, world.now())).unwrap().remove(0);
        let (terminating, spot) = (stage.function(&[]), stage.spot(&[("SPOT_STOP_LEAD_SECONDS", "26")], secs(60.0)));

        let [first, second] = if hook_first {
            let hook = scale_in();
            let event = interrupt(&stage.simulator, LEAVING, 90.0);
            let later = async {
                tokio::time::sleep(secs(pause)).await;
                spot.invoke(&event).await
            };
            let (hook, spot) = tokio::join!(terminating.invoke(&hook), later);
            [only(&hook), only(&spot)]
        } else {
            let event = interrupt(&stage.simulator, LEAVING, 90.0);
            let later = async {
                tokio::time::sleep(secs(pause)).await;
                terminating.invoke(&scale_in()).await
            };
            let (spot, hook) = tokio::join!(spot.invoke(&event), later);
            [only(&hook), only(&spot)]
        };

        assert_eq!(first["outcome"], "drained", "{first}");
        assert_eq!(second["outcome"], "drained", "{second}");
        stage.released_empty();
        assert_eq!(told(&stage), ["family:job"], "by the notice; the hook alone would have waited");
    }
}

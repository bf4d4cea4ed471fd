//! Drains by hand, and the looks that people take, in virtual time, over the model.

use std::collections::BTreeSet;

use shared::config::{Config, OnDrainTimeout, Policy, StandaloneTasks};
use shared::drain::facts::departure::{Cause, Departure, NoticedBy};
use shared::drain::facts::known::Known;
use shared::drain::remembered::Remembered;
use shared::drain::reports::look::{is_incomplete, look};
use shared::drain::requests::scan;
use shared::drain::rules::decision::Outcome;
use shared::drain::{self, Budget, Context, Pursuit};
use shared::ids::InstanceId;
use simulator::world::{Fault, FaultKind, Operation, TaskSpec, World};

use crate::support::model::Model;
use crate::support::{CLUSTER, LEAVING, STAYING, remembered, secs, service, standalone, world};

fn by_hand(id: &str, model: &Model) -> Known {
    let instance = InstanceId::parse(id).unwrap();
    let departure = Departure { instance, cause: Cause::Maintenance, noticed_by: NoticedBy::Person };
    Known::new(departure, model.clock().now())
}

fn config(of: impl FnOnce(Policy) -> Policy) -> Config {
    let config = Config::read(|_| None).unwrap();
    Config { policy: of(config.policy), ..config }
}

/// Without a deadline, as the command has it.
fn endless(policy: Policy) -> Policy {
    Policy { drain_timeout: std::time::Duration::MAX, on_drain_timeout: OnDrainTimeout::Wait, ..policy }
}

/// A task without a service, which ends by itself after so long.
fn job(world: &mut World, finishes_after: f64) {
    let spec = TaskSpec {
        cluster: CLUSTER.into(),
        instance_id: LEAVING.into(),
        family: "job".into(),
        finishes_after: Some(secs(finishes_after)),
        ..TaskSpec::default()
    };
    world.run_task(spec).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_drain_by_hand_waits_three_days_for_a_job_and_costs_little() {
    let mut world = world();
    job(&mut world, 3.0 * 86_400.0);
    let model = Model::of(world);
    let config = config(endless);
    let clock = model.clock();
    let context = Context {
        calls: &model,
        config: &config,
        remembered: &Remembered::default(),
        clock,
        budget: Budget::endless(),
    };

    let drains = drain::run(&context, vec![by_hand(LEAVING, &model)], &mut fastrand::Rng::with_seed(1)).await;

    assert_eq!((drains[0].outcome, drains[0].tasks_stopped), (Outcome::Drained, 1), "{drains:?}");
    model.world(|world| {
        assert_eq!(world.count(Operation::StopTask), 0);
        assert_eq!(world.count(Operation::PutAttributes), 0, "what people should see is the command's own affair");
        let looks = world.count(Operation::DescribeContainerInstances);
        assert!(looks < 3 * 86_400 / 10, "one in fifteen seconds: {looks}");
        let others = [Operation::CompleteLifecycleAction, Operation::RecordLifecycleActionHeartbeat];
        assert_eq!(others.map(|operation| world.count(operation)), [0; 2]);
    });
}

#[tokio::test(start_paused = true)]
async fn between_two_rounds_people_see_what_is_left_and_the_end_is_the_same() {
    let mut world = world();
    service(&mut world, 2, 20.0, 10.0);
    standalone(&mut world, Some(90.0), 1.0);
    let model = Model::of(world);
    let config = config(endless);
    let context = Context {
        calls: &model,
        config: &config,
        remembered: &Remembered::default(),
        clock: model.clock(),
        budget: Budget::endless(),
    };
    let mut rng = fastrand::Rng::with_seed(1);
    let mut pursuit = Pursuit::new(&context, vec![by_hand(LEAVING, &model)]);
    let mut seen = Vec::new();
    while !pursuit.round(&mut rng).await.is_over() {
        pursuit.look().await;
        let left: Vec<_> =
            pursuit.known().flat_map(|(known, _)| known.stragglers()).map(|it| it.group.clone()).collect();
        if seen.last() != Some(&left) {
            seen.push(left);
        }
    }
    let drains = pursuit.conclude().await;
    assert_eq!((drains[0].outcome, drains[0].tasks_stopped), (Outcome::Drained, 3), "{drains:?}");
    assert!((90.0..110.0).contains(&drains[0].seconds), "a look puts nothing off: {}", drains[0].seconds);
    let all = ["family:job", "service:web", "service:web"].map(str::to_owned).to_vec();
    assert!(
        seen.iter().any(|left| {
            let mut left = left.clone();
            left.sort();
            left == all
        }),
        "{seen:?}"
    );
    assert!(seen.contains(&vec!["family:job".to_owned()]), "the service's have left by then: {seen:?}");
    model.world(|world| {
        assert!(world.killed().is_empty());
        assert_eq!(world.unstopped_on(LEAVING), 0);
    });
}

#[tokio::test(start_paused = true)]
async fn the_termination_of_a_host_that_was_drained_by_hand_has_all_its_time() {
    let mut world = world();
    standalone(&mut world, None, 1.0);
    world.set_status(LEAVING, "DRAINING").unwrap();
    let long_ago = format!("{:.3}", world.now() - std::time::Duration::from_secs(5 * 3_600));
    remembered(&mut world, "ecs-drainer.maintenance-since", &long_ago);
    let now = world.now();
    world.scale_in(LEAVING, now).unwrap();
    world.advance(now + secs(0.5));
    let model = Model::of(world);
    let config = config(|policy| policy);
    let clock = model.clock();
    let context = Context {
        calls: &model,
        config: &config,
        remembered: &Remembered::default(),
        clock,
        budget: Budget::endless(),
    };
    let mut rng = fastrand::Rng::with_seed(1);
    let departures = scan::departures(&context, &BTreeSet::new(), context.budget.hand_over_at, &mut rng).await.unwrap();
    let drains = drain::run(&context, departures, &mut rng).await;
    assert_eq!(drains[0].outcome, Outcome::Drained);
    assert!((3_600.0..3_700.0).contains(&drains[0].seconds), "an hour from now, not from then: {}", drains[0].seconds);
}

#[tokio::test(start_paused = true)]
async fn a_look_changes_nothing_and_tells_what_it_could_not_read() {
    let mut world = world();
    service(&mut world, 2, 0.0, 1.0);
    standalone(&mut world, None, 1.0);
    world.plan(Fault {
        matching: Some(STAYING.into()),
        ..Fault::times(Operation::ListContainerInstances, 9, FaultKind::ServerError)
    });
    let model = Model::of(world);
    let config = config(|policy| Policy { standalone_tasks: StandaloneTasks::Stop, ..policy });
    let context = Context {
        calls: &model,
        config: &config,
        remembered: &Remembered::default(),
        clock: model.clock(),
        budget: Budget::endless(),
    };
    let mut rng = fastrand::Rng::with_seed(1);
    let (seen, _) = look(&context, vec![by_hand(LEAVING, &model)], &mut rng).await;
    assert!(!is_incomplete(&seen[0]));
    assert_eq!(seen[0].stragglers().count(), 3);
    let (blind, _) = look(&context, vec![by_hand(STAYING, &model)], &mut rng).await;
    assert!(is_incomplete(&blind[0]) && blind[0].patience.errors().count() == 1, "{:?}", blind[0].patience);
    model.world(|world| {
        let writes = [Operation::StopTask, Operation::UpdateContainerInstancesState, Operation::PutAttributes];
        assert_eq!(writes.map(|operation| world.count(operation)), [0; 3]);
    });
}

#[tokio::test(start_paused = true)]
async fn a_look_at_a_hundred_hosts_lists_their_cluster_once() {
    let mut world = crate::support::bare_world(simulator::world::Settings::default());
    let ids: Vec<_> = (0..100).map(|number| format!("i-{number:017x}")).collect();
    ids.iter().for_each(|id| crate::support::host(&mut world, id, Some(CLUSTER)));
    let model = Model::of(world);
    let config = config(|policy| policy);
    let context = Context {
        calls: &model,
        config: &config,
        remembered: &Remembered::default(),
        clock: model.clock(),
        budget: Budget::endless(),
    };
    let known = ids.iter().map(|id| by_hand(id, &model)).collect();
    let (seen, _) = look(&context, known, &mut fastrand::Rng::with_seed(1)).await;
    assert!(!seen.iter().any(is_incomplete));
    assert_eq!(model.world(|world| world.count(Operation::ListTasks)), 2, "one for each desired status");
}

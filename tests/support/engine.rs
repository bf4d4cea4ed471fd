//! The functions' work over the model, in virtual time: an invocation each, with the budgets that they are deployed with.

use shared::aws::Calls;
use shared::clock::{Clock, after};
use shared::config::Config;
use shared::drain::facts::departure::{Departure, Hints, NoticedBy};
use shared::drain::facts::known::Known;
use shared::drain::remembered::Remembered;
use shared::drain::reports::report::Drain;
use shared::drain::{self, Budget, Context};
use shared::ids::{GroupName, InstanceId};
use simulator::world::{TaskSpec, World};

use super::model::Model;
use super::{CLUSTER, HOOK, LEAVING, secs};

/// Settings in place of the defaults.
pub(crate) fn config(variables: &[(&str, &str)]) -> Config {
    Config::read(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())).unwrap()
}

/// A task that no service owns, which ends by itself or never, and takes `stop` to stop.
pub(crate) fn job(world: &mut World, instance_id: &str, finishes_after: Option<f64>, stop: f64) -> String {
    let spec = TaskSpec {
        cluster: CLUSTER.into(),
        instance_id: instance_id.into(),
        family: "job".into(),
        stop_time: secs(stop),
        stop_timeout: secs(120.0),
        finishes_after: finishes_after.map(secs),
        ..TaskSpec::default()
    };
    world.run_task(spec).unwrap()
}

/// The world, from the moment on at which [`LEAVING`] waits.
pub(crate) fn leaving(mut world: World) -> Model {
    let now = world.now();
    world.scale_in(LEAVING, now).unwrap();
    world.advance(now + secs(0.5));
    Model::of(world)
}

/// One invocation of `reconcile`: it lasts 60 s, and polls for 55. What its scan finds is drained.
pub(crate) async fn reconcile<C: Calls>(
    calls: &C,
    clock: Clock,
    config: &Config,
    remembered: &Remembered,
    seed: u64,
) -> Vec<Drain> {
    let budget = Budget::within(after(clock.now(), secs(60.0)), secs(55.0), clock.now());
    let context = Context { calls, config, remembered, clock, budget };
    drain::reconcile(&context, &mut fastrand::Rng::with_seed(seed)).await.unwrap_or_default()
}

/// A cold `reconcile` every minute until `over`; answers after how many minutes that was.
pub(crate) async fn minutes(model: &Model, config: &Config, most: u64, over: impl Fn(&World) -> bool) -> Option<u64> {
    for minute in 0..most {
        let next = after(model.clock().now(), secs(60.0));
        reconcile(model, model.clock(), config, &Remembered::default(), minute).await;
        if model.world(|world| over(world)) {
            return Some(minute);
        }
        tokio::time::sleep_until(model.clock().instant(next)).await;
    }
    None
}

/// One invocation of `instance-terminating` for a batch that is not full.
pub(crate) async fn told(model: &Model, config: &Config, remembered: &Remembered, ids: &[&str]) -> Vec<Drain> {
    let clock = model.clock();
    let budget = Budget::within(after(clock.now(), secs(150.0)), config.poll_for.batch(false), clock.now());
    let context = Context { calls: model, config, remembered, clock, budget: budget.of_a_batch() };
    let known = ids.iter().map(|id| {
        let group = model.world(|world| world.host(id).and_then(|host| host.group).map(GroupName::from));
        let hints = Hints { group, hook: Some(HOOK.into()), noticed_at: Some(clock.now()), ..Hints::default() };
        Known::told(Departure::of_termination(InstanceId::parse(id).unwrap(), NoticedBy::Event), hints, clock.now())
    });
    drain::run(&context, known.collect(), &mut fastrand::Rng::with_seed(7)).await
}

pub(crate) fn is_released(world: &World) -> bool {
    !world.releases().is_empty()
}

/// The tasks that had not stopped when a host was released.
pub(crate) fn killed_by_release(world: &World) -> Vec<String> {
    let left = world.releases().iter().flat_map(|release| &release.unstopped);
    left.map(|left| format!("{left:?}")).collect()
}

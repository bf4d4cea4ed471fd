//! Answers that tell how things were: of lists, of descriptions, of writes.

use super::*;

const LAG: u64 = 8;
/// So many answers at one time show every way that they may come.
const ANSWERS: usize = 40;

fn lagging(settings: Settings) -> World {
    let mut world = world_with(settings, Vec::new());
    host(&mut world, "i-1");
    world.advance(at(100));
    world
}

fn slow_descriptions() -> Settings {
    Settings { description_lag: seconds(LAG), ..Settings::default() }
}

fn described(world: &mut World, arn: &str) -> Option<ContainerInstanceDescription> {
    let request =
        EcsRequest::DescribeContainerInstances { cluster: named(CLUSTER), container_instances: vec![arn.to_owned()] };
    match ask(world, request) {
        Ok(Response::ContainerInstances { mut container_instances, .. }) => container_instances.pop(),
        other => panic!("not described: {other:?}"),
    }
}

fn described_task(world: &mut World, id: &str) -> Option<TaskDescription> {
    match ask(world, EcsRequest::DescribeTasks { cluster: named(CLUSTER), tasks: vec![id.to_owned()] }) {
        Ok(Response::Tasks { mut tasks, .. }) => tasks.pop(),
        other => panic!("not described: {other:?}"),
    }
}

/// What many answers at one time say.
fn many<T: Ord + Clone>(world: &mut World, mut ask: impl FnMut(&mut World) -> T) -> (Vec<T>, BTreeSet<T>) {
    let answers: Vec<_> = (0..ANSWERS).map(|_| ask(world)).collect();
    (answers.clone(), answers.into_iter().collect())
}

#[test]
fn a_description_of_a_host_tells_how_it_was_and_an_older_one_may_come_after_a_newer() {
    let mut world = lagging(slow_descriptions());
    let arn = registration(&world, "i-1").arn;
    let before = registration(&world, "i-1").version;
    drain(&mut world, "i-1");
    world.set_agent_connected("i-1", false).unwrap();
    world.advance(at(104));
    let stands = |world: &mut World| {
        let it = described(world, &arn).unwrap();
        (it.version, it.status, it.agent_connected)
    };
    let (answers, kinds) = many(&mut world, stands);
    let then = (before, "ACTIVE".to_owned(), true);
    let now = (before + 2, "DRAINING".to_owned(), false);
    assert_eq!(kinds, BTreeSet::from([then.clone(), now.clone()]));
    let newer = answers.iter().position(|answer| *answer == now).unwrap();
    assert!(answers[newer..].contains(&then));
    world.advance(at(100 + LAG));
    assert_eq!(many(&mut world, stands).1, BTreeSet::from([now]));
}

#[test]
fn counts_lag_with_the_version_that_tells_of_them() {
    let mut world = lagging(slow_descriptions());
    let arn = registration(&world, "i-1").arn;
    let task = world.run_task(TaskSpec { start_time: seconds(60), ..job("i-1") }).unwrap();
    world.advance(at(104));
    stop(&mut world, &task);
    world.advance(at(107));
    let stands = |world: &mut World| described(world, &arn).map(|it| (it.version, it.pending_tasks_count)).unwrap();
    let kinds = many(&mut world, stands).1;
    let pending: BTreeSet<_> = kinds.iter().map(|(_, pending)| *pending).collect();
    assert_eq!(pending, BTreeSet::from([0, 1]));
    let versions: BTreeSet<_> = kinds.iter().map(|(version, _)| version).collect();
    assert_eq!(versions.len(), kinds.len(), "one version, one count: {kinds:?}");
}

#[test]
fn a_description_of_a_task_tells_how_it_was() {
    let mut world = lagging(slow_descriptions());
    let task = world.run_task(TaskSpec { stop_time: seconds(2), ..job("i-1") }).unwrap();
    stop(&mut world, &task);
    world.advance(at(105));
    let stands = |world: &mut World| {
        let it = described_task(world, &task).unwrap();
        assert_eq!(it.desired_status == DesiredStatus::Stopped, it.stopping_at.is_some() && it.stop_code.is_some());
        assert_eq!(it.last_status == LastStatus::Stopped, it.stopped_at.is_some());
        (it.version, it.last_status.as_str(), it.desired_status.as_str())
    };
    let kinds = many(&mut world, stands).1;
    let told: BTreeSet<_> = kinds.iter().map(|(_, last, desired)| (*last, *desired)).collect();
    assert!(told.is_superset(&[("RUNNING", "RUNNING"), ("RUNNING", "STOPPED"), ("STOPPED", "STOPPED")].into()));
    world.advance(at(120));
    assert_eq!(many(&mut world, stands).1.len(), 1);
}

#[test]
fn what_was_not_there_yet_is_missing() {
    let mut world = lagging(slow_descriptions());
    let latest = world.register("i-1", CLUSTER).unwrap();
    let task = world.run_task(TaskSpec { start_time: seconds(60), ..job("i-1") }).unwrap();
    world.advance(at(104));
    assert_eq!(many(&mut world, |world| described(world, &latest).is_some()).1.len(), 2);
    assert_eq!(many(&mut world, |world| described_task(world, &task).is_some()).1.len(), 2);
    world.advance(at(100 + LAG));
    assert!(described(&mut world, &latest).is_some() && described_task(&mut world, &task).is_some());
}

#[test]
fn lists_lag_up_to_their_own_lag_each_by_itself() {
    let mut world = lagging(Settings { list_lag: seconds(LAG), ..Settings::default() });
    let task = world.run_task(TaskSpec { start_time: seconds(60), ..job("i-1") }).unwrap();
    world.advance(at(104));
    assert_eq!(many(&mut world, |world| list_tasks(world, "i-1", "RUNNING").len()).1, BTreeSet::from([0, 1]));
    assert_eq!(many(&mut world, |world| described_task(world, &task).is_some()).1, BTreeSet::from([true]));
    world.advance(at(100 + LAG));
    assert_eq!(many(&mut world, |world| list_tasks(world, "i-1", "RUNNING").len()).1, BTreeSet::from([1]));
}

#[test]
fn the_answer_of_a_write_may_tell_how_things_were_though_it_took_effect() {
    let mut world = lagging(Settings { write_answers_lag: true, ..Settings::default() });
    let task = world.run_task(job("i-1")).unwrap();
    let known = registration(&world, "i-1");
    let request = EcsRequest::UpdateContainerInstancesState {
        cluster: named(CLUSTER),
        container_instances: vec![known.id.clone()],
        status: "DRAINING".to_owned(),
    };
    let Ok(Response::ContainerInstances { container_instances, .. }) = ask(&mut world, request) else {
        panic!("not answered");
    };
    assert_eq!((container_instances[0].status.as_str(), container_instances[0].version), ("ACTIVE", known.version));
    assert_eq!(registration(&world, "i-1").status, "DRAINING");
    let request = EcsRequest::StopTask { cluster: named(CLUSTER), task: task.clone(), reason: None };
    let Ok(Response::Task(told)) = ask(&mut world, request) else { panic!("not answered") };
    assert_eq!((told.desired_status, told.stopping_at), (DesiredStatus::Running, None));
    assert_eq!(world.task(&task).unwrap().desired_status, DesiredStatus::Stopped);
}

#[test]
fn no_more_of_the_past_is_kept_than_lags_tell_of() {
    let mut world = lagging(slow_descriptions());
    for second in 101..200 {
        world.advance(at(second));
        world.set_agent_connected("i-1", second % 2 == 0).unwrap();
    }
    let kept = world.ecs.container_instances().map(|it| it.earlier.len()).max().unwrap();
    assert!(kept <= usize::try_from(LAG).unwrap() + 1, "{kept}");
}

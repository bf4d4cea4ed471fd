//! Protection against scale-in.

use super::*;

fn protected(name: &str, desired: usize, seconds_long: u64) -> ServiceSpec {
    ServiceSpec { protected_for: Some(seconds(seconds_long)), ..service(name, desired) }
}

fn protection(world: &mut World, tasks: &[&str]) -> (Vec<ProtectedTask>, Vec<Failure>) {
    let tasks = tasks.iter().copied().map(str::to_owned).collect();
    match ask(world, EcsRequest::GetTaskProtection { cluster: named(CLUSTER), tasks }) {
        Ok(Response::TaskProtection { protected_tasks, failures }) => (protected_tasks, failures),
        other => panic!("not protection: {other:?}"),
    }
}

fn is(world: &World, task: &str, until: Option<Timestamp>) -> ProtectedTask {
    ProtectedTask {
        task_arn: world.task(task).unwrap().arn.clone(),
        protection_enabled: until.is_some(),
        expiration_date: until,
    }
}

#[test]
fn a_task_is_protected_for_as_long_as_its_service_says() {
    let mut world = world();
    host(&mut world, "i-1");
    let long = world.add_service_with_tasks_on(protected("long", 1, 60), "i-1").unwrap().remove(0);
    let never = world.add_service_with_tasks_on(service("never", 1), "i-1").unwrap().remove(0);
    world.advance(at(59));
    let (told, failures) = protection(&mut world, &[&never, &long]);
    assert_eq!(told, [is(&world, &never, None), is(&world, &long, Some(at(60)))]);
    assert_eq!(failures, []);
    world.advance(at(60));
    let arn = world.task(&long).unwrap().arn.clone();
    assert_eq!(protection(&mut world, &[&arn]).0, [is(&world, &long, None)], "by its ARN, too");
}

#[test]
fn without_tasks_every_protected_one_of_the_cluster_is_told() {
    let mut world = world();
    host(&mut world, "i-1");
    world.add_service(service("never", 2)).unwrap();
    world.run_task(job("i-1")).unwrap();
    assert_eq!(protection(&mut world, &[]), (Vec::new(), Vec::new()));
    let tasks = world.add_service_with_tasks_on(protected("long", 2, 60), "i-1").unwrap();
    world.add_cluster("another").unwrap();
    let told = protection(&mut world, &[]).0.into_iter().map(|task| task.task_arn).collect::<BTreeSet<_>>();
    assert_eq!(told, tasks.iter().map(|task| world.task(task).unwrap().arn.clone()).collect());
    let elsewhere = EcsRequest::GetTaskProtection { cluster: named("another"), tasks: Vec::new() };
    let nothing = Response::TaskProtection { protected_tasks: Vec::new(), failures: Vec::new() };
    assert_eq!(ask(&mut world, elsewhere), Ok(nothing));
    world.advance(at(60));
    assert_eq!(protection(&mut world, &[]).0, []);
}

#[test]
fn draining_moves_protected_tasks_and_their_replacements_are_protected() {
    let mut world = world();
    host(&mut world, "i-1");
    host(&mut world, "i-2");
    let task = world.add_service_with_tasks_on(protected("web", 1, 3600), "i-1").unwrap().remove(0);
    world.advance(at(10));
    drain(&mut world, "i-1");
    world.advance(at(60));
    assert_eq!(world.unstopped_on("i-1"), 0);
    assert_eq!(protection(&mut world, &[&task]).0, [is(&world, &task, None)], "nothing of it is left");
    let replacement = world.tasks_on("i-2")[0].clone();
    let until = replacement.created_at + seconds(3600);
    assert_eq!(protection(&mut world, &[&replacement.id]).0, [is(&world, &replacement.id, Some(until))]);
}

#[test]
fn scale_in_waits_until_protection_expires() {
    let mut world = world();
    host(&mut world, "i-1");
    world.add_service_with_tasks_on(protected("web", 2, 60), "i-1").unwrap();
    world.place_task(CLUSTER, "i-1", "web").unwrap();
    world.advance(at(59));
    assert_eq!(counts(&world, "i-1"), (3, 0));
    let told = |world: &World| world.ecs.describe_service(&world.present, CLUSTER, "web").unwrap().events.len();
    assert_eq!(told(&world), 0, "one too many is not steady");
    world.advance(at(60));
    assert_eq!(counts(&world, "i-1"), (2, 0));
    assert_eq!(told(&world), 2, "that it stops one, and that it is steady");
}

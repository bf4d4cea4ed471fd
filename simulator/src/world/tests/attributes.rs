//! Custom attributes.

use super::*;

fn attribute(world: &World, name: &str, value: &str) -> Attribute {
    Attribute {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        target_type: Some("container-instance".to_owned()),
        target_id: Some(registration(world, "i-1").id),
    }
}

fn put(attributes: Vec<Attribute>) -> Request {
    Request::PutAttributes { cluster: named(CLUSTER), attributes }
}

fn custom(world: &World) -> Vec<String> {
    registration(world, "i-1").attributes.into_keys().collect()
}

fn world_with_host() -> World {
    let mut world = world();
    host(&mut world, "i-1");
    world
}

#[test]
fn an_attribute_is_put_described_and_deleted() {
    let mut world = world_with_host();
    let started = attribute(&world, "ecs-drainer.drain-started-at", "2026-01-15T20:06:18Z");
    ask(&mut world, put(vec![started.clone()])).unwrap();
    let described = world.ecs.describe(&registration(&world, "i-1")).attributes;
    let found = described.iter().find(|attribute| attribute.name == started.name).unwrap();
    assert_eq!(found.value, started.value);
    let delete = Request::DeleteAttributes { cluster: named(CLUSTER), attributes: vec![started] };
    ask(&mut world, delete).unwrap();
    assert!(custom(&world).is_empty());
}

#[test]
fn a_resource_has_at_most_ten_and_a_refused_call_changes_nothing() {
    let mut world = world_with_host();
    let ten = (0..10).map(|n| attribute(&world, &format!("a{n}"), "x")).collect();
    ask(&mut world, put(ten)).unwrap();
    let again = attribute(&world, "a1", "y");
    ask(&mut world, put(vec![again.clone()])).unwrap();
    let (fresh, other) = (attribute(&world, "a1", "z"), attribute(&world, "eleventh", "x"));
    let error = refusal(&mut world, put(vec![fresh, other]));
    assert_eq!(error.code, "AttributeLimitExceededException");
    assert_eq!(registration(&world, "i-1").attributes["a1"], again.value);
}

#[test]
fn names_values_and_targets_are_checked() {
    let mut world = world_with_host();
    let good = attribute(&world, "a", "b");
    let wrong = [
        attribute(&world, "a:b", "x"),
        attribute(&world, "", "x"),
        attribute(&world, &"a".repeat(129), "x"),
        attribute(&world, "a", "2026-01-15T20:06:18+00:00"),
        attribute(&world, "a", " x"),
        Attribute { target_type: None, ..good.clone() },
        Attribute { target_id: None, ..good.clone() },
    ];
    for attribute in wrong {
        let error = refusal(&mut world, put(vec![attribute]));
        assert_eq!(error.code, "InvalidParameterException");
    }
    for count in [0, 11] {
        let error = refusal(&mut world, put(vec![good.clone(); count]));
        assert_eq!(error.code, "InvalidParameterException");
    }
    let lost = Attribute { target_id: Some("0123".to_owned()), ..good };
    let error = refusal(&mut world, put(vec![lost]));
    assert_eq!(error.code, "TargetNotFoundException");
}

//! What the events of lifecycle actions say.

use super::*;

const METADATA: &str = r#"{"cluster":"prod","drainTimeoutSeconds":900}"#;

fn world_that_says(metadata: &str) -> World {
    let hook = |name: &str| HookSpec {
        notification_metadata: Some(metadata.to_owned()),
        ..HookSpec::terminating(name, seconds(300))
    };
    let boot = HookSpec { transition: Transition::Launching, ..hook("boot") };
    let pool = WarmPoolSpec { state: WarmPoolState::Running, reuse_on_scale_in: true };
    let mut world =
        world_of(GroupSpec { hooks: vec![hook("ours"), boot], warm_pool: Some(pool), ..GroupSpec::default() });
    host(&mut world, "i-1");
    world
}

fn detail(events: &[Value]) -> Value {
    let [event] = events else { panic!("one event for one hook") };
    event["detail"].clone()
}

fn ends(detail: &Value) -> [&str; 3] {
    ["Origin", "Destination", "Action"].map(|name| detail[name].as_str().unwrap())
}

/// The names of all that an event and its detail have, in their order.
fn names(event: &Value) -> [Vec<String>; 2] {
    [event, &event["detail"]].map(|part| {
        let mut names: Vec<String> = part.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    })
}

#[test]
fn metadata_that_is_a_json_object_is_one_in_an_event_and_text_elsewhere() {
    for (metadata, expected) in [
        (METADATA, serde_json::json!({ "cluster": "prod", "drainTimeoutSeconds": 900 })),
        ("additional-info", "additional-info".into()),
        ("[1]", "[1]".into()),
        ("12", "12".into()),
    ] {
        let mut world = world_that_says(metadata);
        let events = world.scale_in("i-1", START).unwrap();
        assert_eq!(detail(&events)["NotificationMetadata"], expected);
        let request = AutoScalingRequest::DescribeLifecycleHooks { group: GROUP.to_owned(), hook_names: Vec::new() };
        let Ok(Response::LifecycleHooks(hooks)) = ask(&mut world, request) else { panic!("not hooks") };
        assert!(hooks.iter().all(|hook| hook.notification_metadata.as_deref() == Some(metadata)));
    }
}

// Recorded: these fields and no others, in each kind of event; NotificationMetadata only where the hook has some.
#[test]
fn an_event_has_the_fields_that_were_recorded() {
    let mut world = world_that_says(METADATA);
    let events = [
        world.launch_into_warm_pool("i-2", GROUP, START).unwrap(),
        world.scale_in("i-1", Timestamp::from_millisecond(1_700_000_000_987).unwrap()).unwrap(),
    ];
    for event in events.iter().flatten() {
        let [outer, detail] = names(event);
        assert_eq!(
            outer,
            ["account", "detail", "detail-type", "id", "region", "resources", "source", "time", "version"]
        );
        assert_eq!(
            detail,
            [
                "Action",
                "AutoScalingGroupName",
                "Destination",
                "EC2InstanceId",
                "LifecycleActionToken",
                "LifecycleHookName",
                "LifecycleTransition",
                "NotificationMetadata",
                "Origin"
            ]
        );
    }
    assert_eq!(events[1][0]["time"], "2023-11-14T22:13:20Z", "whole seconds");
    let mut plain = super::world();
    host(&mut plain, "i-1");
    let without = plain.scale_in("i-1", START).unwrap();
    assert_eq!(without[0]["detail"].get("NotificationMetadata"), None);
}

#[test]
fn origin_destination_and_action_tell_the_ways_apart() {
    let mut world = world_that_says(METADATA);
    for id in ["i-2", "i-3"] {
        host(&mut world, id);
    }
    let launched = world.launch_into_warm_pool("i-9", GROUP, START).unwrap();
    assert_eq!(launched[0]["detail-type"], "EC2 Instance-launch Lifecycle Action");
    assert_eq!(launched[0]["detail"]["LifecycleTransition"], "autoscaling:EC2_INSTANCE_LAUNCHING");
    assert_eq!(ends(&detail(&launched)), ["EC2", "WarmPool", "Launch"]);
    let terminated = world.scale_in("i-1", START).unwrap();
    assert_eq!(terminated[0]["detail-type"], "EC2 Instance-terminate Lifecycle Action");
    assert_eq!(ends(&detail(&terminated)), ["AutoScalingGroup", "EC2", "Terminate"]);
    let returned = world.return_to_warm_pool("i-2", START).unwrap();
    assert_eq!(ends(&detail(&returned)), ["AutoScalingGroup", "WarmPool", "Terminate"]);
    let replaced = world.replace_root_volume("i-3", START).unwrap();
    assert_eq!(ends(&detail(&replaced)), ["AutoScalingGroup", "AutoScalingGroup", "ReplaceRootVolume"]);
    ask(&mut world, complete("ours", "i-2", "CONTINUE")).unwrap();
    let warmed = world.terminate_warmed("i-2", at(10)).unwrap();
    assert_eq!(ends(&detail(&warmed)), ["WarmPool", "EC2", "Terminate"]);
    assert_eq!(world.lifecycle_event_count(), 5);
    assert_eq!(world.lifecycle_events_since(4), warmed);
}

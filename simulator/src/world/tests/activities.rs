//! Scaling activities.

use super::*;

fn activities(world: &mut World, since: Option<Timestamp>) -> Vec<ScalingActivity> {
    page(world, since, None, None).0
}

fn page(
    world: &mut World,
    start_time_lower_bound: Option<Timestamp>,
    max_records: Option<i32>,
    next_token: Option<String>,
) -> (Vec<ScalingActivity>, Option<String>) {
    let group = Some(GROUP.to_owned());
    let request =
        AutoScalingRequest::DescribeScalingActivities { group, start_time_lower_bound, max_records, next_token };
    match ask(world, request) {
        Ok(Response::ScalingActivities { activities, next_token }) => (activities, next_token),
        other => panic!("not activities: {other:?}"),
    }
}

fn only(world: &mut World) -> ScalingActivity {
    let [activity] = activities(world, None).try_into().unwrap();
    activity
}

#[test]
fn a_termination_is_told_from_its_begin_to_its_end() {
    let mut world = world();
    host(&mut world, "i-1");
    world.scale_in("i-1", at_ms(5_250)).unwrap();
    let begun = only(&mut world);
    assert_eq!(begun.description, "Terminating EC2 instance: i-1");
    assert_eq!((begun.status_code.as_str(), begun.progress), ("InProgress", 0));
    assert_eq!((begun.start_time, begun.end_time), (at_ms(5_250), None));
    assert_eq!((begun.group.as_str(), begun.activity_id.len()), (GROUP, 36));
    assert!(serde_json::from_str::<Value>(&begun.details).unwrap()["Availability Zone"].is_string());
    world.advance(at(7));
    let held = only(&mut world);
    assert_eq!((held.status_code.as_str(), held.progress), ("MidTerminatingLifecycleAction", 60));
    world.advance(at_ms(9_700));
    ask(&mut world, complete("ours", "i-1", "CONTINUE")).unwrap();
    world.advance(at_ms(10_800));
    let ended = only(&mut world);
    assert_eq!((ended.status_code.as_str(), ended.progress), ("Successful", 100));
    assert_eq!((ended.end_time, ended.status_message), (Some(at(10)), None), "in whole seconds");
    assert_eq!(ended.activity_id, begun.activity_id);
}

#[test]
fn what_no_hook_holds_is_in_progress_until_it_is_successful() {
    let mut world = world_with(Settings::default(), Vec::new());
    host(&mut world, "i-1");
    world.scale_in("i-1", START).unwrap();
    assert_eq!(only(&mut world).status_code, "InProgress");
    world.advance(at(2));
    assert_eq!(only(&mut world).status_code, "Successful");
}

#[test]
fn the_cause_is_the_usual_sentence_or_the_given_one() {
    let mut world = world();
    for id in ["i-1", "i-2"] {
        host(&mut world, id);
    }
    world.scale_in("i-1", START).unwrap();
    let cause = "At 1970-01-01T00:00:00Z an instance was taken out of service in response to a difference between desired \
                 and actual capacity, shrinking the capacity from 2 to 1.  At 1970-01-01T00:00:00Z instance i-1 was \
                 selected for termination.";
    assert_eq!(only(&mut world).cause, cause);
    let why = "At 1970-01-01T00:00:09Z an instance was taken out of service in response to a user health-check.";
    assert_eq!(world.scale_in_because("i-2", why, at(9)).unwrap().len(), 1);
    assert_eq!(activities(&mut world, None)[0].cause, why);
}

#[test]
fn an_abandoned_termination_of_a_retaining_group_is_cancelled_and_its_release_is_another() {
    for timed_out in [false, true] {
        let hook = HookSpec { default_result: ActionResult::Abandon, ..HookSpec::terminating("ours", seconds(60)) };
        let mut world = world_of(GroupSpec { hooks: vec![hook], retains_on_abandon: true, ..GroupSpec::default() });
        host(&mut world, "i-1");
        let events = world.scale_in("i-1", START).unwrap();
        let token = events[0]["detail"]["LifecycleActionToken"].as_str().unwrap();
        world.advance(at(if timed_out { 60 } else { 1 }));
        if !timed_out {
            ask(&mut world, complete("ours", "i-1", "ABANDON")).unwrap();
        }
        let why = if timed_out { "Heartbeat Timeout" } else { "Lifecycle Action Completed with ABANDON Result" };
        let message = format!(
            "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token {token} was abandoned: {why}"
        );
        let cancelled = only(&mut world);
        assert_eq!((cancelled.status_code.as_str(), cancelled.progress), ("Cancelled", 100));
        assert_eq!(cancelled.status_message.as_deref(), Some(message.as_str()));
        assert_eq!(cancelled.description, format!("Terminating EC2 instance: i-1.  Status Reason: {message}"));
        world.release_retained("i-1", at(70)).unwrap();
        let [second, first] = activities(&mut world, None).try_into().unwrap();
        assert_eq!(first, cancelled);
        let cause = "At 1970-01-01T00:01:10Z instance i-1 was taken out of service in response to a user request.";
        assert_eq!((second.cause.as_str(), second.end_time), (cause, None));
    }
}

#[test]
fn those_in_progress_come_first_and_then_the_newest() {
    let mut world = world();
    for id in ["i-1", "i-2", "i-3", "i-4"] {
        host(&mut world, id);
    }
    for (id, begin) in [("i-1", 1), ("i-2", 2), ("i-3", 3), ("i-4", 4)] {
        world.scale_in(id, at(begin)).unwrap();
    }
    for id in ["i-2", "i-4"] {
        ask(&mut world, complete("ours", id, "CONTINUE")).unwrap();
    }
    world.advance(at(10));
    let of = |activity: &ScalingActivity| activity.description.rsplit(' ').next().unwrap().to_owned();
    assert_eq!(activities(&mut world, None).iter().map(of).collect::<Vec<_>>(), ["i-3", "i-1", "i-4", "i-2"]);
    assert_eq!(activities(&mut world, Some(at(3))).iter().map(of).collect::<Vec<_>>(), ["i-3", "i-4"]);
    let (first, token) = page(&mut world, None, Some(3), None);
    let (second, last) = page(&mut world, None, Some(3), token);
    assert_eq!((first.len(), second.iter().map(of).collect::<Vec<_>>(), last), (3, vec!["i-2".to_owned()], None));
}

#[test]
fn a_page_holds_a_hundred_and_six_weeks_are_kept() {
    let mut world = world_with(Settings::default(), Vec::new());
    for number in 0..101 {
        let id = host(&mut world, &format!("i-{number:03}"));
        world.scale_in(&id, START).unwrap();
    }
    let (first, token) = page(&mut world, None, None, None);
    assert_eq!((first.len(), page(&mut world, None, None, token).0.len()), (100, 1));
    let six_weeks = 6 * 7 * 24 * 3600;
    world.advance(at(six_weeks));
    assert_eq!(activities(&mut world, None).len(), 100, "a page of those that are six weeks old and not more");
    world.advance(at(six_weeks + 1));
    assert!(activities(&mut world, None).is_empty());
}

#[test]
fn records_tokens_and_groups_are_checked() {
    let mut world = world();
    let asked =
        |group: &str, max_records: Option<i32>, token: Option<&str>| AutoScalingRequest::DescribeScalingActivities {
            group: Some(group.to_owned()),
            start_time_lower_bound: None,
            max_records,
            next_token: token.map(str::to_owned),
        };
    for max_records in [0, 101] {
        assert_eq!(refusal(&mut world, asked(GROUP, Some(max_records), None)).code, "ValidationError");
    }
    assert_eq!(refusal(&mut world, asked(GROUP, None, Some("nonsense"))).code, "InvalidNextToken");
    assert!(refusal(&mut world, asked("lost", None, None)).message.contains("'lost' not found"));
}

#[test]
fn without_a_group_all_groups_are_told_of_but_those_deleted() {
    let mut world = world();
    world.add_group(GroupSpec { name: "other".to_owned(), ..GroupSpec::default() }).unwrap();
    host(&mut world, "i-1");
    let other =
        HostSpec { instance_id: Some("i-2".to_owned()), group: Some("other".to_owned()), ..HostSpec::default() };
    world.add_host(other).unwrap();
    for id in ["i-1", "i-2"] {
        world.scale_in(id, START).unwrap();
    }
    let groups = |world: &mut World| -> Vec<String> {
        let request = AutoScalingRequest::DescribeScalingActivities {
            group: None,
            start_time_lower_bound: None,
            max_records: None,
            next_token: None,
        };
        let Ok(Response::ScalingActivities { activities, .. }) = ask(world, request) else { panic!("not activities") };
        activities.into_iter().map(|activity| activity.group).collect()
    };
    assert_eq!(groups(&mut world), ["other", GROUP]);
    world.delete_group(GROUP, at(1)).unwrap();
    assert_eq!(groups(&mut world), ["other"]);
}

#[test]
fn each_way_has_its_activity() {
    let warm_pool = Some(WarmPoolSpec { state: WarmPoolState::Running, reuse_on_scale_in: true });
    let mut world = world_of(GroupSpec { warm_pool, ..GroupSpec::default() });
    for id in ["i-1", "i-2"] {
        host(&mut world, id);
    }
    world.return_to_warm_pool("i-1", at(1)).unwrap();
    world.launch_into_warm_pool("i-9", GROUP, at(3)).unwrap();
    world.launch_from_warm_pool("i-1", at(5)).unwrap();
    world.replace_root_volume("i-2", at(7)).unwrap();
    world.terminate_warmed("i-9", at(9)).unwrap();
    world.advance(at(20));
    let descriptions: Vec<_> = activities(&mut world, None).into_iter().map(|activity| activity.description).collect();
    assert_eq!(
        descriptions,
        [
            "Terminating EC2 instance: i-9",
            "Replacing root volume of EC2 instance: i-2",
            "Launching a new EC2 instance from warm pool: i-1",
            "Launching a new EC2 instance into warm pool: i-9",
            "Terminating EC2 instance: i-1",
        ]
    );
    assert!(activities(&mut world, None).iter().all(|activity| activity.status_code == "Successful"));
    assert!(activities(&mut world, None)[4].cause.ends_with("instance i-1 was selected for scale in to warm pool."));
}

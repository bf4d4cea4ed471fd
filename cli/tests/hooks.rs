//! `enroll` and `unenroll`.

use simulator::world::{ActionResult, Fault, FaultKind, GroupSpec, HookSpec, Operation, Transition};

use crate::support::{GROUP, HOOK, HOST, Stage, bare_world, deployed, retaining_world, secs, world};

fn hook(stage: &Stage) -> HookSpec {
    stage.0.world(|world| world.hook(GROUP, HOOK).expect("the hook"))
}

#[tokio::test]
async fn a_group_gets_the_hook_as_it_should_be() {
    let stage = Stage::of(deployed(bare_world(Vec::new()), &[]));
    let ran = stage.run(&["enroll", GROUP, "--cluster", "prod", "--drain-timeout", "20m", "--yes"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.says("my-asg hook ecs-drainer is put on: heartbeat timeout 900 s, default result CONTINUE, metadata");
    ran.says("my-asg: done");
    let hook = hook(&stage);
    assert_eq!(hook.transition, Transition::Terminating);
    assert_eq!((hook.heartbeat_timeout, hook.default_result), (secs(900.0), ActionResult::Continue));
    assert_eq!(hook.notification_metadata.as_deref(), Some(r#"{"cluster":"prod","drainTimeoutSeconds":1200}"#));

    let again = stage.run(&["enroll", GROUP, "--cluster", "prod"]).await;
    assert_eq!(again.status, 0, "there is nothing to ask: {again:?}");
    again.says("my-asg nothing to do");
    assert_eq!(stage.count(Operation::PutLifecycleHook), 1);
    let longer = stage.run(&["enroll", GROUP, "--heartbeat", "20m", "--yes"]).await;
    longer.says("my-asg hook ecs-drainer is there; heartbeat timeout 900 s becomes 1200 s");
    assert_eq!(stage.count(Operation::PutLifecycleHook), 2);
}

#[tokio::test]
async fn a_hook_that_differs_is_shown_and_changed() {
    let abandons = HookSpec {
        default_result: ActionResult::Abandon,
        notification_metadata: Some(r#"{"team":"web"}"#.into()),
        ..HookSpec::terminating(HOOK, secs(60.0))
    };
    let stage = Stage::of(deployed(bare_world(vec![abandons]), &[]));
    let ran = stage.run(&["enroll", GROUP, "--cluster", "prod", "--heartbeat", "10m", "--yes"]).await;
    ran.says("heartbeat timeout 60 s becomes 600 s, default result ABANDON becomes CONTINUE");
    let hook = hook(&stage);
    assert_eq!((hook.heartbeat_timeout, hook.default_result), (secs(600.0), ActionResult::Continue));
    assert_eq!(hook.notification_metadata.as_deref(), Some(r#"{"cluster":"prod","team":"web"}"#), "theirs stays");
}

#[tokio::test]
async fn in_a_group_that_retains_abandon_stays_and_the_way_to_continue_is_told() {
    let abandons = HookSpec { default_result: ActionResult::Abandon, ..HookSpec::terminating(HOOK, secs(60.0)) };
    let stage = Stage::of(deployed(retaining_world(vec![abandons]), &[]));
    let ran = stage.run(&["enroll", GROUP, "--heartbeat", "10m", "--yes"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.says("the group then retains the instance (TerminateHookAbandon)");
    ran.says("--auto-scaling-group-name my-asg --lifecycle-hook-name ecs-drainer --default-result CONTINUE");
    let put = hook(&stage);
    assert_eq!((put.heartbeat_timeout, put.default_result), (secs(600.0), ActionResult::Abandon));

    let new = Stage::of(deployed(retaining_world(Vec::new()), &[]));
    assert_eq!(new.run(&["enroll", GROUP, "--yes"]).await.status, 0);
    assert_eq!(hook(&new).default_result, ActionResult::Continue, "a new hook terminates");
}

#[tokio::test]
async fn a_notification_target_stays_and_is_warned_of() {
    let target = "arn:aws:sns:us-west-2:123456789012:theirs";
    let told = HookSpec { notification_target: Some(target.into()), ..HookSpec::terminating(HOOK, secs(60.0)) };
    let stage = Stage::of(deployed(bare_world(vec![told]), &[]));
    let ran = stage.run(&["enroll", GROUP, "--heartbeat", "10m", "--yes"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.says(&format!("hook ecs-drainer has a notification target, {target}: once that is deleted"));
    ran.says("--auto-scaling-group-name my-asg --lifecycle-hook-name ecs-drainer --notification-target-arn ''");
    let put = hook(&stage);
    assert_eq!((put.heartbeat_timeout, put.notification_target.as_deref()), (secs(600.0), Some(target)));
}

#[tokio::test]
async fn enroll_shows_its_changes_first_and_changes_nothing_unasked() {
    let stage = Stage::of(deployed(bare_world(Vec::new()), &[]));
    let ran = stage.run(&["enroll", GROUP]).await;
    assert_eq!(ran.status, 2);
    ran.says("hook ecs-drainer is put on");
    ran.says("give --yes");
    assert!(stage.is_untouched());
}

#[tokio::test]
async fn a_hook_that_would_not_work_is_refused_or_warned_of() {
    let launching = HookSpec { transition: Transition::Launching, ..HookSpec::terminating(HOOK, secs(900.0)) };
    let managed = HookSpec::terminating("ecs-managed-draining-termination-hook", secs(900.0));
    let stage = Stage::of(deployed(bare_world(vec![launching, managed]), &[]));
    let run = async |arguments: &[&str]| stage.run(arguments).await;
    let short = run(&["enroll", GROUP, "--heartbeat", "2m"]).await;
    assert_eq!(short.status, 2);
    short.says("from 3m to 2h");
    let launching = run(&["enroll", GROUP, "--yes"]).await;
    assert_eq!(launching.status, 1);
    launching.says("holds launches: give another name with --hook");
    let absent = run(&["enroll", "my-ASG", "--yes"]).await;
    assert_eq!(absent.status, 3);
    absent.says("there is no Auto Scaling group my-ASG in region us-west-2");
    let cluster = run(&["enroll", GROUP, "--cluster", "nope", "--yes"]).await;
    cluster.says("there is no cluster nope in region us-west-2");
    cluster.says("There are: prod.");
    assert!(stage.is_untouched());

    let beyond =
        run(&["enroll", GROUP, "--hook", "drainer-2", "--heartbeat", "3m", "--drain-timeout", "6h", "--yes"]).await;
    assert_eq!(beyond.status, 0, "{beyond:?}");
    beyond.says("a drain may take 6h, but AWS ends it after 5h");
    beyond.says("managed draining is on: its hook ecs-managed-draining-termination-hook holds each instance, too");
}

#[tokio::test]
async fn the_hook_is_taken_off_unless_an_instance_waits_on_it() {
    let stage = Stage::of(deployed(world(), &[]));
    stage.0.world(|world| world.scale_in(HOST, world.now())).unwrap();
    // Whether its state says so already or not.
    let refused = stage.run(&["unenroll", GROUP, "--yes"]).await;
    assert_eq!(refused.status, 1);
    refused.says("i-1234567890abcdef0 of group my-asg waits on its hooks: without the hook it goes at once");
    assert!(stage.is_untouched());
    let released = stage.run(&["unenroll", GROUP, "--yes", "--release-waiting", "--json"]).await;
    assert_eq!(released.status, 0, "{released:?}");
    let json = released.json();
    assert_eq!((&json[0]["change"], &json[0]["done"]), (&"delete".into(), &true.into()));
    assert_eq!(json[0]["warnings"].as_array().map(Vec::len), Some(1));
    assert!(stage.0.world(|world| world.hook(GROUP, HOOK).is_none()));

    let again = stage.run(&["unenroll", GROUP]).await;
    assert_eq!(again.status, 0);
    again.says("my-asg nothing to do");
}

#[tokio::test]
async fn the_name_of_the_hook_is_never_guessed() {
    let stage = Stage::of(bare_world(Vec::new()));
    for command in ["enroll", "unenroll"] {
        let ran = stage.run(&[command, GROUP, "--yes"]).await;
        assert_eq!(ran.status, 1, "{ran:?}");
        ran.says(
            "there is no stack ecs-drainer in region us-west-2, so it is not known which hook the drainer completes",
        );
    }
    assert!(stage.is_untouched());
    let given = stage.run(&["enroll", GROUP, "--hook", "ours", "--yes"]).await;
    assert_eq!(given.status, 0, "{given:?}");
    let named = Stage::of(deployed(bare_world(Vec::new()), &[("LifecycleHookNames", "theirs,others")]));
    named.run(&["enroll", GROUP, "--yes"]).await.says("hook theirs is put on");
}

#[tokio::test]
async fn warnings_go_by_what_the_hook_will_say_and_a_group_without_the_tag_is_one() {
    let before = HookSpec {
        notification_metadata: Some(r#"{"cluster":"theirs","drainTimeoutSeconds":172800}"#.into()),
        ..HookSpec::terminating(HOOK, secs(300.0))
    };
    let parameters = [("EcsClusters", "prod"), ("GroupTagValue", "yes")];
    let stage = Stage::of(deployed(bare_world(vec![before]), &parameters));
    let ran = stage.run(&["enroll", GROUP, "--yes"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.says("a drain may take 48h, but AWS ends it after 25h");
    ran.says("the installation does not watch cluster theirs");
    ran.says("it has no tag ecs-drainer=yes");
}

#[tokio::test]
async fn where_one_group_fails_the_end_names_the_groups_that_were_changed() {
    let mut world = bare_world(Vec::new());
    for name in ["a", "z"] {
        world.add_group(GroupSpec { name: name.into(), hooks: Vec::new(), ..GroupSpec::default() }).unwrap();
    }
    let fault = Fault::times(Operation::PutLifecycleHook, u32::MAX, FaultKind::AccessDenied);
    world.plan(Fault { matching: Some("my-asg".into()), ..fault });
    let stage = Stage::of(deployed(world, &[]));
    let ran = stage.run(&["enroll", "a", GROUP, "z", "--yes", "--json"]).await;
    assert_eq!(ran.status, 3, "{ran:?}");
    ran.says("access denied: autoscaling:PutLifecycleHook");
    let done: Vec<_> = ran.json().as_array().unwrap().iter().map(|it| it["done"] == true).collect();
    assert_eq!(done, [true, false, false]);
}

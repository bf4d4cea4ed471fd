//! `check`: an installation as it should be, and each way in which it may not be.

use std::collections::BTreeSet;

use serde_json::Value;
use simulator::iam::Permissions;
use simulator::world::{
    ActionResult, CapacityProviderSpec, Fault, FaultKind, GroupSpec, HookSpec, HostSpec, Operation, Settings,
};

use crate::support::{
    BATCH, CLUSTER, GROUP, HOOK, HOST, Stage, TEMPLATE, bare_world, batch_host, deployed, host, retaining_world, secs,
    standalone, world,
};

/// The findings, by level: subject and text, and the way to mend it.
async fn findings(stage: &Stage) -> Vec<(String, String, String)> {
    let ran = stage.run(&["check", "--json"]).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all: Vec<_> = ran.json().as_array().unwrap().clone();
    let well = all.iter().all(|it| it["level"] == "ok" || it["level"] == "warning");
    assert_eq!(ran.status, i32::from(!well), "{ran:?}");
    let sentence = |it: &Value| format!("{}: {}", text(&it["subject"]), text(&it["what"]));
    all.iter().map(|it| (text(&it["level"]), sentence(it), text(&it["mend"]))).collect()
}

/// Asserts that there is one finding besides what is ok, with these words.
async fn only(stage: &Stage, level: &str, words: &str, mend: &str) {
    let findings = findings(stage).await;
    let others: Vec<_> = findings.iter().filter(|(level, ..)| level != "ok").collect();
    let [found] = others.as_slice() else { panic!("{others:#?}") };
    assert_eq!(found.0, level, "{found:?}");
    assert!(found.1.contains(words), "{words:?} in {found:?}");
    assert!(found.2.contains(mend), "{mend:?} in {found:?}");
}

#[tokio::test]
async fn an_installation_as_it_should_be() {
    let stage = Stage::of(deployed(world(), &[]));
    let ran = stage.run(&["check"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    for words in [
        "ok stack ecs-drainer: CREATE_COMPLETE",
        "ok termination rule: ecs-drainer-TerminationRule-",
        "ok Spot rule:",
        "ok schedule of reconcile:",
        "ok group my-asg: hook ecs-drainer, hosts in prod",
        "ok role of instance-terminating:",
        "ok role of spot-interruption:",
        "ok role of reconcile:",
        "0 problems, 0 warnings, 0 could not be looked at; 8 as it should be.",
    ] {
        ran.says(words);
    }
    assert!(stage.is_untouched());
}

#[tokio::test]
async fn no_stack() {
    let stage = Stage::of(world());
    only(&stage, "problem", "stack ecs-drainer: there is none in region us-west-2: nothing drains here", "sam deploy")
        .await;
}

#[tokio::test]
async fn settings_that_keep_it_from_draining() {
    let stage = Stage::of(deployed(world(), &[("RebalanceRecommendations", "drain")]));
    stage.0.world(|world| world.disable_rule("RebalanceRecommendationRule")).unwrap();
    only(&stage, "problem", "no recommendation is ever noticed", "enable-rule").await;
    let stage = Stage::of(deployed(world(), &[("DryRun", "true")]));
    only(&stage, "problem", "DryRun is true: the functions change nothing", "DryRun=false").await;
    let stage = Stage::of(deployed(world(), &[("EcsClusters", "prod,gone")]));
    only(&stage, "problem", "cluster gone: EcsClusters names it, and it does not exist", "correct EcsClusters").await;
    let mut other = world();
    other.add_cluster("other").unwrap();
    let stage = Stage::of(deployed(other, &[("EcsClusters", "other")]));
    only(&stage, "problem", "group my-asg: its hosts are in prod, which is not watched", "add it to EcsClusters").await;
}

#[tokio::test]
async fn rules_that_wake_no_function() {
    for (rule, words) in [
        ("TerminationRule", "termination rule"),
        ("SpotInterruptionRule", "no Spot interruption is ever noticed"),
        ("ReconcileFunctionEveryMinute", "long drains stand still"),
    ] {
        let mut world = deployed(world(), &[]);
        world.disable_rule(rule).unwrap();
        only(&Stage::of(world), "problem", words, "aws events enable-rule --name ecs-drainer-").await;
        let mut world = deployed(crate::support::world(), &[]);
        world.remove_targets(rule).unwrap();
        let stage = Stage::of(world);
        only(&stage, "problem", "has no target", "deploy the stack again").await;
    }
}

#[tokio::test]
async fn groups_without_the_hook_or_with_one_that_is_not_as_it_should_be() {
    let with = |hooks: Vec<HookSpec>| {
        let mut world = bare_world(hooks);
        host(&mut world, HOST);
        Stage::of(deployed(world, &[]))
    };
    let hook = || HookSpec::terminating(HOOK, secs(900.0));
    let enroll = "ecs-drainer enroll my-asg --cluster prod";
    let none = with(Vec::new());
    only(&none, "problem", "group my-asg: its hosts are in prod, and it has no hook of the drainer", enroll).await;
    let launching = HookSpec { transition: simulator::world::Transition::Launching, ..hook() };
    only(&with(vec![launching]), "problem", "has no hook of the drainer", enroll).await;
    let abandons = HookSpec { default_result: ActionResult::Abandon, ..hook() };
    only(&with(vec![abandons]), "warning", "ends with ABANDON when it times out", enroll).await;
    let short = HookSpec::terminating(HOOK, secs(120.0));
    only(&with(vec![short]), "problem", "times out after 2m, less than 3m", enroll).await;
    let metadata = |text: &str| HookSpec { notification_metadata: Some(text.into()), ..hook() };
    let wrong = metadata(r#"{"drainTimeoutSeconds":"soon"}"#);
    only(&with(vec![wrong]), "problem", r#"values that are not allowed: drainTimeoutSeconds is "soon""#, enroll).await;
    let empty = Stage::of(deployed(bare_world(vec![hook()]), &[]));
    let findings = findings(&empty).await;
    assert!(findings.iter().all(|(level, ..)| level == "ok"), "scaled to zero: {findings:#?}");
    let elsewhere = metadata(r#"{"cluster":"staging"}"#);
    only(&with(vec![elsewhere]), "warning", "says cluster staging, and its hosts are in prod", enroll).await;
}

#[tokio::test]
async fn in_a_group_that_retains_abandon_may_be_meant() {
    let abandons = HookSpec { default_result: ActionResult::Abandon, ..HookSpec::terminating(HOOK, secs(900.0)) };
    let mut world = retaining_world(vec![abandons]);
    host(&mut world, HOST);
    let stage = Stage::of(deployed(world, &[]));
    let words = "the group then retains the instance (TerminateHookAbandon): it runs on, with its tasks";
    only(&stage, "warning", words, "leave it if that is meant").await;
    let mut world = retaining_world(vec![HookSpec::terminating(HOOK, secs(900.0))]);
    host(&mut world, HOST);
    let findings = findings(&Stage::of(deployed(world, &[]))).await;
    assert!(findings.iter().all(|(level, ..)| level == "ok"), "CONTINUE terminates there, too: {findings:#?}");
}

#[tokio::test]
async fn a_hook_that_tells_a_target_of_its_own_is_warned_of() {
    let target = "arn:aws:sqs:us-west-2:123456789012:theirs";
    let hook = HookSpec { notification_target: Some(target.into()), ..HookSpec::terminating(HOOK, secs(900.0)) };
    let mut world = bare_world(vec![hook]);
    host(&mut world, HOST);
    let stage = Stage::of(deployed(world, &[]));
    let words = format!("{target}: once that is deleted, the hook does not wait at all");
    let mend = "aws autoscaling put-lifecycle-hook --region us-west-2 --auto-scaling-group-name my-asg \
                --lifecycle-hook-name ecs-drainer --notification-target-arn ''";
    only(&stage, "warning", &words, mend).await;
}

#[tokio::test]
async fn clusters_of_aws_batch_are_listed_and_one_that_is_named_is_warned_of() {
    let mut left_alone = world();
    batch_host(&mut left_alone, Vec::new());
    let stage = Stage::of(deployed(left_alone, &[]));
    let ran = stage.run(&["check"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.says(&format!("ok clusters of AWS Batch: {BATCH}: they are left alone"));
    ran.says("0 problems, 0 warnings, 0 could not be looked at");

    let mut enrolled = world();
    batch_host(&mut enrolled, vec![HookSpec::terminating(HOOK, secs(900.0))]);
    let stage = Stage::of(deployed(enrolled, &[]));
    let words = "a cluster of AWS Batch, which is left alone: each waits until the hook times out";
    only(&stage, "problem", words, "ecs-drainer unenroll nightly-asg").await;

    let mut named = world();
    batch_host(&mut named, vec![HookSpec::terminating(HOOK, secs(900.0))]);
    let stage = Stage::of(deployed(named, &[("EcsClusters", &format!("prod,{BATCH}"))]));
    only(&stage, "warning", "EcsClusters names it, and it is of AWS Batch", "take it out of EcsClusters").await;
}

#[tokio::test]
async fn managed_instances_are_told_of_and_warned_of_where_spot_may_take_them() {
    let of = |spot, parameters: &[(&str, &str)]| {
        let mut world = world();
        world.add_cluster("managed").unwrap();
        world.add_managed_instances("mi", "managed", spot).unwrap();
        Stage::of(deployed(world, parameters))
    };
    let told = "cluster managed: its capacity provider mi is of ECS Managed Instances";
    let found = findings(&of(false, &[])).await;
    assert!(found.iter().all(|(level, ..)| level == "ok"), "{found:#?}");
    assert!(found.iter().any(|(_, what, _)| what.starts_with(told)), "{found:#?}");
    only(&of(true, &[]), "warning", told, "keep them in a cluster of their own that EcsClusters does not name").await;
    let unwatched = findings(&of(true, &[("EcsClusters", "prod")])).await;
    assert!(unwatched.iter().all(|(level, ..)| level == "ok"), "{unwatched:#?}");
}

#[tokio::test]
async fn the_command_that_check_advises_fixes_the_problem() {
    let wrong = HookSpec {
        default_result: ActionResult::Abandon,
        notification_metadata: Some(r#"{"drainTimeoutSeconds":"soon","team":"web"}"#.into()),
        ..HookSpec::terminating(HOOK, secs(60.0))
    };
    let mut world = bare_world(vec![wrong]);
    host(&mut world, HOST);
    let stage = Stage::of(deployed(world, &[]));
    let advised: BTreeSet<_> =
        findings(&stage).await.into_iter().map(|(.., mend)| mend).filter(|mend| !mend.is_empty()).collect();
    assert!(advised.iter().all(|it| it.starts_with("ecs-drainer enroll my-asg --cluster prod")), "{advised:?}");
    let ran = stage.run(&["enroll", GROUP, "--cluster", CLUSTER, "--yes"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(findings(&stage).await.iter().all(|(level, ..)| level == "ok"));
}

#[tokio::test]
async fn managed_draining_and_a_group_that_is_not_in_ecs_are_told_of() {
    let mut managed = world();
    // More of them than one page holds, the one in question last.
    let provider = |name: String, group: &str, managed_draining| CapacityProviderSpec {
        name,
        cluster: CLUSTER.into(),
        group: group.into(),
        managed_draining,
    };
    for number in 0..11 {
        let group = format!("fleet-{number}");
        managed
            .add_group(GroupSpec {
                name: group.clone(),
                hooks: vec![HookSpec::terminating(HOOK, secs(900.0))],
                ..GroupSpec::default()
            })
            .unwrap();
        managed.add_capacity_provider(provider(format!("provider-{number}"), &group, false)).unwrap();
    }
    managed.add_capacity_provider(provider("spot-fleet".into(), GROUP, true)).unwrap();
    let stage = Stage::of(deployed(managed, &[]));
    only(&stage, "warning", "managed draining is on, too", "update-capacity-provider --name spot-fleet").await;

    let mut elsewhere = world();
    for (name, hook) in [("batch", Some(HOOK)), ("databases", None)] {
        let hooks = hook.map(|name| HookSpec::terminating(name, secs(900.0))).into_iter().collect();
        elsewhere.add_group(GroupSpec { name: name.into(), hooks, ..GroupSpec::default() }).unwrap();
        let spec = HostSpec { group: Some(name.into()), ..HostSpec::default() };
        elsewhere.add_host(spec).unwrap();
    }
    let stage = Stage::of(deployed(elsewhere, &[]));
    only(&stage, "warning", "group batch: it has the hook, and its hosts are in no cluster", "unenroll batch").await;
}

#[tokio::test]
async fn a_group_without_the_tag_cannot_be_released() {
    let stage = Stage::of(deployed(world(), &[("GroupTagValue", "yes")]));
    only(&stage, "problem", "it has no tag ecs-drainer=yes", "create-or-update-tags").await;
    stage.0.world(|world| world.tag_group(GROUP, "ecs-drainer", "yes"));
    let findings = findings(&stage).await;
    assert!(findings.iter().all(|(level, ..)| level == "ok"), "{findings:#?}");
}

/// Every permission of every role is tried: whichever goes missing is named.
#[tokio::test]
async fn each_permission_that_a_role_has_is_missed_when_it_is_gone() {
    let stack = TEMPLATE.deployed(Settings::default().place("ecs-drainer"), &[]).unwrap();
    for (role, function) in [
        ("InstanceTerminatingRole", "instance-terminating"),
        ("SpotInterruptionRole", "spot-interruption"),
        ("ReconcileRole", "reconcile"),
    ] {
        let permissions = Permissions::of_role(&stack, role).unwrap();
        let of_drains = |action: &&str| action.starts_with("ecs:") || action.starts_with("autoscaling:");
        let actions: BTreeSet<_> = permissions.actions().into_iter().filter(of_drains).collect();
        let mut world = deployed(world(), &[]);
        for action in &actions {
            world.forget_permission(role, action).unwrap();
        }
        let findings = findings(&Stage::of(world)).await;
        let problems: Vec<_> = findings.iter().filter(|(level, ..)| level == "problem").collect();
        let [(_, what, _)] = problems.as_slice() else { panic!("{problems:#?}") };
        assert!(what.starts_with(&format!("role of {function}: ecs-drainer-{role}-")), "{what}");
        let (_, named) = what.split_once(" may not do ").unwrap();
        let named: BTreeSet<_> = named.split(", ").map(|it| it.split(" on ").next().unwrap()).collect();
        assert_eq!(named, actions);
    }
}

#[tokio::test]
async fn a_denied_look_is_unknown_and_the_rest_is_checked() {
    for (operation, subject) in [
        (Operation::DescribeStacks, "stack ecs-drainer"),
        (Operation::ListStackResources, "stack ecs-drainer, its resources"),
        (Operation::DescribeRule, "Spot rule"),
        (Operation::SimulatePrincipalPolicy, "role of reconcile"),
        (Operation::DescribeLifecycleHooks, "group my-asg"),
        (Operation::DescribeAutoScalingGroups, "groups"),
    ] {
        let mut world = deployed(world(), &[]);
        world.plan(Fault { operation: Some(operation), ..Fault::always(FaultKind::AccessDenied) });
        let findings = findings(&Stage::of(world)).await;
        let unknown = findings.iter().find(|(level, what, _)| level == "unknown" && what.starts_with(subject));
        let (_, what, mend) = unknown.unwrap_or_else(|| panic!("{operation}: {findings:#?}"));
        assert!(what.contains("access denied: ") && what.contains(operation.name()), "{what}");
        assert!(mend.contains("must allow"), "{mend}");
        assert!(findings.iter().any(|(level, ..)| level == "ok") || operation == Operation::DescribeStacks);
    }
}

#[tokio::test]
async fn a_look_that_is_throttled_for_long_or_gets_no_answer_is_unknown_and_the_rest_is_checked() {
    for kind in [FaultKind::Throttle, FaultKind::DropConnection] {
        let mut world = deployed(world(), &[]);
        world.plan(Fault { operation: Some(Operation::ListStackResources), ..Fault::always(kind) });
        let findings = findings(&Stage::of(world)).await;
        let subject = "stack ecs-drainer, its resources";
        assert!(
            findings.iter().any(|(level, what, _)| level == "unknown" && what.starts_with(subject)),
            "{findings:?}"
        );
        assert!(findings.iter().any(|(level, what, _)| level == "ok" && what.starts_with("group my-asg")));
    }
}

#[tokio::test]
async fn the_settings_of_the_stack_tell_the_deadlines() {
    let mut world = deployed(world(), &[("DrainTimeoutSeconds", "1800"), ("OnDrainTimeout", "proceed")]);
    standalone(&mut world, None);
    world.set_status(HOST, "DRAINING").unwrap();
    world.scale_in(HOST, world.now()).unwrap();
    let stage = Stage::of(world);
    let json = stage.run(&["status", "--json"]).await.json();
    let drain = &json["drains"][0];
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(time(&drain["deadline"]).duration_since(time(&drain["since"])).as_secs(), 1800);
    assert_eq!(drain["next"]["what"], "it is released, whatever still runs");
    assert_eq!(json["settings"]["stack"], "ecs-drainer");
}

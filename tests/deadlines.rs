//! The deadline of a drain, and its four policies.

use simulator::world::{ActionResult, GroupSpec, Operation, Settings};

use crate::support::{CLUSTER, GROUP, LEAVING, Stage, hook_with, host, standalone, world};

async fn past_its_deadline(policy: &str, poll_for: &str) -> (Stage, serde_json::Value) {
    let mut world = world();
    standalone(&mut world, None, 0.5);
    let stage = Stage::scaling_in(world);
    let variables = [("DRAIN_TIMEOUT_SECONDS", "1"), ("ON_DRAIN_TIMEOUT", policy), ("POLL_FOR_SECONDS", poll_for)];
    let drain = stage.drain(&variables).await;
    (stage, drain)
}

#[tokio::test]
async fn never_early_at_the_deadline_tasks_are_stopped_before_the_release() {
    let (stage, drain) = past_its_deadline("stop-tasks", "15").await;
    assert_eq!((drain["outcome"].as_str(), drain["tasksStopped"].as_u64()), (Some("drained"), Some(1)), "{drain}");
    assert!(drain["detail"].as_str().unwrap().contains("deadline"), "{drain}");
    assert_eq!(stage.released_empty().result, ActionResult::Continue);
    assert_eq!(stage.count(Operation::StopTask), 1, "once");
    let reason = stage.simulator.world(|world| world.tasks_on(LEAVING)[0].stopped_reason.clone().unwrap_or_default());
    assert!(reason.contains("ecs-drainer") && reason.contains(LEAVING), "{reason}");
}

#[tokio::test]
async fn never_stuck_with_the_policy_proceed_the_deadline_releases() {
    let (stage, drain) = past_its_deadline("proceed", "4").await;
    assert_eq!(
        (drain["outcome"].as_str(), drain["remaining"][0]["lastStatus"].as_str()),
        (Some("timed-out"), Some("RUNNING")),
        "{drain}"
    );
    let releases = stage.releases();
    assert_eq!((releases.len(), releases[0].result, releases[0].unstopped.len()), (1, ActionResult::Continue, 1));
    assert_eq!(stage.count(Operation::StopTask), 0);
}

#[tokio::test]
async fn abandon_abandons() {
    let (stage, drain) = past_its_deadline("abandon", "4").await;
    assert_eq!(drain["outcome"], "timed-out", "{drain}");
    let releases = stage.releases();
    assert_eq!((releases.len(), releases[0].result), (1, ActionResult::Abandon));
}

#[tokio::test]
async fn never_early_with_the_policy_wait_the_deadline_releases_nothing() {
    let (stage, drain) = past_its_deadline("wait", "4").await;
    assert_eq!(drain["outcome"], "handed-over", "{drain}");
    assert!(stage.releases().is_empty());
    assert_eq!(stage.count(Operation::StopTask), 0);
}

#[tokio::test]
async fn a_deadline_counts_from_the_start_that_an_earlier_invocation_wrote() {
    let mut world = world();
    standalone(&mut world, None, 0.5);
    let stage = Stage::scaling_in(world);
    let variables = [("DRAIN_TIMEOUT_SECONDS", "3"), ("ON_DRAIN_TIMEOUT", "proceed"), ("POLL_FOR_SECONDS", "2")];
    assert_eq!(stage.drain(&variables).await["outcome"], "handed-over");

    let drain = stage.drain(&variables).await;

    assert_eq!(drain["outcome"], "timed-out", "two of the three seconds had passed: {drain}");
    assert!(drain["seconds"].as_f64().unwrap() >= 2.9, "{drain}");
}

#[tokio::test]
async fn standalone_tasks_are_stopped_at_once_where_asked() {
    let mut world = world();
    standalone(&mut world, None, 0.5);
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[("STANDALONE_TASKS", "stop")]).await;

    assert_eq!((drain["outcome"].as_str(), drain["tasksStopped"].as_u64()), (Some("drained"), Some(1)), "{drain}");
    stage.released_empty();
    assert_eq!(stage.count(Operation::StopTask), 1);
}

#[tokio::test]
async fn a_group_overrides_the_settings_in_its_hooks_metadata() {
    let mut world = simulator::world::World::new(simulator::clock::wall_now(), Settings::default());
    world.add_cluster(CLUSTER).unwrap();
    let metadata = r#"{"cluster":"prod","standaloneTasks":"stop","drainTimeoutSeconds":"soon"}"#;
    world
        .add_group(GroupSpec { name: GROUP.into(), hooks: vec![hook_with(metadata)], ..GroupSpec::default() })
        .unwrap();
    host(&mut world, LEAVING, Some(CLUSTER));
    standalone(&mut world, None, 0.3);
    let stage = Stage::scaling_in(world);
    let function = stage.function(&[]);

    let drain = crate::support::only(&function.invoke(&stage.event).await);

    assert_eq!(drain["outcome"], "drained", "{drain}");
    let logs = function.log_lines().join("\n");
    assert!(logs.contains("drainTimeoutSeconds is") && logs.contains("soon"), "{logs}");
}

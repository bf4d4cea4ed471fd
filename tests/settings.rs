//! Settings as the real binary takes them.

use simulator::lambda::Outcome;
use simulator::world::Operation;

use crate::support::{LEAVING, Stage, service, world};

#[tokio::test]
async fn bad_settings_stop_the_function_at_init_with_all_of_them_named() {
    let stage = Stage::scaling_in(world());
    let function = stage.function(&[("DRAIN_TIMEOUT_SECONDS", "1h"), ("ON_DRAIN_TIMEOUT", "explode")]);

    let outcome = function.invoke(&stage.event).await.outcome;

    assert!(matches!(outcome, Outcome::InitFailed { .. }), "{outcome:?}");
    let logs = function.log_lines().join("\n");
    for part in
        ["DRAIN_TIMEOUT_SECONDS", "1h", "172800", "ON_DRAIN_TIMEOUT", "explode", "stop-tasks, proceed, abandon, wait"]
    {
        assert!(logs.contains(part), "{part} in {logs}");
    }
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_do_and_changes_nothing() {
    let mut world = world();
    service(&mut world, 2, 0.0, 0.2);
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[("DRY_RUN", "true")]).await;

    assert_eq!(
        (drain["outcome"].as_str(), drain["detail"].as_str()),
        (Some("would-drain"), Some("would set it DRAINING")),
        "{drain}"
    );
    assert_eq!(drain["remaining"].as_array().map(Vec::len), Some(2), "it names the tasks: {drain}");
    assert_eq!(stage.writes(), 0);
    assert_eq!(stage.count(Operation::DescribeTasks), 1);
    assert_eq!(stage.status(LEAVING), "ACTIVE");
}

#[tokio::test]
async fn logs_are_one_json_object_a_line_with_the_request_id() {
    let stage = Stage::scaling_in(world());
    let function = stage.function(&[]);
    let invocation = function.invoke(&stage.event).await;

    let lines: Vec<serde_json::Value> = function
        .log_lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();

    let released = lines.iter().find(|line| line["message"] == "released").expect("a line on the release");
    assert_eq!(released["instance"], LEAVING);
    assert_eq!(released["span"]["requestId"].as_str(), Some(invocation.request_id.as_str()), "{released}");
    assert!(released["timestamp"].is_string() && released["level"] == "INFO", "{released}");
}

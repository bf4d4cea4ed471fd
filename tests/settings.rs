//! Settings as the real binary takes them.

use simulator::lambda::Outcome;
use simulator::world::Operation;

use crate::support::{LEAVING, Stage, secs, service, world};

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

/// Every line of a function that did not get to its first event.
async fn refused(stage: &Stage, variables: &[(&str, &str)]) -> String {
    let function = stage.function(variables);
    let outcome = function.invoke(&stage.event).await.outcome;
    let Outcome::InitFailed { error_message, .. } = &outcome else { panic!("{variables:?}: {outcome:?}") };
    assert!(error_message.ends_with("exit status: 1"), "{variables:?}: {error_message}");
    let logs = function.log_lines().join("\n");
    assert!(!logs.contains("panicked") && !logs.contains("BACKTRACE"), "{logs}");
    assert_eq!(logs.matches("bad configuration: ").count(), 1, "{logs}");
    logs
}

#[tokio::test]
async fn a_wrong_variable_of_awss_own_stops_the_function_at_init_like_a_setting() {
    let stage = Stage::scaling_in(world());
    let no_certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (name, value, allowed) in [
        ("AWS_ENDPOINT_URL", "localhost:8126", "a URL such as https://example.com"),
        ("AWS_ENDPOINT_URL_ECS", "http://", "a URL such as"),
        ("AWS_ENDPOINT_URL_AUTO_SCALING", "http://a b", "a URL such as"),
        ("AWS_REGION", "us west", "a region such as eu-central-1"),
        ("AWS_MAX_ATTEMPTS", "many", "a whole number from 1"),
        ("AWS_RETRY_MODE", "fast", "standard, adaptive"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "1", "false, true"),
        ("SSL_CERT_FILE", "/nonexistent", "a file that can be read and holds a certificate in PEM"),
        ("SSL_CERT_FILE", no_certificate, "a file that can be read and holds"),
        ("AWS_CA_BUNDLE", "/nonexistent", "a file that can be read and holds"),
        ("AWS_LAMBDA_FUNCTION_NAME", "", "what Lambda sets"),
    ] {
        let logs = refused(&stage, &[(name, value)]).await;
        let told = format!("{name} is {value:?}, allowed: {allowed}").replace('"', "\\\"");
        assert!(logs.contains(&told), "{told} in {logs}");
    }
    let logs = refused(&stage, &[("DRY_RUN", "yes"), ("AWS_RETRY_MODE", "fast"), ("AWS_MAX_ATTEMPTS", "0")]).await;
    for name in ["DRY_RUN", "AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS"] {
        assert!(logs.contains(name), "{name} in {logs}");
    }
    assert_eq!(stage.simulator.world(|world| world.requests().len()), 0);
}

#[tokio::test]
async fn an_empty_variable_of_awss_own_is_unset() {
    let names = [
        "AWS_ENDPOINT_URL",
        "AWS_MAX_ATTEMPTS",
        "AWS_RETRY_MODE",
        "AWS_REGION",
        "AWS_PROFILE",
        "AWS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "AWS_LAMBDA_LOG_STREAM_NAME",
    ];
    for blank in ["", " "] {
        let stage = Stage::scaling_in(world());
        let url = stage.simulator.url();
        let endpoints = ["AWS_ENDPOINT_URL_ECS", "AWS_ENDPOINT_URL_AUTO_SCALING"].map(|name| (name, url.as_str()));
        let blanks = names.map(|name| (name, blank)).into_iter();
        let drain = stage.drain(&blanks.chain(endpoints).collect::<Vec<_>>()).await;
        assert_eq!(drain["outcome"], "drained", "{drain}");
        stage.released_empty();
    }
}

#[tokio::test]
async fn a_cluster_of_another_region_stops_the_function_at_init() {
    let stage = Stage::scaling_in(world());
    let logs = refused(&stage, &[("ECS_CLUSTERS", "arn:aws:ecs:eu-west-1:123456789012:cluster/prod")]).await;
    assert!(logs.contains("arn:aws:ecs:eu-west-1:123456789012:cluster/prod"), "{logs}");
    assert!(logs.contains("allowed: clusters of this region, us-west-2"), "{logs}");
}

#[tokio::test]
async fn a_cluster_of_another_account_fails_each_invocation_that_tells_the_function_its_own() {
    let arn = "arn:aws:ecs:us-west-2:999999999999:cluster/prod";
    let stage = Stage::scaling_in(world());
    let variables = [("ECS_CLUSTERS", arn)];
    let functions =
        [stage.function(&variables), stage.spot(&variables, secs(60.0)), stage.reconcile(&variables, secs(60.0))];
    for function in functions {
        let outcome = function.invoke(&stage.event).await.outcome;
        let Outcome::Failed { error_type, error_message } = &outcome else { panic!("{outcome:?}") };
        assert_eq!(error_type, "BadConfiguration");
        assert!(error_message.contains(arn), "{error_message}");
        assert!(error_message.ends_with("clusters of this account and region, 123456789012 in us-west-2"));
    }
    assert_eq!(stage.simulator.world(|world| world.requests().len()), 0);
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

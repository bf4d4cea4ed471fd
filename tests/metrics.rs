//! The metrics of the real binaries: lines in the embedded metric format, at every log level.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::metrics::{METRICS, NAMESPACE, STACK};
use simulator::lambda::{Function, Outcome};
use simulator::world::{Fault, FaultKind, Operation, World};

use crate::support::{HOOK, Stage, host, only, secs, service, standalone, world, world_with_hooks};

const VARIABLES: [(&str, &str); 2] = [("STACK_NAME", "drainer-prod"), ("AWS_LAMBDA_LOG_FORMAT", "JSON")];

fn published(function: &Function) -> Vec<Value> {
    let lines = function.log_lines().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    lines.filter(|line| line.get("_aws").is_some()).collect()
}

/// What the published specification asks of a line (CloudWatch user guide, embedded metric format specification), as far
/// as it does not hold.
fn violations(line: &Value) -> Vec<String> {
    const UNITS: [&str; 2] = ["Count", "Seconds"];
    let mut found = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{what}: {line}"));
        }
    };
    let text = |value: &Value, max: usize| value.as_str().is_some_and(|text| (1..=max).contains(&text.chars().count()));
    must(line.to_string().len() <= 1024 * 1024, "a line of a megabyte at most");
    must(line["_aws"]["Timestamp"].as_i64().is_some_and(|ms| ms > 1_700_000_000_000), "milliseconds since 1970");
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().cloned().unwrap_or_default();
    must(!directives.is_empty(), "a directive at least");
    for directive in &directives {
        must(text(&directive["Namespace"], 256), "a namespace");
        let sets = directive["Dimensions"].as_array().cloned().unwrap_or_default();
        must(!sets.is_empty(), "a set of dimensions");
        for set in &sets {
            let names = set.as_array().cloned().unwrap_or_default();
            must(names.len() <= 30, "thirty dimensions at most");
            for name in &names {
                must(text(name, 250), "a dimension's name");
                must(text(&line[name.as_str().unwrap_or_default()], 1024), "a dimension's value is a text at the root");
            }
        }
        let metrics = directive["Metrics"].as_array().cloned().unwrap_or_default();
        must((1..=100).contains(&metrics.len()), "one to a hundred metrics");
        for metric in &metrics {
            must(text(&metric["Name"], 1024), "a metric's name");
            must(UNITS.contains(&metric["Unit"].as_str().unwrap_or_default()), "a unit that CloudWatch knows");
            let value = &line[metric["Name"].as_str().unwrap_or_default()];
            let many =
                value.as_array().is_some_and(|it| (1..=100).contains(&it.len()) && it.iter().all(Value::is_number));
            must(value.is_number() || many, "its value is a number, or a hundred at most");
        }
    }
    found
}

/// Each metric's value by name, and by the value of its second dimension.
fn told(lines: &[Value]) -> BTreeMap<(String, String), f64> {
    let mut told = BTreeMap::new();
    for line in lines {
        assert_eq!(violations(line), [""; 0]);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        let dimensions: Vec<_> =
            directive["Dimensions"][0].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        assert_eq!((directive["Namespace"].as_str(), dimensions[0]), (Some(NAMESPACE), STACK));
        assert_eq!(line[STACK], "drainer-prod");
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            let known = METRICS.iter().find(|known| known.name == name).expect("a metric of the list");
            assert_eq!((metric["Unit"].as_str(), dimensions.get(1).copied()), (Some(known.unit), known.by), "{name}");
            let of = known.by.map_or("", |by| line[by].as_str().unwrap());
            let value = line[name].as_f64().or_else(|| line[name][0].as_f64()).unwrap();
            told.insert((name.to_owned(), of.to_owned()), value);
        }
    }
    told
}

fn with(variables: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    VARIABLES.iter().chain(variables).copied().collect()
}

/// Feeds the event to a fresh environment; answers what it published, and the outcome.
async fn invoked(
    stage: &Stage,
    variables: &[(&'static str, &'static str)],
) -> (BTreeMap<(String, String), f64>, Value) {
    let function = stage.function(&with(variables));
    let drain = only(&function.invoke(&stage.event).await);
    (told(&published(&function)), drain)
}

fn of<'a>(told: &BTreeMap<(String, String), f64>, name: &'a str, dimension: &'a str) -> Option<f64> {
    told.get(&(name.to_owned(), dimension.to_owned())).copied()
}

/// A drain with everything in it: tasks that leave, one that is told to, heartbeats, a refusal and a lost request.
async fn eventful() -> BTreeMap<(String, String), f64> {
    let mut world = world_with_hooks(&[(HOOK, 4.5)]);
    service(&mut world, 2, 0.0, 3.0);
    standalone(&mut world, None, 0.2);
    world.plan(Fault::times(Operation::DescribeContainerInstances, 1, FaultKind::ServerError));
    world.plan(Fault::times(Operation::ListTasks, 1, FaultKind::Throttle));
    let stage = Stage::scaling_in(world);
    let (told, drain) = invoked(&stage, &[("STANDALONE_TASKS", "stop")]).await;
    assert_eq!(drain["outcome"], "drained", "{drain}");
    let count = |name, dimension| of(&told, name, dimension);
    assert_eq!(
        (count("DrainsStarted", "termination"), count("DrainsCompleted", "termination")),
        (Some(1.0), Some(1.0))
    );
    assert_eq!((count("TasksStopped", "termination"), count("TasksToldToStop", "termination")), (Some(2.0), Some(1.0)));
    assert_eq!((count("ColdStarts", ""), count("AwsThrottles", "ListTasks")), (Some(1.0), Some(1.0)));
    assert_eq!(count("AwsRetries", "DescribeContainerInstances"), Some(1.0));
    let calls = |operation: Operation| f64::from(u32::try_from(stage.count(operation)).unwrap());
    assert_eq!(count("Heartbeats", ""), Some(calls(Operation::RecordLifecycleActionHeartbeat)));
    for operation in [Operation::UpdateContainerInstancesState, Operation::StopTask, Operation::CompleteLifecycleAction]
    {
        assert_eq!(count("AwsCalls", operation.name()), Some(calls(operation)), "{operation}");
    }
    let tried = calls(Operation::DescribeContainerInstances);
    assert_eq!(count("AwsCalls", "DescribeContainerInstances"), Some(tried - 1.0), "a second try is no second call");
    assert!(
        count("DrainSeconds", "termination").unwrap() >= 1.5 && count("EventAgeSeconds", "").unwrap() < 60.0,
        "{told:?}"
    );
    told
}

/// A drain that is given up at its deadline.
async fn given_up(level: &'static str) -> BTreeMap<(String, String), f64> {
    let mut world = world();
    standalone(&mut world, None, 0.2);
    let stage = Stage::scaling_in(world);
    let variables = [("DRAIN_TIMEOUT_SECONDS", "1"), ("ON_DRAIN_TIMEOUT", "proceed"), ("AWS_LAMBDA_LOG_LEVEL", level)];
    let function = stage.function(&with(&variables));
    let drain = only(&function.invoke(&stage.event).await);
    assert_eq!(drain["outcome"], "timed-out", "{drain}");
    let lines = published(&function);
    for line in &lines {
        // Lambda drops what is below the level that is asked for, and JSON without one as soon as it is above INFO.
        assert_eq!((line["level"].as_str(), line["timestamp"].is_string()), (Some(level), true));
    }
    let told = told(&lines);
    assert_eq!(
        (of(&told, "DrainsPastDeadline", ""), of(&told, "DrainsTimedOut", "termination")),
        (Some(1.0), Some(1.0))
    );
    assert_eq!(of(&told, "TasksLeftRunning", "termination"), Some(1.0));
    told
}

/// The search fails at first, and finds the host later.
async fn not_located() -> BTreeMap<(String, String), f64> {
    let mut world = world();
    world.plan(Fault::times(Operation::ListContainerInstances, u32::MAX, FaultKind::AccessDenied));
    let stage = Stage::scaling_in(world);
    let function = stage.function(&with(&[("POLL_FOR_SECONDS", "13")]));
    assert_eq!(only(&function.invoke(&stage.event).await)["outcome"], "handed-over");
    let before = published(&function);
    let first = told(&before);
    assert_eq!(
        (of(&first, "InstancesNeverLocated", ""), of(&first, "DrainsHandedOver", "termination")),
        (Some(1.0), Some(1.0))
    );

    stage.simulator.world(World::forget_faults);
    assert_eq!(only(&function.invoke(&stage.event).await)["outcome"], "drained");
    let second = told(&published(&function)[before.len()..]);
    assert_eq!((of(&second, "InstancesNeverLocated", ""), of(&second, "ColdStarts", "")), (None, None), "nothing new");
    first
}

/// A scan that finds a waiting host.
async fn waiting() -> BTreeMap<(String, String), f64> {
    let mut world = world();
    host(&mut world, "i-0bbbbbbbbbbbbbbbb", None);
    standalone(&mut world, None, 0.2);
    let stage = Stage::scaling_in(world);
    let function = stage.reconcile(&with(&[]), secs(5.0));
    function.invoke(&json!({})).await;
    let told = told(&published(&function));
    assert_eq!(
        (of(&told, "InstancesWaiting", ""), of(&told, "DrainsHandedOver", "termination")),
        (Some(1.0), Some(1.0))
    );
    assert!(of(&told, "OldestDrainSeconds", "").is_some_and(|age| age > 0.5), "{told:?}");
    told
}

#[tokio::test]
async fn every_metric_is_told_in_one_scenario_or_another_and_none_besides() {
    let (eventful, given_up, not_located, waiting) =
        tokio::join!(eventful(), given_up("INFO"), not_located(), waiting());
    let names = [eventful, given_up, not_located, waiting].into_iter().flatten().map(|((name, _), _)| name);
    let all: BTreeSet<_> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(names.collect::<BTreeSet<_>>(), all);
}

#[tokio::test]
async fn metrics_get_out_at_every_level() {
    for level in ["WARN", "FATAL"] {
        given_up(level).await;
    }
}

#[tokio::test]
async fn a_scan_that_fails_tells_what_was_throttled() {
    let mut world = world();
    let throttled =
        Fault { operation: Some(Operation::DescribeAutoScalingGroups), ..Fault::always(FaultKind::Throttle) };
    world.plan(throttled);
    let stage = Stage::idle(world);
    let function = stage.reconcile(&with(&[]), secs(5.0));
    let invocation = function.invoke(&json!({})).await;
    assert!(matches!(invocation.outcome, Outcome::Failed { .. }), "{invocation:?}");
    let told = told(&published(&function));
    let throttles = f64::from(u32::try_from(stage.count(Operation::DescribeAutoScalingGroups)).unwrap());
    assert_eq!(of(&told, "AwsThrottles", "DescribeAutoScalingGroups"), Some(throttles));
    assert_eq!(of(&told, "AwsRetries", "DescribeAutoScalingGroups"), None, "the SDK leaves throttles to the engine");
}

#[tokio::test]
async fn the_age_of_an_event_is_told_when_it_is_received_first() {
    for (receive, told_of) in [("1", true), ("2", false)] {
        let stage = Stage::scaling_in(world());
        let message = json!({
            "messageId": "1", "eventSource": "aws:sqs", "body": stage.event.to_string(),
            "attributes": {"ApproximateReceiveCount": receive},
        });
        let function = stage.function(&with(&[]));
        function.invoke(&json!({"Records": [message]})).await;
        let told = told(&published(&function));
        assert_eq!(of(&told, "EventAgeSeconds", "").is_some(), told_of, "{told:?}");
    }
}

#[tokio::test]
async fn a_minute_in_which_nothing_waits_publishes_nothing_but_its_cold_start() {
    let stage = Stage::idle(world());
    let function = stage.reconcile(&with(&[]), secs(5.0));
    for _ in 0..2 {
        function.invoke(&json!({})).await;
    }
    let told: Vec<_> = told(&published(&function)).into_keys().map(|(name, _)| name).collect();
    assert_eq!(told, ["ColdStarts"]);
}

#[test]
fn a_line_that_breaks_the_format_is_seen() {
    let directive = json!({"Namespace": "N", "Dimensions": [["Stack"]], "Metrics": [{"Name": "A", "Unit": "Count"}]});
    let line = |directive: &Value| json!({"Stack": "s", "A": 1, "_aws": {"Timestamp": 1_768_507_200_000_i64, "CloudWatchMetrics": [directive]}});
    assert_eq!(violations(&line(&directive)), [""; 0]);
    for (pointer, wrong) in [
        ("/Namespace", json!("")),
        ("/Dimensions/0/0", json!("Missing")),
        ("/Metrics/0/Name", json!("B")),
        ("/Metrics/0/Unit", json!("Furlongs")),
        ("/Metrics", json!([])),
    ] {
        let mut broken = directive.clone();
        *broken.pointer_mut(pointer).unwrap() = wrong;
        assert_ne!(violations(&line(&broken)), [""; 0], "{pointer}");
    }
}

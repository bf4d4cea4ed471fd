//! The log that an operator reads: each line's fields, a whole drain as the docs show it, and the docs' queries on real
//! lines.

use std::collections::BTreeSet;

use serde_json::Value;
use simulator::lambda::Function;
use simulator::world::{Fault, FaultKind, Operation};

use crate::support::template::text;
use crate::support::{
    CLUSTER, HOOK, LEAVING, Stage, only, secs, service, standalone, world, world_since, world_with_hooks,
};

const JSON: (&str, &str) = ("AWS_LAMBDA_LOG_FORMAT", "JSON");
/// The messages about a drain before the drainer knows where the instance is.
const BEFORE_IT_IS_FOUND: [&str; 1] = ["notice received"];

/// Every line, metrics included.
fn all_lines(function: &Function) -> Vec<Value> {
    function.log_lines().iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Every line that is no metric.
fn lines(function: &Function) -> Vec<Value> {
    all_lines(function).into_iter().filter(|line| line.get("_aws").is_none()).collect()
}

fn message(line: &Value) -> &str {
    line["message"].as_str().unwrap()
}

/// The log of a drain with a task that leaves, one that is told to stop, and heartbeats.
async fn log_of_a_drain() -> Vec<Value> {
    let mut world = world_with_hooks(&[(HOOK, 4.5)]);
    service(&mut world, 1, 0.0, 3.0);
    standalone(&mut world, None, 0.2);
    let stage = Stage::scaling_in(world);
    let function = stage.function(&[JSON, ("STANDALONE_TASKS", "stop")]);
    assert_eq!(only(&function.invoke(&stage.event).await)["outcome"], "drained");
    lines(&function)
}

#[tokio::test]
async fn every_line_on_a_drain_says_which_where_why_and_how_far() {
    let lines = log_of_a_drain().await;
    // A line about a mistake in a hook names its group.
    for line in lines.iter().filter(|line| line["level"] == "INFO") {
        assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')) && line["level"].is_string(), "{line}");
        assert!(line["span"]["requestId"].as_str().is_some_and(|id| !id.is_empty()), "{line}");
        assert_eq!((line["instance"].as_str(), line["cause"].as_str()), (Some(LEAVING), Some("termination")), "{line}");
        if !BEFORE_IT_IS_FOUND.contains(&message(line)) {
            assert_eq!(
                (line["cluster"].as_str(), line["group"].as_str()),
                (Some(CLUSTER), Some("other-asg")),
                "{line}"
            );
            assert!(line["elapsed_seconds"].is_f64() && line["remaining_tasks"].is_u64(), "{line}");
        }
    }
    let told: BTreeSet<_> = lines.iter().filter(|line| line["level"] == "INFO").map(message).collect();
    let expected = [
        "notice received",
        "tasks that should run",
        "set DRAINING",
        "told a task to stop",
        "heartbeat",
        "released",
        "ended",
    ];
    assert_eq!(told, expected.into());
}

/// The values that differ from run to run, put into one form.
fn normalised(line: &Value) -> String {
    let mut line = line.clone();
    line["timestamp"] = "2026-01-15T20:00:00.000000Z".into();
    line["span"]["requestId"] = "8f5c1a2e-…".into();
    line["span"].as_object_mut().unwrap().remove("xrayTraceId");
    if line.get("elapsed_seconds").is_some() {
        line["elapsed_seconds"] = 0.0.into();
    }
    if line.get("reason").is_some() {
        line["reason"] = "At …".into();
    }
    for id in ["container_instance", "task"] {
        if let Some(arn) = line.get(id).and_then(Value::as_str) {
            line[id] = format!("{}/…", arn.rsplit_once('/').unwrap().0).into();
        }
    }
    line.to_string()
}

/// The first block of this kind after a heading of the docs.
fn block(document: &str, heading: &str, kind: &str) -> String {
    let (_, after) = document.split_once(heading).unwrap_or_else(|| panic!("no {heading}"));
    let (_, block) = after.split_once(&format!("```{kind}\n")).expect("a block");
    block.split_once("```").expect("its end").0.to_owned()
}

#[tokio::test]
async fn the_docs_show_the_log_of_a_whole_drain() {
    // Heartbeats are a matter of time, and so is how often a count is seen on its way.
    let steady =
        |line: &&Value| line["level"] == "INFO" && !["heartbeat", "tasks that should run"].contains(&message(line));
    let shown = block(&text("docs/operations.md"), "## The log", "json");
    let shown: Vec<_> =
        shown.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON")).collect();
    let shown: Vec<_> = shown.iter().filter(steady).map(normalised).collect();
    let lines = log_of_a_drain().await;
    let lines: Vec<_> = lines.iter().filter(steady).map(normalised).collect();
    assert_eq!(shown, lines, "\n{}", lines.join("\n"));
}

/// A query of CloudWatch Logs Insights, as far as the docs use the language: stages between bars.
struct Query<'a> {
    filters: Vec<&'a str>,
    fields: Vec<&'a str>,
}

impl<'a> Query<'a> {
    fn parse(text: &'a str) -> Self {
        let mut query = Query { filters: Vec::new(), fields: Vec::new() };
        let mut aliases: Vec<&str> = Vec::new();
        for stage in text.split('|').map(str::trim) {
            let (command, rest) = stage.split_once(' ').unwrap_or((stage, ""));
            match command {
                // Stages after the statistics work on their results.
                "filter" if aliases.is_empty() => query.filters.push(rest),
                "filter" | "sort" => {
                    let field = rest.split(' ').next().unwrap();
                    let known = aliases.contains(&field) || query.fields.contains(&field) || field == "@timestamp";
                    assert!(known, "{text}: {field} is not known");
                }
                "fields" => query.fields.extend(rest.split(',').map(str::trim)),
                "stats" => {
                    let (values, by) = rest.split_once(" by ").expect("by what");
                    let inside = |value: &'a str| value.split_once('(')?.1.split_once(')').map(|(field, _)| field);
                    query.fields.extend(values.split(',').filter_map(inside).filter(|field| *field != "*"));
                    query.fields.extend(by.split(',').map(str::trim));
                    aliases.extend(
                        values.split(',').filter_map(|value| value.split_once(" as ")).map(|(_, alias)| alias.trim()),
                    );
                }
                "limit" => {}
                other => panic!("{other} is not known here"),
            }
        }
        query
    }

    fn takes(&self, line: &Value) -> bool {
        self.filters.iter().all(|filter| filter.split(" and ").all(|condition| holds(condition.trim(), line)))
    }
}

/// `field = "text"`, `field in ["a", "b"]`, `ispresent(field)`.
fn holds(condition: &str, line: &Value) -> bool {
    if let Some(field) = condition.strip_prefix("ispresent(").and_then(|rest| rest.strip_suffix(')')) {
        return line.get(field).is_some();
    }
    let mut parts = condition.splitn(3, ' ');
    let (Some(field), Some(operator), Some(operand)) = (parts.next(), parts.next(), parts.next()) else {
        panic!("{condition}")
    };
    let value = line.pointer(&format!("/{}", field.replace('.', "/"))).unwrap_or(&Value::Null);
    let operand: Value = serde_json::from_str(operand).unwrap_or_else(|_| panic!("{condition}"));
    match operator {
        "=" => *value == operand,
        "in" => operand.as_array().unwrap().contains(value),
        other => panic!("{other} is not known here"),
    }
}

/// Lines of every kind that the queries ask for.
async fn lines_of_a_night() -> Vec<Value> {
    let mut lines = log_of_a_drain().await;
    let mut world = world_since(90.0);
    service(&mut world, 1, 0.0, 30.0);
    world.plan(Fault::times(Operation::DescribeLifecycleHooks, 1, FaultKind::AccessDenied));
    let stage = Stage::set_draining_late(world);
    let function = stage.reconcile(&[JSON], secs(5.0));
    let _answer = function.invoke(&serde_json::json!({})).await;
    lines.extend(all_lines(&function));
    let given_up = {
        let mut world = self::world();
        standalone(&mut world, None, 0.2);
        Stage::scaling_in(world)
    };
    let variables = [("DRAIN_TIMEOUT_SECONDS", "1"), ("ON_DRAIN_TIMEOUT", "proceed"), ("AWS_LAMBDA_LOG_LEVEL", "INFO")];
    let variables: Vec<_> = variables.into_iter().chain([JSON]).collect();
    let function = given_up.function(&variables);
    assert_eq!(only(&function.invoke(&given_up.event).await)["outcome"], "timed-out");
    lines.extend(all_lines(&function));
    // At a higher level metrics carry that level.
    let mut world = self::world();
    world.plan(Fault::times(Operation::ListClusters, 1, FaultKind::AccessDenied));
    let stage = Stage::scaling_in(world);
    let function = stage.function(&[JSON, ("AWS_LAMBDA_LOG_LEVEL", "WARN")]);
    assert_eq!(only(&function.invoke(&stage.event).await)["outcome"], "drained");
    let warned = all_lines(&function);
    let of_invocation = |line: &&Value| line.get("_aws").is_none();
    assert!(warned.iter().filter(of_invocation).all(|line| line["span"]["requestId"].is_string()), "{warned:#?}");
    lines.extend(warned);
    lines
}

#[tokio::test]
async fn every_query_of_the_docs_finds_what_it_says_on_real_lines() {
    let document = text("docs/operations.md");
    let (_, section) = document.split_once("### Queries").expect("a section on queries");
    let section = section.split("\n## ").next().unwrap();
    let queries = section.split("```").skip(1).step_by(2).map(|it| it.trim_start_matches("text\n").trim().to_owned());
    let dashboard = text("template.yaml");
    let (_, of_dashboard) = dashboard.split_once("\"query\": \"${Logs} | ").expect("the dashboard's query");
    let of_dashboard = of_dashboard.split_once('"').unwrap().0.replace('\'', "\"");
    let lines = lines_of_a_night().await;
    let all: BTreeSet<_> = lines.iter().filter_map(|line| line["message"].as_str()).collect();
    let of_one: BTreeSet<_> = lines.iter().filter(|line| line["instance"] == LEAVING).map(message).collect();
    let failures: BTreeSet<_> =
        all.iter().copied().filter(|it| it.contains("failed") || it.contains("timeout is short")).collect();
    let expected: Vec<BTreeSet<&str>> = vec![
        ["ended", "given up"].into(),
        ["a task is left"].into(),
        of_one,
        ["ended", "given up", "handed over"].into(),
        ["a task is left"].into(),
        failures,
        ["ended", "given up"].into(),
    ];
    let queries: Vec<_> = queries.chain([of_dashboard]).collect();
    assert_eq!(queries.len(), expected.len());
    for (query, expected) in queries.iter().zip(expected) {
        let parsed = Query::parse(query);
        let found: Vec<_> = lines.iter().filter(|line| parsed.takes(line)).collect();
        assert!(found.iter().all(|line| line.get("_aws").is_none()), "{query} finds metrics");
        assert_eq!(found.iter().map(|line| message(line)).collect::<BTreeSet<_>>(), expected, "{query}");
        for field in parsed.fields.iter().filter(|field| !field.starts_with('@')) {
            let pointer = format!("/{}", field.replace('.', "/"));
            assert!(found.iter().any(|line| line.pointer(&pointer).is_some()), "{query}: no line has {field}");
        }
    }
}

#[tokio::test]
async fn nothing_secret_is_logged() {
    let mut world = world();
    world.plan(Fault::times(Operation::DescribeContainerInstances, 2, FaultKind::ServerError));
    let stage = Stage::scaling_in(world);
    let secrets = [("AWS_SECRET_ACCESS_KEY", "a-key-that-is-secret"), ("AWS_SESSION_TOKEN", "a-token-that-is-secret")];
    let function = stage.function(&[JSON, ("AWS_LAMBDA_LOG_LEVEL", "TRACE"), secrets[0], secrets[1]]);
    assert_eq!(only(&function.invoke(&stage.event).await)["outcome"], "drained");
    let lines = function.log_lines();
    assert!(lines.iter().any(|line| line.contains("failed")), "something was wrong: {lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("that-is-secret") && !line.contains("Signature=")), "{lines:#?}");
}

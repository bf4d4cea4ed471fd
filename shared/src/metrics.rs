//! Metrics for CloudWatch, in its embedded metric format: lines of JSON in the log.
//!
//! Each line carries the stack as a dimension, and at most one more. What is zero is not published, for a metric costs by
//! the hour in which it has data.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aws::tally::Sent;
use crate::drain::facts::departure::Cause;
use crate::drain::reports::report::{Drain, Trouble};
use crate::drain::rules::decision::Outcome;

/// The metrics' namespace.
pub const NAMESPACE: &str = "EcsDrainer";
/// The dimension of every one: the installation.
pub const STACK: &str = "Stack";
/// A second dimension: why instances leave.
pub const CAUSE: &str = "Cause";
/// A second dimension: an operation of AWS's.
pub const OPERATION: &str = "Operation";

/// Values in one metric of one line (CloudWatch user guide, embedded metric format specification).
const VALUES_MAX: usize = 100;

/// A metric.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// `Count` or `Seconds`.
    pub unit: &'static str,
    /// Its dimension besides the stack.
    pub by: Option<&'static str>,
}

const fn count(name: &'static str, by: Option<&'static str>) -> Metric {
    Metric { name, unit: "Count", by }
}

const fn seconds(name: &'static str, by: Option<&'static str>) -> Metric {
    Metric { name, unit: "Seconds", by }
}

/// Drains that passed their deadline before every task had stopped, counted by every invocation that meets them.
pub const DRAINS_PAST_DEADLINE: Metric = count("DrainsPastDeadline", None);
/// Instances whose cluster the drainer could not find because requests failed, counted likewise.
pub const INSTANCES_NEVER_LOCATED: Metric = count("InstancesNeverLocated", None);
/// Instances that wait on our hook, as each scan finds them.
pub const INSTANCES_WAITING: Metric = count("InstancesWaiting", None);
/// The longest of their drains so far.
pub const OLDEST_DRAIN: Metric = seconds("OldestDrainSeconds", None);
/// Heartbeats sent.
pub const HEARTBEATS: Metric = count("Heartbeats", None);
/// How old an event was when it was first received, of each.
pub const EVENT_AGE: Metric = seconds("EventAgeSeconds", None);
/// First invocations of an execution environment.
pub const COLD_STARTS: Metric = count("ColdStarts", None);
/// Instances set DRAINING.
pub const DRAINS_STARTED: Metric = count("DrainsStarted", Some(CAUSE));
/// Drains that ended as they should: nothing runs any more, or nothing can be done.
pub const DRAINS_COMPLETED: Metric = count("DrainsCompleted", Some(CAUSE));
/// Drains that ended with tasks not STOPPED, or whose hook was over before them.
pub const DRAINS_TIMED_OUT: Metric = count("DrainsTimedOut", Some(CAUSE));
/// Drains left to the next invocation, counted each time.
pub const DRAINS_HANDED_OVER: Metric = count("DrainsHandedOver", Some(CAUSE));
/// How long a drain took in which every task stopped, of each.
pub const DRAIN_SECONDS: Metric = seconds("DrainSeconds", Some(CAUSE));
/// Tasks that stopped in drains that ended, moved by ECS or at their own end.
pub const TASKS_STOPPED: Metric = count("TasksStopped", Some(CAUSE));
/// Tasks that stopped in drains that ended, because the drainer told them to.
pub const TASKS_TOLD_TO_STOP: Metric = count("TasksToldToStop", Some(CAUSE));
/// Tasks that were not STOPPED when their drain ended, and died with their host.
pub const TASKS_LEFT_RUNNING: Metric = count("TasksLeftRunning", Some(CAUSE));
/// Calls to AWS in invocations that had something to drain.
pub const AWS_CALLS: Metric = count("AwsCalls", Some(OPERATION));
/// Calls that AWS throttled.
pub const AWS_THROTTLES: Metric = count("AwsThrottles", Some(OPERATION));
/// Tries beyond the first of a call.
pub const AWS_RETRIES: Metric = count("AwsRetries", Some(OPERATION));

/// Every metric there is.
pub const METRICS: [Metric; 18] = [
    DRAINS_PAST_DEADLINE,
    INSTANCES_NEVER_LOCATED,
    INSTANCES_WAITING,
    OLDEST_DRAIN,
    HEARTBEATS,
    EVENT_AGE,
    COLD_STARTS,
    DRAINS_STARTED,
    DRAINS_COMPLETED,
    DRAINS_TIMED_OUT,
    DRAINS_HANDED_OVER,
    DRAIN_SECONDS,
    TASKS_STOPPED,
    TASKS_TOLD_TO_STOP,
    TASKS_LEFT_RUNNING,
    AWS_CALLS,
    AWS_THROTTLES,
    AWS_RETRIES,
];

/// The facts of one invocation that become metrics.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The installation.
    pub stack: &'a str,
    /// The lowest level that Lambda keeps: it drops a line of JSON that has none as soon as more than INFO is asked for
    /// (Lambda developer guide, log-level filtering).
    pub level: &'a str,
    /// Its drains.
    pub drains: &'a [Drain],
    /// Its requests, by operation.
    pub sent: &'a BTreeMap<String, Sent>,
    /// Whether it was its environment's first.
    pub cold_start: bool,
}

/// Values by metric, of one value of its second dimension.
type Values = BTreeMap<&'static str, (Metric, Vec<f64>)>;

/// By second dimension: its name and value, or neither.
#[derive(Default)]
struct Measured(BTreeMap<(Option<&'static str>, String), Values>);

impl Measured {
    fn add(&mut self, metric: Metric, of: &str, value: f64) {
        if value > 0.0 {
            let values = self.0.entry((metric.by, of.to_owned())).or_default();
            values.entry(metric.name).or_insert((metric, Vec::new())).1.push(value);
        }
    }

    fn count(&mut self, metric: Metric, of: &str, count: usize) {
        self.add(metric, of, u32::try_from(count).unwrap_or(u32::MAX).into());
    }
}

/// The lines that tell it; none when there is nothing to tell.
#[must_use]
pub fn lines(observed: &Observed<'_>, now: Timestamp) -> Vec<Value> {
    let mut lines = Vec::new();
    for ((by, of), values) in measured(observed).0 {
        let parts = values.values().map(|(_, values)| values.len().div_ceil(VALUES_MAX)).max().unwrap_or_default();
        for part in 0..parts {
            let part =
                values.values().filter_map(|(metric, values)| Some((metric, values.chunks(VALUES_MAX).nth(part)?)));
            lines.push(line(observed, by.map(|by| (by, of.as_str())), part, now));
        }
    }
    lines
}

fn measured(observed: &Observed<'_>) -> Measured {
    let mut measured = Measured::default();
    measured.count(COLD_STARTS, "", observed.cold_start.into());
    for (metric, trouble) in
        [(DRAINS_PAST_DEADLINE, Trouble::PastDeadline), (INSTANCES_NEVER_LOCATED, Trouble::NeverLocated)]
    {
        measured.count(
            metric,
            "",
            observed.drains.iter().filter(|drain| drain.measures.trouble == Some(trouble)).count(),
        );
    }
    // An instance that waits on a foreign hook only is not counted.
    let waits = |drain: &&Drain| drain.measures.found_by_scan && drain.outcome != Outcome::AlreadyReleased;
    let found = observed.drains.iter().filter(waits);
    measured.count(INSTANCES_WAITING, "", found.clone().count());
    measured.add(OLDEST_DRAIN, "", found.map(|drain| drain.seconds).fold(0.0, f64::max));
    measured.count(HEARTBEATS, "", observed.drains.iter().map(|drain| drain.measures.heartbeats as usize).sum());
    for age in observed.drains.iter().filter_map(|drain| drain.measures.event_age) {
        // An event without any age is counted, too.
        measured.add(EVENT_AGE, "", age.max(Duration::from_millis(1)).as_secs_f64());
    }
    for drain in observed.drains {
        measure_drain(drain, &mut measured);
    }
    let drains = observed.drains.iter().any(|drain| drain.measures.cause.is_some());
    for (operation, sent) in observed.sent {
        let count = |count| usize::try_from(count).unwrap_or(usize::MAX);
        measured.count(AWS_CALLS, operation, if drains { count(sent.calls) } else { 0 });
        measured.count(AWS_THROTTLES, operation, count(sent.throttled));
        measured.count(AWS_RETRIES, operation, count(sent.retries));
    }
    // For a count the sum is enough.
    for (metric, values) in measured.0.values_mut().flat_map(BTreeMap::values_mut) {
        if metric.unit == "Count" {
            *values = vec![values.iter().sum()];
        }
    }
    measured
}

fn measure_drain(drain: &Drain, measured: &mut Measured) {
    let Some(cause) = drain.measures.cause.map(Cause::as_str) else { return };
    measured.count(DRAINS_STARTED, cause, drain.measures.began.into());
    let ended = match drain.outcome {
        Outcome::Drained | Outcome::NotInEcs | Outcome::HostGone | Outcome::Draining => DRAINS_COMPLETED,
        Outcome::TimedOut => DRAINS_TIMED_OUT,
        Outcome::HandedOver => return measured.count(DRAINS_HANDED_OVER, cause, 1),
        Outcome::AlreadyReleased if drain.measures.left_running > 0 => DRAINS_TIMED_OUT,
        Outcome::AlreadyReleased
        | Outcome::NotWaitingYet
        | Outcome::Ignored
        | Outcome::TakenBack
        | Outcome::WouldDrain => return,
    };
    measured.count(ended, cause, 1);
    if drain.outcome == Outcome::Drained {
        measured.add(DRAIN_SECONDS, cause, drain.seconds);
    }
    measured.count(TASKS_TOLD_TO_STOP, cause, drain.measures.told_to_stop);
    measured.count(TASKS_STOPPED, cause, drain.tasks_stopped.saturating_sub(drain.measures.told_to_stop));
    measured.count(TASKS_LEFT_RUNNING, cause, drain.measures.left_running);
}

fn line<'a>(
    observed: &Observed<'_>,
    by: Option<(&str, &str)>,
    metrics: impl Iterator<Item = (&'a Metric, &'a [f64])> + Clone,
    now: Timestamp,
) -> Value {
    let dimensions: Vec<_> = [(STACK, observed.stack)].into_iter().chain(by).collect();
    let names: Vec<_> = dimensions.iter().map(|(name, _)| *name).collect();
    let declared: Vec<_> =
        metrics.clone().map(|(metric, _)| json!({"Name": metric.name, "Unit": metric.unit})).collect();
    let mut line = json!({
        "timestamp": now.to_string(),
        "level": observed.level,
        "_aws": {
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": declared}],
        },
    });
    if let Value::Object(fields) = &mut line {
        fields.extend(dimensions.into_iter().map(|(name, value)| (name.to_owned(), value.into())));
        fields.extend(metrics.map(|(metric, values)| (metric.name.to_owned(), one_or_many(values))));
    }
    line
}

fn one_or_many(values: &[f64]) -> Value {
    match values {
        [value] => json!(value),
        values => json!(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::reports::report::{Measures, ignored};

    fn drain(outcome: Outcome, measures: Measures) -> Drain {
        let cause = Some(Cause::Termination { to: crate::drain::facts::departure::Destination::Ec2 });
        Drain { outcome, measures: Measures { cause, ..measures }, seconds: 41.2, ..ignored(None, String::new()) }
    }

    fn lines_of(drains: &[Drain], sent: &BTreeMap<String, Sent>) -> Vec<Value> {
        let observed = Observed { stack: "prod", level: "WARN", drains, sent, cold_start: false };
        lines(&observed, "2026-01-15T20:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_minute_in_which_nothing_drains_costs_no_metric() {
        let sent =
            BTreeMap::from([("DescribeAutoScalingGroups".to_owned(), Sent { calls: 1, throttled: 0, retries: 0 })]);
        assert_eq!(lines_of(&[], &sent), [Value::Null; 0]);
        assert_eq!(lines_of(&[ignored(None, String::new())], &sent), [Value::Null; 0]);
    }

    #[test]
    fn lines_are_in_the_embedded_metric_format() {
        let past = Measures { trouble: Some(Trouble::PastDeadline), ..Measures::default() };
        let drains = [drain(Outcome::HandedOver, past), drain(Outcome::Drained, Measures { told_to_stop: 1, ..past })];
        let common = |dimensions: &[&str], metrics: Value| {
            json!({"Timestamp": 1_768_507_200_000_i64, "CloudWatchMetrics": [{
                "Namespace": "EcsDrainer", "Dimensions": [dimensions], "Metrics": metrics,
            }]})
        };
        let expected = [
            json!({
                "timestamp": "2026-01-15T20:00:00Z", "level": "WARN", "Stack": "prod", "DrainsPastDeadline": 2.0,
                "_aws": common(&["Stack"], json!([{"Name": "DrainsPastDeadline", "Unit": "Count"}])),
            }),
            json!({
                "timestamp": "2026-01-15T20:00:00Z", "level": "WARN", "Stack": "prod", "Cause": "termination",
                "DrainSeconds": 41.2, "DrainsCompleted": 1.0, "DrainsHandedOver": 1.0, "TasksToldToStop": 1.0,
                "_aws": common(&["Stack", "Cause"], json!([
                    {"Name": "DrainSeconds", "Unit": "Seconds"}, {"Name": "DrainsCompleted", "Unit": "Count"},
                    {"Name": "DrainsHandedOver", "Unit": "Count"}, {"Name": "TasksToldToStop", "Unit": "Count"},
                ])),
            }),
        ];
        assert_eq!(lines_of(&drains, &BTreeMap::new()), expected);
    }

    #[test]
    fn more_values_than_a_line_may_hold_go_on_in_the_next() {
        let drains: Vec<_> = (0..250).map(|_| drain(Outcome::Drained, Measures::default())).collect();
        let lines = lines_of(&drains, &BTreeMap::new());
        let values: Vec<_> = lines.iter().map(|line| line["DrainSeconds"].as_array().unwrap().len()).collect();
        assert_eq!(values, [100, 100, 50]);
        let counts: Vec<_> = lines.iter().filter_map(|line| line["DrainsCompleted"].as_f64()).collect();
        assert_eq!(counts, [250.0], "a sum stands once");
    }

    #[test]
    fn throttles_are_told_whatever_is_drained_and_calls_only_when_something_is() {
        let sent = BTreeMap::from([("ListTasks".to_owned(), Sent { calls: 9, throttled: 2, retries: 1 })]);
        let idle = lines_of(&[], &sent);
        let told = |lines: &[Value], name: &str| lines.iter().find_map(|line| line[name].as_f64());
        assert_eq!(
            (told(&idle, "AwsThrottles"), told(&idle, "AwsRetries"), told(&idle, "AwsCalls")),
            (Some(2.0), Some(1.0), None)
        );
        assert_eq!(told(&lines_of(&[drain(Outcome::Drained, Measures::default())], &sent), "AwsCalls"), Some(9.0));
    }
}

//! Metrics for CloudWatch, in its embedded metric format: a line of JSON in the log.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::drain::report::{Drain, Trouble};

/// The metrics' namespace.
pub const NAMESPACE: &str = "EcsDrainer";
/// Their one dimension: the installation that they are of.
pub const STACK: &str = "Stack";
/// Drains that passed their deadline before every task had stopped, counted by every invocation that meets them.
pub const DRAINS_PAST_DEADLINE: &str = "DrainsPastDeadline";
/// Instances of which nobody could say in which cluster they are, counted likewise.
pub const INSTANCES_NEVER_LOCATED: &str = "InstancesNeverLocated";

/// Every metric there is.
pub const METRICS: [&str; 2] = [DRAINS_PAST_DEADLINE, INSTANCES_NEVER_LOCATED];

/// The line that tells of these drains; none when there is nothing to tell, for a metric costs by the hour in which it
/// has data.
///
/// `level` is the lowest that Lambda keeps: it drops a line of JSON that has none as soon as more than INFO is asked for
/// (Lambda developer guide, log-level filtering).
#[must_use]
pub fn line(drains: &[Drain], stack: &str, level: &str, now: Timestamp) -> Option<Value> {
    let count = |trouble| drains.iter().filter(|drain| drain.trouble == Some(trouble)).count();
    let counts =
        [(DRAINS_PAST_DEADLINE, count(Trouble::PastDeadline)), (INSTANCES_NEVER_LOCATED, count(Trouble::NeverLocated))];
    let counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    if counts.is_empty() {
        return None;
    }
    let metrics: Vec<_> = counts.iter().map(|(name, _)| json!({"Name": name, "Unit": "Count"})).collect();
    let mut line = json!({
        "timestamp": now.to_string(),
        "level": level,
        "_aws": {
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [[STACK]], "Metrics": metrics}],
        },
        STACK: stack,
    });
    if let Value::Object(fields) = &mut line {
        fields.extend(counts.into_iter().map(|(name, count)| (name.to_owned(), count.into())));
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::report::ignored;

    fn drain(trouble: Option<Trouble>) -> Drain {
        Drain { trouble, ..ignored(None, String::new()) }
    }

    #[test]
    fn what_goes_well_costs_no_metric() {
        assert_eq!(line(&[drain(None)], "prod", "INFO", Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn a_line_is_in_the_embedded_metric_format() {
        let drains = [None, Some(Trouble::PastDeadline), Some(Trouble::PastDeadline)].map(drain);
        let at = "2026-01-15T20:00:00Z".parse().unwrap();
        let expected = json!({
            "timestamp": "2026-01-15T20:00:00Z",
            "level": "WARN",
            "_aws": {
                "Timestamp": 1_768_507_200_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "EcsDrainer",
                    "Dimensions": [["Stack"]],
                    "Metrics": [{"Name": "DrainsPastDeadline", "Unit": "Count"}],
                }],
            },
            "Stack": "prod",
            "DrainsPastDeadline": 2,
        });
        assert_eq!(line(&drains, "prod", "WARN", at), Some(expected));
    }
}

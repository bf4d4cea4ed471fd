//! What EventBridge answers.

use serde_json::{Value, json};

use super::super::json::value::present;
use crate::world::{Response, RuleDescription, RuleTarget};

pub(in crate::wire) fn content(response: &Response) -> Value {
    match response {
        Response::Rule(described) => rule(described),
        Response::Targets(targets) => json!({ "Targets": targets.iter().map(target).collect::<Vec<_>>() }),
        _ => json!({}),
    }
}

fn rule(rule: &RuleDescription) -> Value {
    present(json!({
        "Name": rule.name,
        "Arn": rule.arn,
        "EventPattern": rule.event_pattern,
        "ScheduleExpression": rule.schedule_expression,
        "State": rule.state,
        "Description": rule.description,
        "EventBusName": rule.event_bus_name,
    }))
}

fn target(target: &RuleTarget) -> Value {
    let retry_policy = target.retry_policy.map(|policy| {
        present(json!({
            "MaximumRetryAttempts": policy.maximum_retry_attempts,
            "MaximumEventAgeInSeconds": policy.maximum_event_age_in_seconds,
        }))
    });
    present(json!({
        "Id": target.id,
        "Arn": target.arn,
        "DeadLetterConfig": target.dead_letter_arn.as_ref().map(|arn| json!({ "Arn": arn })),
        "RetryPolicy": retry_policy,
    }))
}

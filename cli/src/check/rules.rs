//! The rules that wake the functions.

use aws_sdk_eventbridge::Client;
use serde_json::Value;
use shared::aws::CallError;
use shared::aws::sdk::failed;
use shared::config::RebalanceRecommendations;

use super::Finding;
use super::stack::Stack;
use crate::account::Account;
use crate::failure::Failure;
use crate::settings::Settings;

/// What the template calls a rule, and what goes wrong without it.
const RULES: [(&str, &str, &str); 3] = [
    (
        "TerminationRule",
        "termination rule",
        "a drain begins only when reconcile finds the instance, up to a minute late",
    ),
    ("SpotInterruptionRule", "Spot rule", "no Spot interruption is ever noticed"),
    (
        "ReconcileFunctionEveryMinute",
        "schedule of reconcile",
        "long drains stand still, and instances whose event was lost are not drained",
    ),
];
/// Only where `REBALANCE_RECOMMENDATIONS` says so.
const RECOMMENDATIONS: (&str, &str, &str) =
    ("RebalanceRecommendationRule", "rebalance rule", "no recommendation is ever noticed");

/// How a rule stands.
struct Rule {
    is_enabled: bool,
    pattern: Option<Value>,
    targets: usize,
}

/// Whether each rule is there, switched on, and leads somewhere.
pub(super) async fn check(account: &Account, stack: &Stack, settings: &Settings) -> Result<Vec<Finding>, Failure> {
    let client = Client::new(&account.sdk);
    let mut findings = Vec::new();
    let drains_on_recommendation = settings.config.rebalance == RebalanceRecommendations::Drain;
    for (logical_id, subject, consequence) in
        RULES.into_iter().chain(drains_on_recommendation.then_some(RECOMMENDATIONS))
    {
        let deploy = "deploy the stack again";
        let Some(name) = stack.resource(logical_id) else {
            let what = format!("the stack has no {logical_id}: {consequence}");
            findings.push(Finding::problem(subject, what, deploy));
            continue;
        };
        findings.push(match rule(&client, name).await {
            Ok(None) => Finding::problem(subject, format!("{name} is gone: {consequence}"), deploy),
            Ok(Some(rule)) if !rule.is_enabled => {
                let mend = format!("aws events enable-rule --name {name}");
                Finding::problem(subject, format!("{name} is disabled: {consequence}"), mend)
            }
            Ok(Some(rule)) if rule.targets == 0 => {
                Finding::problem(subject, format!("{name} has no target: {consequence}"), deploy)
            }
            Ok(Some(rule)) => match unmatched_hooks(&rule, logical_id, settings) {
                hooks if hooks.is_empty() => Finding::ok(subject, format!("{name} is enabled")),
                hooks => {
                    let what = format!("{name} does not match hook {}: {consequence}", hooks.join(", "));
                    Finding::problem(subject, what, deploy)
                }
            },
            Err(error) => Finding::unknown(subject, account.failure(error))?,
        });
    }
    Ok(findings)
}

async fn rule(client: &Client, name: &str) -> Result<Option<Rule>, CallError> {
    let described = match client.describe_rule().name(name).send().await.map_err(failed("DescribeRule")) {
        Ok(described) => described,
        Err(CallError::Refused { code, .. }) if code == "ResourceNotFoundException" => return Ok(None),
        Err(error) => return Err(error),
    };
    let targets = client.list_targets_by_rule().rule(name).send().await.map_err(failed("ListTargetsByRule"))?;
    Ok(Some(Rule {
        is_enabled: described.state().is_some_and(|state| state.as_str() != "DISABLED"),
        pattern: described.event_pattern().and_then(|text| serde_json::from_str(text).ok()),
        targets: targets.targets().len(),
    }))
}

/// The installation's hooks that the termination rule does not name.
fn unmatched_hooks(rule: &Rule, logical_id: &str, settings: &Settings) -> Vec<String> {
    if logical_id != "TerminationRule" {
        return Vec::new();
    }
    // Without a filter it matches every hook.
    let named = rule.pattern.as_ref().and_then(|pattern| pattern.pointer("/detail/LifecycleHookName")?.as_array());
    let Some(named) = named else { return Vec::new() };
    let named: Vec<_> = named.iter().filter_map(Value::as_str).collect();
    let unnamed = settings.config.hook_names.iter().filter(|hook| !named.contains(&hook.as_str()));
    unnamed.map(ToString::to_string).collect()
}

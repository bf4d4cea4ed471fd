//! Stacks, rules and roles, as CloudFormation makes them of a template.

use jiff::Timestamp;
use serde_json::Value;

use crate::world::terms::{AutoScalingRequest, RetryPolicy, RuleTarget, StackResource};
use crate::{
    cloudformation::{Resource, Stack, TemplateError},
    iam::Permissions,
};

/// A stack that is there.
#[derive(Debug, Clone)]
pub(crate) struct DeployedStack {
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) resources: Vec<StackResource>,
}

/// A role of a deployed stack.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) logical_id: String,
    pub(crate) permissions: Permissions,
}

/// A rule on the default event bus.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    pub(crate) logical_id: String,
    pub(crate) event_pattern: Option<String>,
    pub(crate) schedule_expression: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) targets: Vec<RuleTarget>,
}

impl Rule {
    /// What CloudFormation makes of an `AWS::Events::Rule`.
    pub(crate) fn of(stack: &Stack<'_>, resource: &Resource) -> Result<Rule, TemplateError> {
        let mut rule = Rule {
            logical_id: resource.logical_id.clone(),
            event_pattern: None,
            schedule_expression: None,
            description: None,
            enabled: true,
            targets: Vec::new(),
        };
        for (name, value) in &resource.properties {
            let value = stack.value_of(value)?;
            let wrong = || TemplateError::Unsupported(format!("{name} of {}", resource.logical_id));
            let text = || value.as_str().map(str::to_owned).ok_or_else(wrong);
            match name.as_str() {
                "Name" => {}
                "EventPattern" => rule.event_pattern = Some(value.to_string()),
                "ScheduleExpression" => rule.schedule_expression = Some(text()?),
                "Description" => rule.description = Some(text()?),
                // CloudFormation user guide, AWS::Events::Rule: State.
                "State" => match text()?.as_str() {
                    "ENABLED" => rule.enabled = true,
                    "DISABLED" => rule.enabled = false,
                    _ => return Err(wrong()),
                },
                "Targets" => {
                    let targets = value.as_array().ok_or_else(wrong)?;
                    rule.targets = targets.iter().map(target).collect::<Option<_>>().ok_or_else(wrong)?;
                }
                _ => return Err(wrong()),
            }
        }
        Ok(rule)
    }
}

/// `None` for what is not modelled of a target.
fn target(target: &Value) -> Option<RuleTarget> {
    let mut read = RuleTarget { id: String::new(), arn: String::new(), dead_letter_arn: None, retry_policy: None };
    for (name, value) in target.as_object()? {
        match name.as_str() {
            "Id" => read.id = value.as_str()?.to_owned(),
            "Arn" => read.arn = value.as_str()?.to_owned(),
            "DeadLetterConfig" => read.dead_letter_arn = Some(value.get("Arn")?.as_str()?.to_owned()),
            "RetryPolicy" => {
                let number = |name| match value.get(name) {
                    None => Some(None),
                    // A parameter's value is text.
                    Some(Value::String(text)) => text.parse().ok().map(Some),
                    Some(number) => number.as_u64().map(Some),
                };
                read.retry_policy = Some(RetryPolicy {
                    maximum_retry_attempts: number("MaximumRetryAttempts")?,
                    maximum_event_age_in_seconds: number("MaximumEventAgeInSeconds")?,
                });
            }
            _ => return None,
        }
    }
    (!read.id.is_empty() && !read.arn.is_empty()).then_some(read)
}

/// What CloudFormation asks of Auto Scaling for a hook.
pub(crate) fn hook_of(stack: &Stack<'_>, resource: &Resource) -> Result<AutoScalingRequest, TemplateError> {
    let property = |name: &str| match resource.properties.get(name) {
        None => Ok(None),
        Some(value) => Ok(match stack.value_of(value)? {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }),
    };
    let required = |name: &str| {
        let missing = || TemplateError::Unsupported(format!("{} without {name}", resource.logical_id));
        property(name)?.ok_or_else(missing)
    };
    let timeout = property("HeartbeatTimeout")?.map(|text| text.parse()).transpose();
    Ok(AutoScalingRequest::PutLifecycleHook {
        group: required("AutoScalingGroupName")?,
        hook: stack.physical_id(&resource.logical_id, &resource.kind),
        transition: property("LifecycleTransition")?,
        heartbeat_timeout: timeout
            .map_err(|_| TemplateError::Unsupported(format!("HeartbeatTimeout of {}", resource.logical_id)))?,
        default_result: property("DefaultResult")?,
        notification_metadata: property("NotificationMetadata")?,
    })
}

//! The rules of deployed stacks, as EventBridge tells of them. They deliver nothing.

use serde_json::Value;

use super::{ApiError, Request, Response, RetryPolicy, RuleDescription, RuleTarget, World, WorldError, unknown};
use crate::cloudformation::{Resource, Stack, TemplateError};

/// The event bus that every account has. Others are not modelled.
// EventBridge API reference, DescribeRule: "If you omit this, the default event bus is used."
const DEFAULT_BUS: &str = "default";

/// A rule on the default event bus.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    logical_id: String,
    event_pattern: Option<String>,
    schedule_expression: Option<String>,
    description: Option<String>,
    enabled: bool,
    targets: Vec<RuleTarget>,
}

impl Rule {
    /// What CloudFormation makes of an `AWS::Events::Rule`.
    pub(super) fn of(stack: &Stack<'_>, resource: &Resource) -> Result<Rule, TemplateError> {
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

impl World {
    /// Somebody disables a rule; it goes by its name or by its logical id.
    pub fn disable_rule(&mut self, rule: &str) -> Result<(), WorldError> {
        self.rule_mut(rule)?.enabled = false;
        Ok(())
    }

    /// Somebody removes every target of a rule; it goes by its name or by its logical id.
    pub fn remove_targets(&mut self, rule: &str) -> Result<(), WorldError> {
        self.rule_mut(rule)?.targets.clear();
        Ok(())
    }

    pub(super) fn serve_events(&self, request: &Request) -> Result<Response, ApiError> {
        match request {
            Request::DescribeRule { name, event_bus_name } => {
                let rule = self.rule(name, event_bus_name.as_deref())?;
                Ok(Response::Rule(Box::new(RuleDescription {
                    name: name.clone(),
                    arn: self.rule_arn(name, None),
                    event_pattern: rule.event_pattern.clone(),
                    schedule_expression: rule.schedule_expression.clone(),
                    state: if rule.enabled { "ENABLED" } else { "DISABLED" },
                    description: rule.description.clone(),
                    event_bus_name: DEFAULT_BUS.to_owned(),
                })))
            }
            Request::ListTargetsByRule { rule, event_bus_name } => {
                let rule = self.rule(rule, event_bus_name.as_deref())?;
                Ok(Response::Targets(rule.targets.clone()))
            }
            _ => Err(ApiError::new("UnknownOperationException", "Not an EventBridge operation")),
        }
    }

    // EventBridge API reference, DescribeRule and ListTargetsByRule: ResourceNotFoundException.
    fn rule(&self, name: &str, bus: Option<&str>) -> Result<&Rule, ApiError> {
        let not_found = |what: String| ApiError::new("ResourceNotFoundException", what);
        if let Some(bus) = bus.filter(|bus| !self.is_default_bus(bus)) {
            return Err(not_found(format!("Event bus {bus} does not exist.")));
        }
        let absent = || not_found(format!("Rule {name} does not exist on EventBus {DEFAULT_BUS}."));
        self.rules.get(name).ok_or_else(absent)
    }

    fn is_default_bus(&self, bus: &str) -> bool {
        bus == DEFAULT_BUS || bus == self.arn("events", &format!("event-bus/{DEFAULT_BUS}"))
    }

    // Service Authorization Reference, EventBridge: rule/${RuleName} on the default event bus, rule/${EventBusName}/${RuleName} on others.
    pub(super) fn rule_arn(&self, name: &str, bus: Option<&str>) -> String {
        match bus.filter(|bus| !self.is_default_bus(bus)).and_then(|bus| bus.rsplit('/').next()) {
            None => self.arn("events", &format!("rule/{name}")),
            Some(bus) => self.arn("events", &format!("rule/{bus}/{name}")),
        }
    }

    fn rule_mut(&mut self, named: &str) -> Result<&mut Rule, WorldError> {
        let found = self.rules.iter_mut().find(|(name, rule)| *name == named || rule.logical_id == named);
        found.map(|(_, rule)| rule).ok_or_else(|| unknown("rule", named))
    }
}

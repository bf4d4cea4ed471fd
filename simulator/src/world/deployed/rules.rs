//! The rules of deployed stacks, as EventBridge tells of them. They deliver nothing.

use super::{Deployed, resources::Rule};
use crate::world::terms::{ApiError, EventBridgeRequest, Response, RuleDescription, Settings, WorldError, unknown};

/// The event bus that every account has. Others are not modelled.
// EventBridge API reference, DescribeRule: "If you omit this, the default event bus is used."
const DEFAULT_BUS: &str = "default";

impl Deployed {
    /// A rule goes by its name or by its logical id.
    pub(crate) fn disable_rule(&mut self, rule: &str) -> Result<(), WorldError> {
        self.rule_mut(rule)?.enabled = false;
        Ok(())
    }

    pub(crate) fn remove_targets(&mut self, rule: &str) -> Result<(), WorldError> {
        self.rule_mut(rule)?.targets.clear();
        Ok(())
    }

    pub(crate) fn serve_events(&self, settings: &Settings, request: &EventBridgeRequest) -> Result<Response, ApiError> {
        match request {
            EventBridgeRequest::DescribeRule { name, event_bus_name } => {
                let rule = self.rule(settings, name, event_bus_name.as_deref())?;
                Ok(Response::Rule(Box::new(RuleDescription {
                    name: name.clone(),
                    arn: rule_arn(settings, name, None),
                    event_pattern: rule.event_pattern.clone(),
                    schedule_expression: rule.schedule_expression.clone(),
                    state: if rule.enabled { "ENABLED" } else { "DISABLED" },
                    description: rule.description.clone(),
                    event_bus_name: DEFAULT_BUS.to_owned(),
                })))
            }
            EventBridgeRequest::ListTargetsByRule { rule, event_bus_name } => {
                let rule = self.rule(settings, rule, event_bus_name.as_deref())?;
                Ok(Response::Targets(rule.targets.clone()))
            }
        }
    }

    // EventBridge API reference, DescribeRule and ListTargetsByRule: ResourceNotFoundException.
    fn rule(&self, settings: &Settings, name: &str, bus: Option<&str>) -> Result<&Rule, ApiError> {
        let not_found = |what: String| ApiError::new("ResourceNotFoundException", what);
        if let Some(bus) = bus.filter(|bus| !is_default_bus(settings, bus)) {
            return Err(not_found(format!("Event bus {bus} does not exist.")));
        }
        let absent = || not_found(format!("Rule {name} does not exist on EventBus {DEFAULT_BUS}."));
        self.rules.get(name).ok_or_else(absent)
    }

    fn rule_mut(&mut self, named: &str) -> Result<&mut Rule, WorldError> {
        let found = self.rules.iter_mut().find(|(name, rule)| *name == named || rule.logical_id == named);
        found.map(|(_, rule)| rule).ok_or_else(|| unknown("rule", named))
    }
}

fn is_default_bus(settings: &Settings, bus: &str) -> bool {
    bus == DEFAULT_BUS || bus == settings.arn("events", &format!("event-bus/{DEFAULT_BUS}"))
}

// Service Authorization Reference, EventBridge: rule/${RuleName} on the default event bus, rule/${EventBusName}/${RuleName} on others.
pub(crate) fn rule_arn(settings: &Settings, name: &str, bus: Option<&str>) -> String {
    match bus.filter(|bus| !is_default_bus(settings, bus)).and_then(|bus| bus.rsplit('/').next()) {
        None => settings.arn("events", &format!("rule/{name}")),
        Some(bus) => settings.arn("events", &format!("rule/{bus}/{name}")),
    }
}

//! The resources of a stack as CloudFormation makes them: what SAM's resources stand for, and their physical ids.

use serde_json::{Map, Value, json};

use super::{Resource, Stack, TemplateError, text};

impl Stack<'_> {
    /// Every resource whose condition holds, those that SAM generates among them.
    ///
    /// # Errors
    /// For a condition that cannot be worked out, and for what is not modelled of SAM.
    pub fn resources(&self) -> Result<Vec<Resource>, TemplateError> {
        let mut resources = Vec::new();
        for (logical_id, declared) in self.template.section("Resources") {
            if let Some(condition) = declared.get("Condition").and_then(Value::as_str)
                && !self.holds(condition, 0)?
            {
                continue;
            }
            let kind = declared.get("Type").and_then(Value::as_str).unwrap_or_default();
            let properties = declared.get("Properties").cloned().unwrap_or_default();
            match kind {
                "AWS::Serverless::Function" => resources.extend(function(&logical_id, properties)?),
                _ if kind.starts_with("AWS::Serverless::") => {
                    return Err(TemplateError::Unsupported(format!("{logical_id}, a {kind}")));
                }
                _ => resources.push(Resource::new(logical_id, kind, properties)),
            }
        }
        Ok(resources)
    }

    /// The same stack with physical names: those of the template, and `made_up` ones for what it does not name.
    ///
    /// # Errors
    /// When a resource's name in the template cannot be worked out.
    pub fn named(mut self, mut made_up: impl FnMut(&Resource) -> String) -> Result<Self, TemplateError> {
        for resource in self.resources()? {
            let given = name_property(&resource.kind).and_then(|property| resource.properties.get(property));
            let name = match given {
                Some(given) => text(&self.value_of(given)?),
                None => made_up(&resource),
            };
            self.names.insert(resource.logical_id, name);
        }
        Ok(self)
    }

    /// What `Ref` of a resource is; without physical names its logical id does for most.
    // CloudFormation user guide, "Return values, Ref" of each type.
    pub fn physical_id(&self, logical_id: &str, kind: &str) -> String {
        let name = self.name(logical_id);
        match kind {
            "AWS::SQS::Queue" if !self.names.contains_key(logical_id) => name.to_owned(),
            "AWS::IAM::ManagedPolicy" => self.arn("iam", &format!("policy/{name}")),
            "AWS::SQS::Queue" => {
                let (region, account) = (&self.place.region, &self.place.account);
                let domain = if self.place.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
                format!("https://sqs.{region}.{domain}/{account}/{name}")
            }
            _ => name.to_owned(),
        }
    }

    /// Which resource has a physical name; the name itself where there is none.
    pub(crate) fn logical_id<'a>(&'a self, name: &'a str) -> &'a str {
        self.names.iter().find(|(_, physical)| *physical == name).map_or(name, |(logical, _)| logical)
    }

    /// A resource's physical name; its logical id as long as it has none.
    pub(super) fn name<'a>(&'a self, logical_id: &'a str) -> &'a str {
        self.names.get(logical_id).map_or(logical_id, String::as_str)
    }
}

/// The property that names a resource, where its type has one.
fn name_property(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "AWS::AutoScaling::LifecycleHook" => "LifecycleHookName",
        "AWS::CloudWatch::Alarm" => "AlarmName",
        "AWS::CloudWatch::Dashboard" => "DashboardName",
        "AWS::Events::Rule" => "Name",
        "AWS::IAM::ManagedPolicy" => "ManagedPolicyName",
        "AWS::IAM::Role" => "RoleName",
        "AWS::Lambda::Function" => "FunctionName",
        "AWS::Logs::LogGroup" => "LogGroupName",
        "AWS::SQS::Queue" => "QueueName",
        _ => return None,
    })
}

// SAM developer guide, "Generated AWS CloudFormation resources": what AWS::Serverless::Function stands for, and its events
// of type Schedule and SQS. The names of EventInvokeConfig and of the rule's target are what SAM's own translator makes.
fn function(id: &str, properties: Value) -> Result<Vec<Resource>, TemplateError> {
    let unsupported = |what: &str| Err(TemplateError::Unsupported(format!("{what} of {id}")));
    let Value::Object(mut properties) = properties else { return unsupported("no properties") };
    let events = properties.remove("Events").unwrap_or_default();
    let invoke_config = properties.remove("EventInvokeConfig");
    if !properties.contains_key("Role") {
        return unsupported("a role that SAM makes");
    }
    let mut resources = vec![Resource::new(id.to_owned(), "AWS::Lambda::Function", Value::Object(properties))];
    if let Some(config) = invoke_config {
        resources.push(Resource::new(format!("{id}EventInvokeConfig"), "AWS::Lambda::EventInvokeConfig", config));
    }
    for (name, event) in events.as_object().cloned().unwrap_or_default() {
        let of_event = format!("{id}{name}");
        let properties = event.get("Properties").cloned().unwrap_or_default();
        match event.get("Type").and_then(Value::as_str) {
            Some("SQS") => resources.push(Resource::new(of_event, "AWS::Lambda::EventSourceMapping", properties)),
            Some("Schedule") => {
                let permission = format!("{of_event}Permission");
                let rule = scheduled(id, &of_event, properties)?;
                resources.push(Resource::new(of_event, "AWS::Events::Rule", rule));
                resources.push(Resource::new(permission, "AWS::Lambda::Permission", Value::Null));
            }
            other => return unsupported(&format!("an event of type {other:?}")),
        }
    }
    Ok(resources)
}

/// The properties of the rule that a Schedule event stands for.
fn scheduled(function: &str, of_event: &str, event: Value) -> Result<Value, TemplateError> {
    let Value::Object(event) = event else {
        return Err(TemplateError::Unsupported(format!("no properties of {of_event}")));
    };
    let mut target = Map::new();
    target.insert("Id".to_owned(), format!("{of_event}LambdaTarget").into());
    target.insert("Arn".to_owned(), json!({ "Fn::GetAtt": [function, "Arn"] }));
    let mut rule = Map::new();
    for (name, value) in event {
        match name.as_str() {
            "Schedule" => rule.insert("ScheduleExpression".to_owned(), value),
            "Name" | "Description" | "State" => rule.insert(name, value),
            "RetryPolicy" | "DeadLetterConfig" => target.insert(name, value),
            _ => return Err(TemplateError::Unsupported(format!("{name} of {of_event}"))),
        };
    }
    rule.insert("Targets".to_owned(), json!([target]));
    Ok(Value::Object(rule))
}

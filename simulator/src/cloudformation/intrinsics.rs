//! The intrinsic functions. `None` is what `AWS::NoValue` stands for: the property is left out.

use serde_json::{Map, Value};

use super::{MAX_DEPTH, Stack, TemplateError, text};

type Resolved = Result<Option<Value>, TemplateError>;

impl Stack<'_> {
    pub(super) fn resolved(&self, value: &Value, depth: usize) -> Resolved {
        if depth > MAX_DEPTH {
            return Err(TemplateError::TooDeep);
        }
        Ok(Some(match value {
            Value::Array(items) => {
                let items = items.iter().map(|item| self.resolved(item, depth + 1));
                items.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect()
            }
            Value::Object(fields) => match fields.iter().next() {
                Some((name, argument)) if fields.len() == 1 && is_function(name, argument) => {
                    return self.call(name, argument, depth + 1);
                }
                _ => {
                    let mut resolved = Map::new();
                    for (name, field) in fields {
                        if let Some(field) = self.resolved(field, depth + 1)? {
                            resolved.insert(name.clone(), field);
                        }
                    }
                    Value::Object(resolved)
                }
            },
            scalar => scalar.clone(),
        }))
    }

    /// Whether a condition of the template holds.
    pub(super) fn holds(&self, name: &str, depth: usize) -> Result<bool, TemplateError> {
        let conditions = self.template.section("Conditions");
        let condition = conditions.get(name).ok_or_else(|| TemplateError::Unknown(format!("condition {name}")))?;
        self.is_true(condition, depth + 1)
    }

    fn is_true(&self, condition: &Value, depth: usize) -> Result<bool, TemplateError> {
        match self.resolved(condition, depth)? {
            Some(Value::Bool(it)) => Ok(it),
            other => Err(TemplateError::Unsupported(format!("no condition: {other:?}"))),
        }
    }

    fn call(&self, name: &str, argument: &Value, depth: usize) -> Resolved {
        let wrong = || TemplateError::Unsupported(format!("{name} of {argument}"));
        if name == "Fn::If" {
            let [Value::String(condition), yes, no] = array(argument).ok_or_else(wrong)? else { return Err(wrong()) };
            return self.resolved(if self.holds(condition, depth)? { yes } else { no }, depth);
        }
        if name == "Fn::Sub" {
            return self.substituted(argument, depth).map(|text| Some(text.into()));
        }
        if name == "Fn::GetAtt" {
            let [Value::String(id), Value::String(attribute)] = array(argument).ok_or_else(wrong)? else {
                return Err(wrong());
            };
            return self.attribute(id, attribute).map(|value| Some(value.into()));
        }
        let argument = self.resolved(argument, depth)?.unwrap_or_default();
        let wrong = || TemplateError::Unsupported(format!("{name} of {argument}"));
        Ok(Some(match (name, &argument, array(&argument)) {
            ("Ref", Value::String(id), _) => return self.referred(id),
            ("Condition", Value::String(id), _) => self.holds(id, depth)?.into(),
            ("Fn::Equals", _, Some([one, other])) => (text(one) == text(other)).into(),
            ("Fn::Not", _, Some([Value::Bool(it)])) => (!it).into(),
            ("Fn::Join", _, Some([Value::String(between), Value::Array(parts)])) => {
                parts.iter().map(text).collect::<Vec<_>>().join(between).into()
            }
            ("Fn::Split", _, Some([Value::String(between), Value::String(whole)])) => whole.split(between).collect(),
            ("Fn::Select", _, Some([index, Value::Array(items)])) => {
                let index: usize = text(index).parse().map_err(|_| wrong())?;
                items.get(index).cloned().ok_or_else(wrong)?
            }
            _ => return Err(wrong()),
        }))
    }

    /// A pseudo parameter, a parameter, or a resource.
    fn referred(&self, id: &str) -> Resolved {
        Ok(Some(match id {
            "AWS::NoValue" => return Ok(None),
            "AWS::Partition" => self.place.partition.clone().into(),
            "AWS::Region" => self.place.region.clone().into(),
            "AWS::AccountId" => self.place.account.clone().into(),
            "AWS::StackName" => self.place.stack.clone().into(),
            id => match self.parameters.get(id) {
                Some(value) => value.clone(),
                None => self.physical_id(id, &self.kind(id)?).into(),
            },
        }))
    }

    fn attribute(&self, id: &str, attribute: &str) -> Result<String, TemplateError> {
        let name = self.name(id);
        match (self.kind(id)?.as_str(), attribute) {
            ("AWS::SQS::Queue", "Arn") => Ok(self.arn("sqs", name)),
            ("AWS::SQS::Queue", "QueueName") => Ok(name.to_owned()),
            ("AWS::Logs::LogGroup", "Arn") => Ok(self.arn("logs", &format!("log-group:{name}:*"))),
            ("AWS::IAM::Role", "Arn") => Ok(self.arn("iam", &format!("role/{name}"))),
            ("AWS::Events::Rule", "Arn") => Ok(self.arn("events", &format!("rule/{name}"))),
            ("AWS::CloudWatch::Alarm", "Arn") => Ok(self.arn("cloudwatch", &format!("alarm:{name}"))),
            ("AWS::Serverless::Function" | "AWS::Lambda::Function", "Arn") => {
                Ok(self.arn("lambda", &format!("function:{name}")))
            }
            (kind, _) => Err(TemplateError::Unsupported(format!("attribute {attribute} of {id}, a {kind}"))),
        }
    }

    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let region = if service == "iam" { "" } else { &self.place.region };
        format!("arn:{}:{service}:{region}:{}:{resource}", self.place.partition, self.place.account)
    }

    fn kind(&self, id: &str) -> Result<String, TemplateError> {
        let resources = self.template.section("Resources");
        let kind = resources.get(id).and_then(|resource| resource.get("Type")).and_then(Value::as_str);
        kind.map(str::to_owned).ok_or_else(|| TemplateError::Unknown(format!("parameter or resource {id}")))
    }

    /// `Fn::Sub`: a text, or a text and what some names in it stand for.
    fn substituted(&self, argument: &Value, depth: usize) -> Result<String, TemplateError> {
        let wrong = || TemplateError::Unsupported(format!("Fn::Sub of {argument}"));
        let nothing = Value::Object(Map::new());
        let (whole, names) = match argument {
            Value::String(whole) => (whole, &nothing),
            Value::Array(both) => match both.as_slice() {
                [Value::String(whole), names] => (whole, names),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        let mut substituted = String::new();
        let mut rest = whole.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or_else(wrong)?;
            substituted.push_str(before);
            match (name.strip_prefix('!'), names.get(name), name.split_once('.')) {
                // CloudFormation user guide, Fn::Sub: `${!Literal}` stays as `${Literal}`.
                (Some(literal), ..) => substituted.push_str(&format!("${{{literal}}}")),
                (None, Some(value), _) => substituted.push_str(&text(&self.value_at(value, depth)?)),
                (None, None, Some((id, attribute))) => substituted.push_str(&self.attribute(id, attribute)?),
                (None, None, None) => substituted.push_str(&text(&self.referred(name)?.unwrap_or_default())),
            }
            rest = after;
        }
        substituted.push_str(rest);
        Ok(substituted)
    }

    /// Nothing, where a value is left out.
    pub(super) fn value_at(&self, value: &Value, depth: usize) -> Result<Value, TemplateError> {
        Ok(self.resolved(value, depth)?.unwrap_or_default())
    }
}

fn is_function(name: &str, argument: &Value) -> bool {
    name.starts_with("Fn::") || (matches!(name, "Ref" | "Condition") && argument.is_string())
}

fn array(value: &Value) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice)
}

//! Reads a SAM template as CloudFormation would, as far as `template.yaml` needs it: parameters, conditions, intrinsic
//! functions, and what SAM's own resources stand for. What it does not know it refuses; what a parameter allows it does not
//! check.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

mod intrinsics;
mod resources;
#[cfg(test)]
mod tests;

/// Deeper than any template is nested; a cycle of conditions would never end otherwise.
const MAX_DEPTH: usize = 64;

/// Why a template cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is no YAML.
    #[error("no YAML: {0}")]
    Yaml(String),
    /// It has something in it that is not modelled, or not allowed.
    #[error("{0}")]
    Unsupported(String),
    /// It refers to something that it has not.
    #[error("there is no {0}")]
    Unknown(String),
    /// It is nested too deeply.
    #[error("nested deeper than {MAX_DEPTH}")]
    TooDeep,
}

/// A template as it stands, with its intrinsic functions in their long form.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Value);

/// Where a template is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `AWS::Partition`.
    pub partition: String,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::AccountId`.
    pub account: String,
    /// `AWS::StackName`.
    pub stack: String,
}

/// A template with its parameters' values.
#[derive(Debug, Clone)]
pub struct Stack<'a> {
    template: &'a Template,
    place: Place,
    parameters: BTreeMap<String, Value>,
    /// The resources' physical names, by logical id; without one a resource goes by its logical id.
    names: BTreeMap<String, String>,
}

/// A resource that a stack has.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    pub kind: String,
    /// Its properties as they stand; [`Stack::value_of`] works them out.
    pub properties: Map<String, Value>,
}

impl Resource {
    fn new(logical_id: String, kind: &str, properties: Value) -> Resource {
        let Value::Object(properties) = properties else {
            return Resource { logical_id, kind: kind.to_owned(), properties: Map::new() };
        };
        Resource { logical_id, kind: kind.to_owned(), properties }
    }
}

impl Template {
    /// Reads YAML with CloudFormation's short forms (`!Ref`, `!Sub` and so on).
    ///
    /// # Errors
    /// For what is no single YAML document, or has tags that are no intrinsic function.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let documents = Yaml::load_from_str(text).map_err(|error| TemplateError::Yaml(error.to_string()))?;
        match documents.as_slice() {
            [document] => Ok(Template(long_form(document)?)),
            _ => Err(TemplateError::Yaml("not one document".to_owned())),
        }
    }

    /// The whole of it, intrinsic functions in their long form.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// One of its sections, such as `Parameters`; empty when it has none.
    pub fn section(&self, name: &str) -> Map<String, Value> {
        self.0.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// Puts values in for its parameters; those that `given` leaves out take their defaults.
    ///
    /// # Errors
    /// When one is given that the template does not have, or left out that has no default.
    pub fn deployed(&self, place: Place, given: &[(&str, &str)]) -> Result<Stack<'_>, TemplateError> {
        let declared = self.section("Parameters");
        if let Some((name, _)) = given.iter().find(|(name, _)| !declared.contains_key(*name)) {
            return Err(TemplateError::Unknown(format!("parameter {name}")));
        }
        let mut parameters = BTreeMap::new();
        for (name, declaration) in &declared {
            let given = given.iter().find(|(given, _)| given == name).map(|(_, value)| (*value).to_owned());
            let value = given.or_else(|| declaration.get("Default").map(text));
            let value = value.ok_or_else(|| TemplateError::Unknown(format!("value for parameter {name}")))?;
            // CloudFormation user guide, parameters: a list's members are trimmed.
            let is_list = declaration.get("Type") == Some(&json!("CommaDelimitedList"));
            let value = if is_list { value.split(',').map(str::trim).collect() } else { Value::String(value) };
            parameters.insert(name.clone(), value);
        }
        Ok(Stack { template: self, place, parameters, names: BTreeMap::new() })
    }
}

impl Stack<'_> {
    /// Where it is deployed, and what it is called.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Every parameter with its value as text.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| match value {
            Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
            other => text(other),
        };
        self.parameters.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }

    /// A resource's properties, with every intrinsic function worked out.
    ///
    /// # Errors
    /// When there is no such resource, or its condition is false, or a function in it cannot be worked out.
    pub fn properties(&self, logical_id: &str) -> Result<Value, TemplateError> {
        let absent = || TemplateError::Unknown(format!("resource {logical_id}"));
        let resources = self.template.section("Resources");
        let resource = resources.get(logical_id).ok_or_else(absent)?;
        if let Some(condition) = resource.get("Condition").and_then(Value::as_str)
            && !self.holds(condition, 0)?
        {
            return Err(absent());
        }
        self.value_of(resource.get("Properties").unwrap_or(&Value::Null))
    }

    /// What any value of the template comes to.
    ///
    /// # Errors
    /// When a function in it cannot be worked out.
    pub fn value_of(&self, value: &Value) -> Result<Value, TemplateError> {
        self.value_at(value, 0)
    }

    /// The variables that every function gets from `Globals`.
    ///
    /// # Errors
    /// When one cannot be worked out.
    pub fn variables(&self) -> Result<BTreeMap<String, String>, TemplateError> {
        let globals = self.template.section("Globals");
        let variables = globals.get("Function").and_then(|function| function.pointer("/Environment/Variables"));
        let variables = self.value_of(variables.unwrap_or(&Value::Null))?;
        let variables = variables.as_object().cloned().unwrap_or_default();
        Ok(variables.into_iter().map(|(name, value)| (name, text(&value))).collect())
    }
}

/// A scalar as CloudFormation hands it on: everything is text in the end.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn long_form(yaml: &Yaml) -> Result<Value, TemplateError> {
    let unsupported = |what: String| Err(TemplateError::Unsupported(what));
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(it)) => (*it).into(),
        Yaml::Value(Scalar::Integer(it)) => (*it).into(),
        Yaml::Value(Scalar::FloatingPoint(it)) => it.into_inner().into(),
        Yaml::Value(Scalar::String(it)) => it.as_ref().into(),
        Yaml::Sequence(items) => items.iter().map(long_form).collect::<Result<_, _>>()?,
        Yaml::Mapping(entries) => {
            let mut fields = Map::new();
            for (key, value) in entries {
                let Value::String(key) = long_form(key)? else {
                    return unsupported(format!("a key that is no text: {key:?}"));
                };
                fields.insert(key, long_form(value)?);
            }
            Value::Object(fields)
        }
        Yaml::Tagged(tag, value) => called(&tag.suffix, long_form(value)?),
        // saphyr does not parse a scalar behind a tag that it does not know.
        Yaml::Representation(text, _, Some(tag)) => called(&tag.suffix, text.as_ref().into()),
        other => return unsupported(format!("{other:?}")),
    })
}

fn called(tag: &str, argument: Value) -> Value {
    match tag {
        "Ref" | "Condition" => json!({tag: argument}),
        "GetAtt" => {
            let path = argument.as_str().and_then(|text| text.split_once('.')).map(|(id, name)| json!([id, name]));
            json!({"Fn::GetAtt": path.unwrap_or(argument)})
        }
        _ => json!({format!("Fn::{tag}"): argument}),
    }
}

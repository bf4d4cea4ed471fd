//! Identity-based policies, as far as the functions' roles need them. An operator, an effect or an element that is not
//! modelled is refused, so that nothing is allowed by being overlooked.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cloudformation::{Stack, TemplateError};

/// What a client may do: every statement of every policy that it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions(Vec<Statement>);

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Such as `ecs:StopTask`; no wildcards.
    pub actions: Vec<String>,
    /// ARNs, `*` and `?` allowed.
    pub resources: Vec<String>,
    /// All must hold.
    pub conditions: Vec<Condition>,
}

/// One condition: the key's value must be like one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The context key, such as `ecs:cluster`.
    pub key: String,
    /// Which comparison.
    pub operator: Operator,
    /// The values.
    pub values: Vec<String>,
}

/// How a condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `ArnLike`, and `ArnEquals`, which is the same (IAM user guide, ARN condition operators).
    ArnLike,
    /// `StringEquals`.
    StringEquals,
}

/// What AWS asks the policies about: a request may ask several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Such as `ecs:StopTask`.
    pub action: String,
    /// The resource's ARN; `*` where the operation has none.
    pub resource: String,
    /// The context keys that the request has, and their values.
    pub context: Vec<(String, String)>,
}

/// Why a role's policies cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The template does not tell.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// There is something in a policy that is not modelled.
    #[error("not modelled in a policy: {0}")]
    Unsupported(String),
}

impl Permissions {
    /// What the policies of a role in a template allow: its own, and those of the template that it refers to.
    ///
    /// # Errors
    /// When the template cannot be worked out, or has something in it that is not modelled.
    pub fn of_role(stack: &Stack, role: &str) -> Result<Permissions, PolicyError> {
        let properties = stack.properties(role)?;
        let mut permissions = Permissions::default();
        for policy in list(properties.get("Policies")) {
            permissions.add(policy.get("PolicyDocument"))?;
        }
        for arn in list(properties.get("ManagedPolicyArns")) {
            // One of AWS's own is not in the template, and so not read: it is refused as unknown.
            let name = arn.as_str().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default();
            permissions.add(stack.properties(stack.logical_id(name))?.get("PolicyDocument"))?;
        }
        Ok(permissions)
    }

    /// Whether some statement allows it.
    pub fn allow(&self, access: &Access) -> bool {
        self.0.iter().any(|statement| statement.allows(access))
    }

    /// Every action that some statement allows on something.
    pub fn actions(&self) -> BTreeSet<&str> {
        self.0.iter().flat_map(|statement| &statement.actions).map(String::as_str).collect()
    }

    /// From now on no statement allows this action.
    pub fn forget(&mut self, action: &str) {
        for statement in &mut self.0 {
            statement.actions.retain(|allowed| allowed != action);
        }
        self.0.retain(|statement| !statement.actions.is_empty());
    }

    /// Each statement.
    pub fn statements(&self) -> &[Statement] {
        &self.0
    }

    fn add(&mut self, document: Option<&Value>) -> Result<(), PolicyError> {
        for statement in list(document.and_then(|document| document.get("Statement"))) {
            self.0.push(Statement::read(statement)?);
        }
        Ok(())
    }
}

impl Statement {
    fn read(statement: &Value) -> Result<Statement, PolicyError> {
        let unsupported = |what: &Value| Err(PolicyError::Unsupported(what.to_string()));
        let fields = statement.as_object().into_iter().flatten();
        let known = ["Sid", "Effect", "Action", "Resource", "Condition"];
        if let Some((name, _)) = fields.clone().find(|(name, _)| !known.contains(&name.as_str())) {
            return unsupported(&name.as_str().into());
        }
        if statement.get("Effect").and_then(Value::as_str) != Some("Allow") {
            return unsupported(statement);
        }
        let (Some(actions), Some(resources)) = (texts(statement.get("Action")), texts(statement.get("Resource")))
        else {
            return unsupported(statement);
        };
        if actions.iter().any(|action| action.contains(['*', '?'])) {
            return unsupported(statement);
        }
        let conditions = match statement.get("Condition") {
            None => Some(Vec::new()),
            Some(condition) => Condition::read(condition),
        };
        let Some(conditions) = conditions else { return unsupported(statement) };
        Ok(Statement { actions, resources, conditions })
    }

    fn allows(&self, access: &Access) -> bool {
        self.actions.contains(&access.action)
            && self.resources.iter().any(|pattern| is_like(pattern, &access.resource))
            && self.conditions.iter().all(|condition| condition.holds(access))
    }
}

impl Condition {
    /// None for what is not modelled: a condition that is overlooked would allow everything.
    fn read(element: &Value) -> Option<Vec<Condition>> {
        let mut conditions = Vec::new();
        for (operator, keys) in element.as_object()? {
            let operator = match operator.as_str() {
                "ArnLike" | "ArnEquals" => Operator::ArnLike,
                "StringEquals" => Operator::StringEquals,
                _ => return None,
            };
            for (key, values) in keys.as_object()? {
                conditions.push(Condition { key: key.clone(), operator, values: texts(Some(values))? });
            }
        }
        Some(conditions)
    }

    // IAM user guide, condition operators: a key that the request does not have makes the condition false.
    fn holds(&self, access: &Access) -> bool {
        let mut found = access.context.iter().filter(|(key, _)| self.key.eq_ignore_ascii_case(key));
        found.any(|(_, value)| {
            self.values.iter().any(|wanted| match self.operator {
                Operator::ArnLike => is_like_arn(wanted, value),
                Operator::StringEquals => wanted == value,
            })
        })
    }
}

// IAM user guide, ARN condition operators: each of the six colon-separated components is compared by itself.
fn is_like_arn(pattern: &str, arn: &str) -> bool {
    const COMPONENTS: usize = 6;
    let (patterns, parts) = (pattern.splitn(COMPONENTS, ':'), arn.splitn(COMPONENTS, ':'));
    pattern.matches(':').count() >= COMPONENTS - 1
        && arn.matches(':').count() >= COMPONENTS - 1
        && patterns.zip(parts).all(|(pattern, part)| is_like(pattern, part))
}

/// Whether `text` is what a pattern with `*` and `?` stands for.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return is_alike(pattern, text) };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    let Some(mut left) = cut_front(first, text).and_then(|left| cut_back(last, left)) else { return false };
    for piece in pieces {
        let Some(after) = left
            .char_indices()
            .map(|(at, _)| at)
            .chain([left.len()])
            .find_map(|at| left.get(at..).and_then(|from| cut_front(piece, from)))
        else {
            return false;
        };
        left = after;
    }
    true
}

/// Without `*`.
fn is_alike(pattern: &str, text: &str) -> bool {
    pattern.chars().count() == text.chars().count()
        && pattern.chars().zip(text.chars()).all(|(wanted, is)| wanted == '?' || wanted == is)
}

fn cut_front<'a>(pattern: &str, text: &'a str) -> Option<&'a str> {
    let at = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(pattern.chars().count())?;
    let (front, left) = text.split_at_checked(at)?;
    is_alike(pattern, front).then_some(left)
}

fn cut_back<'a>(pattern: &str, text: &'a str) -> Option<&'a str> {
    let keep = text.chars().count().checked_sub(pattern.chars().count())?;
    let at = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(keep)?;
    let (left, back) = text.split_at_checked(at)?;
    is_alike(pattern, back).then_some(left)
}

/// One or several, as policies have it.
fn list(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(items)) => items,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

/// None where there is nothing, or anything but text.
fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    let texts: Vec<_> = list(value).iter().map(|it| it.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    (!texts.is_empty()).then_some(texts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_stands_for_what_its_wildcards_leave_open() {
        for (pattern, text) in
            [("*", ""), ("*", "a:b"), ("a*c", "abc"), ("a*c", "ac"), ("a?c", "abc"), ("a*b*c", "a-b-b-c")]
        {
            assert!(is_like(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a", "b"), ("a*c", "a"), ("aa*aa", "aaa"), ("a?c", "ac"), ("a*b*c", "acbc-"), ("", "a")]
        {
            assert!(!is_like(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn an_asterisk_in_an_arn_condition_stays_within_its_component() {
        assert!(is_like_arn("arn:*:ecs:*:*:cluster/a", "arn:aws:ecs:eu-west-1:1:cluster/a"));
        assert!(!is_like_arn("arn:*:cluster/a", "arn:aws:ecs:eu-west-1:1:cluster/a"));
        assert!(!is_like_arn("arn:aws:ecs:*:*:cluster/a", "arn:aws:sqs:ecs:1:1:cluster/a"));
    }

    #[test]
    fn what_is_not_modelled_is_refused() {
        for (field, value) in [
            ("Effect", json!("Deny")),
            ("Action", json!("ecs:*")),
            ("NotAction", json!("ecs:StopTask")),
            ("Condition", json!({"StringLike": {"a": "b"}})),
            ("Condition", json!("a")),
            ("Condition", json!({"StringEquals": ["a"]})),
            ("Condition", json!({"StringEquals": {"a": {"b": "c"}}})),
            ("Resource", json!(null)),
            ("Resource", json!([])),
        ] {
            let mut statement = json!({"Effect": "Allow", "Action": "ecs:StopTask", "Resource": "*"});
            statement[field] = value;
            assert!(Statement::read(&statement).is_err(), "{statement}");
        }
    }
}

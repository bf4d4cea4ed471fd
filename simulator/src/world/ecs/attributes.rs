//! Attributes of container instances.

use std::collections::BTreeMap;

use super::{Ecs, container_instance::ContainerInstance, ids::bare};
use crate::world::terms::{ApiError, Attribute, Present, Response};

// ECS API reference, PutAttributes: "You can specify up to 10 custom attributes for each resource. You can specify up to 10 attributes in a single call."
const MAX_IN_A_CALL: usize = 10;
const MAX_ON_A_RESOURCE: usize = 10;

// ECS API reference, Attribute: name and value have between 1 and 128 characters.
const MAX_LENGTH: usize = 128;

// ECS developer guide, container instance attributes: a few of those the agent registers itself.
const BUILT_IN: [(&str, &str); 3] =
    [("ecs.os-type", "linux"), ("ecs.cpu-architecture", "arm64"), ("ecs.instance-type", "m7g.large")];

impl Ecs {
    /// The agent's own attributes of a container instance, and the custom ones.
    pub(crate) fn attributes(&self, instance: &ContainerInstance) -> Vec<Attribute> {
        let built_in = BUILT_IN.map(|(name, value)| described(name, Some(value)));
        let custom = instance.attributes.iter();
        (built_in.into_iter()).chain(custom.map(|(name, value)| described(name, value.as_deref()))).collect()
    }

    pub(crate) fn put_attributes(
        &mut self,
        present: &Present,
        cluster: &str,
        attributes: &[Attribute],
    ) -> Result<Response, ApiError> {
        check_count(attributes)?;
        let mut after = BTreeMap::new();
        for attribute in attributes {
            check_name(&attribute.name)?;
            if let Some(value) = &attribute.value {
                check_value(value)?;
            }
            let target = self.target(cluster, attribute)?;
            let before = target.attributes.clone();
            let attributes = after.entry(target.id.clone()).or_insert(before);
            attributes.insert(attribute.name.clone(), attribute.value.clone());
            if attributes.len() > MAX_ON_A_RESOURCE {
                return Err(ApiError::new(
                    "AttributeLimitExceededException",
                    format!("At most {MAX_ON_A_RESOURCE} custom attributes for each resource."),
                ));
            }
        }
        for (target, attributes) in after {
            if let Some(instance) = self.container_instances.get_mut(&target) {
                instance.change(present, |instance| instance.attributes = attributes);
            }
        }
        Ok(Response::Attributes(attributes.to_vec()))
    }

    pub(crate) fn delete_attributes(
        &mut self,
        present: &Present,
        cluster: &str,
        attributes: &[Attribute],
    ) -> Result<Response, ApiError> {
        check_count(attributes)?;
        let targets = (attributes.iter())
            .map(|attribute| Ok(self.target(cluster, attribute)?.id.clone()))
            .collect::<Result<Vec<_>, ApiError>>()?;
        for (target, attribute) in targets.iter().zip(attributes) {
            if let Some(instance) = self.container_instances.get_mut(target) {
                instance.change(present, |instance| drop(instance.attributes.remove(&attribute.name)));
            }
        }
        Ok(Response::Attributes(attributes.to_vec()))
    }

    fn target(&self, cluster: &str, attribute: &Attribute) -> Result<&ContainerInstance, ApiError> {
        let id = (attribute.target_id.as_deref()).ok_or_else(|| ApiError::invalid_parameter("targetId is required"))?;
        // ECS API reference, Attribute: targetType "is required if you use the short form ID".
        match attribute.target_type.as_deref() {
            None if !id.starts_with("arn:") => {
                return Err(ApiError::invalid_parameter("targetType is required with a short form ID"));
            }
            None | Some("container-instance") => {}
            Some(other) => {
                return Err(ApiError::invalid_parameter(format!("Unknown target type: {other}")));
            }
        }
        let id = bare(id, "container-instance", cluster)?;
        // ECS API reference, PutAttributes: TargetNotFoundException.
        (self.instance(cluster, id))
            .filter(|instance| instance.status != "INACTIVE")
            .ok_or_else(|| ApiError::new("TargetNotFoundException", "The specified target wasn't found."))
    }
}

fn check_count(attributes: &[Attribute]) -> Result<(), ApiError> {
    if (1..=MAX_IN_A_CALL).contains(&attributes.len()) {
        return Ok(());
    }
    Err(ApiError::invalid_parameter(format!("Between 1 and {MAX_IN_A_CALL} attributes can be given")))
}

// ECS API reference, Attribute: letters, numbers, hyphens, underscores, forward slashes, back slashes, periods.
fn check_name(name: &str) -> Result<(), ApiError> {
    if (1..=MAX_LENGTH).contains(&name.len()) && name.chars().all(in_names) {
        return Ok(());
    }
    Err(ApiError::invalid_parameter(format!("Invalid attribute name: {name:?}")))
}

// ECS API reference, Attribute: also at signs, colons and spaces, but no space at either end.
fn check_value(value: &str) -> Result<(), ApiError> {
    let allowed = |c: char| in_names(c) || matches!(c, '@' | ':' | ' ');
    if (1..=MAX_LENGTH).contains(&value.len()) && value.chars().all(allowed) && value.trim_matches(' ') == value {
        return Ok(());
    }
    Err(ApiError::invalid_parameter(format!("Invalid attribute value: {value:?}")))
}

fn in_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '\\' | '.')
}

fn described(name: &str, value: Option<&str>) -> Attribute {
    Attribute { name: name.to_owned(), value: value.map(str::to_owned), target_type: None, target_id: None }
}

//! What the command writes on a host that a person drains, and what it takes off again.

use aws_sdk_ecs::types::{Attribute, TargetType};
use jiff::Timestamp;
use shared::aws::CallError;
use shared::aws::sdk::{SdkCalls, failed};
use shared::drain::facts::registration::MAINTENANCE_SINCE;
use shared::ids::{ClusterName, ContainerInstanceArn};

/// Attributes in one request (ECS API reference, DeleteAttributes).
const ATTRIBUTES_MAX: usize = 10;

/// Writes since when a person has been draining a host.
pub(crate) async fn write_since(
    calls: &SdkCalls,
    cluster: &ClusterName,
    target: &ContainerInstanceArn,
    since: &str,
) -> Result<(), CallError> {
    const OPERATION: &str = "PutAttributes";
    let request = calls.ecs().put_attributes().cluster(cluster.as_str());
    let request = request.attributes(attribute(OPERATION, target, MAINTENANCE_SINCE, Some(since))?);
    request.send().await.map(drop).map_err(failed(OPERATION))
}

/// Deletes these attributes of a host.
pub(crate) async fn delete(
    calls: &SdkCalls,
    cluster: &ClusterName,
    target: &ContainerInstanceArn,
    names: &[String],
) -> Result<(), CallError> {
    const OPERATION: &str = "DeleteAttributes";
    for names in names.chunks(ATTRIBUTES_MAX) {
        let attributes = names.iter().map(|name| attribute(OPERATION, target, name, None)).collect::<Result<_, _>>()?;
        let request = calls.ecs().delete_attributes().cluster(cluster.as_str()).set_attributes(Some(attributes));
        request.send().await.map_err(failed(OPERATION))?;
    }
    Ok(())
}

/// As it is written: to the millisecond.
pub(crate) fn written(since: Timestamp) -> String {
    format!("{since:.3}")
}

fn attribute(
    operation: &'static str,
    target: &ContainerInstanceArn,
    name: &str,
    value: Option<&str>,
) -> Result<Attribute, CallError> {
    let attribute = Attribute::builder().name(name).set_value(value.map(ToOwned::to_owned));
    let attribute = attribute.target_type(TargetType::ContainerInstance).target_id(target.as_str()).build();
    attribute.map_err(|error| CallError::Incomplete { operation, what: error.to_string() })
}

//! Ids, ARNs and counts in ECS's requests.

use super::super::error::ApiError;

/// The cluster that a request means which names none.
pub(crate) const DEFAULT_CLUSTER: &str = "default";

// ECS API reference, DescribeClusters, DescribeCapacityProviders, DescribeContainerInstances, DescribeTasks and GetTaskProtection: up to 100 entries.
pub(crate) const MAX_DESCRIBED: usize = 100;

pub(crate) fn check_count(ids: &[String], most: usize, what: &str) -> Result<(), ApiError> {
    if ids.is_empty() {
        return Err(ApiError::invalid_parameter(format!("{what} cannot be empty.")));
    }
    if ids.len() > most {
        return Err(ApiError::invalid_parameter(format!("{what} can have at most {most} items.")));
    }
    Ok(())
}

/// The bare id of a resource that is named by an id or an ARN.
pub(crate) fn bare<'a>(id: &'a str, kind: &str, cluster: &str) -> Result<&'a str, ApiError> {
    if !id.starts_with("arn:") {
        return Ok(id);
    }
    let resource = id.splitn(6, ':').nth(5).unwrap_or_default();
    let mut parts = resource.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(of), Some(other), Some(_)) if of == kind && other != cluster => Err(ApiError::invalid_parameter(
            format!("Invalid identifier: Identifier is for cluster {other}. Your cluster is {cluster}"),
        )),
        (Some(of), Some(_), Some(id)) if of == kind => Ok(id),
        _ => Err(ApiError::invalid_parameter(format!("Invalid identifier: {id}"))),
    }
}

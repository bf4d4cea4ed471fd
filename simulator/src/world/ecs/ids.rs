//! Ids, ARNs and counts in ECS's requests.

use crate::world::terms::{ApiError, Failure, Present};

/// The cluster that a request means which names none.
pub(crate) const DEFAULT_CLUSTER: &str = "default";

// ECS API reference, DescribeClusters, DescribeCapacityProviders, DescribeContainerInstances, DescribeTasks and GetTaskProtection: up to 100 entries.
pub(crate) const MAX_DESCRIBED: usize = 100;

pub(crate) fn check_count(ids: &[String], most: usize, what: &str) -> Result<(), ApiError> {
    if ids.is_empty() {
        return Err(ApiError::invalid_parameter(format!("{what} cannot be empty.")));
    }
    check_most(ids, most, what)
}

pub(crate) fn check_most(ids: &[String], most: usize, what: &str) -> Result<(), ApiError> {
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

/// What is found of these ids or ARNs, and a failure for each that is not there or does not do.
// ECS developer guide, "API failure reasons".
pub(crate) fn each<'a, T>(
    present: &Present,
    cluster: &str,
    kind: &str,
    ids: &'a [String],
    find: impl Fn(&'a str) -> Option<Result<T, Failure>>,
) -> Result<(Vec<T>, Vec<Failure>), ApiError> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for id in ids {
        let id = bare(id, kind, cluster)?;
        match find(id) {
            Some(Ok(it)) => found.push(it),
            Some(Err(failure)) => failures.push(failure),
            None => failures.push(missing(present, kind, &format!("{cluster}/{id}"))),
        }
    }
    Ok((found, failures))
}

/// The failure of what is not there.
pub(crate) fn missing(present: &Present, kind: &str, named: &str) -> Failure {
    let arn = if named.starts_with("arn:") {
        named.to_owned()
    } else {
        present.settings.arn("ecs", &format!("{kind}/{named}"))
    };
    Failure { arn, reason: "MISSING".to_owned() }
}

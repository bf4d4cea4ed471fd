//! Pages, chunks and `failures[]`: what takes more than one request.
//!
//! A broken request spoils only what it asked for. [`Answers`] says of each key whether it was found, is absent (AWS
//! answered that there is none), or is unknown because its request failed.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::{
    AutoScalingInstance, CallError, Calls, ContainerInstance, ErrorClass, Found, InstanceStatus, Page, Service, Task,
    TaskProtection,
};
use crate::ids::{ClusterName, ContainerInstanceArn, GroupName, InstanceId, ServiceName, TaskArn};

/// Ids in one `DescribeContainerInstances`, `DescribeTasks` or `GetTaskProtection` (ECS API reference).
pub const DESCRIBE_MAX: usize = 100;
/// Container instances in one `UpdateContainerInstancesState` (ECS API reference).
pub const UPDATE_STATE_MAX: usize = 10;
/// Ids in one `DescribeAutoScalingInstances` (Auto Scaling API reference).
pub const AUTO_SCALING_INSTANCES_MAX: usize = 50;
/// Services in one `DescribeServices` (ECS API reference).
pub const SERVICES_MAX: usize = 10;
/// Ids in one filter: as many as one page of the answer holds.
pub const FILTER_MAX: usize = 100;
/// Pages of one list: 100,000 entries, far more than one cluster or host holds; a list that goes on longer is broken.
pub const PAGES_MAX: usize = 1_000;
/// Where AWS throttles the second of the two reads that a search takes, it is tried again so often, or the first would have
/// to be paid for anew out of the same quota.
const DESCRIPTIONS_TRIED_AGAIN: u32 = 8;
/// Five reads have come in by then (ECS API reference, Request throttling).
const THROTTLED_DESCRIPTION_PAUSE: Duration = Duration::from_millis(250);
/// Requests under way at once: enough to hide latency, few enough not to be a burst of our own.
pub const CONCURRENT_REQUESTS: usize = 8;

/// What several requests said of the keys they asked for.
#[derive(Debug)]
pub struct Answers<K, T> {
    /// What was found.
    pub found: Vec<T>,
    /// What AWS says is not there.
    pub absent: Vec<K>,
    /// What nothing is known of, and why.
    pub unknown: Vec<Unknown<K>>,
}

/// The keys of one failed request.
#[derive(Debug)]
pub struct Unknown<K> {
    /// What it asked for.
    pub keys: Vec<K>,
    /// Why it gave nothing.
    pub error: CallError,
}

impl<K, T> Default for Answers<K, T> {
    fn default() -> Self {
        Self { found: Vec::new(), absent: Vec::new(), unknown: Vec::new() }
    }
}

impl<K, T> Answers<K, T> {
    fn and(mut self, other: Self) -> Self {
        self.found.extend(other.found);
        self.absent.extend(other.absent);
        self.unknown.extend(other.unknown);
        self
    }
}

/// Runs `requests` a few at a time, begun in their order; the answers come in the same.
pub async fn few_at_once<F: Future>(requests: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    // Boxed: an SDK request's future is large and deeply nested, and most of a run it is not there. Unordered: one that
    // hangs keeps only its own place.
    let numbered = stream::iter(requests).enumerate().map(|(n, request)| Box::pin(async move { (n, request.await) }));
    let mut answers: Vec<_> = numbered.buffer_unordered(CONCURRENT_REQUESTS).collect().await;
    answers.sort_by_key(|(n, _)| *n);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Runs `requests` a few at a time until one of them is `throttled`; those that had not begun by then are answered none.
pub async fn until_throttled<F: Future>(
    requests: impl IntoIterator<Item = F>,
    throttled: impl Fn(&F::Output) -> bool,
) -> Vec<Option<F::Output>> {
    let (over, throttled) = (&Cell::new(false), &throttled);
    let each = requests.into_iter().map(|request| async move {
        if over.get() {
            return None;
        }
        let answer = request.await;
        if throttled(&answer) {
            over.set(true);
        }
        Some(answer)
    });
    few_at_once(each).await
}

/// Every cluster of the account and region.
///
/// # Errors
/// When any page fails: a part of the clusters proves nothing.
pub async fn all_clusters(calls: &impl Calls) -> Result<Vec<ClusterName>, CallError> {
    every_page("ListClusters", |token| calls.list_clusters(token)).await
}

/// Which of `instances`, at most [`FILTER_MAX`], are registered in `cluster`, INACTIVE registrations apart. A cluster that
/// does not exist holds none.
///
/// # Errors
/// When any request fails: without the whole answer no instance is known to be absent.
pub async fn registered_in(
    calls: &impl Calls,
    cluster: &ClusterName,
    instances: &[InstanceId],
) -> Result<Vec<ContainerInstance>, CallError> {
    let filter = ec2_instance_id_in(instances);
    let page = |token| calls.list_container_instances(cluster, Some(&filter), token);
    let listed = every_page("ListContainerInstances", page).await;
    let found = described(calls, cluster, if_absent(listed, Vec::new())?).await?;
    // The filter is AWS's; the match is ours.
    let ours = |found: &ContainerInstance| found.instance.as_ref().is_some_and(|id| instances.contains(id));
    Ok(found.into_iter().filter(ours).collect())
}

/// Every container instance of a cluster, INACTIVE ones apart; none where one page does not hold them.
///
/// # Errors
/// As [`registered_in`].
pub async fn registered_in_small(
    calls: &impl Calls,
    cluster: &ClusterName,
) -> Result<Option<Vec<ContainerInstance>>, CallError> {
    let empty = Page { items: Vec::new(), next_token: None };
    let page = if_absent(calls.list_container_instances(cluster, None, None).await, empty)?;
    if page.next_token.is_some_and(|token| !token.is_empty()) {
        return Ok(None);
    }
    described(calls, cluster, page.items).await.map(Some)
}

fn if_absent<T>(answer: Result<T, CallError>, absent: T) -> Result<T, CallError> {
    match answer {
        Err(error) if error.class() == ErrorClass::Absent => Ok(absent),
        answer => answer,
    }
}

/// What was listed, described, INACTIVE registrations apart.
async fn described(
    calls: &impl Calls,
    cluster: &ClusterName,
    arns: Vec<ContainerInstanceArn>,
) -> Result<Vec<ContainerInstance>, CallError> {
    let mut answers = container_instances(calls, cluster, &arns).await;
    for _ in 0..DESCRIPTIONS_TRIED_AGAIN {
        if !answers.unknown.iter().any(|unknown| unknown.error.class() == ErrorClass::Throttled) {
            break;
        }
        tokio::time::sleep(THROTTLED_DESCRIPTION_PAUSE).await;
        answers = container_instances(calls, cluster, &arns).await;
    }
    if let Some(unknown) = answers.unknown.pop() {
        return Err(unknown.error);
    }
    Ok(answers.found.into_iter().filter(|found| found.status != InstanceStatus::Inactive).collect())
}

/// `instances` as a filter of the cluster query language; an [`InstanceId`] holds nothing that needs quoting.
fn ec2_instance_id_in(instances: &[InstanceId]) -> String {
    let quoted: Vec<_> = instances.iter().map(|id| format!("'{id}'")).collect();
    format!("ec2InstanceId in [{}]", quoted.join(","))
}

/// Container instances of one cluster as they are now.
pub async fn container_instances(
    calls: &impl Calls,
    cluster: &ClusterName,
    arns: &[ContainerInstanceArn],
) -> Answers<ContainerInstanceArn, ContainerInstance> {
    let requests = arns.chunks(DESCRIBE_MAX).map(|chunk| async move {
        let answer = calls.describe_container_instances(cluster, chunk).await;
        accounted("DescribeContainerInstances", chunk, answer, |found| found.arn.clone())
    });
    few_at_once(requests).await.into_iter().fold(Answers::default(), Answers::and)
}

/// Every container instance of one cluster that is DRAINING, described.
///
/// # Errors
/// When any request fails: without the whole answer no instance is known not to drain.
pub async fn draining_in(calls: &impl Calls, cluster: &ClusterName) -> Result<Vec<ContainerInstance>, CallError> {
    let page = |token| calls.list_draining_container_instances(cluster, token);
    let arns = every_page("ListContainerInstances", page).await?;
    let mut answers = container_instances(calls, cluster, &arns).await;
    match answers.unknown.pop() {
        Some(unknown) => Err(unknown.error),
        None => Ok(answers.found),
    }
}

/// Sets container instances of one cluster to DRAINING. One that ECS will not have does not hold up its chunk.
pub async fn set_draining(
    calls: &impl Calls,
    cluster: &ClusterName,
    arns: &[ContainerInstanceArn],
) -> Answers<ContainerInstanceArn, ContainerInstance> {
    each_state(arns, async |chunk| calls.set_draining(cluster, chunk).await).await
}

/// Sets container instances of one cluster to ACTIVE, likewise.
pub async fn set_active(
    calls: &impl Calls,
    cluster: &ClusterName,
    arns: &[ContainerInstanceArn],
) -> Answers<ContainerInstanceArn, ContainerInstance> {
    each_state(arns, async |chunk| calls.set_active(cluster, chunk).await).await
}

async fn each_state(
    arns: &[ContainerInstanceArn],
    request: impl AsyncFn(&[ContainerInstanceArn]) -> Result<Found<ContainerInstance>, CallError>,
) -> Answers<ContainerInstanceArn, ContainerInstance> {
    let request = &request;
    let requests = arns.chunks(UPDATE_STATE_MAX).map(|chunk| async move {
        match request(chunk).await {
            Err(error) if error.blames_the_request() && chunk.len() > 1 => {
                let mut answers = Answers::default();
                for single in chunk.chunks(1) {
                    answers = answers.and(updated(single, request(single).await));
                }
                answers
            }
            answer => updated(chunk, answer),
        }
    });
    few_at_once(requests).await.into_iter().fold(Answers::default(), Answers::and)
}

fn updated(
    chunk: &[ContainerInstanceArn],
    answer: Result<Found<ContainerInstance>, CallError>,
) -> Answers<ContainerInstanceArn, ContainerInstance> {
    accounted("UpdateContainerInstancesState", chunk, answer, |found| found.arn.clone())
}

/// Tasks of one cluster, of any of its hosts, as they are now.
pub async fn tasks(calls: &impl Calls, cluster: &ClusterName, arns: &[TaskArn]) -> Answers<TaskArn, Task> {
    let requests = arns.chunks(DESCRIBE_MAX).map(|chunk| async move {
        let answer = calls.describe_tasks(cluster, chunk).await;
        accounted("DescribeTasks", chunk, answer, |found| found.arn.clone())
    });
    few_at_once(requests).await.into_iter().fold(Answers::default(), Answers::and)
}

/// Services of one cluster.
pub async fn services(
    calls: &impl Calls,
    cluster: &ClusterName,
    names: &[ServiceName],
) -> Answers<ServiceName, Service> {
    let requests = names.chunks(SERVICES_MAX).map(|chunk| async move {
        let answer = calls.describe_services(cluster, chunk).await;
        accounted("DescribeServices", chunk, answer, |found| found.name.clone())
    });
    few_at_once(requests).await.into_iter().fold(Answers::default(), Answers::and)
}

/// Whether tasks of one cluster, which services own, are protected from scale-in.
pub async fn task_protection(
    calls: &impl Calls,
    cluster: &ClusterName,
    arns: &[TaskArn],
) -> Answers<TaskArn, TaskProtection> {
    let requests = arns.chunks(DESCRIBE_MAX).map(|chunk| async move {
        let answer = calls.get_task_protection(cluster, chunk).await;
        accounted("GetTaskProtection", chunk, answer, |found| found.task.clone())
    });
    few_at_once(requests).await.into_iter().fold(Answers::default(), Answers::and)
}

/// Instances as Auto Scaling knows them; one that is in no group is absent.
pub async fn auto_scaling_instances(
    calls: &impl Calls,
    ids: &[InstanceId],
) -> Answers<InstanceId, AutoScalingInstance> {
    let requests = ids.chunks(AUTO_SCALING_INSTANCES_MAX).map(|chunk| async move {
        let page = |token| calls.describe_auto_scaling_instances(chunk, token);
        match every_page("DescribeAutoScalingInstances", page).await {
            Ok(found) => {
                let named = |id: &&InstanceId| found.iter().any(|instance| instance.instance == **id);
                let absent = chunk.iter().filter(|id| !named(id)).cloned().collect();
                Answers { found, absent, unknown: Vec::new() }
            }
            Err(error) => Answers { unknown: vec![Unknown { keys: chunk.to_vec(), error }], ..Answers::default() },
        }
    });
    few_at_once(requests).await.into_iter().fold(Answers::default(), Answers::and)
}

/// Every instance in a group's warm pool.
///
/// # Errors
/// When any page fails.
pub async fn warm_pool(calls: &impl Calls, group: &GroupName) -> Result<Vec<AutoScalingInstance>, CallError> {
    every_page("DescribeWarmPool", |token| calls.describe_warm_pool(group, token)).await
}

/// Follows `nextToken` to its end: a page may be short or empty, only a missing token ends a list.
async fn every_page<T, F: Future<Output = Result<Page<T>, CallError>>>(
    operation: &'static str,
    request: impl Fn(Option<String>) -> F,
) -> Result<Vec<T>, CallError> {
    let mut items = Vec::new();
    let mut token = None;
    for _ in 0..PAGES_MAX {
        let page = Box::pin(request(token)).await?;
        items.extend(page.items);
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(items);
        }
    }
    Err(CallError::Incomplete { operation, what: format!("more than {PAGES_MAX} pages") })
}

/// Makes sure that every key of a chunk is found, absent or unknown, whatever the answer holds or leaves out.
fn accounted<K: Clone + Ord + std::fmt::Display, T>(
    operation: &'static str,
    chunk: &[K],
    answer: Result<Found<T>, CallError>,
    key: fn(&T) -> K,
) -> Answers<K, T> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.class() == ErrorClass::Absent => {
            return Answers { absent: chunk.to_vec(), ..Answers::default() };
        }
        Err(error) => {
            return Answers { unknown: vec![Unknown { keys: chunk.to_vec(), error }], ..Answers::default() };
        }
    };
    let found: BTreeSet<K> = answer.items.iter().map(key).collect();
    let reason = |key: &K| answer.failures.iter().find(|f| same(&f.arn, key)).map(|f| f.reason.as_str());
    let mut answers = Answers::default();
    for wanted in chunk.iter().filter(|key| !found.contains(*key)) {
        match reason(wanted) {
            // INACTIVE: deregistered, which is absent to us (ECS developer guide, API failure reasons).
            Some("MISSING" | "INACTIVE") => answers.absent.push(wanted.clone()),
            other => {
                let what = format!("{wanted}: {}", other.unwrap_or("left out"));
                let error = CallError::Incomplete { operation, what };
                answers.unknown.push(Unknown { keys: vec![wanted.clone()], error });
            }
        }
    }
    answers.found = answer.items;
    answers
}

/// `failures[]` may name by its bare id what was asked for by its ARN, and the other way round.
fn same<K: std::fmt::Display>(arn: &str, key: &K) -> bool {
    let (arn, key) = (arn.to_owned(), key.to_string());
    let ends = |long: &str, short: &str| !short.is_empty() && long.ends_with(&format!("/{short}"));
    key == arn || ends(&key, &arn) || ends(&arn, &key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Failure;

    fn arn(id: &str) -> ContainerInstanceArn {
        format!("arn:aws:ecs:us-west-2:123456789012:container-instance/prod/{id}").into()
    }

    #[test]
    fn unknown_is_not_empty_a_key_that_an_answer_leaves_out_is_not_absent() {
        let chunk = ["found", "missing", "inactive", "bare", "odd", "left-out"].map(arn);
        let failure = |arn: &str, reason: &str| Failure { arn: arn.into(), reason: reason.into() };
        let failures = vec![
            failure(chunk[1].as_str(), "MISSING"),
            failure(chunk[2].as_str(), "INACTIVE"),
            failure("bare", "MISSING"),
            failure(chunk[4].as_str(), "NEW_REASON"),
            failure("", "MISSING"),
        ];
        let answer = Ok(Found { items: vec![chunk[0].clone()], failures });

        let answers = accounted("Op", &chunk, answer, Clone::clone);

        assert_eq!(answers.found, chunk[..1]);
        assert_eq!(answers.absent, chunk[1..4]);
        let unknown: Vec<_> = answers.unknown.iter().flat_map(|unknown| unknown.keys.clone()).collect();
        assert_eq!(unknown, chunk[4..]);
    }
}

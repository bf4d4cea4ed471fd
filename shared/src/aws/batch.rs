//! Pages, chunks and `failures[]`: what takes more than one request.
//!
//! A broken request spoils only what it asked for, and a member that AWS refuses only itself. [`Answers`] says of each key
//! whether it was found, is absent (AWS answered that there is none), or is unknown because its request failed.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::{
    AutoScalingInstance, CallError, Calls, ContainerInstance, ErrorClass, Failure, Found, InstanceStatus, Page,
    Service, Task, TaskProtection,
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
/// Pieces of refused chunks that may be refused one after the other. By then the halves, the quarters and the eighths of a
/// chunk were: all of it is, and further pieces would tell nothing but cost hundreds of requests a round.
const REFUSED_IN_A_ROW_MAX: u32 = 20;
/// The failure reason of what ECS does not know (ECS developer guide, API failure reasons).
const MISSING: &str = "MISSING";
/// The failure reason of what is deregistered, or a service that is deleted (likewise).
const INACTIVE: &str = "INACTIVE";
/// Requests under way at once: enough to hide latency, few enough not to be a burst of our own.
pub const CONCURRENT_REQUESTS: usize = 8;

const DESCRIBE_CONTAINER_INSTANCES: &str = "DescribeContainerInstances";

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
    fn unknown(keys: Vec<K>, error: CallError) -> Self {
        Self { unknown: vec![Unknown { keys, error }], ..Self::default() }
    }

    fn and(mut self, other: Self) -> Self {
        self.found.extend(other.found);
        self.absent.extend(other.absent);
        self.unknown.extend(other.unknown);
        self
    }
}

/// Why each key is unknown.
pub fn errors_by_key<K: Ord>(unknown: Vec<Unknown<K>>) -> BTreeMap<K, Rc<CallError>> {
    let shared = unknown.into_iter().map(|unknown| (unknown.keys, Rc::new(unknown.error)));
    shared.flat_map(|(keys, error)| keys.into_iter().map(move |key| (key, error.clone()))).collect()
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
/// does not exist holds none. Where ECS lists what it does not describe, only those with a live registration are known.
pub async fn registered_in(
    calls: &impl Calls,
    cluster: &ClusterName,
    instances: &[InstanceId],
) -> Answers<InstanceId, ContainerInstance> {
    let (mut pieces, mut answers, mut refused) = (VecDeque::from([instances]), Answers::default(), 0_u32);
    while let Some(piece) = pieces.pop_front() {
        let filter = ec2_instance_id_in(piece);
        let page = |token| calls.list_container_instances(cluster, Some(&filter), token);
        let listed = if_absent(every_page("ListContainerInstances", page).await, Vec::new());
        let told = registered(calls, cluster, piece, listed).await;
        // What is listed and cannot be described may be any of the piece.
        let is_refused = told.unknown.iter().any(|unknown| hides_one_member(&unknown.error));
        refused = if is_refused { refused.saturating_add(1) } else { 0 };
        if is_refused && piece.len() > 1 && refused < REFUSED_IN_A_ROW_MAX {
            let (first, second) = piece.split_at(piece.len() / 2);
            pieces.extend([first, second]);
        } else {
            answers = answers.and(told);
        }
    }
    answers
}

/// Whether one container instance could not be described, so that nothing is known of those it may be.
#[must_use]
pub fn hides_one_member(error: &CallError) -> bool {
    let of_one = error.may_blame_one_member() || matches!(error, CallError::Incomplete { .. });
    of_one && error.operation() == DESCRIBE_CONTAINER_INSTANCES
}

/// The same of any number of instances, where one page holds the cluster's container instances; none where it does not.
pub async fn registered_in_small(
    calls: &impl Calls,
    cluster: &ClusterName,
    instances: &[InstanceId],
) -> Option<Answers<InstanceId, ContainerInstance>> {
    let empty = Page { items: Vec::new(), next_token: None };
    let listed = match if_absent(calls.list_container_instances(cluster, None, None).await, empty) {
        Ok(Page { next_token: Some(token), .. }) if !token.is_empty() => return None,
        Ok(page) => Ok(page.items),
        Err(error) => Err(error),
    };
    Some(registered(calls, cluster, instances, listed).await)
}

fn if_absent<T>(answer: Result<T, CallError>, absent: T) -> Result<T, CallError> {
    match answer {
        Err(error) if error.class() == ErrorClass::Absent => Ok(absent),
        answer => answer,
    }
}

/// Which of `instances` are among the container instances that a cluster listed.
async fn registered(
    calls: &impl Calls,
    cluster: &ClusterName,
    instances: &[InstanceId],
    listed: Result<Vec<ContainerInstanceArn>, CallError>,
) -> Answers<InstanceId, ContainerInstance> {
    let arns = match listed {
        Ok(arns) => arns,
        Err(error) => return Answers::unknown(instances.to_vec(), error),
    };
    let mut answers = described(calls, cluster, &arns, Gone::SinceListed).await;
    for _ in 0..DESCRIPTIONS_TRIED_AGAIN {
        if !answers.unknown.iter().any(|unknown| unknown.error.is_throttled()) {
            break;
        }
        tokio::time::sleep(THROTTLED_DESCRIPTION_PAUSE).await;
        answers = described(calls, cluster, &arns, Gone::SinceListed).await;
    }
    let wanted: BTreeSet<_> = instances.iter().collect();
    let mut found = answers.found;
    // The filter is AWS's; the match is ours.
    let ours = |found: &ContainerInstance| found.instance.as_ref().is_some_and(|id| wanted.contains(id));
    found.retain(|found| ours(found) && found.status != InstanceStatus::Inactive);
    let without = |fits: fn(&ContainerInstance) -> bool| -> Vec<InstanceId> {
        let having: BTreeSet<_> = found.iter().filter(|it| fits(it)).filter_map(|it| it.instance.as_ref()).collect();
        instances.iter().filter(|id| !having.contains(id)).cloned().collect()
    };
    match answers.unknown.pop() {
        Some(Unknown { error, .. }) => Answers {
            unknown: vec![Unknown { keys: without(|it| it.agent_connected), error }],
            found,
            ..Answers::default()
        },
        None => Answers { absent: without(|_| true), found, ..Answers::default() },
    }
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
    described(calls, cluster, arns, Gone::SinceKnown).await
}

async fn described(
    calls: &impl Calls,
    cluster: &ClusterName,
    arns: &[ContainerInstanceArn],
    gone: Gone,
) -> Answers<ContainerInstanceArn, ContainerInstance> {
    let chunks = Chunks { operation: DESCRIBE_CONTAINER_INSTANCES, most: DESCRIBE_MAX, gone };
    let request = async |chunk: &[_]| calls.describe_container_instances(cluster, chunk).await;
    chunks.ask(arns, request, |found| found.arn.clone()).await
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

/// Sets container instances of one cluster to DRAINING.
pub async fn set_draining(
    calls: &impl Calls,
    cluster: &ClusterName,
    arns: &[ContainerInstanceArn],
) -> Answers<ContainerInstanceArn, ContainerInstance> {
    let request = async |chunk: &[_]| calls.set_draining(cluster, chunk).await;
    UPDATES.ask(arns, request, |found| found.arn.clone()).await
}

/// Sets container instances of one cluster to ACTIVE.
pub async fn set_active(
    calls: &impl Calls,
    cluster: &ClusterName,
    arns: &[ContainerInstanceArn],
) -> Answers<ContainerInstanceArn, ContainerInstance> {
    let request = async |chunk: &[_]| calls.set_active(cluster, chunk).await;
    UPDATES.ask(arns, request, |found| found.arn.clone()).await
}

const UPDATES: Chunks =
    Chunks { operation: "UpdateContainerInstancesState", most: UPDATE_STATE_MAX, gone: Gone::SinceKnown };

/// Tasks of one cluster, of any of its hosts, as they are now.
pub async fn tasks(calls: &impl Calls, cluster: &ClusterName, arns: &[TaskArn]) -> Answers<TaskArn, Task> {
    let chunks = Chunks { operation: "DescribeTasks", most: DESCRIBE_MAX, gone: Gone::SinceKnown };
    let request = async |chunk: &[_]| calls.describe_tasks(cluster, chunk).await;
    chunks.ask(arns, request, |found| found.arn.clone()).await
}

/// Services of one cluster.
pub async fn services(
    calls: &impl Calls,
    cluster: &ClusterName,
    names: &[ServiceName],
) -> Answers<ServiceName, Service> {
    let chunks = Chunks { operation: "DescribeServices", most: SERVICES_MAX, gone: Gone::SinceKnown };
    let request = async |chunk: &[_]| calls.describe_services(cluster, chunk).await;
    chunks.ask(names, request, |found| found.name.clone()).await
}

/// Whether tasks of one cluster, which services own, are protected from scale-in.
pub async fn task_protection(
    calls: &impl Calls,
    cluster: &ClusterName,
    arns: &[TaskArn],
) -> Answers<TaskArn, TaskProtection> {
    let chunks = Chunks { operation: "GetTaskProtection", most: DESCRIBE_MAX, gone: Gone::SinceKnown };
    let request = async |chunk: &[_]| calls.get_task_protection(cluster, chunk).await;
    chunks.ask(arns, request, |found| found.task.clone()).await
}

/// Instances as Auto Scaling knows them; one that is in no group is absent.
pub async fn auto_scaling_instances(
    calls: &impl Calls,
    ids: &[InstanceId],
) -> Answers<InstanceId, AutoScalingInstance> {
    const OPERATION: &str = "DescribeAutoScalingInstances";
    let chunks = Chunks { operation: OPERATION, most: AUTO_SCALING_INSTANCES_MAX, gone: Gone::SinceKnown };
    let request = async |chunk: &[InstanceId]| {
        let rows = every_page(OPERATION, |token| calls.describe_auto_scaling_instances(chunk, token)).await?;
        let mut answer = Found { items: Vec::new(), failures: Vec::new() };
        for row in rows {
            match row {
                Ok(instance) => answer.items.push(instance),
                Err(failure) => answer.failures.push(failure),
            }
        }
        // A row that names no instance may be of any that has no row of its own.
        if answer.failures.iter().all(|failure| chunk.iter().any(|id| same(&failure.arn, id))) {
            let has_row = |id: &InstanceId| {
                let failed = answer.failures.iter().any(|failure| same(&failure.arn, id));
                failed || answer.items.iter().any(|instance| instance.instance == *id)
            };
            let missing = |id: &InstanceId| Failure { arn: id.to_string(), reason: MISSING.to_owned() };
            let missing: Vec<_> = chunk.iter().filter(|id| !has_row(id)).map(missing).collect();
            answer.failures.extend(missing);
        }
        Ok(answer)
    };
    chunks.ask(ids, request, |found| found.instance.clone()).await
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

/// When a failure reason says that there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// Of what was known some time ago: MISSING and INACTIVE.
    SinceKnown,
    /// Of what ECS itself has just listed: INACTIVE. That it is MISSING is a second answer that disagrees with the first.
    SinceListed,
}

/// A request that takes so many keys at most.
#[derive(Clone, Copy)]
struct Chunks {
    operation: &'static str,
    most: usize,
    gone: Gone,
}

impl Chunks {
    /// Asks for `keys`, chunk by chunk. One member for whose sake AWS refuses its chunk does not spoil the others: the chunk
    /// is split in halves until that one is alone.
    async fn ask<K: Clone + Ord + std::fmt::Display, T>(
        self,
        keys: &[K],
        request: impl AsyncFn(&[K]) -> Result<Found<T>, CallError>,
        key: fn(&T) -> K,
    ) -> Answers<K, T> {
        let request = &request;
        let whole = keys.chunks(self.most).map(|chunk| async move { (chunk, request(chunk).await) });
        let mut told = VecDeque::from(few_at_once(whole).await);
        let (mut answers, mut refused) = (Answers::default(), 0_u32);
        while let Some((piece, answer)) = told.pop_front() {
            let splits = piece.len() > 1 && refused < REFUSED_IN_A_ROW_MAX;
            if !splits || !answer.as_ref().is_err_and(CallError::may_blame_one_member) {
                answers = answers.and(self.accounted(piece, answer, key));
                continue;
            }
            let (first, second) = piece.split_at(piece.len() / 2);
            for half in [first, second] {
                let answer = Box::pin(request(half)).await;
                refused = match &answer {
                    Ok(_) => 0,
                    Err(error) if error.may_blame_one_member() => refused.saturating_add(1),
                    // AWS has other troubles; more requests would only add to them.
                    Err(_) => REFUSED_IN_A_ROW_MAX,
                };
                told.push_back((half, answer));
            }
        }
        answers
    }

    /// Makes sure that every key of a piece is found, absent or unknown, whatever the answer holds or leaves out.
    fn accounted<K: Clone + Ord + std::fmt::Display, T>(
        self,
        piece: &[K],
        answer: Result<Found<T>, CallError>,
        key: fn(&T) -> K,
    ) -> Answers<K, T> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.class() == ErrorClass::Absent && self.gone == Gone::SinceKnown => {
                return Answers { absent: piece.to_vec(), ..Answers::default() };
            }
            Err(error) => return Answers::unknown(piece.to_vec(), error),
        };
        let found: BTreeSet<K> = answer.items.iter().map(key).collect();
        let reason = |key: &K| answer.failures.iter().find(|f| same(&f.arn, key)).map(|f| f.reason.as_str());
        let mut answers = Answers::default();
        for wanted in piece.iter().filter(|key| !found.contains(*key)) {
            match reason(wanted) {
                Some(INACTIVE) => answers.absent.push(wanted.clone()),
                Some(MISSING) if self.gone == Gone::SinceKnown => answers.absent.push(wanted.clone()),
                other => {
                    let what = format!("{wanted}: {}", other.unwrap_or("left out, or without what it must have"));
                    let error = CallError::Incomplete { operation: self.operation, what };
                    answers.unknown.push(Unknown { keys: vec![wanted.clone()], error });
                }
            }
        }
        answers.found = answer.items;
        answers
    }
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
        let answer = Found { items: vec![chunk[0].clone()], failures };

        let chunks = Chunks { operation: "Op", most: 10, gone: Gone::SinceKnown };
        let answers = chunks.accounted(&chunk, Ok(answer.clone()), Clone::clone);

        assert_eq!(answers.found, chunk[..1]);
        assert_eq!(answers.absent, chunk[1..4]);
        let unknown: Vec<_> = answers.unknown.iter().flat_map(|unknown| unknown.keys.clone()).collect();
        assert_eq!(unknown, chunk[4..]);
        let listed = Chunks { gone: Gone::SinceListed, ..chunks }.accounted(&chunk, Ok(answer), Clone::clone);
        assert_eq!(listed.absent, chunk[2..3], "what is listed and MISSING is two answers that disagree");
    }
}

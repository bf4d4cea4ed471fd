//! What AWS has answered in a history: a release needs proof, and this is what proof is made of.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use simulator::world::{ContainerInstance, EcsRequest, Request, Response};

/// Proof waits so long after DRAINING, and between two searches: longer than answers lag. The documented number.
pub(super) const SETTLES: Duration = Duration::from_secs(10);

/// What a list is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum List {
    /// ListTasks: the cluster, the container instance or all of them, and the desired status.
    Tasks(String, Option<String>, Option<String>),
    /// ListContainerInstances: the cluster, and the filter, which names instances, or all of them.
    Search(String, Option<String>),
}

/// A search serves a release for half a minute after its end; reading it takes a while.
const SEARCH_LASTS: Duration = Duration::from_secs(45);

/// When each list began that an invocation read to the end. A list with a page that failed, or without its last one, is none.
#[derive(Debug, Default)]
pub(super) struct Answers {
    begun: BTreeMap<(String, List), Timestamp>,
    whole: BTreeMap<(String, List), Vec<Timestamp>>,
}

impl Answers {
    pub(super) fn take_in(&mut self, client: &str, request: &Request, response: &Response, now: Timestamp) {
        let Response::Arns { next_token, .. } = response else { return };
        let (list, is_first) = match request {
            Request::Ecs(EcsRequest::ListTasks {
                cluster: Some(cluster),
                container_instance,
                desired_status,
                next_token,
                ..
            }) => {
                let list = List::Tasks(cluster.clone(), container_instance.clone(), desired_status.clone());
                (list, next_token.is_none())
            }
            Request::Ecs(EcsRequest::ListContainerInstances {
                cluster: Some(cluster),
                filter,
                status: None,
                next_token,
                ..
            }) => (List::Search(cluster.clone(), filter.clone()), next_token.is_none()),
            _ => return,
        };
        let key = (environment(client).to_owned(), list);
        if is_first {
            self.begun.insert(key.clone(), now);
        }
        if let (None, Some(begun)) = (next_token, self.begun.get(&key)) {
            self.whole.entry(key).or_default().push(*begun);
        }
    }

    /// Whether ECS has listed a container instance's tasks to an invocation, those that are to run and those that are to stop,
    /// since it takes no tasks. For as long as that lasts, such lists serve a release.
    pub(super) fn have_tasks_of(&self, client: &str, known: &ContainerInstance, since: Timestamp) -> bool {
        let is_of = |asked: &Option<String>| asked.as_ref().is_none_or(|asked| asked.ends_with(&known.id));
        ["RUNNING", "STOPPED"].iter().all(|status| {
            self.whole_lists_of(client).any(|(list, begun)| {
                matches!(list, List::Tasks(cluster, container_instance, desired)
                    if names(cluster, &known.cluster)
                        && is_of(container_instance)
                        && desired.as_deref() == Some(*status))
                    && begun.iter().any(|at| *at >= since)
            })
        })
    }

    /// Whether a cluster has answered an invocation's search for an instance twice, far enough apart.
    pub(super) fn have_searches(
        &self,
        client: &str,
        cluster: &str,
        instance_id: &str,
        (since, now): (Timestamp, Timestamp),
    ) -> bool {
        let of_it = |filter: &Option<String>| filter.as_ref().is_none_or(|filter| filter.contains(instance_id));
        let is_it = |list: &List| matches!(list, List::Search(asked, filter) if names(asked, cluster) && of_it(filter));
        let lists = self.whole_lists_of(client).filter(|(list, _)| is_it(list));
        let searches: Vec<_> = lists.flat_map(|(_, begun)| begun).filter(|at| **at >= since).collect();
        let (first, last) = (searches.iter().min(), searches.iter().max());
        first.zip(last).is_some_and(|(first, last)| **last >= **first + SETTLES && **last >= now - SEARCH_LASTS)
    }

    fn whole_lists_of(&self, client: &str) -> impl Iterator<Item = (&List, &Vec<Timestamp>)> {
        self.whole.iter().filter(move |((by, _), _)| by == environment(client)).map(|((_, list), begun)| (list, begun))
    }
}

/// A request names a cluster by its name or its ARN.
fn names(asked: &str, cluster: &str) -> bool {
    asked.rsplit('/').next() == Some(cluster)
}

/// A client is an invocation, named after its environment.
fn environment(client: &str) -> &str {
    client.split('.').next().unwrap_or_default()
}

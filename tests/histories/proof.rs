//! What AWS has answered in a history: a release needs proof, and this is what proof is made of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use simulator::world::{ContainerInstance, EcsRequest, Request, Response};

/// When AWS last answered each question to the end. A page that fails, and one that is not the last, is no answer.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// ListTasks: the cluster, the container instance or all of them, and the desired status.
    tasks: BTreeMap<(String, Option<String>, Option<String>), Timestamp>,
    /// ListContainerInstances: the cluster, and the filter, which names instances.
    searches: BTreeMap<(String, String), Timestamp>,
}

impl Answers {
    pub(super) fn take_in(&mut self, request: &Request, response: &Response, now: Timestamp) {
        let Response::Arns { next_token: None, .. } = response else { return };
        match request {
            Request::Ecs(EcsRequest::ListTasks {
                cluster: Some(cluster), container_instance, desired_status, ..
            }) => {
                self.tasks.insert((cluster.clone(), container_instance.clone(), desired_status.clone()), now);
            }
            Request::Ecs(EcsRequest::ListContainerInstances {
                cluster: Some(cluster), filter: Some(filter), ..
            }) => {
                self.searches.insert((cluster.clone(), filter.clone()), now);
            }
            _ => {}
        }
    }

    /// Whether ECS has listed a container instance's tasks, those that are to run and those that are to stop.
    pub(super) fn have_tasks_of(&self, known: &ContainerInstance, since: Timestamp) -> bool {
        let is_of = |asked: &Option<String>| asked.as_ref().is_none_or(|asked| asked.ends_with(&known.id));
        ["RUNNING", "STOPPED"].iter().all(|status| {
            self.tasks.iter().any(|((cluster, container_instance, desired), at)| {
                *at >= since
                    && names(cluster, &known.cluster)
                    && is_of(container_instance)
                    && desired.as_deref() == Some(*status)
            })
        })
    }

    /// Whether a cluster has answered a search for an instance.
    pub(super) fn have_search(&self, cluster: &str, instance_id: &str, since: Timestamp) -> bool {
        let answers = |((asked, filter), at): (&(String, String), &Timestamp)| {
            *at >= since && names(asked, cluster) && filter.contains(instance_id)
        };
        self.searches.iter().any(answers)
    }
}

/// A request names a cluster by its name or its ARN.
fn names(asked: &str, cluster: &str) -> bool {
    asked.rsplit('/').next() == Some(cluster)
}

//! ListClusters, ListContainerInstances and ListTasks.

use super::{Ecs, filter, ids::bare};
use crate::world::terms::{
    ApiError, Cut, DesiredStatus, MAX_PAGE, Page, Present, Response, STOPPED_TASKS_STAY, Settings, Task, cut,
};

// ECS API reference, ListContainerInstances: status.
const INSTANCE_STATUSES: [&str; 5] = ["ACTIVE", "DRAINING", "REGISTERING", "DEREGISTERING", "REGISTRATION_FAILED"];

impl Ecs {
    pub(crate) fn list_clusters(
        &self,
        present: &Present,
        page: (Option<i32>, Option<&str>),
    ) -> Result<Response, ApiError> {
        let clusters = self.clusters.iter().map(|(name, cluster)| (name.clone(), cluster.arn.clone()));
        arns(present, clusters, "ListClusters", page)
    }

    pub(crate) fn list_instances(
        &self,
        present: &mut Present,
        cluster: &str,
        filter: Option<&str>,
        status: Option<&str>,
        page: (Option<i32>, Option<&str>),
    ) -> Result<Response, ApiError> {
        if let Some(status) = status
            && !INSTANCE_STATUSES.contains(&status)
        {
            return Err(ApiError::invalid_parameter(format!("Unknown container instance status: {status}")));
        }
        let wanted = filter.map(filter::instance_ids).transpose().map_err(ApiError::invalid_parameter)?;
        let then = present.listed_at();
        let instances = (self.container_instances.values())
            .filter(|instance| instance.cluster == cluster && instance.registered_at <= then)
            .filter(|instance| {
                let was = instance.standing_at(then).status;
                // ECS API reference, ListContainerInstances: without a status, all but INACTIVE.
                status.map_or(was != "INACTIVE", |status| was == status)
            })
            .filter(|instance| (wanted.as_ref()).is_none_or(|ids| ids.contains(&instance.instance_id)))
            .map(|instance| (instance.id.clone(), instance.arn.clone()));
        arns(present, instances, &format!("ListContainerInstances {cluster}"), page)
    }

    pub(crate) fn list_tasks(
        &self,
        present: &mut Present,
        cluster: &str,
        container_instance: Option<&str>,
        desired: Option<&str>,
        page: (Option<i32>, Option<&str>),
    ) -> Result<Response, ApiError> {
        // ECS API reference, ListTasks: the default is RUNNING; a desired status of PENDING "doesn't return any results".
        let desired = match desired {
            None | Some("RUNNING") => Some(DesiredStatus::Running),
            Some("STOPPED") => Some(DesiredStatus::Stopped),
            Some("PENDING") => None,
            Some(other) => {
                return Err(ApiError::invalid_parameter(format!("Unknown desired status: {other}")));
            }
        };
        let instance = container_instance.map(|id| bare(id, "container-instance", cluster)).transpose()?;
        let tasks = match instance {
            None => Box::new(self.tasks.values()) as Box<dyn Iterator<Item = &Task>>,
            Some(id) => Box::new(
                (self.instance(cluster, id).into_iter())
                    .flat_map(|instance| &instance.tasks)
                    .filter_map(|id| self.tasks.get(id)),
            ),
        };
        let then = present.listed_at();
        let tasks = tasks
            .filter(|task| task.cluster == cluster && task.created_at <= then)
            .filter(|task| (task.stopped_at).is_none_or(|at| then < at + STOPPED_TASKS_STAY))
            .filter(|task| desired == Some(task.desired_at(then)))
            .map(|task| (task.id.clone(), task.arn.clone()));
        let list = format!("ListTasks {cluster} {instance:?} {desired:?}");
        arns(present, tasks, &list, page)
    }
}

/// A page of ARNs, each with its key.
fn arns(
    present: &Present,
    items: impl IntoIterator<Item = (String, String)>,
    list: &str,
    (max_results, token): (Option<i32>, Option<&str>),
) -> Result<Response, ApiError> {
    let size = max_results.map_or(MAX_PAGE, |max| usize::try_from(max).unwrap_or_default());
    if size > MAX_PAGE {
        // Recorded.
        return Err(ApiError::invalid_parameter(format!("Max results can not be greater than {MAX_PAGE}")));
    }
    if size == 0 {
        return Err(ApiError::invalid_parameter(format!("maxResults must be between 1 and {MAX_PAGE}")));
    }
    let Settings { page_size, empty_pages, .. } = present.settings;
    let wanted = Cut { list, size: size.min(page_size), empty_pages, token };
    let Page { items, next_token } = cut(items, wanted).ok_or_else(|| ApiError::invalid_parameter("Invalid token"))?;
    Ok(Response::Arns { arns: items, next_token })
}

//! The ECS operations.

use super::{
    ApiError, Attribute, ContainerInstance, DesiredStatus, Failure, Request, Response, Task, TaskDescription, World,
    filter,
    pages::{Cut, Page, cut},
    spec::MAX_PAGE,
    task::{STOPPED_TASKS_STAY, StopCause},
};

mod attributes;
mod clusters;
mod protection;

/// The cluster that a request means which names none.
pub(super) const DEFAULT_CLUSTER: &str = "default";

// ECS API reference, DescribeClusters, DescribeCapacityProviders, DescribeContainerInstances, DescribeTasks and GetTaskProtection: up to 100 entries.
const MAX_DESCRIBED: usize = 100;

// ECS API reference, DescribeServices: "You may specify up to 10 services to describe in a single operation."
const MAX_SERVICES: usize = 10;

// ECS API reference, UpdateContainerInstancesState: "A list of up to 10"; the error is "instanceIds can have at most 10 items."
const MAX_UPDATED: usize = 10;

// ECS API reference, ListContainerInstances: status.
const INSTANCE_STATUSES: [&str; 5] = ["ACTIVE", "DRAINING", "REGISTERING", "DEREGISTERING", "REGISTRATION_FAILED"];

impl World {
    pub(super) fn serve_ecs(&mut self, request: &Request) -> Result<Response, ApiError> {
        match request {
            Request::ListClusters { max_results, next_token } => {
                self.list_clusters(*max_results, next_token.as_deref())
            }
            Request::DescribeClusters { clusters } => self.describe_clusters(clusters),
            Request::DescribeCapacityProviders { capacity_providers, max_results, next_token } => {
                self.describe_capacity_providers(capacity_providers, *max_results, next_token.as_deref())
            }
            Request::ListContainerInstances { cluster, filter, status, max_results, next_token } => {
                let cluster = self.cluster(cluster)?;
                let page = (*max_results, next_token.as_deref());
                self.list_instances(&cluster, filter.as_deref(), status.as_deref(), page)
            }
            Request::DescribeContainerInstances { cluster, container_instances } => {
                let cluster = self.cluster(cluster)?;
                self.describe_instances_of(&cluster, container_instances)
            }
            Request::UpdateContainerInstancesState { cluster, container_instances, status } => {
                let cluster = self.cluster(cluster)?;
                self.update_state(&cluster, container_instances, status)
            }
            Request::ListTasks { cluster, container_instance, desired_status, max_results, next_token } => {
                let cluster = self.cluster(cluster)?;
                let page = (*max_results, next_token.as_deref());
                let (instance, desired) = (container_instance.as_deref(), desired_status.as_deref());
                self.list_tasks(&cluster, instance, desired, page)
            }
            Request::DescribeTasks { cluster, tasks } => {
                let cluster = self.cluster(cluster)?;
                self.describe_tasks(&cluster, tasks)
            }
            Request::GetTaskProtection { cluster: None, .. } => {
                // ECS API reference, GetTaskProtection: cluster is required.
                Err(ApiError::invalid_parameter("Cluster cannot be empty."))
            }
            Request::GetTaskProtection { cluster, tasks } => {
                let cluster = self.cluster(cluster)?;
                self.task_protection(&cluster, tasks)
            }
            Request::StopTask { cluster, task, reason } => {
                let cluster = self.cluster(cluster)?;
                self.stop_task(&cluster, task, reason.as_deref())
            }
            Request::DescribeServices { cluster, services } => {
                let cluster = self.cluster(cluster)?;
                self.describe_services(&cluster, services)
            }
            Request::PutAttributes { cluster, attributes } => {
                let cluster = self.cluster(cluster)?;
                self.put_attributes(&cluster, attributes)
            }
            Request::DeleteAttributes { cluster, attributes } => {
                let cluster = self.cluster(cluster)?;
                self.delete_attributes(&cluster, attributes)
            }
            _ => Err(ApiError::new("UnknownOperationException", "Not an ECS operation")),
        }
    }

    fn list_clusters(&self, max: Option<i32>, token: Option<&str>) -> Result<Response, ApiError> {
        let clusters = (self.clusters.iter()).map(|(name, c)| (name.clone(), c.arn.clone()));
        self.arns(clusters, "ListClusters", (max, token))
    }

    fn list_instances(
        &self,
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
        let then = self.listed_at();
        let instances = (self.container_instances.values())
            .filter(|instance| instance.cluster == cluster && instance.registered_at <= then)
            .filter(|instance| {
                let was = instance.status_at(then);
                // ECS API reference, ListContainerInstances: without a status, all but INACTIVE.
                status.map_or(was != "INACTIVE", |status| was == status)
            })
            .filter(|instance| (wanted.as_ref()).is_none_or(|ids| ids.contains(&instance.instance_id)))
            .map(|instance| (instance.id.clone(), instance.arn.clone()));
        self.arns(instances, &format!("ListContainerInstances {cluster}"), page)
    }

    fn describe_instances_of(&self, cluster: &str, ids: &[String]) -> Result<Response, ApiError> {
        check_count(ids, MAX_DESCRIBED, "Container instances")?;
        let (mut container_instances, mut failures) = (Vec::new(), Vec::new());
        for id in ids {
            let id = bare(id, "container-instance", cluster)?;
            match self.instance(cluster, id) {
                Some(instance) => container_instances.push(self.describe(instance)),
                None => failures.push(self.missing("container-instance", cluster, id)),
            }
        }
        Ok(Response::ContainerInstances { container_instances, failures })
    }

    fn update_state(&mut self, cluster: &str, ids: &[String], status: &str) -> Result<Response, ApiError> {
        if ids.len() > MAX_UPDATED {
            return Err(ApiError::invalid_parameter(format!("instanceIds can have at most {MAX_UPDATED} items.")));
        }
        check_count(ids, MAX_UPDATED, "Container instances")?;
        // ECS API reference, UpdateContainerInstancesState: "The only valid values for this action are ACTIVE and DRAINING."
        if !matches!(status, "ACTIVE" | "DRAINING") {
            return Err(ApiError::invalid_parameter(format!("Container instances cannot be set to {status}")));
        }
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for id in ids {
            let id = bare(id, "container-instance", cluster)?;
            match self.instance(cluster, id) {
                None => failures.push(self.missing("container-instance", cluster, id)),
                Some(instance) if instance.status == "INACTIVE" => {
                    failures.push(Failure { arn: instance.arn.clone(), reason: "INACTIVE".to_owned() })
                }
                Some(instance) if matches!(instance.status.as_str(), "ACTIVE" | "DRAINING") => {
                    found.push(id.to_owned());
                }
                // ECS API reference, UpdateContainerInstancesState: REGISTERING, DEREGISTERING and REGISTRATION_FAILED cannot be updated.
                Some(instance) => {
                    return Err(ApiError::invalid_parameter(format!(
                        "Container instance {} is {}",
                        instance.arn, instance.status
                    )));
                }
            }
        }
        for id in &found {
            self.change_status(id, status);
        }
        let container_instances = (found.iter())
            .filter_map(|id| self.container_instances.get(id))
            .map(|instance| self.describe(instance))
            .collect();
        Ok(Response::ContainerInstances { container_instances, failures })
    }

    fn list_tasks(
        &self,
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
        let then = self.listed_at();
        let tasks = tasks
            .filter(|task| task.cluster == cluster && task.created_at <= then)
            .filter(|task| (task.stopped_at).is_none_or(|at| then < at + STOPPED_TASKS_STAY))
            .filter(|task| {
                let stopping = task.stopping_at.is_some_and(|at| at <= then);
                desired == Some(if stopping { DesiredStatus::Stopped } else { DesiredStatus::Running })
            })
            .map(|task| (task.id.clone(), task.arn.clone()));
        let list = format!("ListTasks {cluster} {instance:?} {desired:?}");
        self.arns(tasks, &list, page)
    }

    fn describe_tasks(&self, cluster: &str, ids: &[String]) -> Result<Response, ApiError> {
        check_count(ids, MAX_DESCRIBED, "Tasks")?;
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for id in ids {
            let id = bare(id, "task", cluster)?;
            match self.task_in(cluster, id) {
                Some(task) => tasks.push(self.describe_task(task)),
                None => failures.push(self.missing("task", cluster, id)),
            }
        }
        Ok(Response::Tasks { tasks, failures })
    }

    fn stop_task(&mut self, cluster: &str, id: &str, reason: Option<&str>) -> Result<Response, ApiError> {
        let id = bare(id, "task", cluster)?;
        // ECS API reference, StopTask: InvalidParameterException; the message is the service's own.
        let not_found = || ApiError::invalid_parameter("The referenced task was not found.");
        self.task_in(cluster, id).ok_or_else(not_found)?;
        self.stop(id, StopCause::User(reason));
        let task = self.task_in(cluster, id).ok_or_else(not_found)?;
        Ok(Response::Task(Box::new(self.describe_task(task))))
    }

    fn describe_services(&self, cluster: &str, names: &[String]) -> Result<Response, ApiError> {
        check_count(names, MAX_SERVICES, "Services")?;
        let (mut services, mut failures) = (Vec::new(), Vec::new());
        for name in names {
            let name = bare(name, "service", cluster)?;
            match self.describe_service(cluster, name) {
                Some(service) => services.push(service),
                None => failures.push(self.missing("service", cluster, name)),
            }
        }
        Ok(Response::Services { services, failures })
    }

    // ECS API reference, Task.launchType.
    fn launch_type(&self, instance_id: &str) -> &'static str {
        if self.hosts.get(instance_id).is_some_and(|host| host.is_managed) { "MANAGED_INSTANCES" } else { "EC2" }
    }

    fn describe_task(&self, task: &Task) -> TaskDescription {
        let family = match &task.owner {
            super::Owner::Service { name, .. } => name,
            super::Owner::Standalone { family } => family,
        };
        TaskDescription {
            task_arn: task.arn.clone(),
            cluster_arn: (self.clusters.get(&task.cluster)).map(|cluster| cluster.arn.clone()).unwrap_or_default(),
            container_instance_arn: (self.container_instances.get(&task.container_instance))
                .map(|instance| instance.arn.clone())
                .unwrap_or_default(),
            task_definition_arn: self.arn("ecs", &format!("task-definition/{family}:1")),
            group: task.group(),
            started_by: match &task.owner {
                super::Owner::Service { deployment, .. } => Some(deployment.clone()),
                super::Owner::Standalone { .. } => None,
            },
            launch_type: self.launch_type(&task.instance_id),
            last_status: task.last_status,
            desired_status: task.desired_status,
            created_at: task.created_at,
            started_at: task.started_at,
            stopping_at: task.stopping_at,
            execution_stopped_at: task.execution_stopped_at,
            stopped_at: task.stopped_at,
            stopped_reason: task.stopped_reason.clone(),
            stop_code: task.stop_code.clone(),
            version: task.version,
        }
    }

    /// The name of the cluster a request means.
    fn cluster(&self, named: &Option<String>) -> Result<String, ApiError> {
        let named = named.as_deref().unwrap_or(DEFAULT_CLUSTER);
        (self.clusters.iter())
            .find(|(name, cluster)| *name == named || cluster.arn == named)
            .map(|(name, _)| name.clone())
            .ok_or_else(|| ApiError::new("ClusterNotFoundException", "Cluster not found."))
    }

    fn instance(&self, cluster: &str, id: &str) -> Option<&ContainerInstance> {
        (self.container_instances.get(id)).filter(|instance| instance.cluster == cluster)
    }

    /// A task that ECS still tells of.
    fn task_in(&self, cluster: &str, id: &str) -> Option<&Task> {
        (self.tasks.get(id))
            .filter(|task| task.cluster == cluster)
            .filter(|task| (task.stopped_at).is_none_or(|at| self.now < at + STOPPED_TASKS_STAY))
    }

    // ECS developer guide, "API failure reasons".
    fn missing(&self, kind: &str, cluster: &str, id: &str) -> Failure {
        Failure { arn: self.arn("ecs", &format!("{kind}/{cluster}/{id}")), reason: "MISSING".to_owned() }
    }

    fn arns(
        &self,
        items: impl IntoIterator<Item = (String, String)>,
        list: &str,
        (max_results, token): (Option<i32>, Option<&str>),
    ) -> Result<Response, ApiError> {
        let size = match max_results {
            None => MAX_PAGE,
            // Recorded.
            Some(max) if usize::try_from(max).is_ok_and(|max| max > MAX_PAGE) => {
                let message = format!("Max results can not be greater than {MAX_PAGE}");
                return Err(ApiError::invalid_parameter(message));
            }
            Some(max) => usize::try_from(max)
                .ok()
                .filter(|max| (1..=MAX_PAGE).contains(max))
                .ok_or_else(|| ApiError::invalid_parameter(format!("maxResults must be between 1 and {MAX_PAGE}")))?,
        };
        let wanted =
            Cut { list, size: size.min(self.settings.page_size), empty_pages: self.settings.empty_pages, token };
        let Page { items, next_token } =
            cut(items, wanted).ok_or_else(|| ApiError::invalid_parameter("Invalid token"))?;
        Ok(Response::Arns { arns: items, next_token })
    }
}

fn check_count(ids: &[String], most: usize, what: &str) -> Result<(), ApiError> {
    if ids.is_empty() {
        return Err(ApiError::invalid_parameter(format!("{what} cannot be empty.")));
    }
    if ids.len() > most {
        return Err(ApiError::invalid_parameter(format!("{what} can have at most {most} items.")));
    }
    Ok(())
}

/// The bare id of a resource that is named by an id or an ARN.
fn bare<'a>(id: &'a str, kind: &str, cluster: &str) -> Result<&'a str, ApiError> {
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

/// A custom attribute as it is described.
fn described(name: &str, value: Option<&str>) -> Attribute {
    Attribute { name: name.to_owned(), value: value.map(str::to_owned), target_type: None, target_id: None }
}

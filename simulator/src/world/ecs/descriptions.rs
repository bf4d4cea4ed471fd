//! Container instances, tasks and services: what ECS tells of them, and the requests that change them.

use super::{
    Ecs,
    container_instance::{ContainerInstance, Standing},
    ids::{MAX_DESCRIBED, bare, check_count, check_most, each},
};
use jiff::Timestamp;

use crate::world::terms::{
    ApiError, ContainerInstanceDescription, DesiredStatus, Failure, Owner, Present, Response, ServiceDescription,
    ServiceKind, ServiceSpec, Settings, StopCause, Task, TaskDescription,
};

// ECS API reference, DescribeServices: "You may specify up to 10 services to describe in a single operation."
const MAX_SERVICES: usize = 10;

// ECS API reference, UpdateContainerInstancesState: "A list of up to 10"; the error is "instanceIds can have at most 10 items."
const MAX_UPDATED: usize = 10;

impl Ecs {
    pub(crate) fn describe_instances_of(
        &self,
        present: &mut Present,
        cluster: &str,
        ids: &[String],
    ) -> Result<Response, ApiError> {
        check_count(ids, MAX_DESCRIBED, "Container instances")?;
        let then = present.described_at();
        let find = |id| {
            let known = self.instance(cluster, id).filter(|it| it.registered_at <= then);
            known.map(|it| Ok(self.describe(it, then)))
        };
        let (container_instances, failures) = each(present, cluster, "container-instance", ids, find)?;
        Ok(Response::ContainerInstances { container_instances, failures })
    }

    pub(crate) fn update_state(
        &mut self,
        present: &mut Present,
        cluster: &str,
        ids: &[String],
        status: &str,
    ) -> Result<Response, ApiError> {
        check_most(ids, MAX_UPDATED, "instanceIds")?;
        check_count(ids, MAX_UPDATED, "Container instances")?;
        // ECS API reference, UpdateContainerInstancesState: "The only valid values for this action are ACTIVE and DRAINING."
        if !matches!(status, "ACTIVE" | "DRAINING") {
            return Err(ApiError::invalid_parameter(format!("Container instances cannot be set to {status}")));
        }
        let find = |id| match self.instance(cluster, id)? {
            ContainerInstance { status, arn, .. } if status == "INACTIVE" => {
                Some(Err(Failure { arn: arn.clone(), reason: "INACTIVE".to_owned() }))
            }
            instance => Some(Ok(instance)),
        };
        let (found, failures) = each(present, cluster, "container-instance", ids, find)?;
        // ECS API reference, UpdateContainerInstancesState: REGISTERING, DEREGISTERING and REGISTRATION_FAILED cannot be updated.
        if let Some(it) = found.iter().find(|it| !matches!(it.status.as_str(), "ACTIVE" | "DRAINING")) {
            // Its errors are these two for what the client asks wrongly; which one it is, is not said.
            let code = if present.is_heads() { "ClientException" } else { "InvalidParameterException" };
            return Err(ApiError::new(code, format!("Container instance {} is {}", it.arn, it.status)));
        }
        let found: Vec<String> = found.into_iter().map(|it| it.id.clone()).collect();
        let before = self.describe_all(&found, present.described_at());
        for id in &found {
            self.change_status(present, id, status);
        }
        let lags = present.settings.write_answers_lag;
        let container_instances = if lags { before } else { self.describe_all(&found, present.now) };
        Ok(Response::ContainerInstances { container_instances, failures })
    }

    pub(crate) fn describe_tasks(
        &self,
        present: &mut Present,
        cluster: &str,
        ids: &[String],
    ) -> Result<Response, ApiError> {
        check_count(ids, MAX_DESCRIBED, "Tasks")?;
        let then = present.described_at();
        let find =
            |id| self.task_in(then, cluster, id).map(|task| Ok(self.describe_task(&present.settings, task, then)));
        let (tasks, failures) = each(present, cluster, "task", ids, find)?;
        Ok(Response::Tasks { tasks, failures })
    }

    pub(crate) fn stop_task(
        &mut self,
        present: &mut Present,
        cluster: &str,
        id: &str,
        reason: Option<&str>,
    ) -> Result<Response, ApiError> {
        let id = bare(id, "task", cluster)?;
        // ECS API reference, StopTask: InvalidParameterException; the message is the service's own.
        let not_found = || ApiError::invalid_parameter("The referenced task was not found.");
        let task = self.task_in(present.now, cluster, id).ok_or_else(not_found)?;
        let then = present.described_at();
        let before = self.describe_task(&present.settings, task, then);
        self.stop(present, id, StopCause::User(reason));
        if present.settings.write_answers_lag {
            return Ok(Response::Task(Box::new(before)));
        }
        let task = self.task_in(present.now, cluster, id).ok_or_else(not_found)?;
        Ok(Response::Task(Box::new(self.describe_task(&present.settings, task, present.now))))
    }

    pub(crate) fn describe_services(
        &self,
        present: &Present,
        cluster: &str,
        names: &[String],
    ) -> Result<Response, ApiError> {
        check_count(names, MAX_SERVICES, "Services")?;
        let find = |name| self.describe_service(present, cluster, name).map(Ok);
        let (services, failures) = each(present, cluster, "service", names, find)?;
        Ok(Response::Services { services, failures })
    }

    // ECS API reference, Task.launchType.
    fn launch_type(&self, instance_id: &str) -> &'static str {
        if self.hosts.get(instance_id).is_some_and(|host| host.is_managed) { "MANAGED_INSTANCES" } else { "EC2" }
    }

    /// A task as it was then.
    fn describe_task(&self, settings: &Settings, task: &Task, then: Timestamp) -> TaskDescription {
        let (last_status, version) = task.standing_at(then);
        let past = |at: Option<Timestamp>| at.filter(|at| *at <= then);
        let stops = task.desired_at(then) == DesiredStatus::Stopped;
        let family = match &task.owner {
            Owner::Service { name, .. } => name,
            Owner::Standalone { family } => family,
        };
        TaskDescription {
            task_arn: task.arn.clone(),
            cluster_arn: (self.clusters.get(&task.cluster)).map(|cluster| cluster.arn.clone()).unwrap_or_default(),
            container_instance_arn: (self.container_instances.get(&task.container_instance))
                .map(|instance| instance.arn.clone())
                .unwrap_or_default(),
            task_definition_arn: settings.arn("ecs", &format!("task-definition/{family}:1")),
            group: task.group(),
            started_by: match &task.owner {
                Owner::Service { deployment, .. } => Some(deployment.clone()),
                Owner::Standalone { .. } => None,
            },
            launch_type: self.launch_type(&task.instance_id),
            last_status,
            desired_status: task.desired_at(then),
            created_at: task.created_at,
            started_at: past(task.started_at),
            stopping_at: past(task.stopping_at),
            execution_stopped_at: past(task.execution_stopped_at),
            stopped_at: past(task.stopped_at),
            stopped_reason: task.stopped_reason.clone().filter(|_| stops),
            stop_code: task.stop_code.clone().filter(|_| stops),
            version,
        }
    }

    /// A service as DescribeServices tells of it.
    pub(crate) fn describe_service(&self, present: &Present, cluster: &str, name: &str) -> Option<ServiceDescription> {
        let state = self.service(cluster, name)?;
        let ServiceSpec { kind, minimum_healthy_percent, maximum_percent, .. } = state.spec;
        let (pending, running): (Vec<&Task>, Vec<&Task>) =
            self.alive_tasks(cluster, name).into_iter().partition(|task| task.is_pending());
        Some(ServiceDescription {
            service_arn: present.settings.arn("ecs", &format!("service/{cluster}/{name}")),
            service_name: name.to_owned(),
            cluster_arn: self.clusters.get(cluster)?.arn.clone(),
            scheduling_strategy: match kind {
                ServiceKind::Daemon => "DAEMON",
                ServiceKind::Replica => "REPLICA",
            },
            desired_count: self.wanted(cluster, state),
            running_count: running.len(),
            pending_count: pending.len(),
            minimum_healthy_percent,
            maximum_percent,
            events: state.events.to_vec(),
        })
    }

    fn describe_all(&self, ids: &[String], then: Timestamp) -> Vec<ContainerInstanceDescription> {
        let found = ids.iter().filter_map(|id| self.container_instances.get(id));
        found.map(|instance| self.describe(instance, then)).collect()
    }

    /// How a container instance was described then.
    pub(crate) fn describe(&self, instance: &ContainerInstance, then: Timestamp) -> ContainerInstanceDescription {
        let Standing { status, agent_connected, version } = instance.standing_at(then);
        // ECS API reference, ContainerInstance: both count desired state, so a task that got SIGTERM is in neither.
        let (mut running_tasks_count, mut pending_tasks_count) = (0, instance.pending_miscount);
        for task in instance.tasks.iter().filter_map(|id| self.tasks.get(id)).filter(|task| task.created_at <= then) {
            if task.desired_at(then) == DesiredStatus::Running {
                let is_pending = task.standing_at(then).0.is_pending();
                pending_tasks_count += i64::from(is_pending);
                running_tasks_count += i64::from(!is_pending);
            }
        }
        ContainerInstanceDescription {
            container_instance_arn: instance.arn.clone(),
            ec2_instance_id: instance.instance_id.clone(),
            version,
            status,
            agent_connected,
            running_tasks_count,
            pending_tasks_count,
            attributes: self.attributes(instance),
            registered_at: instance.registered_at,
        }
    }
}

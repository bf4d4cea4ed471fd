//! The AWS port over the simulator's model, in virtual time: what the SDK's clients are over HTTP.

use std::cell::RefCell;
use std::rc::Rc;

use jiff::Timestamp;
use shared::aws::{
    AutoScalingGroup, AutoScalingInstance, CallError, Calls, ContainerInstance, DesiredStatus, Failure, Found,
    InstanceStatus, LifecycleActionResult, LifecycleHook, Page, ScalingActivity, Service, Task, TaskProtection,
};
use shared::clock::Clock;
use shared::ids::{ClusterName, ContainerInstanceArn, GroupName, HookName, InstanceId, ServiceName, TaskArn};
use simulator::world::{
    AutoScalingRequest, ContainerInstanceDescription, EcsRequest, ProtectedTask, Reply, Request, RequestError,
    Response, ServiceDescription, TaskDescription, Transition, World,
};

/// Sees each request at the moment the world does, whatever becomes of the answer.
pub(crate) trait Witness {
    /// The request, who sends it, and the world that it is sent to.
    fn before(&mut self, world: &World, client: &str, request: &Request);
    /// What came of it.
    fn after(&mut self, world: &World, client: &str, request: &Request, reply: &Reply);
}

/// A world, and the clock by which it is asked.
pub(crate) struct Model {
    world: Rc<RefCell<World>>,
    clock: Clock,
    client: String,
    witness: Option<Rc<RefCell<dyn Witness>>>,
    twist: Option<Box<Twist>>,
}

/// What becomes of an answer on its way.
type Twist = dyn Fn(&mut Response, Timestamp);

impl Model {
    /// Its clock starts now, at the world's time.
    pub(crate) fn of(world: World) -> Self {
        let clock = Clock::starting_at(world.now());
        Self { world: Rc::new(RefCell::new(world)), clock, client: "drainer".into(), witness: None, twist: None }
    }

    /// The same world, asked under another name.
    pub(crate) fn asked_by(&self, client: String) -> Self {
        Self { world: self.world.clone(), clock: self.clock, client, witness: self.witness.clone(), twist: None }
    }

    pub(crate) fn watched_by(self, witness: Rc<RefCell<dyn Witness>>) -> Self {
        Self { witness: Some(witness), ..self }
    }

    /// Answers reach the drainer as `twist` leaves them, given the time.
    pub(crate) fn twisted_by(self, twist: impl Fn(&mut Response, Timestamp) + 'static) -> Self {
        Self { twist: Some(Box::new(twist)), ..self }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Looks at the world, or changes it, at the present time.
    pub(crate) fn world<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.borrow_mut();
        world.advance(self.clock.now());
        f(&mut world)
    }

    async fn ask(&self, request: impl Into<Request>) -> Result<Response, CallError> {
        let request = request.into();
        let operation = request.operation().name();
        let mut reply = self.world(|world| {
            if let Some(witness) = &self.witness {
                witness.borrow_mut().before(world, &self.client, &request);
            }
            let reply = world.request(self.clock.now(), &self.client, request.clone());
            if let Some(witness) = &self.witness {
                witness.borrow_mut().after(world, &self.client, &request, &reply);
            }
            reply
        });
        if let (Some(twist), Ok(response)) = (&self.twist, &mut reply.answer) {
            twist(response, self.clock.now());
        }
        tokio::time::sleep(reply.delay).await;
        assert!(reply.edit.is_none(), "only the wire edits an answer");
        reply.answer.map_err(|error| match error {
            RequestError::Api(error) => CallError::Refused { operation, code: error.code, message: error.message },
            RequestError::ConnectionLost => CallError::NoAnswer { operation, source: "the connection was lost".into() },
        })
    }
}

/// The answer's shape is the model's own business; another one would be its mistake.
macro_rules! answer {
    ($response:expr, $shape:pat => $value:expr) => {
        match $response {
            $shape => Ok($value),
            other => panic!("an answer of another shape: {other:?}"),
        }
    };
}

impl Model {
    async fn container_instances(&self, request: EcsRequest) -> Result<Page<ContainerInstanceArn>, CallError> {
        answer!(self.ask(request).await?, Response::Arns { arns, next_token } => {
            Page { items: arns.into_iter().map(Into::into).collect(), next_token }
        })
    }

    async fn update_state(
        &self,
        cluster: &ClusterName,
        arns: &[ContainerInstanceArn],
        status: &str,
    ) -> Result<Found<ContainerInstance>, CallError> {
        let request = EcsRequest::UpdateContainerInstancesState {
            cluster: Some(cluster.to_string()),
            container_instances: arns.iter().map(ToString::to_string).collect(),
            status: status.into(),
        };
        Ok(container_instances_of(self.ask(request).await?))
    }
}

impl Calls for Model {
    async fn list_clusters(&self, token: Option<String>) -> Result<Page<ClusterName>, CallError> {
        let request = EcsRequest::ListClusters { max_results: None, next_token: token };
        answer!(self.ask(request).await?, Response::Arns { arns, next_token } => {
            Page { items: arns.iter().map(|arn| ClusterName::parse(arn).unwrap()).collect(), next_token }
        })
    }

    async fn list_container_instances(
        &self,
        cluster: &ClusterName,
        filter: Option<&str>,
        token: Option<String>,
    ) -> Result<Page<ContainerInstanceArn>, CallError> {
        self.container_instances(EcsRequest::ListContainerInstances {
            cluster: Some(cluster.to_string()),
            filter: filter.map(Into::into),
            status: None,
            max_results: None,
            next_token: token,
        })
        .await
    }

    async fn list_draining_container_instances(
        &self,
        cluster: &ClusterName,
        token: Option<String>,
    ) -> Result<Page<ContainerInstanceArn>, CallError> {
        let status = Some("DRAINING".into());
        self.container_instances(EcsRequest::ListContainerInstances {
            cluster: Some(cluster.to_string()),
            filter: None,
            status,
            max_results: None,
            next_token: token,
        })
        .await
    }

    async fn describe_container_instances(
        &self,
        cluster: &ClusterName,
        arns: &[ContainerInstanceArn],
    ) -> Result<Found<ContainerInstance>, CallError> {
        let container_instances = arns.iter().map(ToString::to_string).collect();
        let request =
            EcsRequest::DescribeContainerInstances { cluster: Some(cluster.to_string()), container_instances };
        Ok(container_instances_of(self.ask(request).await?))
    }

    async fn set_draining(
        &self,
        cluster: &ClusterName,
        arns: &[ContainerInstanceArn],
    ) -> Result<Found<ContainerInstance>, CallError> {
        self.update_state(cluster, arns, "DRAINING").await
    }

    async fn set_active(
        &self,
        cluster: &ClusterName,
        arns: &[ContainerInstanceArn],
    ) -> Result<Found<ContainerInstance>, CallError> {
        self.update_state(cluster, arns, "ACTIVE").await
    }

    async fn list_tasks(
        &self,
        cluster: &ClusterName,
        container_instance: Option<&ContainerInstanceArn>,
        desired: DesiredStatus,
        token: Option<String>,
    ) -> Result<Page<TaskArn>, CallError> {
        let request = EcsRequest::ListTasks {
            cluster: Some(cluster.to_string()),
            container_instance: container_instance.map(ToString::to_string),
            desired_status: Some(desired.as_str().into()),
            max_results: None,
            next_token: token,
        };
        answer!(self.ask(request).await?, Response::Arns { arns, next_token } => {
            Page { items: arns.into_iter().map(Into::into).collect(), next_token }
        })
    }

    async fn describe_tasks(&self, cluster: &ClusterName, arns: &[TaskArn]) -> Result<Found<Task>, CallError> {
        let tasks = arns.iter().map(ToString::to_string).collect();
        let request = EcsRequest::DescribeTasks { cluster: Some(cluster.to_string()), tasks };
        answer!(self.ask(request).await?, Response::Tasks { tasks, failures } => {
            Found { items: tasks.into_iter().map(task).collect(), failures: failures.into_iter().map(failure).collect() }
        })
    }

    async fn stop_task(&self, cluster: &ClusterName, arn: &TaskArn, reason: &str) -> Result<Task, CallError> {
        let reason = Some(reason.into());
        let request = EcsRequest::StopTask { cluster: Some(cluster.to_string()), task: arn.to_string(), reason };
        answer!(self.ask(request).await?, Response::Task(described) => task(*described))
    }

    async fn describe_services(
        &self,
        cluster: &ClusterName,
        names: &[ServiceName],
    ) -> Result<Found<Service>, CallError> {
        let services = names.iter().map(ToString::to_string).collect();
        let request = EcsRequest::DescribeServices { cluster: Some(cluster.to_string()), services };
        answer!(self.ask(request).await?, Response::Services { services, failures } => {
            let service = |it: ServiceDescription| Service {
                name: it.service_name.into(),
                is_daemon: it.scheduling_strategy == "DAEMON",
                desired: u32::try_from(it.desired_count).unwrap(),
                minimum_healthy_percent: Some(it.minimum_healthy_percent),
                maximum_percent: Some(it.maximum_percent),
                events: it.events.into_iter().map(|event| (event.created_at, event.message)).collect(),
            };
            Found {
                items: services.into_iter().map(service).collect(),
                failures: failures.into_iter().map(failure).collect(),
            }
        })
    }

    async fn get_task_protection(
        &self,
        cluster: &ClusterName,
        arns: &[TaskArn],
    ) -> Result<Found<TaskProtection>, CallError> {
        let tasks = arns.iter().map(ToString::to_string).collect();
        let request = EcsRequest::GetTaskProtection { cluster: Some(cluster.to_string()), tasks };
        answer!(self.ask(request).await?, Response::TaskProtection { protected_tasks, failures } => {
            let item = |it: ProtectedTask| TaskProtection { task: it.task_arn.into(), until: it.expiration_date };
            Found {
                items: protected_tasks.into_iter().map(item).collect(),
                failures: failures.into_iter().map(failure).collect(),
            }
        })
    }

    async fn describe_auto_scaling_instances(
        &self,
        ids: &[InstanceId],
        token: Option<String>,
    ) -> Result<Page<Result<AutoScalingInstance, Failure>>, CallError> {
        let instance_ids = ids.iter().map(ToString::to_string).collect();
        let request =
            AutoScalingRequest::DescribeAutoScalingInstances { instance_ids, max_records: None, next_token: token };
        answer!(self.ask(request).await?, Response::AutoScalingInstances { instances, next_token } => {
            Page { items: instances.into_iter().map(auto_scaling_instance).map(Ok).collect(), next_token }
        })
    }

    async fn describe_auto_scaling_groups(&self, token: Option<String>) -> Result<Page<AutoScalingGroup>, CallError> {
        let request =
            AutoScalingRequest::DescribeAutoScalingGroups { names: vec![], max_records: None, next_token: token };
        answer!(self.ask(request).await?, Response::AutoScalingGroups { groups, next_token } => {
            let item = |group: simulator::world::AutoScalingGroup| AutoScalingGroup {
                name: group.name.into(),
                instances: group.instances.into_iter().map(auto_scaling_instance).collect(),
                warm_pool_size: u32::try_from(group.warm_pool_size.unwrap_or_default()).unwrap(),
                retains: group.terminate_hook_abandon == "retain",
            };
            Page { items: groups.into_iter().map(item).collect(), next_token }
        })
    }

    async fn describe_warm_pool(
        &self,
        group: &GroupName,
        token: Option<String>,
    ) -> Result<Page<AutoScalingInstance>, CallError> {
        let request =
            AutoScalingRequest::DescribeWarmPool { group: group.to_string(), max_records: None, next_token: token };
        answer!(self.ask(request).await?, Response::WarmPool { instances, next_token, .. } => {
            Page { items: instances.into_iter().map(auto_scaling_instance).collect(), next_token }
        })
    }

    async fn describe_scaling_activities(
        &self,
        group: &GroupName,
        since: Timestamp,
        token: Option<String>,
    ) -> Result<Page<ScalingActivity>, CallError> {
        let request = AutoScalingRequest::DescribeScalingActivities {
            group: Some(group.to_string()),
            start_time_lower_bound: Some(since),
            max_records: Some(100),
            next_token: token,
        };
        answer!(self.ask(request).await?, Response::ScalingActivities { activities, next_token } => {
            let item = |it: simulator::world::ScalingActivity| ScalingActivity {
                description: it.description,
                started_at: it.start_time,
                is_over: it.end_time.is_some(),
                cause: it.cause,
            };
            Page { items: activities.into_iter().map(item).collect(), next_token }
        })
    }

    async fn describe_lifecycle_hooks(&self, group: &GroupName) -> Result<Vec<LifecycleHook>, CallError> {
        let request = AutoScalingRequest::DescribeLifecycleHooks { group: group.to_string(), hook_names: vec![] };
        answer!(self.ask(request).await?, Response::LifecycleHooks(hooks) => {
            let item = |hook: simulator::world::LifecycleHook| LifecycleHook {
                name: hook.name.into(),
                on_termination: hook.transition == Transition::Terminating,
                heartbeat_timeout: std::time::Duration::from_secs(hook.heartbeat_timeout),
                notification_metadata: hook.notification_metadata,
            };
            hooks.into_iter().map(item).collect()
        })
    }

    async fn complete_lifecycle_action(
        &self,
        group: &GroupName,
        hook: &HookName,
        instance: &InstanceId,
        result: LifecycleActionResult,
    ) -> Result<(), CallError> {
        let request = AutoScalingRequest::CompleteLifecycleAction {
            group: group.to_string(),
            hook: hook.to_string(),
            instance_id: Some(instance.to_string()),
            token: None,
            result: result.as_str().into(),
        };
        self.ask(request).await.map(drop)
    }

    async fn record_lifecycle_action_heartbeat(
        &self,
        group: &GroupName,
        hook: &HookName,
        instance: &InstanceId,
    ) -> Result<(), CallError> {
        let request = AutoScalingRequest::RecordLifecycleActionHeartbeat {
            group: group.to_string(),
            hook: hook.to_string(),
            instance_id: Some(instance.to_string()),
            token: None,
        };
        self.ask(request).await.map(drop)
    }
}

fn auto_scaling_instance(found: simulator::world::AutoScalingInstance) -> AutoScalingInstance {
    AutoScalingInstance {
        instance: InstanceId::parse(&found.instance_id).unwrap(),
        group: found.group.into(),
        lifecycle_state: found.lifecycle_state,
        unhealthy: !found.health_status.eq_ignore_ascii_case("healthy"),
    }
}

fn container_instances_of(response: Response) -> Found<ContainerInstance> {
    let Response::ContainerInstances { container_instances, failures } = response else {
        panic!("an answer of another shape: {response:?}")
    };
    let item = |found: ContainerInstanceDescription| {
        Some(ContainerInstance {
            arn: found.container_instance_arn.into(),
            instance: InstanceId::parse(&found.ec2_instance_id),
            version: found.version,
            status: InstanceStatus::from(found.status.as_str()),
            agent_connected: found.agent_connected,
            running_tasks: u32::try_from(found.running_tasks_count).unwrap_or_default(),
            pending_tasks: u32::try_from(found.pending_tasks_count).unwrap_or_default(),
            attributes: found.attributes.into_iter().filter_map(|a| Some((a.name, a.value?))).collect(),
        })
    };
    Found {
        items: container_instances.into_iter().filter_map(item).collect(),
        failures: failures.into_iter().map(failure).collect(),
    }
}

fn task(found: TaskDescription) -> Task {
    Task {
        arn: found.task_arn.into(),
        version: found.version,
        container_instance: Some(found.container_instance_arn.into()),
        last_status: found.last_status.to_string(),
        desired_status: found.desired_status.to_string(),
        group: found.group,
        started_by: found.started_by.unwrap_or_default(),
        stopping_at: found.stopping_at,
        stopped_at: found.stopped_at,
        stopped_reason: found.stopped_reason.unwrap_or_default(),
        is_managed: found.launch_type == "MANAGED_INSTANCES",
    }
}

fn failure(failure: simulator::world::Failure) -> Failure {
    Failure { arn: failure.arn, reason: failure.reason }
}

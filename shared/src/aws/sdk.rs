//! [`Calls`] over the AWS SDK.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_autoscaling as autoscaling;
use aws_sdk_ecs as ecs;
use aws_smithy_runtime_api::client::retries::classifiers::RetryClassifierPriority;
use ecs::config::interceptors::InterceptorContext;
use ecs::config::retry::{ClassifyRetry, RetryAction};
use ecs::error::{ProvideErrorMetadata, SdkError};
use ecs::operation::list_container_instances::builders::ListContainerInstancesFluentBuilder;
use ecs::types as model;
use jiff::Timestamp;

use super::connection::{CountingRetries, WithoutSignature, one_connector};
use super::tally::{Denial, Tally};
use super::{
    Attribute, AutoScalingInstance, CallError, Calls, ContainerInstance, DesiredStatus, ErrorClass, Failure, Found,
    InstanceStatus, LifecycleActionResult, LifecycleHook, Page, Service, Task, TaskProtection,
};
use crate::ids::{ClusterName, ContainerInstanceArn, GroupName, HookName, InstanceId, ServiceName, TaskArn};

/// One second try hides a single lost packet; all further patience is the engine's, which knows what is urgent.
const ATTEMPTS: u32 = 2;
/// The longest pause before it, of which a random part is taken; AWS's own second would hold up what stands behind it.
const INITIAL_BACKOFF: Duration = Duration::from_millis(250);
/// These calls answer in tens of milliseconds; one that takes this long is lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// Two attempts: the longest that the engine can be held up by one request.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);
/// Half of what one page may hold (Auto Scaling API reference, DescribeAutoScalingGroups): the instances come inline, and
/// a page of large groups must fit into a small function's memory.
const GROUPS_A_PAGE: i32 = 50;
/// What AWS takes a heartbeat timeout for when the hook does not say (Auto Scaling API reference, LifecycleHook).
const DEFAULT_HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3600);

/// The SDK's clients of ECS and Auto Scaling.
#[derive(Debug, Clone)]
pub struct SdkCalls {
    ecs: ecs::Client,
    auto_scaling: autoscaling::Client,
    tally: Tally,
}

impl SdkCalls {
    /// Clients with the credentials, region and endpoints of `config`, and few, short tries.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let retry = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(INITIAL_BACKOFF);
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = config.to_builder().http_client(one_connector());
        let config = config.retry_config(retry).timeout_config(timeouts).build();
        let ecs = ecs::config::Builder::from(&config).retry_classifier(ThrottlesAreTheEngines);
        let auto_scaling = autoscaling::config::Builder::from(&config).retry_classifier(ThrottlesAreTheEngines);
        Self::of(ecs, auto_scaling)
    }

    /// Clients with the tries and times of `config`, throttles included: for reads that no engine stands behind.
    #[must_use]
    pub fn with_patience_of(config: &SdkConfig) -> Self {
        Self::of(ecs::config::Builder::from(config), autoscaling::config::Builder::from(config))
    }

    fn of(ecs: ecs::config::Builder, auto_scaling: autoscaling::config::Builder) -> Self {
        let tally = Tally::default();
        let counting = || CountingRetries(tally.clone());
        let ecs = ecs::Client::from_conf(ecs.interceptor(counting()).build());
        let auto_scaling = autoscaling::Client::from_conf(auto_scaling.interceptor(counting()).build());
        Self { ecs, auto_scaling, tally }
    }

    /// The client of ECS, for requests that no function makes.
    #[must_use]
    pub fn ecs(&self) -> &ecs::Client {
        &self.ecs
    }

    /// The client of Auto Scaling, likewise.
    #[must_use]
    pub fn auto_scaling(&self) -> &autoscaling::Client {
        &self.auto_scaling
    }

    /// What was sent.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    async fn answer<T, E, R>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<T, SdkError<E, R>>>,
    ) -> Result<T, CallError>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        self.tally.call(operation);
        let answer = request.await.map_err(failed(operation));
        if let Err(error) = &answer {
            match (error.class(), error) {
                (ErrorClass::Throttled, _) => self.tally.throttled(operation),
                (ErrorClass::Denied, CallError::Refused { operation, code, message }) => {
                    self.tally.denied(Denial { operation, code: code.clone(), message: message.clone() });
                }
                _ => {}
            }
        }
        answer
    }

    async fn container_instances(
        &self,
        request: ListContainerInstancesFluentBuilder,
        token: Option<String>,
    ) -> Result<Page<ContainerInstanceArn>, CallError> {
        let answer = self.answer("ListContainerInstances", request.set_next_token(token).send()).await?;
        let items = answer.container_instance_arns.unwrap_or_default().into_iter().map(Into::into).collect();
        Ok(Page { items, next_token: answer.next_token })
    }

    async fn update_state(
        &self,
        cluster: &ClusterName,
        arns: &[ContainerInstanceArn],
        status: model::ContainerInstanceStatus,
    ) -> Result<Found<ContainerInstance>, CallError> {
        const OPERATION: &str = "UpdateContainerInstancesState";
        let request = self.ecs.update_container_instances_state().cluster(cluster.as_str()).status(status);
        let request = request.set_container_instances(Some(strings(arns, ContainerInstanceArn::as_str)));
        let answer = self.answer(OPERATION, request.send()).await?;
        found(OPERATION, answer.container_instances, answer.failures, container_instance)
    }

    /// Connects to ECS, so that the first call need not. Whatever comes of it, the first call connects if it must.
    pub async fn connect_to_ecs(&self) {
        let request = self.ecs.list_clusters().customize().interceptor(WithoutSignature);
        drop(request.send().await);
    }

    /// Connects to Auto Scaling, likewise.
    pub async fn connect_to_auto_scaling(&self) {
        let request = self.auto_scaling.describe_auto_scaling_instances().customize().interceptor(WithoutSignature);
        drop(request.send().await);
    }
}

/// A second try of what AWS throttled would be one more request against an empty bucket; the engine holds back the rest of
/// the round instead.
#[derive(Debug)]
struct ThrottlesAreTheEngines;

impl ClassifyRetry for ThrottlesAreTheEngines {
    fn name(&self) -> &'static str {
        "throttles are the engine's"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }

    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::NoActionIndicated
    }

    fn classify_retry_v2(&self, _: &InterceptorContext, so_far: &RetryAction) -> RetryAction {
        if *so_far == RetryAction::throttling_error() {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }
}

impl Calls for SdkCalls {
    async fn list_clusters(&self, token: Option<String>) -> Result<Page<ClusterName>, CallError> {
        const OPERATION: &str = "ListClusters";
        let answer = self.answer(OPERATION, self.ecs.list_clusters().set_next_token(token).send()).await?;
        let name =
            |arn: &String| ClusterName::parse(arn).ok_or_else(|| incomplete(OPERATION, format!("cluster {arn:?}")));
        let items = answer.cluster_arns().iter().map(name).collect::<Result<_, _>>()?;
        Ok(Page { items, next_token: answer.next_token })
    }

    async fn list_container_instances(
        &self,
        cluster: &ClusterName,
        filter: &str,
        token: Option<String>,
    ) -> Result<Page<ContainerInstanceArn>, CallError> {
        self.container_instances(self.ecs.list_container_instances().cluster(cluster.as_str()).filter(filter), token)
            .await
    }

    async fn list_draining_container_instances(
        &self,
        cluster: &ClusterName,
        token: Option<String>,
    ) -> Result<Page<ContainerInstanceArn>, CallError> {
        let status = model::ContainerInstanceStatus::Draining;
        self.container_instances(self.ecs.list_container_instances().cluster(cluster.as_str()).status(status), token)
            .await
    }

    async fn describe_container_instances(
        &self,
        cluster: &ClusterName,
        arns: &[ContainerInstanceArn],
    ) -> Result<Found<ContainerInstance>, CallError> {
        const OPERATION: &str = "DescribeContainerInstances";
        let request = self.ecs.describe_container_instances().cluster(cluster.as_str());
        let request = request.set_container_instances(Some(strings(arns, ContainerInstanceArn::as_str)));
        let answer = self.answer(OPERATION, request.send()).await?;
        found(OPERATION, answer.container_instances, answer.failures, container_instance)
    }

    async fn set_draining(
        &self,
        cluster: &ClusterName,
        arns: &[ContainerInstanceArn],
    ) -> Result<Found<ContainerInstance>, CallError> {
        self.update_state(cluster, arns, model::ContainerInstanceStatus::Draining).await
    }

    async fn set_active(
        &self,
        cluster: &ClusterName,
        arns: &[ContainerInstanceArn],
    ) -> Result<Found<ContainerInstance>, CallError> {
        self.update_state(cluster, arns, model::ContainerInstanceStatus::Active).await
    }

    async fn list_tasks(
        &self,
        cluster: &ClusterName,
        container_instance: Option<&ContainerInstanceArn>,
        desired: DesiredStatus,
        token: Option<String>,
    ) -> Result<Page<TaskArn>, CallError> {
        let container_instance = container_instance.map(ToString::to_string);
        let request = self.ecs.list_tasks().cluster(cluster.as_str()).set_container_instance(container_instance);
        let request = request.desired_status(desired.as_str().into()).set_next_token(token);
        let answer = self.answer("ListTasks", request.send()).await?;
        let items = answer.task_arns.unwrap_or_default().into_iter().map(Into::into).collect();
        Ok(Page { items, next_token: answer.next_token })
    }

    async fn describe_tasks(&self, cluster: &ClusterName, arns: &[TaskArn]) -> Result<Found<Task>, CallError> {
        const OPERATION: &str = "DescribeTasks";
        let request = self.ecs.describe_tasks().cluster(cluster.as_str());
        let request = request.set_tasks(Some(strings(arns, TaskArn::as_str)));
        let answer = self.answer(OPERATION, request.send()).await?;
        found(OPERATION, answer.tasks, answer.failures, task)
    }

    async fn stop_task(&self, cluster: &ClusterName, arn: &TaskArn, reason: &str) -> Result<Task, CallError> {
        const OPERATION: &str = "StopTask";
        let request = self.ecs.stop_task().cluster(cluster.as_str()).task(arn.as_str()).reason(reason);
        let answer = self.answer(OPERATION, request.send()).await?;
        answer.task.and_then(task).ok_or_else(|| incomplete(OPERATION, "the task".into()))
    }

    async fn describe_services(
        &self,
        cluster: &ClusterName,
        names: &[ServiceName],
    ) -> Result<Found<Service>, CallError> {
        const OPERATION: &str = "DescribeServices";
        let request = self.ecs.describe_services().cluster(cluster.as_str());
        let request = request.set_services(Some(strings(names, ServiceName::as_str)));
        let answer = self.answer(OPERATION, request.send()).await?;
        found(OPERATION, answer.services, answer.failures, service)
    }

    async fn get_task_protection(
        &self,
        cluster: &ClusterName,
        arns: &[TaskArn],
    ) -> Result<Found<TaskProtection>, CallError> {
        const OPERATION: &str = "GetTaskProtection";
        let request = self.ecs.get_task_protection().cluster(cluster.as_str());
        let request = request.set_tasks(Some(strings(arns, TaskArn::as_str)));
        let answer = self.answer(OPERATION, request.send()).await?;
        found(OPERATION, answer.protected_tasks, answer.failures, task_protection)
    }

    async fn put_attributes(&self, cluster: &ClusterName, attributes: &[Attribute]) -> Result<(), CallError> {
        const OPERATION: &str = "PutAttributes";
        let attributes = attributes.iter().map(|it| attribute(OPERATION, it)).collect::<Result<_, _>>()?;
        let request = self.ecs.put_attributes().cluster(cluster.as_str()).set_attributes(Some(attributes));
        self.answer(OPERATION, request.send()).await.map(drop)
    }

    async fn delete_attributes(&self, cluster: &ClusterName, attributes: &[Attribute]) -> Result<(), CallError> {
        const OPERATION: &str = "DeleteAttributes";
        let attributes = attributes.iter().map(|it| attribute(OPERATION, it)).collect::<Result<_, _>>()?;
        let request = self.ecs.delete_attributes().cluster(cluster.as_str()).set_attributes(Some(attributes));
        self.answer(OPERATION, request.send()).await.map(drop)
    }

    async fn describe_auto_scaling_instances(
        &self,
        ids: &[InstanceId],
        token: Option<String>,
    ) -> Result<Page<AutoScalingInstance>, CallError> {
        const OPERATION: &str = "DescribeAutoScalingInstances";
        let request = self.auto_scaling.describe_auto_scaling_instances().set_next_token(token);
        let request = request.set_instance_ids(Some(strings(ids, InstanceId::as_str)));
        let answer = self.answer(OPERATION, request.send()).await?;
        let instance = |it: &autoscaling::types::AutoScalingInstanceDetails| {
            let (id, group) = (it.instance_id(), it.auto_scaling_group_name());
            auto_scaling_instance(id, group, it.lifecycle_state(), it.health_status())
        };
        let items = answer.auto_scaling_instances().iter().map(instance).collect::<Option<_>>();
        let items = items.ok_or_else(|| incomplete(OPERATION, "an instance's id, group, state or health".into()))?;
        Ok(Page { items, next_token: answer.next_token })
    }

    async fn describe_auto_scaling_groups(
        &self,
        token: Option<String>,
    ) -> Result<Page<AutoScalingInstance>, CallError> {
        const OPERATION: &str = "DescribeAutoScalingGroups";
        let request = self.auto_scaling.describe_auto_scaling_groups().max_records(GROUPS_A_PAGE);
        let answer = self.answer(OPERATION, request.set_next_token(token).send()).await?;
        let mut items = Vec::new();
        for group in answer.auto_scaling_groups.unwrap_or_default() {
            let name = group.auto_scaling_group_name.ok_or_else(|| incomplete(OPERATION, "a group's name".into()))?;
            let instance = |instance: &autoscaling::types::Instance| {
                let state = instance.lifecycle_state()?.as_str();
                auto_scaling_instance(instance.instance_id(), Some(&name), Some(state), instance.health_status())
            };
            let instances = group.instances.iter().flatten().map(instance).collect::<Option<Vec<_>>>();
            items.extend(instances.ok_or_else(|| incomplete(OPERATION, "an instance's id, state or health".into()))?);
        }
        Ok(Page { items, next_token: answer.next_token })
    }

    async fn describe_lifecycle_hooks(&self, group: &GroupName) -> Result<Vec<LifecycleHook>, CallError> {
        const OPERATION: &str = "DescribeLifecycleHooks";
        let request = self.auto_scaling.describe_lifecycle_hooks().auto_scaling_group_name(group.as_str());
        let answer = self.answer(OPERATION, request.send()).await?;
        let hook = |hook: &autoscaling::types::LifecycleHook| {
            let seconds = hook.heartbeat_timeout().and_then(|seconds| u64::try_from(seconds).ok());
            Some(LifecycleHook {
                name: hook.lifecycle_hook_name()?.into(),
                on_termination: hook.lifecycle_transition()? == "autoscaling:EC2_INSTANCE_TERMINATING",
                heartbeat_timeout: seconds.map_or(DEFAULT_HEARTBEAT_TIMEOUT, Duration::from_secs),
                notification_metadata: hook.notification_metadata().map(ToOwned::to_owned),
            })
        };
        let hooks = answer.lifecycle_hooks().iter().map(hook).collect::<Option<_>>();
        hooks.ok_or_else(|| incomplete(OPERATION, "a hook's name or transition".into()))
    }

    async fn complete_lifecycle_action(
        &self,
        group: &GroupName,
        hook: &HookName,
        instance: &InstanceId,
        result: LifecycleActionResult,
    ) -> Result<(), CallError> {
        let request = self.auto_scaling.complete_lifecycle_action().auto_scaling_group_name(group.as_str());
        let request = request.lifecycle_hook_name(hook.as_str()).instance_id(instance.as_str());
        let request = request.lifecycle_action_result(result.as_str());
        self.answer("CompleteLifecycleAction", request.send()).await.map(drop)
    }

    async fn record_lifecycle_action_heartbeat(
        &self,
        group: &GroupName,
        hook: &HookName,
        instance: &InstanceId,
    ) -> Result<(), CallError> {
        let request = self.auto_scaling.record_lifecycle_action_heartbeat().auto_scaling_group_name(group.as_str());
        let request = request.lifecycle_hook_name(hook.as_str()).instance_id(instance.as_str());
        self.answer("RecordLifecycleActionHeartbeat", request.send()).await.map(drop)
    }
}

/// What an SDK's error of this operation is to us.
pub fn failed<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> CallError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    move |error| match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some(code) => CallError::Refused {
            operation,
            code: code.to_owned(),
            message: error.message().unwrap_or("no message").to_owned(),
        },
        None => CallError::NoAnswer { operation, source: Box::new(error) },
    }
}

fn incomplete(operation: &'static str, what: String) -> CallError {
    CallError::Incomplete { operation, what }
}

fn strings<T>(ids: &[T], text: fn(&T) -> &str) -> Vec<String> {
    ids.iter().map(|id| text(id).to_owned()).collect()
}

fn found<S, T>(
    operation: &'static str,
    items: Option<Vec<S>>,
    failures: Option<Vec<model::Failure>>,
    read: fn(S) -> Option<T>,
) -> Result<Found<T>, CallError> {
    let items = items.unwrap_or_default().into_iter().map(read).collect::<Option<_>>();
    let items = items.ok_or_else(|| incomplete(operation, "an ARN or a status".into()))?;
    let failure = |failure: model::Failure| Failure {
        arn: failure.arn.unwrap_or_default(),
        reason: failure.reason.unwrap_or_default(),
    };
    Ok(Found { items, failures: failures.unwrap_or_default().into_iter().map(failure).collect() })
}

fn auto_scaling_instance(
    id: Option<&str>,
    group: Option<&str>,
    lifecycle_state: Option<&str>,
    health_status: Option<&str>,
) -> Option<AutoScalingInstance> {
    Some(AutoScalingInstance {
        instance: InstanceId::parse(id?)?,
        group: group?.into(),
        lifecycle_state: lifecycle_state?.to_owned(),
        // The letter case differs between the two Describe calls (Auto Scaling API reference).
        unhealthy: !health_status?.eq_ignore_ascii_case("healthy"),
    })
}

fn container_instance(instance: model::ContainerInstance) -> Option<ContainerInstance> {
    let attributes = instance.attributes.unwrap_or_default().into_iter();
    Some(ContainerInstance {
        arn: instance.container_instance_arn?.into(),
        instance: instance.ec2_instance_id.as_deref().and_then(InstanceId::parse),
        status: InstanceStatus::from(instance.status?.as_str()),
        agent_connected: instance.agent_connected,
        running_tasks: u32::try_from(instance.running_tasks_count).ok()?,
        pending_tasks: u32::try_from(instance.pending_tasks_count).ok()?,
        attributes: attributes.filter_map(|a| Some((a.name, a.value?))).collect::<BTreeMap<_, _>>(),
    })
}

fn timestamp(time: ecs::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

fn task(task: model::Task) -> Option<Task> {
    Some(Task {
        arn: task.task_arn?.into(),
        container_instance: task.container_instance_arn.map(Into::into),
        last_status: task.last_status?,
        desired_status: task.desired_status?,
        group: task.group.unwrap_or_default(),
        started_by: task.started_by.unwrap_or_default(),
        stopping_at: task.stopping_at.and_then(timestamp),
        stopped_at: task.stopped_at.and_then(timestamp),
        stopped_reason: task.stopped_reason.unwrap_or_default(),
    })
}

fn service(service: model::Service) -> Option<Service> {
    let percents = service.deployment_configuration;
    let newest = service.events.unwrap_or_default().into_iter().max_by_key(|event| event.created_at);
    Some(Service {
        name: service.service_name?.into(),
        is_daemon: service.scheduling_strategy? == model::SchedulingStrategy::Daemon,
        desired: u32::try_from(service.desired_count).ok()?,
        minimum_healthy_percent: percents.as_ref().and_then(|it| u32::try_from(it.minimum_healthy_percent?).ok()),
        maximum_percent: percents.and_then(|it| u32::try_from(it.maximum_percent?).ok()),
        newest_event: newest.and_then(|event| event.message),
    })
}

fn task_protection(task: model::ProtectedTask) -> Option<TaskProtection> {
    let until = task.expiration_date.and_then(timestamp).filter(|_| task.protection_enabled);
    Some(TaskProtection { task: task.task_arn?.into(), until })
}

fn attribute(operation: &'static str, it: &Attribute) -> Result<model::Attribute, CallError> {
    let attribute = model::Attribute::builder().name(it.name).set_value(it.value.clone());
    let attribute = attribute.target_type(model::TargetType::ContainerInstance).target_id(it.target.as_str());
    attribute.build().map_err(|e| incomplete(operation, e.to_string()))
}

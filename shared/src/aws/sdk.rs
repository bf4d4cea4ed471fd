//! [`Calls`] over the AWS SDK.

mod answers;

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
use tracing::{error, warn};

use self::answers::{
    container_instance, found, incomplete, instances, row, service, task, task_protection, timestamp, told, whole,
};
use super::connection::{CountingRetries, WithoutSignature, one_connector};
use super::tally::Tally;
use super::{
    AutoScalingGroup, AutoScalingInstance, CallError, Calls, ContainerInstance, DesiredStatus, Failure, Found,
    LifecycleActionResult, LifecycleHook, Page, ScalingActivity, Service, Task, TaskProtection,
};
use crate::ids::{ClusterName, ContainerInstanceArn, GroupName, HookName, InstanceId, ServiceName, TaskArn};

/// One second try hides a single lost packet; all further patience is the engine's, which knows what is urgent.
const ATTEMPTS: u32 = 2;
/// The longest pause before it. The SDK takes a random part of it. AWS's own second would hold up the requests behind it.
const INITIAL_BACKOFF: Duration = Duration::from_millis(250);
/// These calls answer in tens of milliseconds; one that takes this long is lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// Two attempts: the longest that the engine can be held up by one request.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);
/// Half of what one page may hold (Auto Scaling API reference, DescribeAutoScalingGroups): the instances come inline, and
/// a page of large groups must fit into a small function's memory.
const GROUPS_A_PAGE: i32 = 50;
/// As many as one page may hold (Auto Scaling API reference, DescribeScalingActivities).
const ACTIVITIES_A_PAGE: i32 = 100;
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
        if answer.as_ref().is_err_and(|error| error.is_throttled()) {
            self.tally.throttled(operation);
        }
        answer
    }

    async fn container_instances(
        &self,
        request: ListContainerInstancesFluentBuilder,
        token: Option<String>,
    ) -> Result<Page<ContainerInstanceArn>, CallError> {
        const OPERATION: &str = "ListContainerInstances";
        let answer = self.answer(OPERATION, request.set_next_token(token).send()).await?;
        let items = whole(OPERATION, answer.container_instance_arns)?.into_iter().map(Into::into).collect();
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
        let items = whole(OPERATION, answer.cluster_arns)?.iter().map(name).collect::<Result<_, _>>()?;
        Ok(Page { items, next_token: answer.next_token })
    }

    async fn list_container_instances(
        &self,
        cluster: &ClusterName,
        filter: Option<&str>,
        token: Option<String>,
    ) -> Result<Page<ContainerInstanceArn>, CallError> {
        let request = self.ecs.list_container_instances().cluster(cluster.as_str());
        self.container_instances(request.set_filter(filter.map(ToOwned::to_owned)), token).await
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
        const OPERATION: &str = "ListTasks";
        let container_instance = container_instance.map(ToString::to_string);
        let request = self.ecs.list_tasks().cluster(cluster.as_str()).set_container_instance(container_instance);
        let request = request.desired_status(desired.as_str().into()).set_next_token(token);
        let answer = self.answer(OPERATION, request.send()).await?;
        let items = whole(OPERATION, answer.task_arns)?.into_iter().map(Into::into).collect();
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
        answer.task.and_then(task).ok_or_else(|| incomplete(OPERATION, "the task"))
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

    async fn describe_auto_scaling_instances(
        &self,
        ids: &[InstanceId],
        token: Option<String>,
    ) -> Result<Page<Result<AutoScalingInstance, Failure>>, CallError> {
        const OPERATION: &str = "DescribeAutoScalingInstances";
        let request = self.auto_scaling.describe_auto_scaling_instances().set_next_token(token);
        let request = request.set_instance_ids(Some(strings(ids, InstanceId::as_str)));
        let answer = self.answer(OPERATION, request.send()).await?;
        let items = whole(OPERATION, answer.auto_scaling_instances)?.iter().map(row).collect();
        Ok(Page { items, next_token: answer.next_token })
    }

    async fn describe_auto_scaling_groups(&self, token: Option<String>) -> Result<Page<AutoScalingGroup>, CallError> {
        const OPERATION: &str = "DescribeAutoScalingGroups";
        let request = self.auto_scaling.describe_auto_scaling_groups().max_records(GROUPS_A_PAGE);
        let answer = self.answer(OPERATION, request.set_next_token(token).send()).await?;
        let group = |group: autoscaling::types::AutoScalingGroup| {
            let Some(name) = told(group.auto_scaling_group_name.as_deref()).map(GroupName::from) else {
                error!("left out a group: it has no name");
                return None;
            };
            let policy = group.instance_lifecycle_policy.and_then(|policy| policy.retention_triggers);
            let on_abandon = policy.and_then(|triggers| triggers.terminate_hook_abandon);
            if group.instances.is_none() {
                warn!(group = %name, "Auto Scaling tells nothing of a group's instances; taken as none");
            }
            Some(AutoScalingGroup {
                instances: instances(&name, group.instances.as_deref().unwrap_or_default()),
                name,
                warm_pool_size: group.warm_pool_size.and_then(|size| u32::try_from(size).ok()).unwrap_or_default(),
                retains: on_abandon.is_some_and(|action| action.as_str() == "retain"),
            })
        };
        let items = whole(OPERATION, answer.auto_scaling_groups)?.into_iter().filter_map(group).collect();
        Ok(Page { items, next_token: answer.next_token })
    }

    async fn describe_warm_pool(
        &self,
        group: &GroupName,
        token: Option<String>,
    ) -> Result<Page<AutoScalingInstance>, CallError> {
        const OPERATION: &str = "DescribeWarmPool";
        let request = self.auto_scaling.describe_warm_pool().auto_scaling_group_name(group.as_str());
        let answer = self.answer(OPERATION, request.set_next_token(token).send()).await?;
        let items = instances(group, &whole(OPERATION, answer.instances)?);
        Ok(Page { items, next_token: answer.next_token })
    }

    async fn describe_scaling_activities(
        &self,
        group: &GroupName,
        since: Timestamp,
        token: Option<String>,
    ) -> Result<Page<ScalingActivity>, CallError> {
        const OPERATION: &str = "DescribeScalingActivities";
        let began = autoscaling::types::Filter::builder().name("StartTimeLowerBound").values(format!("{since:.0}"));
        let request = self.auto_scaling.describe_scaling_activities().auto_scaling_group_name(group.as_str());
        let request = request.filters(began.build()).max_records(ACTIVITIES_A_PAGE).set_next_token(token);
        let answer = self.answer(OPERATION, request.send()).await?;
        let activity = |it: autoscaling::types::Activity| {
            Some(ScalingActivity {
                description: it.description.unwrap_or_default(),
                // For one without a start, the SDK puts the epoch.
                started_at: it.start_time.and_then(timestamp).filter(|at| *at > Timestamp::UNIX_EPOCH)?,
                is_over: it.end_time.is_some(),
                cause: it.cause.unwrap_or_default(),
            })
        };
        let items = whole(OPERATION, answer.activities)?.into_iter().filter_map(activity).collect();
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
        let hooks = whole(OPERATION, answer.lifecycle_hooks)?.iter().map(hook).collect::<Option<_>>();
        hooks.ok_or_else(|| incomplete(OPERATION, "a hook's name or transition"))
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

fn strings<T>(ids: &[T], text: fn(&T) -> &str) -> Vec<String> {
    ids.iter().map(|id| text(id).to_owned()).collect()
}

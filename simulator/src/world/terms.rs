//! The terms that every part of the world uses.

pub(crate) use super::{
    earlier::Earlier,
    error::{ApiError, RequestError, WorldError, exists, unknown},
    log::Log,
    pages::{Cut, Page, cut},
    present::{Due, Present, later, whole_seconds},
    request::{
        Attribute, AutoScalingRequest, CloudFormationRequest, ContextEntry, EcsRequest, EventBridgeRequest, IamRequest,
        Operation, Request,
    },
    response::{
        AutoScalingGroup, AutoScalingInstance, CapacityProviderDescription, ClusterDescription,
        ContainerInstanceDescription, Edit, EvaluationResult, Failure, LifecycleHook, ProtectedTask, Reply,
        ResourceDecision, Response, RetryPolicy, RuleDescription, RuleTarget, ScalingActivity, ServiceDescription,
        ServiceEvent, StackDescription, StackResource, TaskDescription,
    },
    service::Service,
    settings::{MAX_PAGE, Settings},
    spec::{
        ActionResult, CapacityProviderSpec, GroupSpec, HookSpec, HostSpec, ServiceKind, ServiceSpec, TaskSpec,
        Transition, WarmPoolSpec, WarmPoolState,
    },
    task::{DesiredStatus, LastStatus, Owner, STOPPED_TASKS_STAY, StopCause, Task, TaskChange, Timing},
};

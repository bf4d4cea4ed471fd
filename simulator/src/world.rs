//! The model: clusters, hosts, services, tasks, lifecycle hooks, quotas. An explicit clock, no I/O.

mod auto_scaling;
mod build;
mod deployed;
mod earlier;
mod ec2;
mod ecs;
mod error;
mod gate;
mod hosts;
mod journal;
mod log;
mod look;
mod pages;
mod parts;
mod present;
mod request;
mod requests;
mod response;
mod service;
mod settings;
mod spec;
mod spelled;
mod task;
mod terms;
#[cfg(test)]
mod tests;

pub use auto_scaling::SUBNET;
pub use deployed::DeployError;
pub use ec2::{SPOT_NOTICE, SpotAction};
pub use ecs::ContainerInstance;
pub use error::{ApiError, RequestError, WorldError};
pub use gate::{
    fault::{Fault, FaultKind},
    quota::{ASSUMED_ATTRIBUTES, ASSUMED_AUTO_SCALING, Bucket, Quotas},
    refusal::CredentialsFault,
};
pub use journal::{Denied, HookTimeout, Killed, Outcome, Recorded, Release};
pub use log::MAX_ENTRIES;
pub use look::Host;
pub use parts::World;
pub use request::{
    Attribute, AutoScalingRequest, CloudFormationRequest, ContextEntry, EcsRequest, EventBridgeRequest, IamRequest,
    Operation, Request,
};
pub use response::{
    AutoScalingGroup, AutoScalingInstance, CapacityProviderDescription, ClusterDescription,
    ContainerInstanceDescription, Edit, EvaluationResult, Failure, LifecycleHook, ProtectedTask, Reply,
    ResourceDecision, Response, RetryPolicy, RuleDescription, RuleTarget, ScalingActivity, ServiceDescription,
    ServiceEvent, StackDescription, StackResource, TaskDescription,
};
pub use service::Service;
pub use settings::{MAX_PAGE, Settings};
pub use spec::{
    ActionResult, CapacityProviderSpec, GroupSpec, HookSpec, HostSpec, ServiceKind, ServiceSpec, TaskSpec, Transition,
    WarmPoolSpec, WarmPoolState,
};
pub use task::{DesiredStatus, LastStatus, Owner, STOPPED_TASKS_STAY, Task, TaskChange};

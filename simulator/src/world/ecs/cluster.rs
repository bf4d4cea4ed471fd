//! Clusters, their services and their capacity providers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::world::terms::{Owner, ServiceEvent, ServiceKind, ServiceSpec, Settings, Timing};

// ECS API reference, Service.events: "A maximum of 100 of the latest events are displayed."
const MAX_EVENTS: usize = 100;

/// A cluster and its services.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cluster {
    pub(crate) arn: String,
    pub(crate) services: BTreeMap<String, ServiceState>,
    /// The scheduler is on the agenda already.
    pub(crate) wanted: bool,
}

/// A service and its tasks.
#[derive(Debug, Clone)]
pub(crate) struct ServiceState {
    pub(crate) spec: ServiceSpec,
    pub(crate) deployment: String,
    pub(crate) tasks: BTreeSet<String>,
    pub(crate) events: Events,
}

impl ServiceState {
    pub(crate) fn new(spec: ServiceSpec, deployment: String) -> ServiceState {
        ServiceState { spec, deployment, tasks: BTreeSet::new(), events: Events::default() }
    }

    pub(crate) fn owner(&self) -> Owner {
        Owner::Service { name: self.spec.name.clone(), deployment: self.deployment.clone(), daemon: self.is_daemon() }
    }

    pub(crate) fn is_daemon(&self) -> bool {
        self.spec.kind == ServiceKind::Daemon
    }

    pub(crate) fn timing(&self, settings: &Settings) -> Timing {
        Timing {
            start_time: self.spec.start_time,
            stop_time: self.spec.stop_time,
            stop_timeout: self.spec.stop_timeout,
            deregistration: self.spec.deregistration,
            stop_task_waits_for_deregistration: self.spec.stop_task_waits_for_deregistration,
            finishes_after: None,
            exit_noticed_after: settings.exit_noticed_after,
            deprovisioning: settings.deprovisioning,
        }
    }

    // ECS API reference, DeploymentConfiguration: the minimum is rounded up, the maximum down.
    pub(crate) fn limits(&self) -> Limits {
        let part = |percent: u32| self.spec.desired * usize::try_from(percent).unwrap_or(usize::MAX);
        Limits {
            desired: self.spec.desired,
            minimum: part(self.spec.minimum_healthy_percent).div_ceil(100),
            maximum: part(self.spec.maximum_percent) / 100,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) desired: usize,
    pub(crate) minimum: usize,
    pub(crate) maximum: usize,
}

/// A capacity provider.
#[derive(Debug, Clone)]
pub(crate) struct CapacityProvider {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) cluster: String,
    pub(crate) of: ProviderKind,
}

/// What a capacity provider is made of.
#[derive(Debug, Clone)]
pub(crate) enum ProviderKind {
    /// An Auto Scaling group.
    Group { arn: String, managed_draining: bool },
    /// ECS Managed Instances, of this capacityOptionType.
    ManagedInstances(&'static str),
}

/// The events of a service, the newest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Events {
    newest_first: VecDeque<ServiceEvent>,
    /// Whether it found no room, and why, since it was steady.
    pub(crate) unplaced: Option<String>,
}

impl Events {
    pub(crate) fn to_vec(&self) -> Vec<ServiceEvent> {
        self.newest_first.iter().cloned().collect()
    }

    pub(crate) fn push(&mut self, event: ServiceEvent) {
        self.newest_first.push_front(event);
        self.newest_first.truncate(MAX_EVENTS);
    }

    pub(crate) fn newest_is(&self, message: &str) -> bool {
        self.newest_first.front().is_some_and(|newest| newest.message == message)
    }
}

//! Container instances, and what ECS knows of the hosts under them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::world::terms::{Earlier, Present};

/// A host as ECS knows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct EcsHost {
    /// How many tasks the service scheduler fits on it.
    pub(crate) slots: usize,
    /// Whether it is one of ECS Managed Instances.
    pub(crate) is_managed: bool,
    /// The bare ids of its container instances.
    pub(crate) registrations: BTreeSet<String>,
}

/// A host as a cluster knows it.
#[derive(Debug, Clone)]
pub struct ContainerInstance {
    /// Its bare id.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// The name of its cluster.
    pub cluster: String,
    /// The host.
    pub instance_id: String,
    /// `ACTIVE`, `DRAINING`, `INACTIVE`, …
    pub status: String,
    /// Whether its container agent is connected.
    pub agent_connected: bool,
    /// When it registered.
    pub registered_at: Timestamp,
    /// Its custom attributes.
    pub attributes: BTreeMap<String, Option<String>>,
    /// Counts its changes.
    pub version: i64,
    /// Whether its agent has left it: it lost its state, or joined another cluster. It never connects here again, and the tasks
    /// here do not run, whatever they read.
    pub left_behind: bool,
    pub(crate) tasks: BTreeSet<String>,
    /// What `pendingTasksCount` is wrong by.
    pub(crate) pending_miscount: i64,
    pub(crate) earlier: Earlier<Standing>,
}

/// What of a container instance changes, its tasks excepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) status: String,
    pub(crate) agent_connected: bool,
    pub(crate) version: i64,
}

impl ContainerInstance {
    /// Something of it, or of its tasks, changes.
    // ECS API reference, ContainerInstance.version: it rises with every change that triggers an event. Recorded: DRAINING does.
    pub(crate) fn change(&mut self, present: &Present, change: impl FnOnce(&mut ContainerInstance)) {
        let was = self.standing();
        self.earlier.remember(present, was);
        self.version += 1;
        change(self);
    }

    pub(crate) fn standing_at(&self, then: Timestamp) -> Standing {
        self.earlier.at(then).cloned().unwrap_or_else(|| self.standing())
    }

    fn standing(&self) -> Standing {
        Standing { status: self.status.clone(), agent_connected: self.agent_connected, version: self.version }
    }
}

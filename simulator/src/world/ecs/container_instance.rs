//! Container instances, and what ECS knows of the hosts under them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

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
    /// Whether the host's root volume was replaced since: its agent never connects again, and its tasks are dead.
    pub left_behind: bool,
    pub(crate) tasks: BTreeSet<String>,
    /// What it was before, each with the time it ended, as far as lists that lag still tell.
    pub(crate) earlier_statuses: Vec<(Timestamp, String)>,
}

impl ContainerInstance {
    pub(crate) fn status_at(&self, then: Timestamp) -> &str {
        self.earlier_statuses.iter().find(|(until, _)| then < *until).map_or(&self.status, |(_, status)| status)
    }
}

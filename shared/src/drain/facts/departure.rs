//! An instance about to leave: which, why, and how we know.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock;
use crate::ids::{ClusterName, GroupName, HookName, InstanceId};

/// A Spot instance is taken this long after its notice (EC2 user guide, Spot interruption notices).
pub const SPOT_NOTICE: Duration = Duration::from_secs(120);

/// An instance about to leave, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Departure {
    /// Which.
    pub instance: InstanceId,
    /// Why.
    pub cause: Cause,
    /// How we know.
    pub noticed_by: NoticedBy,
}

/// What an event tells beside the departure: where to look first, never proof.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Its Auto Scaling group.
    pub group: Option<GroupName>,
    /// The hook of ours that holds it there.
    pub hook: Option<HookName>,
    /// The cluster that the hook's NotificationMetadata names.
    pub cluster: Option<ClusterName>,
    /// When it was given.
    pub noticed_at: Option<Timestamp>,
    /// Whether it was received before, so that its age says nothing of its way to us.
    pub comes_again: bool,
}

/// How we know of a departure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticedBy {
    /// An event told us, just now.
    Event,
    /// We found it in AWS's state, and may have met it before.
    Scan,
    /// A person named it.
    Person,
}

/// Why an instance leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Auto Scaling terminates it, and waits on a lifecycle hook until we are done.
    Termination {
        /// Where the instance goes then.
        to: Destination,
    },
    /// EC2 takes the Spot instance back two minutes after the notice, and waits for nothing.
    SpotInterruption {
        /// The notice's own time.
        noticed_at: Timestamp,
    },
    /// EC2 hibernates the Spot instance, at once (EC2 user guide, Spot interruption notices).
    SpotHibernation {
        /// The notice's own time.
        noticed_at: Timestamp,
    },
    /// EC2 finds the Spot instance likely to be interrupted; it may well live on.
    RebalanceRecommendation,
    /// A person drains it by hand, and nothing holds it: it stays when it is empty.
    Maintenance,
}

/// Where a terminated instance goes, as the event's `Destination` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// To its end.
    Ec2,
    /// Back to its group's warm pool.
    WarmPool,
    /// Back to its group, with a new root volume.
    AutoScalingGroup,
}

impl Hints {
    /// The same of an event that came at `at`: its time can be no later, whatever the sender's clock says.
    #[must_use]
    pub fn received(self, at: Timestamp) -> Self {
        Self { noticed_at: self.noticed_at.map(|noticed_at| noticed_at.min(at)), ..self }
    }
}

impl Cause {
    /// The same by a notice that came at `at`, likewise.
    #[must_use]
    pub fn received(self, at: Timestamp) -> Self {
        match self {
            Self::SpotInterruption { noticed_at } => Self::SpotInterruption { noticed_at: noticed_at.min(at) },
            Self::SpotHibernation { noticed_at } => Self::SpotHibernation { noticed_at: noticed_at.min(at) },
            Self::Termination { .. } | Self::RebalanceRecommendation | Self::Maintenance => self,
        }
    }

    /// Whether Auto Scaling holds the termination until we are done; nothing holds Spot.
    #[must_use]
    pub fn is_held(self) -> bool {
        matches!(self, Self::Termination { .. })
    }

    /// In a word, for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Termination { to: Destination::Ec2 } => "termination",
            Self::Termination { to: Destination::WarmPool } => "warm-pool",
            Self::Termination { to: Destination::AutoScalingGroup } => "root-volume",
            Self::SpotInterruption { .. } => "spot-interruption",
            Self::SpotHibernation { .. } => "spot-hibernation",
            Self::RebalanceRecommendation => "rebalance-recommendation",
            Self::Maintenance => "maintenance",
        }
    }

    /// When EC2 has taken the instance, whatever still runs on it.
    #[must_use]
    pub fn taken_at(self) -> Option<Timestamp> {
        match self {
            Self::SpotInterruption { noticed_at } | Self::SpotHibernation { noticed_at } => {
                Some(clock::after(noticed_at, SPOT_NOTICE))
            }
            Self::Termination { .. } | Self::RebalanceRecommendation | Self::Maintenance => None,
        }
    }
}

impl Departure {
    /// An instance that Auto Scaling terminates for good.
    #[must_use]
    pub fn of_termination(instance: InstanceId, noticed_by: NoticedBy) -> Self {
        Self { instance, cause: Cause::Termination { to: Destination::Ec2 }, noticed_by }
    }
}

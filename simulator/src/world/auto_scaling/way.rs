//! The ways of an instance that lifecycle hooks can hold up, and what Auto Scaling calls them.

use jiff::Timestamp;

use crate::world::terms::{ActionResult, Transition};

/// Where an instance is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Terminate,
    ReturnToWarmPool,
    TerminateWarmed,
    LaunchIntoWarmPool,
    ReplaceRootVolume,
}

/// An instance on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Journey {
    pub(crate) way: Way,
    pub(crate) stage: Stage,
    /// The position of its scaling activity among all there ever were.
    pub(crate) activity: usize,
    /// When the stage ends by itself.
    pub(crate) ends_at: Option<Timestamp>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its hooks have begun; the state does not say so yet.
    Begun,
    /// Its hooks hold it.
    Held,
    /// No hook holds it.
    Proceeding,
    /// It was abandoned and stays; the state does not say so yet.
    Retaining,
    /// It boots from its new root volume.
    Rebooting,
}

/// The lifecycle states of a way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct States {
    begins: &'static str,
    pub(crate) waits: &'static str,
    pub(crate) proceeds: &'static str,
    pub(crate) retained: &'static str,
}

macro_rules! states {
    ($state:literal) => {
        States {
            begins: $state,
            waits: concat!($state, ":Wait"),
            proceeds: concat!($state, ":Proceed"),
            retained: concat!($state, ":Retained"),
        }
    };
}

/// What a result does to an instance that no other hook holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Proceeds,
    Retained,
    IntoWarmPool,
    LaunchFailed,
}

/// What the end of an instance's way does to its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is terminated.
    Gone,
    /// It stops in the warm pool.
    Stopped,
    /// It reboots without its old root volume.
    RootVolumeLost,
    /// It runs from its new root volume.
    RootVolumeReplaced,
}

/// Why an instance that is there leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Departure<'a> {
    ScaleIn,
    /// Its scaling activity has this cause.
    ScaleInBecause(&'a str),
    /// A user terminates a retained instance: a new lifecycle action begins.
    ReleaseRetained,
    // Auto Scaling user guide, "Replace root volumes during instance refresh".
    ReplaceRootVolume,
    ReturnToWarmPool,
    TerminateWarmed,
}

impl Way {
    pub(crate) fn transition(self) -> Transition {
        match self {
            Way::LaunchIntoWarmPool => Transition::Launching,
            Way::Terminate | Way::ReturnToWarmPool | Way::TerminateWarmed | Way::ReplaceRootVolume => {
                Transition::Terminating
            }
        }
    }

    /// What an event calls the action.
    // Recorded for the first two. Auto Scaling user guide, "Replace root volumes during instance refresh", for the third.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Way::Terminate | Way::ReturnToWarmPool | Way::TerminateWarmed => "Terminate",
            Way::LaunchIntoWarmPool => "Launch",
            Way::ReplaceRootVolume => "ReplaceRootVolume",
        }
    }

    /// Where an event says that it leaves.
    pub(crate) fn origin(self) -> &'static str {
        match self {
            Way::Terminate | Way::ReturnToWarmPool | Way::ReplaceRootVolume => "AutoScalingGroup",
            Way::TerminateWarmed => "WarmPool",
            Way::LaunchIntoWarmPool => "EC2",
        }
    }

    /// Where an event says that it goes.
    pub(crate) fn destination(self) -> &'static str {
        match self {
            Way::Terminate | Way::TerminateWarmed => "EC2",
            Way::ReturnToWarmPool | Way::LaunchIntoWarmPool => "WarmPool",
            Way::ReplaceRootVolume => "AutoScalingGroup",
        }
    }

    /// Its state before it waits.
    // Recorded: an instance that a hook holds on its way back to the pool reads InService until it reads Warmed:Pending:Wait.
    pub(crate) fn begins(self, held: bool) -> &'static str {
        if self == Way::ReturnToWarmPool && held { "InService" } else { self.states().begins }
    }

    /// Its states after that.
    pub(crate) fn states(self) -> States {
        match self {
            Way::Terminate => states!("Terminating"),
            Way::ReturnToWarmPool | Way::LaunchIntoWarmPool => states!("Warmed:Pending"),
            Way::TerminateWarmed => states!("Warmed:Terminating"),
            Way::ReplaceRootVolume => states!("ReplacingRootVolume"),
        }
    }

    /// What its scaling activity says of it.
    // "Terminating EC2 instance" is recorded, for the way into the pool and out of it, too. The other two are assumed.
    pub(crate) fn description(self, instance_id: &str) -> String {
        match self {
            Way::Terminate | Way::ReturnToWarmPool | Way::TerminateWarmed => {
                format!("Terminating EC2 instance: {instance_id}")
            }
            Way::LaunchIntoWarmPool => format!("Launching a new EC2 instance into warm pool: {instance_id}"),
            Way::ReplaceRootVolume => format!("Replacing root volume of EC2 instance: {instance_id}"),
        }
    }

    /// The status of its scaling activity while a hook holds it.
    // MidTerminatingLifecycleAction is recorded. Auto Scaling API reference, Activity.StatusCode, has MidLifecycleAction.
    pub(crate) fn held_status(self) -> &'static str {
        match self.transition() {
            Transition::Terminating => "MidTerminatingLifecycleAction",
            Transition::Launching => "MidLifecycleAction",
        }
    }

    /// What a result does to an instance on this way, in a group that retains what is abandoned or does not.
    // Recorded, except: a root volume is assumed to be replaced whatever the result, and a launch into the pool to fail as
    // one into the group does.
    pub(crate) fn fate(self, result: ActionResult, group_retains: bool) -> Fate {
        match (self, result) {
            (_, ActionResult::Continue) | (Way::ReplaceRootVolume, ActionResult::Abandon) => Fate::Proceeds,
            (Way::LaunchIntoWarmPool, ActionResult::Abandon) => Fate::LaunchFailed,
            (_, ActionResult::Abandon) if group_retains => Fate::Retained,
            (Way::ReturnToWarmPool, ActionResult::Abandon) => Fate::IntoWarmPool,
            (Way::Terminate | Way::TerminateWarmed, ActionResult::Abandon) => Fate::Proceeds,
        }
    }
}

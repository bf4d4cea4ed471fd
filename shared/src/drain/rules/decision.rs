//! What the rules may say: what is asked of AWS next, when to look again, or how the drain ended.

use std::fmt;

use jiff::Timestamp;

use super::deadlines::{Deadlines, deadlines};
use super::terms::Terms;
use crate::aws::LifecycleActionResult;
use crate::drain::facts::known::Known;
use crate::drain::facts::patience::Request;
use crate::ids::TaskArn;

/// One host, as the rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What is known of it.
    pub known: &'a Known,
    /// What this invocation may do for it.
    pub terms: &'a Terms,
    /// When its patience ends.
    pub deadlines: Deadlines,
    /// The time.
    pub now: Timestamp,
}

impl<'a> Case<'a> {
    /// The host at `now`.
    #[must_use]
    pub fn new(known: &'a Known, terms: &'a Terms, now: Timestamp) -> Self {
        Self { known, terms, deadlines: deadlines(known, terms), now }
    }

    /// Whether it is to be asked when its termination began, and why.
    #[must_use]
    pub fn is_to_be_dated(&self) -> bool {
        !self.terms.is_in_a_burst && self.known.is_undated()
    }

    /// Whether a request may be tried now.
    #[must_use]
    pub fn may(&self, request: Request) -> bool {
        self.known.patience.ready(request, self.now)
    }
}

/// What a rule that fits says.
#[derive(Debug, Clone, PartialEq)]
pub enum Says {
    /// The drain ended like this.
    Settled(Settled),
    /// This is wanted. Until it may be tried, the rules below go on.
    Wants(Ask),
    /// This is wanted before all that the rules below say.
    Needs(Ask),
    /// Nothing before this time.
    WaitsUntil(Timestamp),
    /// Nothing before something is due or known.
    Rests,
}

/// What comes next for a host.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The next step.
    pub step: Step,
    /// When reads that are still under way are to be cut off, for something urgent is due then.
    pub reads_until: Option<Timestamp>,
}

/// One step of a drain.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Something is to be asked of AWS.
    Ask(Ask),
    /// Nothing before this time.
    WaitUntil(Timestamp),
    /// Nothing any more.
    Settled(Settled),
}

/// What is asked of AWS for a host: a fact that is missing or old, or a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Who holds the termination?
    Hold,
    /// Both who holds the termination and where the instance is registered.
    HoldAndLocation,
    /// When did its termination begin, and why?
    Start,
    /// Where is the instance registered?
    Location,
    /// What is its container instance now?
    Instance,
    /// Every task on it.
    Tasks,
    /// What became of its tasks that had not stopped?
    Stragglers,
    /// What kind of services own its tasks?
    Services,
    /// Set every ACTIVE registration DRAINING.
    Drain,
    /// Stop these tasks.
    StopTasks(Vec<TaskArn>),
    /// Complete the lifecycle action.
    Complete {
        /// With which result.
        result: LifecycleActionResult,
        /// How the drain then ended.
        settled: Settled,
    },
    /// Keep the lifecycle action alive.
    Heartbeat,
}

impl Ask {
    /// The request whose patience it needs.
    #[must_use]
    pub fn request(&self) -> Request {
        match self {
            Self::Hold | Self::HoldAndLocation => Request::Hold,
            Self::Start => Request::Start,
            Self::Location => Request::Location,
            Self::Instance => Request::Instance,
            Self::Tasks | Self::Stragglers => Request::Tasks,
            Self::Services => Request::Services,
            Self::Drain => Request::Drain,
            Self::StopTasks(_) => Request::StopTasks,
            Self::Complete { .. } => Request::Complete,
            Self::Heartbeat => Request::Heartbeat,
        }
    }
}

/// How a drain ended, for this invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// In a word.
    pub outcome: Outcome,
    /// In a sentence.
    pub detail: String,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every task stopped, and the hook was completed where there is one.
    Drained,
    /// Registered in no cluster, so released at once.
    NotInEcs,
    /// Its host is gone; nothing can stop its tasks gracefully any more.
    HostGone,
    /// The lifecycle action was already over.
    AlreadyReleased,
    /// The deadline passed with tasks not STOPPED.
    TimedOut,
    /// `reconcile`, or the queue, goes on.
    HandedOver,
    /// Its event is ahead of Auto Scaling's state, and its message comes again.
    NotWaitingYet,
    /// Not ours.
    Ignored,
    /// Set DRAINING, and its tasks are not waited for.
    Draining,
    /// Of a drain by hand: another operator set it ACTIVE again.
    TakenBack,
    /// What a dry run would have done.
    WouldDrain,
}

impl Outcome {
    /// As it is written everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::NotInEcs => "not-in-ecs",
            Self::HostGone => "host-gone",
            Self::AlreadyReleased => "already-released",
            Self::TimedOut => "timed-out",
            Self::HandedOver => "handed-over",
            Self::NotWaitingYet => "not-waiting-yet",
            Self::Ignored => "ignored",
            Self::Draining => "draining",
            Self::TakenBack => "taken-back",
            Self::WouldDrain => "would-drain",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A drain that ended like this.
#[must_use]
pub fn settled(outcome: Outcome, detail: String) -> Says {
    Says::Settled(Settled { outcome, detail })
}

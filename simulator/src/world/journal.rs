//! What is told of a world afterwards.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::iam::Access;
use crate::world::terms::{ActionResult, LastStatus, Log, Operation, Request};

/// What happened so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal {
    pub(crate) requests: Log<Recorded>,
    pub(crate) denied: Log<Denied>,
    pub(crate) releases: Vec<Release>,
    pub(crate) hook_timeouts: Vec<HookTimeout>,
    pub(crate) killed: Vec<Killed>,
    counts: BTreeMap<Operation, usize>,
}

impl Journal {
    pub(crate) fn record(&mut self, request: Recorded) {
        *self.counts.entry(request.request.operation()).or_default() += 1;
        self.requests.push(request);
    }

    /// How many requests of one operation there ever were.
    pub(crate) fn count(&self, operation: Operation) -> usize {
        self.counts.get(&operation).copied().unwrap_or_default()
    }
}

/// One request, recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// When it came.
    pub at: Timestamp,
    /// Who asked.
    pub client: String,
    /// What for.
    pub request: Request,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a request, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// It was refused with this code.
    Refused(String),
    /// The connection dropped; it had its effect where `effect` says so.
    Lost {
        /// Whether the request took effect.
        effect: bool,
    },
}

/// A request was refused for want of a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Whose request.
    pub client: String,
    /// What its policies do not allow.
    pub access: Access,
}

/// An accepted CompleteLifecycleAction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// When.
    pub at: Timestamp,
    /// The instance that was waiting.
    pub instance_id: String,
    /// Its group.
    pub group: String,
    /// The hook that was completed.
    pub hook: String,
    /// With what.
    pub result: ActionResult,
    /// Where the instance was going, as its event says: `EC2`, `WarmPool` or `AutoScalingGroup`.
    pub destination: &'static str,
    /// The lifecycle state that follows, once no other hook holds the instance. A `Terminating:Retained` host runs on.
    pub leads_to: &'static str,
    /// The tasks on the host that were not STOPPED then, as ARNs.
    pub unstopped: Vec<(String, LastStatus)>,
}

/// A lifecycle action that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookTimeout {
    /// When.
    pub at: Timestamp,
    /// The instance that was waiting.
    pub instance_id: String,
    /// Its group.
    pub group: String,
    /// The hook it waited on.
    pub hook: String,
    /// The hook's default result, which applied.
    pub result: ActionResult,
    /// The tasks on the host that were not STOPPED then, as ARNs.
    pub unstopped: Vec<(String, LastStatus)>,
}

/// A task whose containers had not ended when its host went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Killed {
    /// The task's ARN.
    pub task: String,
    /// The host.
    pub instance_id: String,
    /// When.
    pub at: Timestamp,
    /// What the task was.
    pub last_status: LastStatus,
}

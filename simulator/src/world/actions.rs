//! Lifecycle actions: their timeouts, heartbeats and completion.

use std::time::Duration;

use jiff::Timestamp;

use super::{ActionResult, ApiError, Due, HookSpec, LastStatus, World, later};

/// The longest an instance can be held in a wait state, however many heartbeats come.
// Auto Scaling user guide, lifecycle hooks: 48 hours or 100 times the heartbeat timeout, whichever is smaller.
const MAX_WAIT: Duration = Duration::from_hours(48);
const MAX_WAIT_HEARTBEATS: u32 = 100;

/// An instance that waits on one hook.
#[derive(Debug, Clone)]
pub(super) struct Action {
    pub(super) token: String,
    heartbeat_timeout: Duration,
    default_result: ActionResult,
    times_out_at: Timestamp,
    /// No heartbeat goes beyond this.
    ends_at: Timestamp,
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

/// How a request names a lifecycle action.
#[derive(Debug, Clone, Copy)]
pub(super) struct ActionName<'a> {
    pub(super) group: &'a str,
    pub(super) hook: &'a str,
    pub(super) instance_id: Option<&'a str>,
    pub(super) token: Option<&'a str>,
}

/// How an action ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    pub(super) result: ActionResult,
    pub(super) timed_out: bool,
}

impl Ending {
    /// What the scaling activity of an abandoned instance says.
    // Recorded, both.
    pub(super) fn abandoned(self, token: &str) -> String {
        let why = if self.timed_out { "Heartbeat Timeout" } else { "Lifecycle Action Completed with ABANDON Result" };
        format!(
            "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token {token} was abandoned: {why}"
        )
    }
}

/// The global limit of a hook's actions.
pub(super) fn global_timeout(heartbeat_timeout: Duration) -> Duration {
    heartbeat_timeout.saturating_mul(MAX_WAIT_HEARTBEATS).min(MAX_WAIT)
}

impl World {
    /// CompleteLifecycleAction.
    // It is assumed that an action can be completed before the instance's state tells of it.
    pub(super) fn complete(&mut self, name: ActionName<'_>, result: ActionResult) -> Result<(), ApiError> {
        let instance_id = self.active_action(name)?;
        let (destination, leads_to) = self.consequence(&instance_id, result).unwrap_or_default();
        self.releases.push(Release {
            at: self.now,
            unstopped: self.unstopped_tasks(&instance_id),
            instance_id: instance_id.clone(),
            group: name.group.to_owned(),
            hook: name.hook.to_owned(),
            result,
            destination,
            leads_to,
        });
        self.end_action(&instance_id, name.hook, Ending { result, timed_out: false });
        Ok(())
    }

    /// RecordLifecycleActionHeartbeat.
    pub(super) fn heartbeat(&mut self, name: ActionName<'_>) -> Result<(), ApiError> {
        let instance_id = self.active_action(name)?;
        let now = self.now;
        let Some(action) = (self.hosts.get_mut(&instance_id)).and_then(|host| host.actions.get_mut(name.hook)) else {
            return Ok(());
        };
        let before = action.times_out_at;
        let after = later(now, action.heartbeat_timeout).min(action.ends_at);
        action.times_out_at = after;
        let due = Due::HookTimeout { instance_id, hook: name.hook.to_owned() };
        self.agenda.remove(&(before, due.clone()));
        self.agenda.insert((after, due));
        Ok(())
    }

    /// An action whose time is over ends with its hook's default result.
    pub(super) fn time_out(&mut self, instance_id: &str, hook: &str) {
        let Some(host) = self.hosts.get(instance_id) else {
            return;
        };
        let (Some(action), Some(group)) = (host.actions.get(hook), host.group.clone()) else {
            return;
        };
        let result = action.default_result;
        self.hook_timeouts.push(HookTimeout {
            at: self.now,
            instance_id: instance_id.to_owned(),
            group,
            hook: hook.to_owned(),
            result,
            unstopped: self.unstopped_tasks(instance_id),
        });
        self.end_action(instance_id, hook, Ending { result, timed_out: true });
    }

    /// Begins an action now; answers its token.
    pub(super) fn begin_action(&mut self, instance_id: &str, hook: &HookSpec) -> String {
        let token = self.made_up_uuid();
        let times_out_at = later(self.now, hook.heartbeat_timeout);
        let action = Action {
            token: token.clone(),
            heartbeat_timeout: hook.heartbeat_timeout,
            default_result: hook.default_result,
            times_out_at,
            ends_at: self.now + global_timeout(hook.heartbeat_timeout),
        };
        if let Some(host) = self.hosts.get_mut(instance_id) {
            host.actions.insert(hook.name.clone(), action);
        }
        let due = Due::HookTimeout { instance_id: instance_id.to_owned(), hook: hook.name.clone() };
        self.agenda.insert((times_out_at, due));
        token
    }

    /// Ends every action of an instance without a further word.
    pub(super) fn end_actions(&mut self, instance_id: &str) {
        let hooks: Vec<String> =
            self.hosts.get(instance_id).map(|host| host.actions.keys().cloned().collect()).unwrap_or_default();
        for hook in hooks {
            self.take_action(instance_id, &hook);
        }
    }

    // Auto Scaling user guide: ABANDON also ends the other hooks' wait.
    pub(super) fn end_action(&mut self, instance_id: &str, hook: &str, ending: Ending) {
        let Some(action) = self.take_action(instance_id, hook) else {
            return;
        };
        if ending.result == ActionResult::Abandon {
            self.end_actions(instance_id);
        }
        if (self.hosts.get(instance_id)).is_some_and(|host| host.actions.is_empty()) {
            self.let_go(instance_id, &action.token, ending);
        }
    }

    fn take_action(&mut self, instance_id: &str, hook: &str) -> Option<Action> {
        let action = self.hosts.get_mut(instance_id)?.actions.remove(hook)?;
        let due = Due::HookTimeout { instance_id: instance_id.to_owned(), hook: hook.to_owned() };
        self.agenda.remove(&(action.times_out_at, due));
        Some(action)
    }

    /// The instance whose active action a request names. A group that is gone has none, as recorded: it is not said to be
    /// unknown.
    fn active_action(&self, name: ActionName<'_>) -> Result<String, ApiError> {
        let instance = match (name.instance_id, name.token) {
            (Some(id), _) => self.hosts.get(id),
            (None, Some(token)) => {
                (self.hosts.values()).find(|host| host.actions.get(name.hook).is_some_and(|a| a.token == token))
            }
            (None, None) => {
                return Err(ApiError::validation("An instance ID or a lifecycle action token is required"));
            }
        };
        instance
            .filter(|host| host.group.as_deref() == Some(name.group))
            .filter(|host| {
                (host.actions.get(name.hook)).is_some_and(|action| name.token.is_none_or(|token| token == action.token))
            })
            .map(|host| host.instance_id.clone())
            .ok_or_else(|| no_active_action(name))
    }

    fn unstopped_tasks(&self, instance_id: &str) -> Vec<(String, LastStatus)> {
        (self.tasks_on(instance_id).into_iter())
            .filter(|task| task.last_status != LastStatus::Stopped)
            .map(|task| (task.arn.clone(), task.last_status))
            .collect()
    }
}

fn no_active_action(name: ActionName<'_>) -> ApiError {
    let message = match (name.instance_id, name.token) {
        (Some(id), _) => format!("No active Lifecycle Action found with instance ID {id}"),
        (None, token) => format!("No active Lifecycle Action found with token {}", token.unwrap_or_default()),
    };
    ApiError::validation(message)
}

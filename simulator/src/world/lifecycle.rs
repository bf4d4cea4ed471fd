//! Lifecycle hooks: actions that hold up a termination, their timeouts, heartbeats and completion.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    ActionResult, ApiError, Due, HookSpec, LastStatus, Transition, World, WorldError, hooks::no_group, later, unknown,
};

/// The longest an instance can be held in a wait state, however many heartbeats come.
// Auto Scaling user guide, lifecycle hooks: 48 hours or 100 times the heartbeat timeout, whichever is smaller.
const MAX_WAIT: Duration = Duration::from_hours(48);
const MAX_WAIT_HEARTBEATS: u32 = 100;

/// An Auto Scaling group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its hooks by name.
    pub hooks: BTreeMap<String, HookSpec>,
}

/// A termination that waits on one hook.
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

/// The global limit of a hook's actions.
pub(super) fn global_timeout(heartbeat_timeout: Duration) -> Duration {
    heartbeat_timeout.saturating_mul(MAX_WAIT_HEARTBEATS).min(MAX_WAIT)
}

impl World {
    /// A group's hook as it stands.
    pub fn hook(&self, group: &str, name: &str) -> Option<HookSpec> {
        self.groups.get(group)?.hooks.get(name).cloned()
    }

    /// Auto Scaling begins to terminate an instance at `now`. Answers the events it sends, one for each termination hook.
    pub fn scale_in(&mut self, instance_id: &str, now: Timestamp) -> Result<Vec<Value>, WorldError> {
        self.advance(now);
        let (name, arn, hooks) = self.group_of(instance_id)?;
        if self.lifecycle_state(instance_id) != Some("InService") {
            return Err(WorldError::Terminating(instance_id.to_owned()));
        }
        if hooks.is_empty() {
            self.proceed(instance_id);
            self.settle();
            return Ok(Vec::new());
        }
        self.set_lifecycle_state(instance_id, "Terminating:Wait");
        let mut events = Vec::new();
        for hook in hooks {
            let token = self.begin_action(instance_id, &hook);
            events.push(self.event(&name, &arn, instance_id, &hook, &token));
        }
        Ok(events)
    }

    /// CompleteLifecycleAction.
    pub(super) fn complete(&mut self, name: ActionName<'_>, result: ActionResult) -> Result<(), ApiError> {
        let instance_id = self.active_action(name)?;
        self.releases.push(Release {
            at: self.now,
            unstopped: self.unstopped_tasks(&instance_id),
            instance_id: instance_id.clone(),
            group: name.group.to_owned(),
            hook: name.hook.to_owned(),
            result,
        });
        self.end_action(&instance_id, name.hook, result);
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
        self.end_action(instance_id, hook, result);
    }

    /// Ends every action of an instance without a further word.
    pub(super) fn end_actions(&mut self, instance_id: &str) {
        let Some(host) = self.hosts.get_mut(instance_id) else {
            return;
        };
        for (hook, action) in std::mem::take(&mut host.actions) {
            let due = Due::HookTimeout { instance_id: instance_id.to_owned(), hook };
            self.agenda.remove(&(action.times_out_at, due));
        }
    }

    // Auto Scaling user guide: on termination both results terminate; ABANDON also ends the other hooks' wait.
    pub(super) fn end_action(&mut self, instance_id: &str, hook: &str, result: ActionResult) {
        match result {
            ActionResult::Abandon => self.end_actions(instance_id),
            ActionResult::Continue => {
                let action = (self.hosts.get_mut(instance_id)).and_then(|host| host.actions.remove(hook));
                if let Some(action) = action {
                    let due = Due::HookTimeout { instance_id: instance_id.to_owned(), hook: hook.to_owned() };
                    self.agenda.remove(&(action.times_out_at, due));
                }
            }
        }
        if (self.hosts.get(instance_id)).is_some_and(|host| host.actions.is_empty()) {
            self.proceed(instance_id);
        }
    }

    fn proceed(&mut self, instance_id: &str) {
        self.set_lifecycle_state(instance_id, "Terminating:Proceed");
        let at = later(self.now, self.settings.termination_delay);
        self.agenda.insert((at, Due::PowerOff(instance_id.to_owned())));
    }

    fn begin_action(&mut self, instance_id: &str, hook: &HookSpec) -> String {
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

    // Auto Scaling user guide, "EventBridge event reference": EC2 Instance-terminate Lifecycle Action.
    fn event(&mut self, group: &str, group_arn: &str, instance_id: &str, hook: &HookSpec, token: &str) -> Value {
        let mut detail = json!({
            "LifecycleActionToken": token,
            "AutoScalingGroupName": group,
            "LifecycleHookName": hook.name,
            "EC2InstanceId": instance_id,
            "LifecycleTransition": hook.transition.as_str(),
            "Origin": "AutoScalingGroup",
            "Destination": "EC2",
        });
        if let (Some(metadata), Some(detail)) = (&hook.notification_metadata, detail.as_object_mut()) {
            detail.insert("NotificationMetadata".to_owned(), json!(metadata));
        }
        json!({
            "version": "0",
            "id": self.made_up_uuid(),
            "detail-type": "EC2 Instance-terminate Lifecycle Action",
            "source": "aws.autoscaling",
            "account": self.settings.account,
            "time": self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": self.settings.region,
            "resources": [group_arn],
            "detail": detail,
        })
    }

    fn group_of(&self, instance_id: &str) -> Result<(String, String, Vec<HookSpec>), WorldError> {
        let host = (self.hosts.get(instance_id)).ok_or_else(|| unknown("host", instance_id))?;
        let group = (host.group.as_deref())
            .and_then(|group| self.groups.get(group))
            .ok_or_else(|| unknown("group of host", instance_id))?;
        let hooks = (group.hooks.values()).filter(|hook| hook.transition == Transition::Terminating).cloned().collect();
        Ok((group.name.clone(), group.arn.clone(), hooks))
    }

    /// The instance whose active action a request names.
    fn active_action(&self, name: ActionName<'_>) -> Result<String, ApiError> {
        if !self.groups.contains_key(name.group) {
            return Err(no_group(name.group));
        }
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

    fn set_lifecycle_state(&mut self, instance_id: &str, state: &'static str) {
        if let Some(host) = self.hosts.get_mut(instance_id) {
            host.lifecycle_state = state;
        }
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

//! Lifecycle actions: their timeouts, heartbeats and completion.

use super::super::journal::{HookTimeout, Release};
use super::{
    AutoScaling,
    group::{Action, ActionName, Ending, global_timeout},
};
use crate::world::terms::{ActionResult, ApiError, Due, HookSpec, Present, later};

impl AutoScaling {
    /// CompleteLifecycleAction. Answers what is told of it afterwards, without the tasks.
    // It is assumed that an action can be completed before the instance's state tells of it.
    pub(crate) fn complete(
        &mut self,
        present: &mut Present,
        name: ActionName<'_>,
        result: ActionResult,
    ) -> Result<Release, ApiError> {
        let instance_id = self.active_action(name)?;
        let (destination, leads_to) = self.consequence(&instance_id, result).unwrap_or_default();
        self.end_action(present, &instance_id, name.hook, Ending { result, timed_out: false });
        let (group, hook) = (name.group.to_owned(), name.hook.to_owned());
        Ok(Release { at: present.now, instance_id, group, hook, result, destination, leads_to, unstopped: Vec::new() })
    }

    /// RecordLifecycleActionHeartbeat.
    pub(crate) fn heartbeat(&mut self, present: &mut Present, name: ActionName<'_>) -> Result<(), ApiError> {
        let instance_id = self.active_action(name)?;
        let now = present.now;
        let Some(action) =
            (self.instances.get_mut(&instance_id)).and_then(|instance| instance.actions.get_mut(name.hook))
        else {
            return Ok(());
        };
        let before = action.times_out_at;
        let after = later(now, action.heartbeat_timeout).min(action.ends_at);
        action.times_out_at = after;
        let due = Due::HookTimeout { instance_id, hook: name.hook.to_owned() };
        present.cancel(before, due.clone());
        present.plan(after, due);
        Ok(())
    }

    /// An action whose time is over ends with its hook's default result. Answers what is told of it afterwards, without the
    /// tasks.
    pub(crate) fn time_out(&mut self, present: &mut Present, instance_id: &str, hook: &str) -> Option<HookTimeout> {
        let instance = self.instances.get(instance_id)?;
        let result = instance.actions.get(hook)?.default_result;
        let group = instance.group.clone();
        self.end_action(present, instance_id, hook, Ending { result, timed_out: true });
        let (instance_id, hook) = (instance_id.to_owned(), hook.to_owned());
        Some(HookTimeout { at: present.now, instance_id, group, hook, result, unstopped: Vec::new() })
    }

    /// Begins an action now; answers its token.
    pub(crate) fn begin_action(&mut self, present: &mut Present, instance_id: &str, hook: &HookSpec) -> String {
        let token = present.uuid();
        let times_out_at = later(present.now, hook.heartbeat_timeout);
        let action = Action {
            token: token.clone(),
            heartbeat_timeout: hook.heartbeat_timeout,
            default_result: hook.default_result,
            times_out_at,
            ends_at: present.now + global_timeout(hook.heartbeat_timeout),
        };
        if let Some(instance) = self.instances.get_mut(instance_id) {
            instance.actions.insert(hook.name.clone(), action);
        }
        let due = Due::HookTimeout { instance_id: instance_id.to_owned(), hook: hook.name.clone() };
        present.plan(times_out_at, due);
        token
    }

    /// Ends every action of an instance without a further word.
    pub(crate) fn end_actions(&mut self, present: &mut Present, instance_id: &str) {
        let hooks: Vec<String> = self
            .instances
            .get(instance_id)
            .map(|instance| instance.actions.keys().cloned().collect())
            .unwrap_or_default();
        for hook in hooks {
            self.take_action(present, instance_id, &hook);
        }
    }

    // Auto Scaling user guide: ABANDON also ends the other hooks' wait.
    pub(crate) fn end_action(&mut self, present: &mut Present, instance_id: &str, hook: &str, ending: Ending) {
        let Some(action) = self.take_action(present, instance_id, hook) else { return };
        if ending.result == ActionResult::Abandon {
            self.end_actions(present, instance_id);
        }
        if (self.instances.get(instance_id)).is_some_and(|instance| instance.actions.is_empty()) {
            self.let_go(present, instance_id, &action.token, ending);
        }
    }

    fn take_action(&mut self, present: &mut Present, instance_id: &str, hook: &str) -> Option<Action> {
        let action = self.instances.get_mut(instance_id)?.actions.remove(hook)?;
        let due = Due::HookTimeout { instance_id: instance_id.to_owned(), hook: hook.to_owned() };
        present.cancel(action.times_out_at, due);
        Some(action)
    }

    /// The instance whose active action a request names. A group that is gone has none, as recorded: it is not said to be
    /// unknown.
    fn active_action(&self, name: ActionName<'_>) -> Result<String, ApiError> {
        let instance = match (name.instance_id, name.token) {
            (Some(id), _) => self.instances.get(id),
            (None, Some(token)) => (self.instances.values())
                .find(|instance| instance.actions.get(name.hook).is_some_and(|a| a.token == token)),
            (None, None) => {
                return Err(ApiError::validation("An instance ID or a lifecycle action token is required"));
            }
        };
        instance
            .filter(|instance| instance.group == name.group)
            .filter(|instance| {
                (instance.actions.get(name.hook))
                    .is_some_and(|action| name.token.is_none_or(|token| token == action.token))
            })
            .map(|instance| instance.instance_id.clone())
            .ok_or_else(|| no_active_action(name))
    }
}

fn no_active_action(name: ActionName<'_>) -> ApiError {
    let message = match (name.instance_id, name.token) {
        (Some(id), _) => format!("No active Lifecycle Action found with instance ID {id}"),
        (None, token) => format!("No active Lifecycle Action found with token {}", token.unwrap_or_default()),
    };
    ApiError::validation(message)
}

//! Lifecycle hooks as people set them: PutLifecycleHook and DeleteLifecycleHook.

use std::time::Duration;

use super::{
    AutoScaling,
    group::{Ending, Group},
    limits::no_group,
};
use crate::world::terms::{ActionResult, ApiError, HookSpec, Present, Response, Transition};

// Auto Scaling API reference, PutLifecycleHook: "the range is from 30 to 7200 seconds. The default value is 3600 seconds".
const MIN_HEARTBEAT_TIMEOUT: i32 = 30;
const MAX_HEARTBEAT_TIMEOUT: i32 = 7_200;
const DEFAULT_HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3_600);

// Auto Scaling API reference, PutLifecycleHook: LifecycleHookName, NotificationMetadata.
const MAX_NAME: usize = 255;
const MAX_METADATA: usize = 4_000;

// Auto Scaling API reference, PutLifecycleHook: "your maximum limit of lifecycle hooks, which by default is 50 per Auto Scaling group".
const MAX_HOOKS: usize = 50;

impl AutoScaling {
    /// PutLifecycleHook: what is left out keeps its value, or has its default in a new hook. Actions that wait on the hook
    /// already go on as they began.
    pub(crate) fn put_hook(
        &mut self,
        group: &str,
        hook: &str,
        transition: Option<&str>,
        heartbeat_timeout: Option<i32>,
        default_result: Option<&str>,
        notification_metadata: Option<&str>,
    ) -> Result<Response, ApiError> {
        check_name(hook)?;
        let group = self.group_mut(group)?;
        let count = group.hooks.len();
        let existing = group.hooks.get(hook);
        let is_new = existing.is_none();
        let read = |text: &str| {
            text.parse().map_err(|()| ApiError::validation(format!("Invalid lifecycle transition: {text}")))
        };
        let transition = transition.map(read).transpose()?;
        let mut put = match (existing, transition) {
            (Some(existing), _) => existing.clone(),
            (None, Some(transition)) => HookSpec {
                transition,
                // Auto Scaling API reference, PutLifecycleHook: "The default value is ABANDON."
                default_result: ActionResult::Abandon,
                ..HookSpec::terminating(hook, DEFAULT_HEARTBEAT_TIMEOUT)
            },
            (None, None) => {
                return Err(ApiError::validation("LifecycleTransition is required for a new lifecycle hook"));
            }
        };
        if is_new && count >= MAX_HOOKS {
            return Err(ApiError::new("LimitExceeded", format!("At most {MAX_HOOKS} lifecycle hooks for each group")));
        }
        put.transition = transition.unwrap_or(put.transition);
        if let Some(seconds) = heartbeat_timeout {
            put.heartbeat_timeout = read_timeout(seconds)?;
        }
        if let Some(result) = default_result {
            put.default_result =
                result.parse().map_err(|()| ApiError::validation(format!("Invalid default result: {result}")))?;
        }
        if let Some(metadata) = notification_metadata {
            check_metadata(metadata)?;
            put.notification_metadata = Some(metadata.to_owned());
        }
        group.hooks.insert(hook.to_owned(), put);
        Ok(Response::Done)
    }

    /// DeleteLifecycleHook.
    pub(crate) fn delete_hook(&mut self, present: &mut Present, group: &str, hook: &str) -> Result<Response, ApiError> {
        check_name(hook)?;
        // Auto Scaling API reference, Common Error Types: ValidationError. The message is not documented.
        let Some(deleted) = self.group_mut(group)?.hooks.remove(hook) else {
            return Err(ApiError::validation(format!("No lifecycle hook {hook} in Auto Scaling group {group}")));
        };
        // Auto Scaling API reference, DeleteLifecycleHook: "any outstanding lifecycle actions […] are completed first
        // (ABANDON for launching instances, CONTINUE for terminating instances)".
        let result = match deleted.transition {
            Transition::Launching => ActionResult::Abandon,
            Transition::Terminating => ActionResult::Continue,
        };
        let waiting: Vec<String> = (self.members(group))
            .filter(|instance| instance.actions.contains_key(hook))
            .map(|instance| instance.instance_id.clone())
            .collect();
        for instance_id in waiting {
            self.end_action(present, &instance_id, hook, Ending { result, timed_out: false });
        }
        Ok(Response::Done)
    }

    fn group_mut(&mut self, name: &str) -> Result<&mut Group, ApiError> {
        self.groups.get_mut(name).ok_or_else(|| no_group(name))
    }
}

// Auto Scaling API reference, PutLifecycleHook: pattern [A-Za-z0-9\-_\/]+.
fn check_name(name: &str) -> Result<(), ApiError> {
    let fits = (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/'));
    if fits { Ok(()) } else { Err(ApiError::validation(format!("Invalid lifecycle hook name: {name}"))) }
}

// Auto Scaling API reference, PutLifecycleHook: pattern [\u0009\u000A\u000D\u0020-\u007e]+.
fn check_metadata(metadata: &str) -> Result<(), ApiError> {
    let fits = (1..=MAX_METADATA).contains(&metadata.len())
        && metadata.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='~'));
    if fits { Ok(()) } else { Err(ApiError::validation("Invalid notification metadata")) }
}

fn read_timeout(seconds: i32) -> Result<Duration, ApiError> {
    u64::try_from(seconds)
        .ok()
        .filter(|_| (MIN_HEARTBEAT_TIMEOUT..=MAX_HEARTBEAT_TIMEOUT).contains(&seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| {
            ApiError::validation(format!(
                "HeartbeatTimeout must be between {MIN_HEARTBEAT_TIMEOUT} and {MAX_HEARTBEAT_TIMEOUT}"
            ))
        })
}

//! The events that Auto Scaling sends by EventBridge of lifecycle actions.

use serde_json::{Value, json};

use super::{
    HookSpec, Transition, World,
    lifecycle::{Group, whole_seconds},
    way::Way,
};

impl World {
    /// The lifecycle action events after the first `seen` that ever were: those that a call answered, and those of what
    /// Auto Scaling began by itself.
    pub fn lifecycle_events_since(&self, seen: usize) -> &[Value] {
        self.lifecycle_events.since(seen)
    }

    /// How many lifecycle action events there ever were.
    pub fn lifecycle_event_count(&self) -> usize {
        self.lifecycle_events.total()
    }

    // Auto Scaling user guide, "EventBridge event reference"; `Action` and the whole seconds are recorded.
    pub(super) fn lifecycle_event(
        &mut self,
        group: &Group,
        instance_id: &str,
        way: Way,
        hook: &HookSpec,
        token: &str,
    ) -> Value {
        let mut detail = json!({
            "LifecycleActionToken": token,
            "AutoScalingGroupName": group.name,
            "LifecycleHookName": hook.name,
            "EC2InstanceId": instance_id,
            "LifecycleTransition": hook.transition.as_str(),
            "Origin": way.origin(),
            "Destination": way.destination(),
            "Action": way.action(),
        });
        if let (Some(metadata), Some(detail)) = (&hook.notification_metadata, detail.as_object_mut()) {
            detail.insert("NotificationMetadata".to_owned(), as_event_bridge_has_it(metadata));
        }
        let event = json!({
            "version": "0",
            "id": self.made_up_uuid(),
            "detail-type": match way.transition() {
                Transition::Terminating => "EC2 Instance-terminate Lifecycle Action",
                Transition::Launching => "EC2 Instance-launch Lifecycle Action",
            },
            "source": "aws.autoscaling",
            "account": self.settings.account,
            "time": whole_seconds(self.now),
            "region": self.settings.region,
            "resources": [group.arn],
            "detail": detail,
        });
        self.lifecycle_events.push(event.clone());
        event
    }
}

/// A JSON object where the hook's metadata is one, else the text as it stands.
// Seen in events on real AWS; DescribeLifecycleHooks has the text.
fn as_event_bridge_has_it(metadata: &str) -> Value {
    serde_json::from_str(metadata).ok().filter(Value::is_object).unwrap_or_else(|| json!(metadata))
}

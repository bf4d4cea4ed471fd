//! The events that Auto Scaling sends by EventBridge of lifecycle actions.

use serde_json::{Value, json};

use super::{AutoScaling, group::Group, way::Way};
use crate::world::terms::{HookSpec, Present, Transition, whole_seconds};

impl AutoScaling {
    // Auto Scaling user guide, "EventBridge event reference"; `Action` and the whole seconds are recorded.
    pub(crate) fn lifecycle_event(
        &mut self,
        present: &mut Present,
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
            "id": present.uuid(),
            "detail-type": match way.transition() {
                Transition::Terminating => "EC2 Instance-terminate Lifecycle Action",
                Transition::Launching => "EC2 Instance-launch Lifecycle Action",
            },
            "source": "aws.autoscaling",
            "account": present.settings.account,
            "time": whole_seconds(present.now),
            "region": present.settings.region,
            "resources": [group.arn],
            "detail": detail,
        });
        self.events.push(event.clone());
        event
    }
}

/// A JSON object where the hook's metadata is one, else the text as it stands.
// Seen in events on real AWS; DescribeLifecycleHooks has the text.
fn as_event_bridge_has_it(metadata: &str) -> Value {
    serde_json::from_str(metadata).ok().filter(Value::is_object).unwrap_or_else(|| json!(metadata))
}

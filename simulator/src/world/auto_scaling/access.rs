//! What Auto Scaling's requests ask a client's policies about.

use super::super::gate::access::access;
use super::AutoScaling;
use crate::iam::Access;
use crate::world::terms::AutoScalingRequest;

impl AutoScaling {
    // Service Authorization Reference, "Actions, resources, and condition keys" for EC2 Auto Scaling: an operation's
    // resource types; those it has none for need the resource `*`.
    pub(crate) fn accesses(&self, request: &AutoScalingRequest) -> Vec<Access> {
        let operation = request.operation();
        match request {
            AutoScalingRequest::PutLifecycleHook { group, .. }
            | AutoScalingRequest::DeleteLifecycleHook { group, .. }
            | AutoScalingRequest::CompleteLifecycleAction { group, .. }
            | AutoScalingRequest::RecordLifecycleActionHeartbeat { group, .. } => {
                let tags = self.tags.get(group).into_iter().flatten();
                let keys = tags.map(|(key, value)| (format!("aws:ResourceTag/{key}"), value.clone())).collect();
                // A group that is not there is refused by the operation itself.
                self.groups.get(group).map(|it| access(operation, it.arn.clone(), keys)).into_iter().collect()
            }
            _ => vec![access(operation, "*".to_owned(), Vec::new())],
        }
    }
}

//! The services that only the command's `check` asks: CloudFormation, EventBridge and IAM.

pub(super) mod cloudformation;
pub(super) mod event_bridge;
pub(super) mod iam;

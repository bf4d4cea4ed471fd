//! What the requests of `check` ask a client's policies about.

use super::super::gate::access::access;
use super::{Deployed, rules::rule_arn};
use crate::iam::Access;
use crate::world::terms::{CloudFormationRequest, EventBridgeRequest, IamRequest, Settings};

impl Deployed {
    // Service Authorization Reference, "Actions, resources, and condition keys" for each service.
    pub(crate) fn stack_accesses(&self, settings: &Settings, request: &CloudFormationRequest) -> Vec<Access> {
        let of = |resource| access(request.operation(), resource, Vec::new());
        match request {
            CloudFormationRequest::DescribeStacks { stack_name: Some(stack) }
            | CloudFormationRequest::ListStackResources { stack_name: stack, .. } => {
                vec![of(self.stack_arn(settings, stack))]
            }
            // CloudFormation API reference, DescribeStacks: without a name it "requires ListStacks and DescribeStacks permissions".
            CloudFormationRequest::DescribeStacks { stack_name: None } => {
                let describe = of("*".to_owned());
                let list = Access { action: "cloudformation:ListStacks".to_owned(), ..describe.clone() };
                vec![describe, list]
            }
        }
    }

    pub(crate) fn rule_accesses(&self, settings: &Settings, request: &EventBridgeRequest) -> Vec<Access> {
        let (EventBridgeRequest::DescribeRule { name: rule, event_bus_name }
        | EventBridgeRequest::ListTargetsByRule { rule, event_bus_name }) = request;
        vec![access(request.operation(), rule_arn(settings, rule, event_bus_name.as_deref()), Vec::new())]
    }

    pub(crate) fn role_accesses(&self, request: &IamRequest) -> Vec<Access> {
        let IamRequest::SimulatePrincipalPolicy { policy_source_arn, .. } = request;
        vec![access(request.operation(), policy_source_arn.clone(), Vec::new())]
    }
}

//! What the requests of `check` ask a client's policies about.

use super::{
    super::{gate::access::access, request::Request, settings::Settings},
    Deployed,
    rules::rule_arn,
};
use crate::iam::Access;

impl Deployed {
    // Service Authorization Reference, "Actions, resources, and condition keys" for each service.
    pub(crate) fn accesses(&self, settings: &Settings, request: &Request) -> Vec<Access> {
        let of = |resource| access(request.operation(), resource, Vec::new());
        match request {
            // CloudFormation API reference, DescribeStacks: without a name it "requires ListStacks and DescribeStacks permissions".
            Request::DescribeStacks { stack_name: None } => {
                let describe = of("*".to_owned());
                let list = Access { action: "cloudformation:ListStacks".to_owned(), ..describe.clone() };
                vec![describe, list]
            }
            Request::DescribeStacks { stack_name: Some(stack) }
            | Request::ListStackResources { stack_name: stack, .. } => vec![of(self.stack_arn(settings, stack))],
            Request::DescribeRule { name: rule, event_bus_name }
            | Request::ListTargetsByRule { rule, event_bus_name } => {
                vec![of(rule_arn(settings, rule, event_bus_name.as_deref()))]
            }
            Request::SimulatePrincipalPolicy { policy_source_arn, .. } => vec![of(policy_source_arn.clone())],
            _ => Vec::new(),
        }
    }
}

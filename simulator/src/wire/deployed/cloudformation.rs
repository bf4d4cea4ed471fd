//! What CloudFormation is asked, and what it answers.

use super::super::xml::{list, optional, text};
use crate::world::{Response, StackDescription, StackResource};

pub(in crate::wire) fn content(response: &Response) -> String {
    match response {
        Response::Stacks(stacks) => list("Stacks", stacks, stack),
        Response::StackResources { resources, next_token } => {
            list("StackResourceSummaries", resources, resource) + &optional("NextToken", next_token.as_deref())
        }
        _ => String::new(),
    }
}

fn stack(stack: &StackDescription) -> String {
    [
        text("StackId", &stack.stack_id),
        text("StackName", &stack.stack_name),
        list("Parameters", &stack.parameters, |(key, value)| {
            text("ParameterKey", key) + &text("ParameterValue", value)
        }),
        text("CreationTime", &stack.creation_time.to_string()),
        text("StackStatus", "CREATE_COMPLETE"),
    ]
    .concat()
}

fn resource(resource: &StackResource) -> String {
    [
        text("LogicalResourceId", &resource.logical_resource_id),
        text("PhysicalResourceId", &resource.physical_resource_id),
        text("ResourceType", &resource.resource_type),
        text("LastUpdatedTimestamp", &resource.last_updated.to_string()),
        text("ResourceStatus", "CREATE_COMPLETE"),
    ]
    .concat()
}

//! Stacks, as CloudFormation shows them.

use super::{Deployed, resources::DeployedStack};
use crate::world::terms::{
    ApiError, CloudFormationRequest, Cut, MAX_PAGE, Present, Response, Settings, StackDescription, cut,
};

impl Deployed {
    pub(crate) fn serve_cloudformation(
        &self,
        present: &Present,
        request: &CloudFormationRequest,
    ) -> Result<Response, ApiError> {
        match request {
            CloudFormationRequest::DescribeStacks { stack_name: Some(named) } => {
                let (name, stack) = self.stack(named)?;
                Ok(Response::Stacks(vec![described(name, stack)]))
            }
            CloudFormationRequest::DescribeStacks { stack_name: None } => {
                let stacks = self.stacks.iter().map(|(name, stack)| described(name, stack));
                Ok(Response::Stacks(stacks.collect()))
            }
            CloudFormationRequest::ListStackResources { stack_name, next_token } => {
                let (name, stack) = self.stack(stack_name)?;
                let items = stack.resources.iter().map(|it| (it.logical_resource_id.clone(), it.clone()));
                // CloudFormation API reference, ListStackResources: a page ends at 1 MB. Here it is no longer than those of
                // other lists, so that who does not follow the token is found out.
                let size = present.settings.page_size.min(MAX_PAGE);
                let list = format!("ListStackResources {name}");
                let wanted = Cut { list: &list, size, empty_pages: false, token: next_token.as_deref() };
                let page = cut(items, wanted).ok_or_else(|| ApiError::validation("NextToken is not valid"))?;
                Ok(Response::StackResources { resources: page.items, next_token: page.next_token })
            }
        }
    }

    /// A stack by its name or its id.
    // CloudFormation API reference, DescribeStacks: "If the stack doesn't exist, a ValidationError is returned."
    fn stack(&self, named: &str) -> Result<(&str, &DeployedStack), ApiError> {
        (self.stacks.iter())
            .find(|(name, stack)| *name == named || stack.id == named)
            .map(|(name, stack)| (name.as_str(), stack))
            .ok_or_else(|| ApiError::validation(format!("Stack with id {named} does not exist")))
    }

    /// What a policy is asked about for a stack that a request names.
    // Service Authorization Reference, CloudFormation: stack/${StackName}/${Id}; of one that is not there no id is known.
    pub(crate) fn stack_arn(&self, settings: &Settings, named: &str) -> String {
        match self.stack(named) {
            Ok((_, stack)) => stack.id.clone(),
            Err(_) if named.starts_with("arn:") => named.to_owned(),
            Err(_) => settings.arn("cloudformation", &format!("stack/{named}/*")),
        }
    }
}

fn described(name: &str, stack: &DeployedStack) -> StackDescription {
    StackDescription {
        stack_name: name.to_owned(),
        stack_id: stack.id.clone(),
        creation_time: stack.created_at,
        parameters: stack.parameters.clone(),
    }
}

//! Stacks that are deployed in the world, as CloudFormation shows them.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    ApiError, MAX_PAGE, Request, Response, StackDescription, StackResource, World, WorldError, exists,
    pages::{Cut, cut},
    roles::Role,
    rules::Rule,
};
use crate::{
    cloudformation::{Resource, Stack, TemplateError},
    iam::{Permissions, PolicyError},
};

/// How many letters and digits a made-up physical name ends with.
// CloudFormation user guide, "Name type": the stack's name, the logical id and a random part.
const SUFFIX: usize = 12;

/// A stack that is there.
#[derive(Debug, Clone)]
pub(super) struct DeployedStack {
    id: String,
    created_at: Timestamp,
    parameters: Vec<(String, String)>,
    resources: Vec<StackResource>,
}

/// Why a stack cannot be deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeployError {
    /// There is one of that name already.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The template cannot be worked out.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A role's policies cannot be read.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A service refuses one of its resources.
    #[error("{resource} cannot be made: {error}")]
    Refused {
        /// Its logical id.
        resource: String,
        /// What the service says.
        error: ApiError,
    },
}

impl World {
    /// Deploys a stack in this world's account and region: CloudFormation tells of it, EventBridge of its rules, IAM of what
    /// its roles may do, and a lifecycle hook of it is put. Its functions do not run by themselves.
    pub fn deploy(&mut self, stack: &Stack<'_>) -> Result<(), DeployError> {
        let name = stack.place().stack.clone();
        if self.stacks.contains_key(&name) {
            return Err(exists("stack", &name).into());
        }
        let stack = stack.clone().named(|resource| self.made_up_name(&name, resource))?;
        let (mut resources, mut rules, mut roles, mut hooks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for resource in stack.resources()? {
            let physical = stack.physical_id(&resource.logical_id, &resource.kind);
            match resource.kind.as_str() {
                "AWS::Events::Rule" => rules.push((physical.clone(), Rule::of(&stack, &resource)?)),
                "AWS::IAM::Role" => {
                    let arn = self.iam_arn(&format!("role/{physical}"));
                    let permissions = Permissions::of_role(&stack, &resource.logical_id)?;
                    roles.push((arn, Role { logical_id: resource.logical_id.clone(), permissions }));
                }
                "AWS::AutoScaling::LifecycleHook" => hooks.push((resource.logical_id.clone(), put(&stack, &resource)?)),
                _ => {}
            }
            resources.push(StackResource {
                logical_resource_id: resource.logical_id,
                physical_resource_id: physical,
                resource_type: resource.kind,
                last_updated: self.now,
            });
        }
        for (resource, hook) in hooks {
            self.put_hook(&hook).map_err(|error| DeployError::Refused { resource, error })?;
        }
        self.rules.extend(rules);
        self.roles.extend(roles);
        let id = format!("stack/{name}/{}", self.made_up_uuid());
        let deployed = DeployedStack {
            id: self.arn("cloudformation", &id),
            created_at: self.now,
            parameters: stack.parameters().into_iter().collect(),
            resources,
        };
        self.stacks.insert(name, deployed);
        Ok(())
    }

    /// The physical id of a stack's resource.
    pub fn physical_id(&self, stack: &str, logical_id: &str) -> Option<&str> {
        let resources = &self.stacks.get(stack)?.resources;
        let found = resources.iter().find(|resource| resource.logical_resource_id == logical_id)?;
        Some(&found.physical_resource_id)
    }

    pub(super) fn serve_cloudformation(&self, request: &Request) -> Result<Response, ApiError> {
        match request {
            Request::DescribeStacks { stack_name: Some(named) } => {
                let (name, stack) = self.stack(named)?;
                Ok(Response::Stacks(vec![described(name, stack)]))
            }
            Request::DescribeStacks { stack_name: None } => {
                let stacks = self.stacks.iter().map(|(name, stack)| described(name, stack));
                Ok(Response::Stacks(stacks.collect()))
            }
            Request::ListStackResources { stack_name, next_token } => {
                let (name, stack) = self.stack(stack_name)?;
                let items = stack.resources.iter().map(|it| (it.logical_resource_id.clone(), it.clone()));
                // CloudFormation API reference, ListStackResources: a page ends at 1 MB. Here it is no longer than those of
                // other lists, so that who does not follow the token is found out.
                let size = self.settings.page_size.min(MAX_PAGE);
                let list = format!("ListStackResources {name}");
                let wanted = Cut { list: &list, size, empty_pages: false, token: next_token.as_deref() };
                let page = cut(items, wanted).ok_or_else(|| ApiError::validation("NextToken is not valid"))?;
                Ok(Response::StackResources { resources: page.items, next_token: page.next_token })
            }
            _ => Err(ApiError::new("InvalidAction", "Not a CloudFormation action")),
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
    pub(super) fn stack_arn(&self, named: &str) -> String {
        match self.stack(named) {
            Ok((_, stack)) => stack.id.clone(),
            Err(_) if named.starts_with("arn:") => named.to_owned(),
            Err(_) => self.arn("cloudformation", &format!("stack/{named}/*")),
        }
    }

    /// An ARN of IAM, which is in no region.
    pub(super) fn iam_arn(&self, resource: &str) -> String {
        format!("arn:{}:iam::{}:{resource}", self.settings.partition, self.settings.account)
    }

    fn made_up_name(&mut self, stack: &str, resource: &Resource) -> String {
        // CloudFormation user guide, AWS::Lambda::EventSourceMapping: Ref is the mapping's ID.
        if resource.kind == "AWS::Lambda::EventSourceMapping" {
            return self.made_up_uuid();
        }
        let suffix: String = (0..SUFFIX).map(|_| self.rng.digit(36).to_ascii_uppercase()).collect();
        format!("{stack}-{}-{suffix}", resource.logical_id)
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

/// What CloudFormation asks of Auto Scaling for a hook.
fn put(stack: &Stack<'_>, resource: &Resource) -> Result<Request, TemplateError> {
    let property = |name: &str| match resource.properties.get(name) {
        None => Ok(None),
        Some(value) => Ok(match stack.value_of(value)? {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }),
    };
    let required = |name: &str| {
        let missing = || TemplateError::Unsupported(format!("{} without {name}", resource.logical_id));
        property(name)?.ok_or_else(missing)
    };
    let timeout = property("HeartbeatTimeout")?.map(|text| text.parse()).transpose();
    Ok(Request::PutLifecycleHook {
        group: required("AutoScalingGroupName")?,
        hook: stack.physical_id(&resource.logical_id, &resource.kind),
        transition: property("LifecycleTransition")?,
        heartbeat_timeout: timeout
            .map_err(|_| TemplateError::Unsupported(format!("HeartbeatTimeout of {}", resource.logical_id)))?,
        default_result: property("DefaultResult")?,
        notification_metadata: property("NotificationMetadata")?,
    })
}

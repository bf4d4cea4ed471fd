//! What only the command's `check` asks about: deployed stacks, their EventBridge rules, and their roles as IAM simulates
//! them.

mod access;
mod resources;
mod roles;
mod rules;
mod stacks;

use std::collections::BTreeMap;

use crate::world::terms::{ApiError, AutoScalingRequest, Present, StackResource, WorldError, exists};
use crate::{
    cloudformation::{Resource, Stack, TemplateError},
    iam::{Permissions, PolicyError},
};
use resources::{DeployedStack, Role, Rule, hook_of};

/// How many letters and digits a made-up physical name ends with.
// CloudFormation user guide, "Name type": the stack's name, the logical id and a random part.
const SUFFIX: usize = 12;

/// Every deployed stack, and what it has in EventBridge and IAM.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deployed {
    stacks: BTreeMap<String, DeployedStack>,
    rules: BTreeMap<String, Rule>,
    roles: BTreeMap<String, Role>,
}

/// A stack that is worked out, and not yet there.
#[derive(Debug)]
pub(crate) struct NewStack {
    name: String,
    parameters: Vec<(String, String)>,
    resources: Vec<StackResource>,
    rules: Vec<(String, Rule)>,
    roles: Vec<(String, Role)>,
    /// What CloudFormation asks of Auto Scaling, each with the logical id of its hook.
    pub(crate) hooks: Vec<(String, AutoScalingRequest)>,
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

impl Deployed {
    /// Works a stack out.
    pub(crate) fn work_out(&self, present: &mut Present, stack: &Stack<'_>) -> Result<NewStack, DeployError> {
        let name = stack.place().stack.clone();
        if self.stacks.contains_key(&name) {
            return Err(exists("stack", &name).into());
        }
        let stack = stack.clone().named(|resource| made_up_name(present, &name, resource))?;
        let parameters = stack.parameters().into_iter().collect();
        let (resources, rules, roles, hooks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut new = NewStack { name, parameters, resources, rules, roles, hooks };
        for resource in stack.resources()? {
            let physical = stack.physical_id(&resource.logical_id, &resource.kind);
            match resource.kind.as_str() {
                "AWS::Events::Rule" => new.rules.push((physical.clone(), Rule::of(&stack, &resource)?)),
                "AWS::IAM::Role" => {
                    let arn = present.settings.global_arn("iam", &format!("role/{physical}"));
                    let permissions = Permissions::of_role(&stack, &resource.logical_id)?;
                    new.roles.push((arn, Role { logical_id: resource.logical_id.clone(), permissions }));
                }
                "AWS::AutoScaling::LifecycleHook" => {
                    new.hooks.push((resource.logical_id.clone(), hook_of(&stack, &resource)?));
                }
                _ => {}
            }
            new.resources.push(StackResource {
                logical_resource_id: resource.logical_id,
                physical_resource_id: physical,
                resource_type: resource.kind,
                last_updated: present.now,
            });
        }
        Ok(new)
    }

    /// A stack that was worked out is there.
    pub(crate) fn add(&mut self, present: &mut Present, new: NewStack) {
        let NewStack { name, parameters, resources, rules, roles, hooks: _ } = new;
        self.rules.extend(rules);
        self.roles.extend(roles);
        let id = format!("stack/{name}/{}", present.uuid());
        let id = present.settings.arn("cloudformation", &id);
        self.stacks.insert(name, DeployedStack { id, created_at: present.now, parameters, resources });
    }

    /// The physical id of a stack's resource.
    pub(crate) fn physical_id(&self, stack: &str, logical_id: &str) -> Option<&str> {
        let resources = &self.stacks.get(stack)?.resources;
        let found = resources.iter().find(|resource| resource.logical_resource_id == logical_id)?;
        Some(&found.physical_resource_id)
    }
}

fn made_up_name(present: &mut Present, stack: &str, resource: &Resource) -> String {
    // CloudFormation user guide, AWS::Lambda::EventSourceMapping: Ref is the mapping's ID.
    if resource.kind == "AWS::Lambda::EventSourceMapping" {
        return present.uuid();
    }
    format!("{stack}-{}-{}", resource.logical_id, present.letters(SUFFIX))
}

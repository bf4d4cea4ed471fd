//! The roles of deployed stacks, and IAM's simulation of what they may do.

use super::Deployed;
use crate::iam::Access;
use crate::world::terms::{
    ApiError, ContextEntry, EvaluationResult, IamRequest, ResourceDecision, Response, WorldError, unknown,
};

// IAM API reference, SimulatePrincipalPolicy: MaxItems "defaults to 100"; further pages are not modelled.
const MAX_ACTIONS: usize = 100;

impl Deployed {
    /// Takes an action, such as `ecs:StopTask`, out of all policies of a role. The role goes by its ARN or by its logical id.
    pub(crate) fn forget_permission(&mut self, role: &str, action: &str) -> Result<(), WorldError> {
        let found = self.roles.iter_mut().find(|(arn, it)| *arn == role || it.logical_id == role);
        found.ok_or_else(|| unknown("role", role))?.1.permissions.forget(action);
        Ok(())
    }

    pub(crate) fn serve_iam(&self, request: &IamRequest) -> Result<Response, ApiError> {
        let IamRequest::SimulatePrincipalPolicy { policy_source_arn, action_names, resource_arns, context } = request;
        self.simulate(policy_source_arn, action_names, resource_arns, context)
    }

    fn simulate(
        &self,
        source: &str,
        actions: &[String],
        resources: &[String],
        context: &[ContextEntry],
    ) -> Result<Response, ApiError> {
        let invalid = |why: String| ApiError::new("InvalidInput", why);
        // IAM API reference, SimulatePrincipalPolicy: "Each operation must include the service identifier".
        if let Some(action) = actions.iter().find(|action| !action.contains(':')) {
            return Err(invalid(format!("Invalid action name: {action}")));
        }
        if actions.is_empty() || actions.len() > MAX_ACTIONS {
            return Err(invalid(format!("Between 1 and {MAX_ACTIONS} actions are modelled")));
        }
        let context = context.iter().map(|entry| {
            let ContextEntry { context_key_name: name, context_key_type: kind, context_key_values: values } = entry;
            match values.as_slice() {
                [value] if kind.as_deref().is_none_or(|kind| kind == "string") => Ok((name.clone(), value.clone())),
                _ => Err(invalid(format!("The context key {name} is not modelled: it is no string with one value"))),
            }
        });
        let context = context.collect::<Result<Vec<_>, _>>()?;
        // IAM API reference, SimulatePrincipalPolicy: NoSuchEntity, HTTP status 404.
        let role = self.roles.get(source).ok_or_else(|| {
            let name = source.rsplit('/').next().unwrap_or_default();
            ApiError {
                status: 404,
                ..ApiError::new("NoSuchEntity", format!("The role with name {name} cannot be found."))
            }
        })?;
        let allowed = |action: &String, resource: &str| {
            let (action, resource) = (action.clone(), resource.to_owned());
            role.permissions.allow(&Access { action, resource, context: context.clone() })
        };
        // IAM API reference, SimulatePrincipalPolicy: "If this parameter is not provided, then the value defaults to *".
        let everything = matches!(resources, [] | [_]) && resources.iter().all(|resource| resource == "*");
        let evaluated = |action: &String| {
            if everything {
                let allowed = allowed(action, "*");
                return EvaluationResult { action: action.clone(), allowed, resources: Vec::new() };
            }
            let decided =
                |resource: &String| ResourceDecision { resource: resource.clone(), allowed: allowed(action, resource) };
            let resources: Vec<_> = resources.iter().map(decided).collect();
            // IAM API reference, EvaluationResult: each resource's own decision is in ResourceSpecificResults, and what the
            // details above them tell is the most restrictive one.
            let allowed = resources.iter().all(|resource| resource.allowed);
            EvaluationResult { action: action.clone(), allowed, resources }
        };
        Ok(Response::Evaluations(actions.iter().map(evaluated).collect()))
    }
}

//! What IAM is asked, and what it answers.

use super::super::{
    form::Form,
    xml::{list, text},
};
use crate::world::{ApiError, EvaluationResult, IamRequest, Operation, ResourceDecision, Response};

pub(in crate::wire) fn decode(operation: Operation, form: &Form) -> Result<Option<IamRequest>, ApiError> {
    Ok(Some(match operation {
        Operation::SimulatePrincipalPolicy => IamRequest::SimulatePrincipalPolicy {
            policy_source_arn: form.required("PolicySourceArn")?,
            action_names: form.members("ActionNames"),
            resource_arns: form.members("ResourceArns"),
            context: context(form)?,
        },
        _ => return Ok(None),
    }))
}

/// The context keys, each a string with one value; what else IAM takes is not modelled.
fn context(form: &Form) -> Result<Vec<(String, String)>, ApiError> {
    let mut context = Vec::new();
    let mut read = 0;
    for number in 1.. {
        let entry = format!("ContextEntries.member.{number}");
        let Some(key) = form.optional(&format!("{entry}.ContextKeyName")) else { break };
        let kind = form.optional(&format!("{entry}.ContextKeyType"));
        read += 2 + usize::from(kind.is_some());
        match form.members(&format!("{entry}.ContextKeyValues")).as_slice() {
            [value] if kind.is_none_or(|kind| kind == "string") => context.push((key, value.clone())),
            _ => {
                let why = format!("The context key {key} is not modelled: it is no string with one value");
                return Err(ApiError::new("InvalidInput", why));
            }
        }
    }
    if form.count("ContextEntries.member.") > read {
        return Err(ApiError::new("InvalidInput", "A context entry has something that is not modelled"));
    }
    Ok(context)
}

pub(in crate::wire) fn content(response: &Response) -> String {
    match response {
        Response::Evaluations(results) => text("IsTruncated", "false") + &list("EvaluationResults", results, result),
        _ => String::new(),
    }
}

// IAM API reference, EvaluationResult. Its EvalResourceName is the form of the action's ARNs, which is not modelled.
fn result(result: &EvaluationResult) -> String {
    let resources = match result.resources.as_slice() {
        [] => String::new(),
        resources => list("ResourceSpecificResults", resources, of_resource),
    };
    text("EvalActionName", &result.action) + &text("EvalDecision", decision(result.allowed)) + &resources
}

fn of_resource(decided: &ResourceDecision) -> String {
    text("EvalResourceName", &decided.resource) + &text("EvalResourceDecision", decision(decided.allowed))
}

fn decision(allowed: bool) -> &'static str {
    if allowed { "allowed" } else { "implicitDeny" }
}

//! What IAM is asked, and what it answers.

use super::super::xml::{list, text};
use crate::world::{EvaluationResult, ResourceDecision, Response};

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

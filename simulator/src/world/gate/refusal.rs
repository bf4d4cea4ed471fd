//! What AWS answers when it refuses a request before the operation itself looks at it.

use crate::iam::Access;
use crate::world::terms::{ApiError, Operation, Service, Settings};

/// What is wrong with a client's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialsFault {
    /// AWS knows no such access key.
    Unknown,
    /// The session they are of is over.
    Expired,
}

// "Common Error Types" of each API reference, and what the protocols call them: HTTP status 403.
pub(crate) fn credentials_refused(fault: CredentialsFault, operation: Operation) -> ApiError {
    let (code, what) = match (fault, operation.service().speaks_json()) {
        (CredentialsFault::Unknown, true) => ("UnrecognizedClientException", "invalid."),
        (CredentialsFault::Unknown, false) => ("InvalidClientTokenId", "invalid."),
        (CredentialsFault::Expired, true) => ("ExpiredTokenException", "expired"),
        (CredentialsFault::Expired, false) => ("ExpiredToken", "expired"),
    };
    ApiError { status: 403, ..ApiError::new(code, format!("The security token included in the request is {what}")) }
}

/// The refusal of `client` for want of a permission.
// IAM user guide, "Troubleshoot access denied error messages"; the codes are in each API reference's common errors.
pub(crate) fn access_denied(
    settings: &Settings,
    client: &str,
    operation: Operation,
    access: Option<&Access>,
) -> ApiError {
    let (code, status) =
        if operation.service().speaks_json() { ("AccessDeniedException", 400) } else { ("AccessDenied", 403) };
    let resource = access.map_or("*", |access| &access.resource);
    let action = access.map_or_else(|| operation.action(), |access| access.action.clone());
    // A client is the session of a role; both have its name.
    let user = format!("arn:{}:sts::{}:assumed-role/{client}/{client}", settings.partition, settings.account);
    let message = format!(
        "User: {user} is not authorized to perform: {action} on resource: {resource} \
         because no identity-based policy allows the {action} action"
    );
    ApiError { status, ..ApiError::new(code, message) }
}

// ECS API reference, "Request throttling"; Auto Scaling API reference, "Common errors". Other services say the same in their protocols.
pub(crate) fn throttled(operation: Operation) -> ApiError {
    let code = if operation.service().speaks_json() { "ThrottlingException" } else { "Throttling" };
    ApiError::new(code, "Rate exceeded")
}

// ECS API reference, ServerException; EventBridge API reference, InternalException; the others' API references, "Common errors", InternalFailure.
pub(crate) fn server_error(operation: Operation) -> ApiError {
    let code = match operation.service() {
        Service::Ecs => "ServerException",
        Service::EventBridge => "InternalException",
        Service::AutoScaling | Service::CloudFormation | Service::Iam => "InternalFailure",
    };
    ApiError { status: 500, ..ApiError::new(code, "The request failed because of an internal error.") }
}

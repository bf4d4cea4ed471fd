//! What AWS refuses before the operation itself looks at a request.

use super::{ApiError, Operation, Request, Service, World};
use crate::iam::Access;

/// What is wrong with a client's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialsFault {
    /// AWS knows no such access key.
    Unknown,
    /// The session they are of is over.
    Expired,
}

impl World {
    /// From now on every request of `client`, an access key id, is refused for its credentials.
    pub fn refuse_credentials(&mut self, client: &str, fault: CredentialsFault) {
        self.refused_credentials.insert(client.to_owned(), fault);
    }

    /// Why a client's credentials are not taken.
    pub(super) fn credentials_refused(&self, client: &str, operation: Operation) -> Option<ApiError> {
        let fault = self.refused_credentials.get(client)?;
        // "Common Error Types" of each API reference, and what the protocols call them: HTTP status 403.
        let (code, what) = match (fault, operation.service().speaks_json()) {
            (CredentialsFault::Unknown, true) => ("UnrecognizedClientException", "invalid."),
            (CredentialsFault::Unknown, false) => ("InvalidClientTokenId", "invalid."),
            (CredentialsFault::Expired, true) => ("ExpiredTokenException", "expired"),
            (CredentialsFault::Expired, false) => ("ExpiredToken", "expired"),
        };
        Some(ApiError {
            status: 403,
            ..ApiError::new(code, format!("The security token included in the request is {what}"))
        })
    }

    /// The refusal of `client` for want of a permission: the first that the request asks for, if nobody says which.
    // IAM user guide, "Troubleshoot access denied error messages"; the codes are in each API reference's common errors.
    pub(super) fn access_denied(&self, client: &str, request: &Request, access: Option<&Access>) -> ApiError {
        let operation = request.operation();
        let (code, status) =
            if operation.service().speaks_json() { ("AccessDeniedException", 400) } else { ("AccessDenied", 403) };
        let first = if access.is_none() { self.accesses(request).into_iter().next() } else { None };
        let access = access.or(first.as_ref());
        let resource = access.map_or("*", |access| &access.resource);
        let action = access.map_or_else(|| operation.action(), |access| access.action.clone());
        let user = self.principal(client);
        let message = format!(
            "User: {user} is not authorized to perform: {action} on resource: {resource} \
             because no identity-based policy allows the {action} action"
        );
        ApiError { status, ..ApiError::new(code, message) }
    }

    /// A client as AWS calls it: the session of a role. Both have the client's name.
    fn principal(&self, client: &str) -> String {
        let (partition, account) = (&self.settings.partition, &self.settings.account);
        format!("arn:{partition}:sts::{account}:assumed-role/{client}/{client}")
    }
}

// ECS API reference, "Request throttling"; Auto Scaling API reference, "Common errors". Other services say the same in their protocols.
pub(super) fn throttled(operation: Operation) -> ApiError {
    let code = if operation.service().speaks_json() { "ThrottlingException" } else { "Throttling" };
    ApiError::new(code, "Rate exceeded")
}

// ECS API reference, ServerException; EventBridge API reference, InternalException; the others' API references, "Common errors", InternalFailure.
pub(super) fn server_error(operation: Operation) -> ApiError {
    let code = match operation.service() {
        Service::Ecs => "ServerException",
        Service::EventBridge => "InternalException",
        Service::AutoScaling | Service::CloudFormation | Service::Iam => "InternalFailure",
    };
    ApiError { status: 500, ..ApiError::new(code, "The request failed because of an internal error.") }
}

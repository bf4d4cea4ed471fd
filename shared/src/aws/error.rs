use thiserror::Error;

/// Why a request gave nothing.
#[derive(Debug, Error)]
pub enum CallError {
    /// AWS answered with an error.
    #[error("{operation} was answered {code}: {message}")]
    Refused {
        /// The request.
        operation: &'static str,
        /// AWS's error code.
        code: String,
        /// AWS's words.
        message: String,
    },
    /// No answer: a timeout, a dropped connection, an answer that could not be read. It may have taken effect.
    #[error("{operation} got no answer")]
    NoAnswer {
        /// The request.
        operation: &'static str,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer left out what was asked for, or never came to its end.
    #[error("{operation} was answered incompletely: {what}")]
    Incomplete {
        /// The request.
        operation: &'static str,
        /// What is missing.
        what: String,
    },
}

/// What an error means to a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// What was named does not exist: an answer, not a failure.
    Absent,
    /// The lifecycle action is over: already released.
    Gone,
    /// Not allowed; another try helps only after an operator has allowed it.
    Denied,
    /// Too many requests.
    Throttled,
    /// Anything else. Nothing is known, and another try may tell.
    Unknown,
}

impl CallError {
    /// The operation that was asked for.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Refused { operation, .. } | Self::NoAnswer { operation, .. } | Self::Incomplete { operation, .. } => {
                operation
            }
        }
    }

    /// What it means. Codes and messages: the API references of ECS and Auto Scaling, "Common Errors".
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        let Self::Refused { code, message, .. } = self else {
            return ErrorClass::Unknown;
        };
        match code.as_str() {
            "ClusterNotFoundException" | "TargetNotFoundException" => ErrorClass::Absent,
            "InvalidParameterException" if says(message, "task was not found") => ErrorClass::Absent,
            // The code alone tells nothing: a bad parameter has it, too. The message's letter case varies.
            "ValidationError" if says(message, "no active lifecycle action") => ErrorClass::Gone,
            "ValidationError" if says(message, "autoscalinggroup name not found") => ErrorClass::Absent,
            "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded" => ErrorClass::Throttled,
            "AccessDeniedException"
            | "AccessDenied"
            | "UnauthorizedOperation"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "ExpiredTokenException"
            | "ExpiredToken"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "RequestExpired"
            | "OptInRequired" => ErrorClass::Denied,
            _ => ErrorClass::Unknown,
        }
    }

    /// Whether there were too many requests.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.class() == ErrorClass::Throttled
    }

    /// Whether one member may be to blame for the refusal of a whole chunk: AWS found fault with the request, or denied it.
    #[must_use]
    pub fn may_blame_one_member(&self) -> bool {
        self.blames_the_request() || self.class() == ErrorClass::Denied
    }

    /// Whether AWS found fault with the request itself.
    #[must_use]
    pub fn blames_the_request(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "InvalidParameterException" || code == "ClientException")
    }
}

/// An error and what lies behind it, outermost first.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    chain
}

fn says(message: &str, words: &str) -> bool {
    message.to_ascii_lowercase().contains(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(code: &str, message: &str) -> ErrorClass {
        CallError::Refused { operation: "Op", code: code.into(), message: message.into() }.class()
    }

    #[test]
    fn only_no_active_lifecycle_action_is_gone_in_any_letter_case() {
        for message in [
            "No active Lifecycle Action found with instance ID i-1234abcd",
            "No active lifecycle action found with token 7",
            "NO ACTIVE LIFECYCLE ACTION FOUND",
        ] {
            assert_eq!(class("ValidationError", message), ErrorClass::Gone);
        }
        assert_eq!(class("ValidationError", "1 validation error detected"), ErrorClass::Unknown);
        assert_eq!(class("InternalFailure", "No active Lifecycle Action found"), ErrorClass::Unknown);
        assert_eq!(class("ValidationError", "AutoScalingGroup name not found - x"), ErrorClass::Absent);
    }

    #[test]
    fn absence_and_denial_are_told_from_what_is_unknown() {
        assert_eq!(class("ClusterNotFoundException", "Cluster not found."), ErrorClass::Absent);
        assert_eq!(class("InvalidParameterException", "The referenced task was not found."), ErrorClass::Absent);
        assert_eq!(class("InvalidParameterException", "Identifier is malformed"), ErrorClass::Unknown);
        assert_eq!(class("AccessDeniedException", ""), ErrorClass::Denied);
        for code in ["InvalidSignatureException", "SignatureDoesNotMatch", "ExpiredToken", "RequestExpired"] {
            assert_eq!(class(code, ""), ErrorClass::Denied, "{code}");
        }
        assert_eq!(class("ThrottlingException", "Rate exceeded"), ErrorClass::Throttled);
        assert_eq!(class("Throttling", "Rate exceeded"), ErrorClass::Throttled);
        assert_eq!(class("ServerException", ""), ErrorClass::Unknown);
        let lost = CallError::NoAnswer { operation: "Op", source: "timeout".into() };
        assert_eq!(lost.class(), ErrorClass::Unknown);
    }
}

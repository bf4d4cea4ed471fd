//! Errors: what AWS answers, and why a world cannot be changed.

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// AWS refused.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// No answer came. The request may have had its effect.
    #[error("the connection was lost")]
    ConnectionLost,
}

/// An error as AWS answers it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The error's code.
    pub code: String,
    /// What it says to people.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
}

impl ApiError {
    /// An error with HTTP status 400.
    pub fn new(code: &str, message: impl Into<String>) -> ApiError {
        ApiError { code: code.to_owned(), message: message.into(), status: 400 }
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> ApiError {
        ApiError::new("InvalidParameterException", message)
    }

    pub(crate) fn validation(message: impl Into<String>) -> ApiError {
        ApiError::new("ValidationError", message)
    }
}

/// Why the world cannot be built or changed like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each member is")]
pub enum WorldError {
    /// There is nothing of that kind with that name.
    #[error("there is no {kind} {name}")]
    Unknown { kind: &'static str, name: String },
    /// There is one already.
    #[error("there is a {kind} {name} already")]
    Exists { kind: &'static str, name: String },
    /// No host has a slot left for a service's task.
    #[error("no host of cluster {cluster} has room for a task of service {service}")]
    NoRoom { cluster: String, service: String },
    /// The host is gone or about to go.
    #[error("host {0} is terminating")]
    Terminating(String),
    /// An instance in this lifecycle state cannot go that way.
    #[error("instance {instance_id} is {state}")]
    State { instance_id: String, state: String },
}

pub(crate) fn unknown(kind: &'static str, name: &str) -> WorldError {
    WorldError::Unknown { kind, name: name.to_owned() }
}

pub(crate) fn exists(kind: &'static str, name: &str) -> WorldError {
    WorldError::Exists { kind, name: name.to_owned() }
}

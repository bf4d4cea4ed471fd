//! What goes wrong, in words that say what to do.

use std::error::Error;
use std::io;

use shared::aws::{CallError, ErrorClass};
use shared::config::ConfigError;
use shared::drain::requests::scan::ScanError;
use shared::ids::{ClusterName, GroupName, InstanceId};
use thiserror::Error;

/// Names that a message lists at most.
const NAMED_MAX: usize = 10;

/// Why the command could not do what it was asked.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("no region is set")]
    NoRegion,
    #[error("{0}")]
    Settings(#[from] ConfigError),
    #[error("cluster {arn} is not in {here}")]
    ClusterElsewhere { arn: String, here: String },
    #[error("there are no AWS credentials{}: {why}", profile.as_ref().map(|it| format!(" in profile {it}")).unwrap_or_default())]
    NoCredentials { profile: Option<String>, why: String },
    #[error("the AWS credentials are not good any more, or not for this region: {0}")]
    BadCredentials(String),
    #[error("access denied: {action} on {resource} is not allowed")]
    Denied { action: String, resource: String, message: String },
    #[error("{operation} got no answer in region {region}: {chain}")]
    NoAnswer { operation: &'static str, region: String, chain: String },
    #[error("{0}")]
    Refused(CallError),
    #[error("there is no cluster {cluster} in region {region}")]
    NoCluster { cluster: ClusterName, region: String, there: Vec<ClusterName> },
    #[error("there is no Auto Scaling group {} in region {region}", listed(groups))]
    NoGroup { groups: Vec<GroupName>, region: String },
    #[error("{} {} in no cluster of region {region}, and every cluster answered", listed(instances), are(instances))]
    NoInstance { instances: Vec<InstanceId>, region: String },
    #[error("{instance} is in cluster {there}, not in {cluster}")]
    Elsewhere { instance: InstanceId, there: ClusterName, cluster: ClusterName },
    #[error("what is on {instance} could not be read: {why}")]
    Unread { instance: InstanceId, why: String },
    #[error("{0}")]
    Refusal(String),
    #[error("there is no terminal to ask a question on: give --yes to go on without one")]
    CannotAsk,
    #[error("it could not be written: {0}")]
    Output(#[from] io::Error),
    #[error("it could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Failure {
    /// Of a request in `region`.
    pub(crate) fn of_call(error: CallError, region: &str) -> Self {
        if let Some(denied) = Self::of_denial(&error) {
            return denied;
        }
        match error {
            CallError::NoAnswer { operation, source } => {
                Self::NoAnswer { operation, region: region.to_owned(), chain: chain(&*source) }
            }
            error => Self::Refused(error),
        }
    }

    pub(crate) fn of_scan(ScanError(error): ScanError, region: &str) -> Self {
        Self::of_call(error, region)
    }

    /// Of an error that is a denial.
    pub(crate) fn of_denial(error: &CallError) -> Option<Self> {
        let (ErrorClass::Denied, CallError::Refused { operation, code, message }) = (error.class(), error) else {
            return None;
        };
        let message = message.clone();
        if !matches!(code.as_str(), "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation") {
            return Some(Self::BadCredentials(message));
        }
        let action = between(&message, "perform: ", " ").map_or_else(|| (*operation).to_owned(), ToOwned::to_owned);
        let resource = between(&message, "on resource: ", " ").unwrap_or("its resource").to_owned();
        Some(Self::Denied { action, resource, message })
    }

    /// What to do about it; one paragraph each.
    pub(crate) fn help(&self) -> Vec<String> {
        match self {
            Self::NoRegion => vec!["Give --region, or set AWS_REGION, or a region in the profile.".into()],
            Self::NoCredentials { profile: Some(profile), .. } => vec![format!(
                "Is there a profile {profile} in ~/.aws/config, spelt like this? Sign in: aws sso login --profile {profile}."
            )],
            Self::NoCredentials { .. } => vec![
                "Sign in (aws sso login, aws login), give --profile, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY."
                    .into(),
            ],
            Self::BadCredentials(_) => vec![
                "Sign in again (aws sso login, aws login), or give another --profile. A region that has to be switched on \
                 refuses good credentials, too."
                    .into(),
            ],
            Self::Denied { action, resource, message } => vec![
                format!("Your credentials must allow {action} on {resource}; docs/command.md lists what each command takes."),
                format!("AWS says: {message}"),
            ],
            Self::NoAnswer { region, .. } => vec![format!(
                "Is {region} the region, spelt as AWS spells it? Is there a way to AWS from here, through a proxy or a VPN? \
                 --endpoint-url and AWS_ENDPOINT_URL lead elsewhere."
            )],
            Self::NoCluster { there, .. } if there.is_empty() => {
                vec!["There is no cluster at all: another --region, or another --profile?".into()]
            }
            Self::NoCluster { there, .. } => vec![format!("There are: {}.", listed(there))],
            Self::NoGroup { .. } => vec!["Another --region, or another --profile? Names are case-sensitive.".into()],
            Self::NoInstance { .. } => vec![
                "Another --region, or another --profile? A host whose agent never registered is in no cluster, either.".into(),
            ],
            Self::ClusterElsewhere { .. } => vec!["Give another --region or --profile, or the name of a cluster there.".into()],
            Self::Elsewhere { .. } => vec!["Give its cluster with --cluster, or none.".into()],
            Self::Refused(_) | Self::Unread { .. } => vec!["Try again; --verbose logs each failed request.".into()],
            Self::Settings(_) | Self::Refusal(_) | Self::CannotAsk | Self::Output(_) | Self::Json(_) => Vec::new(),
        }
    }

    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Refusal(_) => 1,
            Self::CannotAsk => 2,
            _ => 3,
        }
    }
}

/// An error and what lies behind it, outermost first; what only repeats the next is left out.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        parts.retain(|part| !text.contains(part.as_str()));
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        source = cause.source();
    }
    parts.join(": ")
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split(after).next().unwrap_or(rest))
}

fn are<T>(of: &[T]) -> &'static str {
    if of.len() == 1 { "is" } else { "are" }
}

/// `a, b and 3 more`.
pub(crate) fn listed<T: std::fmt::Display>(names: &[T]) -> String {
    let named: Vec<_> = names.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    match names.len().saturating_sub(NAMED_MAX) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, message: &str) -> Failure {
        let error = CallError::Refused { operation: "ListClusters", code: code.into(), message: message.into() };
        Failure::of_call(error, "us-west-2")
    }

    #[test]
    fn a_denial_names_the_action_and_the_resource() {
        let failure = refused(
            "AccessDeniedException",
            "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: ecs:ListTasks on resource: \
             arn:aws:ecs:us-west-2:123456789012:container-instance/prod/1 because no identity-based policy allows it",
        );
        assert_eq!(
            failure.to_string(),
            "access denied: ecs:ListTasks on arn:aws:ecs:us-west-2:123456789012:container-instance/prod/1 is not allowed"
        );
        assert!(failure.help().concat().contains("arn:aws:iam::123456789012:user/ann"), "whose, in AWS's words");
        assert_eq!(
            refused("AccessDenied", "no words").to_string(),
            "access denied: ListClusters on its resource is not allowed"
        );
    }

    #[test]
    fn credentials_that_are_refused_are_no_missing_permission() {
        for code in ["ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"] {
            assert!(matches!(refused(code, "the token"), Failure::BadCredentials(_)), "{code}");
        }
        assert!(matches!(refused("ServerException", "oh"), Failure::Refused(_)));
    }

    #[test]
    fn a_chain_repeats_nothing() {
        #[derive(Debug, Error)]
        #[error("{text}")]
        struct Link {
            text: &'static str,
            source: Option<Box<Link>>,
        }
        let link = |text, source: Option<Link>| Link { text, source: source.map(Box::new) };
        let error = link("dispatch failure", Some(link("io error", Some(link("io error: refused", None)))));
        assert_eq!(chain(&error), "dispatch failure: io error: refused");
    }

    #[test]
    fn many_names_are_counted() {
        let names: Vec<_> = (0..12).collect();
        assert_eq!(listed(&names), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
        assert_eq!(listed(&names[..2]), "0, 1");
    }
}

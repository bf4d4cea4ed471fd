//! Names and ids as AWS gives them, each in a type of its own so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most characters in the name of an Auto Scaling group or lifecycle hook (Auto Scaling API reference).
const NAME_MAX: usize = 255;

macro_rules! string_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// As AWS writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! given_by_aws {
    ($($name:ident),+) => {
        $(impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        })+
    };
}

string_type! {
    /// An EC2 instance id. Only [`InstanceId::parse`] makes one, so it may stand in a filter string.
    InstanceId
}
string_type! {
    /// The short name of an ECS cluster, without account and region: those are the function's own.
    ClusterName
}
string_type! {
    /// The ARN of a container instance.
    ContainerInstanceArn
}
string_type! {
    /// The ARN of a task.
    TaskArn
}
string_type! {
    /// The name of an ECS service, within its cluster.
    ServiceName
}
string_type! {
    /// The name of an Auto Scaling group.
    GroupName
}
string_type! {
    /// The name of a lifecycle hook.
    HookName
}
given_by_aws!(ContainerInstanceArn, TaskArn, ServiceName, GroupName, HookName);

/// What tells a task from all others, in few bytes: a crowd of hosts leaves a hundred thousand tasks that have stopped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(TaskIdForm);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum TaskIdForm {
    /// The 32 hex digits that end a task's ARN (ECS developer guide, Amazon Resource Names).
    Hex([u8; 16]),
    /// An ARN that ends in anything else, as a whole.
    Other(Box<str>),
}

impl From<&TaskArn> for TaskId {
    fn from(arn: &TaskArn) -> Self {
        let is_hex = |id: &&str| id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let id = arn.as_str().rsplit('/').next().filter(is_hex).and_then(|id| u128::from_str_radix(id, 16).ok());
        Self(match id {
            Some(id) => TaskIdForm::Hex(id.to_be_bytes()),
            None => TaskIdForm::Other(arn.as_str().into()),
        })
    }
}

impl InstanceId {
    /// Takes `i-` and 8 or 17 lower-case hex digits, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("i-")?;
        let hex = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (hex && matches!(digits.len(), 8 | 17)).then(|| Self(text.to_owned()))
    }
}

impl ClusterName {
    /// Takes a cluster's short name (up to 255 letters, digits, `-`, `_`) or its ARN, and keeps the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = match text.strip_prefix("arn:") {
            Some(rest) => rest.split_once(":cluster/")?.1,
            None => text,
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        ((1..=NAME_MAX).contains(&name.len()) && name.bytes().all(allowed)).then(|| Self(name.to_owned()))
    }

    /// Whether AWS Batch made it: it names a compute environment's cluster `NAME_Batch_UUID`, or `AWSBatch-NAME-UUID`
    /// (answers of Batch's DescribeComputeEnvironments; no document says so).
    #[must_use]
    pub fn is_of_batch(&self) -> bool {
        let Some((before, uuid)) = self.0.len().checked_sub(UUID_LENGTH).and_then(|at| self.0.split_at_checked(at))
        else {
            return false;
        };
        let environment =
            before.strip_suffix("_Batch_").or_else(|| before.strip_prefix("AWSBatch-")?.strip_suffix('-'));
        environment.is_some_and(|name| !name.is_empty()) && is_uuid(uuid)
    }
}

/// Characters of a UUID with its hyphens (RFC 9562).
const UUID_LENGTH: usize = 36;
/// Hex digits between a UUID's hyphens.
const UUID_PARTS: [usize; 5] = [8, 4, 4, 4, 12];

fn is_uuid(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
    text.split('-').map(str::len).eq(UUID_PARTS) && text.split('-').all(is_hex)
}

impl HookName {
    /// Takes what `PutLifecycleHook` takes: up to 255 letters, digits, `-`, `_`, `/`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/');
        ((1..=NAME_MAX).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }
}

impl GroupName {
    /// Takes up to 255 printable characters: Auto Scaling forbids hardly any.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let count = text.chars().count();
        ((1..=NAME_MAX).contains(&count) && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }
}

/// The account and region a function runs in, from the ARN it was invoked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Twelve digits.
    pub account: String,
    /// For example `eu-central-1`.
    pub region: String,
}

impl Home {
    /// Takes `arn:PARTITION:lambda:REGION:ACCOUNT:function:…`; a local emulator's made-up ARN gives none.
    #[must_use]
    pub fn from_function_arn(arn: &str) -> Option<Self> {
        (arn.split(':').nth(2) == Some("lambda")).then(|| Self::of_arn(arn)).flatten()
    }

    /// Takes `arn:PARTITION:SERVICE:REGION:ACCOUNT:…`.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let (Some("arn"), Some(_partition), Some(_service)) = (parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        let (region, account) = (parts.next()?, parts.next()?);
        let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        (digits && !region.is_empty()).then(|| Self { account: account.to_owned(), region: region.to_owned() })
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.account, self.region)
    }
}

/// Whether it has only the letters, digits and hyphens of `eu-central-1`: it becomes part of a host's name.
#[must_use]
pub fn is_region(text: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_id_is_i_and_8_or_17_hex_digits() {
        for good in ["i-1234abcd", "i-0123456789abcdef0"] {
            assert_eq!(InstanceId::parse(good).map(|id| id.to_string()), Some(good.to_owned()));
        }
        for bad in [
            "",
            "i-",
            "i-123",
            "i-1234ABCD",
            "i-1234abcg",
            "i-0123456789abcdef01",
            "x-1234abcd",
            "mi-0123456789abcdef0",
            "i-1234abc'",
            " i-1234abcd",
        ] {
            assert_eq!(InstanceId::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_task_is_told_from_others_by_its_id_and_one_of_another_form_by_its_whole_arn() {
        let id = |id: &str| TaskId::from(&TaskArn::from(format!("arn:aws:ecs:us-west-2:123456789012:task/prod/{id}")));
        let each = [
            "0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdee",
            "0123456789ABCDEF0123456789ABCDEF",
            "+123456789abcdef0123456789abcdef",
            "01234567-89ab-cdef-0123-456789abcdef",
            "",
        ];
        let ids: std::collections::BTreeSet<_> = each.iter().map(|each| id(each)).collect();
        assert_eq!(ids.len(), each.len());
        assert_eq!(id(each[0]), id(each[0]));
        assert!(size_of::<TaskId>() <= 24, "{}", size_of::<TaskId>());
    }

    #[test]
    fn a_cluster_is_known_by_name_or_arn_in_any_partition() {
        let prod = ClusterName::parse("prod").unwrap();
        assert_eq!(ClusterName::parse("arn:aws-cn:ecs:cn-north-1:123456789012:cluster/prod"), Some(prod));
        for bad in [
            "",
            "a b",
            "x'] or true",
            "arn:aws:ecs:eu-west-1:123456789012:service/prod",
            "arn:aws:ecs:eu-west-1:1:cluster/",
        ] {
            assert_eq!(ClusterName::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_cluster_of_aws_batch_is_told_by_its_name() {
        let is_of_batch = |name: &str| ClusterName::parse(name).unwrap().is_of_batch();
        let uuid = "6d67ab71-4455-3613-b981-4c30a030fb90";
        for name in ["nightly_Batch_", "a_Batch_b_Batch_", "AWSBatch-nightly-", "AWSBatch-a-b-"] {
            assert!(is_of_batch(&format!("{name}{uuid}")), "{name}");
        }
        for name in ["", "_Batch_", "nightly-Batch-", "nightly_batch_", "AWSBatch-", "AWSBatch--", "nightly-", "Batch_"]
        {
            assert!(!is_of_batch(&format!("{name}{uuid}")), "{name}");
        }
        for no_uuid in [
            "nightly_Batch_",
            "nightly_Batch_6d67ab71",
            "nightly_Batch_6d67ab71-4455-3613-b981-4c30a030fb9",
            "nightly_Batch_6d67ab71-4455-3613-b981-4c30a030fb9g",
            "nightly_Batch_6d67ab714-455-3613-b981-4c30a030fb90",
            "nightly_Batch_6d67ab71-4455-3613-b981-4c30a030fb90-1",
            "AWSBatch-prod-batch",
            "prod",
        ] {
            assert!(!is_of_batch(no_uuid), "{no_uuid}");
        }
    }

    #[test]
    fn home_is_read_from_a_function_arn_alone() {
        let home = Home::from_function_arn("arn:aws:lambda:us-west-2:123456789012:function:drainer:live").unwrap();
        assert_eq!((home.account.as_str(), home.region.as_str()), ("123456789012", "us-west-2"));
        for other in
            ["function-arn", "", "arn:aws:sqs:us-west-2:123456789012:q", "arn:aws:lambda:us-west-2:me:function:f"]
        {
            assert_eq!(Home::from_function_arn(other), None, "{other:?}");
        }
    }
}

//! The settings of an installation, as far as they can be read: they tell each drain's deadline.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use serde::Serialize;
use shared::aws::CallError;
use shared::aws::sdk::failed;
use shared::config::Config;
use shared::ids::Home;

use crate::account::Account;
use crate::failure::Failure;

/// Settings, and where they are from.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    /// The tag that a group must have for its instances to be released, if the installation asks for one.
    pub(crate) group_tag: Option<String>,
    pub(crate) source: Source,
    /// The stack that they are from, or would be if they were allowed.
    pub(crate) stack: Option<Deployed>,
}

/// A stack that is there.
#[derive(Debug, Clone)]
pub(crate) struct Deployed {
    pub(crate) id: String,
    /// As CloudFormation has it, such as `CREATE_COMPLETE`.
    pub(crate) status: String,
    parameters: BTreeMap<String, String>,
}

/// Where settings are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Source {
    /// The parameters of this stack.
    Stack(String),
    /// The defaults: there is no such stack.
    NoStack(String),
    /// The defaults: what the stack says could not be read, or is not allowed.
    Unread(String),
}

impl Settings {
    /// Reads the parameters of the stack; the defaults where that is not possible.
    ///
    /// # Errors
    /// When the credentials are not good.
    pub(crate) async fn of_stack(account: &Account, stack: &str) -> Result<Self, Failure> {
        let deployed = match deployed(&Client::new(&account.sdk), stack).await {
            Ok(Some(deployed)) => deployed,
            Ok(None) => {
                return Self::defaults(Source::NoStack(format!(
                    "there is no stack {stack} in region {}",
                    account.region
                )));
            }
            Err(error) => {
                return match account.failure(error) {
                    failure @ Failure::BadCredentials(_) => Err(failure),
                    failure => Self::defaults(Source::Unread(format!("stack {stack} could not be read ({failure})"))),
                };
            }
        };
        let read = Config::read(|name| deployed.parameters.get(&parameter(name)).cloned()).and_then(|config| {
            let home = Home::of_arn(&deployed.id);
            home.map_or(Ok(()), |home| config.at(&home)).map(|()| config)
        });
        match read {
            Ok(config) => {
                let group_tag = deployed.parameters.get("GroupTagValue").filter(|value| !value.is_empty()).cloned();
                Ok(Self { config, group_tag, source: Source::Stack(stack.to_owned()), stack: Some(deployed) })
            }
            Err(error) => {
                let defaults = Self::defaults(Source::Unread(format!("stack {stack} has a {error}")))?;
                Ok(Self { stack: Some(deployed), ..defaults })
            }
        }
    }

    fn defaults(source: Source) -> Result<Self, Failure> {
        Ok(Self { config: defaults()?, group_tag: None, source, stack: None })
    }
}

/// Every setting's default.
pub(crate) fn defaults() -> Result<Config, Failure> {
    Config::read(|_| None).map_err(|error| Failure::Refusal(error.to_string()))
}

impl Source {
    /// Why the settings are the defaults, if they are.
    pub(crate) fn why_defaults(&self) -> Option<&str> {
        match self {
            Self::Stack(_) => None,
            Self::NoStack(why) | Self::Unread(why) => Some(why),
        }
    }
}

/// None if there is no such stack.
async fn deployed(client: &Client, name: &str) -> Result<Option<Deployed>, CallError> {
    let answer = match client.describe_stacks().stack_name(name).send().await.map_err(failed("DescribeStacks")) {
        Ok(answer) => answer,
        // CloudFormation API reference, DescribeStacks: a ValidationError, as other mistakes are; only its words tell.
        Err(CallError::Refused { code, message, .. })
            if code == "ValidationError" && message.contains("does not exist") =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let stack = answer.stacks.unwrap_or_default().into_iter().next();
    Ok(stack.and_then(|it| {
        let parameters = it.parameters.unwrap_or_default().into_iter();
        Some(Deployed {
            id: it.stack_id?,
            status: it.stack_status?.as_str().to_owned(),
            parameters: parameters.filter_map(|it| Some((it.parameter_key?, it.parameter_value?))).collect(),
        })
    }))
}

/// The template's parameter for a setting: `DRAIN_TIMEOUT_SECONDS` is `DrainTimeoutSeconds`.
fn parameter(setting: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters.map(|letter| letter.to_ascii_lowercase())).collect::<String>()
    };
    setting.split('_').map(word).collect()
}

#[cfg(test)]
mod tests {
    use shared::config::SETTINGS;

    use super::*;

    #[test]
    fn every_setting_is_a_parameter_of_the_template() {
        let template = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap();
        // The stack's own name is none.
        for setting in SETTINGS.iter().filter(|setting| setting.name != "STACK_NAME") {
            let name = parameter(setting.name);
            assert!(template.contains(&format!("\n  {name}:\n")), "{name}");
        }
    }
}

//! What one group's hook says in place of the settings, in its NotificationMetadata.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::policy::{DRAIN_TIMEOUT_MAX_SECONDS, OnDrainTimeout, Policy, StandaloneTasks};
use crate::ids::ClusterName;

/// What a hook's NotificationMetadata may override for its group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// The cluster to search first.
    pub cluster: Option<ClusterName>,
    /// In place of `DRAIN_TIMEOUT_SECONDS`.
    pub drain_timeout: Option<Duration>,
    /// In place of `ON_DRAIN_TIMEOUT`.
    pub on_drain_timeout: Option<OnDrainTimeout>,
    /// In place of `STANDALONE_TASKS`.
    pub standalone_tasks: Option<StandaloneTasks>,
    /// What was wrong in it, for the log: the setting's own value is used there.
    pub mistakes: Vec<String>,
}

impl Overrides {
    /// Reads NotificationMetadata as a hook has it: text. What is not a JSON object holds no overrides; a wrong value is a
    /// mistake.
    #[must_use]
    pub fn read(metadata: &str) -> Self {
        serde_json::from_str(metadata).map_or_else(|_| Self::default(), |metadata| Self::of_json(&metadata))
    }

    /// Reads NotificationMetadata as an event has it: an object where it is JSON, or else text.
    #[must_use]
    pub fn of(metadata: &Value) -> Self {
        metadata.as_str().map_or_else(|| Self::of_json(metadata), Self::read)
    }

    fn of_json(metadata: &Value) -> Self {
        let Value::Object(fields) = metadata else { return Self::default() };
        let mut overrides = Self::default();
        for (key, value) in fields {
            let understood = match key.as_str() {
                "cluster" => set(&mut overrides.cluster, value.as_str().and_then(ClusterName::parse)),
                "drainTimeoutSeconds" => set(&mut overrides.drain_timeout, drain_timeout(value)),
                "onDrainTimeout" => set(&mut overrides.on_drain_timeout, OnDrainTimeout::deserialize(value).ok()),
                "standaloneTasks" => set(&mut overrides.standalone_tasks, StandaloneTasks::deserialize(value).ok()),
                _ => true, // the metadata may serve others, too
            };
            if !understood {
                overrides.mistakes.push(format!("{key} is {value}"));
            }
        }
        overrides
    }

    /// The policy of a group with these overrides.
    #[must_use]
    pub fn over(&self, policy: Policy) -> Policy {
        Policy {
            drain_timeout: self.drain_timeout.unwrap_or(policy.drain_timeout),
            on_drain_timeout: self.on_drain_timeout.unwrap_or(policy.on_drain_timeout),
            standalone_tasks: self.standalone_tasks.unwrap_or(policy.standalone_tasks),
            ..policy
        }
    }
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    *slot = value;
    slot.is_some()
}

fn drain_timeout(value: &Value) -> Option<Duration> {
    value.as_u64().filter(|seconds| *seconds <= DRAIN_TIMEOUT_MAX_SECONDS).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn metadata_overrides_its_group_alone() {
        let base = Config::read(|_| None).unwrap().policy;
        let overrides = Overrides::read(
            r#"{"cluster":"prod","drainTimeoutSeconds":60,"onDrainTimeout":"proceed","standaloneTasks":"stop","team":"web"}"#,
        );
        assert_eq!(overrides.cluster, ClusterName::parse("prod"));
        assert!(overrides.mistakes.is_empty());
        let policy = overrides.over(base);
        assert_eq!(policy.drain_timeout, Duration::from_secs(60));
        assert_eq!(policy.on_drain_timeout, OnDrainTimeout::Proceed);
        assert_eq!(policy.standalone_tasks, StandaloneTasks::Stop);
        assert_eq!(Overrides::default().over(base), base);
    }

    #[test]
    fn metadata_is_text_in_a_hook_and_may_be_an_object_in_an_event() {
        let text = r#"{"cluster":"prod","drainTimeoutSeconds":60}"#;
        let object: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Overrides::read(text).cluster, ClusterName::parse("prod"));
        assert_eq!(Overrides::of(&object), Overrides::read(text));
        assert_eq!(Overrides::of(&Value::from(text)), Overrides::read(text));
        assert_eq!(Overrides::of(&Value::Null), Overrides::default());
    }

    #[test]
    fn metadata_that_is_no_json_object_says_nothing_and_a_wrong_value_is_a_mistake() {
        for text in ["additional-info", "", "7", "[1]", "{"] {
            assert_eq!(Overrides::read(text), Overrides::default(), "{text:?}");
            assert_eq!(Overrides::of(&Value::from(text)), Overrides::default(), "{text:?}");
        }
        let wrong = Overrides::read(r#"{"cluster":"a b","drainTimeoutSeconds":"60","onDrainTimeout":"explode"}"#);
        let mistakes = ["cluster is \"a b\"", "drainTimeoutSeconds is \"60\"", "onDrainTimeout is \"explode\""];
        assert_eq!(wrong.mistakes, mistakes);
        assert_eq!(Overrides { mistakes: vec![], ..wrong }, Overrides::default());
    }
}

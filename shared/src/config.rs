//! Every setting, from environment variables, with all mistakes reported at once; and the overrides of one group.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::ids::{ClusterName, HookName};

/// Watched clusters; empty for every cluster of the account and region.
pub const ECS_CLUSTERS: &str = "ECS_CLUSTERS";
/// Lifecycle hooks that are ours.
pub const LIFECYCLE_HOOK_NAMES: &str = "LIFECYCLE_HOOK_NAMES";
/// How long a drain may take.
pub const DRAIN_TIMEOUT_SECONDS: &str = "DRAIN_TIMEOUT_SECONDS";
/// What happens when it takes longer.
pub const ON_DRAIN_TIMEOUT: &str = "ON_DRAIN_TIMEOUT";
/// What happens to tasks that no service owns.
pub const STANDALONE_TASKS: &str = "STANDALONE_TASKS";
/// How long before the Spot deadline stragglers are stopped.
pub const SPOT_STOP_LEAD_SECONDS: &str = "SPOT_STOP_LEAD_SECONDS";
/// Whether a rebalance recommendation drains.
pub const REBALANCE_RECOMMENDATIONS: &str = "REBALANCE_RECOMMENDATIONS";
/// How long an agent may be disconnected before an unhealthy host counts as gone.
pub const AGENT_LOST_SECONDS: &str = "AGENT_LOST_SECONDS";
/// How long `instance-terminating` polls.
pub const POLL_FOR_SECONDS: &str = "POLL_FOR_SECONDS";
/// Shortest time between two looks.
pub const POLL_MIN_SECONDS: &str = "POLL_MIN_SECONDS";
/// Longest time between two looks.
pub const POLL_MAX_SECONDS: &str = "POLL_MAX_SECONDS";
/// Read and decide, change nothing.
pub const DRY_RUN: &str = "DRY_RUN";

/// AWS ends a lifecycle action after 48 h at the latest (Auto Scaling user guide, lifecycle hooks).
pub const DRAIN_TIMEOUT_MAX_SECONDS: u64 = 172_800;
/// Lambda's 900 s less a minute to answer in.
const POLL_FOR_MAX_SECONDS: u64 = 840;
/// Two minutes end most drains.
const POLL_FOR_BARE_SECONDS: u64 = 120;
/// Lambda's five pollers may each hand over a batch every second; fifty invocations at a time is what they then hold, and
/// as many as may look every few seconds out of a quota of 20 reads a second.
const POLL_FOR_BATCH: Duration = Duration::from_secs(10);
/// A Spot notice comes two minutes ahead (EC2 user guide, Spot interruption notices).
const SPOT_STOP_LEAD_MAX_SECONDS: u64 = 120;
/// Faster polling than this only burns the account's request quota.
const POLL_SHORTEST: f64 = 0.05;
/// Slower polling than this would leave a host idle for longer than a drain is worth.
const POLL_LONGEST: f64 = 300.0;

/// Every setting of the drainer.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Watched clusters; empty for all.
    pub clusters: Vec<ClusterName>,
    /// Lifecycle hooks that are ours; never empty.
    pub hook_names: Vec<HookName>,
    /// How one drain goes, before a group's overrides.
    pub policy: Policy,
    /// Whether a rebalance recommendation drains.
    pub rebalance: RebalanceRecommendations,
    /// How long `instance-terminating` polls before it hands over.
    pub poll_for: PollFor,
}

/// How one drain goes: what `decide` may know of the settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// From the start of the drain to its deadline.
    pub drain_timeout: Duration,
    /// What happens at the deadline.
    pub on_drain_timeout: OnDrainTimeout,
    /// What happens to tasks that no service owns.
    pub standalone_tasks: StandaloneTasks,
    /// How long before the Spot deadline stragglers are stopped.
    pub spot_stop_lead: Duration,
    /// How long an agent may be disconnected before an unhealthy host counts as gone.
    pub agent_lost: Duration,
    /// The time between two looks.
    pub pace: Pace,
    /// Read and decide, change nothing.
    pub dry_run: bool,
}

/// The shortest and longest time between two looks at an instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// The shortest, before jitter of up to a fifth.
    pub min: Duration,
    /// The longest, before the same jitter.
    pub max: Duration,
}

/// How long `instance-terminating` polls before it hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollFor {
    /// For an SQS batch, behind which others may wait for their turn.
    pub batch: Duration,
    /// For a bare event, behind which nobody does.
    pub bare: Duration,
}

/// What happens at the deadline of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDrainTimeout {
    /// Stop every task gracefully, then let the termination proceed.
    StopTasks,
    /// Let the termination proceed.
    Proceed,
    /// Let it proceed with ABANDON, which also ends the other hooks' wait.
    Abandon,
    /// Go on waiting, for as long as AWS allows.
    Wait,
}

/// What happens to tasks that no service owns: DRAINING does not touch them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandaloneTasks {
    /// They may finish.
    Wait,
    /// They are stopped gracefully at once.
    Stop,
}

/// Whether `EC2 Instance Rebalance Recommendation` drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebalanceRecommendations {
    /// It is ignored.
    Ignore,
    /// The instance is set to DRAINING.
    Drain,
}

/// Every bad variable in one message: a function that cannot be configured says all it needs at once.
#[derive(Debug, Error, PartialEq, Eq)]
pub struct ConfigError(Vec<BadVariable>);

#[derive(Debug, PartialEq, Eq)]
struct BadVariable {
    name: &'static str,
    value: String,
    allowed: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bad configuration")?;
        for (i, bad) in self.0.iter().enumerate() {
            let separator = if i == 0 { ": " } else { "; " };
            write!(f, "{separator}{} is {:?}, allowed: {}", bad.name, bad.value, bad.allowed)?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads every variable through `lookup`; what is unset or empty takes its default.
    ///
    /// # Errors
    /// [`ConfigError`] with every variable whose value is not allowed.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut source = Source { lookup, bad: Vec::new() };
        let default_hook: Vec<HookName> = vec!["ecs-drainer".into()];
        let config = Self {
            clusters: source.list(
                ECS_CLUSTERS,
                ClusterName::parse,
                "cluster names or ARNs, comma-separated",
                Vec::new(),
            ),
            hook_names: source.list(
                LIFECYCLE_HOOK_NAMES,
                HookName::parse,
                "lifecycle hook names, comma-separated",
                default_hook,
            ),
            policy: Policy {
                drain_timeout: source.seconds(DRAIN_TIMEOUT_SECONDS, DRAIN_TIMEOUT_MAX_SECONDS, 3600),
                on_drain_timeout: source.word(ON_DRAIN_TIMEOUT, OnDrainTimeout::StopTasks, &ON_DRAIN_TIMEOUT_WORDS),
                standalone_tasks: source.word(STANDALONE_TASKS, StandaloneTasks::Wait, &STANDALONE_TASKS_WORDS),
                spot_stop_lead: source.seconds(SPOT_STOP_LEAD_SECONDS, SPOT_STOP_LEAD_MAX_SECONDS, 45),
                agent_lost: source.seconds(AGENT_LOST_SECONDS, DRAIN_TIMEOUT_MAX_SECONDS, 600),
                pace: source.pace(),
                dry_run: source.word(DRY_RUN, false, &[("false", false), ("true", true)]),
            },
            rebalance: source.word(
                REBALANCE_RECOMMENDATIONS,
                RebalanceRecommendations::Ignore,
                &[("ignore", RebalanceRecommendations::Ignore), ("drain", RebalanceRecommendations::Drain)],
            ),
            poll_for: source.poll_for(),
        };
        if source.bad.is_empty() { Ok(config) } else { Err(ConfigError(source.bad)) }
    }

    /// Whether we may act in this cluster.
    #[must_use]
    pub fn watches(&self, cluster: &ClusterName) -> bool {
        self.clusters.is_empty() || self.clusters.contains(cluster)
    }
}

const ON_DRAIN_TIMEOUT_WORDS: [(&str, OnDrainTimeout); 4] = [
    ("stop-tasks", OnDrainTimeout::StopTasks),
    ("proceed", OnDrainTimeout::Proceed),
    ("abandon", OnDrainTimeout::Abandon),
    ("wait", OnDrainTimeout::Wait),
];
const STANDALONE_TASKS_WORDS: [(&str, StandaloneTasks); 2] =
    [("wait", StandaloneTasks::Wait), ("stop", StandaloneTasks::Stop)];

struct Source<L> {
    lookup: L,
    bad: Vec<BadVariable>,
}

impl<L: Fn(&str) -> Option<String>> Source<L> {
    fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        default: T,
        allowed: impl fmt::Display,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let Some(text) = self.text(name) else { return default };
        parse(&text).unwrap_or_else(|| {
            self.bad.push(BadVariable { name, value: text, allowed: allowed.to_string() });
            default
        })
    }

    fn list<T>(&mut self, name: &'static str, parse: fn(&str) -> Option<T>, allowed: &str, default: Vec<T>) -> Vec<T> {
        let entries = |text: &str| text.split(',').map(|entry| parse(entry.trim())).collect();
        self.parsed(name, default, allowed, entries)
    }

    fn seconds(&mut self, name: &'static str, most: u64, default: u64) -> Duration {
        let allowed = format!("whole seconds from 0 to {most}");
        let parse = |text: &str| text.parse().ok().filter(|seconds| *seconds <= most);
        Duration::from_secs(self.parsed(name, default, allowed, parse))
    }

    fn poll_for(&mut self) -> PollFor {
        let bare = self.seconds(POLL_FOR_SECONDS, POLL_FOR_MAX_SECONDS, POLL_FOR_BARE_SECONDS);
        let is_set = self.text(POLL_FOR_SECONDS).is_some();
        PollFor { batch: if is_set { bare } else { POLL_FOR_BATCH }, bare }
    }

    fn word<T: Copy>(&mut self, name: &'static str, default: T, words: &[(&str, T)]) -> T {
        let allowed = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        self.parsed(name, default, allowed, |text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
        })
    }

    fn pace(&mut self) -> Pace {
        let allowed = format!("seconds from {POLL_SHORTEST} to {POLL_LONGEST}, decimal fractions too");
        let parse = |text: &str| text.parse::<f64>().ok().filter(|s| (POLL_SHORTEST..=POLL_LONGEST).contains(s));
        let min = self.parsed(POLL_MIN_SECONDS, 2.0, &allowed, parse);
        let max = self.parsed(POLL_MAX_SECONDS, 15.0_f64.max(min), &allowed, parse);
        if max < min {
            let value = max.to_string();
            self.bad.push(BadVariable {
                name: POLL_MAX_SECONDS,
                value,
                allowed: format!("at least {POLL_MIN_SECONDS}, {min}"),
            });
        }
        Pace { min: Duration::from_secs_f64(min), max: Duration::from_secs_f64(max) }
    }
}

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
    /// Reads NotificationMetadata. What is not a JSON object holds no overrides; a wrong value is a mistake.
    #[must_use]
    pub fn read(metadata: &str) -> Self {
        let Ok(Value::Object(fields)) = serde_json::from_str(metadata) else {
            return Self::default();
        };
        let mut overrides = Self::default();
        for (key, value) in &fields {
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

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn unset_or_empty_takes_the_default() {
        let config = read(&[(ECS_CLUSTERS, ""), (POLL_MIN_SECONDS, " ")]).unwrap();
        assert_eq!(
            config,
            Config {
                clusters: vec![],
                hook_names: vec!["ecs-drainer".into()],
                policy: Policy {
                    drain_timeout: Duration::from_secs(3600),
                    on_drain_timeout: OnDrainTimeout::StopTasks,
                    standalone_tasks: StandaloneTasks::Wait,
                    spot_stop_lead: Duration::from_secs(45),
                    agent_lost: Duration::from_secs(600),
                    pace: Pace { min: Duration::from_secs(2), max: Duration::from_secs(15) },
                    dry_run: false,
                },
                rebalance: RebalanceRecommendations::Ignore,
                poll_for: PollFor { batch: Duration::from_secs(10), bare: Duration::from_secs(120) },
            }
        );
    }

    #[test]
    fn every_variable_is_read() {
        let config = read(&[
            (ECS_CLUSTERS, "prod, arn:aws:ecs:eu-west-1:123456789012:cluster/batch"),
            (LIFECYCLE_HOOK_NAMES, "a,b"),
            (DRAIN_TIMEOUT_SECONDS, "172800"),
            (ON_DRAIN_TIMEOUT, "wait"),
            (STANDALONE_TASKS, "stop"),
            (SPOT_STOP_LEAD_SECONDS, "60"),
            (REBALANCE_RECOMMENDATIONS, "drain"),
            (AGENT_LOST_SECONDS, "0"),
            (POLL_FOR_SECONDS, "840"),
            (POLL_MIN_SECONDS, "0.2"),
            (POLL_MAX_SECONDS, "0.5"),
            (DRY_RUN, "true"),
        ])
        .unwrap();
        assert_eq!(config.clusters, [ClusterName::parse("prod").unwrap(), ClusterName::parse("batch").unwrap()]);
        assert_eq!(config.hook_names, ["a".into(), "b".into()]);
        assert_eq!(config.policy.drain_timeout, Duration::from_secs(172_800));
        assert_eq!(config.policy.on_drain_timeout, OnDrainTimeout::Wait);
        assert_eq!(config.policy.standalone_tasks, StandaloneTasks::Stop);
        assert_eq!(config.policy.spot_stop_lead, Duration::from_secs(60));
        assert_eq!(config.rebalance, RebalanceRecommendations::Drain);
        assert_eq!(config.policy.agent_lost, Duration::ZERO);
        let longest = Duration::from_secs(840);
        assert_eq!(config.poll_for, PollFor { batch: longest, bare: longest });
        assert_eq!(config.policy.pace, Pace { min: Duration::from_millis(200), max: Duration::from_millis(500) });
        assert!(config.policy.dry_run);
        assert!(config.watches(&ClusterName::parse("batch").unwrap()));
        assert!(!config.watches(&ClusterName::parse("other").unwrap()));
    }

    #[test]
    fn all_mistakes_come_in_one_message() {
        let error = read(&[
            (ECS_CLUSTERS, "prod,,x"),
            (LIFECYCLE_HOOK_NAMES, "a b"),
            (DRAIN_TIMEOUT_SECONDS, "172801"),
            (ON_DRAIN_TIMEOUT, "Proceed"),
            (POLL_FOR_SECONDS, "-1"),
            (POLL_MAX_SECONDS, "NaN"),
            (DRY_RUN, "yes"),
        ])
        .unwrap_err()
        .to_string();
        assert_eq!(
            error,
            "bad configuration: ECS_CLUSTERS is \"prod,,x\", allowed: cluster names or ARNs, comma-separated; \
             LIFECYCLE_HOOK_NAMES is \"a b\", allowed: lifecycle hook names, comma-separated; \
             DRAIN_TIMEOUT_SECONDS is \"172801\", allowed: whole seconds from 0 to 172800; \
             ON_DRAIN_TIMEOUT is \"Proceed\", allowed: stop-tasks, proceed, abandon, wait; \
             POLL_MAX_SECONDS is \"NaN\", allowed: seconds from 0.05 to 300, decimal fractions too; \
             DRY_RUN is \"yes\", allowed: false, true; \
             POLL_FOR_SECONDS is \"-1\", allowed: whole seconds from 0 to 840"
        );
        let error = read(&[(POLL_MIN_SECONDS, "3"), (POLL_MAX_SECONDS, "1")]).unwrap_err().to_string();
        assert!(error.contains("POLL_MAX_SECONDS is \"1\", allowed: at least POLL_MIN_SECONDS, 3"), "{error}");
        assert_eq!(read(&[(POLL_MIN_SECONDS, "20")]).unwrap().policy.pace.max, Duration::from_secs(20));
    }

    #[test]
    fn metadata_overrides_its_group_alone() {
        let base = read(&[]).unwrap().policy;
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
    fn metadata_that_is_no_json_object_says_nothing_and_a_wrong_value_is_a_mistake() {
        for text in ["additional-info", "", "7", "[1]", "{"] {
            assert_eq!(Overrides::read(text), Overrides::default(), "{text:?}");
        }
        let wrong = Overrides::read(r#"{"cluster":"a b","drainTimeoutSeconds":"60","onDrainTimeout":"explode"}"#);
        let mistakes = ["cluster is \"a b\"", "drainTimeoutSeconds is \"60\"", "onDrainTimeout is \"explode\""];
        assert_eq!(wrong.mistakes, mistakes);
        assert_eq!(Overrides { mistakes: vec![], ..wrong }, Overrides::default());
    }
}

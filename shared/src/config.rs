//! Every setting, from environment variables, with all mistakes reported at once.

mod environment;
mod error;
mod overrides;
mod policy;

use std::fmt;
use std::time::Duration;

pub use self::environment::{A_URL, Environment, is_url};
use self::error::BadVariable;
pub use self::error::ConfigError;
pub use self::overrides::Overrides;
use self::policy::DRAIN_TIMEOUT_MAX_SECONDS;
pub use self::policy::{OnDrainTimeout, Pace, Policy, StandaloneTasks};

use crate::ids::{ClusterName, Home, HookName};

/// An environment variable of every function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The variable.
    pub name: &'static str,
    /// Its value when it is unset or empty.
    pub default: &'static str,
}

const fn setting(name: &'static str, default: &'static str) -> Setting {
    Setting { name, default }
}

/// Watched clusters; empty for every cluster of the account and region but those of AWS Batch.
const ECS_CLUSTERS: Setting = setting("ECS_CLUSTERS", "");
/// Lifecycle hooks that are ours.
const LIFECYCLE_HOOK_NAMES: Setting = setting("LIFECYCLE_HOOK_NAMES", "ecs-drainer");
/// How long a drain may take.
const DRAIN_TIMEOUT_SECONDS: Setting = setting("DRAIN_TIMEOUT_SECONDS", "3600");
/// What happens when it takes longer.
const ON_DRAIN_TIMEOUT: Setting = setting("ON_DRAIN_TIMEOUT", "stop-tasks");
/// What happens to tasks that no service owns.
const STANDALONE_TASKS: Setting = setting("STANDALONE_TASKS", "wait");
/// How long before the Spot deadline stragglers are stopped.
const SPOT_STOP_LEAD_SECONDS: Setting = setting("SPOT_STOP_LEAD_SECONDS", "45");
/// Whether a rebalance recommendation drains.
const REBALANCE_RECOMMENDATIONS: Setting = setting("REBALANCE_RECOMMENDATIONS", "ignore");
/// How long an agent may be disconnected before an unhealthy host counts as gone.
const AGENT_LOST_SECONDS: Setting = setting("AGENT_LOST_SECONDS", "600");
/// How long `instance-terminating` polls; empty for what fits the event.
const POLL_FOR_SECONDS: Setting = setting("POLL_FOR_SECONDS", "");
/// Shortest time between two looks.
const POLL_MIN_SECONDS: Setting = setting("POLL_MIN_SECONDS", "2");
/// Longest time between two looks.
const POLL_MAX_SECONDS: Setting = setting("POLL_MAX_SECONDS", "15");
/// Read and decide, change nothing.
const DRY_RUN: Setting = setting("DRY_RUN", "false");
/// Which installation the metrics are of.
const STACK_NAME: Setting = setting("STACK_NAME", "ecs-drainer");

/// Every setting there is.
pub const SETTINGS: [Setting; 13] = [
    ECS_CLUSTERS,
    LIFECYCLE_HOOK_NAMES,
    DRAIN_TIMEOUT_SECONDS,
    ON_DRAIN_TIMEOUT,
    STANDALONE_TASKS,
    SPOT_STOP_LEAD_SECONDS,
    REBALANCE_RECOMMENDATIONS,
    AGENT_LOST_SECONDS,
    POLL_FOR_SECONDS,
    POLL_MIN_SECONDS,
    POLL_MAX_SECONDS,
    DRY_RUN,
    STACK_NAME,
];

/// Lambda's own: the region it runs in (Lambda developer guide, defined runtime environment variables).
const AWS_REGION: &str = "AWS_REGION";
/// Lambda's 900 s less a minute to answer in.
const POLL_FOR_MAX_SECONDS: u64 = 840;
/// Two minutes end most drains.
const POLL_FOR_BARE: Duration = Duration::from_secs(120);
/// Long enough for most short drains to end in the invocation of their event, and short enough that an invocation is free
/// for the next event.
const POLL_FOR_BATCH: Duration = Duration::from_secs(15);
/// A Spot notice comes two minutes ahead (EC2 user guide, Spot interruption notices).
const SPOT_STOP_LEAD_MAX_SECONDS: u64 = 120;
/// Faster polling than this only burns the account's request quota.
const POLL_SHORTEST: f64 = 0.05;
/// Slower polling than this would leave a host idle for longer than a drain is worth.
const POLL_LONGEST: f64 = 300.0;
/// What CloudWatch takes for the value of a metric's dimension (API reference, `Dimension`).
const STACK_NAME_LONGEST: usize = 255;

/// Every setting of the drainer.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Watched clusters; empty for all but those of AWS Batch.
    pub clusters: Vec<ClusterName>,
    /// The ARNs that name some of them, with their account and region.
    pub cluster_arns: Vec<String>,
    /// Lifecycle hooks that are ours; never empty.
    pub hook_names: Vec<HookName>,
    /// How one drain goes, before a group's overrides.
    pub policy: Policy,
    /// Whether a rebalance recommendation drains.
    pub rebalance: RebalanceRecommendations,
    /// How long `instance-terminating` polls before it hands over.
    pub poll_for: PollFor,
    /// Which installation the metrics are of.
    pub stack: String,
}

/// How long `instance-terminating` polls before it hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollFor {
    /// For an SQS batch, behind which others may wait for their turn.
    batch: Duration,
    /// For a bare event, behind which no other event waits.
    pub bare: Duration,
}

impl PollFor {
    /// For an SQS batch. One of a burst waits for nothing but DRAINING, so that it may try for as long as it lasts.
    #[must_use]
    pub fn batch(self, is_burst: bool) -> Duration {
        if is_burst { Duration::MAX } else { self.batch }
    }
}

/// Whether `EC2 Instance Rebalance Recommendation` drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebalanceRecommendations {
    /// It is ignored.
    Ignore,
    /// The instance is set to DRAINING.
    Drain,
}

impl Config {
    /// Reads every variable through `lookup`; what is unset or empty takes its default.
    ///
    /// # Errors
    /// [`ConfigError`] with every variable whose value is not allowed.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut source = Source { lookup, bad: Vec::new() };
        let clusters = source.list(ECS_CLUSTERS, ClusterName::parse, "cluster names or ARNs, comma-separated");
        let cluster_arns = source.cluster_arns();
        let hook_names = source.list(LIFECYCLE_HOOK_NAMES, HookName::parse, "lifecycle hook names, comma-separated");
        let drain_timeout = source.seconds(DRAIN_TIMEOUT_SECONDS, DRAIN_TIMEOUT_MAX_SECONDS);
        let on_drain_timeout = source.word(ON_DRAIN_TIMEOUT, &ON_DRAIN_TIMEOUT_WORDS);
        let standalone_tasks = source.word(STANDALONE_TASKS, &STANDALONE_TASKS_WORDS);
        let spot_stop_lead = source.seconds(SPOT_STOP_LEAD_SECONDS, SPOT_STOP_LEAD_MAX_SECONDS);
        let rebalance = source.word(REBALANCE_RECOMMENDATIONS, &REBALANCE_RECOMMENDATIONS_WORDS);
        let agent_lost = source.seconds(AGENT_LOST_SECONDS, DRAIN_TIMEOUT_MAX_SECONDS);
        let poll_for = source.poll_for();
        let pace = source.pace();
        let poll_for = poll_for.zip(pace).and_then(|(poll_for, pace)| source.long_enough(poll_for, pace));
        let dry_run = source.word(DRY_RUN, &[("false", false), ("true", true)]);
        let stack = source.stack();
        let config = || {
            Some(Self {
                clusters: clusters?,
                cluster_arns: cluster_arns?,
                hook_names: hook_names?,
                policy: Policy {
                    drain_timeout: drain_timeout?,
                    on_drain_timeout: on_drain_timeout?,
                    standalone_tasks: standalone_tasks?,
                    spot_stop_lead: spot_stop_lead?,
                    agent_lost: agent_lost?,
                    pace: pace?,
                    dry_run: dry_run?,
                },
                rebalance: rebalance?,
                poll_for: poll_for?,
                stack: stack?,
            })
        };
        config().ok_or(ConfigError::new(source.bad))
    }

    /// Reads the settings of a function, and checks all else that it reads.
    ///
    /// # Errors
    /// [`ConfigError`] with every variable whose value is not allowed.
    pub fn of_function(environment: &Environment) -> Result<Self, ConfigError> {
        let bad = environment.bad_for_a_function();
        match Self::read(|name| environment.get(name)) {
            Ok(config) => ConfigError::of(bad).map(|()| config),
            Err(settings) => Err(settings.and(bad)),
        }
    }

    /// Checks that the clusters are of this account and region: in another one, no cluster of theirs can be drained, and one
    /// of the same name here is not meant.
    ///
    /// # Errors
    /// [`ConfigError`] with the ARNs that name another account or region.
    pub fn at(&self, home: &Home) -> Result<(), ConfigError> {
        let elsewhere = self.cluster_arns.iter().filter(|arn| Home::of_arn(arn).as_ref() != Some(home));
        let allowed = format!("clusters of this account and region, {home}");
        ConfigError::of(elsewhere.map(|arn| BadVariable::new(ECS_CLUSTERS.name, arn, &allowed)).collect())
    }

    /// Whether we may act in this cluster: in one that is named, or, where none is, in any but those of AWS Batch. Batch
    /// warns against touching its hosts (Batch user guide, compute environments), and stopping a job changes the reason
    /// by which it is retried.
    #[must_use]
    pub fn watches(&self, cluster: &ClusterName) -> bool {
        if self.clusters.is_empty() { !cluster.is_of_batch() } else { self.clusters.contains(cluster) }
    }
}

/// Why the drainer does not watch a cluster, for the log.
#[must_use]
pub fn why_unwatched(cluster: &ClusterName) -> String {
    if cluster.is_of_batch() {
        format!(
            "{cluster}, a cluster of AWS Batch, which does not retry a job that the drainer stops; name it in {} to have \
             it drained",
            ECS_CLUSTERS.name
        )
    } else {
        format!("{cluster}, which is not watched")
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

const REBALANCE_RECOMMENDATIONS_WORDS: [(&str, RebalanceRecommendations); 2] =
    [("ignore", RebalanceRecommendations::Ignore), ("drain", RebalanceRecommendations::Drain)];

/// Where settings come from, and what was wrong with them so far; what is `None` has been noted there.
struct Source<L> {
    lookup: L,
    bad: Vec<BadVariable>,
}

impl<L: Fn(&str) -> Option<String>> Source<L> {
    fn set(&self, setting: Setting) -> Option<String> {
        (self.lookup)(setting.name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn parsed<T>(
        &mut self,
        setting: Setting,
        allowed: impl fmt::Display,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.set(setting).unwrap_or_else(|| setting.default.to_owned());
        let parsed = parse(&text);
        if parsed.is_none() {
            self.refuse(setting, text, allowed);
        }
        parsed
    }

    fn refuse(&mut self, setting: Setting, value: String, allowed: impl fmt::Display) {
        self.bad.push(BadVariable::new(setting.name, value, allowed.to_string()));
    }

    fn list<T>(&mut self, setting: Setting, parse: fn(&str) -> Option<T>, allowed: &str) -> Option<Vec<T>> {
        self.parsed(setting, allowed, |text| match text {
            "" => Some(Vec::new()),
            text => text.split(',').map(|entry| parse(entry.trim())).collect(),
        })
    }

    fn seconds(&mut self, setting: Setting, most: u64) -> Option<Duration> {
        self.parsed(setting, format!("whole seconds from 0 to {most}"), |text| {
            text.parse().ok().filter(|seconds| *seconds <= most).map(Duration::from_secs)
        })
    }

    /// The ARNs among the clusters, none of another region: a function knows its own before its first event.
    fn cluster_arns(&mut self) -> Option<Vec<String>> {
        let text = self.set(ECS_CLUSTERS).unwrap_or_default();
        let arns: Vec<_> = text.split(',').map(str::trim).filter(|entry| entry.starts_with("arn:")).collect();
        let region = (self.lookup)(AWS_REGION).filter(|region| !region.trim().is_empty());
        let is_elsewhere = |arn: &str| {
            region.as_ref().is_some_and(|region| Home::of_arn(arn).is_some_and(|home| home.region != *region))
        };
        let elsewhere: Vec<_> = arns.iter().filter(|arn| is_elsewhere(arn)).collect();
        for arn in &elsewhere {
            let allowed = format!("clusters of this region, {}", region.as_deref().unwrap_or_default());
            self.refuse(ECS_CLUSTERS, (**arn).to_owned(), allowed);
        }
        elsewhere.is_empty().then(|| arns.iter().map(ToString::to_string).collect())
    }

    fn poll_for(&mut self) -> Option<PollFor> {
        if self.set(POLL_FOR_SECONDS).is_none() {
            return Some(PollFor { batch: POLL_FOR_BATCH, bare: POLL_FOR_BARE });
        }
        let asked = self.seconds(POLL_FOR_SECONDS, POLL_FOR_MAX_SECONDS)?;
        Some(PollFor { batch: asked, bare: asked })
    }

    /// An invocation that ends before its second look is due waits for nothing.
    fn long_enough(&mut self, poll_for: PollFor, pace: Pace) -> Option<PollFor> {
        let asked = self.set(POLL_FOR_SECONDS).filter(|_| !poll_for.bare.is_zero() && poll_for.bare < pace.min);
        let Some(asked) = asked else { return Some(poll_for) };
        let allowed = format!("0, or at least {}, {}", POLL_MIN_SECONDS.name, pace.min.as_secs_f64());
        self.refuse(POLL_FOR_SECONDS, asked, allowed);
        None
    }

    fn word<T: Copy>(&mut self, setting: Setting, words: &[(&str, T)]) -> Option<T> {
        let allowed = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        self.parsed(setting, allowed, |text| words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value))
    }

    fn pace(&mut self) -> Option<Pace> {
        let allowed = format!("seconds from {POLL_SHORTEST} to {POLL_LONGEST}, decimal fractions too");
        let parse = |text: &str| text.parse::<f64>().ok().filter(|s| (POLL_SHORTEST..=POLL_LONGEST).contains(s));
        let min = self.parsed(POLL_MIN_SECONDS, &allowed, parse);
        let max = self.parsed(POLL_MAX_SECONDS, &allowed, parse);
        let (min, mut max) = (min?, max?);
        if max < min && self.set(POLL_MAX_SECONDS).is_some() {
            self.refuse(POLL_MAX_SECONDS, max.to_string(), format!("at least {}, {min}", POLL_MIN_SECONDS.name));
            return None;
        }
        max = max.max(min);
        Some(Pace { min: Duration::from_secs_f64(min), max: Duration::from_secs_f64(max) })
    }

    fn stack(&mut self) -> Option<String> {
        self.parsed(STACK_NAME, format!("up to {STACK_NAME_LONGEST} printable ASCII characters"), |text| {
            let is_allowed = text.len() <= STACK_NAME_LONGEST && text.bytes().all(|b| (b' '..=b'~').contains(&b));
            is_allowed.then(|| text.to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn unset_or_empty_takes_the_default() {
        let config = read(&[("ECS_CLUSTERS", ""), ("POLL_MIN_SECONDS", " ")]).unwrap();
        assert_eq!(
            config,
            Config {
                clusters: vec![],
                cluster_arns: vec![],
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
                poll_for: PollFor { batch: Duration::from_secs(15), bare: Duration::from_secs(120) },
                stack: "ecs-drainer".into(),
            }
        );
    }

    #[test]
    fn every_variable_is_read() {
        let config = read(&[
            ("ECS_CLUSTERS", "prod, arn:aws:ecs:eu-west-1:123456789012:cluster/batch"),
            ("LIFECYCLE_HOOK_NAMES", "a,b"),
            ("DRAIN_TIMEOUT_SECONDS", "172800"),
            ("ON_DRAIN_TIMEOUT", "wait"),
            ("STANDALONE_TASKS", "stop"),
            ("SPOT_STOP_LEAD_SECONDS", "60"),
            ("REBALANCE_RECOMMENDATIONS", "drain"),
            ("AGENT_LOST_SECONDS", "0"),
            ("POLL_FOR_SECONDS", "840"),
            ("POLL_MIN_SECONDS", "0.2"),
            ("POLL_MAX_SECONDS", "0.5"),
            ("DRY_RUN", "true"),
            ("STACK_NAME", "drainer-prod"),
        ])
        .unwrap();
        assert_eq!(config.stack, "drainer-prod");
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
            ("ECS_CLUSTERS", "prod,,x"),
            ("LIFECYCLE_HOOK_NAMES", "a b"),
            ("DRAIN_TIMEOUT_SECONDS", "172801"),
            ("ON_DRAIN_TIMEOUT", "Proceed"),
            ("POLL_FOR_SECONDS", "-1"),
            ("POLL_MAX_SECONDS", "NaN"),
            ("DRY_RUN", "yes"),
        ])
        .unwrap_err()
        .to_string();
        assert_eq!(
            error,
            "bad configuration: ECS_CLUSTERS is \"prod,,x\", allowed: cluster names or ARNs, comma-separated; \
             LIFECYCLE_HOOK_NAMES is \"a b\", allowed: lifecycle hook names, comma-separated; \
             DRAIN_TIMEOUT_SECONDS is \"172801\", allowed: whole seconds from 0 to 172800; \
             ON_DRAIN_TIMEOUT is \"Proceed\", allowed: stop-tasks, proceed, abandon, wait; \
             POLL_FOR_SECONDS is \"-1\", allowed: whole seconds from 0 to 840; \
             POLL_MAX_SECONDS is \"NaN\", allowed: seconds from 0.05 to 300, decimal fractions too; \
             DRY_RUN is \"yes\", allowed: false, true"
        );
        let error = read(&[("POLL_MIN_SECONDS", "3"), ("POLL_MAX_SECONDS", "1")]).unwrap_err().to_string();
        assert!(error.contains("POLL_MAX_SECONDS is \"1\", allowed: at least POLL_MIN_SECONDS, 3"), "{error}");
        assert_eq!(read(&[("POLL_MIN_SECONDS", "20")]).unwrap().policy.pace.max, Duration::from_secs(20));
        let error = read(&[("POLL_MIN_SECONDS", "60"), ("POLL_FOR_SECONDS", "30")]).unwrap_err().to_string();
        assert!(error.contains("POLL_FOR_SECONDS is \"30\", allowed: 0, or at least POLL_MIN_SECONDS, 60"), "{error}");
        for poll_for in ["0", "60", ""] {
            assert!(read(&[("POLL_MIN_SECONDS", "60"), ("POLL_FOR_SECONDS", poll_for)]).is_ok(), "{poll_for:?}");
        }
        assert!(read(&[("POLL_MIN_SECONDS", "300")]).is_ok(), "proof does not depend on the pace");
    }

    #[test]
    fn a_cluster_of_another_account_or_region_is_refused() {
        let clusters =
            "prod,arn:aws:ecs:eu-west-1:123456789012:cluster/a, arn:aws:ecs:us-west-2:123456789012:cluster/b";
        let error = read(&[("ECS_CLUSTERS", clusters), ("AWS_REGION", "us-west-2")]).unwrap_err().to_string();
        assert_eq!(
            error,
            "bad configuration: ECS_CLUSTERS is \"arn:aws:ecs:eu-west-1:123456789012:cluster/a\", allowed: clusters of this \
             region, us-west-2"
        );
        let home = |account: &str| Home { account: account.into(), region: "us-west-2".into() };
        let config = read(&[("ECS_CLUSTERS", "prod, arn:aws:ecs:us-west-2:123456789012:cluster/b")]).unwrap();
        assert_eq!(config.at(&home("123456789012")), Ok(()));
        let error = config.at(&home("999999999999")).unwrap_err().to_string();
        assert!(error.contains("\"arn:aws:ecs:us-west-2:123456789012:cluster/b\""), "{error}");
        assert!(error.ends_with("allowed: clusters of this account and region, 999999999999 in us-west-2"), "{error}");
    }

    #[test]
    fn a_cluster_of_aws_batch_is_watched_only_when_it_is_named() {
        let batch = ClusterName::parse("nightly_Batch_6d67ab71-4455-3613-b981-4c30a030fb90").unwrap();
        let prod = ClusterName::parse("prod").unwrap();
        let all = read(&[]).unwrap();
        assert_eq!((all.watches(&batch), all.watches(&prod)), (false, true));
        let named = read(&[("ECS_CLUSTERS", batch.as_str())]).unwrap();
        assert_eq!((named.watches(&batch), named.watches(&prod)), (true, false));
        assert!(why_unwatched(&batch).ends_with("name it in ECS_CLUSTERS to have it drained"));
        assert_eq!(why_unwatched(&prod), "prod, which is not watched");
    }

    #[test]
    fn the_default_of_a_setting_may_be_set() {
        let defaults = |name: &str| SETTINGS.iter().find(|s| s.name == name).map(|s| s.default.to_owned());
        assert_eq!(Config::read(defaults), read(&[]));
        assert!(read(&[]).is_ok());
    }
}

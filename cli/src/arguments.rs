//! What the command takes.

use std::ops::Deref;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::SignedDuration;
use shared::config::{A_URL, is_url};
use shared::drain::rules::deadlines::HEARTBEAT_TIMEOUT_SHORTEST;
use shared::ids::{ClusterName, GroupName, Home, HookName, InstanceId, is_region};

/// See what drains and why it is not done, drain hosts by hand, and put the drainer's hook on Auto Scaling groups.
#[derive(Debug, Parser)]
#[command(name = "ecs-drainer", version, after_help = EXIT_STATUS, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(flatten)]
    pub(crate) output: Output,
}

const EXIT_STATUS: &str = "Exit status: 0 done; 1 not done (tasks are left, a check found a problem, the command \
refused the request); 2 the command line is wrong; 3 AWS did not answer, or refused; 130 interrupted.";

/// Which account and region, and how to get there.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// The region; otherwise AWS_REGION, or the profile's
    #[arg(long, global = true, value_name = "REGION", value_parser = region, help_heading = "AWS")]
    pub(crate) region: Option<String>,
    /// A profile of ~/.aws/config; otherwise AWS_PROFILE
    #[arg(long, global = true, value_name = "NAME", help_heading = "AWS")]
    pub(crate) profile: Option<String>,
    /// The endpoint for all services of AWS, such as an emulator's address
    #[arg(long, global = true, value_name = "URL", value_parser = url, help_heading = "AWS")]
    pub(crate) endpoint_url: Option<String>,
    /// The drainer's stack: its settings give each deadline
    #[arg(long, global = true, value_name = "NAME", default_value = "ecs-drainer", help_heading = "AWS")]
    pub(crate) stack: String,
}

/// How it is told.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Write JSON to standard output, and nothing else
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
    /// Colours: where the output is a terminal and NO_COLOR is not set, always, or never
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", help_heading = "Output")]
    pub(crate) color: Color,
    /// Log every failed request to standard error; twice, log everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Every instance that drains, or waits to be drained: since when, why, which tasks are left, and what comes next
    Status {
        /// Only this cluster, by name or ARN
        #[arg(long, value_name = "CLUSTER", value_parser = cluster)]
        cluster: Option<Cluster>,
    },
    /// The same, live, until no host drains any more; Ctrl-C leaves the drains alone
    Watch {
        /// Only this cluster, by name or ARN
        #[arg(long, value_name = "CLUSTER", value_parser = cluster)]
        cluster: Option<Cluster>,
        /// How often the command asks AWS
        #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = watch_pause)]
        every: Duration,
    },
    /// Drain hosts by hand, for maintenance: shows the tasks in the way, asks, and waits until the hosts are empty
    Drain(Drain),
    /// Let hosts take tasks again: sets them ACTIVE, and deletes the drainer's attributes on them
    Undrain {
        /// EC2 instance ids
        #[arg(required = true, value_name = "INSTANCE", value_parser = instance)]
        instances: Vec<InstanceId>,
        /// Search this cluster only, by name or ARN
        #[arg(long, value_name = "CLUSTER", value_parser = cluster)]
        cluster: Option<Cluster>,
    },
    /// Put the drainer's lifecycle hook on Auto Scaling groups
    Enroll(Enroll),
    /// Take the drainer's lifecycle hook off Auto Scaling groups
    Unenroll(Unenroll),
    /// Check hooks, rules, clusters and permissions, and say how to fix each problem
    Check {
        /// Only the groups with hosts in this cluster, by name or ARN
        #[arg(long, value_name = "CLUSTER", value_parser = cluster)]
        cluster: Option<Cluster>,
    },
    /// Completions for a shell, on standard output
    Completions {
        /// Which
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// A cluster, as it was named.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    name: ClusterName,
    /// Its ARN, where that was given, and the account and region in it.
    pub(crate) arn: Option<(String, Home)>,
}

impl Deref for Cluster {
    type Target = ClusterName;

    fn deref(&self) -> &ClusterName {
        &self.name
    }
}

impl Command {
    /// The cluster that it is told.
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::Status { cluster }
            | Self::Watch { cluster, .. }
            | Self::Undrain { cluster, .. }
            | Self::Check { cluster }
            | Self::Drain(Drain { cluster, .. })
            | Self::Enroll(Enroll { cluster, .. }) => cluster.as_ref(),
            Self::Unenroll(_) | Self::Completions { .. } => None,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Drain {
    /// EC2 instance ids
    #[arg(required = true, value_name = "INSTANCE", value_parser = instance)]
    pub(crate) instances: Vec<InstanceId>,
    /// Search this cluster only, by name or ARN
    #[arg(long, value_name = "CLUSTER", value_parser = cluster)]
    pub(crate) cluster: Option<Cluster>,
    /// After this time, such as 30m, stop the tasks that are left, gracefully; without it, stop none
    #[arg(long, value_name = "DURATION", value_parser = some_time)]
    pub(crate) deadline: Option<Duration>,
    /// Stop at once the tasks that no service owns; draining does not touch them
    #[arg(long)]
    pub(crate) stop_standalone: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Show the tasks in the way, and end
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Enroll {
    /// Auto Scaling groups
    #[arg(required = true, value_name = "GROUP", value_parser = group)]
    pub(crate) groups: Vec<GroupName>,
    /// The cluster their hosts are in, by name or ARN: saves the drainer the search
    #[arg(long, value_name = "CLUSTER", value_parser = cluster)]
    pub(crate) cluster: Option<Cluster>,
    /// How long an instance waits if the drainer does not work; from 3m to 2h
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = heartbeat)]
    pub(crate) heartbeat: Duration,
    /// How long a drain of these groups may take; otherwise the installation's setting
    #[arg(long, value_name = "DURATION", value_parser = drain_timeout)]
    pub(crate) drain_timeout: Option<Duration>,
    /// The hook's name; otherwise the installation's
    #[arg(long, value_name = "NAME", value_parser = hook)]
    pub(crate) hook: Option<HookName>,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Unenroll {
    /// Auto Scaling groups
    #[arg(required = true, value_name = "GROUP", value_parser = group)]
    pub(crate) groups: Vec<GroupName>,
    /// The hook's name; otherwise the installation's
    #[arg(long, value_name = "NAME", value_parser = hook)]
    pub(crate) hook: Option<HookName>,
    /// Even where instances wait on the hook: they terminate at once, with the tasks on them
    #[arg(long)]
    pub(crate) release_waiting: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// AWS holds an instance no longer than this without a heartbeat (Auto Scaling API reference, PutLifecycleHook).
const HEARTBEAT_LONGEST: Duration = Duration::from_secs(7200);
/// AWS ends a lifecycle action after 48 h at the latest (Auto Scaling user guide, lifecycle hooks).
const DRAIN_TIMEOUT_LONGEST: Duration = Duration::from_secs(48 * 3600);
/// More often than this the account's quota of requests suffers.
const WATCH_PAUSE_SHORTEST: Duration = Duration::from_secs(1);
/// A watch that looks less often than this is of no use.
const WATCH_PAUSE_LONGEST: Duration = Duration::from_secs(3600);
/// No time at all is no deadline.
const DEADLINE_SHORTEST: Duration = Duration::from_secs(1);

fn instance(text: &str) -> Result<InstanceId, String> {
    InstanceId::parse(text).ok_or_else(|| "an EC2 instance id is i- and 8 or 17 digits from 0-9 and a-f".to_owned())
}

pub(crate) fn cluster(text: &str) -> Result<Cluster, String> {
    let name = ClusterName::parse(text)
        .ok_or_else(|| "a cluster is named by up to 255 letters, digits, - and _, or its ARN".to_owned())?;
    Ok(Cluster { name, arn: Home::of_arn(text).map(|home| (text.to_owned(), home)) })
}

fn group(text: &str) -> Result<GroupName, String> {
    GroupName::parse(text).ok_or_else(|| "a group's name has up to 255 printable characters".to_owned())
}

fn hook(text: &str) -> Result<HookName, String> {
    HookName::parse(text).ok_or_else(|| "a hook's name has up to 255 letters, digits, -, _ and /".to_owned())
}

fn region(text: &str) -> Result<String, String> {
    is_region(text).then(|| text.to_owned()).ok_or_else(|| "a region is written as eu-central-1".to_owned())
}

fn url(text: &str) -> Result<String, String> {
    is_url(text).then(|| text.to_owned()).ok_or_else(|| format!("an address is {A_URL}"))
}

fn some_time(text: &str) -> Result<Duration, String> {
    duration(text, DEADLINE_SHORTEST, Duration::MAX)
}

fn watch_pause(text: &str) -> Result<Duration, String> {
    duration(text, WATCH_PAUSE_SHORTEST, WATCH_PAUSE_LONGEST)
}

fn heartbeat(text: &str) -> Result<Duration, String> {
    duration(text, HEARTBEAT_TIMEOUT_SHORTEST, HEARTBEAT_LONGEST)
        .map_err(|error| format!("{error}: a shorter one can end in the pause between two invocations of the drainer"))
}

fn drain_timeout(text: &str) -> Result<Duration, String> {
    duration(text, Duration::ZERO, DRAIN_TIMEOUT_LONGEST)
}

fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    let parsed = parsed.ok_or("a duration is written as 90s, 30m, or 1h 30m")?;
    let written = |duration: Duration| crate::text::duration(duration);
    if (least..=most).contains(&parsed) {
        Ok(parsed)
    } else if most == Duration::MAX {
        Err(format!("at least {}", written(least)))
    } else {
        Err(format!("from {} to {}", written(least), written(most)))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command, String> {
        let arguments = ["ecs-drainer"].iter().chain(arguments);
        Arguments::try_parse_from(arguments).map(|it| it.command).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_one_that_clap_takes() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_allowed() {
        let error = |arguments: &[&str]| parsed(arguments).unwrap_err();
        assert!(error(&["drain", "i-12"]).contains("i- and 8 or 17 digits"));
        assert!(error(&["drain"]).contains("<INSTANCE>"));
        assert!(error(&["drain", "i-1234abcd", "--deadline", "30"]).contains("90s, 30m, or 1h 30m"));
        assert!(error(&["drain", "i-1234abcd", "--deadline", "0s"]).contains("at least 1s"));
        assert!(error(&["enroll", "web", "--heartbeat", "2m"]).contains("from 3m to 2h: a shorter one can end"));
        assert!(error(&["enroll", "web", "--drain-timeout", "49h"]).contains("from 0s to 48h"));
        assert!(error(&["status", "--cluster", "a b"]).contains("a cluster is named by"));
        assert!(error(&["watch", "--every", "100ms"]).contains("from 1s to 1h"));
        assert!(error(&["status", "--region", ""]).contains("eu-central-1"));
        assert!(error(&["status", "--endpoint-url", "localhost:8126"]).contains("https://example.com"));
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("1h 30m", 5400), ("1h30m", 5400), ("15 minutes", 900)] {
            assert_eq!(some_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }
}

//! `simulator`: a world to try things in, with no AWS account.

mod demo;
mod serve;
mod tell;

use std::{ffi::OsString, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use simulator::scenario::{self, Departure, Leaving, Parameters};

/// ECS and Auto Scaling on loopback, as far as draining depends on them.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch a real function drain a simulated host: `cargo demo`.
    Demo(demo::Options),
    /// Serve the demo's world until it is interrupted, and tell what happens in it.
    Serve {
        /// The port on 127.0.0.1; 0 takes any free one.
        #[arg(long, default_value_t = 8126)]
        port: u16,
        /// A host that leaves; may be given several times.
        #[arg(long, value_name = "INSTANCE", default_value = scenario::LEAVING)]
        leaving: Vec<String>,
        /// EC2 interrupts the leaving hosts, instead of Auto Scaling terminating them.
        #[arg(long)]
        spot: bool,
        /// They begin to leave after so many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        leave_after: u32,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Arguments::parse_from(without_separator(std::env::args_os())).command {
        Command::Demo(options) => demo::demo(&options).await,
        Command::Serve { port, leaving, spot, leave_after } => {
            let departure = if spot { Departure::SpotInterruption } else { Departure::ScaleIn };
            let leaving = leaving.into_iter().map(|instance_id| Leaving { instance_id, ..Leaving::default() });
            let parameters = Parameters { leaving: leaving.collect(), departure, ..Parameters::default() };
            match serve::serve(port, &parameters, Duration::from_secs(leave_after.into())).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("simulator: {error}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}

/// Drops the `--` of `cargo demo -- --logs`: the alias ends with `-- demo`, so cargo hands the second one on.
fn without_separator(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    if let Some([command, separator]) = arguments.get(1..3)
        && command == "demo"
        && separator == "--"
    {
        arguments.remove(2);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command, clap::Error> {
        let arguments = ["simulator"].iter().chain(arguments).map(OsString::from);
        Arguments::try_parse_from(without_separator(arguments)).map(|arguments| arguments.command)
    }

    #[test]
    fn the_demo_takes_its_flags_with_and_without_the_separator_of_cargo() {
        for arguments in [&["demo", "--", "--logs", "event.json"][..], &["demo", "event.json", "--logs"]] {
            let Ok(Command::Demo(options)) = parsed(arguments) else { panic!("{arguments:?}") };
            assert_eq!(
                format!("{options:?}"),
                r#"Options { file: Some("event.json"), spot: false, without_drainer: false, logs: true }"#
            );
        }
        assert!(parsed(&["demo", "--", "--logs", "--without-drainer"]).is_err());
        assert!(parsed(&["demo", "one.json", "two.json"]).is_err());
        assert!(parsed(&["demo", "--spot", "event.json"]).is_err());
        assert!(parsed(&["demo", "--spot", "--without-drainer"]).is_ok());
    }
}

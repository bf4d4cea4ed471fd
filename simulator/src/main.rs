//! `simulator`: a world to try things in, with no AWS account.

mod demo;
mod serve;
mod tell;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

/// ECS, Auto Scaling and a deployed stack on loopback, as far as draining depends on them.
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
    Serve(serve::Options),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Arguments::parse_from(without_separator(std::env::args_os())).command {
        Command::Demo(options) => demo::demo(&options).await,
        Command::Serve(options) => match serve::serve(&options).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("simulator: {error}");
                ExitCode::FAILURE
            }
        },
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

    #[test]
    fn serve_takes_its_flags() {
        let Ok(Command::Serve(options)) = parsed(&["serve"]) else { panic!("no flag is needed") };
        assert_eq!(
            format!("{options:?}"),
            r#"Options { port: 8126, leaving: ["i-1234567890abcdef0"], spot: false, leave_after: 0, heartbeat_timeout: 300, managed_draining: false, template: None, stack: "ecs-drainer" }"#
        );
        let flags = ["--port=0", "--leaving=i-1", "--leaving=i-2", "--spot", "--leave-after=5"];
        let more = ["--heartbeat-timeout=900", "--managed-draining", "--template=t.yaml", "--stack=mine"];
        let all: Vec<&str> = ["serve"].into_iter().chain(flags).chain(more).collect();
        let Ok(Command::Serve(options)) = parsed(&all) else { panic!("{all:?}") };
        assert_eq!(
            format!("{options:?}"),
            r#"Options { port: 0, leaving: ["i-1", "i-2"], spot: true, leave_after: 5, heartbeat_timeout: 900, managed_draining: true, template: Some("t.yaml"), stack: "mine" }"#
        );
        for timeout in ["0", "7201", "soon"] {
            assert!(parsed(&["serve", "--heartbeat-timeout", timeout]).is_err(), "{timeout}");
        }
    }
}

//! `ecs-drainer`: the drainer's engine and eyes, for people.

mod account;
mod arguments;
mod check;
mod drain;
mod end;
mod failure;
mod hooks;
mod interrupt;
mod inventory;
mod plan;
mod screen;
mod settings;
mod status;
mod text;
mod undrain;
mod view;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use console::style;
use tracing::level_filters::LevelFilter;

use shared::config::Environment;

use crate::account::Account;
use crate::arguments::{Arguments, Command};
use crate::end::End;
use crate::failure::Failure;
use crate::interrupt::or_interrupted;

/// As shells have it for a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    screen::use_color(arguments.output.color);
    log(arguments.output.verbose);
    match run(&arguments).await {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::NotDone) => ExitCode::FAILURE,
        Ok(End::Interrupted) => ExitCode::from(INTERRUPTED),
        // The reader has closed the pipe: it has read enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe && only_tells(&arguments.command) => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            screen::tell(&format!("{} {failure}", style("error:").for_stderr().red().bold()));
            failure.help().iter().for_each(|help| screen::tell(&format!("  {help}")));
            ExitCode::from(failure.status())
        }
    }
}

/// Whether nothing is lost with what is not written.
fn only_tells(command: &Command) -> bool {
    matches!(command, Command::Status { .. } | Command::Watch { .. } | Command::Completions { .. })
}

async fn run(Arguments { command, access, output }: &Arguments) -> Result<End, Failure> {
    if let Command::Completions { shell } = command {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Arguments::command(), "ecs-drainer", &mut script);
        io::stdout().write_all(&script)?;
        return Ok(End::Done);
    }
    let environment = Environment::of_process();
    environment.checked()?;
    environment.corrected()?;
    let connected = or_interrupted(Account::connect(access), "Nothing was changed.").await?;
    let Some(account) = &connected else { return Ok(End::Interrupted) };
    if let Some(cluster) = command.cluster() {
        account.is_home_of(cluster)?;
    }
    let json = output.json;
    let ended = match command {
        // It changes things, and says itself how far it came.
        Command::Drain(wanted) => Some(drain::drain(account, wanted, json).await?),
        Command::Status { cluster } => {
            or_interrupted(
                status::status(account, &access.stack, cluster.as_deref().cloned(), json),
                "Nothing was changed.",
            )
            .await?
        }
        Command::Watch { cluster, every } => {
            let watch = status::watch(account, &access.stack, cluster.as_deref().cloned(), *every, json);
            or_interrupted(watch, "The watch has ended; the drains go on without it.").await?
        }
        Command::Undrain { instances, cluster } => {
            let undrain = undrain::undrain(account, instances, cluster.as_deref(), json);
            or_interrupted(undrain, "Interrupted; ecs-drainer status tells which hosts still drain.").await?
        }
        // These, too.
        Command::Enroll(wanted) => Some(hooks::enroll(account, &access.stack, wanted, json).await?),
        Command::Unenroll(wanted) => Some(hooks::unenroll(account, &access.stack, wanted, json).await?),
        Command::Completions { .. } => None,
        Command::Check { cluster } => {
            let check = check::check(account, &access.stack, cluster.as_deref(), json);
            or_interrupted(check, "Nothing was changed.").await?
        }
    };
    Ok(ended.unwrap_or(End::Interrupted))
}

/// The engine's own log, with `--verbose`.
fn log(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::WARN,
        _ => LevelFilter::INFO,
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_writer(io::stderr);
    drop(tracing::subscriber::set_global_default(builder.with_ansi(false).finish()));
}

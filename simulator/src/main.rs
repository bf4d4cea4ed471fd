//! `simulator`: a world to try things in, with no AWS account.

mod serve;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

/// ECS and Auto Scaling on loopback, as far as draining depends on them.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the demo's world until it is interrupted, and tell what happens in it.
    Serve {
        /// The port on 127.0.0.1; 0 takes any free one.
        #[arg(long, default_value_t = 8126)]
        port: u16,
        /// Auto Scaling begins to terminate the leaving host after so many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        scale_in_after: u32,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Command::Serve { port, scale_in_after } = Arguments::parse().command;
    match serve::serve(port, Duration::from_secs(scale_in_after.into())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

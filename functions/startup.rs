//! What each function does once, before its first event.

use std::cell::Cell;
use std::fmt::Debug;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;
use shared::aws::sdk::SdkCalls;
use shared::config::Config;
use shared::drain::remembered::Remembered;
use shared::drain::report::Drain;
use shared::metrics::{self, Observed};
use shared::telemetry;
use tokio::time::timeout;
use tracing::Instrument;

/// Where Lambda puts a role's credentials (Lambda developer guide, defined runtime environment variables).
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";

/// What the first call would do anyway holds up no start for longer.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// What an execution environment keeps from one invocation to the next.
pub(crate) struct Warm {
    pub(crate) calls: SdkCalls,
    pub(crate) config: Config,
    pub(crate) remembered: Remembered,
    /// The lowest level of log lines that Lambda keeps.
    log_level: String,
    /// Whether nothing was drained here yet.
    is_cold: Cell<bool>,
}

impl Warm {
    /// Publishes the metrics of an invocation in which these drains went so far.
    pub(crate) fn published(&self, drains: Vec<Drain>, now: Timestamp) -> Vec<Drain> {
        let (stack, level, sent) = (&self.config.stack, &self.log_level, &self.calls.tally().take());
        let observed = Observed { stack, level, drains: &drains, sent, cold_start: self.is_cold.replace(false) };
        for line in metrics::lines(&observed, now) {
            if let Err(error) = writeln!(io::stdout(), "{line}") {
                tracing::warn!(%error, "metrics could not be written");
            }
        }
        drains
    }
}

/// Serves invocations with `handle` until Lambda ends the process, after `connect` has opened the connections that its
/// first call needs: a start runs at full speed, an event at a small part of it. Settings that are not allowed end it at
/// once.
pub(crate) async fn serve<R, E>(
    connect: impl AsyncFnOnce(&SdkCalls),
    handle: impl AsyncFn(LambdaEvent<Value>, &Warm) -> Result<R, E>,
) -> ExitCode
where
    R: Serialize,
    E: Into<Diagnostic> + Debug,
{
    let environment = |name: &str| std::env::var(name).ok();
    telemetry::init(environment);
    let config = match Config::read(environment) {
        Ok(config) => config,
        Err(error) => return failed(&error),
    };
    let mut sdk = aws_config::defaults(BehaviorVersion::v2026_01_12());
    // The chain would find them there, too, but only after all of it was built.
    if environment(ACCESS_KEY_ID).is_some() {
        sdk = sdk.credentials_provider(EnvironmentVariableCredentialsProvider::new());
    }
    let sdk = sdk.load().await;
    let log_level = telemetry::lowest_level(environment);
    let warm = Warm {
        calls: SdkCalls::new(&sdk),
        config,
        remembered: Remembered::default(),
        log_level,
        is_cold: Cell::new(true),
    };

    if timeout(CONNECT_WITHIN, connect(&warm.calls)).await.is_err() {
        tracing::warn!(
            within_seconds = CONNECT_WITHIN.as_secs(),
            "AWS could not be connected to in time; the first call tries again"
        );
    }
    // What was sent so far is no call.
    drop(warm.calls.tally().take());
    let serve = |event: LambdaEvent<Value>| {
        // The runtime's own span is gone where less than INFO is logged.
        let span = tracing::error_span!("invocation", requestId = event.context.request_id);
        handle(event, &warm).instrument(span)
    };
    match lambda_runtime::run(service_fn(serve)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::FAILURE
}

//! A function: what it does once, before its first event, and what each invocation of it does.

use std::cell::Cell;
use std::fmt::Debug;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use jiff::Timestamp;
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::tower::util::MapRequestLayer;
use lambda_runtime::{Diagnostic, LambdaEvent, LambdaInvocation, Runtime, service_fn};
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;
use tracing::Instrument;

use crate::aws::sdk::SdkCalls;
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::drain::facts::known::Known;
use crate::drain::remembered::Remembered;
use crate::drain::reports::report::Drain;
use crate::drain::requests::scan::ScanError;
use crate::drain::{self, Budget, Context};
use crate::ids::Home;
use crate::invocation::verdict::Judge;
use crate::invocation::{self, Intake};
use crate::metrics::{self, Observed};
use crate::notice::NoticeError;
use crate::telemetry;

/// Where Lambda puts a role's credentials (Lambda developer guide, defined runtime environment variables).
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";

/// What the first call would do anyway holds up no start for longer.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// What an execution environment keeps from one invocation to the next.
#[derive(Debug)]
pub struct Warm {
    /// Every setting.
    pub config: Config,
    calls: SdkCalls,
    remembered: Remembered,
    /// The lowest level of log lines that Lambda keeps.
    log_level: String,
    /// Whether nothing was drained here yet.
    is_cold: Cell<bool>,
}

impl Warm {
    /// Reads what came, and asks `judge` what it means.
    ///
    /// # Errors
    /// For an event that cannot be read, is not known or is another function's.
    pub fn intake(&self, event: &LambdaEvent<String>, judge: Judge) -> Result<Intake, NoticeError> {
        let home = Home::from_function_arn(&event.context.invoked_function_arn);
        invocation::intake(&event.payload, home.as_ref(), &self.config, judge)
    }

    /// Drains as far as `budget` allows, and publishes the metrics.
    pub async fn drain(&self, departures: Vec<Known>, clock: Clock, budget: Budget) -> Vec<Drain> {
        let drains = drain::run(&self.context(clock, budget), departures, &mut fastrand::Rng::new()).await;
        self.publish(&drains, clock.now());
        drains
    }

    /// Drains what waits by Auto Scaling's word, and publishes the metrics.
    ///
    /// # Errors
    /// When it cannot be known what waits.
    pub async fn reconcile(&self, clock: Clock, budget: Budget) -> Result<Vec<Drain>, ScanError> {
        let drains = drain::reconcile(&self.context(clock, budget), &mut fastrand::Rng::new()).await;
        // What was sent is told all the same.
        self.publish(drains.as_deref().unwrap_or_default(), clock.now());
        drains
    }

    fn context(&self, clock: Clock, budget: Budget) -> Context<'_, SdkCalls> {
        let Self { calls, config, remembered, .. } = self;
        Context { calls, config, remembered, clock, budget }
    }

    fn publish(&self, drains: &[Drain], now: Timestamp) {
        let (stack, level, sent) = (&self.config.stack, &self.log_level, &self.calls.tally().take());
        let observed = Observed { stack, level, drains, sent, cold_start: self.is_cold.replace(false) };
        for line in metrics::lines(&observed, now) {
            if let Err(error) = writeln!(io::stdout(), "{line}") {
                tracing::warn!(%error, "metrics could not be written");
            }
        }
    }
}

/// Serves invocations with `handle` until Lambda ends the process, after `connect` has opened the connections that its
/// first call needs: a start runs at full speed, an event at a small part of it. Variables that are not allowed end it at
/// once.
pub async fn serve<R, E>(
    connect: impl AsyncFnOnce(&SdkCalls),
    handle: impl AsyncFn(LambdaEvent<String>, &Warm) -> Result<R, E>,
) -> ExitCode
where
    R: Serialize,
    E: Into<Diagnostic> + Debug,
{
    let environment = Environment::of_process();
    let variable = |name: &str| environment.get(name);
    telemetry::init(variable);
    let config = match Config::of_function(&environment).and_then(|config| environment.corrected().map(|()| config)) {
        Ok(config) => config,
        Err(error) => return failed(&error),
    };
    let mut sdk = aws_config::defaults(BehaviorVersion::v2026_01_12());
    // The chain would find them there, too, but only after all of it was built.
    if variable(ACCESS_KEY_ID).is_some() {
        sdk = sdk.credentials_provider(EnvironmentVariableCredentialsProvider::new());
    }
    let sdk = sdk.load().await;
    let log_level = telemetry::lowest_level(variable);
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
    let serve = |event: LambdaEvent<String>| {
        // The runtime's own span is gone where less than INFO is logged.
        let span = tracing::error_span!("invocation", requestId = event.context.request_id);
        let served = async {
            // The account is not known before.
            if let Some(home) = Home::from_function_arn(&event.context.invoked_function_arn) {
                warm.config.at(&home)?;
            }
            handle(event, &warm).await.map_err(Into::into)
        };
        served.instrument(span)
    };
    let runtime = Runtime::new(service_fn(serve)).layer(TracingLayer::new()).layer(MapRequestLayer::new(as_text));
    match runtime.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

/// Makes the payload a JSON string of itself: the runtime would end an invocation that it cannot read with an error of
/// another type, and the process with one that is not UTF-8.
fn as_text(mut invocation: LambdaInvocation) -> LambdaInvocation {
    let text = Value::from(String::from_utf8_lossy(&invocation.body));
    invocation.body = text.to_string().into();
    invocation
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::FAILURE
}

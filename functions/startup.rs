//! What each function does once, before its first event.

use std::fmt::Debug;
use std::process::ExitCode;

use aws_config::BehaviorVersion;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;
use shared::aws::sdk::SdkCalls;
use shared::config::Config;
use shared::drain::remembered::Remembered;
use shared::telemetry;

/// What an execution environment keeps from one invocation to the next.
pub(crate) struct Warm {
    pub(crate) calls: SdkCalls,
    pub(crate) config: Config,
    pub(crate) remembered: Remembered,
}

/// Serves invocations with `handle` until Lambda ends the process. Settings that are not allowed end it at once.
pub(crate) async fn serve<R, E>(handle: impl AsyncFn(LambdaEvent<Value>, &Warm) -> Result<R, E>) -> ExitCode
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
    let sdk = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let warm = Warm { calls: SdkCalls::new(&sdk), config, remembered: Remembered::default() };

    match lambda_runtime::run(service_fn(|event| handle(event, &warm))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::FAILURE
}

//! Drains the instances that Auto Scaling is about to terminate, and completes their lifecycle action when they are empty.

use std::process::ExitCode;

use aws_config::BehaviorVersion;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use shared::aws::sdk::SdkCalls;
use shared::clock::Clock;
use shared::config::Config;
use shared::drain::known::{Cause, Departure};
use shared::drain::locate::ClusterOfGroup;
use shared::drain::{self, Budget, Context};
use shared::ids::Home;
use shared::invocation::{Answer, Verdict, deadline, intake};
use shared::notice::{Notice, NoticeError};
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = |name: &str| std::env::var(name).ok();
    telemetry::init(environment);
    let config = match Config::read(environment) {
        Ok(config) => config,
        Err(error) => return failed(&error),
    };
    let sdk = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let calls = SdkCalls::new(&sdk);
    let remembered = ClusterOfGroup::default();

    let handler = service_fn(|event| handle(event, &calls, &config, &remembered));
    match lambda_runtime::run(handler).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::FAILURE
}

async fn handle(
    event: LambdaEvent<Value>,
    calls: &SdkCalls,
    config: &Config,
    remembered: &ClusterOfGroup,
) -> Result<Answer, NoticeError> {
    let clock = Clock::system();
    let home = Home::from_function_arn(&event.context.invoked_function_arn);
    let intake = intake(event.payload, home.as_ref(), |notice| judge(notice, config))?;

    let budget = Budget::within(deadline(&event.context, clock.now()), config.poll_for, clock.now());
    let context = Context { calls, config, remembered, clock };
    let mut rng = fastrand::Rng::new();
    Ok(intake.serve(async |departures| drain::run(&context, departures, budget, &mut rng).await).await)
}

fn judge(notice: Notice, config: &Config) -> Verdict {
    match notice {
        Notice::Terminating(it) if !config.hook_names.contains(&it.hook) => {
            Verdict::Ignore(Some(it.instance), format!("hook {} of group {} is not ours", it.hook, it.group))
        }
        Notice::Terminating(it) => {
            let cause = Cause::Termination { to_warm_pool: it.to_warm_pool };
            Verdict::Depart(Departure { instance: it.instance, cause })
        }
        Notice::Nothing { instance, why } => Verdict::Ignore(instance, why),
    }
}

//! Drains the instances that Auto Scaling is about to terminate, and completes their lifecycle action when they are empty.

mod startup;

use std::process::ExitCode;

use lambda_runtime::LambdaEvent;
use serde_json::Value;
use shared::aws::sdk::SdkCalls;
use shared::clock::Clock;
use shared::config::Config;
use shared::drain::departure::{Cause, Departure, Hints, NoticedBy};
use shared::drain::{self, Budget, Context};
use shared::ids::Home;
use shared::invocation::{Answer, Unfinished, Verdict, deadline, intake};
use shared::notice::{Notice, NoticeError};

use crate::startup::{Warm, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let connect = async |calls: &SdkCalls| {
        tokio::join!(calls.connect_to_ecs(), calls.connect_to_auto_scaling());
    };
    serve(connect, drain_the_named).await
}

async fn drain_the_named(event: LambdaEvent<Value>, warm: &Warm) -> Result<Answer, NoticeError> {
    let Warm { calls, config, remembered, .. } = warm;
    let clock = Clock::system();
    let home = Home::from_function_arn(&event.context.invoked_function_arn);
    let intake = intake(event.payload, home.as_ref(), |notice| judge(notice, config))?;

    let within = |poll_for| Budget::within(deadline(&event.context, clock.now()), poll_for, clock.now());
    let is_burst = intake.is_burst();
    let budget = if intake.is_batch() {
        within(config.poll_for.batch(is_burst)).unreported().of_a_burst(is_burst)
    } else {
        within(config.poll_for.bare)
    };
    let context = Context { calls, config, remembered, clock };
    let drain = async |departures| {
        let drains = drain::run(&context, departures, budget, &mut fastrand::Rng::new()).await;
        warm.published(drains, clock.now())
    };
    Ok(intake.serve(Unfinished::ReconcileGoesOn, clock.now(), drain).await)
}

fn judge(notice: Notice, config: &Config) -> Result<Verdict, NoticeError> {
    Ok(match notice {
        Notice::Terminating(it) if !config.hook_names.contains(&it.hook) => {
            Verdict::Ignore(Some(it.instance), format!("hook {} of group {} is not ours", it.hook, it.group))
        }
        Notice::Terminating(it) => {
            let cause = Cause::Termination { to: it.to };
            let departure = Departure { instance: it.instance, cause, noticed_by: NoticedBy::Event };
            let (group, hook, cluster, noticed_at) = (Some(it.group), Some(it.hook), it.cluster, it.noticed_at);
            Verdict::Depart(departure, Hints { group, hook, cluster, noticed_at, comes_again: false })
        }
        Notice::Nothing { instance, why } => Verdict::Ignore(instance, why),
        Notice::SpotInterruption(_) | Notice::RebalanceRecommendation(_) => return Err(notice.misdirected()),
    })
}

//! Drains the instances that Auto Scaling is about to terminate, and completes their lifecycle action when they are empty.

use std::process::ExitCode;

use lambda_runtime::LambdaEvent;
use shared::aws::sdk::SdkCalls;
use shared::clock::Clock;
use shared::drain::Budget;
use shared::function::{Warm, serve};
use shared::invocation::{Response, Unfinished, deadline, verdict};
use shared::notice::NoticeError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let connect = async |calls: &SdkCalls| {
        tokio::join!(calls.connect_to_ecs(), calls.connect_to_auto_scaling());
    };
    serve(connect, drain_the_named).await
}

async fn drain_the_named(event: LambdaEvent<String>, warm: &Warm) -> Result<Response, NoticeError> {
    let clock = Clock::system();
    let ends_at = deadline(&event.context, clock.now());
    let intake = warm.intake(&event, verdict::of_termination)?;

    let (poll_for, is_burst) = (warm.config.poll_for, intake.is_burst());
    let budget = if intake.is_batch() {
        Budget::within(ends_at, poll_for.batch(is_burst), clock.now()).of_a_batch().of_a_burst(is_burst)
    } else {
        Budget::within(ends_at, poll_for.bare, clock.now())
    };
    let drains = warm.drain(intake.departures(clock.now()), clock, budget).await;
    Ok(intake.answer(drains, Unfinished::ReconcileGoesOn))
}

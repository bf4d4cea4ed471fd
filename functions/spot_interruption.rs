//! Drains the Spot instances that EC2 is about to interrupt, in short slices, and stops in time what would not leave by
//! itself. Sets DRAINING, and no more, what may be interrupted or hibernates.

use std::process::ExitCode;
use std::time::Duration;

use lambda_runtime::LambdaEvent;
use shared::aws::sdk::SdkCalls;
use shared::clock::{Clock, after};
use shared::drain::Budget;
use shared::drain::facts::departure::SPOT_NOTICE;
use shared::function::{Warm, serve};
use shared::invocation::{Response, Unfinished, deadline, verdict};
use shared::notice::NoticeError;

/// What a batch leaves unfinished is received again when the queue's visibility timeout is over, which is as long as the
/// function's own; so much later, at most, the next slice looks at it: a receive, a cold start, a search.
const NEXT_SLICE_TAKES: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    serve(SdkCalls::connect_to_ecs, drain_the_interrupted).await
}

async fn drain_the_interrupted(event: LambdaEvent<String>, warm: &Warm) -> Result<Response, NoticeError> {
    let clock = Clock::system();
    let ends_at = deadline(&event.context, clock.now());
    let intake = warm.intake(&event, verdict::of_interruption)?;

    let slice = Budget::within(ends_at, SPOT_NOTICE, clock.now());
    let budget =
        if intake.is_batch() { slice.resumed_at(after(ends_at, NEXT_SLICE_TAKES)).of_a_batch() } else { slice };
    let drains = warm.drain(intake.departures(clock.now()), clock, budget).await;
    Ok(intake.answer(drains, Unfinished::ComesAgain))
}

//! Finds every instance that waits on our lifecycle hook in AWS's own state, whether or not an event came, and goes on
//! with its drain. Woken every minute, by any event.

use std::process::ExitCode;
use std::time::Duration;

use lambda_runtime::LambdaEvent;
use shared::aws::sdk::SdkCalls;
use shared::clock::Clock;
use shared::drain::Budget;
use shared::drain::reports::report::Report;
use shared::drain::requests::scan::ScanError;
use shared::function::{Warm, serve};
use shared::invocation::deadline;

/// Woken every minute, it ends 5 s before the next one is.
const POLL_FOR: Duration = Duration::from_secs(55);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Most minutes nothing waits, and ECS is not asked.
    serve(SdkCalls::connect_to_auto_scaling, drain_the_waiting).await
}

async fn drain_the_waiting(event: LambdaEvent<String>, warm: &Warm) -> Result<Report, ScanError> {
    let clock = Clock::system();
    let budget = Budget::within(deadline(&event.context, clock.now()), POLL_FOR, clock.now());
    Ok(Report::of(warm.reconcile(clock, budget).await?))
}

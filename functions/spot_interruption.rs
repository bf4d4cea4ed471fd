//! Drains the Spot instances that EC2 is about to interrupt, in short slices, and stops in time what would not leave by
//! itself. Sets DRAINING, and no more, what may be interrupted or hibernates.

mod startup;

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use shared::aws::sdk::SdkCalls;
use shared::clock::{Clock, after};
use shared::config::{Config, RebalanceRecommendations};
use shared::drain::departure::{Cause, Departure, Hints, NoticedBy, SPOT_NOTICE};
use shared::drain::{self, Budget, Context};
use shared::ids::{Home, InstanceId};
use shared::invocation::{Answer, Unfinished, Verdict, deadline, intake};
use shared::notice::{Notice, NoticeError, SpotInterruption};

use crate::startup::{Warm, serve};

/// What a batch leaves unfinished is received again when the queue's visibility timeout is over, which is as long as the
/// function's own; so much later, at most, somebody looks at it: a receive, a cold start, a search.
const NEXT_SLICE_TAKES: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    serve(SdkCalls::connect_to_ecs, drain_the_interrupted).await
}

async fn drain_the_interrupted(event: LambdaEvent<Value>, warm: &Warm) -> Result<Answer, NoticeError> {
    let Warm { calls, config, remembered, .. } = warm;
    let clock = Clock::system();
    let home = Home::from_function_arn(&event.context.invoked_function_arn);
    let intake = intake(event.payload, home.as_ref(), |notice| judge(notice, config))?;

    let ends_at = deadline(&event.context, clock.now());
    let slice = Budget::within(ends_at, SPOT_NOTICE, clock.now());
    let budget =
        if intake.is_batch() { slice.resumed_at(after(ends_at, NEXT_SLICE_TAKES)).unreported() } else { slice };
    let context = Context { calls, config, remembered, clock };
    let drain = async |departures| {
        let drains = drain::run(&context, departures, budget, &mut fastrand::Rng::new()).await;
        warm.published(drains, clock.now())
    };
    Ok(intake.serve(Unfinished::ComesAgain, clock.now(), drain).await)
}

fn judge(notice: Notice, config: &Config) -> Result<Verdict, NoticeError> {
    let depart = |instance: InstanceId, cause: Cause, noticed_at: Option<Timestamp>| {
        let departure = Departure { instance, cause, noticed_by: NoticedBy::Event };
        Ok(Verdict::Depart(departure, Hints { noticed_at, ..Hints::default() }))
    };
    match notice {
        Notice::SpotInterruption(SpotInterruption { instance, noticed_at, hibernates: true }) => {
            depart(instance, Cause::SpotHibernation { noticed_at }, Some(noticed_at))
        }
        Notice::SpotInterruption(SpotInterruption { instance, noticed_at, hibernates: false }) => {
            depart(instance, Cause::SpotInterruption { noticed_at }, Some(noticed_at))
        }
        Notice::RebalanceRecommendation(instance) => match config.rebalance {
            RebalanceRecommendations::Drain => depart(instance, Cause::RebalanceRecommendation, None),
            RebalanceRecommendations::Ignore => {
                let why = "REBALANCE_RECOMMENDATIONS says to ignore rebalance recommendations".to_owned();
                Ok(Verdict::Ignore(Some(instance), why))
            }
        },
        Notice::Nothing { instance, why } => Ok(Verdict::Ignore(instance, why)),
        Notice::Terminating(_) => Err(notice.misdirected()),
    }
}

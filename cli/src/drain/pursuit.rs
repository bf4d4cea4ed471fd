//! Going on with a drain by hand until it is over, and showing how far it has come.

use std::time::Duration;

use jiff::Timestamp;
use shared::aws::sdk::SdkCalls;
use shared::clock::after;
use shared::drain::reports::report::Drain as Report;
use shared::drain::{Context, Pursuit};

use super::since::Since;
use super::words::{Last, Teller, drawn};
use crate::account::Account;
use crate::failure::Failure;
use crate::inventory::stands;
use crate::screen::Screen;
use crate::status::ticks;

/// Requests that must be allowed for a drain to come to its end; without the others it only tells less.
const INDISPENSABLE: [&str; 6] = [
    "UpdateContainerInstancesState",
    "DescribeContainerInstances",
    "ListContainerInstances",
    "ListTasks",
    "DescribeTasks",
    "StopTask",
];
/// How often people are told which tasks are left, for every so many hosts: a few requests, out of an account's twenty a second.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const HOSTS_A_LOOK: usize = 10;

/// How a pursuit ended.
#[derive(Debug)]
pub(super) enum How {
    Ended(Vec<Report>),
    Interrupted,
    Failed(Failure),
}

/// Goes on until every host is settled, the operator interrupts it, or AWS denies a request that it cannot do without.
pub(super) async fn pursue(
    account: &Account,
    context: &Context<'_, SdkCalls>,
    mut pursuit: Pursuit<'_, SdkCalls>,
    screen: &mut Screen,
    rng: &mut fastrand::Rng,
    json: bool,
) -> (How, Last) {
    let mut last = Last::new();
    let how = shown(account, context, &mut pursuit, screen, rng, json, &mut last).await;
    let how = match how {
        Ok(Some(how)) => how,
        Ok(None) => tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => How::Interrupted,
            reports = pursuit.conclude() => How::Ended(reports),
        },
        Err(failure) => {
            screen.keep();
            How::Failed(failure)
        }
    };
    (how, last)
}

/// None when every host is settled.
async fn shown(
    account: &Account,
    context: &Context<'_, SdkCalls>,
    pursuit: &mut Pursuit<'_, SdkCalls>,
    screen: &mut Screen,
    rng: &mut fastrand::Rng,
    json: bool,
    last: &mut Last,
) -> Result<Option<How>, Failure> {
    let live = screen.is_live() && !json;
    let mut ticks = ticks(context.clock);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let (mut teller, mut look_at): (_, Option<Timestamp>) = (Teller::default(), None);
    let mut since = Since::default();
    loop {
        let standings: Vec<_> =
            pursuit.known().map(|(known, _)| stands(known, context, pursuit.explanations())).collect();
        let seen = standings.iter().filter(|it| it.status.is_some());
        last.extend(seen.map(|it| (it.instance_id.clone(), it.clone())));
        let something_is_known = standings.iter().any(|it| it.tasks_left.is_some() || !it.failures.is_empty());
        if !live && !json && something_is_known {
            screen.write(&teller.news(&standings, context.clock.now()))?;
        }
        if let Some(denied) = denied(pursuit) {
            return Err(denied);
        }
        // The picture shows the result of a round at once.
        ticks.reset_immediately();
        let mut round = std::pin::pin!(async {
            let round = pursuit.round(rng).await;
            since.write(account, pursuit.known().map(|(known, _)| known)).await;
            let now = context.clock.now();
            if !json && look_at.is_none_or(|at| at <= now) {
                pursuit.look().await;
                let looks = u32::try_from(standings.len().div_ceil(HOSTS_A_LOOK)).unwrap_or(u32::MAX);
                look_at = Some(after(now, LOOK_EVERY.saturating_mul(looks)));
            }
            round
        });
        let over = loop {
            tokio::select! {
                biased;
                _ = &mut interrupted => return Ok(Some(How::Interrupted)),
                round = &mut round => break round.is_over(),
                _ = ticks.tick() => {
                    if live && something_is_known {
                        screen.draw(&drawn(&standings, context.clock.now(), screen.width()))?;
                    }
                }
            }
        };
        if over {
            return Ok(None);
        }
    }
}

/// A denial of a request that an open drain needs.
fn denied(pursuit: &Pursuit<'_, SdkCalls>) -> Option<Failure> {
    let open = pursuit.known().filter(|(_, settled)| settled.is_none());
    let errors = open.flat_map(|(known, _)| known.patience.errors());
    errors.filter(|error| INDISPENSABLE.contains(&error.operation())).find_map(Failure::of_denial)
}

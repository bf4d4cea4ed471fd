//! Finding every departure in AWS's own state: what `reconcile` works from, whether or not an event ever came.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::Diagnostic;
use thiserror::Error;

use super::decide::waits_on_a_termination_hook;
use super::departure::{Cause, Departure, NoticedBy};
use super::facts::log_drain;
use super::known::{Hold, Known};
use super::tries::backoff;
use super::{Budget, Context, chain, log_failure, observe};
use crate::aws::batch::{PAGES_MAX, few_at_once};
use crate::aws::{AutoScalingInstance, CallError, Calls, ErrorClass, LifecycleHook};
use crate::clock::after;
use crate::ids::GroupName;

/// One group whose hooks cannot be read holds up all the others for so long at most.
const HOOKS_PATIENCE: Duration = Duration::from_secs(10);
/// A scan cannot see into warm pools: their instances are listed elsewhere (Auto Scaling user guide, warm pools).
const TERMINATION: Cause = Cause::Termination { to_warm_pool: false };

/// The scan failed, so that nobody knows who waits. The next one comes within a minute.
#[derive(Debug, Error)]
#[error("the Auto Scaling groups could not be read")]
pub struct ScanError(#[from] pub CallError);

impl From<ScanError> for Diagnostic {
    fn from(error: ScanError) -> Self {
        Self { error_type: "ScanFailed".to_owned(), error_message: chain(&error) }
    }
}

/// Every instance that waits on a termination hook, in a group that has one of ours.
///
/// One request per page of groups, and one for each group in which an instance waits. Of a page only the waiting
/// instances are kept: an account may hold tens of thousands that are not. What fails is tried again until the `budget`
/// ends: the next scan is a minute away, and a hook may not be.
///
/// # Errors
/// When a page of groups cannot be read. A group whose hooks alone cannot be read is left out, and logged: the next scan
/// finds it.
pub async fn departures<C: Calls>(
    context: &Context<'_, C>,
    budget: Budget,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Known>, ScanError> {
    let mut departures = Vec::new();
    for group in waiting(context, budget, rng).await? {
        let ours = group.into_iter().flatten().filter(|known| known.ours().is_some());
        departures.extend(ours.inspect(|known| log_drain!(info, known, known.met_at, "found waiting")));
    }
    Ok(departures)
}

/// Every instance that waits on a termination hook, whoever holds it, by group; of a group whose hooks cannot be read, why
/// not. What fails is tried again until the `budget` ends.
///
/// # Errors
/// When a page of groups cannot be read.
pub async fn waiting<C: Calls>(
    context: &Context<'_, C>,
    budget: Budget,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Result<Vec<Known>, CallError>>, ScanError> {
    let waiting = waiting_by_group(context, budget, rng).await?;
    let until = budget.hand_over_at.min(after(context.clock.now(), HOOKS_PATIENCE));
    let seeds: Vec<_> = waiting.keys().map(|_| rng.u64(..)).collect();
    let reads = waiting.keys().zip(seeds).map(|(group, seed)| async move {
        let read = async || context.calls.describe_lifecycle_hooks(group).await;
        patiently(context, until, &mut fastrand::Rng::with_seed(seed), "reading the hooks of a group", read).await
    });
    let hooks = few_at_once(reads).await;
    let now = context.clock.now();
    let known = |instance: &AutoScalingInstance, hooks: &[LifecycleHook]| {
        let departure = Departure::of_termination(instance.instance.clone(), NoticedBy::Scan);
        let by = observe::held_by(instance, hooks, context.config);
        Known { hold: Some(Hold { read_at: now, by }), ..Known::new(departure, now) }
    };
    let of_group = |(instances, hooks): (Vec<_>, Result<Vec<_>, _>)| {
        hooks.map(|hooks| instances.iter().map(|instance| known(instance, &hooks)).collect())
    };
    Ok(waiting.into_values().zip(hooks).map(of_group).collect())
}

async fn waiting_by_group<C: Calls>(
    context: &Context<'_, C>,
    budget: Budget,
    rng: &mut fastrand::Rng,
) -> Result<BTreeMap<GroupName, Vec<AutoScalingInstance>>, CallError> {
    let mut waiting: BTreeMap<GroupName, Vec<AutoScalingInstance>> = BTreeMap::new();
    let mut token: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let read = async || context.calls.describe_auto_scaling_groups(token.clone()).await;
        let page = patiently(context, budget.hand_over_at, rng, "reading the groups", read).await?;
        let waits = |it: &AutoScalingInstance| waits_on_a_termination_hook(&it.lifecycle_state, TERMINATION);
        for instance in page.items.into_iter().filter(waits) {
            waiting.entry(instance.group.clone()).or_default().push(instance);
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(waiting);
        }
    }
    let what = format!("more than {PAGES_MAX} pages");
    Err(CallError::Incomplete { operation: "DescribeAutoScalingGroups", what })
}

/// Tries again what fails, for as long as another try would begin before `until`.
async fn patiently<C, T>(
    context: &Context<'_, C>,
    until: Timestamp,
    rng: &mut fastrand::Rng,
    doing: &str,
    request: impl AsyncFn() -> Result<T, CallError>,
) -> Result<T, CallError> {
    for times in 0.. {
        let error = match Box::pin(request()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        log_failure(doing, &error);
        let again = after(context.clock.now(), backoff(times, context.config.policy.pace, rng));
        if again >= until || error.class() == ErrorClass::Absent {
            return Err(error);
        }
        tokio::time::sleep_until(context.clock.instant(again)).await;
    }
    Err(CallError::Incomplete { operation: "a scan", what: doing.to_owned() })
}

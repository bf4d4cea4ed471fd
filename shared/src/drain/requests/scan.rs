//! Finding every departure in AWS's own state: what `reconcile` works from, whether or not an event ever came.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;

use super::hosts;
use super::starts::starts;
use crate::aws::batch::{PAGES_MAX, few_at_once, warm_pool};
use crate::aws::{AutoScalingGroup, AutoScalingInstance, CallError, Calls, ErrorClass};
use crate::clock::after;
use crate::drain::context::Context;
use crate::drain::facts::departure::{Cause, Departure, Destination, NoticedBy};
use crate::drain::facts::hold::Hold;
use crate::drain::facts::known::Known;
use crate::drain::facts::lifecycle::{Meaning, meaning};
use crate::drain::facts::log::{log_drain, log_failure};
use crate::drain::facts::patience::backoff;
use crate::ids::GroupName;

/// One group whose hooks or warm pool cannot be read holds up all the others for so long at most.
const GROUP_PATIENCE: Duration = Duration::from_secs(10);
/// Where AWS throttles, for longer: as long as three hundred groups take at the rate that is assumed of Auto Scaling (20 a
/// second). Whom this scan misses, the next one finds, and every cluster is searched once more for them.
const THROTTLED_GROUP_PATIENCE: Duration = Duration::from_secs(15);

/// The scan failed, so that it is not known which instances wait. The next one comes within a minute.
#[derive(Debug, Error)]
#[error("the Auto Scaling groups could not be read")]
pub struct ScanError(#[from] pub CallError);

/// Every instance that waits on a termination hook, in a group that has one of ours, but for those that are `known`.
///
/// One request per page of groups, one for each group with instances in a warm pool, and one for each group in which an
/// instance waits. Of a page only the waiting instances are kept: an account may hold tens of thousands that are not. What
/// fails is tried again for as long as that begins before `until`: the next scan is a minute away, and a hook may not be.
///
/// # Errors
/// When a page of groups cannot be read. A group whose hooks alone cannot be read is left out, and logged: the next scan
/// finds it.
pub async fn departures<C: Calls>(
    context: &Context<'_, C>,
    known: &BTreeSet<Departure>,
    until: Timestamp,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Known>, ScanError> {
    let mut departures = Vec::new();
    for group in waiting_but(context, known, until, rng).await? {
        departures.extend(group.into_iter().flatten().filter(|known| known.ours().is_some()));
    }
    Ok(departures)
}

/// Every instance that waits on a termination hook, ours or another's, by group; of a group whose hooks cannot be read, why
/// not. What fails is tried again for as long as that begins before `until`.
///
/// # Errors
/// When a page of groups cannot be read.
pub async fn waiting<C: Calls>(
    context: &Context<'_, C>,
    until: Timestamp,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Result<Vec<Known>, CallError>>, ScanError> {
    waiting_but(context, &BTreeSet::new(), until, rng).await
}

async fn waiting_but<C: Calls>(
    context: &Context<'_, C>,
    known: &BTreeSet<Departure>,
    until: Timestamp,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Result<Vec<Known>, CallError>>, ScanError> {
    let is_new = |instance: &AutoScalingInstance| departure(instance).is_some_and(|it| !known.contains(&it));
    let groups = groups_that_wait(context, &is_new, until, rng).await?;
    let now = context.clock.now();
    let until = TryUntil {
        throttled: until.min(after(now, THROTTLED_GROUP_PATIENCE)),
        otherwise: until.min(after(now, GROUP_PATIENCE)),
    };
    let seeds: Vec<_> = groups.iter().map(|_| rng.u64(..)).collect();
    let is_new = &is_new;
    let reads = groups.into_iter().zip(seeds).map(|(group, seed)| async move {
        waiting_in(context, group, is_new, until, &mut fastrand::Rng::with_seed(seed)).await
    });
    Ok(few_at_once(reads).await)
}

/// Until when a try may begin after one that failed; it may last longer.
#[derive(Debug, Clone, Copy)]
struct TryUntil {
    throttled: Timestamp,
    otherwise: Timestamp,
}

/// A group, and those of its instances that wait, or may wait in its warm pool.
struct Group {
    name: GroupName,
    retains: bool,
    has_warm_pool: bool,
    waiting: Vec<AutoScalingInstance>,
}

async fn groups_that_wait<C: Calls>(
    context: &Context<'_, C>,
    is_new: &impl Fn(&AutoScalingInstance) -> bool,
    until: Timestamp,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Group>, CallError> {
    let until = TryUntil { throttled: until, otherwise: until };
    let mut groups = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let read = async || context.calls.describe_auto_scaling_groups(token.clone()).await;
        let page = patiently(context, until, rng, "reading the groups", read).await?;
        for AutoScalingGroup { name, instances, warm_pool_size, retains } in page.items {
            let waiting: Vec<_> = instances.into_iter().filter(is_new).collect();
            let has_warm_pool = warm_pool_size > 0;
            if has_warm_pool || !waiting.is_empty() {
                groups.push(Group { name, retains, has_warm_pool, waiting });
            }
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(groups);
        }
    }
    let what = format!("more than {PAGES_MAX} pages");
    Err(CallError::Incomplete { operation: "DescribeAutoScalingGroups", what })
}

/// How an instance leaves that waits, or may wait in its warm pool.
fn departure(instance: &AutoScalingInstance) -> Option<Departure> {
    let to = match meaning(&instance.lifecycle_state) {
        Meaning::Waits(to) => to,
        Meaning::WaitsInWarmPool => Destination::WarmPool,
        _ => return None,
    };
    let cause = Cause::Termination { to };
    Some(Departure { instance: instance.instance.clone(), cause, noticed_by: NoticedBy::Scan })
}

/// The group's warm pool is listed apart, and its hooks are asked for only where an instance waits.
async fn waiting_in<C: Calls>(
    context: &Context<'_, C>,
    mut group: Group,
    is_new: &impl Fn(&AutoScalingInstance) -> bool,
    until: TryUntil,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Known>, CallError> {
    let name = &group.name;
    if group.has_warm_pool {
        let read = async || warm_pool(context.calls, name).await;
        // Logged where it failed; those that wait in the group itself are none the worse for it.
        let pool = patiently(context, until, rng, "reading a warm pool", read).await.unwrap_or_default();
        group.waiting.extend(pool.into_iter().filter(is_new));
    }
    if group.waiting.is_empty() {
        return Ok(Vec::new());
    }
    let read = async || context.calls.describe_lifecycle_hooks(name).await;
    let hooks = patiently(context, until, rng, "reading the hooks of a group", read).await?;
    let now = context.clock.now();
    let known = |instance: &AutoScalingInstance| {
        let by = hosts::held_by(instance, &hooks, Some(group.retains), context.config);
        Some(Known { hold: Some(Hold { read_at: now, by }), ..Known::new(departure(instance)?, now) })
    };
    let is_in_pool = |instance: &&AutoScalingInstance| meaning(&instance.lifecycle_state) == Meaning::WaitsInWarmPool;
    let (in_pool, waiting): (Vec<_>, Vec<_>) = group.waiting.iter().partition(is_in_pool);
    let mut waiting: Vec<_> = waiting.into_iter().filter_map(known).collect();
    let in_pool: Vec<_> = in_pool.into_iter().filter_map(known).filter(|known| known.ours().is_some()).collect();
    if !in_pool.is_empty() {
        waiting.extend(returning(context, name, in_pool, until, rng).await);
    }
    Ok(waiting)
}

/// Of those that wait in a warm pool, the ones that return to it: a launch waits there, too, and only a scaling activity
/// tells which. What cannot be told is left to its event.
async fn returning<C: Calls>(
    context: &Context<'_, C>,
    group: &GroupName,
    in_pool: Vec<Known>,
    until: TryUntil,
    rng: &mut fastrand::Rng,
) -> Vec<Known> {
    let ids: Vec<_> = in_pool.iter().map(|known| known.departure.instance.clone()).collect();
    let read = async || starts(context, group, &ids).await;
    // Logged where it failed.
    let starts = patiently(context, until, rng, "reading the scaling activities", read).await.unwrap_or_default();
    let (return_of, now) = (|known: &Known| starts.get(&known.departure.instance), context.clock.now());
    let (returning, others): (Vec<_>, Vec<_>) = in_pool.into_iter().partition(|known| return_of(known).is_some());
    for known in &others {
        log_drain!(
            info,
            known,
            now,
            "waits in its warm pool; no scaling activity says that it returns there, so its event tells"
        );
    }
    returning.into_iter().map(|known| Known { start: return_of(&known).cloned(), ..known }).collect()
}

/// Tries again what fails, for as long as another try would begin before `until`.
async fn patiently<C, T>(
    context: &Context<'_, C>,
    until: TryUntil,
    rng: &mut fastrand::Rng,
    doing: &str,
    request: impl AsyncFn() -> Result<T, CallError>,
) -> Result<T, CallError> {
    let mut times = 0_u32;
    loop {
        let error = match Box::pin(request()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        log_failure(doing, &error);
        let again = after(context.clock.now(), backoff(times, context.config.policy.pace, rng));
        let until = if error.is_throttled() { until.throttled } else { until.otherwise };
        if again >= until || error.class() == ErrorClass::Absent {
            return Err(error);
        }
        tokio::time::sleep_until(context.clock.instant(again)).await;
        times = times.saturating_add(1);
    }
}

//! Finding every departure in AWS's own state: what `reconcile` works from, whether or not an event ever came.

use std::collections::BTreeMap;

use lambda_runtime::Diagnostic;
use thiserror::Error;
use tracing::info;

use super::decide::waits_on_a_termination_hook;
use super::known::{Cause, Departure, HeldBy, Hold, Known, NoticedBy};
use super::{Context, chain, log_failure, observe};
use crate::aws::batch::{PAGES_MAX, few_at_once};
use crate::aws::{AutoScalingInstance, CallError, Calls};
use crate::ids::GroupName;

/// A scan cannot see into warm pools: their instances are listed elsewhere (Auto Scaling user guide, warm pools).
const TERMINATION: Cause = Cause::Termination { to_warm_pool: false };

/// The scan failed, so that nobody knows who waits. The next one comes within a minute.
#[derive(Debug, Error)]
#[error("the Auto Scaling groups could not be read")]
pub struct ScanError(#[from] CallError);

impl From<ScanError> for Diagnostic {
    fn from(error: ScanError) -> Self {
        Self { error_type: "ScanFailed".to_owned(), error_message: chain(&error) }
    }
}

/// Every instance that waits on a termination hook, in a group that has one of ours.
///
/// One request per page of groups, and one for each group in which an instance waits. Of a page only the waiting
/// instances are kept: an account may hold tens of thousands that are not.
///
/// # Errors
/// When a page of groups cannot be read. A group whose hooks alone cannot be read is left out, and logged: the next scan
/// finds it.
pub async fn departures<C: Calls>(context: &Context<'_, C>) -> Result<Vec<Known>, ScanError> {
    let waiting = waiting_by_group(context.calls).await?;
    let reads = waiting.keys().map(|group| context.calls.describe_lifecycle_hooks(group));
    let hooks = few_at_once(reads).await;
    let now = context.clock.now();
    let mut departures = Vec::new();
    for ((_, instances), hooks) in waiting.into_iter().zip(hooks) {
        let hooks = match hooks {
            Ok(hooks) => hooks,
            Err(error) => {
                log_failure("reading the hooks of a group", &error);
                continue;
            }
        };
        for instance in instances {
            let by = observe::held_by(&instance, &hooks, context.config);
            if !matches!(by, HeldBy::Ours(_)) {
                continue;
            }
            info!(instance = %instance.instance, group = %instance.group, "found waiting");
            let departure = Departure::of_termination(instance.instance, NoticedBy::Scan);
            departures.push(Known { hold: Some(Hold { read_at: now, by }), ..Known::new(departure, now) });
        }
    }
    Ok(departures)
}

async fn waiting_by_group(calls: &impl Calls) -> Result<BTreeMap<GroupName, Vec<AutoScalingInstance>>, CallError> {
    let mut waiting: BTreeMap<GroupName, Vec<AutoScalingInstance>> = BTreeMap::new();
    let mut token = None;
    for _ in 0..PAGES_MAX {
        let page = Box::pin(calls.describe_auto_scaling_groups(token)).await?;
        let waits = |it: &AutoScalingInstance| waits_on_a_termination_hook(&it.lifecycle_state, TERMINATION);
        for instance in page.items.into_iter().filter(waits) {
            waiting.entry(instance.group.clone()).or_default().push(instance);
        }
        token = page.next_token;
        if token.is_none() {
            return Ok(waiting);
        }
    }
    let what = format!("more than {PAGES_MAX} pages");
    Err(CallError::Incomplete { operation: "DescribeAutoScalingGroups", what })
}

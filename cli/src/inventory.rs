//! Everything that drains, or waits to be drained.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::aws::batch::{draining_in, few_at_once};
use shared::aws::sdk::SdkCalls;
use shared::drain::Context;
use shared::drain::facts::departure::{Cause, Departure, NoticedBy};
use shared::drain::facts::known::{FoundIn, Known, Place};
use shared::drain::reports::Explanations;
use shared::drain::reports::look::{is_incomplete, look};
use shared::drain::reports::standing::{Standing, standing};
use shared::drain::requests::scan;
use shared::ids::{ClusterName, InstanceId};

use crate::account::{Account, is_absent};
use crate::failure::Failure;

/// What was found, and where it was looked for.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub(crate) standings: Vec<Standing>,
    /// Clusters that were looked at.
    pub(crate) clusters: usize,
}

/// What was found of each instance.
type Found = BTreeMap<InstanceId, Known>;

/// Where each drain stands, those with something left to wait for first, of these the one whose patience ends first.
///
/// # Errors
/// When a list cannot be read, or something is denied: what is not known cannot be said not to drain.
pub(crate) async fn inventory(
    account: &Account,
    context: &Context<'_, SdkCalls>,
    only: Option<&ClusterName>,
    rng: &mut fastrand::Rng,
) -> Result<Inventory, Failure> {
    let mut found = waiting(account, context, rng).await?;
    let clusters = add_draining(account, context, only, &mut found).await?;
    let (mut known, explanations) = look(context, found.into_values().collect(), rng).await;
    // Only other hooks hold these hosts, and they are in no cluster.
    known.retain(|known| known.ours().is_some() || !matches!(known.place, Place::Nowhere { .. }));
    // The one cluster that was asked for has answered that it is not there.
    let elsewhere =
        |known: &Known, only| matches!(known.place, Place::Nowhere { .. }) || known.searched.contains_key(only);
    known.retain(|known| only.is_none_or(|only| known.cluster() == Some(only) || !elsewhere(known, only)));
    let unread = known.iter().filter(|known| is_incomplete(known));
    if let Some(denied) = unread.flat_map(|known| known.patience.errors()).find_map(Failure::of_denial) {
        return Err(denied);
    }
    let in_it = |it: &Standing| only.is_none() || it.cluster.is_none() || it.cluster.as_ref() == only;
    let mut standings: Vec<_> = known.iter().map(|known| stands(known, context, &explanations)).filter(in_it).collect();
    standings.sort_by_key(|it| (!it.is_open, it.deadline.unwrap_or(Timestamp::MAX), it.instance_id.clone()));
    Ok(Inventory { standings, clusters })
}

/// Where one drain stands.
pub(crate) fn stands(known: &Known, context: &Context<'_, SdkCalls>, explanations: &Explanations) -> Standing {
    standing(known, &context.terms(known), explanations, context.clock.now())
}

/// Every instance that waits on a termination hook, whosever that is.
async fn waiting(
    account: &Account,
    context: &Context<'_, SdkCalls>,
    rng: &mut fastrand::Rng,
) -> Result<Found, Failure> {
    // One try: the operator can look again.
    let groups = scan::waiting(context, context.clock.now(), rng).await;
    let mut found = Found::new();
    for group in groups.map_err(|error| Failure::of_scan(error, &account.region))? {
        let waiting = group.map_err(|error| account.failure(error))?;
        found.extend(waiting.into_iter().map(|known| (known.departure.instance.clone(), known)));
    }
    Ok(found)
}

/// Every container instance that is DRAINING, in one cluster or in all that are watched; answers how many clusters there are.
async fn add_draining(
    account: &Account,
    context: &Context<'_, SdkCalls>,
    only: Option<&ClusterName>,
    found: &mut Found,
) -> Result<usize, Failure> {
    let clusters = match only {
        Some(only) => vec![account.cluster(only).await?.name],
        None if context.config.clusters.is_empty() => account.clusters().await?,
        None => context.config.clusters.clone(),
    };
    let answers = few_at_once(clusters.iter().map(|cluster| draining_in(&account.calls, cluster))).await;
    let (now, mut looked_at) = (context.clock.now(), clusters.len());
    for (cluster, answer) in clusters.iter().zip(answers) {
        let draining = match answer {
            Ok(draining) => draining,
            Err(error) if is_absent(&error) => {
                looked_at = looked_at.saturating_sub(1);
                continue;
            }
            Err(error) => return Err(account.failure(error)),
        };
        for it in draining {
            // A host without an EC2 instance id is never taken away by Auto Scaling or Spot.
            let Some(instance) = it.instance.clone() else { continue };
            let known = found.entry(instance.clone()).or_insert_with(|| {
                Known::new(Departure { instance, cause: Cause::Maintenance, noticed_by: NoticedBy::Scan }, now)
            });
            known.learn_place(FoundIn::Clusters(vec![(cluster.clone(), it)]), now, now);
        }
    }
    Ok(looked_at)
}

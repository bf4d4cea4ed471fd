//! Reads: what a round of equal needs takes of AWS, in as few requests as their limits allow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::attempt::{Attempt, Finding};
use super::known::{HeldBy, Hold, Known, Ours, Registration};
use super::locate::locate;
use super::starts;
use super::tasks::Listings;
use super::tries::Try;
use super::{Context, Drainee, lifecycle, log_failure, tasks};
use crate::aws::batch::{self, few_at_once};
use crate::aws::{AutoScalingInstance, CallError, Calls, ContainerInstance, LifecycleHook};
use crate::config::{Config, Overrides};
use crate::ids::{ClusterName, ContainerInstanceArn, GroupName, HookName, InstanceId};

/// The drains of `indexes`, each with its index.
pub(super) fn chosen<'a>(drainees: &'a [Drainee], indexes: &'a [usize]) -> impl Iterator<Item = (usize, &'a Known)> {
    indexes.iter().filter_map(|index| Some((*index, &drainees.get(*index)?.known)))
}

/// Who holds each termination: the instances' states, then the hooks of the groups in which one waits. In a burst the
/// event's word is enough for the hooks: Auto Scaling shows that the instance waits, and all that follows is DRAINING.
pub(super) async fn holds<C: Calls>(context: &Context<'_, C>, drainees: &[Drainee], indexes: &[usize]) -> Vec<Attempt> {
    let ids: Vec<_> = chosen(drainees, indexes).map(|(_, known)| known.departure.instance.clone()).collect();
    let answers = batch::auto_scaling_instances(context.calls, &ids).await;
    answers.unknown.iter().for_each(|unknown| log_failure("reading Auto Scaling's state", &unknown.error));
    let instances: BTreeMap<_, _> = answers.found.iter().map(|found| (&found.instance, found)).collect();
    let silent: BTreeMap<&InstanceId, &CallError> =
        answers.unknown.iter().flat_map(|unknown| unknown.keys.iter().map(|key| (key, &unknown.error))).collect();

    let waits = |known: &Known| {
        let found = instances.get(&known.departure.instance).copied();
        found.filter(|found| lifecycle::waits(&found.lifecycle_state, known.departure.cause))
    };
    let unasked = |known: &&Known| waits(known).is_some_and(|found| told_hook(known, found).is_none());
    let waiting = chosen(drainees, indexes).map(|(_, known)| known).filter(unasked);
    let groups: BTreeSet<_> = waiting.filter_map(|known| Some(&waits(known)?.group)).collect();
    let reads = groups.iter().map(|group| context.calls.describe_lifecycle_hooks(group));
    let hooks: BTreeMap<&GroupName, _> = groups.iter().copied().zip(few_at_once(reads).await).collect();
    hooks.values().filter_map(|answer| answer.as_ref().err()).for_each(|error| log_failure("reading the hooks", error));

    let read_at = context.clock.now();
    let attempt = |(index, known): (usize, &Known)| {
        let mut attempt = Attempt::new(index, Try::Hold);
        if let Some(error) = silent.get(&known.departure.instance) {
            attempt.error = Some(error.to_string());
            return attempt;
        }
        let by = match waits(known) {
            None => {
                let found = instances.get(&known.departure.instance);
                HeldBy::NoHook { state: found.map(|found| found.lifecycle_state.clone()) }
            }
            Some(found) => match (told_hook(known, found), hooks.get(&found.group)) {
                (Some(hook), _) => HeldBy::Ours(Ours::told(found, hook)),
                (None, Some(Ok(hooks))) => held_by(found, hooks, None, context.config),
                (None, Some(Err(error))) => {
                    attempt.error = Some(error.to_string());
                    return attempt;
                }
                (None, None) => return attempt,
            },
        };
        attempt.findings.push(Finding::Held(Hold { read_at, by }));
        attempt
    };
    chosen(drainees, indexes).map(attempt).collect()
}

/// The hook that the event of a burst names, where Auto Scaling has the instance in the event's group.
fn told_hook<'a>(known: &'a Known, found: &AutoScalingInstance) -> Option<&'a HookName> {
    let hook = known.hints.hook.as_ref().filter(|_| known.in_a_burst)?;
    (known.hints.group.as_ref() == Some(&found.group)).then_some(hook)
}

/// Who holds an instance that waits, by its group's hooks; and whether the group retains, where that is known.
pub(super) fn held_by(
    found: &AutoScalingInstance,
    hooks: &[LifecycleHook],
    retains: Option<bool>,
    config: &Config,
) -> HeldBy {
    let termination = || hooks.iter().filter(|hook| hook.on_termination);
    let ours: Vec<_> = termination().filter(|hook| config.hook_names.contains(&hook.name)).collect();
    let Some(heartbeat_timeout) = ours.iter().map(|hook| hook.heartbeat_timeout).min() else {
        return HeldBy::Others { group: found.group.clone() };
    };
    let metadata = ours.iter().find_map(|hook| hook.notification_metadata.as_deref());
    HeldBy::Ours(Ours {
        group: found.group.clone(),
        hooks: ours.iter().map(|hook| hook.name.clone()).collect(),
        heartbeat_timeout: Some(heartbeat_timeout.max(Duration::from_millis(1))),
        others_hold_too: termination().count() > ours.len(),
        unhealthy: found.unhealthy,
        retains,
        overrides: metadata.map(Overrides::read).unwrap_or_default(),
    })
}

/// When the termination of each began, and why: one question for each group.
pub(super) async fn starts<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    indexes: &[usize],
) -> Vec<Attempt> {
    let mut groups: BTreeMap<&GroupName, Vec<(usize, InstanceId)>> = BTreeMap::new();
    for (index, known) in chosen(drainees, indexes) {
        if let Some(ours) = known.ours() {
            groups.entry(&ours.group).or_default().push((index, known.departure.instance.clone()));
        }
    }
    let wanted: Vec<(_, Vec<_>)> =
        groups.iter().map(|(group, each)| (*group, each.iter().map(|(_, id)| id.clone()).collect())).collect();
    let answers = few_at_once(wanted.iter().map(|(group, ids)| starts::starts(context, group, ids))).await;
    let mut attempts = attempts(indexes, Try::Start);
    for (each, answer) in groups.values().zip(answers) {
        if let Err(error) = &answer {
            log_failure("reading the scaling activities", error);
        }
        for (index, id) in each {
            let Some(attempt) = attempts.get_mut(index) else { continue };
            match &answer {
                Ok(starts) => attempt.findings.push(Finding::Began(starts.get(id).cloned())),
                Err(error) => attempt.error = Some(error.to_string()),
            }
        }
    }
    attempts.into_values().collect()
}

/// Where each is registered.
pub(super) async fn locations<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    indexes: &[usize],
) -> Vec<Attempt> {
    let (indexes, wanted): (Vec<_>, Vec<_>) = chosen(drainees, indexes).unzip();
    let located = locate(context.calls, context.config, context.remembered, &context.clock, &wanted).await;
    let attempt =
        |(index, located)| Attempt { findings: vec![Finding::Located(located)], ..Attempt::new(index, Try::Location) };
    indexes.into_iter().zip(located).map(attempt).collect()
}

/// What each container instance is now. Those of `idle` that stand in the same clusters ride along where a request has
/// room: a hundred hosts looked at together cost one request, each by itself a hundred.
pub(super) async fn instances<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    indexes: &[usize],
    idle: &[usize],
) -> Vec<Attempt> {
    let mut attempts = attempts(indexes, Try::Instance);
    let mut clusters = by_cluster(drainees, indexes, |_| true);
    let mut riders: Vec<_> = chosen(drainees, idle).filter(|(_, known)| known.registrations.len() == 1).collect();
    riders.sort_by_key(|(_, known)| known.next_look);
    for (index, known) in riders {
        let Some(registration) = known.registrations.first() else { continue };
        let Some((arns, owners)) = clusters.get_mut(&registration.cluster) else { continue };
        if arns.len() % batch::DESCRIBE_MAX != 0 {
            if !owners.contains_key(&registration.arn) {
                arns.push(registration.arn.clone());
            }
            owners.entry(registration.arn.clone()).or_default().push(index);
            attempts.insert(index, Attempt::new(index, Try::Instance));
        }
    }
    let requests = clusters.iter().map(|(cluster, (arns, _))| batch::container_instances(context.calls, cluster, arns));
    let answers = few_at_once(requests).await;
    for ((_, owners), answers) in clusters.values().zip(answers) {
        take_container_instances(&mut attempts, owners, answers);
    }
    attempts.into_values().collect()
}

/// An attempt for each index, so far without findings.
pub(super) fn attempts(indexes: &[usize], what: Try) -> BTreeMap<usize, Attempt> {
    indexes.iter().map(|index| (*index, Attempt::new(*index, what))).collect()
}

/// Which drains each container instance belongs to, by index: of one host that both Spot and Auto Scaling take, two.
type Owners = BTreeMap<ContainerInstanceArn, Vec<usize>>;

/// The registrations that fit, by cluster: in the order of `indexes`, which is that of urgency, and whose each is.
pub(super) fn by_cluster(
    drainees: &[Drainee],
    indexes: &[usize],
    fits: impl Fn(&Registration) -> bool,
) -> BTreeMap<ClusterName, (Vec<ContainerInstanceArn>, Owners)> {
    let mut clusters: BTreeMap<ClusterName, (Vec<_>, Owners)> = BTreeMap::new();
    for (index, known) in chosen(drainees, indexes) {
        for registration in known.registrations.iter().filter(|r| fits(r)) {
            let (arns, owners) = clusters.entry(registration.cluster.clone()).or_default();
            if !owners.contains_key(&registration.arn) {
                arns.push(registration.arn.clone());
            }
            owners.entry(registration.arn.clone()).or_default().push(index);
        }
    }
    clusters
}

/// Gives each attempt its part of what was said of one cluster's container instances.
pub(super) fn take_container_instances(
    attempts: &mut BTreeMap<usize, Attempt>,
    owners: &Owners,
    answers: batch::Answers<ContainerInstanceArn, ContainerInstance>,
) {
    let mut find = |arn: ContainerInstanceArn, found: Option<ContainerInstance>| {
        for index in owners.get(&arn).into_iter().flatten() {
            if let Some(attempt) = attempts.get_mut(index) {
                attempt.findings.push(Finding::Instance(arn.clone(), found.clone()));
            }
        }
    };
    answers.found.into_iter().for_each(|found| find(found.arn.clone(), Some(found)));
    answers.absent.into_iter().for_each(|arn| find(arn, None));
    for unknown in answers.unknown {
        log_failure("container instances: a request", &unknown.error);
        for index in unknown.keys.iter().filter_map(|arn| owners.get(arn)).flatten() {
            if let Some(attempt) = attempts.get_mut(index) {
                attempt.fail(&unknown.error);
            }
        }
    }
}

/// Reads tasks that no rule asked for, only to be named in the report.
pub(super) async fn tasks_for_report<C: Calls>(
    context: &Context<'_, C>,
    listings: &Listings,
    drainees: &mut [Drainee],
    indexes: &[usize],
) {
    if !indexes.is_empty() {
        let read = tasks::every(context, listings, drainees, indexes).await;
        learn_tasks(context, drainees, read);
    }
}

/// Takes in what a read told of tasks that no rule asked for: what is tried, and when, stays as it was.
pub(super) fn learn_tasks<C>(context: &Context<'_, C>, drainees: &mut [Drainee], read: Vec<Attempt>) {
    let now = context.clock.now();
    for attempt in read {
        let Some(drainee) = drainees.get_mut(attempt.index) else { continue };
        for finding in attempt.findings {
            match finding {
                Finding::Tasks { arn, each, read_at } => drainee.known.learn_tasks(&arn, each, read_at, now),
                Finding::Stragglers { arn, found, absent, read_at } => {
                    drainee.known.learn_stragglers(&arn, found, &absent, read_at);
                }
                _ => {}
            }
        }
    }
}

//! Reads of hosts: who holds each, when its termination began, where it is registered, and what its container instance is.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::answer::{Answer, Finding, answers};
use super::locate::locate;
use super::starts;
use crate::aws::batch::{self, errors_by_key, few_at_once};
use crate::aws::{AutoScalingInstance, Calls, ContainerInstance, LifecycleHook};
use crate::config::{Config, Overrides};
use crate::drain::context::Context;
use crate::drain::drainee::{Drainee, chosen};
use crate::drain::facts::hold::{HeldBy, Hold, Ours};
use crate::drain::facts::known::Known;
use crate::drain::facts::lifecycle;
use crate::drain::facts::log::log_failure;
use crate::drain::facts::patience::Request;
use crate::drain::facts::registration::Registration;
use crate::ids::{ClusterName, ContainerInstanceArn, GroupName, HookName, InstanceId};

/// Who holds each termination: the instances' states, then the hooks of the groups in which one waits. In a burst the
/// event's word is enough for the hooks: Auto Scaling shows that the instance waits, and all that follows is DRAINING.
pub(crate) async fn holds<C: Calls>(context: &Context<'_, C>, drainees: &[Drainee], indexes: &[usize]) -> Vec<Answer> {
    let ids: Vec<_> = chosen(drainees, indexes).map(|(_, known)| known.departure.instance.clone()).collect();
    let told = batch::auto_scaling_instances(context.calls, &ids).await;
    told.unknown.iter().for_each(|unknown| log_failure("reading Auto Scaling's state", &unknown.error));
    let instances: BTreeMap<_, _> = told.found.iter().map(|found| (&found.instance, found)).collect();
    let silent = errors_by_key(told.unknown);

    let waits = |known: &Known| {
        let found = instances.get(&known.departure.instance).copied();
        found.filter(|found| lifecycle::waits(&found.lifecycle_state, known.departure.cause))
    };
    let unasked = |known: &&Known| waits(known).is_some_and(|found| told_hook(context, known, found).is_none());
    let waiting = chosen(drainees, indexes).map(|(_, known)| known).filter(unasked);
    let groups: BTreeSet<_> = waiting.filter_map(|known| Some(&waits(known)?.group)).collect();
    let reads = groups.iter().map(|group| context.calls.describe_lifecycle_hooks(group));
    let read = few_at_once(reads).await.into_iter().map(|hooks| hooks.map_err(Rc::new));
    let hooks: BTreeMap<&GroupName, _> = groups.iter().copied().zip(read).collect();
    hooks.values().filter_map(|answer| answer.as_ref().err()).for_each(|error| log_failure("reading the hooks", error));

    let read_at = context.clock.now();
    let answer = |(index, known): (usize, &Known)| {
        let mut answer = Answer::new(index, Request::Hold);
        answer.error = silent.get(&known.departure.instance).cloned();
        if answer.error.is_some() {
            return answer;
        }
        let by = match waits(known) {
            None => {
                let found = instances.get(&known.departure.instance);
                HeldBy::NoHook { state: found.map(|found| found.lifecycle_state.clone()) }
            }
            Some(found) => match (told_hook(context, known, found), hooks.get(&found.group)) {
                (Some(hook), _) => HeldBy::Ours(Ours::told(found, hook)),
                (None, Some(Ok(hooks))) => held_by(found, hooks, None, context.config),
                (None, Some(Err(error))) => {
                    answer.error = Some(error.clone());
                    return answer;
                }
                (None, None) => return answer,
            },
        };
        answer.findings.push(Finding::Held(Hold { read_at, by }));
        answer
    };
    chosen(drainees, indexes).map(answer).collect()
}

/// The hook that the event of a burst names, where Auto Scaling has the instance in the event's group.
fn told_hook<'a, C>(context: &Context<'_, C>, known: &'a Known, found: &AutoScalingInstance) -> Option<&'a HookName> {
    let hook = known.hints.hook.as_ref().filter(|_| context.budget.is_burst)?;
    (known.hints.group.as_ref() == Some(&found.group)).then_some(hook)
}

/// Who holds an instance that waits, by its group's hooks; and whether the group retains, where that is known.
pub(crate) fn held_by(
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
pub(crate) async fn starts<C: Calls>(context: &Context<'_, C>, drainees: &[Drainee], indexes: &[usize]) -> Vec<Answer> {
    let mut groups: BTreeMap<&GroupName, Vec<(usize, InstanceId)>> = BTreeMap::new();
    for (index, known) in chosen(drainees, indexes) {
        if let Some(ours) = known.ours() {
            groups.entry(&ours.group).or_default().push((index, known.departure.instance.clone()));
        }
    }
    let wanted: Vec<(_, Vec<_>)> =
        groups.iter().map(|(group, each)| (*group, each.iter().map(|(_, id)| id.clone()).collect())).collect();
    let told = few_at_once(wanted.iter().map(|(group, ids)| starts::starts(context, group, ids))).await;
    let mut answers = answers(indexes, Request::Start);
    for (each, told) in groups.values().zip(told) {
        let told = told.map_err(Rc::new);
        if let Err(error) = &told {
            log_failure("reading the scaling activities", error);
        }
        for (index, id) in each {
            let Some(answer) = answers.get_mut(index) else { continue };
            match &told {
                Ok(starts) => answer.findings.push(Finding::Began(starts.get(id).cloned())),
                Err(error) => answer.error = Some(error.clone()),
            }
        }
    }
    answers.into_values().collect()
}

/// Where each is registered.
pub(crate) async fn locations<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    indexes: &[usize],
) -> Vec<Answer> {
    let (indexes, wanted): (Vec<_>, Vec<_>) = chosen(drainees, indexes).unzip();
    let located = locate(context, &wanted).await;
    let answer = |(index, located)| Answer {
        findings: vec![Finding::Located(located)],
        ..Answer::new(index, Request::Location)
    };
    indexes.into_iter().zip(located).map(answer).collect()
}

/// What each container instance is now. Those of `waiting` that stand in the same clusters ride along where a request has
/// room: a hundred hosts looked at together cost one request, each by itself a hundred.
pub(crate) async fn instances<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    indexes: &[usize],
    waiting: &[usize],
) -> Vec<Answer> {
    let mut answers = answers(indexes, Request::Instance);
    let mut clusters = by_cluster(drainees, indexes, |_| true);
    let mut riders: Vec<_> = chosen(drainees, waiting).filter(|(_, known)| known.registrations.len() == 1).collect();
    riders.sort_by_key(|(_, known)| known.next_look);
    for (index, known) in riders {
        let Some(registration) = known.registrations.first() else { continue };
        let Some((arns, owners)) = clusters.get_mut(&registration.cluster) else { continue };
        if arns.len() % batch::DESCRIBE_MAX != 0 {
            if !owners.contains_key(&registration.arn) {
                arns.push(registration.arn.clone());
            }
            owners.entry(registration.arn.clone()).or_default().push(index);
            answers.insert(index, Answer::new(index, Request::Instance));
        }
    }
    let requests = clusters.iter().map(|(cluster, (arns, _))| batch::container_instances(context.calls, cluster, arns));
    for ((_, owners), told) in clusters.values().zip(few_at_once(requests).await) {
        take_container_instances(&mut answers, owners, told);
    }
    answers.into_values().collect()
}

/// Which drains each container instance belongs to, by index: of one host that both Spot and Auto Scaling take, two.
type Owners = BTreeMap<ContainerInstanceArn, Vec<usize>>;

/// The registrations that fit, by cluster: in the order of `indexes`, which is that of urgency, and whose each is.
pub(crate) fn by_cluster(
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

/// Gives each answer its part of what was said of one cluster's container instances.
pub(crate) fn take_container_instances(
    answers: &mut BTreeMap<usize, Answer>,
    owners: &Owners,
    told: batch::Answers<ContainerInstanceArn, ContainerInstance>,
) {
    let mut find = |arn: ContainerInstanceArn, found: Option<ContainerInstance>| {
        for index in owners.get(&arn).into_iter().flatten() {
            if let Some(answer) = answers.get_mut(index) {
                answer.findings.push(Finding::Instance(arn.clone(), found.clone()));
            }
        }
    };
    told.found.into_iter().for_each(|found| find(found.arn.clone(), Some(found)));
    told.absent.into_iter().for_each(|arn| find(arn, None));
    told.unknown.iter().for_each(|unknown| log_failure("container instances: a request", &unknown.error));
    for (arn, error) in errors_by_key(told.unknown) {
        for index in owners.get(&arn).into_iter().flatten() {
            if let Some(answer) = answers.get_mut(index) {
                answer.error = Some(error.clone());
            }
        }
    }
}

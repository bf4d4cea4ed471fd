//! Reads: what a round of equal needs takes of AWS, in as few requests as their limits allow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::attempt::{Attempt, Finding};
use super::known::{HeldBy, Hold, Known, Ours, Registration};
use super::locate::locate;
use super::tries::Try;
use super::{Context, Drainee, decide, log_failure};
use crate::aws::batch::{self, few_at_once};
use crate::aws::{AutoScalingInstance, CallError, Calls, LifecycleHook, Task};
use crate::config::{Config, Overrides};
use crate::ids::{ClusterName, ContainerInstanceArn, GroupName, InstanceId, TaskArn};

/// The drains of `indexes`, each with its index.
pub(super) fn chosen<'a>(drainees: &'a [Drainee], indexes: &'a [usize]) -> impl Iterator<Item = (usize, &'a Known)> {
    indexes.iter().filter_map(|index| Some((*index, &drainees.get(*index)?.known)))
}

/// Who holds each termination: the instances' states, then the hooks of the groups in which one waits.
pub(super) async fn holds<C: Calls>(context: &Context<'_, C>, drainees: &[Drainee], indexes: &[usize]) -> Vec<Attempt> {
    let ids: Vec<_> = chosen(drainees, indexes).map(|(_, known)| known.departure.instance.clone()).collect();
    let answers = batch::auto_scaling_instances(context.calls, &ids).await;
    answers.unknown.iter().for_each(|unknown| log_failure("reading Auto Scaling's state", &unknown.error));
    let instances: BTreeMap<_, _> = answers.found.iter().map(|found| (&found.instance, found)).collect();
    let silent: BTreeMap<&InstanceId, &CallError> =
        answers.unknown.iter().flat_map(|unknown| unknown.keys.iter().map(|key| (key, &unknown.error))).collect();

    let waits = |known: &Known| {
        let found = instances.get(&known.departure.instance).copied();
        found.filter(|found| decide::waits_on_a_termination_hook(&found.lifecycle_state, known.departure.cause))
    };
    let groups: BTreeSet<_> = chosen(drainees, indexes).filter_map(|(_, known)| Some(&waits(known)?.group)).collect();
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
                HeldBy::Nobody { state: found.map(|found| found.lifecycle_state.clone()) }
            }
            Some(found) => match hooks.get(&found.group) {
                Some(Ok(hooks)) => held_by(found, hooks, context.config),
                Some(Err(error)) => {
                    attempt.error = Some(error.to_string());
                    return attempt;
                }
                None => return attempt,
            },
        };
        attempt.findings.push(Finding::Held(Hold { read_at, by }));
        attempt
    };
    chosen(drainees, indexes).map(attempt).collect()
}

pub(super) fn held_by(found: &AutoScalingInstance, hooks: &[LifecycleHook], config: &Config) -> HeldBy {
    let termination = || hooks.iter().filter(|hook| hook.on_termination);
    let ours: Vec<_> = termination().filter(|hook| config.hook_names.contains(&hook.name)).collect();
    let Some(heartbeat_timeout) = ours.iter().map(|hook| hook.heartbeat_timeout).min() else {
        return HeldBy::Others { group: found.group.clone() };
    };
    let metadata = ours.iter().find_map(|hook| hook.notification_metadata.as_deref());
    HeldBy::Ours(Ours {
        group: found.group.clone(),
        hooks: ours.iter().map(|hook| hook.name.clone()).collect(),
        heartbeat_timeout: heartbeat_timeout.max(Duration::from_millis(1)),
        others_hold_too: termination().count() > ours.len(),
        unhealthy: found.unhealthy,
        overrides: metadata.map(Overrides::read).unwrap_or_default(),
    })
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
            arns.push(registration.arn.clone());
            owners.insert(registration.arn.clone(), index);
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

/// Which drain each container instance belongs to, by index.
type Owners = BTreeMap<ContainerInstanceArn, usize>;

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
            arns.push(registration.arn.clone());
            owners.insert(registration.arn.clone(), index);
        }
    }
    clusters
}

/// Gives each attempt its part of what was said of one cluster's container instances.
pub(super) fn take_container_instances(
    attempts: &mut BTreeMap<usize, Attempt>,
    owners: &Owners,
    answers: batch::Answers<ContainerInstanceArn, crate::aws::ContainerInstance>,
) {
    let mut find = |arn: ContainerInstanceArn, found| {
        if let Some(attempt) = owners.get(&arn).and_then(|index| attempts.get_mut(index)) {
            attempt.findings.push(Finding::Instance(arn, found));
        }
    };
    answers.found.into_iter().for_each(|found| find(found.arn.clone(), Some(found)));
    answers.absent.into_iter().for_each(|arn| find(arn, None));
    for unknown in answers.unknown {
        log_failure("container instances: a request", &unknown.error);
        for index in unknown.keys.iter().filter_map(|arn| owners.get(arn)) {
            if let Some(attempt) = attempts.get_mut(index) {
                attempt.error = Some(unknown.error.to_string());
            }
        }
    }
}

/// Every task on each: listed host by host, described a hundred at a time across the hosts of a cluster. A task once
/// seen STOPPED is not asked about again.
pub(super) async fn tasks<C: Calls>(context: &Context<'_, C>, drainees: &[Drainee], indexes: &[usize]) -> Vec<Attempt> {
    let registrations: Vec<_> = chosen(drainees, indexes)
        .flat_map(|(index, known)| known.registrations.iter().map(move |r| (index, r)))
        .collect();
    let lists = registrations.iter().map(|(_, registration)| async {
        let read_at = context.clock.now();
        (read_at, batch::tasks_on(context.calls, &registration.cluster, &registration.arn).await)
    });
    let lists = few_at_once(lists).await;

    let mut asked: BTreeMap<&ClusterName, BTreeSet<TaskArn>> = BTreeMap::new();
    for ((_, registration), (_, listed)) in registrations.iter().zip(&lists) {
        if let Ok(listed) = listed {
            asked.entry(&registration.cluster).or_default().extend(to_describe(registration, listed));
        }
    }
    let asked: Vec<(_, Vec<_>)> =
        asked.into_iter().map(|(cluster, arns)| (cluster, arns.into_iter().collect())).collect();
    let requests = asked.iter().map(|(cluster, arns)| batch::tasks(context.calls, cluster, arns));
    let mut described = Described::default();
    few_at_once(requests).await.into_iter().for_each(|answers| described.extend(answers));

    let mut attempts = attempts(indexes, Try::Tasks);
    for ((index, registration), (read_at, listed)) in registrations.into_iter().zip(lists) {
        let Some(attempt) = attempts.get_mut(&index) else {
            continue;
        };
        let each = match &listed {
            Ok(listed) => described.all_of(registration, listed),
            Err(error) => {
                log_failure("listing tasks", error);
                Err(error.to_string())
            }
        };
        match each {
            Ok(each) => attempt.findings.push(Finding::Tasks { arn: registration.arn.clone(), each, read_at }),
            Err(error) => attempt.error = Some(error),
        }
    }
    attempts.into_values().collect()
}

/// Tasks listed, and tasks that were not STOPPED when last seen though no list has them any more.
fn to_describe(registration: &Registration, listed: &BTreeSet<TaskArn>) -> BTreeSet<TaskArn> {
    let known = registration.tasks.iter().flat_map(|tasks| tasks.each.values());
    let (stopped, running): (Vec<&Task>, Vec<&Task>) = known.partition(|task| task.is_stopped());
    let mut wanted = listed.clone();
    wanted.extend(running.into_iter().map(|task| task.arn.clone()));
    stopped.into_iter().for_each(|task| {
        wanted.remove(&task.arn);
    });
    wanted
}

/// What DescribeTasks said, of all clusters asked.
#[derive(Default)]
struct Described {
    found: BTreeMap<TaskArn, Task>,
    absent: BTreeSet<TaskArn>,
    errors: BTreeMap<TaskArn, String>,
}

impl Described {
    fn extend(&mut self, answers: batch::Answers<TaskArn, Task>) {
        for unknown in answers.unknown {
            log_failure("describing tasks", &unknown.error);
            self.errors.extend(unknown.keys.into_iter().map(|arn| (arn, unknown.error.to_string())));
        }
        self.found.extend(answers.found.into_iter().map(|task| (task.arn.clone(), task)));
        self.absent.extend(answers.absent);
    }

    /// Every task of a registration, or why that is not known: a task that is listed but that nobody describes may run.
    fn all_of(
        &self,
        registration: &Registration,
        listed: &BTreeSet<TaskArn>,
    ) -> Result<BTreeMap<TaskArn, Task>, String> {
        let mut each = BTreeMap::new();
        for arn in to_describe(registration, listed) {
            match self.found.get(&arn) {
                Some(task) => {
                    each.insert(arn, task.clone());
                }
                None if self.absent.contains(&arn) && !listed.contains(&arn) => {}
                None => {
                    let absent = || format!("DescribeTasks knows nothing of {arn}, though it is listed");
                    return Err(self.errors.get(&arn).cloned().unwrap_or_else(absent));
                }
            }
        }
        let known = registration.tasks.iter().flat_map(|tasks| tasks.each.values());
        each.extend(known.filter(|task| task.is_stopped()).map(|task| (task.arn.clone(), task.clone())));
        Ok(each)
    }
}

/// Reads tasks that no rule asked for, only to be named in the report.
pub(super) async fn tasks_for_report<C: Calls>(context: &Context<'_, C>, drainees: &mut [Drainee], indexes: &[usize]) {
    if indexes.is_empty() {
        return;
    }
    for attempt in tasks(context, drainees, indexes).await {
        let Some(drainee) = drainees.get_mut(attempt.index) else {
            continue;
        };
        for finding in attempt.findings {
            if let Finding::Tasks { arn, each, read_at } = finding {
                drainee.known.learn_tasks(&arn, each, read_at);
            }
        }
    }
}

//! Reads of tasks: of a whole cluster's lists or each host's own, whichever takes fewer requests, and of what they name.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::attempt::{Attempt, Finding};
use super::known::Registration;
use super::observe::{attempts, chosen};
use super::tries::Try;
use super::{Context, Drainee, log_failure};
use crate::aws::batch::{self, ClusterTasks, few_at_once};
use crate::aws::{CallError, Calls, Service, Task};
use crate::ids::{ClusterName, ContainerInstanceArn, ServiceName, TaskArn};

/// Hosts whose own lists are read before anybody asks again what is urgent: slow lists may take seconds.
const HOST_LISTS_A_ROUND: usize = 40;

/// A registration whose tasks are read, and whose it is, by index.
type Reader<'a> = (usize, &'a Registration);

/// Every task of a registration, or why that is not known.
type Share = Result<BTreeMap<TaskArn, Task>, String>;

/// What was listed for some registrations of one cluster.
struct Listing<'a> {
    readers: Vec<Reader<'a>>,
    /// Whether the lists were the cluster's, so that tasks of other hosts stand in them, too.
    of_cluster: bool,
    read_at: Timestamp,
    listed: Result<BTreeSet<TaskArn>, CallError>,
}

/// Every task on each, described a hundred at a time across the hosts of a cluster. A task once seen STOPPED is not
/// asked about again.
pub(super) async fn every<C: Calls>(context: &Context<'_, C>, drainees: &[Drainee], indexes: &[usize]) -> Vec<Attempt> {
    let listings = listings(context, by_cluster(drainees, indexes)).await;
    let mut wanted: BTreeMap<&ClusterName, BTreeSet<TaskArn>> = BTreeMap::new();
    for listing in &listings {
        if let Some((_, registration)) = listing.readers.first() {
            wanted.entry(&registration.cluster).or_default().extend(listing.to_describe());
        }
    }
    let described = describe(context, wanted).await;
    let mut attempts = BTreeMap::new();
    for listing in listings {
        if let Err(error) = &listing.listed {
            log_failure("listing tasks", error);
        }
        for ((index, registration), each) in listing.shares(&described) {
            let attempt = attempts.entry(index).or_insert_with(|| Attempt::new(index, Try::Tasks));
            match each {
                Ok(each) => {
                    let (arn, read_at) = (registration.arn.clone(), listing.read_at);
                    attempt.findings.push(Finding::Tasks { arn, each, read_at });
                }
                Err(error) => attempt.error = Some(error),
            }
        }
    }
    attempts.into_values().collect()
}

/// What became of those tasks that had not stopped when they were last seen: no list is read for it.
pub(super) async fn stragglers<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    indexes: &[usize],
) -> Vec<Attempt> {
    let read_at = context.clock.now();
    let clusters = by_cluster(drainees, indexes);
    let wanted = clusters.iter().map(|(cluster, readers)| {
        let running = readers.iter().flat_map(|(_, registration)| running(registration));
        (*cluster, running.map(|task| task.arn.clone()).collect())
    });
    let described = describe(context, wanted.collect()).await;
    let mut attempts = attempts(indexes, Try::Tasks);
    for (index, registration) in clusters.into_values().flatten() {
        let Some(attempt) = attempts.get_mut(&index) else { continue };
        let (mut found, mut absent) = (Vec::new(), BTreeSet::new());
        for Task { arn, .. } in running(registration) {
            match described.found.get(arn) {
                Some(task) => found.push(task.clone()),
                None if described.absent.contains(arn) => {
                    absent.insert(arn.clone());
                }
                None => attempt.error = Some(described.why_not(arn)),
            }
        }
        if attempt.error.is_none() {
            let arn = registration.arn.clone();
            attempt.findings.push(Finding::Stragglers { arn, found, absent, read_at });
        }
    }
    attempts.into_values().collect()
}

/// Whether the services that own tasks on each are daemons.
pub(super) async fn services<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    indexes: &[usize],
) -> Vec<Attempt> {
    let clusters = by_cluster(drainees, indexes);
    let names = |readers: &Vec<Reader<'_>>| -> Vec<ServiceName> {
        let names: BTreeSet<_> = readers.iter().flat_map(|(_, registration)| registration.unknown_services()).collect();
        names.into_iter().collect()
    };
    let wanted: Vec<(&ClusterName, Vec<ServiceName>)> = clusters.iter().map(|(c, r)| (*c, names(r))).collect();
    let requests = wanted.iter().map(|(cluster, names)| batch::services(context.calls, cluster, names));
    let mut attempts = attempts(indexes, Try::Services);
    for (readers, answers) in clusters.into_values().zip(few_at_once(requests).await) {
        let told = answers.found.into_iter().map(|Service { name, is_daemon }| (name, is_daemon));
        // A service that is gone keeps nothing any more.
        let told: BTreeMap<_, _> = told.chain(answers.absent.into_iter().map(|name| (name, false))).collect();
        answers.unknown.iter().for_each(|unknown| log_failure("describing services", &unknown.error));
        let error = answers.unknown.first().map(|unknown| unknown.error.to_string());
        for (index, registration) in readers {
            let Some(attempt) = attempts.get_mut(&index) else { continue };
            let wanted = registration.unknown_services();
            if wanted.iter().any(|name| !told.contains_key(name)) {
                attempt.error.clone_from(&error);
            }
            let daemons =
                told.iter().filter(|(name, _)| wanted.contains(*name)).map(|(n, d)| (n.clone(), *d)).collect();
            attempt.findings.push(Finding::Services(registration.arn.clone(), daemons));
        }
    }
    attempts.into_values().collect()
}

/// In the order of `indexes`, which is that of urgency.
fn by_cluster<'a>(drainees: &'a [Drainee], indexes: &'a [usize]) -> BTreeMap<&'a ClusterName, Vec<Reader<'a>>> {
    let mut clusters: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (index, known) in chosen(drainees, indexes) {
        for registration in &known.registrations {
            clusters.entry(&registration.cluster).or_default().push((index, registration));
        }
    }
    clusters
}

async fn listings<'a, C: Calls>(
    context: &Context<'_, C>,
    clusters: BTreeMap<&'a ClusterName, Vec<Reader<'a>>>,
) -> Vec<Listing<'a>> {
    let requests = clusters.iter().map(|(cluster, readers)| of_cluster(context, cluster, readers.len()));
    let of_clusters = few_at_once(requests).await;
    let (mut listings, mut alone) = (Vec::new(), Vec::new());
    for (readers, listed) in clusters.into_values().zip(of_clusters) {
        match listed {
            Some((read_at, listed)) => listings.push(Listing { readers, of_cluster: true, read_at, listed }),
            None => alone.extend(readers),
        }
    }
    alone.truncate(HOST_LISTS_A_ROUND);
    let requests = alone.into_iter().map(|reader| async move {
        let read_at = context.clock.now();
        let listed = batch::tasks_on(context.calls, &reader.1.cluster, &reader.1.arn).await;
        Listing { readers: vec![reader], of_cluster: false, read_at, listed }
    });
    listings.extend(few_at_once(requests).await);
    listings
}

/// A cluster's whole lists, unless those of its `hosts` that are wanted take fewer requests: a page takes two, its own and
/// the description of its tasks, and so does a host, for it has two lists.
async fn of_cluster<C: Calls>(
    context: &Context<'_, C>,
    cluster: &ClusterName,
    hosts: usize,
) -> Option<(Timestamp, Result<BTreeSet<TaskArn>, CallError>)> {
    if context.remembered.task_pages(cluster) > hosts {
        return None;
    }
    let read_at = context.clock.now();
    match batch::tasks_in(context.calls, cluster, hosts).await {
        Ok(ClusterTasks::All(listed, pages)) => {
            context.remembered.remember_task_pages(cluster, pages);
            Some((read_at, Ok(listed)))
        }
        Ok(ClusterTasks::TooMany) => {
            context.remembered.remember_task_pages(cluster, hosts + 1);
            None
        }
        Err(error) => Some((read_at, Err(error))),
    }
}

fn known(registration: &Registration) -> impl Iterator<Item = &Task> {
    registration.tasks.iter().flat_map(|tasks| tasks.each.values())
}

fn running(registration: &Registration) -> impl Iterator<Item = &Task> {
    known(registration).filter(|task| !task.is_stopped())
}

fn stopped(registration: &Registration) -> impl Iterator<Item = &Task> {
    known(registration).filter(|task| task.is_stopped())
}

impl<'a> Listing<'a> {
    /// Tasks listed, and tasks that were not STOPPED when last seen though no list has them any more.
    fn to_describe(&self) -> BTreeSet<TaskArn> {
        let Ok(listed) = &self.listed else { return BTreeSet::new() };
        let mut wanted = listed.clone();
        for (_, registration) in &self.readers {
            wanted.extend(running(registration).map(|task| task.arn.clone()));
            stopped(registration).for_each(|task| {
                wanted.remove(&task.arn);
            });
        }
        wanted
    }

    /// The share of each registration. A task that is listed and that nobody describes may run, on any of the hosts that
    /// it was listed for.
    fn shares(&self, described: &Described) -> Vec<(Reader<'a>, Share)> {
        let failed = |error: String| self.readers.iter().map(|reader| (*reader, Err(error.clone()))).collect();
        let listed = match &self.listed {
            Ok(listed) => listed,
            Err(error) => return failed(error.to_string()),
        };
        let wanted = self.to_describe();
        if let Some(arn) = listed.intersection(&wanted).find(|arn| !described.found.contains_key(*arn)) {
            return failed(described.why_not(arn));
        }
        let mut on_each: BTreeMap<Option<&ContainerInstanceArn>, Vec<&Task>> = BTreeMap::new();
        for task in wanted.iter().filter_map(|arn| described.found.get(arn)) {
            let host = task.container_instance.as_ref().filter(|_| self.of_cluster);
            on_each.entry(host).or_default().push(task);
        }
        let each = |registration: &Registration| {
            let unknown =
                |task: &&Task| !described.found.contains_key(&task.arn) && !described.absent.contains(&task.arn);
            if let Some(task) = running(registration).find(unknown) {
                return Err(described.why_not(&task.arn));
            }
            let here = on_each.get(&self.of_cluster.then_some(&registration.arn)).into_iter().flatten().copied();
            Ok(here.chain(stopped(registration)).map(|task| (task.arn.clone(), task.clone())).collect())
        };
        self.readers.iter().map(|reader| (*reader, each(reader.1))).collect()
    }
}

/// What DescribeTasks said, of all clusters asked.
#[derive(Default)]
struct Described {
    found: BTreeMap<TaskArn, Task>,
    absent: BTreeSet<TaskArn>,
    errors: BTreeMap<TaskArn, String>,
}

impl Described {
    fn why_not(&self, arn: &TaskArn) -> String {
        let absent = || format!("DescribeTasks knows nothing of {arn}, though it is listed");
        self.errors.get(arn).cloned().unwrap_or_else(absent)
    }
}

async fn describe<C: Calls>(context: &Context<'_, C>, wanted: BTreeMap<&ClusterName, BTreeSet<TaskArn>>) -> Described {
    let wanted: Vec<(_, Vec<_>)> =
        wanted.into_iter().map(|(cluster, arns)| (cluster, arns.into_iter().collect())).collect();
    let requests = wanted.iter().map(|(cluster, arns)| batch::tasks(context.calls, cluster, arns));
    let mut described = Described::default();
    for answers in few_at_once(requests).await {
        for unknown in answers.unknown {
            log_failure("describing tasks", &unknown.error);
            described.errors.extend(unknown.keys.into_iter().map(|arn| (arn, unknown.error.to_string())));
        }
        described.found.extend(answers.found.into_iter().map(|task| (task.arn.clone(), task)));
        described.absent.extend(answers.absent);
    }
    described
}

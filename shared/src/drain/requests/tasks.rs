//! Reads of tasks: every one on each host, those that had not stopped, and what kind of services own them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::timeout;

use super::answer::{Answer, Finding, answers};
use super::listing::{Listed, Listings, Reader, Unit};
use super::plan::{self, Lists};
use crate::aws::batch::{self, errors_by_key, few_at_once, until_throttled};
use crate::aws::{CallError, Calls, Service};
use crate::drain::context::Context;
use crate::drain::drainee::{Drainee, chosen};
use crate::drain::facts::log::log_failure;
use crate::drain::facts::patience::Request;
use crate::ids::{ClusterName, ServiceName, TaskArn};

/// Hosts whose own lists are read before it is asked again what is urgent: slow lists may take seconds.
const HOST_LISTS_A_ROUND: usize = 40;
/// To know the daemons is worth no longer a wait: some task's StopTask may stand behind it.
const SERVICES_PATIENCE: Duration = Duration::from_secs(2);

/// Every task on each, described a hundred at a time across the hosts of a cluster. A task once seen STOPPED is not
/// asked about again. A cluster's whole lists tell of every host in it that drains, whether or not it asked.
pub(crate) async fn every<C: Calls>(
    context: &Context<'_, C>,
    listings: &Listings,
    drainees: &[Drainee],
    indexes: &[usize],
) -> Vec<Answer> {
    if !listings.may_be_asked(context.clock.now()) {
        return indexes.iter().map(|index| Answer::held_back(*index, Request::Tasks)).collect();
    }
    if indexes.is_empty() {
        return Vec::new();
    }
    let (mut of_clusters, mut of_hosts, mut answers) = (Vec::new(), Vec::new(), BTreeMap::new());
    let asking: BTreeSet<_> = indexes.iter().copied().collect();
    let others = drainees.iter().enumerate().filter(|(index, d)| !d.is_settled() && !asking.contains(index));
    let others: Vec<_> = others.map(|(index, _)| index).collect();
    for (cluster, asked) in readers(drainees, indexes) {
        let draining = |(_, r): &Reader<'_>| r.cluster == *cluster && r.is_draining();
        let riders: Vec<_> = registrations(drainees, &others).filter(draining).collect();
        let unit = Unit { scope: (cluster.clone(), None), asked, riders };
        match plan::lists(listings.wish(context, &unit)) {
            Lists::Cluster => of_clusters.push(unit),
            Lists::Hosts => of_hosts.extend(unit.asked),
        }
    }
    let listed = few_at_once(of_clusters.iter().map(|unit| listings.go_on(context, unit))).await;
    for (unit, listed) in of_clusters.into_iter().zip(listed) {
        take_listed(listings, &unit, listed, &mut answers);
    }
    of_hosts.truncate(HOST_LISTS_A_ROUND);
    let of_hosts: Vec<_> = of_hosts.into_iter().map(Unit::of_host).collect();
    let lists = of_hosts.iter().map(|unit| listings.list_host(context, unit));
    let listed = until_throttled(lists, |listed| listed.is_throttled()).await;
    let whole = of_hosts.iter().zip(&listed).filter(|(_, listed)| matches!(listed, Some(Listed::Whole)));
    let mut errors = listings.describe_hosts(context, &whole.map(|(unit, _)| unit).collect::<Vec<_>>()).await;
    for (unit, listed) in of_hosts.iter().zip(listed) {
        match (listed, errors.remove(&unit.scope)) {
            (None, _) => {
                answers.extend(unit.asked.iter().map(|(index, _)| (*index, Answer::held_back(*index, Request::Tasks))))
            }
            // What was listed is kept, and what was described, too.
            (Some(_), Some(error)) => {
                take_listed(listings, unit, Listed::Failed { error, progressed: false }, &mut answers)
            }
            (Some(listed), None) => take_listed(listings, unit, listed, &mut answers),
        }
    }
    if answers.values().any(|answer| answer.held_back || answer.is_throttled()) {
        listings.hold_back(context.clock.now());
    }
    answers.into_values().collect()
}

/// What a listing's round told, for each host that it serves.
fn take_listed(listings: &Listings, unit: &Unit<'_>, listed: Listed, answers: &mut BTreeMap<usize, Answer>) {
    let (concluded, error, progressed) = match listed {
        Listed::Whole => (listings.conclude(unit), None, true),
        Listed::UnderWay => (Vec::new(), None, true),
        Listed::Failed { error, progressed } => (Vec::new(), Some(error), progressed),
    };
    let new = |index| Answer::new(index, Request::Tasks);
    for (index, _) in &unit.asked {
        let answer = answers.entry(*index).or_insert_with(|| new(*index));
        answer.error = error.clone().or(answer.error.take());
        answer.progressed |= progressed;
    }
    for (index, finding) in concluded {
        answers.entry(index).or_insert_with(|| new(index)).findings.push(finding);
    }
}

/// What became of those tasks that had not stopped when they were last seen: no list is read for it.
pub(crate) async fn stragglers<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    indexes: &[usize],
) -> Vec<Answer> {
    let read_at = context.clock.now();
    let clusters = readers(drainees, indexes);
    let wanted: Vec<(&ClusterName, Vec<TaskArn>)> = clusters
        .iter()
        .map(|(cluster, readers)| {
            let tasks: BTreeSet<_> = readers.iter().flat_map(|(_, r)| r.unstopped()).map(|task| &task.arn).collect();
            (*cluster, tasks.into_iter().cloned().collect())
        })
        .collect();
    let requests = wanted.iter().map(|(cluster, arns)| batch::tasks(context.calls, cluster, arns));
    let mut answers = answers(indexes, Request::Tasks);
    for (readers, told) in clusters.into_values().zip(few_at_once(requests).await) {
        let found: BTreeMap<_, _> = told.found.iter().map(|task| (&task.arn, task)).collect();
        told.unknown.iter().for_each(|unknown| log_failure("describing tasks", &unknown.error));
        let errors = errors_by_key(told.unknown);
        let absent: BTreeSet<_> = told.absent.iter().collect();
        for (index, registration) in readers {
            let Some(answer) = answers.get_mut(&index) else { continue };
            let mine: Vec<_> = registration.unstopped().map(|task| &task.arn).collect();
            if let Some(error) = mine.iter().find_map(|arn| errors.get(*arn)) {
                answer.error = Some(error.clone());
                continue;
            }
            let (arn, absent) = (registration.arn.clone(), mine.iter().filter(|arn| absent.contains(*arn)));
            let absent = absent.map(|arn| (*arn).clone()).collect();
            let found = mine.iter().filter_map(|arn| found.get(arn)).map(|task| (*task).clone()).collect();
            answer.findings.push(Finding::Stragglers { arn, found, absent, read_at });
        }
    }
    answers.into_values().collect()
}

/// Whether the services that own tasks on each are daemons.
pub(crate) async fn services<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    indexes: &[usize],
) -> Vec<Answer> {
    let clusters = readers(drainees, indexes);
    let names = |readers: &Vec<Reader<'_>>| -> Vec<ServiceName> {
        let names: BTreeSet<_> = readers.iter().flat_map(|(_, registration)| registration.unknown_services()).collect();
        names.into_iter().collect()
    };
    let wanted: Vec<(&ClusterName, Vec<ServiceName>)> = clusters.iter().map(|(c, r)| (*c, names(r))).collect();
    let requests = wanted
        .iter()
        .map(|(cluster, names)| timeout(SERVICES_PATIENCE, batch::services(context.calls, cluster, names)));
    let mut answers = answers(indexes, Request::Services);
    for (readers, told) in clusters.into_values().zip(few_at_once(requests).await) {
        let (told, error) = match told {
            Ok(mut told) => {
                told.unknown.iter().for_each(|unknown| log_failure("describing services", &unknown.error));
                let error = (!told.unknown.is_empty()).then(|| told.unknown.swap_remove(0).error);
                let kinds = told.found.into_iter().map(|Service { name, is_daemon, .. }| (name, is_daemon));
                // A service that is gone keeps nothing any more.
                let kinds = kinds.chain(told.absent.into_iter().map(|name| (name, false)));
                (kinds.collect(), error)
            }
            Err(too_long) => {
                let error = CallError::NoAnswer { operation: "DescribeServices", source: Box::new(too_long) };
                (BTreeMap::new(), Some(error))
            }
        };
        let error = error.map(Rc::new);
        for (index, registration) in readers {
            let Some(answer) = answers.get_mut(&index) else { continue };
            let wanted = registration.unknown_services();
            if wanted.iter().any(|name| !told.contains_key(name)) {
                answer.error.clone_from(&error);
            }
            let daemons =
                told.iter().filter(|(name, _)| wanted.contains(*name)).map(|(n, d)| (n.clone(), *d)).collect();
            answer.findings.push(Finding::Services(registration.arn.clone(), daemons));
        }
    }
    answers.into_values().collect()
}

fn registrations<'a>(drainees: &'a [Drainee], indexes: &'a [usize]) -> impl Iterator<Item = Reader<'a>> {
    chosen(drainees, indexes)
        .flat_map(|(index, known)| known.registrations.iter().map(move |registration| (index, registration)))
}

/// By cluster, and in the order of `indexes`, which is that of urgency.
fn readers<'a>(drainees: &'a [Drainee], indexes: &'a [usize]) -> BTreeMap<&'a ClusterName, Vec<Reader<'a>>> {
    let mut clusters: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (index, registration) in registrations(drainees, indexes) {
        clusters.entry(&registration.cluster).or_default().push((index, registration));
    }
    clusters
}

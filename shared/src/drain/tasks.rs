//! Reads of tasks: of a whole cluster's lists or each host's own, whichever takes fewer requests, and of what they name.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::attempt::{Attempt, Finding};
use super::deadlines::older_than;
use super::known::Registration;
use super::observe::{attempts, chosen};
use super::tries::Try;
use super::{Context, Drainee, log_failure};
use crate::aws::batch::{self, DESCRIBE_MAX, few_at_once, until_throttled};
use crate::aws::listing::TaskListing;
use crate::aws::{CallError, Calls, DesiredStatus, ErrorClass, InstanceStatus, Service, Task};
use crate::ids::{ClusterName, ContainerInstanceArn, ServiceName, TaskArn};

/// Hosts whose own lists are read before anybody asks again what is urgent: slow lists may take seconds.
const HOST_LISTS_A_ROUND: usize = 40;
/// A listing that has come no further by then begins anew: what it listed first is old.
const LISTING_VALID_FOR: Duration = Duration::from_secs(60);
/// Of a cluster in which many hosts are about to be empty the lists are read no more often than this, for all of them.
const LISTING_PAUSE: Duration = Duration::from_secs(5);
/// Tasks of other hosts that are not described again: as many as a large cluster has, in a few megabytes.
const ELSEWHERE_MAX: usize = 20_000;
/// Who may be a daemon is worth no longer a wait: some task's StopTask may stand behind it.
const SERVICES_PATIENCE: Duration = Duration::from_secs(2);

/// A registration whose tasks are read, and whose it is, by index.
type Reader<'a> = (usize, &'a Registration);

/// Whose tasks are listed: a container instance's, or a whole cluster's.
type Scope = (ClusterName, Option<ContainerInstanceArn>);

/// The listings of a run, which are gone on with from round to round.
#[derive(Debug, Default)]
pub(super) struct Listings {
    under_way: RefCell<BTreeMap<Scope, Listing>>,
    /// Where tasks are that a cluster's lists named for nobody who read them: a task never moves.
    elsewhere: RefCell<BTreeMap<TaskArn, ContainerInstanceArn>>,
    /// When each cluster's lists were last read to their end.
    read_at: RefCell<BTreeMap<ClusterName, Timestamp>>,
    /// Clusters whose whole lists gave no answer on every task.
    unsuited: RefCell<BTreeSet<ClusterName>>,
}

#[derive(Debug)]
struct Listing {
    began_at: Timestamp,
    tasks: TaskListing,
    described: BTreeMap<TaskArn, Task>,
    absent: BTreeSet<TaskArn>,
}

/// How far a listing came.
enum Listed {
    Whole,
    /// It has more pages than are worth reading.
    TooLong,
    Failed {
        error: CallError,
        /// Some pages were read before.
        progressed: bool,
    },
}

/// Who wants to read what.
struct Unit<'a> {
    scope: Scope,
    /// Those who asked.
    asked: Vec<Reader<'a>>,
    /// Others on whom the same lists tell.
    riders: Vec<Reader<'a>>,
}

/// Every task on each, described a hundred at a time across the hosts of a cluster. A task once seen STOPPED is not
/// asked about again. A cluster's whole lists tell of every host in it that drains, whether or not it asked.
pub(super) async fn every<C: Calls>(
    context: &Context<'_, C>,
    listings: &Listings,
    drainees: &[Drainee],
    indexes: &[usize],
) -> Vec<Attempt> {
    if indexes.is_empty() {
        return Vec::new();
    }
    let (mut of_clusters, mut of_hosts, mut attempts) = (Vec::new(), Vec::new(), BTreeMap::new());
    let asking: BTreeSet<_> = indexes.iter().copied().collect();
    let others = drainees.iter().enumerate().filter(|(index, d)| d.settled.is_none() && !asking.contains(index));
    let others: Vec<_> = others.map(|(index, _)| index).collect();
    for (cluster, asked) in readers(drainees, indexes) {
        let draining = |(_, r): &Reader<'_>| r.cluster == *cluster && r.status == InstanceStatus::Draining;
        let riders: Vec<_> = registrations(drainees, &others).filter(draining).collect();
        let unit = Unit { scope: (cluster.clone(), None), asked, riders };
        match listings.suit(context, cluster, &unit) {
            Suits::Yes => of_clusters.push(unit),
            Suits::No => of_hosts.extend(unit.asked),
            Suits::Later => attempts.extend(unit.asked.iter().map(|(index, _)| (*index, held_back(*index)))),
        }
    }
    let lists = of_clusters.iter().map(|unit| listings.list(context, &unit.scope, unit.served()));
    let listed = few_at_once(lists).await;
    let mut units = Vec::new();
    for (unit, listed) in of_clusters.into_iter().zip(listed) {
        match listed {
            Listed::TooLong => of_hosts.extend(unit.asked),
            // The right to list a container instance's tasks is not the right to list a cluster's.
            Listed::Failed { error, .. } if error.class() == ErrorClass::Denied => {
                log_failure("listing a cluster's tasks", &error);
                listings.unsuited.borrow_mut().insert(unit.scope.0);
                of_hosts.extend(unit.asked);
            }
            listed => units.push((unit, listed)),
        }
    }
    of_hosts.truncate(HOST_LISTS_A_ROUND);
    let of_hosts: Vec<_> = of_hosts.into_iter().map(Unit::of_host).collect();
    let lists = of_hosts.iter().map(|unit| listings.list(context, &unit.scope, usize::MAX));
    let listed = until_throttled(lists, |listed| listed.is_throttled()).await;
    for (unit, listed) in of_hosts.into_iter().zip(listed) {
        match listed {
            Some(listed) => units.push((unit, listed)),
            None => attempts.extend(unit.asked.iter().map(|(index, _)| (*index, held_back(*index)))),
        }
    }

    let errors = listings.describe(context, &units).await;
    for (unit, listed) in units {
        let throttled = listed.is_throttled();
        let (error, progressed) = match listed {
            Listed::Failed { error, progressed } => {
                log_failure("listing tasks", &error);
                (Some(error.to_string()), progressed)
            }
            // What was described is kept, too.
            _ => (listings.trouble(&unit, &errors), true),
        };
        match error {
            Some(error) => {
                for (index, _) in unit.asked {
                    let attempt = attempts.entry(index).or_insert_with(|| Attempt::new(index, Try::Tasks));
                    (attempt.error, attempt.progressed) = (Some(error.clone()), progressed);
                    attempt.throttled = throttled;
                }
            }
            None => {
                if unit.scope.1.is_none() {
                    listings.read_at.borrow_mut().insert(unit.scope.0.clone(), context.clock.now());
                }
                for (index, finding) in listings.conclude(&unit) {
                    let attempt = attempts.entry(index).or_insert_with(|| Attempt::new(index, Try::Tasks));
                    attempt.findings.push(finding);
                }
            }
        }
    }
    attempts.into_values().collect()
}

fn held_back(index: usize) -> Attempt {
    Attempt::held_back(index, Try::Tasks)
}

impl Listed {
    fn is_throttled(&self) -> bool {
        matches!(self, Self::Failed { error, .. } if error.class() == ErrorClass::Throttled)
    }
}

/// Whether a cluster's whole lists are to be read.
enum Suits {
    Yes,
    /// They were read a moment ago; more hosts will ask for the next time.
    Later,
    No,
}

impl<'a> Unit<'a> {
    /// How many need the lists, now or soon.
    fn served(&self) -> usize {
        self.asked.len() + self.riders.iter().filter(|(_, registration)| registration.counted_tasks == 0).count()
    }

    fn of_host(reader: Reader<'a>) -> Self {
        let (_, registration) = reader;
        let scope = (registration.cluster.clone(), Some(registration.arn.clone()));
        Self { scope, asked: vec![reader], riders: Vec::new() }
    }

    fn readers(&self) -> impl Iterator<Item = Reader<'a>> {
        self.asked.iter().chain(&self.riders).copied()
    }
}

impl Listings {
    /// Whether a cluster's whole lists take fewer requests than those of the hosts that need them: a page takes two, its
    /// own and the description of its tasks, and so does a host, for it has two lists.
    fn suit<C>(&self, context: &Context<'_, C>, cluster: &ClusterName, unit: &Unit<'_>) -> Suits {
        let now = context.clock.now();
        let under_way = self.under_way.borrow();
        let half_read =
            under_way.get(&(cluster.clone(), None)).filter(|it| !older_than(it.began_at, LISTING_VALID_FOR, now));
        let left = context.remembered.task_pages(cluster).saturating_sub(half_read.map_or(0, |it| it.tasks.pages()));
        if left > unit.served() || self.unsuited.borrow().contains(cluster) {
            return Suits::No;
        }
        let just_read = self.read_at.borrow().get(cluster).is_some_and(|at| !older_than(*at, LISTING_PAUSE, now));
        if half_read.is_none() && just_read && left > unit.asked.len() { Suits::Later } else { Suits::Yes }
    }

    /// Goes on with a listing, by `pages` at most.
    async fn list<C: Calls>(&self, context: &Context<'_, C>, scope: &Scope, pages: usize) -> Listed {
        let now = context.clock.now();
        let begin = || Listing {
            began_at: now,
            tasks: TaskListing::new(scope.1.clone()),
            described: BTreeMap::new(),
            absent: BTreeSet::new(),
        };
        {
            let mut under_way = self.under_way.borrow_mut();
            let listing = under_way.entry(scope.clone()).or_insert_with(begin);
            if older_than(listing.began_at, LISTING_VALID_FOR, now) {
                *listing = begin();
            }
        }
        for read in 0..pages {
            let next = self.of(scope, |listing| {
                let page = listing.tasks.next()?;
                Some((listing.tasks.request(context.calls, &scope.0, &page), page))
            });
            let Some(Some((request, page))) = next else { break };
            match Box::pin(request).await {
                Ok(found) => {
                    self.of(scope, |listing| listing.tasks.take(&page, found));
                }
                Err(error) => {
                    if error.blames_the_request() {
                        // Its token, perhaps; and a cluster or host that is not there has no listing either.
                        self.under_way.borrow_mut().remove(scope);
                    }
                    return Listed::Failed { error, progressed: read > 0 };
                }
            }
        }
        let read = self.of(scope, |listing| (listing.tasks.next().is_none(), listing.tasks.pages()));
        let (whole, read) = read.unwrap_or_default();
        if scope.1.is_none() {
            // One that is not at its end may be as long again: to try page by page would read the first ones ever anew.
            context.remembered.remember_task_pages(&scope.0, if whole { read } else { read * 2 });
        }
        if whole { Listed::Whole } else { Listed::TooLong }
    }

    fn of<T>(&self, scope: &Scope, f: impl FnOnce(&mut Listing) -> T) -> Option<T> {
        self.under_way.borrow_mut().get_mut(scope).map(f)
    }

    /// Describes what whole listings name, except for what is known; answers why some of it could not be.
    async fn describe<C: Calls>(
        &self,
        context: &Context<'_, C>,
        units: &[(Unit<'_>, Listed)],
    ) -> BTreeMap<TaskArn, String> {
        let whole = units.iter().filter(|(_, listed)| matches!(listed, Listed::Whole));
        let whole: Vec<_> = whole.map(|(unit, _)| (&unit.scope, self.undescribed(unit))).collect();
        let mut wanted: BTreeMap<&ClusterName, BTreeSet<&TaskArn>> = BTreeMap::new();
        for (scope, undescribed) in &whole {
            wanted.entry(&scope.0).or_default().extend(undescribed);
        }
        let wanted: Vec<(_, Vec<_>)> =
            wanted.into_iter().map(|(cluster, arns)| (cluster, arns.into_iter().cloned().collect())).collect();
        let whole = &whole;
        let chunks =
            wanted.iter().flat_map(|(cluster, arns)| arns.chunks(DESCRIBE_MAX).map(move |chunk| (cluster, chunk)));
        let requests = chunks.map(|(cluster, chunk)| async move {
            let answers = batch::tasks(context.calls, cluster, chunk).await;
            for (scope, mine) in whole.iter().filter(|(scope, _)| scope.0 == **cluster) {
                self.of(scope, |listing| {
                    let found = answers.found.iter().filter(|task| mine.contains(&task.arn));
                    listing.described.extend(found.map(|task| (task.arn.clone(), task.clone())));
                    listing.absent.extend(answers.absent.iter().filter(|arn| mine.contains(*arn)).cloned());
                });
            }
            answers.unknown
        });
        let mut errors = BTreeMap::new();
        for unknown in few_at_once(requests).await.into_iter().flatten() {
            log_failure("describing tasks", &unknown.error);
            errors.extend(unknown.keys.into_iter().map(|arn| (arn, unknown.error.to_string())));
        }
        errors
    }

    /// Tasks listed, and tasks that were not STOPPED when last seen though no list has them any more.
    fn wanted(&self, unit: &Unit<'_>) -> BTreeSet<TaskArn> {
        let listed = self.of(&unit.scope, |listing| listing.tasks.listed().keys().cloned().collect());
        let mut wanted: BTreeSet<TaskArn> = listed.unwrap_or_default();
        if unit.scope.1.is_none() {
            let hosts: BTreeSet<_> = unit.readers().map(|(_, registration)| &registration.arn).collect();
            let elsewhere = self.elsewhere.borrow();
            wanted.retain(|arn| elsewhere.get(arn).is_none_or(|host| hosts.contains(host)));
        }
        for (_, registration) in unit.readers() {
            wanted.extend(unstopped(registration).map(|task| task.arn.clone()));
            stopped(registration).for_each(|task| {
                wanted.remove(&task.arn);
            });
        }
        wanted
    }

    fn undescribed(&self, unit: &Unit<'_>) -> BTreeSet<TaskArn> {
        let mut wanted = self.wanted(unit);
        self.of(&unit.scope, |listing| {
            wanted.retain(|arn| !listing.described.contains_key(arn) && !listing.absent.contains(arn));
        });
        wanted
    }

    /// Why a whole listing does not tell of every task: one that is listed and that nobody describes may run. In a
    /// cluster's list of what should not run, though, one that is not known any more stopped an hour ago.
    fn trouble(&self, unit: &Unit<'_>, errors: &BTreeMap<TaskArn, String>) -> Option<String> {
        if let Some(arn) = self.undescribed(unit).first() {
            return Some(errors.get(arn).cloned().unwrap_or_else(|| format!("nobody described {arn}")));
        }
        let of_cluster = unit.scope.1.is_none();
        let listing = self.of(&unit.scope, |listing| {
            let odd = |arn: &&TaskArn| match listing.tasks.listed().get(*arn) {
                Some(DesiredStatus::Running) => true,
                Some(DesiredStatus::Stopped) => !of_cluster,
                None => false,
            };
            listing.absent.iter().find(odd).cloned()
        });
        let odd = listing.flatten()?;
        self.under_way.borrow_mut().remove(&unit.scope);
        if of_cluster {
            self.unsuited.borrow_mut().insert(unit.scope.0.clone());
        }
        Some(format!("DescribeTasks knows nothing of {odd}, though it is listed"))
    }

    /// The share of each registration in a listing of which every task is described.
    fn conclude(&self, unit: &Unit<'_>) -> Vec<(usize, Finding)> {
        let wanted = self.wanted(unit);
        let Some(listing) = self.under_way.borrow_mut().remove(&unit.scope) else { return Vec::new() };
        let of_cluster = unit.scope.1.is_none();
        let mut on_each: BTreeMap<Option<&ContainerInstanceArn>, Vec<&Task>> = BTreeMap::new();
        for task in wanted.iter().filter_map(|arn| listing.described.get(arn)) {
            let host = task.container_instance.as_ref().filter(|_| of_cluster);
            on_each.entry(host).or_default().push(task);
        }
        let share = |registration: &Registration| {
            let here = on_each.get(&of_cluster.then_some(&registration.arn)).into_iter().flatten().copied();
            let each = here.chain(stopped(registration)).map(|task| (task.arn.clone(), task.clone())).collect();
            Finding::Tasks { arn: registration.arn.clone(), each, read_at: listing.began_at }
        };
        let shares = unit.readers().map(|(index, registration)| (index, share(registration))).collect();
        if of_cluster {
            let hosts: BTreeSet<_> = unit.readers().map(|(_, registration)| &registration.arn).collect();
            let mut elsewhere = self.elsewhere.borrow_mut();
            if elsewhere.len() > ELSEWHERE_MAX {
                elsewhere.clear();
            }
            for (host, tasks) in on_each {
                let Some(host) = host.filter(|host| !hosts.contains(host)) else { continue };
                elsewhere.extend(tasks.into_iter().map(|task| (task.arn.clone(), host.clone())));
            }
        }
        shares
    }
}

/// What became of those tasks that had not stopped when they were last seen: no list is read for it.
pub(super) async fn stragglers<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    indexes: &[usize],
) -> Vec<Attempt> {
    let read_at = context.clock.now();
    let clusters = readers(drainees, indexes);
    let wanted: Vec<(&ClusterName, Vec<TaskArn>)> = clusters
        .iter()
        .map(|(cluster, readers)| {
            let tasks: BTreeSet<_> = readers.iter().flat_map(|(_, r)| unstopped(r)).map(|task| &task.arn).collect();
            (*cluster, tasks.into_iter().cloned().collect())
        })
        .collect();
    let requests = wanted.iter().map(|(cluster, arns)| batch::tasks(context.calls, cluster, arns));
    let mut attempts = attempts(indexes, Try::Tasks);
    for (readers, answers) in clusters.into_values().zip(few_at_once(requests).await) {
        let found: BTreeMap<_, _> = answers.found.iter().map(|task| (&task.arn, task)).collect();
        let mut errors = BTreeMap::new();
        for unknown in &answers.unknown {
            log_failure("describing tasks", &unknown.error);
            errors.extend(unknown.keys.iter().map(|arn| (arn, &unknown.error)));
        }
        for (index, registration) in readers {
            let Some(attempt) = attempts.get_mut(&index) else { continue };
            let mine: Vec<_> = unstopped(registration).map(|task| &task.arn).collect();
            if let Some(error) = mine.iter().find_map(|arn| errors.get(arn)) {
                attempt.fail(error);
                continue;
            }
            let (arn, absent) = (registration.arn.clone(), answers.absent.iter().filter(|arn| mine.contains(arn)));
            let absent = absent.cloned().collect();
            let found = mine.iter().filter_map(|arn| found.get(arn)).map(|task| (*task).clone()).collect();
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
    let clusters = readers(drainees, indexes);
    let names = |readers: &Vec<Reader<'_>>| -> Vec<ServiceName> {
        let names: BTreeSet<_> = readers.iter().flat_map(|(_, registration)| registration.unknown_services()).collect();
        names.into_iter().collect()
    };
    let wanted: Vec<(&ClusterName, Vec<ServiceName>)> = clusters.iter().map(|(c, r)| (*c, names(r))).collect();
    let requests = wanted
        .iter()
        .map(|(cluster, names)| timeout(SERVICES_PATIENCE, batch::services(context.calls, cluster, names)));
    let mut attempts = attempts(indexes, Try::Services);
    for (readers, answers) in clusters.into_values().zip(few_at_once(requests).await) {
        let (told, error) = match answers {
            Ok(answers) => {
                answers.unknown.iter().for_each(|unknown| log_failure("describing services", &unknown.error));
                let told = answers.found.into_iter().map(|Service { name, is_daemon, .. }| (name, is_daemon));
                // A service that is gone keeps nothing any more.
                let told = told.chain(answers.absent.into_iter().map(|name| (name, false)));
                (told.collect(), answers.unknown.first().map(|unknown| unknown.error.to_string()))
            }
            Err(_) => (BTreeMap::new(), Some("DescribeServices took too long".to_owned())),
        };
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

fn unstopped(registration: &Registration) -> impl Iterator<Item = &Task> {
    registration.tasks().filter(|task| !task.is_stopped())
}

fn stopped(registration: &Registration) -> impl Iterator<Item = &Task> {
    registration.tasks().filter(|task| task.is_stopped())
}

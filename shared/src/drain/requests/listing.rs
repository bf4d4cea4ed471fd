//! Listings of tasks, a whole cluster's or a host's: read page by page, gone on with from round to round, and described.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use super::answer::Finding;
use super::hosts::errors_by_key;
use super::plan::Wish;
use crate::aws::batch::{self, DESCRIBE_MAX, few_at_once};
use crate::aws::listing::TaskListing;
use crate::aws::{CallError, Calls, DesiredStatus, Task};
use crate::clock::older_than;
use crate::drain::context::Context;
use crate::drain::facts::log::log_failure;
use crate::drain::facts::registration::Registration;
use crate::ids::{ClusterName, ContainerInstanceArn, TaskArn};

/// A listing that has come no further by then begins anew: what it listed first is old.
const LISTING_VALID_FOR: Duration = Duration::from_secs(60);
/// Tasks of other hosts that are not described again: as many as a large cluster has, in a few megabytes.
const ELSEWHERE_MAX: usize = 20_000;

/// A registration whose tasks are read, and whose it is, by index.
pub(super) type Reader<'a> = (usize, &'a Registration);

/// Whose tasks are listed: a container instance's, or a whole cluster's.
pub(super) type Scope = (ClusterName, Option<ContainerInstanceArn>);

/// The listings of a run, which are gone on with from round to round.
#[derive(Debug, Default)]
pub(crate) struct Listings {
    under_way: RefCell<BTreeMap<Scope, Listing>>,
    /// Where tasks are that a cluster's lists named, of hosts that no unit served: a task never moves.
    elsewhere: RefCell<BTreeMap<TaskArn, ContainerInstanceArn>>,
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
pub(super) enum Listed {
    Whole,
    /// It has more pages than are worth reading.
    TooLong,
    Failed {
        error: CallError,
        /// Some pages were read before.
        progressed: bool,
    },
}

/// A listing, and the hosts that it serves.
pub(super) struct Unit<'a> {
    pub(super) scope: Scope,
    /// Those that asked.
    pub(super) asked: Vec<Reader<'a>>,
    /// Others; the same lists tell of their tasks, too.
    pub(super) riders: Vec<Reader<'a>>,
}

impl<'a> Unit<'a> {
    /// How many need the lists, now or soon.
    pub(super) fn served(&self) -> usize {
        self.asked.len() + self.riders.iter().filter(|(_, registration)| registration.running_tasks == 0).count()
    }

    pub(super) fn of_host(reader: Reader<'a>) -> Self {
        let (_, registration) = reader;
        let scope = (registration.cluster.clone(), Some(registration.arn.clone()));
        Self { scope, asked: vec![reader], riders: Vec::new() }
    }

    fn readers(&self) -> impl Iterator<Item = Reader<'a>> {
        self.asked.iter().chain(&self.riders).copied()
    }
}

impl Listed {
    pub(super) fn is_throttled(&self) -> bool {
        matches!(self, Self::Failed { error, .. } if error.is_throttled())
    }
}

impl Listings {
    /// What is known of a cluster's lists for the hosts that a unit serves.
    pub(super) fn wish<C>(&self, context: &Context<'_, C>, unit: &Unit<'_>) -> Wish {
        let (cluster, now) = (&unit.scope.0, context.clock.now());
        let under_way = self.under_way.borrow();
        let under_way = under_way.get(&(cluster.clone(), None));
        let under_way = under_way.filter(|it| !older_than(it.began_at, LISTING_VALID_FOR, now));
        let pages_read = under_way.map_or(0, |it| it.tasks.pages());
        Wish {
            hosts: unit.served(),
            pages_left: context.remembered.task_pages(cluster).saturating_sub(pages_read),
            is_unsuited: self.unsuited.borrow().contains(cluster),
        }
    }

    /// A cluster whose whole lists give no answer on every task is read host by host from now on.
    pub(super) fn mark_unsuited(&self, cluster: ClusterName) {
        self.unsuited.borrow_mut().insert(cluster);
    }

    /// Goes on with a listing, by `pages` at most.
    pub(super) async fn list<C: Calls>(&self, context: &Context<'_, C>, scope: &Scope, pages: usize) -> Listed {
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
    pub(super) async fn describe<C: Calls>(
        &self,
        context: &Context<'_, C>,
        units: &[(Unit<'_>, Listed)],
    ) -> BTreeMap<TaskArn, Rc<CallError>> {
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
        let unknown: Vec<_> = few_at_once(requests).await.into_iter().flatten().collect();
        unknown.iter().for_each(|unknown| log_failure("describing tasks", &unknown.error));
        errors_by_key(unknown)
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
            wanted.extend(registration.unstopped().map(|task| task.arn.clone()));
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

    /// Why a whole listing does not tell of every task: one that is listed and not described may run. In a cluster's list of
    /// what should not run, though, one that is not known any more stopped an hour ago.
    pub(super) fn trouble(&self, unit: &Unit<'_>, errors: &BTreeMap<TaskArn, Rc<CallError>>) -> Option<Rc<CallError>> {
        let incomplete = |what| Rc::new(CallError::Incomplete { operation: "DescribeTasks", what });
        let of_cluster = unit.scope.1.is_none();
        let undescribed = self.undescribed(unit);
        // One that cannot be described holds up only its own host, where each host's own lists are read.
        let refused = |e: &Rc<CallError>| e.may_blame_one_member() || matches!(**e, CallError::Incomplete { .. });
        if of_cluster && undescribed.iter().any(|arn| errors.get(arn).is_some_and(refused)) {
            self.mark_unsuited(unit.scope.0.clone());
        }
        if let Some(arn) = undescribed.first() {
            return Some(errors.get(arn).cloned().unwrap_or_else(|| incomplete(format!("it told nothing of {arn}"))));
        }
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
            self.mark_unsuited(unit.scope.0.clone());
        }
        Some(incomplete(format!("{odd} is listed, and not known")))
    }

    /// The share of each registration in a listing whose every task is described.
    pub(super) fn conclude(&self, unit: &Unit<'_>) -> Vec<(usize, Finding)> {
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
            Finding::Tasks { arn: registration.arn.clone(), each, began_at: listing.began_at }
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

fn stopped(registration: &Registration) -> impl Iterator<Item = &Task> {
    registration.tasks().filter(|task| task.is_stopped())
}

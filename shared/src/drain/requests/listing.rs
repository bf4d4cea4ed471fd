//! Listings of tasks, a whole cluster's or a host's: read page by page and described as they come in, gone on with from round
//! to round.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join;
use jiff::Timestamp;

use super::answer::Finding;
use super::plan::Wish;
use crate::aws::batch::{self, DESCRIBE_MAX, few_at_once};
use crate::aws::listing::NextPage;
use crate::aws::{CallError, Calls, ErrorClass};
use crate::clock::{after, between, older_than};
use crate::drain::context::Context;
use crate::drain::facts::listing::{Elsewhere, Listing, Odd, Scope};
use crate::drain::facts::log::log_failure;
use crate::drain::facts::registration::Registration;
use crate::drain::remembered::Left;
use crate::ids::{ClusterName, ContainerInstanceArn, TaskArn};

/// A listing that came no further for so long begins anew: as long as another invocation may take to go on with it.
const LISTING_VALID_FOR: Duration = Duration::from_secs(120);
/// Requests by which a cluster's listing goes on in one round, pages and descriptions together: two seconds of the account's
/// rate (20 reads a second, ECS API reference, Request throttling). Heartbeats and releases wait no longer.
const REQUESTS_A_ROUND: usize = 40;
/// Slow answers make no round longer.
const ROUND_TAKES: Duration = Duration::from_secs(2);
/// What a page takes, before one was read: with its description, what the account's rate leaves for two requests.
const PAGE_TAKES: Duration = Duration::from_millis(100);

/// After a throttle no list is asked for so long: twenty reads have come in by then.
const THROTTLED_FOR: Duration = Duration::from_secs(1);

/// A registration whose tasks are read, and whose it is, by index.
pub(super) type Reader<'a> = (usize, &'a Registration);

/// The listings of a run, which are gone on with from round to round.
#[derive(Debug)]
pub(crate) struct Listings {
    under_way: RefCell<BTreeMap<Scope, Listing>>,
    /// Where tasks are that a cluster's lists named, of hosts that no unit served.
    elsewhere: RefCell<BTreeMap<ClusterName, Elsewhere>>,
    /// Clusters whose whole lists gave no answer on every task.
    unsuited: RefCell<BTreeSet<ClusterName>>,
    /// When this invocation began.
    began_at: Timestamp,
    /// Whether it goes on with what an earlier one left.
    goes_on: bool,
    /// A list that was asked for before would only be throttled again, whichever host's it is.
    not_before: Cell<Timestamp>,
    /// How many pages of a cluster's listing under way this invocation read, and since when.
    read: RefCell<BTreeMap<ClusterName, (usize, Timestamp)>>,
}

/// How far a listing came.
pub(super) enum Listed {
    /// Every task is listed and described.
    Whole,
    /// The next round goes on.
    UnderWay,
    Failed {
        error: Rc<CallError>,
        /// It came further before.
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

    fn hosts(&self) -> BTreeSet<&'a ContainerInstanceArn> {
        self.readers().map(|(_, registration)| &registration.arn).collect()
    }
}

impl Listed {
    pub(super) fn is_throttled(&self) -> bool {
        matches!(self, Self::Failed { error, .. } if error.is_throttled())
    }

    fn failed(error: CallError, progressed: bool) -> Self {
        Self::Failed { error: Rc::new(error), progressed }
    }
}

impl Listings {
    /// None is under way.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            under_way: RefCell::default(),
            elsewhere: RefCell::default(),
            unsuited: RefCell::default(),
            began_at: now,
            goes_on: false,
            not_before: Cell::new(now),
            read: RefCell::default(),
        }
    }

    /// Goes on with those that an earlier invocation left.
    pub(crate) fn go_on_with(&mut self, left: &mut Left) {
        *self.under_way.get_mut() = mem::take(&mut left.under_way);
        *self.elsewhere.get_mut() = mem::take(&mut left.elsewhere);
        self.goes_on = true;
    }

    /// Leaves them to a later one.
    pub(crate) fn leave(&mut self, left: &mut Left) {
        left.under_way = mem::take(self.under_way.get_mut());
        left.elsewhere = mem::take(self.elsewhere.get_mut());
    }

    /// What is known of a cluster's lists for the hosts that a unit serves.
    pub(super) fn wish<C>(&self, context: &Context<'_, C>, unit: &Unit<'_>) -> Wish {
        let (cluster, now) = (&unit.scope.0, context.clock.now());
        let under_way = self.under_way.borrow();
        let under_way = under_way.get(&(cluster.clone(), None));
        let under_way = under_way.filter(|it| !older_than(it.progressed_at, LISTING_VALID_FOR, now));
        let pages_read = under_way.map_or(0, |it| it.pages.pages());
        let pages = context.remembered.task_pages(cluster);
        let pages_left = pages.count.saturating_sub(pages_read);
        let stopped = |registration: &Registration| registration.tasks.as_ref().map_or(0, |tasks| tasks.stopped.len());
        let stopped: usize = unit.readers().map(|(_, registration)| stopped(registration)).sum();
        let hand_over_at = context.budget.hand_over_at;
        let (so_far, time_left) = (between(self.began_at, now), between(now, hand_over_at));
        Wish {
            hosts: unit.served(),
            pages_left,
            is_counted: pages.is_whole,
            pages_to_describe: pages_left.min(pages.count.saturating_sub(stopped / DESCRIBE_MAX)),
            page_takes: self.page_takes(cluster, now),
            time_left,
            is_late: !self.goes_on && pages_read > 0 && so_far > time_left,
            is_unsuited: self.unsuited.borrow().contains(cluster),
        }
    }

    fn page_takes(&self, cluster: &ClusterName, now: Timestamp) -> Duration {
        let measured =
            self.read.borrow().get(cluster).map(|(pages, since)| (u32::try_from(*pages), between(*since, now)));
        match measured {
            Some((Ok(pages), took)) if pages > 0 => took / pages,
            _ => PAGE_TAKES,
        }
    }

    /// Whether lists may be asked for now.
    pub(super) fn may_be_asked(&self, now: Timestamp) -> bool {
        self.not_before.get() <= now
    }

    /// Lists or descriptions were throttled.
    pub(super) fn hold_back(&self, now: Timestamp) {
        self.not_before.set(after(now, THROTTLED_FOR));
    }

    /// A cluster whose whole lists give no answer on every task is read host by host from now on.
    fn mark_unsuited(&self, cluster: ClusterName) {
        self.unsuited.borrow_mut().insert(cluster);
    }

    /// Begins a listing, where none is under way that is worth going on with.
    fn begin<C>(&self, context: &Context<'_, C>, unit: &Unit<'_>) {
        let now = context.clock.now();
        let mut under_way = self.under_way.borrow_mut();
        under_way.retain(|_, listing| !older_than(listing.progressed_at, LISTING_VALID_FOR, now));
        under_way.entry(unit.scope.clone()).or_insert_with(|| {
            let stopped = unit.readers().flat_map(|(_, registration)| registration.stopped().map(|(id, _)| id.clone()));
            if unit.scope.1.is_none() {
                self.read.borrow_mut().remove(&unit.scope.0);
            }
            if let Some(elsewhere) = self.elsewhere.borrow_mut().get_mut(&unit.scope.0) {
                elsewhere.make_room();
            }
            Listing::new(unit.scope.1.clone(), stopped.collect(), now)
        });
    }

    fn of<T>(&self, scope: &Scope, f: impl FnOnce(&mut Listing, &mut Elsewhere) -> T) -> Option<T> {
        let (mut under_way, mut elsewhere) = (self.under_way.borrow_mut(), self.elsewhere.borrow_mut());
        let elsewhere = elsewhere.entry(scope.0.clone()).or_default();
        under_way.get_mut(scope).map(|listing| f(listing, elsewhere))
    }

    /// Goes on with a cluster's listing for a round: the next page is read while what the last ones named is described.
    pub(super) async fn go_on<C: Calls>(&self, context: &Context<'_, C>, unit: &Unit<'_>) -> Listed {
        self.begin(context, unit);
        let (scope, hosts, began_at) = (&unit.scope, &unit.hosts(), context.clock.now());
        let (ends_at, pages_most) = (after(began_at, ROUND_TAKES), unit.served());
        self.read.borrow_mut().entry(scope.0.clone()).or_insert((0, began_at));
        let (mut pages, mut requests) = (0, 0);
        let listed = loop {
            self.want_unlisted(unit);
            let next = self.of(scope, |it, _| (it.next_page(), it.next_description(), it.is_whole()));
            let Some((page, described, is_whole)) = next else { break Listed::UnderWay };
            if is_whole {
                break Listed::Whole;
            }
            let is_over = requests >= REQUESTS_A_ROUND || context.clock.now() >= ends_at || pages >= pages_most;
            if is_over && requests > 0 {
                break Listed::UnderWay;
            }
            let progressed = requests > 0;
            pages += usize::from(page.is_some());
            requests += usize::from(page.is_some()) + usize::from(!described.is_empty());
            let read = self.read_page(context, scope, hosts, page);
            let (read, described) = join(read, self.describe(context, scope, hosts, &described)).await;
            match (read, described) {
                (Ok(()), Ok(())) => {}
                // The right to list a container instance's tasks is not the right to list a cluster's.
                (Err(error), _) if error.class() == ErrorClass::Denied => {
                    self.mark_unsuited(scope.0.clone());
                    break Listed::UnderWay;
                }
                (Err(error), described) => break Listed::failed(error, progressed || described.is_ok()),
                (Ok(()), Err(error)) => break Listed::Failed { error, progressed },
            }
        };
        self.remember_pages(context, scope, matches!(listed, Listed::Whole));
        listed
    }

    fn remember_pages<C>(&self, context: &Context<'_, C>, scope: &Scope, is_whole: bool) {
        if let Some(read) = self.of(scope, |listing, _| listing.pages.pages()).filter(|read| *read > 0) {
            context.remembered.remember_task_pages(&scope.0, read, is_whole);
        }
    }

    async fn read_page<C: Calls>(
        &self,
        context: &Context<'_, C>,
        scope: &Scope,
        hosts: &BTreeSet<&ContainerInstanceArn>,
        page: Option<NextPage>,
    ) -> Result<(), CallError> {
        let Some(page) = page else { return Ok(()) };
        let Some(request) = self.of(scope, |it, _| it.pages.request(context.calls, &scope.0, &page)) else {
            return Ok(());
        };
        let found = match Box::pin(request).await {
            Ok(found) => found,
            Err(error) => {
                log_failure("listing tasks", &error);
                if error.blames_the_request() {
                    // Its token, perhaps; and a cluster or host that is not there has no listing either.
                    self.under_way.borrow_mut().remove(scope);
                }
                return Err(error);
            }
        };
        if let Some((pages, _)) = self.read.borrow_mut().get_mut(&scope.0) {
            *pages += 1;
        }
        let now = context.clock.now();
        self.of(scope, |it, elsewhere| it.take_page(&page, found, elsewhere, |host| hosts.contains(host), now));
        Ok(())
    }

    /// Once every page was read, asks also after tasks that were not STOPPED when last seen though no list has them any more.
    fn want_unlisted(&self, unit: &Unit<'_>) {
        self.of(&unit.scope, |listing, _| {
            if listing.pages.next().is_none() {
                let unstopped = unit.readers().flat_map(|(_, registration)| registration.unstopped());
                unstopped.for_each(|task| listing.want(&task.arn));
            }
        });
    }

    /// Describes tasks of one listing, as many as one request takes.
    async fn describe<C: Calls>(
        &self,
        context: &Context<'_, C>,
        scope: &Scope,
        hosts: &BTreeSet<&ContainerInstanceArn>,
        arns: &[TaskArn],
    ) -> Result<(), Rc<CallError>> {
        if arns.is_empty() {
            return Ok(());
        }
        let told = Box::pin(batch::tasks(context.calls, &scope.0, arns)).await;
        let now = context.clock.now();
        self.of(scope, |listing, elsewhere| {
            told.found
                .into_iter()
                .for_each(|task| listing.take_task(task, elsewhere, |host| hosts.contains(host), now));
        });
        told.absent.iter().try_for_each(|arn| self.take_absent(scope, arn, now))?;
        match told.unknown.into_iter().next() {
            Some(unknown) => {
                log_failure("describing tasks", &unknown.error);
                let error = unknown.error;
                // One that cannot be described holds up only its own host, where each host's own lists are read.
                if error.may_blame_one_member() || matches!(error, CallError::Incomplete { .. }) {
                    self.mark_unsuited(scope.0.clone());
                }
                Err(Rc::new(error))
            }
            None => Ok(()),
        }
    }

    /// A listing that names a task as one that should be known, though it is not, tells too little.
    fn take_absent(&self, scope: &Scope, arn: &TaskArn, now: Timestamp) -> Result<(), Rc<CallError>> {
        let told = self.of(scope, |listing, _| listing.take_absent(arn, now));
        let Some(Err(Odd { for_long })) = told else { return Ok(()) };
        if for_long {
            self.under_way.borrow_mut().remove(scope);
            if scope.1.is_none() {
                self.mark_unsuited(scope.0.clone());
            }
        }
        let what = format!("{arn} is listed, and not known");
        Err(Rc::new(CallError::Incomplete { operation: "DescribeTasks", what }))
    }

    /// Reads every page of a host's own lists.
    pub(super) async fn list_host<C: Calls>(&self, context: &Context<'_, C>, unit: &Unit<'_>) -> Listed {
        self.begin(context, unit);
        let (scope, hosts) = (&unit.scope, BTreeSet::new());
        let mut progressed = false;
        while let Some(Some(page)) = self.of(scope, |listing, _| listing.pages.next()) {
            if let Err(error) = self.read_page(context, scope, &hosts, Some(page)).await {
                return Listed::failed(error, progressed);
            }
            progressed = true;
        }
        self.want_unlisted(unit);
        Listed::Whole
    }

    /// Describes what the lists of hosts name, across the hosts of a cluster, except for what is known; answers why some of
    /// it could not be.
    pub(super) async fn describe_hosts<C: Calls>(
        &self,
        context: &Context<'_, C>,
        units: &[&Unit<'_>],
    ) -> BTreeMap<Scope, Rc<CallError>> {
        let mut wanted: BTreeMap<&ClusterName, BTreeMap<TaskArn, &Scope>> = BTreeMap::new();
        for unit in units {
            let arns = self.of(&unit.scope, |listing, _| listing.undescribed().cloned().collect::<Vec<_>>());
            let arns = arns.into_iter().flatten().map(|arn| (arn, &unit.scope));
            wanted.entry(&unit.scope.0).or_default().extend(arns);
        }
        let errors = RefCell::new(BTreeMap::new());
        let each = wanted.iter().flat_map(|(cluster, wanted)| {
            let arns: Vec<_> = wanted.keys().cloned().collect();
            let chunks: Vec<_> = arns.chunks(DESCRIBE_MAX).map(<[TaskArn]>::to_vec).collect();
            chunks.into_iter().map(move |chunk| (*cluster, wanted, chunk))
        });
        let errors_of = &errors;
        let requests = each.map(|(cluster, wanted, chunk)| async move {
            let mut told = batch::tasks(context.calls, cluster, &chunk).await;
            let now = context.clock.now();
            let failed = |arn: &TaskArn, error: Rc<CallError>| {
                if let Some(scope) = wanted.get(arn) {
                    errors_of.borrow_mut().insert((*scope).clone(), error);
                }
            };
            for task in mem::take(&mut told.found) {
                let Some(scope) = wanted.get(&task.arn) else { continue };
                self.of(scope, |listing, elsewhere| listing.take_task(task, elsewhere, |_| true, now));
            }
            for arn in &told.absent {
                let Some(scope) = wanted.get(arn) else { continue };
                if let Err(error) = self.take_absent(scope, arn, now) {
                    failed(arn, error);
                }
            }
            for unknown in told.unknown {
                log_failure("describing tasks", &unknown.error);
                let error = Rc::new(unknown.error);
                unknown.keys.iter().for_each(|arn| failed(arn, error.clone()));
            }
        });
        few_at_once(requests).await;
        errors.into_inner()
    }

    /// What a whole listing tells of each registration. Nothing of a host that came to be drained while it was under way, where
    /// some of its tasks were not kept: the next listing tells.
    pub(super) fn conclude(&self, unit: &Unit<'_>) -> Vec<(usize, Finding)> {
        let listing = self.under_way.borrow_mut().remove(&unit.scope);
        let Some(listing) = listing.filter(Listing::is_whole) else { return Vec::new() };
        let finding = |(index, registration): Reader<'_>| {
            let (arn, named) = (registration.arn.clone(), listing.named_on(&registration.arn)?);
            Some((index, Finding::Tasks { arn, named, read: listing.read }))
        };
        unit.readers().filter_map(finding).collect()
    }
}

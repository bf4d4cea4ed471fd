//! Tasks of a cluster or a host, as far as they were listed and described: what a listing of many pages keeps from one round
//! to the next, and from one invocation to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::Timestamp;

use super::proof::{SETTLES, WholeRead};
use super::tasks::Named;
use crate::aws::batch::DESCRIBE_MAX;
use crate::aws::listing::{NextPage, TaskListing};
use crate::aws::{DesiredStatus, Page, Task};
use crate::clock::after;
use crate::ids::{ClusterName, ContainerInstanceArn, TaskArn, TaskId};

/// Tasks of other hosts that are not described again: as many as 5,000 hosts with twenty each have, in some megabytes.
const ELSEWHERE_MAX: usize = 100_000;

/// Whose tasks are listed: a container instance's, or a whole cluster's.
pub type Scope = (ClusterName, Option<ContainerInstanceArn>);

/// A listing: its pages, and what was described of the tasks on them.
#[derive(Debug)]
pub struct Listing {
    /// From when its first page was asked for until its last one came. To describe what is on them may take longer, and
    /// makes the pages no younger.
    pub read: WholeRead,
    /// When it last came further.
    pub progressed_at: Timestamp,
    /// How far its pages were read.
    pub pages: TaskListing,
    /// What is to be described, and in which list it stood; in none what was not STOPPED when it was last seen.
    pending: BTreeMap<TaskArn, Option<DesiredStatus>>,
    /// What needs no further description.
    told: BTreeSet<TaskId>,
    /// What was described, by host.
    named: BTreeMap<ContainerInstanceArn, Named>,
    /// Since when a task is listed as one that should be known, and is not.
    odd_since: Option<Timestamp>,
    /// The listing did not serve these hosts when it named a task on them, and did not keep that task.
    dropped: BTreeSet<Rc<ContainerInstanceArn>>,
}

/// Where tasks are that a cluster's lists named, of hosts whose tasks were not wanted: a task never moves.
#[derive(Debug, Default)]
pub struct Elsewhere {
    tasks: BTreeMap<TaskId, Rc<ContainerInstanceArn>>,
    hosts: BTreeSet<Rc<ContainerInstanceArn>>,
}

/// A task that is listed as one that should be known, and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odd {
    /// Whether for longer than a description lags behind a list.
    pub for_long: bool,
}

impl Listing {
    /// One that begins now. What has stopped, as is known already, needs no description.
    #[must_use]
    pub fn new(on: Option<ContainerInstanceArn>, stopped: BTreeSet<TaskId>, now: Timestamp) -> Self {
        Self {
            read: WholeRead { began_at: now, ended_at: now },
            progressed_at: now,
            pages: TaskListing::new(on),
            pending: BTreeMap::new(),
            told: stopped,
            named: BTreeMap::new(),
            odd_since: None,
            dropped: BTreeSet::new(),
        }
    }

    /// Takes in a page. `serves` says of a host whether its tasks are wanted.
    pub fn take_page(
        &mut self,
        page: &NextPage,
        found: Page<TaskArn>,
        elsewhere: &Elsewhere,
        serves: impl Fn(&ContainerInstanceArn) -> bool,
        now: Timestamp,
    ) {
        for arn in found.items {
            let id = TaskId::from(&arn);
            if self.told.contains(&id) {
                continue;
            }
            match elsewhere.tasks.get(&id).filter(|host| self.pages.on().is_none() && !serves(host)) {
                Some(host) => drop(self.dropped.insert(host.clone())),
                None => drop(self.pending.insert(arn, Some(page.desired()))),
            }
        }
        self.pages.turn(page, found.next_token);
        (self.read.ended_at, self.progressed_at) = (now, now);
    }

    /// Takes in a task that had not stopped when it was last seen: the lists may not have it any more.
    pub fn want(&mut self, arn: &TaskArn) {
        if !self.told.contains(&TaskId::from(arn)) && !self.pending.contains_key(arn) {
            self.pending.insert(arn.clone(), None);
        }
    }

    /// The page to be read next; none where so much is to be described first that a request for it is full.
    #[must_use]
    pub fn next_page(&self) -> Option<NextPage> {
        self.pages.next().filter(|_| self.pending.len() < 2 * DESCRIBE_MAX)
    }

    /// What is to be described now: as much as one request takes, or, where every page was read, the rest.
    #[must_use]
    pub fn next_description(&self) -> Vec<TaskArn> {
        let is_due = self.pending.len() >= DESCRIBE_MAX || self.pages.next().is_none();
        self.pending.keys().take(if is_due { DESCRIBE_MAX } else { 0 }).cloned().collect()
    }

    /// Everything that is to be described.
    pub fn undescribed(&self) -> impl Iterator<Item = &TaskArn> {
        self.pending.keys()
    }

    /// Takes in a description. What is on a host whose tasks are not wanted goes `elsewhere`.
    pub fn take_task(
        &mut self,
        task: Task,
        elsewhere: &mut Elsewhere,
        serves: impl Fn(&ContainerInstanceArn) -> bool,
        now: Timestamp,
    ) {
        self.progressed_at = now;
        let is_listed = self.pending.remove(&task.arn).is_some();
        let on = self.pages.on().or(task.container_instance.as_ref());
        // A task of Fargate is on no host.
        let Some(host) = on.filter(|_| is_listed).cloned() else { return };
        let id = TaskId::from(&task.arn);
        if self.pages.on().is_some() || serves(&host) {
            self.told.insert(id);
            self.named.entry(host).or_default().add(task);
        } else {
            self.dropped.insert(elsewhere.put(id, host));
        }
    }

    /// Takes in that ECS does not know a task.
    ///
    /// # Errors
    /// Where that is odd: a task that should run is known. It is described again. In a cluster's list of what should not run,
    /// though, one that is not known any more stopped an hour ago.
    pub fn take_absent(&mut self, arn: &TaskArn, now: Timestamp) -> Result<(), Odd> {
        self.progressed_at = now;
        let list = self.pending.get(arn).copied().flatten();
        let is_odd = match list {
            Some(DesiredStatus::Running) => true,
            Some(DesiredStatus::Stopped) => self.pages.on().is_some(),
            None => false,
        };
        if is_odd {
            let since = *self.odd_since.get_or_insert(now);
            return Err(Odd { for_long: after(since, SETTLES) <= now });
        }
        self.pending.remove(arn);
        self.told.insert(TaskId::from(arn));
        Ok(())
    }

    /// Whether every page was read, and every task on them described.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.pages.next().is_none() && self.pending.is_empty()
    }

    /// The tasks of a host; none where some of them were not kept.
    #[must_use]
    pub fn named_on(&self, host: &ContainerInstanceArn) -> Option<Named> {
        (!self.dropped.contains(host)).then(|| self.named.get(host).cloned().unwrap_or_default())
    }
}

impl Elsewhere {
    /// Makes room where there is none.
    pub fn make_room(&mut self) {
        if self.tasks.len() >= ELSEWHERE_MAX {
            *self = Self::default();
        }
    }

    /// It is on that host.
    fn put(&mut self, task: TaskId, host: ContainerInstanceArn) -> Rc<ContainerInstanceArn> {
        let host = self.hosts.get(&host).cloned().unwrap_or_else(|| Rc::new(host));
        if self.tasks.len() < ELSEWHERE_MAX {
            self.hosts.insert(host.clone());
            self.tasks.insert(task, host.clone());
        }
        host
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::fixtures::{at, task};

    fn page(names: &[&str], next_token: Option<&str>) -> Page<TaskArn> {
        let items = names.iter().map(|name| task(name, "", "").arn).collect();
        Page { items, next_token: next_token.map(ToOwned::to_owned) }
    }

    fn on(host: &str, name: &str, last_status: &str) -> Task {
        Task { container_instance: Some(host.into()), ..task(name, last_status, "STOPPED") }
    }

    /// Takes in pages of one list after the other, and describes all tasks on them as ones of these hosts.
    fn read(listing: &mut Listing, elsewhere: &mut Elsewhere, pages: &[Page<TaskArn>], served: &str, tasks: &[Task]) {
        for found in pages {
            let next = listing.next_page().unwrap();
            listing.take_page(&next, found.clone(), elsewhere, |host| host.as_str() == served, at(1));
        }
        for task in tasks {
            listing.take_task(task.clone(), elsewhere, |host| host.as_str() == served, at(2));
        }
    }

    fn of_cluster() -> Listing {
        Listing::new(None, BTreeSet::new(), at(0))
    }

    #[test]
    fn a_host_is_told_of_only_where_every_one_of_its_tasks_was_kept() {
        let (mut listing, mut elsewhere) = (of_cluster(), Elsewhere::default());
        let pages = [page(&["a", "b"], None), page(&["c"], None)];
        let tasks = [on("mine", "a", "STOPPED"), on("theirs", "b", "RUNNING"), on("mine", "c", "RUNNING")];
        read(&mut listing, &mut elsewhere, &pages, "mine", &tasks);
        assert!(listing.is_whole());
        assert_eq!(listing.read, WholeRead { began_at: at(0), ended_at: at(1) }, "the descriptions came later");
        let named = listing.named_on(&"mine".into()).unwrap();
        assert_eq!((named.unstopped.len(), named.stopped.len()), (1, 1));
        assert!(listing.named_on(&"theirs".into()).is_none(), "it came to be drained meanwhile, and b is not known");
        assert!(listing.named_on(&"empty".into()).is_some_and(|named| named.unstopped.is_empty()));

        // The next one need not describe b, and knows so little of its host all the same.
        let mut next = of_cluster();
        read(&mut next, &mut elsewhere, &[page(&["b"], None), page(&[], None)], "mine", &[]);
        assert!(next.is_whole() && next.named_on(&"theirs".into()).is_none());
        let mut last = of_cluster();
        read(&mut last, &mut elsewhere, &[page(&["b"], None), page(&[], None)], "theirs", &[]);
        assert_eq!(last.undescribed().count(), 1, "its host is served now");
    }

    #[test]
    fn what_is_known_to_have_stopped_is_not_described_again_and_what_had_not_is() {
        let [a, b] = ["a", "b"].map(|name| task(name, "STOPPED", "STOPPED"));
        let mut listing = Listing::new(None, [TaskId::from(&a.arn)].into(), at(0));
        read(&mut listing, &mut Elsewhere::default(), &[page(&[], None), page(&["a", "b"], None)], "mine", &[]);
        [&a, &b, &task("c", "RUNNING", "RUNNING")].iter().for_each(|task| listing.want(&task.arn));
        assert_eq!(listing.next_description(), ["b", "c"].map(|name| task(name, "", "").arn));
        assert_eq!(listing.take_absent(&b.arn, at(3)), Ok(()), "it stopped an hour ago");
        assert_eq!(listing.take_absent(&task("c", "", "").arn, at(3)), Ok(()));
        assert!(listing.is_whole());
    }

    #[test]
    fn a_task_that_is_listed_and_not_known_is_odd_unless_a_cluster_lists_what_stopped_long_ago() {
        let absent = |on: Option<&str>, pages: &[Page<TaskArn>]| {
            let mut listing = Listing::new(on.map(Into::into), BTreeSet::new(), at(0));
            read(&mut listing, &mut Elsewhere::default(), pages, "mine", &[]);
            listing.take_absent(&task("a", "", "").arn, at(3))
        };
        let (running, stopped) = ([page(&["a"], None)], [page(&[], None), page(&["a"], None)]);
        assert_eq!([absent(None, &running), absent(Some("mine"), &running)], [Err(Odd { for_long: false }); 2]);
        assert_eq!([absent(None, &stopped), absent(Some("mine"), &stopped)], [Ok(()), Err(Odd { for_long: false })]);
    }

    #[test]
    fn what_is_listed_is_described_as_it_comes_in() {
        let mut listing = of_cluster();
        let names: Vec<_> = (0..250).map(|n| format!("{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        read(&mut listing, &mut Elsewhere::default(), &[page(&names[..99], Some("2"))], "mine", &[]);
        assert!(listing.next_description().is_empty() && listing.next_page().is_some());
        read(&mut listing, &mut Elsewhere::default(), &[page(&names[99..], Some("3"))], "mine", &[]);
        assert_eq!(listing.next_description().len(), 100);
        assert!(listing.next_page().is_none(), "first what is known of is described");
    }
}

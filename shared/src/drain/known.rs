//! What was read of one instance. Each fact carries when it was read: of tasks, when the read began; of all else, when
//! the answer came, so that a read of tasks at or after `draining_since` surely saw the host closed to new ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::deadlines::older_than;
use super::departure::{Cause, Departure, Destination, Hints};
use super::starts::Start;
use super::tries::Tries;
use crate::aws::{AutoScalingInstance, ContainerInstance, InstanceStatus, Task};
use crate::clock;
use crate::config::{Overrides, Pace, Policy};
use crate::ids::{ClusterName, ContainerInstanceArn, GroupName, HookName, ServiceName, TaskArn};

/// How far back a first look takes a heartbeat for due: as often as `reconcile` runs.
const FIRST_LOOK_BACK: Duration = Duration::from_secs(60);

/// An event tells when a termination began, unless it is older than this when it comes: it may be of an earlier one.
const EVENT_TELLS_FOR: Duration = Duration::from_secs(60);

/// A description may lag behind a change for as long: what reads ACTIVE later was set so by somebody.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);

/// Since when a person has been draining a host by hand: an attribute of its container instance.
pub const MAINTENANCE_SINCE: &str = "ecs-drainer.maintenance-since";
/// What begins the names of the drainer's own attributes.
pub const OUR_ATTRIBUTES: &str = "ecs-drainer.";

/// Two minutes leave no time to look as seldom as at a drain that may take an hour.
const SPOT_LOOK_LONGEST: Duration = Duration::from_secs(5);

/// All that is known of one departure.
#[derive(Debug, Clone)]
pub struct Known {
    /// Which instance, and why it leaves.
    pub departure: Departure,
    /// What else the event told.
    pub hints: Hints,
    /// When this invocation met it.
    pub met_at: Timestamp,
    /// What Auto Scaling says of it.
    pub hold: Option<Hold>,
    /// Where it is registered.
    pub place: Place,
    /// When a search last told.
    pub located_at: Timestamp,
    /// The clusters that answered that it is not registered there, in the search under way.
    pub searched: Vec<ClusterName>,
    /// Its registrations, when [`Place::Registered`].
    pub registrations: Vec<Registration>,
    /// When it began to leave, as far as Auto Scaling or an event tells.
    pub start: Option<Start>,
    /// Whether Auto Scaling was asked for that.
    pub asked_start: bool,
    /// Since when it has been DRAINING in all its registrations, as far as this invocation saw.
    pub draining_since: Option<Timestamp>,
    /// When to look at it again.
    pub next_look: Timestamp,
    /// When a heartbeat was last sent; at first, since when one counts as due.
    pub heartbeat_at: Timestamp,
    /// Whether our hook was over before, as far as a warm environment remembers, and another's holds it.
    pub is_released: bool,
    /// Whether we set it DRAINING.
    pub began: bool,
    /// Whether somebody set it ACTIVE again, of a drain by hand: two people may differ.
    pub taken_back: bool,
    /// Heartbeats that were sent.
    pub heartbeats: u32,
    /// Requests that failed.
    pub tries: Tries,
    /// When nobody looks at it, where that matters.
    pub unattended: Option<Unattended>,
    /// Whether AWS throttled a look at it: others need the account's reads more.
    pub reads_are_throttled: bool,
    /// Whether its event came in a batch, so that its report is read by none and `reconcile` may go on with it.
    pub in_a_batch: bool,
    /// Whether its event came in a full batch, so that `reconcile` waits for it, with all others of the account.
    pub in_a_burst: bool,
}

/// A time in which nobody looks at an instance, for the invocation is over and the next has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unattended {
    /// This invocation's last look.
    pub from: Timestamp,
    /// The next one's first; none where nobody comes after this one.
    pub until: Option<Timestamp>,
}

/// What Auto Scaling says of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Hold {
    /// When that was answered.
    pub read_at: Timestamp,
    /// What it said.
    pub by: HeldBy,
}

/// Who holds an instance's termination.
#[derive(Debug, Clone, PartialEq)]
pub enum HeldBy {
    /// Nobody: it is in this state, or in no group.
    NoHook {
        /// Auto Scaling's lifecycle state.
        state: Option<String>,
    },
    /// Some termination hook, but its group has none of ours.
    Others {
        /// Its group.
        group: GroupName,
    },
    /// Some termination hook, and its group has at least one of ours. No API tells which hook it waits on.
    Ours(Ours),
}

/// A termination that our hook may be holding.
#[derive(Debug, Clone, PartialEq)]
pub struct Ours {
    /// The instance's group.
    pub group: GroupName,
    /// Our hooks on it; never empty.
    pub hooks: Vec<HookName>,
    /// The shortest of their heartbeat timeouts; none where the hooks were not asked.
    pub heartbeat_timeout: Option<Duration>,
    /// Whether the group has termination hooks that are not ours.
    pub others_hold_too: bool,
    /// Whether Auto Scaling calls the instance unhealthy.
    pub unhealthy: bool,
    /// Whether its group keeps the instance running after an ABANDON; none where the group was not asked.
    pub retains: Option<bool>,
    /// What our hooks' NotificationMetadata overrides.
    pub overrides: Overrides,
}

/// Where an instance is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Not known: not searched yet, or somebody did not answer.
    Unknown,
    /// In a watched cluster.
    Registered,
    /// Only in this cluster, which is not watched.
    Unwatched(ClusterName),
    /// In no cluster of account and region, every one of which answered.
    Nowhere,
}

/// One registration of the instance as a container instance.
#[derive(Debug, Clone)]
pub struct Registration {
    /// In which cluster.
    pub cluster: ClusterName,
    /// As what.
    pub arn: ContainerInstanceArn,
    /// Whether it takes tasks.
    pub status: InstanceStatus,
    /// Whether it was seen ACTIVE since we met it.
    pub was_active: bool,
    /// Tasks with desired status RUNNING, on their way there included. Zero is no proof of anything.
    pub counted_tasks: u32,
    /// Since when its agent has been seen disconnected, without a break.
    pub agent_lost_at: Option<Timestamp>,
    /// Its attributes whose names begin with [`OUR_ATTRIBUTES`]. They decide nothing.
    pub attributes: BTreeMap<String, String>,
    /// When all that was answered.
    pub read_at: Timestamp,
    /// Since when it has been seen DRAINING, without a break.
    pub draining_since: Option<Timestamp>,
    /// Its tasks, once they were read.
    pub tasks: Option<Tasks>,
    /// Whether each service that was asked about is a daemon.
    pub daemons: BTreeMap<ServiceName, bool>,
}

/// Every task of a registration.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// When the last whole read of them began.
    pub read_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// When anything of those that had not stopped was learnt last.
    pub seen_at: Timestamp,
    /// Each, as last seen.
    pub each: BTreeMap<TaskArn, Task>,
    /// When the first of an unbroken row of whole reads began, all while the instance was DRAINING, and none of which
    /// found a task that the one before had not.
    pub listed_since: Option<Timestamp>,
}

impl Known {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(departure: Departure, now: Timestamp) -> Self {
        Self {
            departure,
            hints: Hints::default(),
            met_at: now,
            hold: None,
            place: Place::Unknown,
            located_at: now,
            searched: Vec::new(),
            registrations: Vec::new(),
            start: None,
            asked_start: false,
            draining_since: None,
            next_look: now,
            heartbeat_at: clock::before(now, FIRST_LOOK_BACK),
            is_released: false,
            began: false,
            taken_back: false,
            heartbeats: 0,
            tries: Tries::default(),
            unattended: None,
            reads_are_throttled: false,
            in_a_batch: false,
            in_a_burst: false,
        }
    }

    /// An event told of it, and what else.
    #[must_use]
    pub fn told(departure: Departure, hints: Hints, now: Timestamp) -> Self {
        let tells = |at: &Timestamp| !departure.cause.is_held() || !older_than(*at, EVENT_TELLS_FOR, now);
        let at = hints.noticed_at.filter(tells);
        let start = at.map(|at| Start { at: at.min(now), reason: None });
        Self { hints, start, ..Self::new(departure, now) }
    }

    /// Our hold on its termination, if we have one.
    #[must_use]
    pub fn ours(&self) -> Option<&Ours> {
        match &self.hold.as_ref()?.by {
            HeldBy::Ours(ours) => Some(ours),
            _ => None,
        }
    }

    /// Its Auto Scaling group, by Auto Scaling's word or else the event's.
    #[must_use]
    pub fn group(&self) -> Option<&GroupName> {
        match self.hold.as_ref().map(|hold| &hold.by) {
            Some(HeldBy::Ours(ours)) => Some(&ours.group),
            Some(HeldBy::Others { group }) => Some(group),
            Some(HeldBy::NoHook { .. }) | None => self.hints.group.as_ref(),
        }
    }

    /// Where it was found.
    #[must_use]
    pub fn cluster(&self) -> Option<&ClusterName> {
        match &self.place {
            Place::Unwatched(cluster) => Some(cluster),
            _ => self.registrations.first().map(|registration| &registration.cluster),
        }
    }

    /// Tasks that should run or are known not to have stopped; none before its registration was read.
    #[must_use]
    pub fn remaining_tasks(&self) -> Option<usize> {
        let remaining = |r: &Registration| {
            let unstopped = r.tasks().filter(|task| !task.is_stopped()).count();
            unstopped.max(usize::try_from(r.counted_tasks).unwrap_or(usize::MAX))
        };
        (self.place == Place::Registered).then(|| self.registrations.iter().map(remaining).sum())
    }

    /// The settings for this instance: its group's overrides over everybody's.
    #[must_use]
    pub fn policy(&self, policy: Policy) -> Policy {
        let policy = self.ours().map_or(policy, |ours| ours.overrides.over(policy));
        if self.departure.cause.is_held() || self.departure.cause == Cause::Maintenance {
            return policy;
        }
        let longest = policy.pace.max.min(SPOT_LOOK_LONGEST.max(policy.pace.min));
        Policy { pace: Pace { max: longest, ..policy.pace }, ..policy }
    }

    /// Whether the tasks of some registration were not read yet.
    #[must_use]
    pub fn has_unread_tasks(&self) -> bool {
        self.registrations.iter().any(|registration| registration.tasks.is_none())
    }

    /// When its drain began: with the termination or the notice, where there is one, or else with DRAINING. Where that is not
    /// known, when this invocation met it.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        let start = self.start.as_ref().map(|start| start.at);
        start.or(self.draining_since.filter(|_| !self.departure.cause.is_held())).unwrap_or(self.met_at)
    }

    /// Whether an instance whose lifecycle action is completed with ABANDON runs on; none where that is not known.
    #[must_use]
    pub fn runs_on_after_abandon(&self) -> Option<bool> {
        match self.departure.cause {
            Cause::Termination { to: Destination::WarmPool } => Some(true),
            _ => self.ours()?.retains,
        }
    }

    /// Why it leaves, in Auto Scaling's words, where they are known.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.start.as_ref()?.reason.as_deref()
    }

    /// Whether Auto Scaling's scaling activity is still to be asked when its termination began, and why.
    #[must_use]
    pub fn wants_start(&self) -> bool {
        let is_held = self.departure.cause.is_held() && self.ours().is_some();
        is_held
            && !self.in_a_burst
            && !self.asked_start
            && self.start.as_ref().is_none_or(|start| start.reason.is_none())
    }

    /// The tasks known of it that are not STOPPED.
    pub fn stragglers(&self) -> impl Iterator<Item = &Task> {
        self.tasks().filter(|task| !task.is_stopped())
    }

    /// The tasks known of it.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.registrations.iter().flat_map(Registration::tasks)
    }

    /// Takes in where a search found it. A search that somebody did not answer leaves the place unknown.
    pub fn learn_place(&mut self, place: Place, registrations: Vec<Registration>, now: Timestamp) {
        self.place = place;
        self.located_at = now;
        self.registrations = registrations;
        self.searched.clear();
        self.learn_draining();
    }

    /// Takes in what a container instance is now; one that is absent or INACTIVE is no registration any more, and
    /// after the last of them every cluster must be asked again.
    pub fn learn_instance(
        &mut self,
        arn: &ContainerInstanceArn,
        found: Option<&ContainerInstance>,
        read_at: Timestamp,
    ) {
        match found.filter(|found| found.status != InstanceStatus::Inactive) {
            Some(found) => {
                if let Some(registration) = self.registrations.iter_mut().find(|r| r.arn == *arn) {
                    registration.learn(found, read_at);
                }
                self.learn_draining();
            }
            None => self.registrations.retain(|registration| registration.arn != *arn),
        }
        if self.registrations.is_empty() {
            self.place = Place::Unknown;
        }
    }

    /// Takes in a whole read of a registration's tasks, which began at `read_at`.
    pub fn learn_tasks(
        &mut self,
        arn: &ContainerInstanceArn,
        each: BTreeMap<TaskArn, Task>,
        read_at: Timestamp,
        ended_at: Timestamp,
    ) {
        if let Some(registration) = self.registrations.iter_mut().find(|r| r.arn == *arn) {
            let before = registration.tasks.take();
            let known = |arn: &TaskArn| before.as_ref().and_then(|before| before.each.get(arn));
            let each: BTreeMap<_, _> =
                each.into_iter().map(|(arn, task)| (arn.clone(), no_earlier(known(&arn), task))).collect();
            // One that was not there before was missing from the list before.
            let complete = before.filter(|before| each.keys().all(|task| before.each.contains_key(task)));
            let draining = registration.draining_since.is_some_and(|since| since <= read_at);
            let listed_since = draining.then(|| complete.and_then(|tasks| tasks.listed_since).unwrap_or(read_at));
            registration.tasks = Some(Tasks { read_at, ended_at, seen_at: ended_at, each, listed_since });
        }
    }

    /// Takes in a read of those tasks alone that had not stopped: what is absent has, long ago.
    pub fn learn_stragglers(
        &mut self,
        arn: &ContainerInstanceArn,
        found: Vec<Task>,
        absent: &BTreeSet<TaskArn>,
        read_at: Timestamp,
    ) {
        let registration = self.registrations.iter_mut().find(|r| r.arn == *arn);
        if let Some(tasks) = registration.and_then(|r| r.tasks.as_mut()) {
            tasks.seen_at = read_at;
            tasks.each.retain(|task, _| !absent.contains(task));
            for task in found {
                let task = no_earlier(tasks.each.get(&task.arn), task);
                tasks.each.insert(task.arn.clone(), task);
            }
        }
    }

    /// Takes in that a task is not known to ECS any more.
    pub fn forget_task(&mut self, arn: &TaskArn, now: Timestamp) {
        for tasks in self.registrations.iter_mut().filter_map(|r| r.tasks.as_mut()) {
            if tasks.each.remove(arn).is_some() {
                tasks.seen_at = now;
            }
        }
    }

    /// Takes in a task as the answer to StopTask tells it.
    pub fn learn_task(&mut self, task: &Task, now: Timestamp) {
        for tasks in self.registrations.iter_mut().filter_map(|r| r.tasks.as_mut()) {
            if let Some(known) = tasks.each.get_mut(&task.arn) {
                *known = task.clone();
                tasks.seen_at = now;
            }
        }
    }

    fn learn_draining(&mut self) {
        let by_hand = self.departure.cause == Cause::Maintenance;
        let active = |r: &&Registration| r.status == InstanceStatus::Active;
        if let Some(read_at) = self.registrations.iter().filter(active).map(|r| r.read_at).max() {
            let settled_since = |since| older_than(since, SETTLES_WITHIN, read_at);
            self.taken_back |= by_hand && self.draining_since.is_some_and(settled_since);
            self.draining_since = None;
            return;
        }
        let draining = self.registrations.iter().filter(|r| r.status == InstanceStatus::Draining);
        self.draining_since = self.draining_since.or(draining.map(|r| r.read_at).min());
    }
}

/// What was read of a task, unless it lags behind what is known: one that was told to stop is never wanted to run again.
fn no_earlier(known: Option<&Task>, read: Task) -> Task {
    match known.filter(|known| known.is_leaving() && !read.is_leaving()) {
        Some(known) => known.clone(),
        None => read,
    }
}

impl Ours {
    /// As an event told of it, in a burst: its hooks were not asked.
    #[must_use]
    pub fn told(found: &AutoScalingInstance, hook: &HookName) -> Self {
        Self {
            group: found.group.clone(),
            hooks: vec![hook.clone()],
            heartbeat_timeout: None,
            others_hold_too: false,
            unhealthy: found.unhealthy,
            retains: None,
            overrides: Overrides::default(),
        }
    }
}

impl Registration {
    /// A registration as a search found it.
    #[must_use]
    pub fn new(cluster: ClusterName, found: &ContainerInstance, read_at: Timestamp) -> Self {
        let mut registration = Self {
            cluster,
            arn: found.arn.clone(),
            status: found.status.clone(),
            was_active: false,
            counted_tasks: 0,
            agent_lost_at: None,
            attributes: BTreeMap::new(),
            read_at,
            draining_since: None,
            tasks: None,
            daemons: BTreeMap::new(),
        };
        registration.learn(found, read_at);
        registration
    }

    /// The tasks known of it.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().flat_map(|tasks| tasks.each.values())
    }

    /// Tasks that nobody has told to stop yet.
    pub fn staying(&self) -> impl Iterator<Item = &Task> {
        self.tasks().filter(|task| !task.is_leaving())
    }

    /// Since when a person has been draining it by hand: the command writes that down, for people.
    #[must_use]
    pub fn maintenance_since(&self) -> Option<Timestamp> {
        self.attributes.get(MAINTENANCE_SINCE)?.parse().ok()
    }

    /// The owners of tasks that nobody has told to stop, of which it is not known whether they are daemons.
    #[must_use]
    pub fn unknown_services(&self) -> BTreeSet<ServiceName> {
        self.staying().filter_map(Task::service).filter(|name| !self.daemons.contains_key(name)).collect()
    }

    fn learn(&mut self, found: &ContainerInstance, read_at: Timestamp) {
        self.status = found.status.clone();
        self.was_active |= found.status == InstanceStatus::Active;
        self.counted_tasks = found.running_tasks.saturating_add(found.pending_tasks);
        let ours = found.attributes.iter().filter(|(name, _)| name.starts_with(OUR_ATTRIBUTES));
        self.attributes = ours.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.read_at = read_at;
        self.agent_lost_at = self.agent_lost_at.or(Some(read_at)).filter(|_| !found.agent_connected);
        let draining = found.status == InstanceStatus::Draining;
        self.draining_since = self.draining_since.or(Some(read_at)).filter(|_| draining);
        // There is a task that no list had.
        let incomplete = usize::try_from(self.counted_tasks).is_ok_and(|counted| counted > self.staying().count());
        if let Some(tasks) = self.tasks.as_mut().filter(|_| !draining || incomplete) {
            tasks.listed_since = None;
        }
    }
}

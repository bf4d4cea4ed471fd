//! Rule 6: which tasks are to be stopped, what must be read for that, and the next look.

use std::time::Duration;

use jiff::Timestamp;

use super::{Action, Need, Step};
use crate::aws::{InstanceStatus, Task};
use crate::clock::before;
use crate::config::{OnDrainTimeout, Policy, StandaloneTasks};
use crate::drain::deadlines::{Deadlines, deadlines, older_than};
use crate::drain::known::{Known, Registration, Tasks};
use crate::drain::tries::Try;
use crate::ids::TaskArn;

/// How often tasks are listed only to see whether there is a new one to stop.
const RELIST_TASKS_AFTER: Duration = Duration::from_secs(30);
/// Tasks to be stopped at a time are read so long before it: the lists of a hundred hosts take ten seconds at the
/// account's rate (20 reads a second, ECS API reference, Request throttling).
const READ_AHEAD: Duration = Duration::from_secs(15);

/// Rule 6, stopping what will not leave by itself, and the next look. What is known to be due is stopped before anything
/// is read.
pub(super) fn looking(known: &Known, policy: &Policy, deadlines: Deadlines, now: Timestamp) -> Option<Step> {
    let stops = Stops::at(deadlines, policy, now);
    let to_stop = to_stop(known, stops);
    if !to_stop.is_empty() && known.tries.ready(Try::StopTasks, now) {
        return Some(Step::Act(Action::StopTasks(to_stop)));
    }
    if stops.due == Due::Every && wants_services(known, stops) {
        return Some(Step::Read(Need::Services));
    }
    if now >= known.next_look && known.tries.ready(Try::Instance, now) {
        return Some(Step::Read(Need::Instance));
    }
    let goes = known.departure.cause.taken_at().is_some();
    let needs = known.registrations.iter().filter_map(|r| wanted_of_tasks(r, stops, goes, now));
    if let Some(need) = needs.min().filter(|_| known.tries.ready(Try::Tasks, now)) {
        return Some(Step::Read(need));
    }
    wants_services(known, stops).then_some(Step::Read(Need::Services))
}

/// Which tasks are to be stopped now, and whether every one is, now or soon.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stops {
    due: Due,
    every_one_soon: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    None,
    Standalone,
    Every,
}

impl Stops {
    fn at(deadlines: Deadlines, policy: &Policy, now: Timestamp) -> Self {
        let stop_tasks = deadlines.then == OnDrainTimeout::StopTasks;
        let due = if stop_tasks && now >= deadlines.stop_at {
            Due::Every
        } else if policy.standalone_tasks == StandaloneTasks::Stop {
            Due::Standalone
        } else {
            Due::None
        };
        Self { due, every_one_soon: stop_tasks && now >= reading_ahead(deadlines) }
    }

    /// Whether it must be known which tasks there are, though some should run.
    fn needs_tasks(self) -> bool {
        self.due != Due::None || self.every_one_soon
    }

    /// A task that was told to stop is never told again: that, and no memory, is what "once" means.
    fn fits(self, task: &Task) -> bool {
        let due = match self.due {
            Due::None => false,
            Due::Standalone => task.is_standalone(),
            Due::Every => true,
        };
        due && !task.is_leaving()
    }
}

pub(super) fn reading_ahead(deadlines: Deadlines) -> Timestamp {
    before(deadlines.stop_at, READ_AHEAD)
}

/// When tasks that are known to run on are to be stopped next, where the power goes soon after.
#[must_use]
pub fn next_stop(known: &Known, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    known.departure.cause.taken_at()?;
    let Deadlines { stop_at, then, .. } = deadlines(known, policy);
    let stays = known.registrations.iter().any(|registration| registration.staying().next().is_some());
    (then == OnDrainTimeout::StopTasks && now < stop_at && stays).then_some(stop_at)
}

/// When a host that could not be set DRAINING is tried again.
#[must_use]
pub fn next_drain(known: &Known, now: Timestamp) -> Option<Timestamp> {
    let active = known.registrations.iter().any(|r| r.status == InstanceStatus::Active);
    known.tries.again_at(Try::Drain).filter(|again_at| active && *again_at > now)
}

/// Whether tasks of a host whose power goes soon should have been stopped, and are not known: then nothing that it needs
/// may wait for others.
#[must_use]
pub fn is_late(known: &Known, policy: &Policy, now: Timestamp) -> bool {
    let stop_at = deadlines(known, policy).stop_at;
    let unknown = |r: &Registration| r.tasks.is_none() || !r.unknown_services().is_empty();
    known.departure.cause.taken_at().is_some_and(|taken_at| (stop_at..taken_at).contains(&now))
        && known.registrations.iter().any(unknown)
}

/// The tasks to be told to stop: daemons when all the others were told, or could not be; and what may be a daemon's when
/// that was asked.
fn to_stop(known: &Known, stops: Stops) -> Vec<TaskArn> {
    // What has not been set DRAINING would only be started again; where the power goes, SIGTERM is worth it all the same.
    let goes = known.departure.cause.taken_at().is_some();
    let closed = known.registrations.iter().filter(|r| goes || r.status == InstanceStatus::Draining);
    let due = closed.flat_map(|r| r.staying().map(move |task| (r, task)));
    let due: Vec<_> = due.filter(|(_, task)| stops.fits(task)).collect();
    let asked = known.tries.has_failed(Try::Services);
    let is_daemon = |r: &Registration, task: &Task| match task.service().map(|service| r.daemons.get(&service)) {
        None | Some(Some(false)) => Some(false),
        Some(Some(true)) => Some(true),
        Some(None) => asked.then_some(false),
    };
    let of = |wanted: Option<bool>| {
        let fits = due.iter().filter(move |(registration, task)| is_daemon(registration, task) == wanted);
        fits.map(|(_, task)| task.arn.clone()).collect::<Vec<_>>()
    };
    let (others, unknown, daemons) = (of(Some(false)), of(None), of(Some(true)));
    let daemons_too = unknown.is_empty() && (others.is_empty() || known.tries.has_failed(Try::StopTasks));
    others.into_iter().chain(daemons.into_iter().filter(|_| daemons_too)).collect()
}

/// Asked once: who cannot be told for a daemon is stopped with the others.
fn wants_services(known: &Known, stops: Stops) -> bool {
    stops.every_one_soon
        && !known.tries.has_failed(Try::Services)
        && known.registrations.iter().any(|registration| !registration.unknown_services().is_empty())
}

/// Tasks are listed when none should run any more, and when they prove what is then known of them; or when some may have
/// to be stopped: one read of the instance serves a hundred hosts, and so does one of known tasks; a list serves only one.
fn wanted_of_tasks(registration: &Registration, stops: Stops, goes: bool, now: Timestamp) -> Option<Need> {
    // One that cannot be set DRAINING is stopped all the same before its power goes.
    if registration.status != InstanceStatus::Draining && !(goes && stops.needs_tasks()) {
        return None;
    }
    let Some(tasks) = &registration.tasks else {
        return (registration.counted_tasks == 0 || stops.needs_tasks()).then_some(Need::Tasks);
    };
    let looked_since = |at| at < registration.read_at;
    if registration.counted_tasks == 0 {
        let all_stopped = tasks.each.values().all(Task::is_stopped);
        return if all_stopped {
            looked_since(tasks.read_at).then_some(Need::Tasks)
        } else {
            looked_since(tasks.seen_at).then_some(Need::Stragglers)
        };
    }
    if !stops.needs_tasks() {
        return None;
    }
    let counted = usize::try_from(registration.counted_tasks).unwrap_or(usize::MAX);
    let staying = registration.staying().count();
    let (another, fewer) = (counted > staying, counted < staying);
    if looked_since(tasks.seen_at) && another || looked_since(tasks.read_at) && old(tasks, now) {
        return Some(Need::Tasks);
    }
    (fewer && looked_since(tasks.seen_at)).then_some(Need::Stragglers)
}

fn old(tasks: &Tasks, now: Timestamp) -> bool {
    older_than(tasks.read_at, RELIST_TASKS_AFTER, now)
}

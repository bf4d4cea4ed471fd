//! Which tasks are to be stopped, what must be read for that, and the next look.

use std::time::Duration;

use jiff::Timestamp;

use super::deadlines::Deadlines;
use super::decision::{Ask, Case, Says};
use super::ending;
use crate::aws::{InstanceStatus, Task};
use crate::clock::{after, before, older_than};
use crate::config::{OnDrainTimeout, StandaloneTasks};
use crate::drain::facts::known::Known;
use crate::drain::facts::patience::Request;
use crate::drain::facts::proof::SEEN_VALID_FOR;
use crate::drain::facts::registration::Registration;
use crate::ids::TaskArn;

/// How often tasks are listed only to see whether there is a new one to stop.
const RELIST_TASKS_AFTER: Duration = Duration::from_secs(30);
/// A count of running tasks that has not changed for so long is compared with the lists.
const COUNT_STUCK_AFTER: Duration = Duration::from_secs(60);
/// Tasks to be stopped at a time are read so long before it: the lists of a hundred hosts take ten seconds at the
/// account's rate (20 reads a second, ECS API reference, Request throttling).
const READ_AHEAD: Duration = Duration::from_secs(15);
/// Where a stop is late, a round of reads lasts no longer: a little more than one request may take.
const LATE_ROUND: Duration = Duration::from_secs(4);

/// What is known to be due is stopped before anything is read.
pub(super) fn due_tasks(case: &Case<'_>) -> Option<Says> {
    let to_stop = to_stop(case.known, Stops::of(case));
    (!to_stop.is_empty()).then_some(Says::Wants(Ask::StopTasks(to_stop)))
}

/// Daemons are stopped after the others.
pub(super) fn due_daemons(case: &Case<'_>) -> Option<Says> {
    let stops = Stops::of(case);
    (stops.due == Due::Every && wants_services(case.known, stops)).then_some(Says::Wants(Ask::Services))
}

pub(super) fn next_look(case: &Case<'_>) -> Option<Says> {
    let lost_by_now = |it: &Registration| {
        let lost = ending::agent_lost_from(it, case).is_some_and(|from| from <= case.now);
        lost && older_than(it.read_at, SEEN_VALID_FOR, case.now)
    };
    let is_due = case.now >= case.known.next_look || case.known.registrations.iter().any(lost_by_now);
    is_due.then_some(Says::Wants(Ask::Instance))
}

/// Every task, or those alone that had not stopped.
pub(super) fn tasks_to_read(case: &Case<'_>) -> Option<Says> {
    let (stops, goes) = (Stops::of(case), case.known.departure.cause.taken_at().is_some());
    let seems_empty = |it: &Registration| it.running_tasks == 0 && it.unstopped().next().is_none();
    let all_seem_empty = case.known.registrations.iter().all(seems_empty);
    // Beside one that is not empty, what proves that this one is may wait.
    let wanted = case.known.registrations.iter().filter(|it| all_seem_empty || !seems_empty(it) || it.tasks.is_none());
    let reads = wanted.filter_map(|it| read_of_tasks(it, stops, goes, case.now));
    Some(Says::Wants(match reads.min()? {
        Reading::Every => Ask::Tasks,
        Reading::Unstopped => Ask::Stragglers,
    }))
}

pub(super) fn daemons_ahead(case: &Case<'_>) -> Option<Says> {
    wants_services(case.known, Stops::of(case)).then_some(Says::Wants(Ask::Services))
}

/// Until when reads may last: a stop or DRAINING that is due, or a short round where a stop is late.
pub(super) fn reads_until(case: &Case<'_>) -> Option<Timestamp> {
    let late = is_late(case).then(|| after(case.now, LATE_ROUND));
    [next_stop(case), next_drain(case), late].into_iter().flatten().min()
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
    fn of(case: &Case<'_>) -> Self {
        let Case { terms, deadlines, now, .. } = *case;
        let stop_tasks = deadlines.then == OnDrainTimeout::StopTasks;
        let due = if stop_tasks && now >= deadlines.stop_at {
            Due::Every
        } else if terms.policy.standalone_tasks == StandaloneTasks::Stop {
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
fn next_stop(case: &Case<'_>) -> Option<Timestamp> {
    let Case { known, deadlines: Deadlines { stop_at, then, .. }, now, .. } = *case;
    known.departure.cause.taken_at()?;
    let stays = known.registrations.iter().any(|registration| registration.staying().next().is_some());
    (then == OnDrainTimeout::StopTasks && now < stop_at && stays).then_some(stop_at)
}

/// When a host that could not be set DRAINING is tried again.
fn next_drain(case: &Case<'_>) -> Option<Timestamp> {
    let active = case.known.registrations.iter().any(|r| r.status == InstanceStatus::Active);
    case.known.patience.again_at(Request::Drain).filter(|again_at| active && *again_at > case.now)
}

/// Whether tasks of a host whose power goes soon should have been stopped, and are not known: then nothing that it needs
/// may wait for others.
fn is_late(case: &Case<'_>) -> bool {
    let Case { known, deadlines, now, .. } = *case;
    let unknown = |r: &Registration| r.tasks.is_none() || !r.unknown_services().is_empty();
    known.departure.cause.taken_at().is_some_and(|taken_at| (deadlines.stop_at..taken_at).contains(&now))
        && known.registrations.iter().any(unknown)
}

/// The tasks to be told to stop: daemons when all the others were told, or could not be; and what may be a daemon's when
/// that was asked.
fn to_stop(known: &Known, stops: Stops) -> Vec<TaskArn> {
    // What has not been set DRAINING would only be started again; where the power goes, SIGTERM is worth it all the same.
    let goes = known.departure.cause.taken_at().is_some();
    let closed = known.registrations.iter().filter(|r| goes || r.is_closed());
    let due = closed.flat_map(|r| r.untold().map(move |task| (r, task)));
    let due: Vec<_> = due.filter(|(_, task)| stops.fits(task)).collect();
    let asked = known.patience.has_failed(Request::Services);
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
    let daemons_too = unknown.is_empty() && (others.is_empty() || known.patience.has_failed(Request::StopTasks));
    others.into_iter().chain(daemons.into_iter().filter(|_| daemons_too)).collect()
}

/// Asked once: a task whose service did not answer is stopped with the others.
fn wants_services(known: &Known, stops: Stops) -> bool {
    stops.every_one_soon
        && !known.patience.has_failed(Request::Services)
        && known.registrations.iter().any(|registration| !registration.unknown_services().is_empty())
}

/// What is to be read of a registration's tasks; every one goes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reading {
    Every,
    Unstopped,
}

/// Tasks are listed when none should run any more, and when they prove what is then known of them; or when some may have
/// to be stopped: one read of the instance serves a hundred hosts, and so does one of known tasks; a list serves only one.
fn read_of_tasks(registration: &Registration, stops: Stops, goes: bool, now: Timestamp) -> Option<Reading> {
    // One that cannot be set DRAINING is stopped all the same before its power goes.
    let is_read = registration.is_closed() || goes && stops.needs_tasks();
    if !is_read {
        return None;
    }
    let running = registration.running_tasks;
    // A count that goes on and on may be ECS's mistake, which only the lists show.
    let is_stuck = running > 0 && older_than(registration.counted_since, COUNT_STUCK_AFTER, now);
    let is_old = |listed_at| older_than(listed_at, RELIST_TASKS_AFTER, now);
    let Some(tasks) = &registration.tasks else {
        return (running == 0 || is_stuck || stops.needs_tasks()).then_some(Reading::Every);
    };
    let looked_since = |at| at < registration.read_at;
    let listed_at = tasks.proof.read_at();
    let unstopped = registration.unstopped().next().is_some();
    if running == 0 || is_stuck && registration.staying().next().is_none() {
        return if unstopped {
            looked_since(tasks.seen_at).then_some(Reading::Unstopped)
        } else {
            (looked_since(listed_at) && (running == 0 || is_old(listed_at))).then_some(Reading::Every)
        };
    }
    if !stops.needs_tasks() {
        return None;
    }
    let counted = usize::try_from(running).unwrap_or(usize::MAX);
    let staying = registration.staying().count();
    let (another, fewer) = (counted > staying, counted < staying);
    if looked_since(tasks.seen_at) && another || looked_since(listed_at) && is_old(listed_at) {
        return Some(Reading::Every);
    }
    (fewer && looked_since(tasks.seen_at)).then_some(Reading::Unstopped)
}

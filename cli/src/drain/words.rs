//! What a drain by hand says: what it will do, how it goes, and what it leaves behind.

use std::collections::BTreeMap;
use std::time::Duration;

use console::style;
use jiff::Timestamp;
use shared::clock::after;
use shared::drain::reports::report::Drain as Report;
use shared::drain::reports::standing::Standing;
use shared::drain::rules::deadlines::STOP_GRACE;
use shared::drain::rules::decision::Outcome;
use shared::ids::InstanceId;

use crate::arguments;
use crate::failure::listed;
use crate::text::{count, duration, time_of_day, wrapped};
use crate::view::{picture, task_lines};

/// Where each host stood when it was last seen in a cluster.
pub(super) type Last = BTreeMap<InstanceId, Standing>;

/// Between two lines on a host, where there is no picture to be drawn.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// What will be done, and what will not.
pub(super) fn promise(wanted: &arguments::Drain) -> String {
    let at_once =
        if wanted.stop_standalone { "ecs-drainer stops at once the tasks that no service owns. " } else { "" };
    let later = match wanted.deadline {
        Some(deadline) => format!(
            "After {}, ecs-drainer stops the tasks that are left, gracefully; it waits {} more at most.",
            duration(deadline),
            duration(STOP_GRACE)
        ),
        None if wanted.stop_standalone => {
            "It stops no other task, however long that takes; --deadline would.".to_owned()
        }
        None => "ecs-drainer stops no task that ECS does not stop by itself, however long that takes; --deadline and \
                 --stop-standalone would."
            .to_owned(),
    };
    format!("{at_once}{later} A drained host stays DRAINING until ecs-drainer undrain.")
}

/// The picture of a drain that goes on.
pub(super) fn drawn(standings: &[Standing], now: Timestamp, width: usize) -> Vec<String> {
    let mut lines = picture(standings, now, width);
    lines.push(String::new());
    let what = "Ctrl-C ends the waiting: the hosts stay DRAINING.";
    lines.extend(wrapped("", &format!("{}; {what}", time_of_day(now)), width));
    lines
}

/// Tells of each host when something about it changes, and now and then though nothing does.
#[derive(Debug, Default)]
pub(super) struct Teller(BTreeMap<InstanceId, (String, Timestamp)>);

impl Teller {
    /// What is new of these hosts.
    pub(super) fn news(&mut self, standings: &[Standing], now: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        for it in standings {
            let status = it.status.as_deref().unwrap_or("not found yet");
            let tasks = match it.tasks_left {
                Some(left) => count(left, "task") + " left",
                None => "tasks not read yet".to_owned(),
            };
            let failures = it.failures.iter().map(|failure| format!("; failed: {failure}")).collect::<String>();
            let news = format!("{status}, {tasks}{failures}");
            let told = self.0.get(&it.instance_id);
            if told.is_none_or(|(told, at)| *told != news || after(*at, TOLD_EVERY) <= now) {
                lines.push(format!("{}  {}  {news}", time_of_day(now), it.instance_id));
                self.0.insert(it.instance_id.clone(), (news, now));
            }
        }
        lines
    }
}

/// What was stopped, and what was not.
pub(super) fn end(reports: &[Report], last: &Last, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for it in reports {
        let instance = it.instance_id.as_ref().map_or("?", InstanceId::as_str);
        let outcome = match it.outcome {
            Outcome::Drained => style("drained").green().to_string(),
            other => style(other.to_string()).red().to_string(),
        };
        let took = duration(Duration::from_secs_f64(it.seconds.max(0.0)));
        lines.push(format!("{}  {outcome} in {took}", style(instance).bold()));
        let seen = it.instance_id.as_ref().and_then(|id| last.get(id));
        lines.extend(wrapped("  ", &stopped(it, seen), width));
        if it.outcome != Outcome::Drained {
            lines.extend(wrapped("  ", &it.detail, width));
        }
        for left in &it.remaining {
            lines.extend(task_lines(&left.group, left.task.as_str(), &left.last_status, &left.why, width));
        }
    }
    let stays = reports.iter().filter(|it| matches!(it.outcome, Outcome::Drained | Outcome::TimedOut));
    let ids: Vec<_> = stays.filter_map(|it| it.instance_id.clone()).collect();
    if !ids.is_empty() {
        lines.extend(wrapped("", &format!("DRAINING until: ecs-drainer undrain {}", spaced(&ids)), width));
    }
    lines
}

fn stopped(it: &Report, seen: Option<&Standing>) -> String {
    if it.outcome == Outcome::NotInEcs {
        return match seen.and_then(|seen| seen.tasks_left) {
            Some(0) => "It went away, and nothing was left on it.".to_owned(),
            Some(left) => {
                format!("It went away, with {} that had not stopped when it was last seen.", count(left, "task"))
            }
            None => "It went away before it was known what was on it.".to_owned(),
        };
    }
    let told = it.measures.told_to_stop;
    let by_themselves = it.tasks_stopped.saturating_sub(told);
    let left = match it.remaining.len() {
        0 => "None is left.".to_owned(),
        1 => "1 task is left.".to_owned(),
        more => format!("{more} tasks are left."),
    };
    let stopped = count(it.tasks_stopped, "task");
    format!("{stopped} stopped: {by_themselves} moved by ECS or ended, {told} told to stop. {left}")
}

/// What a drain leaves behind when the command ends early.
pub(super) fn left_alone(why: &str, last: &Last, wanted: &arguments::Drain) -> String {
    let draining: Vec<_> = last.values().filter(|it| it.status.as_deref() == Some("DRAINING")).collect();
    if draining.is_empty() {
        return format!("{why} No host was seen DRAINING; ecs-drainer status tells whether one is.");
    }
    let ids: Vec<_> = draining.iter().map(|it| it.instance_id.clone()).collect();
    let tasks = match draining.iter().map(|it| it.tasks_left).sum::<Option<usize>>() {
        Some(tasks) => count(tasks, "task") + " left",
        None => "tasks left that were not read yet".to_owned(),
    };
    let deadline =
        if wanted.deadline.is_some() { ", and nothing is told to stop at the deadline any more" } else { "" };
    let others = last.len().saturating_sub(ids.len());
    let others = if others > 0 { format!(" {others} had not been set DRAINING.") } else { String::new() };
    let cluster = draining.first().and_then(|it| it.cluster.as_ref());
    let cluster = cluster.map(|cluster| format!(" --cluster {cluster}")).unwrap_or_default();
    format!(
        "{why} {} {} DRAINING, with {tasks}: ECS goes on with what it moves by itself{deadline}.{others}\n  \
         To see it: ecs-drainer watch{cluster}. To go on: the same command again. To take it back: ecs-drainer undrain {}",
        listed(&ids),
        if ids.len() == 1 { "stays" } else { "stay" },
        spaced(&ids)
    )
}

fn spaced(ids: &[InstanceId]) -> String {
    ids.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(" ")
}

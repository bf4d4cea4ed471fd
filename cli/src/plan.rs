//! What a drain by hand will meet: every task of each host, and what becomes of it.

use console::{Color, style};
use jiff::Timestamp;
use serde::Serialize;
use shared::aws::InstanceStatus;
use shared::config::StandaloneTasks;
use shared::drain::facts::hold::HeldBy;
use shared::drain::facts::known::Known;
use shared::drain::facts::lifecycle::{Meaning, meaning};
use shared::drain::reports::Explanations;
use shared::drain::reports::prospect::Prospect;
use shared::ids::{ClusterName, InstanceId};

use crate::text::{count, wrapped};
use crate::view::task_lines;

/// What is to be expected of one host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HostPlan {
    pub(crate) instance_id: InstanceId,
    pub(crate) cluster: Option<ClusterName>,
    pub(crate) status: Option<String>,
    /// What to know of the host itself before it is drained.
    pub(crate) warnings: Vec<String>,
    /// Its tasks, those that block first.
    pub(crate) tasks: Vec<Prospect>,
}

impl HostPlan {
    /// `known` was looked at, and says which hooks hold it, if any do.
    pub(crate) fn of(known: &Known, explanations: &Explanations, standalone: StandaloneTasks, now: Timestamp) -> Self {
        let unstopped = known.registrations.iter().flat_map(|r| r.unstopped().map(move |task| (r, task)));
        let mut tasks: Vec<_> =
            unstopped.map(|(r, task)| Prospect::of(task, r, explanations, standalone, now)).collect();
        let order = |it: &Prospect| match it.blocks {
            Some(true) => 0,
            None => 1,
            Some(false) => 2,
        };
        tasks.sort_by(|a, b| (order(a), &a.group, &a.task).cmp(&(order(b), &b.group, &b.task)));
        Self {
            instance_id: known.departure.instance.clone(),
            cluster: known.cluster().cloned(),
            status: known.registrations.first().map(|registration| registration.status.to_string()),
            warnings: warnings(known),
            tasks,
        }
    }

    /// How many of its tasks are in the way, or not, or may be.
    fn counted(&self, blocks: Option<bool>) -> usize {
        self.tasks.iter().filter(|task| task.blocks == blocks).count()
    }
}

/// Why a host is about to go anyway, if it is.
pub(crate) fn leaves(known: &Known) -> Option<String> {
    match &known.hold.as_ref()?.by {
        HeldBy::Ours(ours) => Some(format!(
            "Auto Scaling terminates it, and group {} has the drainer's hook: the drainer drains it; see ecs-drainer watch",
            ours.group
        )),
        HeldBy::Others { group } => {
            Some(format!("Auto Scaling terminates it; group {group} has a hook, but none of the drainer's"))
        }
        HeldBy::NoHook { state: None } => None,
        HeldBy::NoHook { state: Some(state) } => match meaning(state) {
            Meaning::Begins => Some(format!("Auto Scaling begins to take it away: its state is {state}")),
            Meaning::Over => Some(format!("Auto Scaling takes it away, and nothing holds it: its state is {state}")),
            Meaning::Retained => Some(format!("Auto Scaling keeps it out of service: its state is {state}")),
            Meaning::Waits(_) | Meaning::WaitsInWarmPool | Meaning::Stays => None,
        },
    }
}

fn warnings(known: &Known) -> Vec<String> {
    let draining = known.registrations.iter().any(|r| r.status == InstanceStatus::Draining);
    let already = draining.then(|| "it is DRAINING already; this goes on with it".to_owned());
    let lost = known.registrations.iter().any(|r| r.agent_lost_at.is_some());
    let lost = lost.then(|| "its agent is disconnected, so that ECS can neither stop nor see its tasks".to_owned());
    leaves(known).into_iter().chain(already).chain(lost).collect()
}

/// The plan as lines, `promise` being what is done about what is left.
pub(crate) fn lines(plans: &[HostPlan], promise: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for plan in plans {
        let cluster = plan.cluster.as_ref().map_or("?", |cluster| cluster.as_str());
        let tasks = count(plan.tasks.len(), "task");
        let host = format!("{}  ", style(plan.instance_id.as_str()).bold());
        lines.extend(wrapped(&host, &format!("cluster {cluster}, {tasks}"), width));
        for warning in &plan.warnings {
            let mark = style("!").yellow().bold().to_string();
            lines.extend(wrapped(&format!("  {mark} "), warning, width));
        }
        for task in &plan.tasks {
            let sentence = match task.blocks {
                Some(true) => format!("in the way: {}", task.what),
                None => format!("perhaps in the way: {}", task.what),
                Some(false) => task.what.clone(),
            };
            lines.extend(task_lines(&task.group, task.task.as_str(), &task.last_status, &sentence, width));
        }
        lines.push(String::new());
    }
    let counted = |blocks| plans.iter().map(|plan| plan.counted(blocks)).sum::<usize>();
    let (summary, color) = match (counted(Some(true)), counted(None)) {
        (0, 0) => ("Nothing is in the way.".to_owned(), Color::Green),
        (0, unknown) => {
            (format!("Of {} it is not known whether anything is in the way.", count(unknown, "task")), Color::Yellow)
        }
        (1, _) => ("1 task is in the way: it may stay for as long as it likes.".to_owned(), Color::Yellow),
        (more, _) => (format!("{more} tasks are in the way: they may stay for as long as they like."), Color::Yellow),
    };
    lines.extend(wrapped("", &summary, width).into_iter().map(|line| style(line).fg(color).to_string()));
    lines.extend(wrapped("", promise, width));
    lines
}

//! The demo's words: what there is, and what of all that happens is worth telling.

use std::{collections::BTreeSet, time::Duration};

use simulator::{
    scenario::{CLUSTER, DAEMON, Departure, HELD, HOOK, JOB, Parameters, SERVICE},
    world::{AutoScalingRequest, EcsRequest, LastStatus, Outcome, Recorded, Request, TaskChange, World},
};

use crate::tell::{self, Line, News, What, last_part, lined, tasks};

/// A little less than a terminal has.
const COLUMNS: usize = 78;

/// What is further off than this belongs to no story.
const QUIET: Duration = Duration::from_secs(10);

/// What the function and its surroundings are told to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Staging<'a> {
    pub(crate) parameters: &'a Parameters,
    /// The hosts that Auto Scaling is about to terminate; none for an event that names none.
    pub(crate) leaving: &'a [String],
    /// Where AWS is simulated, when a function is there to call it.
    pub(crate) drainer: Option<&'a str>,
    /// The function's settings that are not the defaults.
    pub(crate) settings: &'a [(&'a str, &'a str)],
    /// How long ago a Spot notice was given.
    pub(crate) notice_age: Duration,
}

/// What there is when the story begins.
pub(crate) fn introduction(world: &World, staging: Staging<'_>) -> Vec<String> {
    let Staging { parameters, leaving, drainer, settings, notice_age } = staging;
    let by_spot = parameters.departure == Departure::SpotInterruption;
    let hosts = world.hosts().count();
    let groups: BTreeSet<&str> = world.hosts().filter_map(|host| host.group).collect();
    let groups = groups.into_iter().collect::<Vec<_>>().join(", ");
    let on_leaving = match leaving.len() {
        0 => "on one host",
        1 => "on the leaving host",
        _ => "on each leaving host",
    };
    let mut lines =
        wrapped(&format!("Cluster {CLUSTER} has {hosts} hosts of Auto Scaling group {groups}. On them run:"));
    lines.push(String::new());
    lines.push(format!("  service     {SERVICE:<14}  {} behind a load balancer", tasks(hosts)));
    lines.push(format!("  daemon      {DAEMON:<14}  1 task on each host"));
    lines.push(format!("  standalone  {JOB:<14}  1 task that no service owns, {on_leaving}"));
    if by_spot {
        lines.push(format!("  service     {HELD:<14}  1 task {on_leaving}; minimum and"));
        lines.push(format!("{:30}maximum are 100 %, so ECS never moves it", ""));
    }
    lines.push(String::new());
    let plot = if by_spot {
        plot_of_spot(leaving, drainer.is_some(), notice_age)
    } else {
        plot(leaving, drainer.is_some(), parameters.heartbeat_timeout)
    };
    lines.extend(wrapped(&plot));
    if let Some(url) = drainer {
        let settings: Vec<_> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        lines.push(String::new());
        lines.extend(wrapped(&format!(
            "AWS is simulated, on {url}; the function is the real binary, run as Lambda runs it. So that you need not wait, \
             it has other settings than the defaults: {}.",
            settings.join(", ")
        )));
    }
    if !leaving.is_empty() {
        lines.push(String::new());
    }
    lines
}

fn plot(leaving: &[String], drained: bool, heartbeat_timeout: Duration) -> String {
    let (named, is) = (leaving.join(", "), if leaving.len() == 1 { "is" } else { "are" });
    match (leaving.len(), drained) {
        (0, _) => "The event names no host that Auto Scaling is about to terminate, so none is.".to_owned(),
        (_, true) => format!(
            "Auto Scaling scales in: {named} {is} to be terminated. Lifecycle hook {HOOK} holds that up. The function \
             instance-terminating gets the event, drains the host, and lets it go when nothing runs there any more."
        ),
        (_, false) => format!(
            "Auto Scaling scales in: {named} {is} to be terminated. Lifecycle hook {HOOK} is there for a drainer, \
             but there is none. The hook's heartbeat timeout is {} s here (AWS's default is an hour); after that the host goes, drained or not.",
            heartbeat_timeout.as_secs()
        ),
    }
}

fn plot_of_spot(leaving: &[String], drained: bool, notice_age: Duration) -> String {
    let (named, is) = (leaving.join(", "), if leaving.len() == 1 { "is" } else { "are" });
    let notice = format!(
        "EC2 takes Spot capacity back: {named} {is} to be terminated two minutes after the notice, and no hook holds that \
         up. The notice is {} s old already.",
        notice_age.as_secs()
    );
    let then = if drained {
        "The function spot-interruption gets the event, drains the host, and stops in time what ECS does not move."
    } else {
        "Nothing drains the host."
    };
    format!("{notice} {then}")
}

/// The lines for what is worth telling.
pub(crate) fn told(news: &News, world: &World, leaving: &[String]) -> Vec<Line> {
    match &news.what {
        What::Request(Recorded { request, outcome: Outcome::Answered, .. }) => of_request(request, world),
        What::Request(_) => Vec::new(),
        What::Change(change) => of_change(change, world, leaving).into_iter().collect(),
        What::Released(_)
        | What::TimedOut(_)
        | What::Killed(_)
        | What::Interrupted { .. }
        | What::Host { state: None, .. } => {
            vec![tell::line(&news.what, world)]
        }
        What::Host { .. } => (tell::begins_to_leave(&news.what).into_iter())
            .map(|instance_id| lined("NOTICE", format!("Auto Scaling is about to terminate {instance_id}")))
            .collect(),
    }
}

fn of_request(request: &Request, world: &World) -> Vec<Line> {
    match request {
        Request::Ecs(EcsRequest::UpdateContainerInstancesState { container_instances, status, .. }) => {
            let effect = if status == "DRAINING" { ": no new tasks, services move away" } else { "" };
            (container_instances.iter())
                .filter_map(|id| world.container_instances().find(|instance| instance.id == last_part(id)))
                .map(|instance| lined(status, format!("{}{effect}", instance.instance_id)))
                .collect()
        }
        Request::Ecs(EcsRequest::StopTask { task, .. }) => {
            let id = last_part(task);
            vec![lined("STOP TASK", format!("{}  told by the function", tell::who(world.task(id), "task", id)))]
        }
        Request::AutoScaling(AutoScalingRequest::RecordLifecycleActionHeartbeat { instance_id, .. }) => {
            let host = instance_id.as_deref().unwrap_or("the host");
            vec![lined("HEARTBEAT", format!("lifecycle action of {host} kept alive"))]
        }
        _ => Vec::new(),
    }
}

fn of_change(change: &TaskChange, world: &World, leaving: &[String]) -> Option<Line> {
    let line = tell::line(&What::Change(change.clone()), world);
    let on_leaving = leaving.contains(&change.instance_id);
    match change.to {
        _ if tell::ends(change) => on_leaving.then_some(line),
        LastStatus::Provisioning if change.from == change.to => Some(Line { word: "REPLACEMENT".to_owned(), ..line }),
        LastStatus::Deactivating if on_leaving => Some(line),
        LastStatus::Running => Some(line),
        LastStatus::Stopped if on_leaving && !was_killed(world, &change.task) => Some(line),
        _ => None,
    }
}

fn was_killed(world: &World, task: &str) -> bool {
    world.killed().iter().any(|killed| last_part(&killed.task) == task)
}

/// How many tasks of the hosts that leave have stopped, and how many there are.
pub(crate) fn progress(world: &World, leaving: &[String]) -> (usize, usize) {
    let tasks = || leaving.iter().flat_map(|id| world.tasks_on(id));
    let stopped = tasks().filter(|task| task.last_status == LastStatus::Stopped && !was_killed(world, &task.id));
    (stopped.count(), tasks().count())
}

/// Whether nothing more comes, when the function has answered or there is none.
pub(crate) fn is_over(world: &World, leaving: &[String], drained: bool) -> bool {
    let waits = |id: &String| world.host(id).is_some_and(|host| host.waits_on().next().is_some());
    if drained && leaving.iter().any(waits) {
        return true;
    }
    let quiet = world.next_change().is_none_or(|at| at > world.now() + QUIET);
    quiet && leaving.iter().all(|id| world.lifecycle_state(id).is_none())
}

/// Breaks a text into lines.
pub(crate) fn wrapped(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests;

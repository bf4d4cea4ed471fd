//! What happens in a world, and the line that tells it: the same for `serve` and for the demo.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use simulator::world::{
    DesiredStatus, HookTimeout, Killed, LastStatus, Outcome, Owner, Recorded, Release, SPOT_NOTICE, Task, TaskChange,
    World,
};

/// What a request is about is told in so many characters at most.
const MAX_SUBJECTS: usize = 90;

/// Enough of an id to tell tasks apart.
const SHORT_ID: usize = 6;

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) struct News {
    pub(crate) at: Timestamp,
    pub(crate) what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Request(Recorded),
    Change(TaskChange),
    Released(Release),
    TimedOut(HookTimeout),
    Killed(Killed),
    /// EC2 gave notice that it will interrupt a host.
    Interrupted {
        instance_id: String,
        noticed_at: Timestamp,
    },
    /// What Auto Scaling says of a host has changed; `None` is gone.
    Host {
        instance_id: String,
        state: Option<String>,
        /// What it said before.
        before: Option<String>,
    },
}

/// A line without its time: a word that stands out, and the rest. Fits 80 columns after a time of eight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) word: String,
    pub(crate) text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{:<12}  {}", self.word, self.text);
        f.write_str(line.trim_end())
    }
}

/// Follows a world, and remembers what it has told.
#[derive(Debug)]
pub(crate) struct History {
    requests: usize,
    changes: usize,
    releases: usize,
    timeouts: usize,
    killed: usize,
    interrupted: BTreeMap<String, Timestamp>,
    states: BTreeMap<String, Option<String>>,
}

impl History {
    /// Of `world` from here on.
    pub(crate) fn from_here(world: &World) -> History {
        History {
            requests: world.request_count(),
            changes: world.task_change_count(),
            releases: world.releases().len(),
            timeouts: world.hook_timeouts().len(),
            killed: world.killed().len(),
            interrupted: interrupted(world),
            states: states(world),
        }
    }

    /// What happened since the last time, in its order. When a host changed is known only as exactly as one looks.
    pub(crate) fn news(&mut self, world: &World) -> Vec<News> {
        // At one instant, causes come before effects.
        let mut news = Vec::new();
        let mut tell = |at, what| news.push(News { at, what });
        for it in world.requests_since(self.requests) {
            tell(it.at, What::Request(it.clone()));
        }
        for it in world.killed().iter().skip(self.killed) {
            tell(it.at, What::Killed(it.clone()));
        }
        for it in world.task_changes_since(self.changes) {
            tell(it.at, What::Change(it.clone()));
        }
        for it in world.releases().iter().skip(self.releases) {
            tell(it.at, What::Released(it.clone()));
        }
        for it in world.hook_timeouts().iter().skip(self.timeouts) {
            tell(it.at, What::TimedOut(it.clone()));
        }
        let here = History::from_here(world);
        for (instance_id, noticed_at) in &here.interrupted {
            if !self.interrupted.contains_key(instance_id) {
                let (instance_id, noticed_at) = (instance_id.clone(), *noticed_at);
                tell(world.now(), What::Interrupted { instance_id, noticed_at });
            }
        }
        for (instance_id, state) in &here.states {
            let before = self.states.get(instance_id);
            if before != Some(state) {
                let (instance_id, before) = (instance_id.clone(), before.cloned().flatten());
                tell(world.now(), What::Host { instance_id, state: state.clone(), before });
            }
        }
        *self = here;
        news.sort_by_key(|it| it.at);
        news
    }
}

fn states(world: &World) -> BTreeMap<String, Option<String>> {
    let state = |id: &str| world.lifecycle_state(id).map(str::to_owned);
    world.hosts().map(|host| (host.instance_id.to_owned(), state(host.instance_id))).collect()
}

fn interrupted(world: &World) -> BTreeMap<String, Timestamp> {
    world.hosts().filter_map(|host| Some((host.instance_id.to_owned(), host.interrupted_at?))).collect()
}

/// The instance that Auto Scaling began to terminate, if that is what happened.
pub(crate) fn begins_to_leave(what: &What) -> Option<&str> {
    let is_leaving = |state: &Option<String>| state.as_deref().is_some_and(|state| state.starts_with("Terminating"));
    match what {
        // A look every now and then may miss the short `Terminating` before `Terminating:Wait`.
        What::Host { instance_id, state, before } if is_leaving(state) && !is_leaving(before) => Some(instance_id),
        _ => None,
    }
}

/// The line that tells it.
pub(crate) fn line(what: &What, world: &World) -> Line {
    match what {
        What::Request(recorded) => of_request(recorded),
        What::Change(change) => of_change(change, world),
        What::Released(Release { instance_id, unstopped, .. }) => of_action("COMPLETED", instance_id, unstopped.len()),
        What::TimedOut(HookTimeout { instance_id, unstopped, .. }) => {
            of_action("TIMED OUT", instance_id, unstopped.len())
        }
        What::Killed(killed) => of_killed(killed, world),
        What::Interrupted { instance_id, noticed_at } => {
            let left = (*noticed_at + SPOT_NOTICE).duration_since(world.now()).as_secs_f64();
            lined("SPOT NOTICE", format!("EC2 takes {instance_id} in {left:.0} s, whatever runs there"))
        }
        What::Host { instance_id, state: Some(state), .. } => lined("host", format!("{instance_id} is {state}")),
        What::Host { instance_id, state: None, .. } => lined("TERMINATED", format!("{instance_id} is gone")),
    }
}

pub(crate) fn lined(word: &str, text: String) -> Line {
    Line { word: word.to_owned(), text }
}

/// `1 task`, `2 tasks`.
pub(crate) fn tasks(count: usize) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

/// What follows the last slash of an ARN; anything else as it is.
pub(crate) fn last_part(arn: &str) -> &str {
    if !arn.starts_with("arn:") {
        return arn;
    }
    arn.rsplit('/').next().unwrap_or(arn)
}

fn of_request(recorded: &Recorded) -> Line {
    let subjects: String = recorded.request.subjects().into_iter().flat_map(|it| [" ", last_part(it)]).collect();
    let subjects: String = subjects.chars().take(MAX_SUBJECTS).collect();
    let outcome = match &recorded.outcome {
        Outcome::Answered => "ok",
        Outcome::Refused(code) => code,
        Outcome::Lost { effect: true } => "answer lost",
        Outcome::Lost { effect: false } => "connection dropped",
    };
    lined("request", format!("{}{subjects}: {outcome}", recorded.request.operation()))
}

fn of_change(change: &TaskChange, world: &World) -> Line {
    let task = world.task(&change.task);
    let ended_by_itself = task.is_some_and(|task| task.stop_code.as_deref() == Some("EssentialContainerExited"));
    let daemon = task.is_some_and(|task| matches!(task.owner, Owner::Service { daemon: true, .. }));
    let text = match change.to {
        LastStatus::Deactivating => "leaves load balancer".to_owned(),
        _ if ends(change) && daemon => "SIGTERM, as the last".to_owned(),
        _ if ends(change) => "SIGTERM".to_owned(),
        LastStatus::Stopped if ended_by_itself => "ended by itself".to_owned(),
        _ => format!("on {}", change.instance_id),
    };
    // ECS has no status of its own for it: such a task is RUNNING still.
    let word = if ends(change) { LastStatus::Stopping } else { change.to };
    lined(word.as_str(), format!("{}  {text}", who(task, &change.group, &change.task)))
}

/// Whether a task's containers were told to end.
pub(crate) fn ends(change: &TaskChange) -> bool {
    use LastStatus::{Deactivating, Deprovisioning, Stopped};
    change.desired == DesiredStatus::Stopped && !matches!(change.to, Deactivating | Deprovisioning | Stopped)
}

fn of_action(word: &str, instance_id: &str, unstopped: usize) -> Line {
    lined(word, format!("lifecycle action of {instance_id}, {} running", tasks(unstopped)))
}

fn of_killed(killed: &Killed, world: &World) -> Line {
    let id = last_part(&killed.task);
    let who = who(world.task(id), "task", id);
    lined("KILLED", format!("{who}  while {}", killed.last_status))
}

/// A task's owner and short id, in columns.
pub(crate) fn who(task: Option<&Task>, group: &str, id: &str) -> String {
    let owner = match task.map(|task| &task.owner) {
        Some(Owner::Service { name, daemon: false, .. }) => format!("service {name}"),
        Some(Owner::Service { name, daemon: true, .. }) => format!("daemon {name}"),
        Some(Owner::Standalone { family }) => format!("standalone {family}"),
        None => group.to_owned(),
    };
    format!("{owner:<25}  {}", id.get(..SHORT_ID).unwrap_or(id))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use simulator::scenario::{self, LEAVING, Parameters};

    use super::*;

    #[test]
    fn each_piece_of_news_is_told_once_and_in_its_order() {
        let start = Timestamp::UNIX_EPOCH;
        let mut world = scenario::demo(start, &Parameters::default()).unwrap();
        let mut history = History::from_here(&world);
        let mut told = |world: &World| -> Vec<String> {
            history.news(world).iter().map(|news| line(&news.what, world).to_string()).collect()
        };
        assert!(told(&world).is_empty());
        world.scale_in(LEAVING, start + Duration::from_secs(2)).unwrap();
        assert_eq!(told(&world), ["host          i-1234567890abcdef0 is Terminating"]);
        world.advance(start + Duration::from_secs(3));
        assert!(told(&world).contains(&"host          i-1234567890abcdef0 is Terminating:Wait".to_owned()));
        world.power_off(LEAVING).unwrap();
        let news = told(&world);
        assert!(news.iter().any(|line| line.starts_with("KILLED") && line.ends_with("while RUNNING")), "{news:#?}");
        assert!(news.iter().any(|line| line == "TERMINATED    i-1234567890abcdef0 is gone"), "{news:#?}");
        assert!(told(&world).is_empty());
    }
}

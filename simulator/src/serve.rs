//! Serves the demo's world and tells what happens in it, line by line.

use std::{
    io::{self, Write},
    time::Duration,
};

use jiff::Timestamp;
use simulator::{
    clock::wall_now,
    scenario::{self, LEAVING},
    wire::Simulator,
    world::{Killed, Outcome, Recorded, TaskChange, World, WorldError},
};

/// How often it looks for something to tell.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a request is about is told in so many characters at most.
const MAX_SUBJECTS: usize = 90;

/// Why the world is not served any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen { port: u16, source: io::Error },
    #[error("the demo's world cannot be: {0}")]
    World(#[from] WorldError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Serves until it is interrupted.
pub(crate) async fn serve(port: u16, scale_in_after: Duration) -> Result<(), ServeError> {
    let began = wall_now();
    let simulator =
        Simulator::start_on(scenario::demo(began)?, port).map_err(|source| ServeError::Listen { port, source })?;
    let mut out = io::stdout();
    out.write_all(greeting(&simulator.url()).as_bytes())?;
    let mut told = Told::new(began);
    let mut to_scale_in = Some(began + scale_in_after);
    loop {
        if to_scale_in.is_some_and(|at| at <= simulator.now()) {
            to_scale_in = None;
            simulator.world(|world| world.scale_in(LEAVING, world.now()))?;
        }
        let lines = simulator.world(|world| told.news(world));
        for line in lines {
            writeln!(out, "{line}")?;
        }
        tokio::select! {
            biased;
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn greeting(url: &str) -> String {
    format!(
        "ECS and Auto Scaling listen on {url}; cluster {cluster}, group {group}, hook {hook}, leaving host {LEAVING}.

    export AWS_ENDPOINT_URL={url}
    export AWS_REGION=us-west-2
    export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE
    export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY

",
        cluster = scenario::CLUSTER,
        group = scenario::GROUP,
        hook = scenario::HOOK,
    )
}

/// What was told already.
#[derive(Debug)]
struct Told {
    began: Timestamp,
    requests: usize,
    changes: usize,
    killed: usize,
    state: Option<String>,
}

impl Told {
    fn new(began: Timestamp) -> Told {
        Told { began, requests: 0, changes: 0, killed: 0, state: Some("InService".to_owned()) }
    }

    /// What happened since the last time, in its order.
    fn news(&mut self, world: &World) -> Vec<String> {
        let requests = world.requests_since(self.requests).iter().map(|it| (it.at, of_request(it)));
        let changes = world.task_changes_since(self.changes).iter().map(|it| (it.at, of_change(it)));
        let killed = world.killed().iter().skip(self.killed).map(|it| (it.at, of_killed(it)));
        let mut news: Vec<_> = requests.chain(changes).chain(killed).collect();
        let state = world.lifecycle_state(LEAVING).map(str::to_owned);
        if state != self.state {
            let what = state.as_deref().unwrap_or("gone");
            news.push((world.now(), format!("host {LEAVING} is {what}")));
        }
        self.state = state;
        self.requests = world.request_count();
        self.changes = world.task_change_count();
        self.killed = world.killed().len();
        news.sort_by_key(|(at, _)| *at);
        news.into_iter().map(|(at, what)| format!("{} {what}", self.elapsed(at))).collect()
    }

    fn elapsed(&self, at: Timestamp) -> String {
        format!("{:8.1} s ", at.duration_since(self.began).as_secs_f64())
    }
}

fn of_request(recorded: &Recorded) -> String {
    let subjects: Vec<&str> = recorded.request.subjects().into_iter().map(last_part).collect();
    let subjects: String = subjects.join(" ").chars().take(MAX_SUBJECTS).collect();
    let outcome = match &recorded.outcome {
        Outcome::Answered => "ok",
        Outcome::Refused(code) => code,
        Outcome::Lost { effect: true } => "answer lost",
        Outcome::Lost { effect: false } => "connection dropped",
    };
    format!("{} {subjects}: {outcome}", recorded.request.operation())
}

fn of_change(change: &TaskChange) -> String {
    let TaskChange { group, instance_id, from, to, .. } = change;
    if from == to {
        return format!("task {} ({group}) on {instance_id}: {to}", short(&change.task));
    }
    format!("task {} ({group}) on {instance_id}: {from} -> {to}", short(&change.task))
}

fn of_killed(killed: &Killed) -> String {
    let task = short(last_part(&killed.task));
    format!("task {task} on {} was KILLED while {}", killed.instance_id, killed.last_status)
}

fn last_part(arn: &str) -> &str {
    if !arn.starts_with("arn:") {
        return arn;
    }
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Enough of an id to tell tasks apart.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_of_news_is_told_once_and_with_the_time() {
        let start = Timestamp::UNIX_EPOCH;
        let mut world = scenario::demo(start).unwrap();
        let mut told = Told::new(start);
        assert!(told.news(&world).is_empty());
        world.scale_in(LEAVING, start + Duration::from_secs(2)).unwrap();
        assert_eq!(told.news(&world), ["     2.0 s  host i-1234567890abcdef0 is Terminating:Wait"]);
        world.power_off(LEAVING).unwrap();
        let news = told.news(&world);
        assert!(news.iter().any(|line| line.contains("was KILLED while RUNNING")), "{news:?}");
        assert!(news.iter().any(|line| line.ends_with("is gone")), "{news:?}");
        assert!(told.news(&world).is_empty());
    }

    #[test]
    fn a_taken_port_is_a_one_line_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = runtime.block_on(serve(port, Duration::ZERO)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")), "{error}");
        assert!(!error.contains('\n'));
    }
}

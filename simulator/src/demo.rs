//! The demo: a real function drains a simulated host, and one can watch.

mod build;
mod event;
mod screen;
mod story;
mod summary;

use std::{io, path::PathBuf, pin::pin, process::ExitCode, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use simulator::{
    clock::wall_now,
    lambda::{Function, FunctionSpec, Outcome},
    scenario::{self, Parameters},
    wire::Simulator,
    world::WorldError,
};

use crate::tell::History;
use build::BuildError;
use event::EventError;
use screen::{Screen, clock};
use story::Staging;
use summary::is_explained;

/// The function that drains hosts which Auto Scaling terminates.
const FUNCTION: &str = "instance-terminating";

/// Fed to it unless another event is given.
const SAMPLE: &str = "events/instance-terminate.json";

/// Nobody watches a demo that polls every 2 to 15 seconds, as the function does by default.
const POLL: (&str, &str) = ("0.5", "1");

/// Several times what a drain takes here.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(60);

/// The function's timeout, and what happens after it.
const STORY_LIMIT: Duration = Duration::from_secs(75);

/// Without a drainer the hook times out while every task still runs.
const UNDRAINED_HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often it looks for something to tell.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// As shells tell an end by SIGINT.
const INTERRUPTED: u8 = 130;

/// What an event may be, and what the exit status says.
const MORE_HELP: &str = "\
The event may be bare, in an SNS envelope or an SQS batch. The host, group,
account and region that it names become the simulated ones.

Exit status: 0 when every host was released with nothing running on it,
1 when not, 2 when there is no event to feed.";

/// What `demo` can be told.
#[derive(Debug, clap::Args)]
#[command(override_usage = "cargo demo -- [OPTIONS] [FILE.json]", after_help = MORE_HELP)]
pub(crate) struct Options {
    /// Event to feed to the function instead of events/instance-terminate.json
    #[arg(value_name = "FILE.json")]
    file: Option<PathBuf>,
    /// Show what happens when nobody drains the host
    #[arg(long)]
    without_drainer: bool,
    /// Print the function's own log lines, too
    #[arg(long, conflicts_with = "without_drainer")]
    logs: bool,
}

/// Why there is no story to the end.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error(transparent)]
    Event(#[from] EventError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("the demo's world cannot be: {0}")]
    World(#[from] WorldError),
    #[error("cannot listen on 127.0.0.1: {0}")]
    Listen(io::Error),
    #[error("cannot run {}: {source}", binary.display())]
    Function { binary: PathBuf, source: io::Error },
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Shows it, until its end or Ctrl-C.
pub(crate) async fn demo(options: &Options) -> ExitCode {
    let ended = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => return ExitCode::from(INTERRUPTED),
        ended = run(options) => ended,
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::from(if matches!(error, DemoError::Event(_)) { 2 } else { 1 })
        }
    }
}

async fn run(options: &Options) -> Result<bool, DemoError> {
    let file = options.file.clone().unwrap_or_else(|| build::in_workspace(SAMPLE));
    let event = event::read(&file)?;
    let mut parameters = event.parameters;
    let mut binary = None;
    if options.without_drainer {
        parameters.heartbeat_timeout = UNDRAINED_HEARTBEAT_TIMEOUT;
    } else {
        eprintln!("Building the functions (the first time takes a few minutes)…");
        binary = Some(build::function(FUNCTION).await?);
    }
    let leaving: Vec<String> = match event.names_hosts {
        true => parameters.leaving.iter().map(|host| host.instance_id.clone()).collect(),
        false => Vec::new(),
    };

    let mut screen = Screen::new();
    let simulator = Simulator::start(scenario::demo(wall_now(), &parameters)?).map_err(DemoError::Listen)?;
    let url = simulator.url();
    let drainer = binary.is_some().then_some(url.as_str());
    let staging = Staging { parameters: &parameters, leaving: &leaving, drainer, poll: POLL };
    for line in simulator.world(|world| story::introduction(world, staging)) {
        screen.line(&line)?;
    }
    let function = binary.map(|binary| start(binary, &url, &parameters)).transpose()?;

    let mut stage = Stage::new(&simulator, &leaving, options.logs);
    for instance_id in &leaving {
        simulator.world(|world| world.scale_in(instance_id, world.now()))?;
    }
    let outcome = stage.play(function.as_ref(), &event.payload, &mut screen).await?;
    screen.end_progress();

    let summary = simulator.world(|world| summary::summary(world, &leaving, outcome.as_ref()));
    let unexplained = !summary.success && !options.logs && outcome.is_some_and(|outcome| !is_explained(&outcome));
    if let Some(function) = function.as_ref().filter(|_| unexplained) {
        screen.line("")?;
        screen.line("From the function's log (--logs prints all of it):")?;
        for line in summary::telling(&function.log_lines()) {
            screen.line(&indented(line))?;
        }
    }
    for line in &summary.lines {
        screen.line(line)?;
    }
    Ok(summary.success)
}

fn start(binary: PathBuf, url: &str, parameters: &Parameters) -> Result<Function, DemoError> {
    let (min, max) = POLL;
    let environment = [("AWS_ENDPOINT_URL", url), ("POLL_MIN_SECONDS", min), ("POLL_MAX_SECONDS", max)];
    let spec = FunctionSpec {
        name: FUNCTION.to_owned(),
        binary: binary.clone(),
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        timeout: FUNCTION_TIMEOUT,
        account: parameters.account.clone(),
        region: parameters.region.clone(),
        ..FunctionSpec::default()
    };
    Function::start(spec).map_err(|source| DemoError::Function { binary, source })
}

/// What goes on, and how much of it was told.
struct Stage<'a> {
    simulator: &'a Simulator,
    leaving: &'a [String],
    with_logs: bool,
    began: Timestamp,
    history: History,
    logged: usize,
}

impl<'a> Stage<'a> {
    fn new(simulator: &'a Simulator, leaving: &'a [String], with_logs: bool) -> Stage<'a> {
        let history = simulator.world(|world| History::from_here(world));
        Stage { simulator, leaving, with_logs, began: simulator.now(), history, logged: 0 }
    }

    /// Invokes the function, if there is one, and tells what happens until nothing more does.
    async fn play(
        &mut self,
        function: Option<&Function>,
        payload: &Value,
        screen: &mut Screen,
    ) -> io::Result<Option<Outcome>> {
        let mut invocation = pin!(async {
            match function {
                Some(function) => Some(function.invoke(payload).await.outcome),
                None => None,
            }
        });
        let mut ended = None;
        loop {
            let over = ended.is_some()
                && self.simulator.world(|world| story::is_over(world, self.leaving, function.is_some()));
            self.show(function, screen)?;
            if over || self.elapsed() > STORY_LIMIT {
                return Ok(ended.flatten());
            }
            tokio::select! {
                biased;
                outcome = &mut invocation, if ended.is_none() => {
                    ended = Some(outcome);
                    // What it logged last is still on its way.
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    fn elapsed(&self) -> Duration {
        since(self.began, self.simulator.now())
    }

    /// Tells what is new.
    fn show(&mut self, function: Option<&Function>, screen: &mut Screen) -> io::Result<()> {
        let (lines, (stopped, of)) = self.simulator.world(|world| {
            let news = self.history.news(world);
            let told =
                news.iter().flat_map(|it| story::told(it, world, self.leaving).into_iter().map(|line| (it.at, line)));
            (told.collect::<Vec<_>>(), story::progress(world, self.leaving))
        });
        for (at, line) in lines {
            screen.line(&format!("{}  {line}", clock(since(self.began, at))))?;
        }
        let logged = function.filter(|_| self.with_logs).map(Function::log_lines).unwrap_or_default();
        for line in logged.iter().skip(self.logged) {
            screen.line(&indented(line))?;
        }
        self.logged = logged.len();
        if of > 0 {
            screen.progress(self.elapsed(), stopped, of, "tasks of the leaving host stopped");
        }
        Ok(())
    }
}

fn since(began: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(began)).unwrap_or_default()
}

/// Set off from the demo's own lines.
fn indented(line: &str) -> String {
    format!("        | {line}")
}

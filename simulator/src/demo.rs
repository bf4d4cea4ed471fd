//! The demo: a real function drains a simulated host, and one can watch.

mod build;
mod event;
mod page;
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
use page::Recording;
use screen::{Screen, clock, since};
use story::Staging;
use summary::is_explained;

/// The functions that drain hosts which Auto Scaling terminates, and hosts which Spot takes.
const OF_TERMINATIONS: &str = "instance-terminating";
const OF_SPOT: &str = "spot-interruption";

/// Fed to them unless another event is given.
const SAMPLE: &str = "events/instance-terminate.json";
const SPOT_SAMPLE: &str = "events/spot-interruption-warning.json";

/// The function polls every 2 to 15 seconds by default. That is too slow for a demo.
const SETTINGS: [(&str, &str); 2] = [("POLL_MIN_SECONDS", "0.5"), ("POLL_MAX_SECONDS", "1")];

/// Of the two minutes of a Spot notice so much is over; the rest is shared by ECS and the function.
const SPOT_NOTICE_AGE: Duration = Duration::from_secs(104);
const SPOT_SETTINGS: [(&str, &str); 3] =
    [("POLL_MIN_SECONDS", "0.5"), ("POLL_MAX_SECONDS", "1"), ("SPOT_STOP_LEAD_SECONDS", "8")];
const UNDRAINED_SPOT_NOTICE_AGE: Duration = Duration::from_secs(117);

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
account and region that it names become the simulated ones; its time becomes
now, and a Spot notice's one of less than two minutes ago.

Exit status: 0 when every host was released or taken with nothing running on
it, 1 when not, 2 when there is no event to feed.";

/// What `demo` can be told.
#[derive(Debug, clap::Args)]
#[command(override_usage = "cargo demo -- [OPTIONS] [FILE.json]", after_help = MORE_HELP)]
pub(crate) struct Options {
    /// Event to feed to a function instead of events/instance-terminate.json
    #[arg(value_name = "FILE.json")]
    file: Option<PathBuf>,
    /// Show a Spot interruption: events/spot-interruption-warning.json
    #[arg(long, conflicts_with = "file")]
    spot: bool,
    /// Show what happens when nothing drains the host
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
    let sample = if options.spot { SPOT_SAMPLE } else { SAMPLE };
    let file = options.file.clone().unwrap_or_else(|| build::in_workspace(sample));
    let event = event::read(&file)?;
    let (name, settings): (_, &[_]) =
        if event.of_spot { (OF_SPOT, &SPOT_SETTINGS) } else { (OF_TERMINATIONS, &SETTINGS) };
    let notice_age = if options.without_drainer { UNDRAINED_SPOT_NOTICE_AGE } else { SPOT_NOTICE_AGE };
    let mut parameters = event.parameters.clone();
    let mut binary = None;
    if options.without_drainer {
        parameters.heartbeat_timeout = UNDRAINED_HEARTBEAT_TIMEOUT;
    } else {
        eprintln!("Building the functions (the first time takes a few minutes)…");
        binary = Some(build::function(name).await?);
    }
    let leaving: Vec<String> = match event.names_hosts {
        true => parameters.leaving.iter().map(|host| host.instance_id.clone()).collect(),
        false => Vec::new(),
    };

    let mut screen = Screen::new();
    let simulator = Simulator::start(scenario::demo(wall_now(), &parameters)?).map_err(DemoError::Listen)?;
    let url = simulator.url();
    let drainer = binary.is_some().then_some(url.as_str());
    let staging = Staging { parameters: &parameters, leaving: &leaving, drainer, settings, notice_age };
    for line in simulator.world(|world| story::introduction(world, staging)) {
        screen.line(&line)?;
    }
    let function = binary.map(|binary| start(name, binary, &url, settings, &parameters)).transpose()?;

    let mut stage = Stage::new(&simulator, &leaving, options.logs);
    for instance_id in &leaving {
        simulator.world(|world| scenario::depart(world, instance_id, parameters.departure, notice_age))?;
    }
    let payload = event.noticed(simulator.now(), notice_age).payload;
    let outcome = stage.play(function.as_ref(), &payload, &mut screen).await?;
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
    let setting = setting(options.without_drainer);
    let page = simulator.world(|world| stage.recording.page(world, &leaving, setting, &summary));
    match page::write(&page, &build::in_workspace("")) {
        Ok(file) => {
            screen.line("")?;
            screen.line(&format!("The same as a page: {}", file.display()))?;
        }
        Err(error) => eprintln!("demo: the page cannot be written: {error}"),
    }
    Ok(summary.success)
}

fn setting(without_drainer: bool) -> &'static str {
    if without_drainer {
        "A simulated cluster. Nothing drains its hosts."
    } else {
        "A simulated cluster; the function that drains is the real binary, run as Lambda runs it."
    }
}

fn start(
    name: &str,
    binary: PathBuf,
    url: &str,
    settings: &[(&str, &str)],
    parameters: &Parameters,
) -> Result<Function, DemoError> {
    let environment = settings.iter().copied().chain([("AWS_ENDPOINT_URL", url)]);
    let spec = FunctionSpec {
        name: name.to_owned(),
        binary: binary.clone(),
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
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
    recording: Recording,
    logged: usize,
}

impl<'a> Stage<'a> {
    fn new(simulator: &'a Simulator, leaving: &'a [String], with_logs: bool) -> Stage<'a> {
        let (history, recording) = simulator.world(|world| (History::from_here(world), Recording::from_here(world)));
        Stage { simulator, leaving, with_logs, began: simulator.now(), history, recording, logged: 0 }
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
            self.recording.add(&news);
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

/// Set off from the demo's own lines.
fn indented(line: &str) -> String {
    format!("        | {line}")
}

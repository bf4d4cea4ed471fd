//! Serves the demo's world and tells what happens in it, line by line.

use std::{
    error::Error,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, value_parser};
use simulator::{
    clock::wall_now,
    cloudformation::Template,
    scenario::{self, Departure, Leaving, Parameters},
    wire::Simulator,
    world::{World, WorldError},
};

use crate::tell::{self, History};

/// How often it looks for something to tell.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the template's stack is called, unless another name is asked for.
const STACK: &str = "ecs-drainer";

/// What `simulator serve` can be told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 8126)]
    port: u16,
    /// A host that leaves; may be given several times.
    #[arg(long, value_name = "INSTANCE", default_value = scenario::LEAVING)]
    leaving: Vec<String>,
    /// EC2 interrupts the leaving hosts, instead of Auto Scaling terminating them.
    #[arg(long)]
    spot: bool,
    /// They begin to leave after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    leave_after: u32,
    /// The heartbeat timeout of the group's hook.
    // Auto Scaling takes 30 at least. To watch a hook time out, less is better.
    #[arg(long, value_name = "SECONDS", default_value_t = scenario::HEARTBEAT_TIMEOUT.as_secs(), value_parser = value_parser!(u64).range(1..=7200))]
    heartbeat_timeout: u64,
    /// The group is a capacity provider of the cluster with managed draining, so that it has ECS's own hook, too.
    #[arg(long)]
    managed_draining: bool,
    /// A SAM template that is deployed, with its parameters' defaults.
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// The name of its stack.
    #[arg(long, value_name = "NAME", default_value = STACK, requires = "template")]
    stack: String,
}

impl Options {
    /// The stack that is there.
    fn stack(&self) -> Option<&str> {
        self.template.as_ref().map(|_| self.stack.as_str())
    }

    fn parameters(&self) -> Parameters {
        let leaving = self.leaving.iter().cloned().map(|instance_id| Leaving { instance_id, ..Leaving::default() });
        Parameters {
            leaving: leaving.collect(),
            departure: if self.spot { Departure::SpotInterruption } else { Departure::ScaleIn },
            heartbeat_timeout: Duration::from_secs(self.heartbeat_timeout),
            managed_draining: self.managed_draining,
            ..Parameters::default()
        }
    }
}

/// Why the world is not served any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen { port: u16, source: io::Error },
    #[error("the demo's world cannot be: {0}")]
    World(#[from] WorldError),
    #[error("cannot read {}: {source}", path.display())]
    Template { path: PathBuf, source: io::Error },
    #[error("{} cannot be deployed: {why}", path.display())]
    Deploy { path: PathBuf, why: String },
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Serves until it is interrupted.
pub(crate) async fn serve(options: &Options) -> Result<(), ServeError> {
    let (began, port, parameters) = (wall_now(), options.port, options.parameters());
    let mut world = scenario::demo(began, &parameters)?;
    if let Some(path) = &options.template {
        deploy(&mut world, path, &options.stack)?;
    }
    let mut history = History::from_here(&world);
    let simulator = Simulator::start_on(world, port).map_err(|source| ServeError::Listen { port, source })?;
    let mut out = io::stdout();
    out.write_all(greeting(&simulator.url(), &parameters, options.stack()).as_bytes())?;
    let mut to_leave = Some(began + Duration::from_secs(options.leave_after.into()));
    loop {
        if to_leave.is_some_and(|at| at <= simulator.now()) {
            to_leave = None;
            simulator.world(|world| leave(world, &parameters))?;
        }
        let lines: Vec<_> = simulator.world(|world| {
            let news = history.news(world);
            news.iter().map(|news| (news.at, tell::line(&news.what, world))).collect()
        });
        for (at, line) in lines {
            writeln!(out, "{:8.1} s  {line}", at.duration_since(began).as_secs_f64())?;
        }
        tokio::select! {
            biased;
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn deploy(world: &mut World, path: &Path, stack: &str) -> Result<(), ServeError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ServeError::Template { path: path.to_owned(), source })?;
    // On one line, whatever is wrong with the template.
    let wrong = |error: &dyn Error| {
        let why = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        ServeError::Deploy { path: path.to_owned(), why }
    };
    let template = Template::parse(&text).map_err(|error| wrong(&error))?;
    let stack = template.deployed(world.settings().place(stack), &[]).map_err(|error| wrong(&error))?;
    world.deploy(&stack).map_err(|error| wrong(&error))
}

fn leave(world: &mut World, parameters: &Parameters) -> Result<(), WorldError> {
    let mut leaving = parameters.leaving.iter();
    leaving.try_for_each(|host| scenario::depart(world, &host.instance_id, parameters.departure, Duration::ZERO))
}

fn greeting(url: &str, parameters: &Parameters, stack: Option<&str>) -> String {
    let stack = stack.map(|name| format!(", stack {name}")).unwrap_or_default();
    let leaving: Vec<_> = parameters.leaving.iter().map(|host| host.instance_id.as_str()).collect();
    format!(
        "ECS and Auto Scaling listen on {url}; cluster {cluster}, group {group}, hook {hook}{stack}, leaving: {leaving}.

    export AWS_ENDPOINT_URL={url}
    export AWS_REGION=us-west-2
    export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE
    export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY

",
        cluster = scenario::CLUSTER,
        group = scenario::GROUP,
        hook = scenario::HOOK,
        leaving = leaving.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Served {
        #[command(flatten)]
        options: Options,
    }

    fn options(flags: &[&str]) -> Options {
        Served::try_parse_from(["serve"].iter().chain(flags)).unwrap().options
    }

    #[test]
    fn the_flags_make_the_world() {
        let flags = ["--leaving", "i-1", "--spot", "--heartbeat-timeout", "900", "--managed-draining"];
        let parameters = options(&flags).parameters();
        assert_eq!(parameters.leaving, [Leaving { instance_id: "i-1".to_owned(), ..Leaving::default() }]);
        assert_eq!(parameters.departure, Departure::SpotInterruption);
        assert_eq!((parameters.heartbeat_timeout, parameters.managed_draining), (Duration::from_secs(900), true));
    }

    fn failure(flags: &[&str]) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(&options(flags))).unwrap_err().to_string()
    }

    #[test]
    fn a_template_that_cannot_be_deployed_is_a_one_line_error() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for (file, begins) in [
            ("/no/such/file", "cannot read /no/such/file: ".to_owned()),
            (manifest, format!("{manifest} cannot be deployed: ")),
        ] {
            let error = failure(&["--port", "0", "--template", file]);
            assert!(error.starts_with(&begins) && !error.contains('\n'), "{error}");
        }
        assert!(Served::try_parse_from(["serve", "--stack", "mine"]).is_err(), "a stack is of a template");
    }

    #[test]
    fn a_taken_port_is_a_one_line_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = runtime.block_on(serve(&options(&["--port", &port.to_string()]))).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")), "{error}");
        assert!(!error.contains('\n'));
    }
}

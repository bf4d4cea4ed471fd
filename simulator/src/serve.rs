//! Serves the demo's world and tells what happens in it, line by line.

use std::{
    io::{self, Write},
    time::Duration,
};

use simulator::{
    clock::wall_now,
    scenario::{self, Parameters},
    wire::Simulator,
    world::{World, WorldError},
};

use crate::tell::{self, History};

/// How often it looks for something to tell.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
pub(crate) async fn serve(port: u16, parameters: &Parameters, leave_after: Duration) -> Result<(), ServeError> {
    let began = wall_now();
    let world = scenario::demo(began, parameters)?;
    let mut history = History::from_here(&world);
    let simulator = Simulator::start_on(world, port).map_err(|source| ServeError::Listen { port, source })?;
    let mut out = io::stdout();
    out.write_all(greeting(&simulator.url(), parameters).as_bytes())?;
    let mut to_leave = Some(began + leave_after);
    loop {
        if to_leave.is_some_and(|at| at <= simulator.now()) {
            to_leave = None;
            simulator.world(|world| leave(world, parameters))?;
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

fn leave(world: &mut World, parameters: &Parameters) -> Result<(), WorldError> {
    let mut leaving = parameters.leaving.iter();
    leaving.try_for_each(|host| scenario::depart(world, &host.instance_id, parameters.departure, Duration::ZERO))
}

fn greeting(url: &str, parameters: &Parameters) -> String {
    let leaving: Vec<_> = parameters.leaving.iter().map(|host| host.instance_id.as_str()).collect();
    format!(
        "ECS and Auto Scaling listen on {url}; cluster {cluster}, group {group}, hook {hook}, leaving: {leaving}.

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
    use super::*;

    #[test]
    fn a_taken_port_is_a_one_line_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = runtime.block_on(serve(port, &Parameters::default(), Duration::ZERO)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")), "{error}");
        assert!(!error.contains('\n'));
    }
}

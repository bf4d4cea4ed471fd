//! A crowd of hosts that leave together, most of them idle already, with the binary that ships: how soon the idle ones go.
//!
//! `cargo lambda build --release --locked`, then `cargo bench -p simulator --bench crowd`. Arguments choose the numbers of
//! hosts, such as 2000, and the function's memory, such as 512MB; the defaults are 5,000 and 128MB. Nothing here is a test: the
//! numbers are the result. `reconcile` runs every minute in one warm environment, with the share of a processor that Lambda
//! gives its memory.

mod processor;
#[expect(dead_code, reason = "one function in one environment is no fleet")]
mod shipped;

use std::{collections::BTreeSet, process::ExitCode, rc::Rc, time::Duration};

use jiff::Timestamp;
use serde_json::json;
use simulator::{
    clock::wall_now,
    lambda::{Function, Outcome as InvocationOutcome},
    wire::Simulator,
    world::{GroupSpec, HookSpec, HostSpec, Operation, Outcome, Settings, TaskSpec, World, WorldError},
};
use tokio::task::{LocalSet, spawn_local};

use crate::{
    processor::{Cgroup, LEAST_MEMORY_MB, MEGABYTES_OF_A_PROCESSOR},
    shipped::{Failure, spec},
};

const HOSTS: usize = 5_000;
const TASKS_A_HOST: usize = 20;
/// One host in so many still runs its tasks.
const BUSY_ONE_IN: usize = 10;
const CLUSTER: &str = "prod";
const GROUP: &str = "my-asg";
const MINUTE: Duration = Duration::from_secs(60);
/// The tasks of the idle ones stopped a while ago; ECS lists them for an hour.
const STOPPED_AGO: Duration = Duration::from_secs(30);
const GIVE_UP: Duration = Duration::from_secs(540);
const LOOK_EVERY: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let memory = std::env::args().find_map(|argument| argument.strip_suffix("MB")?.parse().ok());
    let memory_mb: f64 = memory.unwrap_or(LEAST_MEMORY_MB);
    let sizes = if asked.is_empty() { vec![HOSTS] } else { asked };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ran = runtime.map_err(Failure::from).and_then(|runtime| {
        sizes.iter().try_for_each(|hosts| LocalSet::new().block_on(&runtime, run(*hosts, memory_mb)))
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crowd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn instance_id(n: usize) -> String {
    format!("i-{n:017x}")
}

fn is_busy(n: usize) -> bool {
    n.is_multiple_of(BUSY_ONE_IN)
}

/// AWS's quotas, and a latency as AWS has it.
fn world(hosts: usize) -> Result<World, WorldError> {
    let latency = Duration::from_millis(10)..Duration::from_millis(30);
    let mut world = World::new(wall_now() - STOPPED_AGO, Settings { latency, ..Settings::default() });
    world.add_cluster(CLUSTER)?;
    let hooks = vec![HookSpec::terminating("ecs-drainer", Duration::from_hours(1))];
    world.add_group(GroupSpec { name: GROUP.to_owned(), hooks, ..GroupSpec::default() })?;
    for n in 0..hosts {
        world.add_host(HostSpec {
            instance_id: Some(instance_id(n)),
            cluster: Some(CLUSTER.to_owned()),
            group: Some(GROUP.to_owned()),
            slots: TASKS_A_HOST,
            ..HostSpec::default()
        })?;
        for _ in 0..TASKS_A_HOST {
            world.run_task(TaskSpec {
                cluster: CLUSTER.to_owned(),
                instance_id: instance_id(n),
                family: "job".to_owned(),
                finishes_after: (!is_busy(n)).then_some(Duration::from_secs(1)),
                ..TaskSpec::default()
            })?;
        }
    }
    world.advance(wall_now());
    let now = world.now();
    (0..hosts).try_for_each(|n| world.scale_in(&instance_id(n), now).map(drop))?;
    Ok(world)
}

async fn run(hosts: usize, memory_mb: f64) -> Result<(), Failure> {
    let idle = (0..hosts).filter(|n| !is_busy(*n)).count();
    println!("{hosts} hosts with {TASKS_A_HOST} tasks each, {idle} of them idle; {memory_mb} MB");
    let simulator = Simulator::start(world(hosts)?)?;
    let cgroup = Cgroup::new("ecs-drainer-crowd", memory_mb / MEGABYTES_OF_A_PROCESSOR)
        .inspect_err(|error| println!("without a quota: {error}"))
        .ok();
    let function = Rc::new(Function::start(spec("reconcile", &simulator.url(), MINUTE)?)?);
    let is_waiting = |world: &World| world.lifecycle_state(&instance_id(0)) == Some("Terminating:Wait");
    // All wait at the same time; a minute of `reconcile` before that would find none.
    while !simulator.world(|world| is_waiting(world)) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let began = simulator.now();
    let mut next_minute = began;
    let mut released = 0;
    while released < idle && since(began, simulator.now()) < GIVE_UP {
        if simulator.now() >= next_minute {
            println!("after {:>3} s: {released} released", since(began, simulator.now()).as_secs());
            next_minute += MINUTE;
            let function = Rc::clone(&function);
            let ready = function.ready().await;
            if let (Some(cgroup), Some(process), Ok(_)) = (&cgroup, function.process_id(), &ready) {
                cgroup.add(process)?;
            }
            spawn_local(async move {
                let ended = function.invoke(&json!({})).await;
                if !matches!(ended.outcome, InvocationOutcome::Answered(_)) {
                    println!("an invocation ended: {:?}", ended.outcome);
                }
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
        released = simulator.world(|world| world.releases().len());
    }
    println!("after {:.0} s: {released} of {idle} released", since(began, simulator.now()).as_secs_f64());
    simulator.world(|world| {
        let each: BTreeSet<_> = world.releases().iter().map(|release| &release.instance_id).collect();
        println!(
            "{} early, {} twice, {} hooks lost, {} requests throttled; peak memory {} KiB",
            world.releases().iter().filter(|release| !release.unstopped.is_empty()).count(),
            world.releases().len() - each.len(),
            world.hook_timeouts().len(),
            world.requests().iter().filter(|it| is_throttled(&it.outcome)).count(),
            function.peak_rss_kib().unwrap_or_default(),
        );
        let first = world.releases().iter().map(|release| since(began, release.at).as_secs()).min();
        println!("the first release after {first:?} s");
        for operation in Operation::ALL.into_iter().filter(|operation| world.count(*operation) > 0) {
            println!("{:<31}{:>7}", operation.name(), world.count(operation));
        }
    });
    Ok(())
}

fn is_throttled(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(code) if code.starts_with("Throttling"))
}

fn since(began: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(began).try_into().unwrap_or_default()
}

//! Many hosts in one second, with the binaries that ship: how soon they drain, how soon they go, and what it costs.
//!
//! `cargo lambda build --release --locked`, then `cargo bench -p simulator --bench burst`. Arguments choose the numbers of
//! hosts; the default is 1, 10, 100 and 1,000, and a hundred Spot hosts after them. Nothing here is a test: the numbers
//! are the result. Events are delivered as Lambda delivers them, to as many environments as its pollers keep busy, and
//! `reconcile` runs every minute beside them.

mod shipped;

use std::{process::ExitCode, rc::Rc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use simulator::{
    clock::wall_now,
    lambda::{EventSource, Fleet, sqs_batch},
    sqs::QueueSpec,
    wire::Simulator,
    world::{
        GroupSpec, HookSpec, HostSpec, Operation, Outcome, ServiceSpec, Settings, SpotAction, TaskSpec, World,
        WorldError,
    },
};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::shipped::{Failure, fleet};

const SIZES: [usize; 4] = [1, 10, 100, 1_000];
const SPOT_HOSTS: usize = 100;
const CLUSTER: &str = "prod";
const GROUP: &str = "my-asg";
const TASKS_A_HOST: usize = 3;

/// As the template has them: timeout, visibility timeout and MaximumConcurrency.
const TERMINATION: (Duration, Duration, usize) = (Duration::from_secs(60), Duration::from_secs(60), 25);
const SPOT: (Duration, Duration, usize) = (Duration::from_secs(30), Duration::from_secs(30), 100);
/// Of each function.
const MAX_RECEIVE_COUNT: u32 = 10;
const BATCH: usize = 10;

/// All of them leave within one second.
const WITHIN: Duration = Duration::from_secs(1);
/// `reconcile` comes every minute; on average the first time is half a minute after the burst.
const FIRST_RECONCILE: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_secs(60);
/// Longer than any row should take.
const GIVE_UP: Duration = Duration::from_secs(420);
/// When a Spot host has no power any more, and a bit.
const SPOT_IS_OVER: Duration = Duration::from_secs(125);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What came of one run.
struct Row {
    hosts: usize,
    all_draining: Option<Duration>,
    last_release_after_last_stopped: Option<f64>,
    released: usize,
    early: usize,
    calls: Vec<(Operation, usize)>,
    throttled: usize,
    environments: usize,
    peak_kib: u64,
}

fn main() -> ExitCode {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if asked.is_empty() { SIZES.to_vec() } else { asked };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ran = runtime.map_err(Failure::from).and_then(|runtime| LocalSet::new().block_on(&runtime, all(&sizes)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("burst: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn all(sizes: &[usize]) -> Result<(), Failure> {
    println!(
        "hosts  all DRAINING  last release after  released   lost  early  calls a host  throttled  environments  peak memory"
    );
    println!("                     the last STOPPED");
    let mut rows = Vec::new();
    for hosts in sizes {
        let row = run(*hosts).await?;
        println!("{}", line(&row));
        rows.push(row);
    }
    println!("\ncalls a host, by operation:");
    for operation in Operation::ALL {
        let of = |row: &Row| {
            let count = row.calls.iter().find(|(it, _)| *it == operation).map_or(0, |(_, count)| *count);
            format!("{:>9.3}", ratio(count, row.hosts))
        };
        println!("{:<31}{}", operation.name(), rows.iter().map(of).collect::<String>());
    }
    println!("\none invocation with a batch of a thousand: {:.1} MiB at its peak", of_one_batch(1_000).await? / 1024.0);
    println!("\n{}", spot(SPOT_HOSTS).await?);
    Ok(())
}

fn line(row: &Row) -> String {
    let draining = row.all_draining.map_or("never".to_owned(), |it| format!("{:.1} s", it.as_secs_f64()));
    let release = row.last_release_after_last_stopped.map_or("never".to_owned(), |it| format!("{it:.1} s"));
    let calls: usize = row.calls.iter().map(|(_, count)| count).sum();
    format!(
        "{:>5}  {draining:>12}  {release:>18}  {:>8}  {:>5}  {:>5}  {:>12.2}  {:>9}  {:>12}  {:>7.1} MiB",
        row.hosts,
        row.released,
        row.hosts.saturating_sub(row.released),
        row.early,
        ratio(calls, row.hosts),
        row.throttled,
        row.environments,
        kib(row.peak_kib) / 1024.0,
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts for people")]
fn ratio(count: usize, of: usize) -> f64 {
    count as f64 / of as f64
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn kib(kib: u64) -> f64 {
    kib as f64
}

fn instance_id(n: usize) -> String {
    format!("i-{n:017x}")
}

/// As many hosts as leave and as many that stay, three services with a task on each host that leaves, AWS's quotas and
/// a latency as AWS has it.
fn world(hosts: usize) -> Result<World, WorldError> {
    let latency = Duration::from_millis(10)..Duration::from_millis(30);
    let mut world = World::new(wall_now(), Settings { latency, ..Settings::default() });
    world.add_cluster(CLUSTER)?;
    let hooks = vec![HookSpec::terminating("ecs-drainer", Duration::from_hours(1))];
    world.add_group(GroupSpec { name: GROUP.to_owned(), hooks, ..GroupSpec::default() })?;
    add_hosts(&mut world, 0..hosts)?;
    for (n, deregistration) in [Some(20), Some(10), None].into_iter().enumerate() {
        world.add_service(ServiceSpec {
            cluster: CLUSTER.to_owned(),
            name: format!("service-{n}"),
            desired: hosts,
            minimum_healthy_percent: 50,
            deregistration: deregistration.map(Duration::from_secs),
            start_time: Duration::from_secs(10),
            stop_time: Duration::from_secs(5),
            ..ServiceSpec::default()
        })?;
    }
    add_hosts(&mut world, hosts..hosts * 2)?;
    Ok(world)
}

fn add_hosts(world: &mut World, numbers: std::ops::Range<usize>) -> Result<(), WorldError> {
    for n in numbers {
        world.add_host(HostSpec {
            instance_id: Some(instance_id(n)),
            cluster: Some(CLUSTER.to_owned()),
            group: Some(GROUP.to_owned()),
            slots: TASKS_A_HOST,
            ..HostSpec::default()
        })?;
    }
    Ok(())
}

/// The mapping of a function, which serves until it is aborted.
fn serve(source: &Rc<EventSource>, fleet: &Rc<Fleet<'static>>) -> JoinHandle<()> {
    let (source, fleet) = (Rc::clone(source), Rc::clone(fleet));
    spawn_local(async move { source.serve(&fleet).await })
}

fn source((_, visibility_timeout, concurrency): (Duration, Duration, usize)) -> Rc<EventSource> {
    let spec = QueueSpec {
        visibility_timeout,
        max_receive_count: MAX_RECEIVE_COUNT,
        batch_size: BATCH,
        batch_window: Duration::ZERO,
    };
    Rc::new(EventSource::new(spec).with_maximum_concurrency(concurrency))
}

/// `leave` lets a host leave, and answers the events of it, for one after the other, evenly over a second.
async fn send(
    source: &EventSource,
    hosts: usize,
    leave: impl Fn(&str) -> Result<Vec<Value>, WorldError>,
) -> Result<(), Failure> {
    let pause = WITHIN / u32::try_from(hosts)?;
    for n in 0..hosts {
        leave(&instance_id(n))?.iter().for_each(|event| source.send(event.to_string()));
        if n + 1 < hosts {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

async fn run(hosts: usize) -> Result<Row, Failure> {
    let simulator = Simulator::start(world(hosts)?)?;
    let url = simulator.url();
    let terminating = fleet("instance-terminating", &url, TERMINATION.0)?;
    let reconcile = fleet("reconcile", &url, MINUTE)?;
    let source = source(TERMINATION);
    let serving = serve(&source, &terminating);
    let began = simulator.now();
    let leave = |id: &str| simulator.world(|world| world.scale_in(id, world.now()));
    let mut sending = std::pin::pin!(send(&source, hosts, leave));
    let mut sent = false;
    let mut next_reconcile = began + FIRST_RECONCILE;
    let mut all_draining = None;
    loop {
        tokio::select! {
            biased;
            done = &mut sending, if !sent => { done?; sent = true; }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let now = simulator.now();
        let (active, released) = simulator.world(|world| (any_active(world, hosts), world.releases().len()));
        if sent && !active && all_draining.is_none() {
            all_draining = Some(since(began, now));
        }
        if released >= hosts || since(began, now) > GIVE_UP {
            break;
        }
        if now >= next_reconcile {
            let reconcile = Rc::clone(&reconcile);
            spawn_local(async move { reconcile.invoke(&json!({})).await });
            next_reconcile += MINUTE;
        }
    }
    serving.abort();
    let environments = || terminating.functions().into_iter().chain(reconcile.functions());
    Ok(simulator.world(|world| Row {
        hosts,
        all_draining,
        last_release_after_last_stopped: last_release_after_last_stopped(world, hosts),
        released: world.releases().len(),
        early: world.releases().iter().filter(|release| !release.unstopped.is_empty()).count() + world.killed().len(),
        calls: Operation::ALL.into_iter().map(|operation| (operation, world.count(operation))).collect(),
        throttled: world.requests().iter().filter(|it| is_throttled(&it.outcome)).count(),
        environments: environments().count(),
        peak_kib: environments().filter_map(|function| function.peak_rss_kib()).max().unwrap_or_default(),
    }))
}

fn any_active(world: &World, hosts: usize) -> bool {
    (0..hosts).any(|n| world.registrations(&instance_id(n)).any(|r| r.status == "ACTIVE"))
}

/// Spot hosts that EC2 takes within the same second, two minutes later, each with a task besides that no service moves:
/// how many tasks were killed.
async fn spot(hosts: usize) -> Result<String, Failure> {
    let mut world = world(hosts)?;
    for n in 0..hosts {
        world.run_task(TaskSpec {
            cluster: CLUSTER.to_owned(),
            instance_id: instance_id(n),
            stop_time: Duration::from_secs(5),
            ..TaskSpec::default()
        })?;
    }
    let simulator = Simulator::start(world)?;
    let fleet = fleet("spot-interruption", &simulator.url(), SPOT.0)?;
    let source = source(SPOT);
    let serving = serve(&source, &fleet);
    let began = simulator.now();
    let interrupt =
        |id: &str| simulator.world(|world| Ok(vec![world.interrupt(id, SpotAction::Terminate, world.now())?]));
    send(&source, hosts, interrupt).await?;
    let mut all_draining = None;
    while since(began, simulator.now()) < SPOT_IS_OVER {
        tokio::time::sleep(LOOK_EVERY).await;
        if all_draining.is_none() && !simulator.world(|world| any_active(world, hosts)) {
            all_draining = Some(since(began, simulator.now()));
        }
    }
    serving.abort();
    let draining = all_draining.map_or("never".to_owned(), |it| format!("after {:.1} s", it.as_secs_f64()));
    Ok(simulator.world(|world| {
        let calls: usize = Operation::ALL.into_iter().map(|operation| world.count(operation)).sum();
        format!(
            "{hosts} Spot hosts in one second: all DRAINING {draining}, {} tasks killed, {:.2} calls a host, {} throttled",
            world.killed().len(),
            ratio(calls, hosts),
            world.requests().iter().filter(|it| is_throttled(&it.outcome)).count(),
        )
    }))
}

fn last_release_after_last_stopped(world: &World, hosts: usize) -> Option<f64> {
    let stopped = (0..hosts).filter_map(|n| world.last_stopped_at(&instance_id(n))).max()?;
    let released = world.releases().iter().map(|release| release.at).max()?;
    (world.releases().len() >= hosts).then(|| released.duration_since(stopped).as_secs_f64())
}

fn is_throttled(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(code) if code.starts_with("Throttling"))
}

fn since(began: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(began).try_into().unwrap_or_default()
}

/// The most memory, in KiB, that one invocation takes for so many events at once.
async fn of_one_batch(hosts: usize) -> Result<f64, Failure> {
    let simulator = Simulator::start(world(hosts)?)?;
    let fleet = fleet("instance-terminating", &simulator.url(), Duration::from_secs(900))?;
    let events: Vec<Value> = simulator.world(|world| {
        let scaled_in = (0..hosts).map(|n| world.scale_in(&instance_id(n), world.now()));
        scaled_in.collect::<Result<Vec<_>, _>>().map(|events| events.into_iter().flatten().collect())
    })?;
    fleet.invoke(&sqs_batch(events.iter().map(Value::to_string))).await;
    let peak = fleet.functions().iter().filter_map(|function| function.peak_rss_kib()).max();
    Ok(kib(peak.unwrap_or_default()))
}

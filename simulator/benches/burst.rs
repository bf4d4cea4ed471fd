//! Many hosts in one second, with the binaries that ship: how soon they drain, how soon they go, and what it costs.
//!
//! `cargo lambda build --release --locked`, then `cargo bench -p simulator --bench burst`. Arguments choose the numbers of
//! hosts; the default is 1, 10, 100 and 1,000. Nothing here is a test: the numbers are the result. Each row is run twice:
//! in batches of a hundred with `reconcile` beside them, as it is deployed, and with one host per invocation.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use simulator::{
    clock::wall_now,
    lambda::{Function, FunctionSpec, sqs_batch},
    wire::Simulator,
    world::{GroupSpec, HookSpec, HostSpec, Operation, Outcome, ServiceSpec, Settings, World, WorldError},
};
use tokio::task::{LocalSet, spawn_local};

const SIZES: [usize; 4] = [1, 10, 100, 1_000];
const BATCH: usize = 100;
const CLUSTER: &str = "prod";
const GROUP: &str = "my-asg";
const TASKS_A_HOST: usize = 3;

/// `reconcile` comes every minute; on average the first time is half a minute after the burst.
const FIRST_RECONCILE: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_secs(60);
/// Longer than any row should take.
const GIVE_UP: Duration = Duration::from_secs(420);
const LOOK_EVERY: Duration = Duration::from_millis(50);

type Failure = Box<dyn std::error::Error>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Batches,
    PerHost,
}

/// What came of one run.
struct Row {
    hosts: usize,
    mode: Mode,
    all_draining: Option<Duration>,
    last_release_after_last_stopped: Option<f64>,
    released: usize,
    early: usize,
    calls: Vec<(Operation, usize)>,
    throttled: usize,
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
        "hosts  mode       all DRAINING  last release after  released  early  calls a host  throttled  peak memory"
    );
    println!("                               the last STOPPED");
    let mut rows = Vec::new();
    for mode in [Mode::Batches, Mode::PerHost] {
        for hosts in sizes {
            let row = run(*hosts, mode).await?;
            println!("{}", line(&row));
            rows.push(row);
        }
    }
    println!("\ncalls a host, by operation:");
    for operation in Operation::ALL {
        let of = |row: &Row| {
            let count = row.calls.iter().find(|(it, _)| *it == operation).map_or(0, |(_, count)| *count);
            format!("{:>9.3}", ratio(count, row.hosts))
        };
        println!("{operation:<31}{}", rows.iter().map(of).collect::<String>());
    }
    std::fs::write(in_target("burst.csv"), csv(&rows))?;
    println!("\none invocation with a batch of a thousand: {:.1} MiB at its peak", of_one_batch(1_000).await? / 1024.0);
    Ok(())
}

fn in_target(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(file)
}

/// The same numbers, for whoever draws them.
fn csv(rows: &[Row]) -> String {
    let mut text = "mode,hosts,all_draining_s,release_after_stopped_s,calls_a_host,throttled,peak_mib\n".to_owned();
    for row in rows {
        let calls: usize = row.calls.iter().map(|(_, count)| count).sum();
        let draining = row.all_draining.map_or(String::new(), |it| format!("{:.2}", it.as_secs_f64()));
        let release = row.last_release_after_last_stopped.map_or(String::new(), |it| format!("{it:.2}"));
        let (calls, peak) = (ratio(calls, row.hosts), kib(row.peak_kib) / 1024.0);
        let (mode, hosts, throttled) = (row.mode.name(), row.hosts, row.throttled);
        text += &format!("{mode},{hosts},{draining},{release},{calls:.3},{throttled},{peak:.1}\n");
    }
    text
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Batches => "batches",
            Mode::PerHost => "per host",
        }
    }
}

fn line(row: &Row) -> String {
    let mode = row.mode.name();
    let draining = row.all_draining.map_or("never".to_owned(), |it| format!("{:.1} s", it.as_secs_f64()));
    let release = row.last_release_after_last_stopped.map_or("never".to_owned(), |it| format!("{it:.1} s"));
    let calls: usize = row.calls.iter().map(|(_, count)| count).sum();
    format!(
        "{:>5}  {mode:<9}  {draining:>12}  {release:>18}  {:>8}  {:>5}  {:>12.2}  {:>9}  {:>7.1} MiB",
        row.hosts,
        row.released,
        row.early,
        ratio(calls, row.hosts),
        row.throttled,
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
    world.add_group(GroupSpec { name: GROUP.to_owned(), hooks })?;
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

/// An environment of a function, with these settings besides the defaults.
fn function(name: &str, url: &str, settings: &[(&str, &str)]) -> Result<Function, Failure> {
    let binary = in_target("lambda").join(name).join("bootstrap");
    if !binary.is_file() {
        let what = format!("{} is not there; `cargo lambda build --release --locked` makes it", binary.display());
        return Err(what.into());
    }
    let spec = FunctionSpec {
        name: name.to_owned(),
        binary,
        environment: [("AWS_ENDPOINT_URL", url)]
            .iter()
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        timeout: Duration::from_secs(900),
        ..FunctionSpec::default()
    };
    Ok(Function::start(spec)?)
}

async fn run(hosts: usize, mode: Mode) -> Result<Row, Failure> {
    let simulator = Simulator::start(world(hosts)?)?;
    let url = simulator.url();
    // Who waits for one host does so to its end.
    let (batch, settings): (_, &[_]) = match mode {
        Mode::Batches => (BATCH, &[]),
        Mode::PerHost => (1, &[("POLL_FOR_SECONDS", "840")]),
    };
    let environment = |_| function("instance-terminating", &url, settings).map(Rc::new);
    let environments = (0..hosts.div_ceil(batch)).map(environment);
    let environments = environments.collect::<Result<Vec<_>, _>>()?;
    let reconcile = Rc::new(function("reconcile", &url, &[])?);
    let began = simulator.now();
    let events: Vec<Value> = simulator.world(|world| {
        let scaled_in = (0..hosts).map(|n| world.scale_in(&instance_id(n), world.now()));
        scaled_in.collect::<Result<Vec<_>, _>>().map(|events| events.into_iter().flatten().collect())
    })?;
    for (environment, events) in environments.iter().zip(events.chunks(batch)) {
        let (environment, batch) = (Rc::clone(environment), sqs_batch(events.iter().map(Value::to_string)));
        spawn_local(async move { environment.invoke(&batch).await });
    }
    let mut next_reconcile = began + FIRST_RECONCILE;
    let mut all_draining = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = simulator.now();
        let (active, released) = simulator.world(|world| {
            let active = (0..hosts).any(|n| world.registrations(&instance_id(n)).any(|r| r.status == "ACTIVE"));
            (active, world.releases().len())
        });
        if !active && all_draining.is_none() {
            all_draining = Some(since(began, now));
        }
        if released >= hosts || since(began, now) > GIVE_UP {
            break;
        }
        if now >= next_reconcile && mode == Mode::Batches {
            let reconcile = Rc::clone(&reconcile);
            spawn_local(async move { reconcile.invoke(&json!({})).await });
            next_reconcile += MINUTE;
        }
    }
    let peak = environments.iter().chain([&reconcile]).filter_map(|function| function.peak_rss_kib()).max();
    Ok(simulator.world(|world| Row {
        hosts,
        mode,
        all_draining,
        last_release_after_last_stopped: last_release_after_last_stopped(world, hosts),
        released: world.releases().len(),
        early: world.releases().iter().filter(|release| !release.unstopped.is_empty()).count() + world.killed().len(),
        calls: Operation::ALL.into_iter().map(|operation| (operation, world.count(operation))).collect(),
        throttled: world.requests().iter().filter(|it| is_throttled(&it.outcome)).count(),
        peak_kib: peak.unwrap_or_default(),
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
    let function = function("instance-terminating", &simulator.url(), &[])?;
    let events: Vec<Value> = simulator.world(|world| {
        let scaled_in = (0..hosts).map(|n| world.scale_in(&instance_id(n), world.now()));
        scaled_in.collect::<Result<Vec<_>, _>>().map(|events| events.into_iter().flatten().collect())
    })?;
    function.invoke(&sqs_batch(events.iter().map(Value::to_string))).await;
    Ok(kib(function.peak_rss_kib().unwrap_or_default()))
}

//! From the start of a function's process to its answer: how much of it is ours, and how much any Rust function takes.
//!
//! `cargo lambda build --release --locked`, then `cargo bench -p simulator --bench cold_start`. Each figure is the median
//! of [`RUNS`]; the empty function is built and measured in the same run. Nothing here is a test: the numbers, and their
//! ratios, are the result.

mod processor;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use simulator::{
    clock::wall_now,
    lambda::{Function, FunctionSpec, Outcome},
    wire::Simulator,
    world::{GroupSpec, HookSpec, HostSpec, Operation, Settings, SpotAction, World},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

use crate::processor::{Cgroup, LEAST_MEMORY_MB, MEGABYTES_OF_A_PROCESSOR};

const RUNS: usize = 20;
const EMPTY: &str = "empty-function";
const FUNCTIONS: [&str; 4] = [EMPTY, "instance-terminating", "spot-interruption", "reconcile"];
const LEAVING: &str = "i-1234567890abcdef0";

/// Where systems keep the authorities that they trust. Lambda's has one file.
const SYSTEM_AUTHORITIES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

type Failure = Box<dyn std::error::Error>;

/// One start of one function.
#[derive(Debug, Default)]
struct Start {
    init: Duration,
    first_call: Option<Duration>,
    draining: Option<Duration>,
    answer: Duration,
    peak_kib: u64,
}

/// A server that speaks TLS before a simulator, and the certificate of its authority.
struct Tls {
    acceptor: TlsAcceptor,
    authority: PathBuf,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(all())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cold_start: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn all() -> Result<(), Failure> {
    build_empty_function()?;
    let tls = Tls::new()?;
    println!("medians of {RUNS}, in ms; memory in MiB; floor: start to answer of the empty function");
    println!(
        "{:<22} {:<6} {:<5} {:>8} {:>7} {:>11} {:>9} {:>7} {:>18} {:>11} {:>7}",
        "function",
        "cpu",
        "",
        "to /next",
        "x empty",
        "first call",
        "DRAINING",
        "answer",
        "start to DRAINING",
        "over floor",
        "memory"
    );
    for quota in [None, Some(LEAST_MEMORY_MB / MEGABYTES_OF_A_PROCESSOR)] {
        let cgroup = match quota.map(|quota| Cgroup::new("ecs-drainer-cold-start", quota)).transpose() {
            Ok(cgroup) => cgroup,
            Err(error) => {
                println!("no processor quota can be set here: {error}");
                continue;
            }
        };
        for over_tls in [false, true] {
            // In turns: what slows the machine down for a moment slows all of them.
            let mut starts = FUNCTIONS.map(|_| Vec::new());
            for _ in 0..RUNS {
                for (function, starts) in FUNCTIONS.into_iter().zip(&mut starts) {
                    starts.push(start(function, &tls, over_tls, cgroup.as_ref()).await?);
                }
            }
            let [empty, ..] = &starts;
            for (function, starts) in FUNCTIONS.into_iter().zip(&starts) {
                row(function, quota, over_tls, starts, empty);
            }
        }
    }
    Ok(())
}

fn row(function: &str, quota: Option<f64>, tls: bool, starts: &[Start], empty: &[Start]) {
    let init = |start: &Start| Some(start.init);
    let to_draining = |start: &Start| Some(start.init + start.draining?);
    let to_answer = |start: &Start| Some(start.init + start.answer);
    let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
    let over_floor = median(starts, to_draining).zip(median(empty, to_answer)).map(|(ours, floor)| ours - floor);
    let ratio = median(starts, init).zip(median(empty, init)).map(|(ours, floor)| ours / floor);
    let mut memory: Vec<_> = starts.iter().map(|start| start.peak_kib).collect();
    memory.sort_unstable();
    println!(
        "{function:<22} {:<6} {:<5} {:>8} {:>7} {:>11} {:>9} {:>7} {:>18} {:>11} {:>7.1}",
        quota.map_or_else(|| "full".to_owned(), |quota| format!("{quota:.3}")),
        if tls { "TLS" } else { "HTTP" },
        ms(median(starts, init)),
        ms(ratio),
        ms(median(starts, |start| start.first_call)),
        ms(median(starts, |start| start.draining)),
        ms(median(starts, |start| Some(start.answer))),
        ms(median(starts, to_draining)),
        ms(over_floor),
        memory.get(memory.len() / 2).copied().unwrap_or_default() as f64 / 1024.0,
    );
}

/// In milliseconds.
fn median(starts: &[Start], pick: impl Fn(&Start) -> Option<Duration>) -> Option<f64> {
    let mut times: Vec<_> = starts.iter().filter_map(pick).collect();
    times.sort();
    times.get(times.len() / 2).map(|time| time.as_secs_f64() * 1e3)
}

/// Starts a function in a process of its own and feeds it the departure of an idle host.
async fn start(name: &str, tls: &Tls, over_tls: bool, cgroup: Option<&Cgroup>) -> Result<Start, Failure> {
    let (world, event) = idle_host(name)?;
    let simulator = Simulator::start(world)?;
    // Two hosts, as ECS and Auto Scaling are: a connection to one is none to the other.
    let mut urls = [simulator.url(), simulator.url().replace("127.0.0.1", "localhost")];
    let mut fronts = Vec::new();
    for url in urls.iter_mut().filter(|_| over_tls) {
        let (front, task) = tls.before(&simulator).await?;
        *url = front;
        fronts.push(task);
    }
    let [ecs, auto_scaling] = urls;
    let environment = [
        ("AWS_ENDPOINT_URL_ECS", ecs),
        ("AWS_ENDPOINT_URL_AUTO_SCALING", auto_scaling),
        ("POLL_MIN_SECONDS", "0.05".to_owned()),
        ("SSL_CERT_FILE", tls.authority.display().to_string()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let function = Function::start(FunctionSpec {
        name: name.to_owned(),
        binary: binary(name),
        environment,
        timeout: Duration::from_secs(60),
        ..FunctionSpec::default()
    })?;
    let init = function.ready().await.map_err(|outcome| format!("{name}: {outcome:?}"))?.unwrap_or_default();
    if let (Some(cgroup), Some(process)) = (cgroup, function.process_id()) {
        cgroup.add(process)?;
    }
    let handed_over = simulator.now();
    let invocation = function.invoke(&event).await;
    let Outcome::Answered(_) = &invocation.outcome else {
        return Err(format!("{name}: {:?}\n{}", invocation.outcome, function.log_lines().join("\n")).into());
    };
    let since = |at: jiff::Timestamp| Duration::try_from(at.duration_since(handed_over)).unwrap_or_default();
    let (first_call, draining) = simulator.world(|world| {
        let drained =
            |it: &&simulator::world::Recorded| it.request.operation() == Operation::UpdateContainerInstancesState;
        let first = world.requests().first().map(|it| since(it.at));
        (first, world.requests().iter().find(drained).map(|it| since(it.at)))
    });
    fronts.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(Start {
        init,
        first_call,
        draining,
        answer: invocation.duration,
        peak_kib: function.peak_rss_kib().unwrap_or_default(),
    })
}

/// A cluster with one host, on which nothing runs and which is about to go, and the event that says so.
fn idle_host(function: &str) -> Result<(World, Value), Failure> {
    // The host waits at once: what Auto Scaling takes for that is no part of a start.
    let settings = Settings { wait_begins_after: Duration::ZERO, ..Settings::default() };
    let mut world = World::new(wall_now(), settings);
    world.add_cluster("prod")?;
    let hooks = vec![HookSpec::terminating("ecs-drainer", Duration::from_secs(900))];
    world.add_group(GroupSpec { name: "my-asg".to_owned(), hooks, ..GroupSpec::default() })?;
    world.add_host(HostSpec {
        instance_id: Some(LEAVING.to_owned()),
        cluster: Some("prod".to_owned()),
        group: Some("my-asg".to_owned()),
        ..HostSpec::default()
    })?;
    let now = world.now();
    let event = if function == "spot-interruption" {
        world.interrupt(LEAVING, SpotAction::Terminate, now)?
    } else {
        world.scale_in(LEAVING, now)?.into_iter().next().unwrap_or_default()
    };
    Ok((world, if function == "reconcile" { json!({}) } else { event }))
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn binary(name: &str) -> PathBuf {
    workspace().join("target/lambda").join(name).join("bootstrap")
}

fn build_empty_function() -> Result<(), Failure> {
    let arguments = ["lambda", "build", "--release", "--locked", "--quiet", "--package", EMPTY];
    let built = Command::new("cargo").args(arguments).current_dir(workspace()).status()?;
    if built.success() { Ok(()) } else { Err("the empty function cannot be built; is cargo-lambda installed?".into()) }
}

impl Tls {
    fn new() -> Result<Tls, Failure> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let authority = workspace().join("target/tmp/cold-start-authority.pem");
        fs::create_dir_all(workspace().join("target/tmp"))?;
        // Amid as many authorities as the real one stands with: reading them is a part of every start.
        let system = SYSTEM_AUTHORITIES.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        fs::write(&authority, format!("{system}\n{}", made.cert.pem()))?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
        let certificate: CertificateDer<'static> = made.cert.der().clone();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?;
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), authority: fs::canonicalize(authority)? })
    }

    /// Listens with TLS and hands everything on to the simulator. Answers where, and the task that does it.
    async fn before(&self, simulator: &Simulator) -> Result<(String, tokio::task::JoinHandle<()>), Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        let behind = simulator.url().trim_start_matches("http://").to_owned();
        let acceptor = self.acceptor.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    // Small pieces go at once, as they do without anything in between.
                    stream.set_nodelay(true)?;
                    let mut front = acceptor.accept(stream).await?;
                    let mut back = TcpStream::connect(behind).await?;
                    back.set_nodelay(true)?;
                    copy_bidirectional(&mut front, &mut back).await
                });
            }
        });
        Ok((url, task))
    }
}

//! A quiet queue and one host: how soon it drains, and how long after its last task STOPPED it is released.
//!
//! `cargo lambda build --release --locked`, then `cargo bench -p simulator --bench quiet`; it takes some eight minutes.
//! Arguments choose how many runs there are of each; the default is 20. Nothing here is a test: the numbers are the result.
//! Events are delivered as Lambda delivers them; `reconcile` runs every minute, with a phase of its own in each run.

mod shipped;

use std::{process::ExitCode, rc::Rc, time::Duration};

use jiff::Timestamp;
use serde_json::json;
use simulator::{
    clock::wall_now,
    lambda::{EventSource, Fleet},
    sqs::QueueSpec,
    wire::Simulator,
    world::{GroupSpec, HookSpec, HostSpec, Operation, Request, Settings, TaskSpec, World, WorldError},
};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::shipped::{Failure, fleet};

const RUNS: usize = 20;
const CLUSTER: &str = "prod";
const GROUP: &str = "my-asg";

/// How long the last task of a host runs on: in one world one host after the other, and in another the longest.
const SHORT: [u64; 3] = [5, 20, 60];
const LONG: [u64; 1] = [300];
/// Beside them so many others drain, for longer than anything here; they leave so much earlier.
const OTHERS: usize = 4;
const OTHERS_LEAVE_EARLIER: Duration = Duration::from_secs(60);

/// As the template has them, of instance-terminating: timeout, visibility timeout and MaximumConcurrency.
const TERMINATION: (Duration, Duration, usize) = (Duration::from_secs(60), Duration::from_secs(60), 25);
const MAX_RECEIVE_COUNT: u32 = 5;
const BATCH: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// Longer than any drain goes on after its last task has STOPPED.
const GIVE_UP_AFTER: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whether a host drains alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Company {
    Alone,
    OthersDrain,
}

/// An account with the functions in it.
struct Account {
    simulator: Simulator,
    source: Rc<EventSource>,
    terminating: Rc<Fleet<'static>>,
    running: Vec<JoinHandle<()>>,
    hosts: usize,
}

impl Drop for Account {
    fn drop(&mut self) {
        self.running.iter().for_each(JoinHandle::abort);
    }
}

fn main() -> ExitCode {
    let runs = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(RUNS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Failure::from).and_then(|runtime| LocalSet::new().block_on(&runtime, all(runs))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quiet: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn all(runs: usize) -> Result<(), Failure> {
    let (cold, warm) = until_draining(runs).await?;
    println!("message sent to DRAINING sent    median     worst");
    for (what, times) in [("cold", cold), ("warm", warm)] {
        println!("{what:<30}{}", median_and_worst(&times, runs));
    }
    let mut rng = fastrand::Rng::with_seed(1);
    let mut worlds = Vec::new();
    for _ in 0..runs {
        for company in [Company::Alone, Company::OthersDrain] {
            for drains in [&SHORT[..], &LONG] {
                let phase = MINUTE.mul_f64(rng.f64());
                let world = spawn_local(async move {
                    until_released(company, drains, phase).await.map_err(|error| error.to_string())
                });
                worlds.push((company, drains, world));
            }
        }
    }
    let mut seen = Vec::new();
    for (company, drains, world) in worlds {
        for (drain, after) in drains.iter().zip(world.await??) {
            seen.push((company, *drain, after));
        }
    }
    println!("\nlast STOPPED to release         alone: median     worst    while others drain: median     worst");
    for drain in SHORT.iter().chain(&LONG) {
        let of = |company| {
            let these = seen.iter().filter(|(its, seconds, _)| *its == company && seconds == drain);
            let times: Vec<_> = these.filter_map(|(.., after)| *after).collect();
            median_and_worst(&times, runs)
        };
        println!("a drain of {drain:>3} s          {:>28}  {:>40}", of(Company::Alone), of(Company::OthersDrain));
    }
    Ok(())
}

fn median_and_worst(times: &[f64], of: usize) -> String {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let (Some(median), Some(worst)) = (times.get(times.len() / 2), times.last()) else { return "none".to_owned() };
    let missing = of.saturating_sub(times.len());
    let missing = if missing > 0 { format!("  ({missing} never)") } else { String::new() };
    format!("{median:>8.3} s  {worst:>7.3} s{missing}")
}

/// From a message that is sent on a quiet queue to UpdateContainerInstancesState, in a new environment and in one that
/// waits for its next event: one after the other, so that none disturbs another.
async fn until_draining(runs: usize) -> Result<(Vec<f64>, Vec<f64>), Failure> {
    let mut accounts = Vec::new();
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let mut account = Account::new()?;
        cold.extend(account.drains_after().await?);
        accounts.push(account);
    }
    for account in &mut accounts {
        // The first invocation has ended by then, and its environment is free.
        if account.is_idle().await {
            warm.extend(account.drains_after().await?);
        }
    }
    Ok((cold, warm))
}

/// From the last STOPPED of each of these drains, one after the other in one account, to the host's release.
async fn until_released(company: Company, drains: &[u64], phase: Duration) -> Result<Vec<Option<f64>>, Failure> {
    let mut account = Account::new()?;
    account.reconcile_from(phase)?;
    if company == Company::OthersDrain {
        for _ in 0..OTHERS {
            account.leave(None)?;
        }
        tokio::time::sleep(OTHERS_LEAVE_EARLIER).await;
    }
    let mut after = Vec::new();
    for seconds in drains {
        let id = account.leave(Some(Duration::from_secs(*seconds)))?;
        let released = |world: &World| world.releases().iter().any(|release| release.instance_id == id);
        let within = Duration::from_secs(*seconds) + GIVE_UP_AFTER;
        account.simulator.wait_for(within, released).await;
        after.push(account.simulator.world(|world| released_after(world, &id)));
    }
    Ok(after)
}

fn released_after(world: &World, id: &str) -> Option<f64> {
    let release = world.releases().iter().find(|release| release.instance_id == id)?;
    Some(release.at.duration_since(world.last_stopped_at(id)?).as_secs_f64())
}

impl Account {
    fn new() -> Result<Account, Failure> {
        let latency = Duration::from_millis(10)..Duration::from_millis(30);
        let mut world = World::new(wall_now(), Settings { latency, ..Settings::default() });
        world.add_cluster(CLUSTER)?;
        let hooks = vec![HookSpec::terminating("ecs-drainer", Duration::from_hours(1))];
        world.add_group(GroupSpec { name: GROUP.to_owned(), hooks, ..GroupSpec::default() })?;
        let simulator = Simulator::start(world)?;
        let (timeout, visibility_timeout, concurrency) = TERMINATION;
        let terminating = fleet("instance-terminating", &simulator.url(), timeout)?;
        let spec = QueueSpec {
            visibility_timeout,
            max_receive_count: MAX_RECEIVE_COUNT,
            batch_size: BATCH,
            batch_window: Duration::ZERO,
        };
        let source = Rc::new(EventSource::new(spec).with_maximum_concurrency(concurrency));
        let serving = {
            let (source, fleet) = (Rc::clone(&source), Rc::clone(&terminating));
            spawn_local(async move { source.serve(&fleet).await })
        };
        Ok(Account { simulator, source, terminating, running: vec![serving], hosts: 0 })
    }

    /// `reconcile` runs every minute, for the first time after `phase`.
    fn reconcile_from(&mut self, phase: Duration) -> Result<(), Failure> {
        let fleet = fleet("reconcile", &self.simulator.url(), MINUTE)?;
        self.running.push(spawn_local(async move {
            tokio::time::sleep(phase).await;
            loop {
                let fleet = Rc::clone(&fleet);
                spawn_local(async move { fleet.invoke(&json!({})).await });
                tokio::time::sleep(MINUTE).await;
            }
        }));
        Ok(())
    }

    /// A new host, with one task that no service owns, leaves at once. The task ends after so long, or never.
    fn leave(&mut self, finishes_after: Option<Duration>) -> Result<String, Failure> {
        let id = format!("i-{:017x}", self.hosts);
        self.hosts += 1;
        let events = self.simulator.world(|world| -> Result<_, WorldError> {
            world.add_host(HostSpec {
                instance_id: Some(id.clone()),
                cluster: Some(CLUSTER.to_owned()),
                group: Some(GROUP.to_owned()),
                ..HostSpec::default()
            })?;
            world.run_task(TaskSpec {
                cluster: CLUSTER.to_owned(),
                instance_id: id.clone(),
                finishes_after,
                ..TaskSpec::default()
            })?;
            world.scale_in(&id, world.now())
        })?;
        events.iter().for_each(|event| self.source.send(event.to_string()));
        Ok(id)
    }

    /// A host leaves whose task ends at once: from the message to the request that sets it DRAINING, in seconds.
    async fn drains_after(&mut self) -> Result<Option<f64>, Failure> {
        let (sent_at, seen) = (self.simulator.now(), self.simulator.world(|world| world.request_count()));
        self.leave(Some(Duration::from_millis(1)))?;
        let asked_at = |world: &World| -> Option<Timestamp> {
            let is_it = |request: &Request| request.operation() == Operation::UpdateContainerInstancesState;
            world.requests_since(seen).iter().find(|it| is_it(&it.request)).map(|it| it.at)
        };
        self.simulator.wait_for(GIVE_UP_AFTER, |world| asked_at(world).is_some()).await;
        Ok(self.simulator.world(|world| asked_at(world)).map(|at| at.duration_since(sent_at).as_secs_f64()))
    }

    /// Waits until no invocation runs; false when one does not end.
    async fn is_idle(&self) -> bool {
        let looks = GIVE_UP_AFTER.as_millis() / LOOK_EVERY.as_millis();
        for _ in 0..looks {
            if self.terminating.running() == 0 {
                return true;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        false
    }
}

//! The promises over random histories of random worlds, in virtual time.
//!
//! `HISTORIES` says how many (2,000 by default), `HISTORY_SEED` plays one of them alone. A failure names its seed, and is
//! shrunk to the smallest history that still fails; the same seed plays the same history again. `HISTORY_LOG` names a file
//! for every request of the first 200, or of that one: two versions whose files are equal ask AWS for the same, at the same
//! times.

mod draw;
mod happenings;
mod invocations;
mod judge;
mod plan;
mod play;
mod proof;
mod truth;
mod worlds;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};

use jiff::Timestamp;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use simulator::world::Request;

use self::draw::plans;
use self::plan::Plan;

/// The number of histories. Each has its own seed.
const HISTORIES: u64 = 2_000;
/// The request log has so many.
const LOGGED: u64 = 200;
/// They run in so many threads.
const PARTS: u64 = 4;
/// Each kind of event in `COVERED` must happen in more than this percentage of the histories.
const COVERED_PERCENT: u64 = 5;
const COVERED: [&str; 35] = [
    "bursts",
    "warm pools",
    "root volumes",
    "two hooks",
    "overrides",
    "old registrations",
    "events ahead of their state",
    "kills",
    "lost events",
    "partial chunks",
    "lost answers",
    "throttles",
    "hand-overs",
    "deadlines",
    "outages",
    "Spot stops",
    "further slices",
    "saved from Spot",
    "lists lag",
    "descriptions lag",
    "write answers lag",
    "two clusters",
    "phantoms",
    "registered anew",
    "joined another cluster",
    "tasks placed last",
    "denied hosts",
    "odd states",
    "wrong counts",
    "ECS silent",
    "reconcile away",
    "two stacks",
    "overlapping reconciles",
    "always cold",
    "warm environments",
];

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, not a number")))
}

/// Plays the history of one seed; shrinks it if it fails.
fn play_seed(seed: u64) -> Result<Vec<&'static str>, String> {
    play_seed_with(seed, |plan| Ok(play::played(plan)?.0.into_iter().collect()))
}

fn play_seed_with(
    seed: u64,
    play: impl FnMut(&Plan) -> Result<Vec<&'static str>, String>,
) -> Result<Vec<&'static str>, String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases: 1, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let (play, seen) = (RefCell::new(play), RefCell::new(Vec::new()));
    let played = runner.run(&plans(), |plan: Plan| {
        let happened = play.borrow_mut()(&plan).map_err(TestCaseError::fail)?;
        seen.borrow_mut().extend(happened);
        Ok(())
    });
    match played {
        Ok(()) => Ok(seen.into_inner()),
        Err(TestError::Fail(why, plan)) => Err(format!("HISTORY_SEED={seed}: {why}\n{plan:#?}")),
        Err(TestError::Abort(why)) => Err(format!("HISTORY_SEED={seed}: {why}")),
    }
}

fn requests(seed: u64) -> Vec<(Timestamp, Request)> {
    let mut log = Vec::new();
    play_seed_with(seed, |plan| {
        let (_, requests) = play::played(plan)?;
        log = requests;
        Ok(Vec::new())
    })
    .unwrap_or_else(|failure| panic!("{failure}"));
    log
}

#[test]
fn the_same_seed_plays_the_same_history() {
    if let Ok(path) = std::env::var("HISTORY_LOG") {
        let mut file = BufWriter::new(File::create(path).unwrap());
        let seeds = variable("HISTORY_SEED").map_or(0..LOGGED, |seed| seed..seed + 1);
        for (seed, (at, request)) in seeds.flat_map(|seed| requests(seed).into_iter().map(move |it| (seed, it))) {
            writeln!(file, "{seed} {at} {request:?}").unwrap();
        }
        return;
    }
    for seed in 0..40 {
        let first = requests(seed);
        assert!(!first.is_empty());
        assert_eq!(first, requests(seed), "HISTORY_SEED={seed}");
    }
}

#[test]
fn the_promises_hold_over_random_histories() {
    if let Some(seed) = variable("HISTORY_SEED") {
        play_seed(seed).unwrap_or_else(|failure| panic!("{failure}"));
        return;
    }
    let histories = variable("HISTORIES").unwrap_or(HISTORIES);
    let part = |part: u64| -> Result<BTreeMap<&'static str, u64>, String> {
        let mut happened = BTreeMap::new();
        for seed in (0..histories).filter(|seed| seed % PARTS == part) {
            play_seed(seed)?.into_iter().for_each(|what| *happened.entry(what).or_insert(0) += 1);
        }
        Ok(happened)
    };
    let parts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..PARTS).map(|n| scope.spawn(move || part(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut covered: BTreeMap<&str, u64> = BTreeMap::new();
    for part in parts {
        for (what, count) in part.unwrap_or_else(|failure| panic!("{failure}")) {
            *covered.entry(what).or_default() += count;
        }
    }
    println!("of {histories} histories: {covered:?}");
    for what in COVERED {
        let count = covered.get(what).copied().unwrap_or_default();
        assert!(count * 100 > histories * COVERED_PERCENT, "{what} in only {count} of {histories} histories");
    }
}

//! Whether a new event waits for its turn because others are waited for, and how many requests those who wait make: the
//! event source mapping with the figures that it should have, as arithmetic. No process, no real time.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use shared::clock::after;
use shared::config::Config;
use shared::drain::facts::departure::{Departure, NoticedBy};
use shared::drain::facts::known::Known;
use shared::drain::remembered::Remembered;
use shared::drain::{self, Budget, Context};
use shared::ids::InstanceId;
use simulator::lambda::pollers::{Batch, Pollers};
use simulator::sqs::{Queue, QueueSpec};
use simulator::world::Operation;

use crate::support::model::Model;
use crate::support::{EVENTS, EVENTS_CONCURRENCY, LEAVING, secs, standalone, world};

/// The settings that the mapping of instance-terminating should have.
const CONCURRENCY: usize = EVENTS_CONCURRENCY;
const QUEUE: QueueSpec = EVENTS;
/// How long a batch that is not full polls, and how long it takes to set a full one DRAINING and leave it to `reconcile`.
const POLLS_FOR: f64 = 15.0;
const FULL_TAKES: f64 = 1.5;
/// The reads of an invocation that polls for one host: to find it, and to look at it every two seconds.
/// With some to spare, for a list of its tasks.
const READS_WHILE_IT_POLLS: f64 = 12.0;
/// ECS API reference, "Request throttling": reads of container instances and tasks.
const READS_A_SECOND: f64 = 20.0;

/// How an invocation ends.
pub(crate) struct Invoked {
    /// After so many seconds it ends.
    pub(crate) lasts: f64,
    /// Its messages are deleted then. Others come again.
    pub(crate) done: bool,
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::UNIX_EPOCH + secs(seconds)
}

pub(crate) fn seconds(at: Timestamp) -> f64 {
    at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}

/// Sends messages at these times, each with its time as its body, and tells `invoked` of each invocation, until
/// nothing is left to do.
pub(crate) fn play(
    spec: QueueSpec,
    concurrency: usize,
    mut arrivals: Vec<f64>,
    mut invoked: impl FnMut(f64, &Batch) -> Invoked,
) {
    arrivals.sort_by(f64::total_cmp);
    let mut arrivals = arrivals.into_iter().peekable();
    let (mut queue, mut pollers) = (Queue::new(spec), Pollers::new(concurrency));
    let mut running: Vec<(Timestamp, Batch, bool)> = Vec::new();
    let mut now = at(0.0);
    loop {
        for (_, batch, done) in running.extract_if(.., |(ends_at, ..)| *ends_at <= now) {
            pollers.invocation_ended(now);
            if done {
                queue.delete(batch.messages.iter().map(|message| message.id.as_str()));
            }
        }
        while let Some(arrival) = arrivals.next_if(|arrival| at(*arrival) <= now) {
            queue.send(arrival.to_string(), now);
        }
        for batch in pollers.poll(&mut queue, now) {
            let Invoked { lasts, done } = invoked(seconds(now), &batch);
            running.push((now + secs(lasts), batch, done));
        }
        let next = [
            arrivals.peek().map(|arrival| at(*arrival)),
            running.iter().map(|(ends_at, ..)| *ends_at).min(),
            pollers.next_poll(&queue, now),
        ];
        let Some(next) = next.into_iter().flatten().min() else { break };
        assert!(next > now, "time goes on");
        now = next;
    }
    assert!(queue.dead_letters().is_empty() && pollers.is_idle());
}

/// When the message of a batch was sent.
pub(crate) fn sent(batch: &Batch) -> impl Iterator<Item = f64> {
    batch.messages.iter().map(|message| message.body.parse().unwrap())
}

/// The longest that any of the events, which come at these times, waits for its invocation.
fn longest_wait(spec: QueueSpec, concurrency: usize, arrivals: Vec<f64>, polls_for: f64) -> f64 {
    let waited = Cell::new(0.0_f64);
    play(spec, concurrency, arrivals, |now, batch| {
        waited.set(sent(batch).map(|at| now - at).fold(waited.get(), f64::max));
        let is_full = batch.messages.len() == spec.batch_limit();
        Invoked { lasts: if is_full { FULL_TAKES } else { polls_for }, done: true }
    });
    waited.get()
}

fn waits(arrivals: Vec<f64>) -> f64 {
    longest_wait(QUEUE, CONCURRENCY, arrivals, POLLS_FOR)
}

fn every(seconds: f64, count: u32) -> Vec<f64> {
    (0..count).map(|n| f64::from(n) * seconds).collect()
}

/// So many messages, evenly over so many seconds.
fn within(seconds: f64, count: u32) -> Vec<f64> {
    every(seconds / f64::from(count), count)
}

#[test]
fn a_single_event_is_served_at_once() {
    let waited = waits(vec![1.0]);
    assert!(waited < 0.1, "{waited:.3} s");
}

#[test]
fn with_a_window_it_might_wait_for_twenty_seconds() {
    let with_window = QueueSpec { batch_window: Duration::from_secs(1), batch_size: 100, ..QUEUE };
    let waited = longest_wait(with_window, CONCURRENCY, vec![1.0], POLLS_FOR);
    assert!(waited > 20.0, "{waited:.1} s");
}

#[test]
fn no_event_of_a_steady_trickle_waits_for_its_turn() {
    for (what, arrivals, most) in [
        ("an instance refresh, a host every 30 s", every(30.0, 120), 0.1),
        ("a host every 2 s", every(2.0, 300), 1.5),
        ("a host a second for ten minutes", every(1.0, 600), 1.5),
        ("two hosts a second for ten minutes", every(0.5, 1_200), 3.5),
    ] {
        let waited = waits(arrivals);
        assert!(waited < most, "{what}: {waited:.2} s");
    }
}

#[test]
fn a_thousand_events_are_served_in_time_for_all_to_drain_in_ten_seconds() {
    let most = 10.0 - FULL_TAKES;
    for (what, arrivals) in [("at once", vec![1.0; 1_000]), ("in the course of a second", within(1.0, 1_000))] {
        let waited = waits(arrivals);
        assert!(waited < most, "{what}: {waited:.2} s");
    }
}

#[test]
fn more_events_than_are_waited_for_one_by_one_are_served_in_full_batches() {
    let refresh_and_burst = every(30.0, 60).into_iter().chain((0..1_000).map(|_| 900.0)).collect();
    let hundreds_in_a_row: Vec<f64> = (0..20).flat_map(|n| (0..50).map(move |_| f64::from(n) * 2.0)).collect();
    for (what, arrivals, most) in [
        ("a refresh, and a thousand hosts in the middle of it", refresh_and_burst, 10.0),
        ("ten hosts a second for five minutes", every(0.1, 3_000), POLLS_FOR),
        ("fifty hosts every two seconds", hundreds_in_a_row, POLLS_FOR),
    ] {
        let waited = waits(arrivals);
        assert!(waited < most, "{what}: {waited:.2} s");
    }
}

#[test]
fn with_other_figures_some_events_would_wait() {
    let waits = |concurrency, polls_for| longest_wait(QUEUE, concurrency, every(1.0, 600), polls_for);
    assert!(waits(CONCURRENCY, 120.0) > 60.0, "each invocation polls for two minutes");
    assert!(waits(5, POLLS_FOR) > 8.0, "five invocations");
    let burst = |full_takes| {
        let last = Cell::new(0.0_f64);
        play(QUEUE, CONCURRENCY, vec![1.0; 1_000], |now, _| {
            last.set(now + full_takes - 1.0);
            Invoked { lasts: full_takes, done: true }
        });
        last.get()
    };
    assert!(burst(FULL_TAKES) < 10.0 && burst(2.0) > 10.0, "a full batch that takes two seconds: {:.1} s", burst(2.0));
}

/// The reads of a second in which as many invocations poll as there may be.
fn reads_a_second(concurrency: f64) -> f64 {
    concurrency * READS_WHILE_IT_POLLS / POLLS_FOR
}

/// The reads of container instances and tasks that one invocation makes for a host whose task does not end.
async fn reads_of_one(seed: u64) -> usize {
    let mut world = world();
    standalone(&mut world, None, 1.0);
    world.scale_in(LEAVING, world.now()).unwrap();
    let model = Model::of(world);
    let clock = model.clock();
    let config = Config::read(|_| None).unwrap();
    let budget = Budget::within(after(clock.now(), secs(60.0)), secs(POLLS_FOR), clock.now()).of_a_batch();
    let context = Context { calls: &model, config: &config, remembered: &Remembered::default(), clock, budget };
    let departure = Departure::of_termination(InstanceId::parse(LEAVING).unwrap(), NoticedBy::Event);
    let known = vec![Known::new(departure, clock.now())];
    drain::run(&context, known, &mut fastrand::Rng::with_seed(seed)).await;
    let reads = [
        Operation::ListContainerInstances,
        Operation::DescribeContainerInstances,
        Operation::ListTasks,
        Operation::DescribeTasks,
    ];
    model.world(|world| reads.into_iter().map(|operation| world.count(operation)).sum())
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_polls_reads_no_more_than_that() {
    let (mut reads, seeds) = (0, 20);
    for seed in 0..seeds {
        reads += reads_of_one(seed).await;
    }
    let each = f64::from(u32::try_from(reads).unwrap()) / f64::from(u32::try_from(seeds).unwrap());
    assert!(each > 1.0 && each <= READS_WHILE_IT_POLLS, "{each}");
}

#[test]
fn the_invocations_that_poll_read_no_more_than_ecs_answers() {
    let concurrency = f64::from(u32::try_from(CONCURRENCY).unwrap());
    assert!(reads_a_second(concurrency) <= READS_A_SECOND);
    assert!(reads_a_second(50.0) > READS_A_SECOND);
}

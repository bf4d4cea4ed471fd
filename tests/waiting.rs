//! Whether a new event waits for its turn because others are waited for: the event source mapping with the figures of
//! `docs/benchmarks.md`, as arithmetic.

use std::time::Duration;

use jiff::Timestamp;
use simulator::sqs::{Queue, QueueSpec};

use crate::support::secs;

/// As it should be deployed: batches of a hundred, gathered for a second, in fifty invocations at most.
const CONCURRENCY: usize = 50;
const QUEUE: QueueSpec = QueueSpec {
    visibility_timeout: Duration::from_secs(900),
    max_receive_count: 5,
    batch_size: 100,
    batch_window: Duration::from_secs(1),
};
/// Lambda begins with so many pollers, each of which gathers its own batches.
const POLLERS: usize = 5;
/// What a batch polls for, and what it takes to set a crowd DRAINING and leave it to `reconcile`.
const POLLS_FOR: f64 = 10.0;
const CROWD: usize = 20;
const CROWD_TAKES: f64 = 3.0;

fn at(seconds: f64) -> Timestamp {
    Timestamp::UNIX_EPOCH + secs(seconds)
}

/// The longest that any of the events, which come at these times, waits for its invocation.
fn longest_wait(mut arrivals: Vec<f64>, concurrency: usize, polls_for: f64) -> f64 {
    arrivals.sort_by(f64::total_cmp);
    let end = arrivals.last().copied().unwrap_or_default() + 600.0;
    // The pollers share the messages evenly.
    let mut queues: Vec<_> = (0..POLLERS).map(|_| (Queue::new(QUEUE), f64::MAX)).collect();
    let (mut busy_until, mut waited, mut sent) = (Vec::<f64>::new(), 0.0_f64, 0);
    let mut tenth = 0_u32;
    while f64::from(tenth) / 10.0 < end {
        let now = f64::from(tenth) / 10.0;
        tenth += 1;
        busy_until.retain(|until| *until > now);
        while let Some(arrival) = arrivals.get(sent).filter(|arrival| **arrival <= now) {
            let (queue, gathers_since) = &mut queues[sent % POLLERS];
            queue.send(arrival.to_string(), at(now));
            *gathers_since = gathers_since.min(now);
            sent += 1;
        }
        for (queue, gathers_since) in &mut queues {
            if busy_until.len() >= concurrency || now < *gathers_since + QUEUE.batch_window.as_secs_f64() {
                continue;
            }
            let batch = queue.receive(at(now));
            queue.delete(batch.iter().map(|message| message.id.as_str()));
            *gathers_since = if queue.next_visible().is_some() { now } else { f64::MAX };
            let waits = batch.iter().map(|message| now - message.body.parse::<f64>().unwrap());
            waited = waits.fold(waited, f64::max);
            if !batch.is_empty() {
                busy_until.push(now + if batch.len() > CROWD { CROWD_TAKES } else { polls_for });
            }
        }
    }
    assert_eq!(sent, arrivals.len());
    waited
}

fn every(seconds: f64, count: u32) -> Vec<f64> {
    (0..count).map(|n| f64::from(n) * seconds).collect()
}

#[test]
fn no_event_waits_for_five_seconds_because_others_are_waited_for() {
    let refresh_and_burst = every(30.0, 60).into_iter().chain((0..1_000).map(|_| 900.0)).collect();
    let hundreds_in_a_row: Vec<f64> = (0..20).flat_map(|n| (0..50).map(move |_| f64::from(n) * 2.0)).collect();
    for (what, arrivals) in [
        ("an instance refresh, a host every 30 s", every(30.0, 120)),
        ("a thousand hosts in one second", (0..1_000).map(|n| f64::from(n) / 1_000.0).collect()),
        ("a refresh, and a thousand hosts in the middle of it", refresh_and_burst),
        ("two hosts a second for ten minutes", every(0.5, 1_200)),
        ("ten hosts a second for five minutes", every(0.1, 3_000)),
        ("fifty hosts every two seconds", hundreds_in_a_row),
    ] {
        let waited = longest_wait(arrivals, CONCURRENCY, POLLS_FOR);
        assert!(waited < 5.0, "{what}: {waited:.1} s");
    }
}

#[test]
fn and_some_would_with_other_figures() {
    assert!(longest_wait(every(0.5, 1_200), CONCURRENCY, 120.0) > 60.0, "each invocation polls for two minutes");
    assert!(longest_wait(every(0.5, 1_200), 4, POLLS_FOR) > 5.0, "four invocations");
    assert!(longest_wait(every(30.0, 120), 2, 600.0) > 5.0, "a drain of ten minutes is waited for to its end");
}

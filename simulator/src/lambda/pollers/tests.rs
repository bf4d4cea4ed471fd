//! One mapping, step by step.

use super::*;
use crate::sqs::QueueSpec;

const SPEC: QueueSpec = QueueSpec {
    visibility_timeout: Duration::from_secs(30),
    max_receive_count: 5,
    batch_size: 10,
    batch_window: Duration::ZERO,
};

fn at(ms: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_millis(ms)
}

/// A queue and the pollers on it, whose clock goes on by itself.
struct Mapping {
    queue: Queue,
    pollers: Pollers,
    now_ms: u64,
}

impl Mapping {
    fn new(spec: QueueSpec, maximum_concurrency: usize) -> Mapping {
        Mapping { queue: Queue::new(spec), pollers: Pollers::new(maximum_concurrency), now_ms: 0 }
    }

    fn send(&mut self, count: usize) {
        (0..count).for_each(|_| drop(self.queue.send(String::new(), at(self.now_ms))));
    }

    /// What is invoked until then: when, and with how many messages.
    fn until(&mut self, end_ms: u64) -> Vec<(u64, usize)> {
        self.batches_until(end_ms).into_iter().map(|(at_ms, batch)| (at_ms, batch.messages.len())).collect()
    }

    fn batches_until(&mut self, end_ms: u64) -> Vec<(u64, Batch)> {
        let mut invoked = Vec::new();
        loop {
            let now = at(self.now_ms);
            let batches = self.pollers.poll(&mut self.queue, now);
            invoked.extend(batches.into_iter().map(|batch| (self.now_ms, batch)));
            let next = self.pollers.next_poll(&self.queue, now);
            let next = next.map_or(u64::MAX, |next| u64::try_from(next.as_millisecond()).unwrap());
            assert!(next > self.now_ms, "time goes on");
            self.now_ms = next.min(end_ms);
            if next > end_ms {
                return invoked;
            }
        }
    }

    fn done(&mut self, batch: &Batch) {
        self.queue.delete(batch.messages.iter().map(|message| message.id.as_str()));
        self.pollers.invocation_ended(at(self.now_ms));
    }
}

#[test]
fn a_quiet_queues_message_is_invoked_as_soon_as_was_recorded() {
    let mut mapping = Mapping::new(SPEC, MAX_CONCURRENCY);
    assert_eq!(mapping.until(1_000), []);
    mapping.send(1);
    assert_eq!(mapping.until(20_000), [(1_055, 1)]);
    assert_eq!(mapping.pollers.next_poll(&mapping.queue, at(20_000)), Some(at(31_028)), "when it can be seen again");
}

#[test]
fn five_batches_at_first_and_five_more_a_second_up_to_the_maximum() {
    let mut mapping = Mapping::new(SPEC, 12);
    mapping.send(200);
    let at_first = [(55, 10); 5];
    assert_eq!(mapping.until(1_000), at_first);
    assert_eq!(mapping.until(2_000), [(1_069, 10); 5]);
    assert_eq!(mapping.until(29_000), [(2_069, 10); 2], "twelve in all");
    assert_eq!(mapping.pollers.running(), 12);
}

#[test]
fn free_pollers_share_what_is_there_and_fill_no_batch_up() {
    let mut mapping = Mapping::new(SPEC, MAX_CONCURRENCY);
    mapping.send(7);
    assert_eq!(mapping.until(100), [(55, 2), (55, 2), (55, 1), (55, 1), (55, 1)]);
}

#[test]
fn a_poller_that_is_free_again_takes_at_most_ten_of_what_is_left() {
    let mut mapping = Mapping::new(SPEC, 5);
    mapping.send(63);
    let first = mapping.batches_until(500);
    assert_eq!(first.len(), 5);
    mapping.done(&first[0].1);
    assert_eq!(mapping.until(1_000), [(555, 10)]);
    mapping.done(&first[1].1);
    assert_eq!(mapping.until(2_000), [(1_055, 3)]);
}

#[test]
fn what_no_invocation_is_free_for_waits_with_its_lease() {
    let mut mapping = Mapping::new(SPEC, 2);
    mapping.send(50);
    let first = mapping.batches_until(10_000);
    assert_eq!(first.len(), 2);
    assert_eq!(mapping.queue.visible(at(10_000)), 0, "all is received, by five pollers");
    mapping.done(&first[0].1);
    let next = mapping.batches_until(11_000);
    assert_eq!(next.len(), 1);
    assert_eq!((next[0].0, next[0].1.messages[0].receive_count), (10_000, 1));
}

#[test]
fn and_uses_up_a_receive_when_its_lease_is_over() {
    let mut mapping = Mapping::new(SPEC, 2);
    mapping.send(50);
    let first = mapping.batches_until(10_000);
    mapping.until(35_000);
    for (_, batch) in &first {
        mapping.done(batch);
    }
    let next = mapping.batches_until(36_000);
    assert_eq!(next.len(), 2);
    assert!(next.iter().all(|(_, batch)| batch.messages.iter().all(|it| it.receive_count == 2)), "{next:?}");
}

#[test]
fn what_fails_comes_again_after_the_visibility_timeout() {
    let mut mapping = Mapping::new(SPEC, MAX_CONCURRENCY);
    mapping.send(1);
    assert_eq!(mapping.until(100), [(55, 1)]);
    mapping.pollers.invocation_ended(at(100));
    // Received at 14 ms, invisible from then on.
    assert_eq!(mapping.until(60_000), [(30_014 + 14 + 41, 1)]);
}

#[test]
fn with_any_window_a_quiet_queues_message_is_held_for_twenty_seconds() {
    let spec = QueueSpec { batch_size: 100, batch_window: Duration::from_secs(1), ..SPEC };
    let mut mapping = Mapping::new(spec, MAX_CONCURRENCY);
    mapping.send(1);
    assert_eq!(mapping.until(5_000), []);
    mapping.send(1);
    assert_eq!(mapping.until(29_000), [(20_055, 2)], "the second joins the first");

    let mut mapping = Mapping::new(spec, MAX_CONCURRENCY);
    mapping.send(1_000);
    assert_eq!(mapping.until(500), [(55, 100); 5], "full ones go at once");
}

#[test]
fn pollers_that_a_burst_took_are_given_back() {
    let mut mapping = Mapping::new(SPEC, MAX_CONCURRENCY);
    mapping.send(300);
    for (_, batch) in mapping.batches_until(4_000) {
        mapping.done(&batch);
    }
    while let invoked = mapping.batches_until(mapping.now_ms + 1_000)
        && !invoked.is_empty()
    {
        invoked.iter().for_each(|(_, batch)| mapping.done(batch));
    }
    mapping.send(100);
    let now_ms = mapping.now_ms;
    assert_eq!(mapping.until(now_ms + 500).len(), FIRST_POLLERS);
}

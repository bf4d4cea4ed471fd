//! How Lambda polls an SQS queue for an event source mapping: an explicit clock, no I/O.
//!
//! The caller calls [`Pollers::poll`] at [`Pollers::next_poll`], whenever a message was sent and whenever an invocation
//! ended; it invokes the function with each batch that it gets, and deletes what was done.

use std::time::Duration;

use jiff::Timestamp;

use crate::sqs::{Message, Queue};

// Lambda developer guide, "Configuring scaling behavior for SQS event source mappings": five batches at a time at first,
// up to 300 more a minute while messages are still available, back to five when traffic is low.
const FIRST_POLLERS: usize = 5;
const MORE_POLLERS: usize = 5;
const MORE_POLLERS_EVERY: Duration = Duration::from_secs(1);

/// The most batches at a time where the mapping sets no maximum.
// Lambda developer guide, as above: "The maximum number of batches that an event source mapping can process simultaneously".
pub const MAX_CONCURRENCY: usize = 1_000;

/// The least that a mapping may set.
// Lambda API reference, ScalingConfig.MaximumConcurrency: 2 to 1,000.
pub const LEAST_CONCURRENCY: usize = 2;

/// From a message that can be received to the end of the receive that takes it, on a quiet queue. Recorded.
pub const RECEIVE_TAKES: Duration = Duration::from_millis(14);

/// From the receive to the invocation, when there is a free one. Recorded.
pub const INVOKE_TAKES: Duration = Duration::from_millis(41);

/// With a batch window, however short, a batch that is not full may be held for so long.
// Lambda developer guide, "Using Lambda with Amazon SQS": with a window and low traffic "Lambda might wait for up to 20 seconds".
pub const HELD_WITH_WINDOW: Duration = Duration::from_secs(20);

/// The pollers of one mapping. Its batch size and window are the queue's.
#[derive(Debug, Clone)]
pub struct Pollers {
    maximum_concurrency: usize,
    pollers: usize,
    /// Since when a poller has been free without a break.
    free_since: Timestamp,
    /// Since when messages have been left over, counted from the last time that pollers were added.
    left_over_since: Option<Timestamp>,
    received: Vec<Received>,
    running: usize,
}

/// Messages for one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The messages, the oldest first.
    pub messages: Vec<Message>,
    /// When the first of them can be received again.
    pub visible_again_at: Timestamp,
}

/// A batch that is not invoked yet. It keeps its poller.
#[derive(Debug, Clone)]
struct Received {
    batch: Batch,
    ready_at: Timestamp,
}

impl Pollers {
    /// The pollers of a mapping with this MaximumConcurrency, before the first message. AWS takes no less than
    /// [`LEAST_CONCURRENCY`]; one is for tests that have one environment.
    pub fn new(maximum_concurrency: usize) -> Pollers {
        Pollers {
            maximum_concurrency: maximum_concurrency.clamp(1, MAX_CONCURRENCY),
            pollers: FIRST_POLLERS,
            free_since: Timestamp::MIN,
            left_over_since: None,
            received: Vec::new(),
            running: 0,
        }
    }

    /// What there is to receive is received, and the batches that are to be invoked now are answered: for each, the caller
    /// tells [`Pollers::invocation_ended`] later.
    ///
    /// Several free pollers share what is there, so batches are not filled up. What is received cannot be received
    /// again until its visibility timeout is over, whether it is invoked or not. A batch that meets no free concurrency
    /// waits until then, and is given up: it comes again with a higher receive count.
    pub fn poll(&mut self, queue: &mut Queue, now: Timestamp) -> Vec<Batch> {
        self.received.retain(|it| now < it.batch.visible_again_at);
        self.add_pollers(queue, now);
        if self.receive_at(queue).is_some_and(|at| at <= now) {
            self.receive(queue, now);
        }
        if queue.visible(now) == 0 {
            self.left_over_since = None;
            self.pollers = self.pollers.min(self.busy() + FIRST_POLLERS);
        } else if self.free() == 0 {
            self.left_over_since.get_or_insert(now);
        }
        let spare = self.maximum_concurrency.saturating_sub(self.running);
        let batches: Vec<_> =
            self.received.extract_if(.., |it| it.ready_at <= now).take(spare).map(|it| it.batch).collect();
        self.running += batches.len();
        batches
    }

    /// When to poll next, if no message is sent and no invocation ends before. None: not before one does.
    pub fn next_poll(&self, queue: &Queue, now: Timestamp) -> Option<Timestamp> {
        let may_invoke = self.running < self.maximum_concurrency;
        let invokes = self.received.iter().filter(|_| may_invoke).map(|it| it.ready_at);
        let gives_up = self.received.iter().map(|it| it.batch.visible_again_at);
        let grows = match self.left_over_since {
            Some(since) => Some(since + MORE_POLLERS_EVERY),
            None => queue.next_visible().map(|at| at.max(now)),
        };
        let grows = grows.filter(|_| self.free() == 0 && self.pollers < self.most());
        invokes.chain(gives_up).chain(grows).chain(self.receive_at(queue)).min()
    }

    /// An invocation ended, well or not.
    pub fn invocation_ended(&mut self, now: Timestamp) {
        if self.free() == 0 {
            self.free_since = now;
        }
        self.running = self.running.saturating_sub(1);
    }

    /// How many invocations run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Whether nothing runs and nothing waits for its invocation.
    pub fn is_idle(&self) -> bool {
        self.running == 0 && self.received.is_empty()
    }

    fn busy(&self) -> usize {
        self.running + self.received.len()
    }

    fn free(&self) -> usize {
        self.pollers.saturating_sub(self.busy())
    }

    // Pollers begin with five whatever the maximum is. With a maximum, AWS reads no further than it may invoke.
    fn most(&self) -> usize {
        self.maximum_concurrency.max(FIRST_POLLERS)
    }

    fn add_pollers(&mut self, queue: &Queue, now: Timestamp) {
        while let Some(since) = self.left_over_since
            && since + MORE_POLLERS_EVERY <= now
            && queue.visible(now) > 0
            && self.pollers < self.most()
        {
            let at = since + MORE_POLLERS_EVERY;
            if self.free() == 0 {
                self.free_since = at;
            }
            self.pollers = (self.pollers + MORE_POLLERS).min(self.most());
            self.left_over_since = Some(at);
        }
    }

    /// When the next receive is answered.
    fn receive_at(&self, queue: &Queue) -> Option<Timestamp> {
        let takes_more = self.free() > 0 || self.received.iter().any(|it| it.takes_more(queue));
        let visible_at = queue.next_visible().filter(|_| takes_more)?;
        Some(visible_at.max(self.free_since) + RECEIVE_TAKES)
    }

    fn receive(&mut self, queue: &mut Queue, now: Timestamp) {
        let spec = queue.spec();
        let (limit, window) = (spec.batch_limit(), spec.batch_window);
        let visible_again_at = now + spec.visibility_timeout;
        let ready_at = now + INVOKE_TAKES;
        let held_until = if window.is_zero() { ready_at } else { ready_at + window.max(HELD_WITH_WINDOW) };
        let gathering = self.received.iter().filter(|it| it.takes_more(queue)).count();
        let mut readers = self.free() + gathering;
        for it in self.received.iter_mut().filter(|it| it.takes_more(queue)).collect::<Vec<_>>() {
            let share = queue.visible(now).div_ceil(readers.max(1));
            readers = readers.saturating_sub(1);
            let room = limit.saturating_sub(it.batch.messages.len());
            it.batch.messages.extend(queue.receive_at_most(share.min(room), now));
            if it.batch.messages.len() >= limit {
                it.ready_at = it.ready_at.min(ready_at);
            }
        }
        for _ in 0..self.free() {
            let share = queue.visible(now).div_ceil(readers.max(1));
            readers = readers.saturating_sub(1);
            let messages = queue.receive_at_most(share.min(limit), now);
            if messages.is_empty() {
                break;
            }
            let ready_at = if messages.len() >= limit { ready_at } else { held_until };
            self.received.push(Received { batch: Batch { messages, visible_again_at }, ready_at });
        }
    }
}

impl Received {
    /// With a window a batch gathers until it is full.
    fn takes_more(&self, queue: &Queue) -> bool {
        !queue.spec().batch_window.is_zero() && self.batch.messages.len() < queue.spec().batch_limit()
    }
}

#[cfg(test)]
mod tests;

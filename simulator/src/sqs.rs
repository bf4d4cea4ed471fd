//! An SQS queue as an event source mapping sees it: an explicit clock, no I/O.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

/// How a queue behaves.
#[derive(Debug, Clone, Copy)]
pub struct QueueSpec {
    /// A message that was received is hidden for so long, whether or not its receiver is done.
    pub visibility_timeout: Duration,
    /// One that was received so often goes to the dead-letter queue instead of being received again.
    pub max_receive_count: u32,
    /// The most messages one receive hands over.
    pub batch_size: usize,
    /// How long messages are gathered before they are handed over.
    pub batch_window: Duration,
}

// Lambda developer guide, "Configuring an Amazon SQS queue": more than 10 messages take a window of at least 1 second.
const MAX_BATCH_WITHOUT_WINDOW: usize = 10;
const LEAST_WINDOW: Duration = Duration::from_secs(1);

impl QueueSpec {
    /// The most messages one batch holds; AWS refuses more than ten without a window, which counts as ten here.
    pub fn batch_limit(&self) -> usize {
        if self.batch_window < LEAST_WINDOW { self.batch_size.min(MAX_BATCH_WITHOUT_WINDOW) } else { self.batch_size }
    }
}

/// A message that was sent and not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// What was sent.
    pub body: String,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was received first.
    pub first_received_at: Option<Timestamp>,
}

/// A queue with a dead-letter queue.
#[derive(Debug, Clone)]
pub struct Queue {
    spec: QueueSpec,
    sent: usize,
    messages: BTreeMap<usize, Stored>,
    dead_letters: Vec<Message>,
}

#[derive(Debug, Clone)]
struct Stored {
    message: Message,
    visible_at: Timestamp,
}

impl Queue {
    /// An empty queue.
    pub fn new(spec: QueueSpec) -> Queue {
        Queue { spec, sent: 0, messages: BTreeMap::new(), dead_letters: Vec::new() }
    }

    /// Sends a message, to be received from `now` on. Answers its id, `message-1` and so on.
    pub fn send(&mut self, body: String, now: Timestamp) -> String {
        self.sent += 1;
        let id = format!("message-{}", self.sent);
        let message = Message { id, body, receive_count: 0, sent_at: now, first_received_at: None };
        let id = message.id.clone();
        self.messages.insert(self.sent, Stored { message, visible_at: now });
        id
    }

    /// The visible messages, the oldest first, as many as a batch holds; they are hidden for the visibility timeout.
    // SQS developer guide, "Visibility timeout" and "Dead-letter queues": a message whose receive count exceeds maxReceiveCount is moved.
    pub fn receive(&mut self, now: Timestamp) -> Vec<Message> {
        self.receive_at_most(self.spec.batch_limit(), now)
    }

    /// Likewise, but no more than so many.
    pub fn receive_at_most(&mut self, most: usize, now: Timestamp) -> Vec<Message> {
        let Queue { spec, messages, dead_letters, .. } = self;
        let spent = messages.extract_if(.., |_, stored| {
            stored.visible_at <= now && stored.message.receive_count >= spec.max_receive_count
        });
        dead_letters.extend(spent.map(|(_, stored)| stored.message));
        let visible = messages.values_mut().filter(|stored| stored.visible_at <= now).take(most);
        visible
            .map(|stored| {
                stored.visible_at = now + spec.visibility_timeout;
                stored.message.receive_count += 1;
                stored.message.first_received_at.get_or_insert(now);
                stored.message.clone()
            })
            .collect()
    }

    /// Deletes messages, hidden or not.
    pub fn delete<'a>(&mut self, ids: impl IntoIterator<Item = &'a str>) {
        for id in ids {
            self.messages.retain(|_, stored| stored.message.id != id);
        }
    }

    /// How it behaves.
    pub fn spec(&self) -> QueueSpec {
        self.spec
    }

    /// How many messages can be received.
    pub fn visible(&self, now: Timestamp) -> usize {
        self.messages.values().filter(|stored| stored.visible_at <= now).count()
    }

    /// When the next message can be received; none when there is none.
    pub fn next_visible(&self) -> Option<Timestamp> {
        self.messages.values().map(|stored| stored.visible_at).min()
    }

    /// What was received too often.
    pub fn dead_letters(&self) -> &[Message] {
        &self.dead_letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: QueueSpec = QueueSpec {
        visibility_timeout: Duration::from_secs(30),
        max_receive_count: 2,
        batch_size: 2,
        batch_window: Duration::ZERO,
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn received(queue: &mut Queue, seconds: u64) -> Vec<String> {
        queue.receive(at(seconds)).into_iter().map(|message| message.id).collect()
    }

    #[test]
    fn what_is_received_and_not_deleted_comes_again_after_the_visibility_timeout() {
        let mut queue = Queue::new(SPEC);
        for body in ["a", "b", "c"] {
            queue.send(body.to_owned(), at(0));
        }
        assert_eq!(received(&mut queue, 0), ["message-1", "message-2"]);
        assert_eq!(received(&mut queue, 1), ["message-3"]);
        queue.delete(["message-1"]);
        assert_eq!(received(&mut queue, 29), [""; 0]);
        assert_eq!(queue.next_visible(), Some(at(30)));
        assert_eq!(received(&mut queue, 31), ["message-2", "message-3"]);
    }

    #[test]
    fn more_than_ten_at_once_take_a_window() {
        let large = |batch_window| QueueSpec { batch_size: 100, batch_window, ..SPEC }.batch_limit();
        assert_eq!((large(Duration::ZERO), large(Duration::from_secs(1))), (10, 100));
    }

    #[test]
    fn what_is_received_too_often_becomes_a_dead_letter() {
        let mut queue = Queue::new(SPEC);
        queue.send("a".to_owned(), at(0));
        for seconds in [0, 30] {
            assert_eq!(received(&mut queue, seconds).len(), 1);
        }
        assert_eq!(received(&mut queue, 60), [""; 0]);
        assert_eq!(queue.dead_letters().iter().map(|it| it.body.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(queue.next_visible(), None);
    }
}

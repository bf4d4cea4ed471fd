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
        let message = Message { id: format!("message-{}", self.sent), body, receive_count: 0 };
        let id = message.id.clone();
        self.messages.insert(self.sent, Stored { message, visible_at: now });
        id
    }

    /// The visible messages, the oldest first, as many as a batch holds; they are hidden for the visibility timeout.
    // SQS developer guide, "Visibility timeout" and "Dead-letter queues": a message whose receive count exceeds maxReceiveCount is moved.
    pub fn receive(&mut self, now: Timestamp) -> Vec<Message> {
        let Queue { spec, messages, dead_letters, .. } = self;
        let spent = messages.extract_if(.., |_, stored| {
            stored.visible_at <= now && stored.message.receive_count >= spec.max_receive_count
        });
        dead_letters.extend(spent.map(|(_, stored)| stored.message));
        let visible = messages.values_mut().filter(|stored| stored.visible_at <= now).take(spec.batch_size);
        visible
            .map(|stored| {
                stored.visible_at = now + spec.visibility_timeout;
                stored.message.receive_count += 1;
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

    const SPEC: QueueSpec =
        QueueSpec { visibility_timeout: Duration::from_secs(30), max_receive_count: 2, batch_size: 2 };

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

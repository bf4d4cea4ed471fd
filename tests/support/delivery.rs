//! A queue that feeds invocations as Lambda does, in virtual time.

use std::cell::RefCell;
use std::rc::Rc;

use shared::clock::Clock;
use simulator::lambda::pollers::Pollers;
use simulator::sqs::{Message, Queue, QueueSpec};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::timeout_at;

/// A queue, and the pollers of its event source mapping.
pub(crate) struct Delivery {
    queue: RefCell<Queue>,
    pollers: RefCell<Pollers>,
    changed: Notify,
    clock: Clock,
}

impl Delivery {
    pub(crate) fn new(spec: QueueSpec, maximum_concurrency: usize, clock: Clock) -> Self {
        let (queue, pollers) = (Queue::new(spec), Pollers::new(maximum_concurrency));
        Self { queue: RefCell::new(queue), pollers: RefCell::new(pollers), changed: Notify::new(), clock }
    }

    pub(crate) fn send(&self, body: String) {
        self.queue.borrow_mut().send(body, self.clock.now());
        self.changed.notify_one();
    }

    /// Has `invoke` work on each batch, until this is dropped. It answers the ids of the messages that are done.
    pub(crate) async fn feed<F: Future<Output = Vec<String>> + 'static>(
        self: Rc<Self>,
        invoke: impl Fn(Vec<Message>) -> F,
    ) {
        let mut invocations = Vec::new();
        loop {
            let now = self.clock.now();
            let batches = self.pollers.borrow_mut().poll(&mut self.queue.borrow_mut(), now);
            invocations.extend(batches.into_iter().map(|batch| {
                let (delivery, invocation) = (self.clone(), invoke(batch.messages));
                spawn_local(async move { delivery.ended(&invocation.await) })
            }));
            // One that panicked fails its test.
            while let Some(ended) = invocations.extract_if(.., |it| it.is_finished()).next() {
                ended.await.unwrap();
            }
            let next = self.pollers.borrow().next_poll(&self.queue.borrow(), now);
            match next {
                Some(next) => drop(timeout_at(self.clock.instant(next), self.changed.notified()).await),
                None => self.changed.notified().await,
            }
        }
    }

    fn ended(&self, done: &[String]) {
        self.queue.borrow_mut().delete(done.iter().map(String::as_str));
        self.pollers.borrow_mut().invocation_ended(self.clock.now());
        self.changed.notify_one();
    }
}

//! The present of a world: its time, how it behaves, its random numbers, and what is due.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::settings::Settings;

/// How long what a world begins with has been there.
const A_WHILE: Duration = Duration::from_hours(1);

/// What the parts of a world share.
#[derive(Debug, Clone)]
pub(crate) struct Present {
    pub(crate) now: Timestamp,
    pub(crate) settings: Settings,
    rng: fastrand::Rng,
    agenda: BTreeSet<(Timestamp, Due)>,
}

/// What happens by itself. At one instant in this order: a task that ends as its host goes away was not killed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    Step(String),
    Forget(String),
    HookTimeout { instance_id: String, hook: String },
    Lifecycle(String),
    PowerOff(String),
    Schedule { cluster: String },
}

impl Present {
    pub(crate) fn new(now: Timestamp, settings: Settings) -> Present {
        Present { now, rng: fastrand::Rng::with_seed(settings.seed), settings, agenda: BTreeSet::new() }
    }

    pub(crate) fn plan(&mut self, at: Timestamp, due: Due) {
        self.agenda.insert((at, due));
    }

    pub(crate) fn cancel(&mut self, at: Timestamp, due: Due) {
        self.agenda.remove(&(at, due));
    }

    /// When something is due next.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// Takes what is due until `until`, the earliest first.
    pub(crate) fn take_due(&mut self, until: Timestamp) -> Option<(Timestamp, Due)> {
        if self.next_due()? > until {
            return None;
        }
        self.agenda.pop_first()
    }

    /// As of when a page of a list tells how things were.
    pub(crate) fn listed_at(&mut self) -> Timestamp {
        self.up_to_ago(self.settings.list_lag)
    }

    /// As of when a description tells how things were.
    pub(crate) fn described_at(&mut self) -> Timestamp {
        self.up_to_ago(self.settings.description_lag)
    }

    /// No answer tells of anything before this.
    pub(crate) fn oldest_told(&self) -> Timestamp {
        self.now - self.longest_lag()
    }

    pub(crate) fn longest_lag(&self) -> Duration {
        self.settings.list_lag.max(self.settings.description_lag)
    }

    fn up_to_ago(&mut self, lag: Duration) -> Timestamp {
        if lag.is_zero() { self.now } else { self.now - lag.mul_f64(self.rng.f64()) }
    }

    /// A toss of a coin.
    pub(crate) fn is_heads(&mut self) -> bool {
        self.rng.bool()
    }

    /// Since when what a world begins with has been there.
    pub(crate) fn a_while_ago(&self) -> Timestamp {
        self.now - A_WHILE
    }

    pub(crate) fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| self.rng.digit(16)).collect::<String>().to_lowercase()
    }

    pub(crate) fn uuid(&mut self) -> String {
        [8, 4, 4, 4, 12].map(|digits| self.hex(digits)).join("-")
    }

    /// Capital letters and digits.
    pub(crate) fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| self.rng.digit(36).to_ascii_uppercase()).collect()
    }

    /// The id of a deployment of a service.
    pub(crate) fn deployment(&mut self) -> String {
        format!("ecs-svc/{}", self.rng.u64(10_u64.pow(18)..10_u64.pow(19)))
    }

    /// Whether a request is one of those that fail at random.
    pub(crate) fn fails(&mut self) -> bool {
        self.settings.failing > 0.0 && self.rng.f64() < self.settings.failing
    }

    /// How long an answer takes.
    pub(crate) fn latency(&mut self) -> Duration {
        let range = self.settings.latency.clone();
        if range.is_empty() {
            return range.start;
        }
        range.start + (range.end - range.start).mul_f64(self.rng.f64())
    }
}

/// The end of time for what takes for ever.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// As AWS writes times in sentences and events.
pub(crate) fn whole_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

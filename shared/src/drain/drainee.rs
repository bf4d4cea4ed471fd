//! One host that is drained: what is known of it, and how its drain ended, if it has.

use jiff::Timestamp;

use super::facts::known::Known;
use super::facts::log::log_drain;
use super::rules::decision::{Outcome, Settled};

/// One host that is drained.
#[derive(Debug)]
pub(crate) struct Drainee {
    pub(crate) known: Known,
    pub(crate) settled: Option<Settled>,
    pub(crate) settled_at: Option<Timestamp>,
}

impl Drainee {
    pub(crate) fn new(known: Known) -> Self {
        Self { known, settled: None, settled_at: None }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled.is_some()
    }

    pub(crate) fn settle(&mut self, settled: Settled, now: Timestamp) {
        log_end(&self.known, &settled, now);
        self.settled_at = Some(now);
        self.settled = Some(settled);
    }
}

/// How a drain ended, or where this invocation leaves it.
pub(crate) fn log_end(known: &Known, settled: &Settled, now: Timestamp) {
    let message = match settled.outcome {
        Outcome::HandedOver => "handed over",
        Outcome::TimedOut => "given up",
        Outcome::Ignored => "ignored",
        Outcome::AlreadyReleased => "already released",
        Outcome::WouldDrain => "would drain",
        Outcome::NotWaitingYet => "not waiting yet",
        _ => "ended",
    };
    let (outcome, detail) = (settled.outcome.as_str(), settled.detail.as_str());
    // The reason is long, so only the last line of a drain has it.
    let reason = known.reason().filter(|_| settled.outcome != Outcome::HandedOver);
    log_drain!(info, known, now, message, outcome, detail, reason);
}

/// The drains of `indexes`, each with its index.
pub(crate) fn chosen<'a>(drainees: &'a [Drainee], indexes: &'a [usize]) -> impl Iterator<Item = (usize, &'a Known)> {
    indexes.iter().filter_map(|index| Some((*index, &drainees.get(*index)?.known)))
}

/// Those that fit, by index.
pub(crate) fn those(drainees: &[Drainee], fits: impl Fn(&Drainee) -> bool) -> Vec<usize> {
    let fitting = drainees.iter().enumerate().filter(|(_, drainee)| fits(drainee));
    fitting.map(|(index, _)| index).collect()
}

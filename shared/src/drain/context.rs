//! What an invocation works with.

use jiff::Timestamp;

use super::facts::known::Known;
use super::remembered::Remembered;
use super::rules::terms::{Budget, Terms};
use crate::clock::Clock;
use crate::config::Config;

/// What an invocation works with.
#[derive(Debug)]
pub struct Context<'a, C> {
    /// The port to AWS.
    pub calls: &'a C,
    /// Every setting.
    pub config: &'a Config,
    /// What this warm environment remembers.
    pub remembered: &'a Remembered,
    /// The time.
    pub clock: Clock,
    /// How long it may take.
    pub budget: Budget,
}

impl<C> Context<'_, C> {
    /// When this environment last sent a heartbeat for a termination; none where it is not known when that began.
    #[must_use]
    pub fn heartbeat_of(&self, known: &Known) -> Option<Timestamp> {
        self.remembered.heartbeat(&known.departure.instance, known.start.as_ref()?.at)
    }

    /// The terms for one host.
    #[must_use]
    pub fn terms(&self, known: &Known) -> Terms {
        Terms::of(known, self.config.policy, &self.budget)
    }
}

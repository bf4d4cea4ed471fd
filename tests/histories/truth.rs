//! The truth about a host of a history, whatever the drainer knows.

use std::time::Duration;

use jiff::Timestamp;
use shared::drain::facts::departure::Destination;
use simulator::world::World;

use super::plan::{GroupPlan, HostPlan, WorldPlan};
use super::worlds::SECOND_HOOK;
use crate::support::HOOK;

/// An operator may set a host ACTIVE again between the last look and the completion, and another invocation may have set it
/// DRAINING again before the next look: a look is at most 30 s old then, and tells how things were up to ten seconds before.
pub(super) const RACE: Duration = Duration::from_secs(80);
/// An agent may register its host anew between the last look and the completion: a look is at most 30 s old then, and tells how
/// things were up to ten seconds before. A slow answer comes on top.
pub(super) const REGISTERED_UNSEEN: Duration = Duration::from_secs(45);

/// A registration that was under way may end between the last look and the completion: such a look is at most 10 s old then, and
/// tells how things were up to ten seconds before. A slow answer comes on top.
pub(super) const ACTIVE_UNSEEN: Duration = Duration::from_secs(25);

/// The truth about a host, whatever the drainer knows.
#[derive(Debug, Clone)]
pub(super) struct Truth {
    pub(super) plan: HostPlan,
    pub(super) watched: bool,
    pub(super) start: Timestamp,
    pub(super) leaves_at: Timestamp,
    /// Whether it was released with tasks running, as policy allows.
    pub(super) given_up: bool,
    /// When its last task had stopped, as it was when it was released: a new root volume leaves nothing to tell of it.
    pub(super) stopped_at: Option<Timestamp>,
}

impl Truth {
    pub(super) fn is_ours(&self) -> bool {
        self.watched && self.plan.group != GroupPlan::Theirs && self.plan.is_scaled_in()
    }

    /// The kinds of host that this one is, for the coverage.
    pub(super) fn kinds(&self, world: &WorldPlan) -> impl Iterator<Item = &'static str> {
        let two_clusters = world.clusters > 1 && !world.only_first_watched;
        let kinds = [
            (self.plan.to == Destination::WarmPool, "warm pools"),
            (self.plan.to == Destination::AutoScalingGroup, "root volumes"),
            (self.plan.group == GroupPlan::TwoOfOurs, "two hooks"),
            (self.plan.group == GroupPlan::Overriding, "overrides"),
            (self.plan.registered_too.is_some(), "old registrations"),
            (two_clusters && self.plan.registered_too.is_some_and(|too| too.in_next_cluster), "two clusters"),
            (self.plan.registered_too.is_some_and(|too| too.phantom), "phantoms"),
            (self.plan.odd_state.is_some() && self.plan.cluster.is_some(), "odd states"),
            (self.plan.miscount.is_some() && self.plan.cluster.is_some(), "wrong counts"),
            (self.plan.denied.is_some(), "denied hosts"),
        ];
        kinds.into_iter().filter(|(is, _)| *is).map(|(_, kind)| kind)
    }

    /// When EC2 gives notice of its interruption.
    pub(super) fn noticed_at(&self) -> Option<Timestamp> {
        let interruption = self.plan.interrupted.as_ref().filter(|_| self.watched)?;
        Some(self.start + Duration::from_secs(interruption.noticed_at_s))
    }

    /// When the first notice of it reaches us.
    pub(super) fn told_at(&self) -> Option<Timestamp> {
        let sent_after = *self.plan.interrupted.as_ref()?.sent_after_s.iter().min()?;
        self.noticed_at().map(|noticed_at| noticed_at + Duration::from_secs(sent_after))
    }

    /// Whether no operator and no failure meddles with it.
    pub(super) fn is_plain(&self) -> bool {
        let HostPlan { lost, deregistered_after_s, undrained_after_s, registers_anew, denied, .. } = &self.plan;
        let meddled = deregistered_after_s.is_some() || undrained_after_s.is_some() || registers_anew.is_some();
        lost.is_none() && !meddled && denied.is_none() && !self.refuses()
    }

    /// Whether it refuses to be set DRAINING, at least for a time. One whose registration failed gets no tasks, so that
    /// it may go all the same.
    pub(super) fn refuses(&self) -> bool {
        self.plan.odd_state.is_some_and(|odd| odd.state != "REGISTRATION_FAILED") && self.plan.cluster.is_some()
    }

    /// Whether its agent registered it anew so lately that the drainer need not have seen it.
    pub(super) fn just_registered(&self, world: &World, instance_id: &str) -> bool {
        let latest = world.registrations(instance_id).map(|it| it.registered_at).max();
        self.plan.registers_anew.is_some() && latest.is_some_and(|at| world.now() < at + REGISTERED_UNSEEN)
    }

    /// Whether its registration, which was under way, ended so lately that the drainer need not have seen it.
    pub(super) fn just_became_active(&self, now: Timestamp, within: Duration) -> bool {
        let active = self.plan.odd_state.and_then(|odd| odd.until_s).map(|s| self.start + Duration::from_secs(s));
        active.is_some_and(|at| at <= now && now < at + within)
    }

    /// Whether it has two registrations without an agent, so that ECS does not tell which of their tasks run.
    pub(super) fn has_lost_two_agents(&self) -> bool {
        let phantoms = self.plan.registered_too.is_some_and(|too| too.phantom) || self.plan.registers_anew.is_some();
        phantoms && self.plan.lost.is_some_and(|lost| lost.back_after_s.is_none())
    }

    /// The hooks of ours that hold it.
    pub(super) fn hooks(&self) -> &'static [&'static str] {
        if self.plan.group == GroupPlan::TwoOfOurs { &[HOOK, SECOND_HOOK] } else { &[HOOK] }
    }

    /// Whether an operator set it ACTIVE so lately that the drainer need not have seen it.
    pub(super) fn just_undrained(&self, now: Timestamp) -> bool {
        let undrained = self.plan.undrained_after_s.map(|s| self.leaves_at + Duration::from_secs(s));
        undrained.is_some_and(|at| at <= now && now < at + RACE)
    }

    /// From when to when it is dead to ECS and unhealthy to Auto Scaling. An agent that registers its host anew is back.
    pub(super) fn dead(&self) -> Option<(Timestamp, Timestamp)> {
        let lost = self.plan.lost.filter(|lost| lost.unhealthy)?;
        let back_after = lost.back_after_s.map(|s| lost.after_s + s);
        let anew_after = self.plan.registers_anew.map(|anew| anew.after_s).filter(|s| *s >= lost.after_s);
        let back_after = back_after.into_iter().chain(anew_after).min();
        let at = |s| self.leaves_at + Duration::from_secs(s);
        Some((at(lost.after_s), back_after.map_or(Timestamp::MAX, at)))
    }
}

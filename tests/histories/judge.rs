//! The promises, asserted from the world's side at the moment it sees a request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use shared::config::OnDrainTimeout;
use shared::drain::departure::Destination;
use simulator::world::{
    AutoScalingRequest, EcsRequest, Killed, LastStatus, Outcome, Owner, Reply, Request, RequestError, Task, World,
};

use super::plan::{GroupPlan, HostPlan, Plan};
use super::worlds::SECOND_HOOK;
use crate::support::HOOK;
use crate::support::model::Witness;

/// The grace after the deadline, and AWS's own limit: the documented numbers, not the engine's constants.
const GRACE: Duration = Duration::from_secs(600);
const HEARTBEATS_MAX: u32 = 100;
/// An event tells its time in whole seconds, and a request is seen when it is sent.
const TOLERANCE: Duration = Duration::from_millis(1_002);
/// Somebody who sets a host ACTIVE again may do so between our last look and our completion, and another invocation may
/// have set it DRAINING again before we look: a look is at most 30 s old then, and the lists are at most 60 s.
const RACE: Duration = Duration::from_secs(80);
/// What each failed request may cost: the longest pause before the next try, and a slow answer.
const FAULT_COSTS: Duration = Duration::from_secs(20);
/// An agent must be seen disconnected for so long by one invocation.
const AGENT_LOST_SEEN_FOR: Duration = Duration::from_secs(45);
/// Spot's two minutes: the documented number.
const SPOT_NOTICE: Duration = Duration::from_secs(120);
/// How much earlier, because a slice ends and the next is not sure to look in time.
const SPOT_STOP_EARLIER: Duration = Duration::from_secs(20);
/// From a notice's arrival until the last straggler was told, where they are due at once and nothing is in the way.
const FINDING_AND_TELLING_TAKES: Duration = Duration::from_secs(8);
/// From the time when stragglers are due, where the notice came early enough to have read them by then.
const TELLING_TAKES: Duration = Duration::from_secs(2);
/// That is so long before.
const READ_AHEAD: Duration = Duration::from_secs(25);
/// What each request costs that was harmed while a notice was served: the longest pause before the next try of a drain that
/// has no time, and a slow answer.
const SPOT_FAULT_COSTS: Duration = Duration::from_secs(10);
/// What an invocation that dies costs a notice: its visibility timeout, and the next receive.
const SLICE_COSTS: Duration = Duration::from_secs(33);
/// What a drain may cost in requests, each minute and host, far above what it does and far below a hot loop.
const REQUESTS_A_MINUTE: usize = 90;

/// What is true of a host, whoever knows it.
#[derive(Debug, Clone)]
struct Truth {
    plan: HostPlan,
    watched: bool,
    start: Timestamp,
    leaves_at: Timestamp,
    /// Whether it was released with tasks running, as policy allows.
    given_up: bool,
    /// When its last task had stopped, as it was when it was released: a new root volume leaves nothing to tell of it.
    stopped_at: Option<Timestamp>,
}

impl Truth {
    fn is_ours(&self) -> bool {
        self.watched && self.plan.group != GroupPlan::Theirs && self.plan.is_scaled_in()
    }

    /// What it is that not every host is.
    fn kinds(&self) -> impl Iterator<Item = &'static str> {
        let kinds = [
            (self.plan.to == Destination::WarmPool, "warm pools"),
            (self.plan.to == Destination::AutoScalingGroup, "root volumes"),
            (self.plan.group == GroupPlan::TwoOfOurs, "two hooks"),
            (self.plan.group == GroupPlan::Overriding, "overrides"),
            (self.plan.registered_too.is_some(), "old registrations"),
        ];
        kinds.into_iter().filter(|(is, _)| *is).map(|(_, kind)| kind)
    }

    /// When EC2 gives notice of its interruption.
    fn noticed_at(&self) -> Option<Timestamp> {
        let interruption = self.plan.interrupted.as_ref().filter(|_| self.watched)?;
        Some(self.start + Duration::from_secs(interruption.noticed_at_s))
    }

    /// When the first notice of it reaches us.
    fn told_at(&self) -> Option<Timestamp> {
        let sent_after = *self.plan.interrupted.as_ref()?.sent_after_s.iter().min()?;
        self.noticed_at().map(|noticed_at| noticed_at + Duration::from_secs(sent_after))
    }

    /// Whether nobody meddles with it.
    fn is_plain(&self) -> bool {
        let HostPlan { lost, deregistered_after_s, undrained_after_s, .. } = &self.plan;
        lost.is_none() && deregistered_after_s.is_none() && undrained_after_s.is_none()
    }

    /// Whether somebody set it ACTIVE so lately that nobody need have seen it.
    fn just_undrained(&self, now: Timestamp) -> bool {
        let undrained = self.plan.undrained_after_s.map(|s| self.leaves_at + Duration::from_secs(s));
        undrained.is_some_and(|at| at <= now && now < at + RACE)
    }

    /// From when to when it is dead to ECS and unhealthy to Auto Scaling.
    fn dead(&self) -> Option<(Timestamp, Timestamp)> {
        let lost = self.plan.lost.filter(|lost| lost.unhealthy)?;
        let since = self.leaves_at + Duration::from_secs(lost.after_s);
        Some((since, lost.back_after_s.map_or(Timestamp::MAX, |s| since + Duration::from_secs(s))))
    }
}

pub(crate) struct Judge {
    plan: Plan,
    hosts: BTreeMap<String, Truth>,
    pub(crate) violations: Vec<String>,
    /// When a request was harmed by a fault, a quota or an outage.
    harmed: Vec<Timestamp>,
    /// When a slice died, and the hosts that it was for.
    pub(crate) died: Vec<(Timestamp, Vec<String>)>,
    /// What happened in this history, for the coverage.
    pub(crate) seen: BTreeSet<&'static str>,
}

impl Judge {
    /// Watches over `hosts`, each with its instance id and whether its cluster is watched.
    pub(crate) fn new(plan: &Plan, hosts: impl IntoIterator<Item = (String, bool)>, start: Timestamp) -> Self {
        let truth = |((id, watched), host): ((String, bool), &HostPlan)| {
            let leaves_at = start + Duration::from_secs(host.leaves_at_s);
            (id, Truth { plan: host.clone(), watched, start, leaves_at, given_up: false, stopped_at: None })
        };
        let hosts = hosts.into_iter().zip(&plan.hosts).map(truth).collect();
        let (violations, harmed, died) = (Vec::new(), Vec::new(), Vec::new());
        Self { plan: plan.clone(), hosts, violations, harmed, died, seen: BTreeSet::new() }
    }

    fn blame(&mut self, world: &World, what: &str, of: &str) {
        self.violations.push(format!("{}: {what}: {of}", world.now()));
    }

    /// Promises 1, 2 and 4.
    fn judge_completion(&mut self, world: &World, hook: &str, instance_id: &str) {
        let Some(truth) = self.hosts.get(instance_id).cloned() else {
            return self.blame(world, "completed an instance that nobody knows", instance_id);
        };
        if !is_ours(hook) || truth.plan.group == GroupPlan::Theirs {
            self.blame(world, "completed another's hook", instance_id);
        }
        let registered = world.registrations(instance_id).any(|registration| registration.status != "INACTIVE");
        if !registered {
            return;
        }
        if !truth.watched {
            return self.blame(world, "released out of a cluster that is not watched", instance_id);
        }
        let waits = world.host(instance_id).is_some_and(|host| host.waits_on().any(is_ours));
        if let Some(truth) = self.hosts.get_mut(instance_id).filter(|_| waits) {
            truth.stopped_at = world.last_stopped_at(instance_id);
        }
        if !waits || world.unstopped_on(instance_id) == 0 {
            return;
        }
        if self.may_go_with_tasks(world, &truth) {
            self.hosts.entry(instance_id.to_owned()).and_modify(|truth| truth.given_up = true);
            return;
        }
        let left: Vec<_> = world.tasks_on(instance_id).iter().map(|t| (t.group(), t.last_status)).collect();
        self.blame(world, "released early", &format!("{instance_id} with {left:?}"));
    }

    fn may_go_with_tasks(&mut self, world: &World, truth: &Truth) -> bool {
        let now = world.now();
        let agent_lost = Duration::from_secs(self.plan.policy.agent_lost_s);
        // Our last look at it may be a little older than its return.
        let host_gone = truth.dead().is_some_and(|(died, back)| {
            let gone = (died + AGENT_LOST_SEEN_FOR.min(agent_lost)).max(truth.leaves_at + agent_lost);
            now + TOLERANCE >= gone && now < shared::clock::after(back, RACE)
        });
        let stop_at = self.stop_at(truth);
        let given_up = match self.policy_of(truth).1 {
            OnDrainTimeout::Proceed | OnDrainTimeout::Abandon => now + TOLERANCE >= stop_at,
            OnDrainTimeout::StopTasks => now + TOLERANCE >= stop_at + GRACE,
            OnDrainTimeout::Wait => false,
        };
        if given_up {
            self.seen.insert("deadlines");
        }
        host_gone || truth.just_undrained(now) || given_up
    }

    /// The deadline, which counts from when the termination began.
    fn stop_at(&self, truth: &Truth) -> Timestamp {
        let limit = Duration::from_secs(self.plan.world.hook_timeout_s) * HEARTBEATS_MAX;
        truth.leaves_at + self.policy_of(truth).0.min(limit.saturating_sub(GRACE))
    }

    /// How long a drain of this host may take, and what happens then.
    fn policy_of(&self, truth: &Truth) -> (Duration, OnDrainTimeout) {
        let (policy, overrides) = (&self.plan.policy, &self.plan.policy.overrides);
        let overridden = truth.plan.group == GroupPlan::Overriding;
        let (seconds, then) = if overridden {
            (overrides.drain_timeout_s, overrides.on_drain_timeout)
        } else {
            (policy.drain_timeout_s, policy.on_drain_timeout)
        };
        (Duration::from_secs(seconds), then)
    }

    /// Promise 2: a write goes to a host that our hook may hold, in a cluster that we watch.
    fn judge_write(&mut self, world: &World, instance_id: &str, what: &str) {
        let now = world.now();
        let allowed = |truth: &Truth| {
            (truth.is_ours() && truth.leaves_at <= now) || truth.told_at().is_some_and(|told_at| told_at <= now)
        };
        if !self.hosts.get(instance_id).is_some_and(allowed) {
            self.blame(world, what, instance_id);
        }
    }

    fn judge_stop(&mut self, world: &World, task: &str) {
        let task = world.tasks().find(|known| task.ends_with(&known.id)).cloned();
        let Some(task) = task else { return };
        self.judge_write(world, &task.instance_id, "stopped a task of a host that stays");
        let Some(truth) = self.hosts.get(&task.instance_id).cloned() else { return };
        let standalone = matches!(task.owner, Owner::Standalone { .. });
        let late = world.now() + TOLERANCE >= self.stop_at(&truth);
        let by_deadline = late && self.policy_of(&truth).1 == OnDrainTimeout::StopTasks;
        if late {
            self.seen.insert("deadlines");
        }
        let by_setting = standalone && self.plan.policy.stop_standalone;
        let power_goes = truth.told_at().and(truth.noticed_at()).map(|noticed_at| noticed_at + SPOT_NOTICE);
        let by_notice = power_goes.is_some_and(|at| world.now() + TOLERANCE + self.lead() + SPOT_STOP_EARLIER >= at);
        if by_notice {
            self.seen.insert("Spot stops");
        }
        if !(by_deadline || by_setting || by_notice || truth.just_undrained(world.now())) {
            self.blame(world, "stopped a task before its time", &task.id);
        }
    }
}

/// The host of a container instance given by ARN or id.
fn host_of(world: &World, container_instance: &str) -> String {
    let known = world.container_instances().find(|known| container_instance.ends_with(&known.id));
    known.map_or_else(|| container_instance.to_owned(), |known| known.instance_id.clone())
}

impl Witness for Judge {
    fn before(&mut self, world: &World, request: &Request) {
        match request {
            Request::AutoScaling(AutoScalingRequest::CompleteLifecycleAction {
                hook,
                instance_id: Some(instance_id),
                ..
            }) => {
                self.judge_completion(world, hook, instance_id);
            }
            Request::AutoScaling(AutoScalingRequest::RecordLifecycleActionHeartbeat {
                hook,
                instance_id: Some(instance_id),
                ..
            }) => {
                if !is_ours(hook) {
                    self.blame(world, "kept another's hook alive", instance_id);
                }
                self.judge_write(world, instance_id, "kept alive what it may not touch");
                let was_draining =
                    self.hosts.get(instance_id).is_some_and(|truth| truth.plan.undrained_after_s.is_some());
                let registrations: Vec<_> = world.registrations(instance_id).collect();
                if !was_draining && !registrations.iter().any(|r| r.status == "DRAINING" || r.status == "INACTIVE") {
                    self.blame(world, "kept alive what was never set DRAINING", instance_id);
                }
            }
            Request::Ecs(EcsRequest::UpdateContainerInstancesState { container_instances, .. }) => {
                for id in container_instances {
                    self.judge_write(world, &host_of(world, id), "set DRAINING what stays");
                }
            }
            Request::Ecs(EcsRequest::PutAttributes { .. } | EcsRequest::DeleteAttributes { .. }) => {
                self.blame(world, "wrote on a host", request.operation().name());
            }
            Request::Ecs(EcsRequest::StopTask { task, .. }) => self.judge_stop(world, task),
            _ => {}
        }
    }

    fn after(&mut self, world: &World, request: &Request, reply: &Reply) {
        if reply.answer.is_err() || reply.delay > Duration::from_secs(1) {
            self.harmed.push(world.now());
        }
        match &reply.answer {
            Err(RequestError::Api(error)) => {
                match error.code.as_str() {
                    "ThrottlingException" | "Throttling" => self.seen.insert("throttles"),
                    "AccessDeniedException" | "AccessDenied" | "ServerException" | "InternalFailure" => {
                        self.seen.insert("failures")
                    }
                    // Promise: no request that AWS would reject. What is gone in between is no fault of ours.
                    "InvalidParameterException" | "ValidationError" | "AttributeLimitExceededException"
                        if !error.message.contains("No active") && !error.message.contains("not found") =>
                    {
                        self.blame(world, "asked what AWS rejects", &format!("{} {}", error.code, error.message));
                        false
                    }
                    _ => false,
                };
            }
            Err(RequestError::ConnectionLost) => {
                let took_effect = world.requests().last().is_some_and(|r| r.outcome == Outcome::Lost { effect: true });
                let reads = ["List", "Describe"].iter().any(|verb| request.operation().name().starts_with(verb));
                self.seen.insert(if took_effect && !reads { "lost answers" } else { "dropped requests" });
            }
            Ok(_) => {}
        }
        // Of a crowd that takes two requests to set DRAINING, one fails.
        let drains = matches!(request, Request::Ecs(EcsRequest::UpdateContainerInstancesState { .. }));
        if drains && reply.answer.is_err() && self.hosts.len() > 10 {
            self.seen.insert("partial chunks");
        }
    }
}

impl Judge {
    /// Promises 3 and 5, at the end of a history: everybody whom we may release was, soon, and no hook had to time out.
    pub(crate) fn verdict(&self, world: &World) -> Result<BTreeSet<&'static str>, String> {
        if let Some(violation) = self.violations.first() {
            return Err(violation.clone());
        }
        let minutes = usize::try_from(world.now().duration_since(self.start()).as_secs() / 60).unwrap() + 1;
        // Lists in small pages take so many more.
        let pages = 1 + 40 / self.plan.world.page_size;
        let most = 200 + REQUESTS_A_MINUTE * pages * minutes * self.hosts.len();
        if world.requests().len() > most {
            return Err(format!("{} requests in {minutes} minutes", world.requests().len()));
        }
        let mut seen = self.seen.clone();
        for (id, truth) in &self.hosts {
            if self.all_saved(world, id, truth)? {
                seen.insert("saved from Spot");
            }
            if truth.is_ours() {
                seen.extend(truth.kinds());
                self.ended_well(world, id, truth)?;
            }
        }
        Ok(seen)
    }

    /// No task of an interrupted host was killed that a StopTask could have saved. Answers whether there was any that
    /// would have been lost if nobody had told it.
    fn all_saved(&self, world: &World, id: &str, truth: &Truth) -> Result<bool, String> {
        let (Some(noticed_at), Some(told_at)) = (truth.noticed_at(), truth.told_at()) else { return Ok(false) };
        if !truth.is_plain() || self.plan.outage.is_some() {
            return Ok(false);
        }
        let power_goes = noticed_at + SPOT_NOTICE;
        let due = self.due_to_stop(id, told_at, power_goes);
        let savable = |task: &&Task| due + task.stopping_takes() <= power_goes;
        let killed = world.killed().iter().filter(|killed| killed.instance_id == id && killed.at >= power_goes);
        for killed in killed {
            let task = world.tasks().find(|task| task.arn == killed.task).unwrap();
            // What ECS had told before takes as long as ECS gives it.
            let told_late = task.stopping_at.is_none_or(|stopping_at| stopping_at > due);
            if told_late && savable(&task) {
                let (task, at, was) = (&killed.task, killed.at, killed.last_status);
                return Err(format!(
                    "{task} was killed at {at} while {was}, though told by {due} it would have stopped"
                ));
            }
        }
        let by_us = |task: &&Task| task.stop_code.as_deref() == Some("UserInitiated");
        Ok(world.tasks_on(id).iter().filter(|task| by_us(task)).any(savable))
    }

    /// When the last straggler must have been told, given what was in the way.
    fn due_to_stop(&self, id: &str, told_at: Timestamp, power_goes: Timestamp) -> Timestamp {
        let received_at = told_at + Duration::from_millis(self.plan.received_after_ms);
        let stop_at = power_goes - self.lead();
        let early = received_at + READ_AHEAD <= stop_at;
        let takes = if early { TELLING_TAKES } else { FINDING_AND_TELLING_TAKES };
        let while_served = |at: &Timestamp| (told_at..power_goes).contains(at);
        let harmed = self.harmed.iter().filter(|at| while_served(at)).count();
        let died =
            self.died.iter().filter(|(at, hosts)| while_served(at) && hosts.iter().any(|host| host == id)).count();
        let in_the_way = SPOT_FAULT_COSTS * u32::try_from(harmed).unwrap() + SLICE_COSTS * u32::try_from(died).unwrap();
        received_at.max(stop_at) + takes + in_the_way
    }

    fn lead(&self) -> Duration {
        Duration::from_secs(self.plan.policy.spot_stop_lead_s)
    }

    fn faults(&self) -> u32 {
        self.plan.faults.iter().map(|fault| fault.times).sum()
    }

    fn start(&self) -> Timestamp {
        self.hosts.values().map(|truth| truth.start).min().unwrap_or_default()
    }

    fn ended_well(&self, world: &World, id: &str, truth: &Truth) -> Result<(), String> {
        let may_wait = self.policy_of(truth).1 == OnDrainTimeout::Wait;
        let all_stopped = world.tasks_on(id).iter().all(|task| task.last_status == LastStatus::Stopped);
        let dead = truth.dead().is_some_and(|(_, back)| back == Timestamp::MAX);
        if still_held(world, id) && (!may_wait || all_stopped || dead) {
            return Err(format!("{id} still waits at the end, {:?}", world.lifecycle_state(id)));
        }
        if self.plan.outage.is_some() {
            return Ok(());
        }
        if let Some(timeout) = world.hook_timeouts().iter().find(|t| t.instance_id == id && is_ours(&t.hook)) {
            return Err(format!("our hook on {id} timed out at {}", timeout.at));
        }
        if !truth.is_plain() {
            return Ok(());
        }
        let by_spot = truth.noticed_at().map(|noticed_at| noticed_at + SPOT_NOTICE);
        let by_release = |killed: &&Killed| killed.instance_id == id && Some(killed.at) != by_spot;
        if let Some(killed) = world.killed().iter().find(by_release).filter(|_| !truth.given_up) {
            return Err(format!("{} was killed at {}", killed.task, killed.at));
        }
        let Some(release) = world.releases().iter().find(|r| r.instance_id == id && is_ours(&r.hook)) else {
            return Ok(());
        };
        let due = self.due(world, id, truth);
        if release.at > due {
            return Err(format!("{id} was released at {}, and could have been at {due}", release.at));
        }
        Ok(())
    }

    /// The latest time for a release: when all had stopped, or the deadline's grace was over, plus two minutes for the next
    /// invocation and its looks, plus what the history put in the way.
    fn due(&self, world: &World, id: &str, truth: &Truth) -> Timestamp {
        let in_the_way =
            FAULT_COSTS * self.faults() + Duration::from_secs(60) * u32::try_from(self.hindrances()).unwrap();
        let slack = Duration::from_secs(120) + in_the_way;
        let stopped = truth.stopped_at.or(world.last_stopped_at(id)).unwrap_or(truth.leaves_at).max(truth.leaves_at);
        let given_up = self.stop_at(truth) + GRACE;
        let natural = match self.policy_of(truth).1 {
            OnDrainTimeout::Wait => stopped,
            _ if truth.given_up => given_up,
            _ => stopped.min(given_up),
        };
        natural + slack
    }

    fn hindrances(&self) -> usize {
        self.plan.kills.len() + self.plan.reconcile.skipped.len()
    }
}

fn is_ours(hook: &str) -> bool {
    [HOOK, SECOND_HOOK].contains(&hook)
}

/// Whether our hook still holds a host.
pub(crate) fn still_held(world: &World, instance_id: &str) -> bool {
    world.host(instance_id).is_some_and(|host| host.waits_on().any(is_ours))
}

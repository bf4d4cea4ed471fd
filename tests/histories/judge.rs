//! The promises, asserted from the world's side at the moment it sees a request.

mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use shared::config::OnDrainTimeout;
use simulator::world::{
    AutoScalingRequest, ContainerInstance, EcsRequest, Killed, LastStatus, Operation, Outcome, Owner, Reply, Request,
    RequestError, Response, Task, World,
};

use super::plan::{GroupPlan, HostPlan, Plan, PolicyPlan};
use super::proof::{Answers, SETTLES};
use super::truth::{ACTIVE_UNSEEN, RACE, REGISTERED_UNSEEN, Truth};
use super::worlds::{SECOND_HOOK, cluster};
use crate::support::HOOK;
use crate::support::model::Witness;

/// The grace after the deadline, and AWS's own limit: the documented numbers, not the engine's constants.
const GRACE: Duration = Duration::from_secs(600);
const HEARTBEATS_MAX: u32 = 100;
/// An event tells its time in whole seconds, and a request is seen when it is sent.
const TOLERANCE: Duration = Duration::from_millis(1_002);
/// An agent must be seen disconnected for so long by one invocation.
const AGENT_LOST_SEEN_FOR: Duration = Duration::from_secs(45);
/// Spot's two minutes: the documented number.
const SPOT_NOTICE: Duration = Duration::from_secs(120);
/// How much earlier, because a slice ends and the next is not sure to look in time.
const SPOT_STOP_EARLIER: Duration = Duration::from_secs(20);

pub(crate) struct Judge {
    plan: Plan,
    hosts: BTreeMap<String, Truth>,
    pub(crate) violations: Vec<String>,
    /// When a request was harmed by a fault, a quota or an outage.
    harmed: Vec<Timestamp>,
    /// When invocations died.
    pub(crate) killed_at: Vec<Timestamp>,
    /// When a slice died, and the hosts that it was for.
    pub(crate) died: Vec<(Timestamp, Vec<String>)>,
    /// What AWS has answered so far.
    answers: Answers,
    /// Since when each container instance has been DRAINING, by its bare id.
    draining_since: BTreeMap<String, Timestamp>,
    /// The container instances and tasks that an invocation has written to, and has not looked at since.
    written: BTreeSet<(String, String)>,
    /// Whether a request failed without which a host is not found or not set DRAINING, and not for want of a permission.
    search_failed: bool,
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
        let (answers, mut seen) = (Answers::default(), BTreeSet::new());
        let shape = &plan.world;
        let kinds = [
            (shape.list_lag_ms > 2_000, "lists lag"),
            (shape.description_lag_ms > 2_000, "descriptions lag"),
            (shape.write_answers_lag, "write answers lag"),
            (plan.second_stack.is_some(), "two stacks"),
            (plan.always_cold, "always cold"),
        ];
        seen.extend(kinds.into_iter().filter(|(is, _)| *is).map(|(_, kind)| kind));
        Self {
            plan: plan.clone(),
            hosts,
            violations,
            harmed,
            killed_at: Vec::new(),
            died,
            answers,
            draining_since: BTreeMap::new(),
            written: BTreeSet::new(),
            search_failed: false,
            seen,
        }
    }

    fn blame(&mut self, world: &World, what: &str, of: &str) {
        self.violations.push(format!("{}: {what}: {of}", world.now()));
    }

    /// Promise 1: no completion while a task on the host is not STOPPED, before the time that the policy gives.
    fn never_early_to_complete(&mut self, world: &World, hook: &str, instance_id: &str) {
        let Some(truth) = self.hosts.get(instance_id).cloned() else { return };
        let registered = world.registrations(instance_id).any(|registration| registration.status != "INACTIVE");
        let waits = world.host(instance_id).is_some_and(|host| host.waits_on().any(is_ours));
        if !is_ours(hook) || !registered || !truth.watched || !waits {
            return;
        }
        self.hosts.entry(instance_id.to_owned()).and_modify(|truth| {
            truth.stopped_at = world.last_stopped_at(instance_id);
        });
        let is_open = world.registrations(instance_id).any(|it| it.status == "ACTIVE" && !it.left_behind);
        let gives_up = self.is_given_up(world.now(), &truth, hook);
        if world.unstopped_on(instance_id) == 0 {
            // Another's hook may hold it on, and new tasks come.
            self.hosts.entry(instance_id.to_owned()).and_modify(|truth| truth.given_up |= gives_up && is_open);
            return;
        }
        if gives_up {
            self.seen.insert("deadlines");
        }
        if self.may_go_with_tasks(world, &truth, hook, instance_id) {
            self.hosts.entry(instance_id.to_owned()).and_modify(|truth| truth.given_up = true);
            return;
        }
        let left: Vec<_> = world.tasks_on(instance_id).iter().map(|t| (t.group(), t.last_status)).collect();
        self.blame(world, "never early: released", &format!("{instance_id} with {left:?}"));
    }

    /// Promise 1: no task is stopped before a deadline, a setting or a Spot notice says so.
    fn never_early_to_stop_a_task(&mut self, world: &World, task: &Task) {
        let Some(truth) = self.hosts.get(&task.instance_id).cloned() else { return };
        let standalone = matches!(task.owner, Owner::Standalone { .. });
        let late = |hook: &&str| world.now() + TOLERANCE >= self.stop_at(&truth, hook);
        let stops = |hook: &&str| late(hook) && self.policy_of(&truth, hook).1 == OnDrainTimeout::StopTasks;
        let by_deadline = truth.hooks().iter().any(stops);
        if truth.hooks().iter().any(late) {
            self.seen.insert("deadlines");
        }
        let by_setting = standalone && self.plan.policies().any(|policy| policy.stop_standalone);
        let power_goes = truth.told_at().and(truth.noticed_at()).map(|noticed_at| noticed_at + SPOT_NOTICE);
        let by_notice = power_goes.is_some_and(|at| world.now() + TOLERANCE + self.lead() + SPOT_STOP_EARLIER >= at);
        if by_notice {
            self.seen.insert("Spot stops");
        }
        if !(by_deadline || by_setting || by_notice || truth.just_undrained(world.now())) {
            self.blame(world, "never early: stopped before its time", &task.id);
        }
    }

    /// Promise 2: a write goes to a host that our hook may hold or that EC2 has given notice of, in a watched cluster.
    fn never_the_wrong_one(&mut self, world: &World, instance_id: &str, what: &str) {
        let now = world.now();
        let allowed = |truth: &Truth| {
            (truth.is_ours() && truth.leaves_at <= now) || truth.told_at().is_some_and(|told_at| told_at <= now)
        };
        if !self.hosts.get(instance_id).is_some_and(allowed) {
            self.blame(world, &format!("never the wrong one: {what}"), instance_id);
        }
    }

    /// Promise 2: a completion and a heartbeat name a hook of ours, on a host that has one.
    fn never_the_wrong_one_hook(&mut self, world: &World, hook: &str, instance_id: &str) {
        let has_ours = self.hosts.get(instance_id).is_some_and(|truth| truth.plan.group != GroupPlan::Theirs);
        if !is_ours(hook) || !has_ours {
            self.blame(world, "never the wrong one: hook", &format!("{hook} of {instance_id}"));
        }
    }

    /// Promise 4: a completion has proof that AWS gave to the environment that asks for it, and lately. ECS has listed the tasks of every live
    /// registration, long enough after it was set DRAINING, or every cluster has answered two searches, long enough apart.
    fn unknown_is_not_empty(&mut self, world: &World, client: &str, hook: &str, instance_id: &str) {
        let Some(truth) = self.hosts.get(instance_id) else { return };
        let since = truth.leaves_at;
        let is_listed = |known: &ContainerInstance| {
            let settled = self.settled_at(known, since);
            settled.is_some_and(|settled| self.answers.have_tasks_of(client, known, settled))
        };
        // One that came later may be of a new root volume, after the release.
        let was_seen = |it: &ContainerInstance| {
            it.registered_at <= since
                || truth.plan.registers_anew.is_some() && it.registered_at + REGISTERED_UNSEEN <= world.now()
        };
        let is_live =
            |it: &&ContainerInstance| it.status != "INACTIVE" && it.agent_connected && !it.left_behind && was_seen(it);
        let mut live = world.registrations(instance_id).filter(is_live);
        let listed = world.registrations(instance_id).any(is_listed) && live.all(is_listed);
        let registered = world.registrations(instance_id).any(|known| known.status != "INACTIVE");
        let mut clusters = (0..self.plan.world.clusters).map(|index| cluster(&self.plan, index));
        let searched =
            clusters.all(|cluster| self.answers.have_searches(client, &cluster, instance_id, (since, world.now())));
        if !listed && (registered || !searched) && !self.may_go_with_tasks(world, truth, hook, instance_id) {
            let what = if registered { "unknown is not empty: released without proof" } else { SEARCHED_TOO_LITTLE };
            self.blame(world, what, instance_id);
        }
    }

    /// From when on lists of a container instance's tasks prove something; none while it may get new ones.
    fn settled_at(&self, known: &ContainerInstance, since: Timestamp) -> Option<Timestamp> {
        match known.status.as_str() {
            // It gets no tasks, and cannot be set DRAINING.
            "REGISTRATION_FAILED" | "DEREGISTERING" | "REGISTERING" => Some(since),
            "ACTIVE" => None,
            _ => {
                let drained = self.draining_since.get(&known.id).map(|at| *at + SETTLES);
                Some(drained.map_or(since, |drained| drained.max(since)))
            }
        }
    }

    /// Promise 5: a heartbeat goes only to a host that drains. One that cannot, for want of a permission, is left to the hook's
    /// own timeout; one that is not found or not set DRAINING for another reason is kept alive.
    fn never_stuck_on_a_host_that_does_not_drain(&mut self, world: &World, instance_id: &str) {
        let opened = |truth: &Truth| {
            truth.plan.undrained_after_s.is_some() || truth.just_became_active(world.now(), REGISTERED_UNSEEN)
        };
        let opened = self.hosts.get(instance_id).is_some_and(opened);
        let mut registrations = world.registrations(instance_id);
        let can_not_be = |it: &ContainerInstance| it.status != "ACTIVE" || it.left_behind;
        let drains = world.registrations(instance_id).count() == 0 || registrations.any(can_not_be);
        if !opened && !drains && !self.search_failed {
            self.blame(world, "never stuck: kept alive what was never set DRAINING", instance_id);
        }
    }

    /// Promise 5: an invocation does not repeat a write that was accepted before it has looked again.
    fn never_stuck_repeating_a_write(&mut self, world: &World, client: &str, request: &Request, reply: &Reply) {
        let about: Vec<String> = match request {
            Request::Ecs(EcsRequest::DescribeContainerInstances { container_instances: ids, .. })
            | Request::Ecs(EcsRequest::DescribeTasks { tasks: ids, .. }) => {
                if reply.answer.is_ok() {
                    for id in ids {
                        self.written.remove(&(client.to_owned(), bare(id)));
                    }
                }
                return;
            }
            Request::Ecs(EcsRequest::UpdateContainerInstancesState { container_instances, .. }) => {
                container_instances.iter().map(|id| bare(id)).collect()
            }
            Request::Ecs(EcsRequest::StopTask { task, .. }) => vec![bare(task)],
            _ => return,
        };
        let refused = match &reply.answer {
            Ok(Response::ContainerInstances { failures, .. }) => failures.iter().map(|it| bare(&it.arn)).collect(),
            _ => BTreeSet::new(),
        };
        for id in about {
            let write = (client.to_owned(), id);
            if self.written.contains(&write) {
                self.blame(world, "never stuck: repeated before a look", &format!("{request:?}"));
            }
            if reply.answer.is_ok() && !refused.contains(&write.1) {
                self.written.insert(write);
            }
        }
    }

    /// Promise 6: a host in a cluster that is not watched is not released.
    fn nobody_elses_business_is_released(&mut self, world: &World, instance_id: &str) {
        let registered = world.registrations(instance_id).any(|registration| registration.status != "INACTIVE");
        let known = |truth: &Truth| !truth.watched && !truth.just_registered(world, instance_id);
        if registered && self.hosts.get(instance_id).is_some_and(known) {
            self.blame(world, "nobody else's business: released out of an unwatched cluster", instance_id);
        }
    }

    /// Promise 6: the functions write no attribute.
    fn nobody_elses_business_is_written(&mut self, world: &World, request: &Request) {
        if let Request::Ecs(EcsRequest::PutAttributes { .. } | EcsRequest::DeleteAttributes { .. }) = request {
            self.blame(world, "nobody else's business: wrote on a host", request.operation().name());
        }
    }

    /// Whether a host waits on our hook, and a search has failed: it may be in a watched cluster, for all that is known.
    fn may_be_unlocated(&self, instance_id: &str) -> bool {
        let waits = |truth: &Truth| truth.plan.group != GroupPlan::Theirs && truth.plan.is_scaled_in();
        self.search_failed && self.hosts.get(instance_id).is_some_and(waits)
    }

    fn may_go_with_tasks(&self, world: &World, truth: &Truth, hook: &str, instance_id: &str) -> bool {
        let now = world.now();
        let agent_lost = Duration::from_secs(self.policy_for(hook).agent_lost_s);
        // The drainer's last look at the host may be a little older than its return.
        let host_gone = truth.dead().is_some_and(|(died, back)| {
            let gone = (died + AGENT_LOST_SEEN_FOR.min(agent_lost)).max(truth.leaves_at + agent_lost);
            now + TOLERANCE >= gone && now < shared::clock::after(back, RACE)
        });
        let unseen = truth.just_undrained(now)
            || truth.just_registered(world, instance_id)
            || truth.just_became_active(now, ACTIVE_UNSEEN);
        host_gone || unseen || self.is_given_up(world.now(), truth, hook)
    }

    /// Whether the deadline has passed, and the policy says to proceed.
    fn is_given_up(&self, now: Timestamp, truth: &Truth, hook: &str) -> bool {
        let stop_at = self.stop_at(truth, hook);
        match self.policy_of(truth, hook).1 {
            OnDrainTimeout::Proceed | OnDrainTimeout::Abandon => now + TOLERANCE >= stop_at,
            OnDrainTimeout::StopTasks => now + TOLERANCE >= stop_at + GRACE,
            OnDrainTimeout::Wait => false,
        }
    }

    /// The deadline, which counts from when the termination began.
    fn stop_at(&self, truth: &Truth, hook: &str) -> Timestamp {
        let limit = Duration::from_secs(self.plan.world.hook_timeout_s) * HEARTBEATS_MAX;
        truth.leaves_at + self.policy_of(truth, hook).0.min(limit.saturating_sub(GRACE))
    }

    /// The policy of the stack whose hook it is.
    fn policy_for(&self, hook: &str) -> &PolicyPlan {
        self.plan.second_stack.as_ref().filter(|_| hook == SECOND_HOOK).unwrap_or(&self.plan.policy)
    }

    /// How long a drain of this host may take for a hook, and what happens then.
    fn policy_of(&self, truth: &Truth, hook: &str) -> (Duration, OnDrainTimeout) {
        let policy = self.policy_for(hook);
        let overrides = &policy.overrides;
        let overridden = truth.plan.group == GroupPlan::Overriding;
        let (seconds, then) = if overridden {
            (overrides.drain_timeout_s, overrides.on_drain_timeout)
        } else {
            (policy.drain_timeout_s, policy.on_drain_timeout)
        };
        (Duration::from_secs(seconds), then)
    }
}

/// The host of a container instance given by ARN or id.
fn host_of(world: &World, container_instance: &str) -> String {
    let known = world.container_instances().find(|known| container_instance.ends_with(&known.id));
    known.map_or_else(|| container_instance.to_owned(), |known| known.instance_id.clone())
}

impl Witness for Judge {
    fn before(&mut self, world: &World, client: &str, request: &Request) {
        self.nobody_elses_business_is_written(world, request);
        match request {
            Request::AutoScaling(AutoScalingRequest::CompleteLifecycleAction {
                hook,
                instance_id: Some(instance_id),
                ..
            }) => {
                self.never_the_wrong_one_hook(world, hook, instance_id);
                self.nobody_elses_business_is_released(world, instance_id);
                self.unknown_is_not_empty(world, client, hook, instance_id);
                self.never_early_to_complete(world, hook, instance_id);
            }
            Request::AutoScaling(AutoScalingRequest::RecordLifecycleActionHeartbeat {
                hook,
                instance_id: Some(instance_id),
                ..
            }) => {
                self.never_the_wrong_one_hook(world, hook, instance_id);
                if !self.may_be_unlocated(instance_id) {
                    self.never_the_wrong_one(world, instance_id, "kept alive what it may not touch");
                }
                self.never_stuck_on_a_host_that_does_not_drain(world, instance_id);
            }
            Request::Ecs(EcsRequest::UpdateContainerInstancesState { container_instances, .. }) => {
                for id in container_instances {
                    let draining = |it: &ContainerInstance| it.id == bare(id) && it.status == "DRAINING";
                    if !world.container_instances().any(draining) {
                        self.draining_since.remove(&bare(id));
                    }
                    self.never_the_wrong_one(world, &host_of(world, id), "set DRAINING a host that stays");
                }
            }
            Request::Ecs(EcsRequest::StopTask { task, .. }) => {
                let task = world.tasks().find(|known| task.ends_with(&known.id)).cloned();
                if let Some(task) = task {
                    self.never_the_wrong_one(world, &task.instance_id, "stopped a task of a host that stays");
                    self.never_early_to_stop_a_task(world, &task);
                }
            }
            _ => {}
        }
    }

    fn after(&mut self, world: &World, client: &str, request: &Request, reply: &Reply) {
        self.never_stuck_repeating_a_write(world, client, request, reply);
        if let Request::Ecs(EcsRequest::UpdateContainerInstancesState { container_instances, .. }) = request {
            let named: BTreeSet<_> = container_instances.iter().map(|id| bare(id)).collect();
            for it in world.container_instances().filter(|it| named.contains(&it.id) && it.status == "DRAINING") {
                self.draining_since.entry(it.id.clone()).or_insert(world.now());
            }
        }
        if FINDING.contains(&request.operation()) && reply.answer.as_ref().is_err_and(|error| !is_denial(error)) {
            self.search_failed = true;
        }
        if reply.answer.is_err() || reply.delay > Duration::from_secs(1) {
            self.harmed.push(world.now());
        }
        match &reply.answer {
            Ok(response) => self.answers.take_in(client, request, response, world.now()),
            Err(RequestError::Api(error)) => {
                match error.code.as_str() {
                    "ThrottlingException" | "Throttling" => self.seen.insert("throttles"),
                    "AccessDeniedException" | "AccessDenied" | "ServerException" | "InternalFailure" => {
                        self.seen.insert("failures")
                    }
                    // No request that AWS would reject. A resource that is gone in between is no fault of the drainer.
                    "InvalidParameterException" | "ValidationError" | "AttributeLimitExceededException"
                        if !["No active", "not found", "Container instance arn"]
                            .iter()
                            .any(|gone| error.message.contains(gone)) =>
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
        }
        // More than ten hosts take two requests to set DRAINING, and one of them fails.
        let drains = matches!(request, Request::Ecs(EcsRequest::UpdateContainerInstancesState { .. }));
        if drains && reply.answer.is_err() && self.hosts.len() > 10 {
            self.seen.insert("partial chunks");
        }
    }
}

/// The requests without which a host is not found or not set DRAINING.
const FINDING: [Operation; 4] = [
    Operation::ListClusters,
    Operation::ListContainerInstances,
    Operation::DescribeContainerInstances,
    Operation::UpdateContainerInstancesState,
];
const SEARCHED_TOO_LITTLE: &str = "unknown is not empty: released as in no cluster without two searches apart";

fn is_denial(error: &RequestError) -> bool {
    matches!(error, RequestError::Api(error) if error.code.starts_with("AccessDenied"))
}

/// The bare id of an ARN or id.
fn bare(id: &str) -> String {
    id.rsplit('/').next().unwrap_or(id).to_owned()
}

fn is_ours(hook: &str) -> bool {
    [HOOK, SECOND_HOOK].contains(&hook)
}

/// Whether our hook still holds a host.
pub(crate) fn still_held(world: &World, instance_id: &str) -> bool {
    world.host(instance_id).is_some_and(|host| host.waits_on().any(is_ours))
}

//! The promises, asserted from the world's side at the moment it sees a request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use shared::config::OnDrainTimeout;
use simulator::world::{LastStatus, Outcome, Owner, Reply, Request, RequestError, World};

use super::plan::{GroupPlan, HostPlan, Plan};
use crate::support::HOOK;
use crate::support::model::Witness;

/// The grace after the deadline, and AWS's own limit: the documented numbers, not the engine's constants.
const GRACE: Duration = Duration::from_secs(600);
const HEARTBEATS_MAX: u32 = 100;
/// Attributes are written to the millisecond, and a request is seen when it is sent.
const TOLERANCE: Duration = Duration::from_millis(2);
/// Somebody who sets a host ACTIVE again may do so between our last look and our completion.
const RACE: Duration = Duration::from_secs(60);

/// What is true of a host, whoever knows it.
#[derive(Debug, Clone)]
struct Truth {
    plan: HostPlan,
    watched: bool,
    leaves_at: Timestamp,
    drained_at: Option<Timestamp>,
}

pub(crate) struct Judge {
    plan: Plan,
    hosts: BTreeMap<String, Truth>,
    pub(crate) violations: Vec<String>,
    /// What happened in this history, for the coverage.
    pub(crate) seen: BTreeSet<&'static str>,
}

impl Judge {
    /// Watches over `hosts`, each with its instance id and whether its cluster is watched.
    pub(crate) fn new(plan: &Plan, hosts: impl IntoIterator<Item = (String, bool)>, start: Timestamp) -> Self {
        let truth = |((id, watched), host): ((String, bool), &HostPlan)| {
            let leaves_at = start + Duration::from_secs(host.leaves_at_s);
            (id, Truth { plan: host.clone(), watched, leaves_at, drained_at: None })
        };
        let hosts = hosts.into_iter().zip(&plan.hosts).map(truth).collect();
        Self { plan: plan.clone(), hosts, violations: Vec::new(), seen: BTreeSet::new() }
    }

    fn blame(&mut self, world: &World, what: &str, of: &str) {
        self.violations.push(format!("{}: {what}: {of}", world.now()));
    }

    /// Promises 1, 2 and 4.
    fn judge_completion(&mut self, world: &World, hook: &str, instance_id: &str) {
        let Some(truth) = self.hosts.get(instance_id).cloned() else {
            return self.blame(world, "completed an instance that nobody knows", instance_id);
        };
        if hook != HOOK || truth.plan.group == GroupPlan::Theirs {
            self.blame(world, "completed another's hook", instance_id);
        }
        let registered = world.registrations(instance_id).any(|registration| registration.status != "INACTIVE");
        if !registered {
            return;
        }
        if !truth.watched {
            return self.blame(world, "released out of a cluster that is not watched", instance_id);
        }
        let waits = world.host(instance_id).is_some_and(|host| host.waits_on().any(|waits| waits == HOOK));
        if !waits || world.unstopped_on(instance_id) == 0 || self.may_go_with_tasks(world, &truth) {
            return;
        }
        let left: Vec<_> = world.tasks_on(instance_id).iter().map(|t| (t.group(), t.last_status)).collect();
        self.blame(world, "released early", &format!("{instance_id} with {left:?}"));
    }

    fn may_go_with_tasks(&mut self, world: &World, truth: &Truth) -> bool {
        let now = world.now();
        let since = |seconds: Option<u64>| seconds.map(|s| truth.leaves_at + Duration::from_secs(s));
        let host_gone = since(truth.plan.dies_after_s)
            .is_some_and(|died| now + TOLERANCE >= died + Duration::from_secs(self.plan.policy.agent_lost_s));
        let undrained = since(truth.plan.undrained_after_s).is_some_and(|at| at <= now && now < at + RACE);
        let given_up = match (self.stop_at(truth), self.plan.policy.on_drain_timeout) {
            (Some(stop_at), OnDrainTimeout::Proceed | OnDrainTimeout::Abandon) => now + TOLERANCE >= stop_at,
            (Some(stop_at), OnDrainTimeout::StopTasks) => now + TOLERANCE >= stop_at + GRACE,
            _ => false,
        };
        if given_up {
            self.seen.insert("deadlines");
        }
        host_gone || undrained || given_up
    }

    /// The earliest deadline that anybody could reckon with.
    fn stop_at(&self, truth: &Truth) -> Option<Timestamp> {
        let limit = Duration::from_secs(self.plan.world.hook_timeout_s) * HEARTBEATS_MAX;
        let timeout = Duration::from_secs(self.plan.policy.drain_timeout_s).min(limit.saturating_sub(GRACE));
        truth.drained_at.map(|drained_at| drained_at + timeout)
    }

    /// Promise 2: a write goes to a host that our hook may hold, in a cluster that we watch.
    fn judge_write(&mut self, world: &World, instance_id: &str, what: &str) {
        let allowed = self.hosts.get(instance_id).is_some_and(|truth| {
            let left = truth.leaves_at <= world.now();
            truth.watched && left && truth.plan.group != GroupPlan::Theirs
        });
        if !allowed {
            self.blame(world, what, instance_id);
        }
    }

    fn judge_stop(&mut self, world: &World, task: &str) {
        let task = world.tasks().find(|known| task.ends_with(&known.id)).cloned();
        let Some(task) = task else { return };
        self.judge_write(world, &task.instance_id, "stopped a task of a host that stays");
        let Some(truth) = self.hosts.get(&task.instance_id).cloned() else { return };
        let standalone = matches!(task.owner, Owner::Standalone { .. });
        let late = self.stop_at(&truth).is_some_and(|stop_at| world.now() + TOLERANCE >= stop_at);
        let by_deadline = late && self.plan.policy.on_drain_timeout == OnDrainTimeout::StopTasks;
        if late {
            self.seen.insert("deadlines");
        }
        if !by_deadline && !(standalone && self.plan.policy.stop_standalone) {
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
            Request::CompleteLifecycleAction { hook, instance_id: Some(instance_id), .. } => {
                self.judge_completion(world, hook, instance_id);
            }
            Request::RecordLifecycleActionHeartbeat { hook, instance_id: Some(instance_id), .. } => {
                if hook != HOOK {
                    self.blame(world, "kept another's hook alive", instance_id);
                }
                self.judge_write(world, instance_id, "kept alive what it may not touch");
            }
            Request::UpdateContainerInstancesState { container_instances, .. } => {
                for id in container_instances {
                    self.judge_write(world, &host_of(world, id), "set DRAINING what stays");
                }
            }
            Request::PutAttributes { attributes, .. } | Request::DeleteAttributes { attributes, .. } => {
                for target in attributes.iter().filter_map(|attribute| attribute.target_id.as_deref()) {
                    self.judge_write(world, &host_of(world, target), "wrote on what stays");
                }
            }
            Request::StopTask { task, .. } => self.judge_stop(world, task),
            _ => {}
        }
    }

    fn after(&mut self, world: &World, request: &Request, reply: &Reply) {
        for (id, truth) in &mut self.hosts {
            let draining = || world.registrations(id).any(|registration| registration.status == "DRAINING");
            if truth.drained_at.is_none() && draining() {
                truth.drained_at = Some(world.now());
            }
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
                self.seen.insert(if took_effect { "lost answers" } else { "dropped requests" });
            }
            Ok(_) => {}
        }
        let size = match request {
            Request::UpdateContainerInstancesState { container_instances, .. } => container_instances.len(),
            _ => 0,
        };
        if size > 0 && reply.answer.is_err() && self.hosts.len() > size {
            self.seen.insert("partial chunks");
        }
    }
}

/// Whether our hook still holds a host at the end.
pub(crate) fn still_held(world: &World, instance_id: &str) -> bool {
    world.host(instance_id).is_some_and(|host| host.waits_on().any(|waits| waits == HOOK))
}

/// Whether every task on a host has stopped.
pub(crate) fn all_stopped(world: &World, instance_id: &str) -> bool {
    world.tasks_on(instance_id).iter().all(|task| task.last_status == LastStatus::Stopped)
}

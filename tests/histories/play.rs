//! Plays a history in virtual time, with every invocation that it calls for.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::drain::facts::departure::Destination;
use simulator::world::{AutoScalingRequest, Fault, FaultKind, Request, Service, SpotAction, TaskSpec, World};
use tokio::task::{LocalSet, spawn_local};

use super::happenings::{Happening, happenings};
use super::invocations::{Queued, START, Stage, Woken};
use super::judge::Judge;
use super::plan::{DENIED, GroupPlan, HostPlan, Plan};
use super::worlds::{
    BOTH, SECOND_HOOK, THEIRS, another_cluster, cluster, configs, harm_kind, instance_id, secs, world,
};
use crate::support::delivery::Delivery;
use crate::support::model::Model;
use crate::support::{EVENTS, EVENTS_CONCURRENCY, HOOK, NOTICES, NOTICES_CONCURRENCY};

const GRACE_S: u64 = 600;
/// After the last deadline: the rest of a minute, a pass, and what faults and skipped minutes cost.
const SLACK_S: u64 = 600;

fn is_watched(plan: &Plan, index: usize) -> bool {
    !plan.world.only_first_watched || index.is_multiple_of(plan.world.clusters)
}

/// What was seen in a history, and each of its requests: when, and what.
pub(crate) type Played = (BTreeSet<&'static str>, Vec<(Timestamp, Request)>);

/// Plays it; answers what was seen in it, or what went wrong.
pub(crate) fn played(plan: &Plan) -> Result<Played, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.unwrap(), story(plan))
}

async fn story(plan: &Plan) -> Result<Played, String> {
    let start: Timestamp = START.parse().unwrap();
    let world = world(plan, start);
    let hosts = plan.hosts.iter().enumerate();
    let hosts = hosts.map(|(n, host)| (instance_id(n), host.cluster.is_none_or(|cluster| is_watched(plan, cluster))));
    let judge = Rc::new(RefCell::new(Judge::new(plan, hosts, start)));
    let model = Rc::new(Model::of(world).watched_by(judge.clone()));
    let clock = model.clock();
    let configs = configs(plan);
    let events = || Rc::new(Delivery::new(EVENTS, EVENTS_CONCURRENCY, clock));
    let stage = Rc::new(Stage {
        plan: plan.clone(),
        model,
        started: RefCell::new(0),
        judge,
        warm: RefCell::default(),
        reconciling: RefCell::new(vec![0; configs.len()]),
        events: configs.iter().map(|_| events()).collect(),
        configs,
        notices: Rc::new(Delivery::new(NOTICES, NOTICES_CONCURRENCY, clock)),
    });
    let kinds = (0..stage.configs.len()).map(Queued::Event).chain([Queued::Notice]);
    let receivers: Vec<_> = kinds
        .map(|kind| {
            let stage = stage.clone();
            spawn_local(stage.mailbox(kind).feed(move |messages| stage.clone().batch(kind, messages)))
        })
        .collect();

    let mut seen = BTreeSet::new();
    let leave = |host: &HostPlan| host.leaves_at_s.max(host.interrupted.as_ref().map_or(0, |it| it.noticed_at_s));
    let last = plan.hosts.iter().map(leave).max().unwrap_or_default();
    let outage = plan.outage.map_or(0, |outage| outage.begins_at_s + outage.lasts_s);
    let timeout = plan.policies().map(|policy| policy.drain_timeout_s).max().unwrap_or_default();
    let end = last.max(outage) + timeout + GRACE_S + SLACK_S + plan.world.hook_timeout_s;
    let happenings = happenings(plan, end);
    let is_minute = |it: &Happening| matches!(it, Happening::Minute(_) | Happening::MinuteAgain(_));
    let planned = happenings.iter().filter(|(_, happening)| !is_minute(happening));
    let last_planned_ms = planned.map(|(at_ms, _)| *at_ms).max().unwrap_or_default();
    let mut invocations = Vec::new();
    for (at_ms, happening) in happenings {
        let clock = stage.model.clock();
        tokio::time::sleep_until(clock.instant(start + Duration::from_millis(at_ms))).await;
        if let Happening::Minute(_) = happening
            && at_ms > last_planned_ms
            && (0..plan.hosts.len()).all(|host| stage.is_done_with(host))
        {
            break;
        }
        invocations.extend(stage.perform(happening, &mut seen).into_iter().map(spawn_local));
        if !stage.judge.borrow().violations.is_empty() {
            break;
        }
    }
    for invocation in invocations {
        invocation.await.map_err(|panicked| format!("an invocation panicked: {panicked}"))?;
    }
    for receiver in receivers {
        // One that panicked has ended already.
        if receiver.is_finished() {
            receiver.await.map_err(|panicked| format!("an invocation panicked: {panicked}"))?;
        } else {
            receiver.abort();
        }
    }
    let requests = stage.model.world(|world| world.requests().iter().map(|r| (r.at, r.request.clone())).collect());
    Ok((stage.verdict(seen)?, requests))
}

impl Stage {
    /// Lets it happen; answers the invocation that it wakes, if any.
    fn perform(
        self: &Rc<Self>,
        happening: Happening,
        seen: &mut BTreeSet<&'static str>,
    ) -> Vec<impl Future<Output = ()> + 'static> {
        let in_world = |f: &dyn Fn(&mut World)| self.model.world(|world| f(world));
        match happening {
            Happening::Leaves(host) => {
                let HostPlan { events_after_s, group, .. } = &self.plan.hosts[host];
                if events_after_s.is_empty() && *group != GroupPlan::Theirs {
                    seen.insert("lost events");
                }
                in_world(&|world| {
                    let (id, now) = (instance_id(host), world.now());
                    drop(match self.plan.hosts[host].to {
                        Destination::Ec2 => world.scale_in(&id, now),
                        Destination::WarmPool => world.return_to_warm_pool(&id, now),
                        Destination::AutoScalingGroup => world.replace_root_volume(&id, now),
                    });
                });
            }
            // Each of these may come when the host is gone already.
            Happening::AgentLost(host) => in_world(&|world| {
                drop(world.set_agent_connected(&instance_id(host), false));
                if self.plan.hosts[host].lost.is_some_and(|lost| lost.unhealthy) {
                    drop(world.set_health(&instance_id(host), "Unhealthy"));
                }
            }),
            Happening::AgentBack(host) => in_world(&|world| {
                drop(world.set_agent_connected(&instance_id(host), true));
                drop(world.set_health(&instance_id(host), "Healthy"));
            }),
            Happening::Deregistered(host) => in_world(&|world| drop(world.deregister(&instance_id(host)))),
            Happening::Undrained(host) => in_world(&|world| {
                // AWS refuses it of an instance in another state.
                let id = instance_id(host);
                if world.registrations(&id).all(|it| ["ACTIVE", "DRAINING", "INACTIVE"].contains(&it.status.as_str())) {
                    drop(world.set_status(&id, "ACTIVE"));
                }
            }),
            Happening::Registered(host) => in_world(&|world| {
                let id = instance_id(host);
                if world.registrations(&id).any(|it| it.status == "REGISTERING" && !it.left_behind) {
                    drop(world.set_status(&id, "ACTIVE"));
                }
            }),
            Happening::PlacedLast(host) => {
                if self.model.world(|world| self.place_last(world, host)) {
                    seen.insert("tasks placed last");
                }
            }
            Happening::RegistersAnew(host) => seen.extend(self.model.world(|world| self.register_anew(world, host))),
            Happening::Denied(host) => in_world(&|world| self.deny(world, host)),
            Happening::TheirsCompleted(host) => in_world(&|world| {
                let request = AutoScalingRequest::CompleteLifecycleAction {
                    group: BOTH.into(),
                    hook: THEIRS.into(),
                    instance_id: Some(instance_id(host)),
                    token: None,
                    result: "CONTINUE".into(),
                };
                drop(world.request(world.now(), "another-tool", request));
            }),
            Happening::Interrupted(host) => in_world(&|world| {
                drop(world.interrupt(&instance_id(host), SpotAction::Terminate, world.now()));
            }),
            Happening::NoticeSent(host) => self.notices.send(host.to_string()),
            Happening::EventSent(host) => {
                let hooks: &[&str] =
                    if self.plan.hosts[host].group == GroupPlan::TwoOfOurs { &[HOOK, SECOND_HOOK] } else { &[HOOK] };
                for hook in hooks {
                    self.events[self.stack_of(hook)].send(format!("{host} {hook}"));
                }
            }
            Happening::Taken(_) => {}
            Happening::OutageBegins => {
                let Some(outage) = self.plan.outage else { return Vec::new() };
                seen.insert(if outage.of_ecs_alone { "ECS silent" } else { "outages" });
                in_world(&|world| {
                    world.break_down(Service::Ecs, harm_kind(outage.silence));
                    if !outage.of_ecs_alone {
                        world.break_down(Service::AutoScaling, harm_kind(outage.silence));
                    }
                });
            }
            Happening::OutageEnds => in_world(&|world| {
                world.recover(Service::Ecs);
                world.recover(Service::AutoScaling);
            }),
            Happening::Minute(minute) => {
                if self.plan.reconcile.back_at(self.plan.world.hook_timeout_s) == Some(minute) {
                    if (0..self.plan.hosts.len()).any(|host| !self.is_done_with(host)) {
                        seen.insert("reconcile away");
                    }
                    self.warm.borrow_mut().retain(|(_, function), _| *function != Woken::Minute.function());
                }
                return self.reconcile();
            }
            Happening::MinuteAgain(_) => return self.reconcile(),
        }
        Vec::new()
    }

    /// Each stack's `reconcile` is woken.
    fn reconcile(self: &Rc<Self>) -> Vec<impl Future<Output = ()> + 'static> {
        let woken = |stack| {
            let stage = self.clone();
            async move { drop(stage.invocation(stack, Woken::Minute).await) }
        };
        (0..self.configs.len()).map(woken).collect()
    }

    /// A task is placed on a host if it is still ACTIVE. Answers whether it is.
    fn place_last(&self, world: &mut World, host: usize) -> bool {
        let (plan, id) = (&self.plan.hosts[host], instance_id(host));
        let (Some(placed), Some(index)) = (plan.placed_last, plan.cluster) else { return false };
        let is_active = world.registrations(&id).any(|it| it.agent_connected && it.status == "ACTIVE");
        is_active && world.run_task(new_task(cluster(&self.plan, index), id, placed.job)).is_ok()
    }

    /// The agent registers a host anew, and a task is placed there. Answers what it did.
    fn register_anew(&self, world: &mut World, host: usize) -> Option<&'static str> {
        let plan = &self.plan.hosts[host];
        let (anew, index) = plan.registers_anew.zip(plan.cluster)?;
        let (id, joined) = (instance_id(host), another_cluster(&self.plan, index, anew.in_next_cluster));
        world.register(&id, &joined).ok()?;
        let is_another = joined != cluster(&self.plan, index);
        world.run_task(new_task(joined, id, anew.job)).ok()?;
        Some(if is_another { "joined another cluster" } else { "registered anew" })
    }

    /// From now on one operation is denied on what there is of a host.
    fn deny(&self, world: &mut World, host: usize) {
        let Some((operation, _)) = self.plan.hosts[host].denied else { return };
        let id = instance_id(host);
        let registrations = world.registrations(&id).map(|it| it.id.clone());
        let tasks = world.tasks().filter(|task| task.instance_id == id).map(|task| task.id.clone());
        let names: Vec<_> = [id.clone()].into_iter().chain(registrations).chain(tasks).collect();
        for name in names {
            let operation = Some(DENIED[operation]);
            world.plan(Fault { operation, matching: Some(name), ..Fault::always(FaultKind::AccessDenied) });
        }
    }

    /// The stack whose hook it is.
    fn stack_of(&self, hook: &str) -> usize {
        usize::from(hook == SECOND_HOOK && self.configs.len() > 1)
    }

    fn mailbox(&self, kind: Queued) -> Rc<Delivery> {
        match kind {
            Queued::Event(stack) => self.events[stack].clone(),
            Queued::Notice => self.notices.clone(),
        }
    }

    /// Whether nothing more can come of a host: no hook holds it, or only hooks that this history does not complete.
    fn is_done_with(&self, host: usize) -> bool {
        let theirs = self.plan.hosts[host].group == GroupPlan::Theirs;
        self.model
            .world(|world| theirs || world.host(&instance_id(host)).is_none_or(|host| host.waits_on().count() == 0))
    }

    fn verdict(&self, mut seen: BTreeSet<&'static str>) -> Result<BTreeSet<&'static str>, String> {
        let judge = self.judge.borrow();
        seen.extend(self.model.world(|world| judge.verdict(world))?);
        Ok(seen)
    }
}

/// A task that starts now: when it ends by itself, and how long it takes to stop.
fn new_task(cluster: String, instance_id: String, (finishes_after, stop_s): (Option<u64>, u64)) -> TaskSpec {
    TaskSpec {
        cluster,
        instance_id,
        family: "new".into(),
        start_time: secs(1),
        stop_time: secs(stop_s),
        finishes_after: finishes_after.map(secs),
        ..TaskSpec::default()
    }
}

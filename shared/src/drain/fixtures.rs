//! What a rule is tried on: an instance, as far as it is known.

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use crate::aws::{CallError, ContainerInstance, LifecycleActionResult, Task};
use crate::clock::after;
use crate::config::{Config, Overrides, Pace, Policy};
use crate::drain::facts::departure::{Cause, Departure, Destination, Hints, NoticedBy};
use crate::drain::facts::hold::{HeldBy, Hold, Ours};
use crate::drain::facts::known::{FoundIn, Known};
use crate::drain::facts::patience::Request;
use crate::drain::facts::proof::WholeRead;
use crate::drain::rules::decide::decide;
use crate::drain::rules::decision::{Ask, Decision, Outcome, Step};
use crate::drain::rules::terms::{Budget, Terms};
use crate::ids::{ClusterName, InstanceId};

/// The time: seconds since some start.
pub(crate) fn at(seconds: u64) -> Timestamp {
    after("2026-01-15T20:00:00Z".parse().unwrap(), Duration::from_secs(seconds))
}

pub(crate) fn policy() -> Policy {
    Config::read(|_| None).unwrap().policy
}

pub(crate) fn termination() -> Cause {
    Cause::Termination { to: Destination::Ec2 }
}

pub(crate) fn met(cause: Cause) -> Known {
    let instance = InstanceId::parse("i-1234567890abcdef0").unwrap();
    let departure = Departure { instance, cause, noticed_by: NoticedBy::Event };
    let noticed_at = (cause != Cause::Maintenance).then(|| at(0));
    Known { asked_start: true, ..Known::told(departure, Hints { noticed_at, ..Hints::default() }, at(0)) }
}

pub(crate) fn ours() -> Ours {
    Ours {
        group: "web".into(),
        hooks: vec!["ecs-drainer".into()],
        heartbeat_timeout: Some(Duration::from_secs(3600)),
        others_hold_too: false,
        unhealthy: false,
        retains: Some(false),
        overrides: Overrides::default(),
    }
}

pub(crate) fn held(by: HeldBy) -> Known {
    Known { hold: Some(Hold { read_at: at(0), by }), heartbeat_at: Some(at(0)), ..met(termination()) }
}

pub(crate) fn container_instance(status: &str, counted: u32) -> ContainerInstance {
    ContainerInstance {
        arn: "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/1".into(),
        instance: InstanceId::parse("i-1234567890abcdef0"),
        version: 1,
        status: status.into(),
        agent_connected: true,
        running_tasks: counted,
        pending_tasks: 0,
        attributes: Default::default(),
    }
}

/// Held by our hook, found in cluster prod at `seconds`, to be looked at next 10 s later.
pub(crate) fn found(instance: &ContainerInstance, seconds: u64) -> Known {
    let mut known = held(HeldBy::Ours(ours()));
    place(&mut known, instance, seconds);
    known
}

pub(crate) fn place(known: &mut Known, instance: &ContainerInstance, seconds: u64) {
    let prod = ClusterName::parse("prod").unwrap();
    known.learn_place(FoundIn::Clusters(vec![(prod, instance.clone())]), at(seconds), at(seconds));
    known.next_look = at(seconds + 10);
}

/// No cluster had it, at 0 s and again at 10 s.
pub(crate) fn in_no_cluster(known: &mut Known) {
    known.learn_place(FoundIn::NoCluster, at(0), at(0));
    known.learn_place(FoundIn::NoCluster, at(10), at(10));
}

pub(crate) fn draining(counted: u32) -> Known {
    found(&container_instance("DRAINING", counted), 0)
}

pub(crate) fn task(name: &str, last_status: &str, desired_status: &str) -> Task {
    Task {
        arn: format!("arn:aws:ecs:us-west-2:123456789012:task/prod/{name}").into(),
        version: 1,
        container_instance: None,
        last_status: last_status.into(),
        desired_status: desired_status.into(),
        group: "service:web".into(),
        started_by: "ecs-svc/1".into(),
        stopping_at: None,
        stopped_at: None,
        stopped_reason: String::new(),
        is_managed: false,
    }
}

pub(crate) fn standalone(name: &str) -> Task {
    Task { group: "family:job".into(), started_by: String::new(), ..task(name, "RUNNING", "RUNNING") }
}

pub(crate) fn read_tasks(known: &mut Known, tasks: &[Task], seconds: u64) {
    let arn = known.registrations[0].arn.clone();
    let each = tasks.iter().map(|task| (task.arn.clone(), task.clone())).collect();
    known.learn_tasks(&arn, each, WholeRead { began_at: at(seconds), ended_at: at(seconds) });
}

pub(crate) fn look(known: &mut Known, instance: &ContainerInstance, seconds: u64) {
    known.learn_instance(&instance.arn.clone(), Some(instance), at(seconds));
    known.next_look = at(seconds + 10);
}

/// Of an invocation without an end, under the default settings.
pub(crate) fn terms(known: &Known) -> Terms {
    Terms::of(known, policy(), &Budget::endless())
}

pub(crate) fn decision(known: &Known, seconds: u64) -> Decision {
    decide(known, &terms(known), at(seconds))
}

pub(crate) fn step(known: &Known, seconds: u64) -> Step {
    decision(known, seconds).step
}

pub(crate) fn step_under(known: &Known, settings: Policy, seconds: u64) -> Step {
    decide(known, &Terms::of(known, settings, &Budget::endless()), at(seconds)).step
}

pub(crate) fn step_within(known: &Known, budget: &Budget, seconds: u64) -> Step {
    decide(known, &Terms::of(known, policy(), budget), at(seconds)).step
}

pub(crate) fn outcome(step: &Step) -> Option<Outcome> {
    match step {
        Step::Settled(settled) | Step::Ask(Ask::Complete { settled, .. }) => Some(settled.outcome),
        _ => None,
    }
}

pub(crate) fn released(step: &Step) -> Option<LifecycleActionResult> {
    match step {
        Step::Ask(Ask::Complete { result, .. }) => Some(*result),
        _ => None,
    }
}

pub(crate) fn fail(known: &mut Known, what: Request, seconds: u64) {
    refuse(known, what, seconds, "ThrottlingException");
}

pub(crate) fn deny(known: &mut Known, what: Request, seconds: u64) {
    refuse(known, what, seconds, "AccessDeniedException");
}

fn refuse(known: &mut Known, what: Request, seconds: u64, code: &str) {
    let pace = Pace { min: Duration::from_secs(5), max: Duration::from_secs(5) };
    let error = CallError::Refused { operation: "Op", code: code.into(), message: String::new() };
    known.patience.failed(what, Rc::new(error), at(seconds), pace, &mut fastrand::Rng::with_seed(0));
}

use std::time::Duration;

use super::*;
use crate::aws::{ContainerInstance, Task};
use crate::config::{Config, Overrides, Policy};
use crate::drain::facts::departure::{Departure, Destination};
use crate::drain::facts::hold::{Hold, Ours};
use crate::drain::facts::known::{FoundIn, Start};
use crate::drain::facts::proof::WholeRead;
use crate::drain::facts::registration::MAINTENANCE_SINCE;
use crate::drain::rules::terms::Budget;

/// When it is in all of these tests.
const NOW: &str = "2026-01-15T20:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn known(cause: Cause, noticed_by: NoticedBy) -> Known {
    let instance = InstanceId::parse("i-1234567890abcdef0").unwrap();
    Known::new(Departure { instance, cause, noticed_by }, at(NOW))
}

fn held(by: HeldBy) -> Known {
    let hold = Some(Hold { read_at: at(NOW), by });
    Known { hold, ..known(Cause::Termination { to: Destination::Ec2 }, NoticedBy::Scan) }
}

fn ours() -> HeldBy {
    HeldBy::Ours(Ours {
        group: "web".into(),
        hooks: vec!["ecs-drainer".into()],
        heartbeat_timeout: Some(Duration::from_secs(900)),
        others_hold_too: false,
        unhealthy: false,
        retains: Some(false),
        overrides: Overrides::default(),
    })
}

/// Registered with this status and these attributes, and as many tasks that run as were counted.
fn registered(mut known: Known, status: &str, counted: u32, attributes: &[(&str, &str)]) -> Known {
    let found = ContainerInstance {
        arn: "arn:1".into(),
        instance: None,
        version: 1,
        status: status.into(),
        agent_connected: true,
        running_tasks: counted,
        pending_tasks: 0,
        attributes: attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
    };
    let prod = ClusterName::parse("prod").unwrap();
    known.learn_place(FoundIn::Clusters(vec![(prod, found)]), at(NOW), at(NOW));
    let task = |n: u32| Task {
        arn: format!("arn:{n}").into(),
        version: 1,
        container_instance: None,
        last_status: "RUNNING".into(),
        desired_status: "RUNNING".into(),
        group: "family:job".into(),
        started_by: String::new(),
        stopping_at: None,
        stopped_at: None,
        stopped_reason: String::new(),
        is_managed: false,
    };
    let each = (0..counted).map(task).map(|task| (task.arn.clone(), task)).collect();
    known.learn_tasks(&"arn:1".into(), each, WholeRead { began_at: at(NOW), ended_at: at(NOW) });
    known
}

fn standing_under(known: &Known, variables: &[(&str, &str)]) -> Standing {
    let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    let terms = Terms::of(known, Config::read(value).unwrap().policy, &Budget::endless());
    standing(known, &terms, &Explanations::default(), at(NOW))
}

fn standing_of(known: &Known) -> Standing {
    standing_under(known, &[])
}

#[test]
fn a_termination_has_its_deadline_and_what_its_policy_does_then() {
    let since = |text| {
        let start = Some(Start { at: at(text), reason: Some("it was taken out of service".into()) });
        registered(Known { start, ..held(ours()) }, "DRAINING", 2, &[])
    };
    let young = since("2026-01-15T19:55:00Z");
    let told = standing_of(&young);
    assert_eq!((told.cause, told.since), (Reason::Termination, Some(at("2026-01-15T19:55:00Z"))));
    assert_eq!(told.reason.as_deref(), Some("it was taken out of service"));
    assert_eq!((told.tasks_left, told.remaining.len(), told.is_open), (Some(2), 2, true));
    assert_eq!(told.deadline, Some(at("2026-01-15T20:55:00Z")));
    assert_eq!(told.next, Next::at(at("2026-01-15T20:55:00Z"), "what is left is told to stop"));
    let next = |known: &Known, policy| standing_under(known, &[("ON_DRAIN_TIMEOUT", policy)]).next;
    let deadline = at("2026-01-15T20:55:00Z");
    assert_eq!(next(&young, "proceed"), Next::at(deadline, "it is released, whatever still runs"));
    assert_eq!(next(&young, "abandon"), Next::at(deadline, "it is released with ABANDON, whatever still runs"));
    assert_eq!(next(&young, "wait"), Next::at(deadline, "nothing: with the policy wait the drainer goes on waiting"));
    let late = since("2026-01-15T18:55:00Z");
    assert_eq!(next(&late, "stop-tasks"), Next::at(at("2026-01-15T20:05:00Z"), "it is released, whatever still runs"));
    assert_eq!(next(&late, "wait"), Next::whenever("its tasks stop, or AWS's own limit ends it"));
    let over = Next::whenever("its time is over: released within a minute, or ecs-drainer check");
    assert_eq!(next(&late, "proceed"), over);
    assert_eq!(next(&since("2026-01-15T18:45:00Z"), "stop-tasks"), over, "its grace, too");
}

#[test]
fn what_stands_in_the_way_of_a_termination_is_told() {
    let next = |known: &Known| standing_of(known).next.what;
    assert!(next(&held(ours())).contains("where it is registered is not known"));
    let mut nowhere = held(ours());
    nowhere.learn_place(FoundIn::NoCluster, at(NOW), at(NOW));
    assert!(next(&nowhere).contains("in no cluster: released within a minute"));
    let mut unwatched = held(ours());
    unwatched.learn_place(FoundIn::Unwatched(ClusterName::parse("theirs").unwrap()), at(NOW), at(NOW));
    assert!(next(&unwatched).contains("not watched"));
    assert!(next(&registered(held(ours()), "ACTIVE", 2, &[])).contains("set DRAINING within a minute"));
    let empty = registered(held(ours()), "DRAINING", 0, &[]);
    assert!(next(&empty).contains("it is empty: released within a minute"));
    assert!(standing_of(&empty).is_open, "it is held still");
    let undated = standing_of(&registered(held(ours()), "DRAINING", 2, &[]));
    assert_eq!((undated.since, undated.deadline), (None, None), "when it began is not known");
    assert!(undated.next.what.contains("could not be read"));
}

#[test]
fn a_termination_that_is_none_of_ours_is_told_as_such() {
    let others = registered(held(HeldBy::Others { group: "db".into() }), "ACTIVE", 1, &[]);
    let told = standing_of(&others);
    assert_eq!((told.cause, told.deadline), (Reason::OthersTermination, None));
    assert!(told.next.what.contains("no hook of the drainer"), "{}", told.next.what);
}

#[test]
fn of_a_drain_by_hand_others_know_since_when_and_not_until_when() {
    let since = [(MAINTENANCE_SINCE, "2026-01-10T19:00:00Z")];
    let seen = standing_of(&registered(known(Cause::Maintenance, NoticedBy::Scan), "DRAINING", 1, &since));
    assert_eq!((seen.cause, seen.since, seen.deadline), (Reason::Maintenance, Some(at(since[0].1)), None));
    let empty = standing_of(&registered(known(Cause::Maintenance, NoticedBy::Scan), "DRAINING", 0, &since));
    assert!(!empty.is_open && empty.next.what.contains("until ecs-drainer undrain"), "{empty:?}");
    let by_others = standing_of(&registered(known(Cause::Maintenance, NoticedBy::Scan), "DRAINING", 1, &[]));
    assert_eq!((by_others.cause, by_others.since), (Reason::Unknown, None));
    assert!(by_others.next.what.contains("is not known"));
}

#[test]
fn the_operator_who_drains_by_hand_knows_the_deadline_too() {
    let mut own = registered(known(Cause::Maintenance, NoticedBy::Person), "DRAINING", 1, &[]);
    own.began = true;
    let told = standing_under(&own, &[("DRAIN_TIMEOUT_SECONDS", "60")]);
    assert_eq!((told.since, told.deadline), (Some(at(NOW)), Some(at("2026-01-15T20:01:00Z"))));
    let (drain_timeout, on_drain_timeout) = (Duration::MAX, OnDrainTimeout::Wait);
    let settings = Policy { drain_timeout, on_drain_timeout, ..Config::read(|_| None).unwrap().policy };
    let terms = Terms::of(&own, settings, &Budget::endless());
    let endless = standing(&own, &terms, &Explanations::default(), at(NOW));
    assert_eq!(endless.deadline, None);
    assert!(endless.next.what.contains("by themselves"), "{}", endless.next.what);
}

//! What a report says of a drain that does not go as it should.

use super::*;
use crate::aws::Task;
use crate::drain::facts::hold::HeldBy;
use crate::drain::fixtures::{at, draining, fail, held, ours, read_tasks, task, terms};

fn trouble(known: &Known, outcome: Outcome, seconds: u64) -> Option<Trouble> {
    let settled = Settled { outcome, detail: String::new() };
    report(known, settled, &terms(known), &Explanations::default(), at(seconds)).measures.trouble
}

#[test]
fn a_drain_is_past_its_deadline_when_a_task_was_not_stopped_by_then() {
    let mut waits = draining(1);
    read_tasks(&mut waits, &[task("web", "RUNNING", "RUNNING")], 0);
    assert_eq!(trouble(&waits, Outcome::HandedOver, 3_599), None);
    assert_eq!(trouble(&waits, Outcome::HandedOver, 3_600), Some(Trouble::PastDeadline));
    assert_eq!(trouble(&waits, Outcome::TimedOut, 4_200), Some(Trouble::PastDeadline));
    assert_eq!(trouble(&waits, Outcome::Ignored, 4_200), None);

    for (stopped_at, expected) in [(3_590, None), (3_601, Some(Trouble::PastDeadline))] {
        let stopped = Task { stopped_at: Some(at(stopped_at)), ..task("web", "STOPPED", "STOPPED") };
        read_tasks(&mut waits, &[stopped], 3_610);
        assert_eq!(trouble(&waits, Outcome::Drained, 3_620), expected, "when it was released does not count");
    }
}

#[test]
fn an_instance_is_not_located_when_a_search_failed() {
    let mut unlocated = held(HeldBy::Ours(ours()));
    assert_eq!(trouble(&unlocated, Outcome::HandedOver, 10), None, "there was no time to ask");
    fail(&mut unlocated, Request::Location, 5);
    assert_eq!(trouble(&unlocated, Outcome::HandedOver, 10), Some(Trouble::NeverLocated));
    assert_eq!(trouble(&unlocated, Outcome::Ignored, 10), None);
}

#[test]
fn a_report_is_the_documented_json() {
    let drain = ignored(None, "not ours".into());
    let json = serde_json::to_value(Report::of([drain])).unwrap();
    let expected = serde_json::json!({"drains": [{
        "outcome": "ignored", "seconds": 0.0, "tasksStopped": 0, "remaining": [], "detail": "not ours",
    }]});
    assert_eq!(json, expected);
}

#[test]
fn a_report_on_a_crowd_lists_as_many_as_there_is_room_for_and_counts_the_others() {
    let mut waits = draining(250);
    let tasks: Vec<_> = (0..250).map(|n| task(&format!("{n:032x}"), "RUNNING", "RUNNING")).collect();
    read_tasks(&mut waits, &tasks, 0);
    let settled = Settled { outcome: Outcome::HandedOver, detail: "x".repeat(10_000) };
    let drain = report(&waits, settled, &terms(&waits), &Explanations::default(), at(10));
    let report = Report::of(std::iter::repeat_n(drain, 5_000));
    let bytes = serde_json::to_vec(&report).unwrap().len();
    assert!((800_000..1_000_000).contains(&bytes), "{bytes}");
    let listed = report.drains.len();
    assert_eq!(report.not_listed, BTreeMap::from([("handed-over", 5_000 - listed)]));
    assert_eq!(Report::of(report.drains).not_listed, BTreeMap::new());
}

use super::*;
use crate::drain::fixtures::{at, container_instance, task};

fn registration(status: &str) -> Registration {
    Registration::new(ClusterName::parse("prod").unwrap(), &container_instance(status, 1), at(0))
}

fn read(registration: &mut Registration, tasks: &[Task], seconds: u64) {
    let each = tasks.iter().map(|task| (task.arn.clone(), task.clone())).collect();
    registration.learn_tasks(each, WholeRead { began_at: at(seconds), ended_at: at(seconds + 1) });
}

#[test]
fn it_counts_what_runs_and_what_is_on_its_way_and_keeps_since_when_it_drains_and_its_agent_is_lost() {
    let mut it = registration("ACTIVE");
    assert!(it.was_active && it.closed_since.is_none() && it.agent_lost_at.is_none());
    let mut now = container_instance("DRAINING", 2);
    (now.pending_tasks, now.agent_connected) = (1, false);
    it.learn(&now, at(5));
    it.learn(&now, at(9));
    assert_eq!((it.counted_tasks(), it.closed_since, it.agent_lost_at), (3, Some(at(5)), Some(at(5))));
    assert_eq!((it.read_at, it.was_active, it.is_draining()), (at(9), true, true));
    now.agent_connected = true;
    now.status = InstanceStatus::Active;
    it.learn(&now, at(12));
    assert_eq!((it.closed_since, it.agent_lost_at), (None, None));
    assert!(!registration("DRAINING").was_active);
}

#[test]
fn one_that_drains_after_it_was_registering_may_have_been_active_in_between() {
    let mut it = registration("REGISTERING");
    read(&mut it, &[], 1);
    it.learn(&container_instance("DRAINING", 0), at(12));
    read(&mut it, &[], 13);
    assert_eq!(it.closed_since, Some(at(12)));
    let stands = |it: &Registration, seconds| it.tasks.as_ref().unwrap().proof.stands(it.seen(), at(seconds));
    assert!(!stands(&it, 14), "a list that lags lacks what was placed then");
    read(&mut it, &[], 23);
    assert!(stands(&it, 24));
}

#[test]
fn while_its_version_is_the_same_nothing_has_changed_however_long_it_was_not_looked_at() {
    let look = |version| ContainerInstance { version, ..container_instance("DRAINING", 0) };
    let stands = |it: &Registration, now| it.tasks.as_ref().unwrap().proof.stands(it.seen(), at(now));
    for (version, later, is_proof) in [(3, 3, true), (3, 4, false), (0, 0, false)] {
        let mut it = Registration::new(ClusterName::parse("prod").unwrap(), &look(version), at(0));
        read(&mut it, &[], 1);
        it.learn(&look(version), at(11));
        read(&mut it, &[], 12);
        assert!(stands(&it, 14));
        it.learn(&look(later), at(90));
        assert_eq!(stands(&it, 91), is_proof, "{version}, then {later}");
    }
}

#[test]
fn only_the_commands_own_attributes_are_kept() {
    let mut now = container_instance("DRAINING", 1);
    let named = [(MAINTENANCE_SINCE, "2026-01-15T20:00:00Z"), ("ecs.os-type", "linux")];
    now.attributes = named.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let mut it = registration("ACTIVE");
    assert_eq!(it.maintenance_since(), None);
    it.learn(&now, at(1));
    assert_eq!((it.attributes.len(), it.maintenance_since()), (1, Some(at(0))));
}

#[test]
fn an_older_description_is_old_news_whenever_it_comes() {
    let mut it = registration("ACTIVE");
    let draining = ContainerInstance { version: 16, ..container_instance("DRAINING", 1) };
    it.learn(&draining, at(1));
    it.learn(&ContainerInstance { version: 15, ..container_instance("ACTIVE", 2) }, at(3));
    assert_eq!((it.is_draining(), it.running_tasks, it.read_at, it.closed_since), (true, 1, at(1), Some(at(1))));
    it.learn(&draining, at(5));
    assert_eq!((it.read_at, it.closed_since), (at(5), Some(at(1))), "the same one is news of its time");
    let (old, new) = (
        Task { version: 3, ..task("a", "RUNNING", "RUNNING") },
        Task { version: 5, ..task("a", "RUNNING", "STOPPED") },
    );
    read(&mut it, std::slice::from_ref(&new), 6);
    read(&mut it, std::slice::from_ref(&old), 8);
    it.learn_stragglers(vec![Task { version: 4, ..new }], &BTreeSet::new(), at(9));
    assert_eq!(it.unstopped().map(|task| task.version).collect::<Vec<_>>(), [5]);
}

#[test]
fn what_ecs_accepted_is_not_asked_again_before_it_can_be_seen() {
    let mut it = registration("ACTIVE");
    let active = container_instance("ACTIVE", 1);
    assert!(it.is_to_be_drained());
    it.told_to_drain(at(1));
    it.learn(&active, at(1));
    assert!(!it.is_to_be_drained(), "the answer itself may lag");
    it.learn(&active, at(11));
    assert!(it.is_to_be_drained(), "an operator set it ACTIVE again");
    let runs = task("a", "RUNNING", "RUNNING");
    read(&mut it, std::slice::from_ref(&runs), 12);
    assert_eq!(it.untold().count(), 1);
    it.told_to_stop(&runs, at(14));
    assert_eq!((it.untold().count(), it.staying().count()), (0, 1));
    it.learn_stragglers(vec![runs.clone()], &BTreeSet::new(), at(23));
    assert_eq!(it.untold().count(), 0);
    it.learn_stragglers(vec![runs], &BTreeSet::new(), at(24));
    assert_eq!(it.untold().count(), 1);
}

#[test]
fn that_another_task_was_told_to_stop_is_no_look_at_the_first() {
    let mut it = registration("DRAINING");
    let [a, b] = ["a", "b"].map(|name| task(name, "RUNNING", "RUNNING"));
    read(&mut it, &[a.clone(), b.clone()], 1);
    it.told_to_stop(&a, at(2));
    it.told_to_stop(&b, at(13));
    assert_eq!(it.untold().count(), 0, "its answer lags, and no look has come");
    it.learn_stragglers(vec![a.clone(), b], &BTreeSet::new(), at(14));
    assert_eq!(it.untold().map(|task| &task.arn).collect::<Vec<_>>(), [&a.arn]);
}

#[test]
fn a_task_that_was_told_to_stop_is_never_wanted_to_run_again_by_what_lags() {
    let mut it = registration("DRAINING");
    let (runs, stops) = (task("a", "RUNNING", "RUNNING"), task("a", "RUNNING", "STOPPED"));
    read(&mut it, &[runs.clone(), task("b", "STOPPED", "STOPPED")], 1);
    assert_eq!((it.staying().count(), it.unstopped().count(), it.stopped().count()), (1, 1, 1));
    it.told_to_stop(&stops, at(3));
    read(&mut it, &[runs.clone(), task("b", "STOPPED", "STOPPED")], 4);
    assert_eq!((it.staying().count(), it.unstopped().count()), (0, 1));
    it.learn_stragglers(vec![runs], &BTreeSet::new(), at(6));
    assert_eq!(it.staying().count(), 0);
    assert_eq!(it.tasks.as_ref().unwrap().seen_at, at(6));
}

#[test]
fn a_task_that_had_not_stopped_is_not_forgotten_because_ecs_calls_it_missing() {
    let mut it = registration("DRAINING");
    let (a, b) = (task("a", "RUNNING", "RUNNING"), task("b", "RUNNING", "STOPPED"));
    it.learn_stragglers(vec![a.clone()], &BTreeSet::new(), at(1));
    assert!(it.tasks.is_none(), "a read of those that are known tells nothing where none is");
    read(&mut it, &[a.clone(), b.clone()], 2);
    let missing = [b.arn.clone()].into();
    assert_eq!(it.learn_stragglers(vec![a.clone()], &missing, at(5)), std::slice::from_ref(&b.arn));
    assert_eq!((it.unstopped().count(), it.tasks.as_ref().unwrap().seen_at), (2, at(2)), "nothing was learnt of it");
    read(&mut it, std::slice::from_ref(&a), 6);
    assert_eq!(it.unstopped().count(), 2, "no list has it");
    assert!(it.learn_stragglers(vec![a], &missing, at(4_000)).is_empty(), "an hour later it may have stopped long ago");
    assert_eq!(it.unstopped().count(), 1);
}

#[test]
fn never_early_proof_stands_only_while_what_was_seen_agrees_with_what_was_listed() {
    let proven = |it: &Registration, now| it.tasks.as_ref().unwrap().proof.stands(it.seen(), at(now));
    let mut it = registration("DRAINING");
    let empty = container_instance("DRAINING", 0);
    it.learn(&empty, at(1));
    read(&mut it, &[task("a", "STOPPED", "STOPPED")], 1);
    read(&mut it, &[task("a", "STOPPED", "STOPPED")], 11);
    assert!(proven(&it, 12));
    let mut unlisted = it.clone();
    unlisted.learn(&container_instance("DRAINING", 1), at(12));
    assert!(!proven(&unlisted, 12), "ECS counts a task that no list has");
    let mut opened = it.clone();
    opened.learn(&container_instance("ACTIVE", 0), at(12));
    opened.learn(&empty, at(13));
    assert!(!proven(&opened, 13), "it was open to new tasks between two reads");
    let mut another = it.clone();
    read(&mut another, &[task("a", "STOPPED", "STOPPED"), task("b", "STOPPED", "STOPPED")], 13);
    assert!(!proven(&another, 14), "the lists before lacked a task");
    let mut forgotten = registration("DRAINING");
    forgotten.learn(&empty, at(1));
    read(&mut forgotten, &[task("a", "RUNNING", "STOPPED")], 1);
    read(&mut forgotten, &[], 11);
    assert!(!proven(&forgotten, 12), "a task that had not stopped is in no list");
    let mut unseen = it.clone();
    unseen.learn(&ContainerInstance { version: 2, ..empty.clone() }, at(62));
    assert!(!proven(&unseen, 62), "it may have been open to new tasks while no look came");
    it.learn_stragglers(vec![task("a", "STOPPING", "STOPPED")], &BTreeSet::new(), at(12));
    it.learn(&ContainerInstance { pending_tasks: 1, ..empty }, at(12));
    assert!(proven(&it, 12), "ECS may leave one counted as on its way for ever");
}

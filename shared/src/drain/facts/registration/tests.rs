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
    assert!(it.was_active && it.draining_since.is_none() && it.agent_lost_at.is_none());
    let mut now = container_instance("DRAINING", 2);
    (now.pending_tasks, now.agent_connected) = (1, false);
    it.learn(&now, at(5));
    it.learn(&now, at(9));
    assert_eq!((it.counted_tasks, it.draining_since, it.agent_lost_at), (3, Some(at(5)), Some(at(5))));
    assert_eq!((it.read_at, it.was_active, it.is_draining()), (at(9), true, true));
    now.agent_connected = true;
    now.status = InstanceStatus::Active;
    it.learn(&now, at(12));
    assert_eq!((it.draining_since, it.agent_lost_at), (None, None));
    assert!(!registration("DRAINING").was_active);
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
fn a_task_that_was_told_to_stop_is_never_wanted_to_run_again_by_what_lags() {
    let mut it = registration("DRAINING");
    let (runs, stops) = (task("a", "RUNNING", "RUNNING"), task("a", "RUNNING", "STOPPED"));
    read(&mut it, &[runs.clone(), task("b", "STOPPED", "STOPPED")], 1);
    assert_eq!((it.staying().count(), it.unstopped().count(), it.stopped().count()), (1, 1, 1));
    it.learn_task(&stops, at(3));
    read(&mut it, &[runs.clone(), task("b", "STOPPED", "STOPPED")], 4);
    assert_eq!((it.staying().count(), it.unstopped().count()), (0, 1));
    it.learn_stragglers(vec![runs], &BTreeSet::new(), at(6));
    assert_eq!(it.staying().count(), 0);
    assert_eq!(it.tasks.as_ref().unwrap().seen_at, at(6));
}

#[test]
fn what_is_absent_or_forgotten_is_no_task_of_it_any_more() {
    let mut it = registration("DRAINING");
    let (a, b) = (task("a", "RUNNING", "RUNNING"), task("b", "RUNNING", "RUNNING"));
    it.learn_stragglers(vec![a.clone()], &BTreeSet::new(), at(1));
    assert!(it.tasks.is_none(), "a read of those that are known tells nothing where none is");
    read(&mut it, &[a.clone(), b.clone()], 2);
    it.learn_stragglers(Vec::new(), &[a.arn.clone()].into(), at(5));
    assert_eq!(it.unstopped().map(|task| &task.arn).collect::<Vec<_>>(), [&b.arn]);
    it.forget_task(&a.arn, at(7));
    assert_eq!(it.tasks.as_ref().unwrap().seen_at, at(5), "it was none of its tasks");
    it.learn_task(&a, at(7));
    assert_eq!((it.unstopped().count(), it.tasks.as_ref().unwrap().seen_at), (1, at(5)));
    it.forget_task(&b.arn, at(8));
    assert_eq!((it.unstopped().count(), it.tasks.as_ref().unwrap().seen_at), (0, at(8)));
}

#[test]
fn never_early_proof_stands_only_while_what_was_seen_agrees_with_what_was_listed() {
    let proven = |it: &Registration, now| {
        it.tasks.as_ref().unwrap().proof.stands(it.seen(), std::time::Duration::from_secs(2), at(now))
    };
    let mut it = registration("DRAINING");
    let empty = container_instance("DRAINING", 0);
    it.learn(&empty, at(1));
    read(&mut it, &[task("a", "STOPPED", "STOPPED")], 1);
    read(&mut it, &[task("a", "STOPPED", "STOPPED")], 4);
    assert!(proven(&it, 5));
    let mut unlisted = it.clone();
    unlisted.learn(&container_instance("DRAINING", 1), at(6));
    unlisted.learn(&empty, at(7));
    assert!(!proven(&unlisted, 7), "ECS counted a task that no list had");
    let mut opened = it.clone();
    opened.learn(&container_instance("ACTIVE", 0), at(6));
    opened.learn(&empty, at(7));
    assert!(!proven(&opened, 7), "it was open to new tasks between two reads");
    let mut another = it.clone();
    read(&mut another, &[task("a", "STOPPED", "STOPPED"), task("b", "STOPPED", "STOPPED")], 7);
    assert!(!proven(&another, 8), "the lists before lacked a task");
    let mut unseen = it.clone();
    unseen.was_out_of_sight();
    unseen.learn(&empty, at(7));
    assert!(!proven(&unseen, 7), "it may have been open to new tasks while no look came");
    it.learn_stragglers(vec![task("a", "STOPPING", "STOPPED")], &BTreeSet::new(), at(6));
    assert!(proven(&it, 6), "STOPPED is final, whatever lags behind it");
    let mut stopping = registration("DRAINING");
    stopping.learn(&empty, at(1));
    [1, 4].iter().for_each(|seconds| read(&mut stopping, &[task("a", "STOPPING", "STOPPED")], *seconds));
    assert!(!proven(&stopping, 5), "a task has not stopped");
    stopping.learn_task(&task("a", "STOPPED", "STOPPED"), at(6));
    assert!(proven(&stopping, 6));
}

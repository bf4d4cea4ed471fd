use super::*;
use crate::aws::ContainerInstance;
use crate::drain::facts::registration::Registration;
use crate::drain::fixtures::{
    at, container_instance, draining, found, held, look, met, ours, place, read_tasks, task, termination,
};

#[test]
fn its_group_is_auto_scalings_word_or_else_the_events() {
    let mut known = met(termination());
    assert_eq!(known.group(), None);
    known.hints.group = Some("told".into());
    assert_eq!(known.group().map(GroupName::as_str), Some("told"));
    let by = |by| held(by).group().map(ToString::to_string);
    assert_eq!(by(HeldBy::Ours(ours())).as_deref(), Some("web"));
    assert_eq!(by(HeldBy::Others { group: "other".into() }).as_deref(), Some("other"));
    assert_eq!(by(HeldBy::NoHook { state: None }), None);
}

#[test]
fn what_an_event_told_is_kept_and_its_time_counts_unless_it_is_old() {
    let told = |noticed_at: u64, cause| {
        let hints = Hints { group: Some("web".into()), noticed_at: Some(at(noticed_at)), ..Hints::default() };
        let known = Known::told(Departure { cause, ..met(termination()).departure }, hints.clone(), at(100));
        assert_eq!(known.hints, hints);
        known.started()
    };
    assert_eq!(told(40, termination()), at(40));
    assert_eq!(told(39, termination()), at(100), "it may be of an earlier termination");
    assert_eq!(told(120, termination()), at(100), "no clock is ahead of ours");
    let spot = Cause::SpotInterruption { noticed_at: at(39) };
    assert_eq!(told(39, spot), at(39), "a notice is of one interruption");
}

#[test]
fn its_cluster_is_where_it_was_found_watched_or_not() {
    let known = met(termination());
    assert_eq!(known.cluster(), None);
    assert_eq!(draining(0).cluster().map(ClusterName::as_str), Some("prod"));
    let batch = ClusterName::parse("theirs").unwrap();
    let unwatched = Known { place: Place::Unwatched(batch.clone()), ..known };
    assert_eq!(unwatched.cluster(), Some(&batch));
}

#[test]
fn tasks_remain_that_are_counted_or_known_whichever_are_more() {
    assert_eq!(met(termination()).remaining_tasks(), None);
    let mut known = draining(3);
    assert_eq!(known.remaining_tasks(), Some(3));
    read_tasks(&mut known, &[task("a", "RUNNING", "RUNNING"), task("b", "STOPPED", "STOPPED")], 1);
    assert_eq!(known.remaining_tasks(), Some(3));
    look(&mut known, &container_instance("DRAINING", 0), 2);
    assert_eq!(known.remaining_tasks(), Some(1));
    assert!(!known.has_unread_tasks() && draining(0).has_unread_tasks());
    assert_eq!((known.stragglers().count(), known.stopped().count()), (1, 1));
}

#[test]
fn a_drain_began_with_its_termination_or_else_with_draining_or_when_it_was_met() {
    let start = Some(Start { at: at(3), reason: Some("a health check".to_owned()) });
    let dated = Known { start: start.clone(), ..draining(0) };
    assert_eq!((dated.started(), dated.reason()), (at(3), Some("a health check")));
    let by_hand = |draining_since| Known { draining_since, start: None, ..met(Cause::Maintenance) };
    assert_eq!(by_hand(Some(at(7))).started(), at(7));
    assert_eq!(by_hand(None).started(), at(0));
    let held = Known { draining_since: Some(at(7)), start: None, ..held(HeldBy::Ours(ours())) };
    assert_eq!((held.started(), held.reason()), (at(0), None), "DRAINING may have begun long after the termination");
}

#[test]
fn the_start_may_still_be_asked_of_what_we_hold_until_a_reason_is_known() {
    let undated = Known { asked_start: false, ..draining(0) };
    assert!(undated.is_undated(), "its event told when, and not why");
    assert!(!Known { asked_start: true, ..undated.clone() }.is_undated());
    let start = Some(Start { at: at(0), reason: Some(String::new()) });
    assert!(!Known { start, ..undated.clone() }.is_undated());
    assert!(Known { start: None, ..undated.clone() }.is_undated());
    assert!(!Known { hold: None, ..undated }.is_undated());
    assert!(!Known { asked_start: false, ..met(Cause::Maintenance) }.is_undated());
}

#[test]
fn an_instance_runs_on_after_abandon_in_its_warm_pool_or_where_its_group_retains() {
    let abandoned = |to, retains| {
        let departure = Departure { cause: Cause::Termination { to }, ..met(termination()).departure };
        Known { departure, ..held(HeldBy::Ours(Ours { retains, ..ours() })) }.runs_on_after_abandon()
    };
    assert_eq!(abandoned(Destination::WarmPool, Some(false)), Some(true));
    assert_eq!(abandoned(Destination::Ec2, Some(true)), Some(true));
    assert_eq!(abandoned(Destination::Ec2, Some(false)), Some(false));
    assert_eq!(abandoned(Destination::Ec2, None), None);
}

#[test]
fn a_scan_beside_anothers_hook_may_find_what_was_released() {
    let beside = |noticed_by, others_hold_too| {
        let mut known = held(HeldBy::Ours(Ours { others_hold_too, ..ours() }));
        known.departure.noticed_by = noticed_by;
        known.is_by_scan_beside_others()
    };
    assert!(beside(NoticedBy::Scan, true));
    assert!(!beside(NoticedBy::Scan, false) && !beside(NoticedBy::Event, true));
}

#[test]
fn it_is_draining_since_the_first_look_at_which_no_registration_was_active() {
    let mut known = found(&container_instance("ACTIVE", 1), 0);
    assert_eq!(known.draining_since, None);
    look(&mut known, &container_instance("DRAINING", 1), 5);
    look(&mut known, &container_instance("DRAINING", 1), 9);
    assert_eq!(known.draining_since, Some(at(5)));
    look(&mut known, &container_instance("ACTIVE", 1), 12);
    assert_eq!(known.draining_since, None);
}

#[test]
fn a_search_begins_anew_when_its_last_registration_is_gone() {
    let mut known = draining(1);
    known.searched.insert(ClusterName::parse("other").unwrap(), at(0));
    place(&mut known, &container_instance("DRAINING", 1), 3);
    assert!(known.searched.is_empty() && known.located_at == at(3), "a search that told is over");
    let arn = known.registrations[0].arn.clone();
    known.learn_instance(&arn, None, at(5));
    assert!(known.registrations.is_empty() && known.place == Place::Unknown);
}

#[test]
fn what_is_read_of_tasks_goes_to_their_own_registration() {
    let mut known = draining(1);
    let mut second = container_instance("DRAINING", 1);
    second.arn = "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/2".into();
    known.registrations.push(Registration::new(ClusterName::parse("prod").unwrap(), &second, at(0)));
    let (read, a) = (WholeRead { began_at: at(1), ended_at: at(2) }, task("a", "RUNNING", "RUNNING"));
    known.learn_tasks(&second.arn, [(a.arn.clone(), a.clone())].into_iter().collect(), read);
    assert!(known.registrations[0].tasks.is_none() && known.registrations[1].unstopped().count() == 1);
    known.learn_stragglers(&second.arn, vec![task("a", "STOPPING", "STOPPED")], &BTreeSet::new(), at(3));
    assert!(known.registrations[1].staying().next().is_none());
    known.told_to_stop(&task("a", "STOPPED", "STOPPED"), at(4));
    assert_eq!((known.stragglers().count(), known.stopped().count()), (0, 1));
}

/// Another registration of the host, with this agent.
fn another(agent_connected: bool) -> ContainerInstance {
    let arn = "arn:aws:ecs:us-west-2:123456789012:container-instance/second/2".into();
    ContainerInstance { arn, agent_connected, ..container_instance("ACTIVE", 2) }
}

#[test]
fn beside_a_live_registration_one_without_agent_is_what_the_agent_left_behind() {
    let second = ClusterName::parse("second").unwrap();
    let clusters = |known: &Known| known.registrations.iter().map(|it| it.cluster.to_string()).collect::<Vec<_>>();
    let mut known = draining(1);
    known.learn_place(FoundIn::Clusters(vec![(second.clone(), another(false))]), at(1), at(1));
    assert_eq!(clusters(&known), ["prod"]);
    let mut moved = ContainerInstance { agent_connected: false, ..container_instance("DRAINING", 1) };
    look(&mut known, &moved, 2);
    read_tasks(&mut known, &[task("a", "RUNNING", "RUNNING")], 2);
    known.learn_place(FoundIn::Clusters(vec![(second.clone(), another(false))]), at(3), at(3));
    assert_eq!(clusters(&known), ["prod", "second"], "either may hold what runs");
    assert_eq!(known.stragglers().count(), 1, "what is known of it is kept");
    known.learn_place(FoundIn::Clusters(vec![(second, another(true))]), at(4), at(4));
    assert_eq!((clusters(&known), known.stragglers().count()), (vec!["second".to_owned()], 0));
    moved.agent_connected = true;
    assert!(known.draining_since.is_none(), "it takes tasks there");
}

#[test]
fn absence_is_two_searches_far_enough_apart_the_second_not_long_ago() {
    let mut known = met(termination());
    for asked_at in [0, 9] {
        known.learn_place(FoundIn::NoCluster, at(asked_at), at(asked_at));
        assert!(!known.is_in_no_cluster(at(asked_at)), "{asked_at}");
    }
    known.learn_place(FoundIn::NoCluster, at(10), at(11));
    assert!(known.is_in_no_cluster(at(40)) && !known.is_in_no_cluster(at(41)));
}

#[test]
fn the_answers_of_a_search_grow_old() {
    let mut known = met(termination());
    let [old, new] = ["old", "new"].map(|name| ClusterName::parse(name).unwrap());
    known.searched = [(old, at(0)), (new.clone(), at(1))].into();
    assert_eq!(known.not_in(at(30)).len(), 2);
    assert_eq!(known.not_in(at(31)), [(new, at(1))].into());
}

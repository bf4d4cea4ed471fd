//! waiting, heartbeats, and the deadline.

use super::*;

#[test]
fn it_waits_while_tasks_are_counted_without_listing_them() {
    let known = draining(3);
    assert_eq!(step(&known, 1), Step::WaitUntil(at(10)));
    assert_eq!(step(&known, 10), Step::Ask(Ask::Instance));
    let mut listed = draining(3);
    read_tasks(&mut listed, &[task("a", "RUNNING", "RUNNING")], 1);
    look(&mut listed, &container_instance("DRAINING", 3), 10);
    assert_eq!(step(&listed, 10), Step::WaitUntil(at(20)), "nor again where they were listed");
}

#[test]
fn a_heartbeat_is_due_once_a_period_and_goes_before_reads() {
    let mut known = draining(3);
    let due = (0..1_900).find(|s| step(&known, *s) == Step::Ask(Ask::Heartbeat)).unwrap();
    known.heartbeat_at = Some(at(due));
    let next = (due..due + 2_600).find(|s| step(&known, *s) == Step::Ask(Ask::Heartbeat)).unwrap();
    assert!((1_199..=1_201).contains(&(next - due)), "a third of 3600 s, not {}", next - due);
    fail(&mut known, Request::Heartbeat, next);
    assert_eq!(step(&known, next), Step::Ask(Ask::Instance), "a refused heartbeat holds up nothing");
}

#[test]
fn no_heartbeat_after_awss_own_limit() {
    let mut known = draining(3);
    known.hold = Some(Hold {
        read_at: at(0),
        by: HeldBy::Ours(Ours { heartbeat_timeout: Some(Duration::from_secs(60)), ..ours() }),
    });
    known.hold = known.hold.map(|hold| match hold.by {
        HeldBy::Ours(ours) => {
            let overrides = Overrides { on_drain_timeout: Some(OnDrainTimeout::Wait), ..Overrides::default() };
            Hold { by: HeldBy::Ours(Ours { overrides, ..ours }), ..hold }
        }
        by => Hold { by, ..hold },
    });
    known.next_look = at(100_000);
    let sent = |known: &mut Known, from: u64| {
        known.heartbeat_at = Some(at(from));
        (from..from + 60).any(|s| step(known, s) == Step::Ask(Ask::Heartbeat))
    };
    assert!(sent(&mut known, 5_900));
    assert!(!sent(&mut known, 6_000), "100 × 60 s");
}

#[test]
fn no_heartbeat_once_the_host_may_go_nor_before_it_is_draining() {
    let beats = |known: &Known, seconds| step(known, seconds) == Step::Ask(Ask::Heartbeat);
    for policy in [OnDrainTimeout::StopTasks, OnDrainTimeout::Proceed, OnDrainTimeout::Abandon] {
        let mut known = at_deadline(policy);
        fail(&mut known, Request::Complete, 1_000);
        known.next_look = at(100_000);
        known.heartbeat_at = Some(at(0));
        assert!((1_000..5_000).all(|s| !beats(&known, s)), "{policy:?}");
    }
    let mut refused = Known { heartbeat_at: None, ..found(&container_instance("ACTIVE", 1), 0) };
    assert_eq!(step(&refused, 3_000), Step::Ask(Ask::Drain), "DRAINING goes first");
    fail(&mut refused, Request::Drain, 3_000);
    assert!(beats(&refused, 3_000), "AWS may answer later");
    for seconds in (0..5_000).step_by(5) {
        deny(&mut refused, Request::Drain, seconds);
        assert!(!beats(&refused, seconds), "what may not be set DRAINING is left to the hook's own timeout");
    }
}

#[test]
fn none_is_due_in_the_first_sixth_and_then_one_at_once_where_none_is_remembered() {
    let first = (0..3_600).find(|s| step(&Known { heartbeat_at: None, ..quiet() }, *s) == Step::Ask(Ask::Heartbeat));
    assert!((600..1_800).contains(&first.unwrap()), "{first:?}");
    let beats = |known: &Known, seconds| step(known, seconds) == Step::Ask(Ask::Heartbeat);
    let met = |started| Known { heartbeat_at: None, start: started, met_at: at(2_500), ..quiet() };
    assert!(beats(&met(Some(Start { at: at(0), reason: None })), 2_500), "a predecessor may have sent none");
    assert!(beats(&met(None), 2_500), "nor is it known when it began");
    let mut remembered = Known { heartbeat_at: Some(at(1_500)), ..quiet() };
    assert!(!beats(&remembered, 2_000));
    assert!(beats(&remembered, 3_300));
    remembered.heartbeats_are_throttled = true;
    assert!(!beats(&remembered, 3_899), "two thirds must have passed");
    assert!(beats(&remembered, 3_900));
}

/// A drain at which nothing is looked at.
fn quiet() -> Known {
    Known { next_look: at(100_000), ..draining(3) }
}

#[test]
fn those_whose_action_expires_first_go_first_and_what_is_not_known_may_expire_at_once() {
    let known = |heartbeat_at, started: Option<u64>| {
        let start = started.map(|seconds| Start { at: at(seconds), reason: None });
        Known { heartbeat_at, start, met_at: at(2_500), ..quiet() }
    };
    let unknown = known(None, None);
    let old = known(None, Some(0));
    let sent = known(Some(at(1_000)), Some(0));
    let late = known(Some(at(2_400)), Some(0));
    let order = [&unknown, &old, &sent, &late].map(|known| heartbeats::urgency(known).0);
    assert_eq!(order, [at(2_500), at(3_600), at(4_600), at(6_000)]);
    let pressing = [&unknown, &old, &sent, &late].map(|known| heartbeats::is_pressing(known, at(2_500)));
    assert_eq!(pressing, [true, true, false, false]);
}

#[test]
fn before_a_pause_goes_one_to_what_may_end_in_it() {
    let short = |seconds, heartbeat_at: Option<u64>| {
        let timeout = Some(Duration::from_secs(seconds));
        let hold = Hold { read_at: at(0), by: HeldBy::Ours(Ours { heartbeat_timeout: timeout, ..ours() }) };
        Known { hold: Some(hold), heartbeat_at: heartbeat_at.map(at), ..quiet() }
    };
    let due = |known: &Known, now| heartbeats::is_due_before_a_pause(&Case::new(known, &terms(known), at(now)));
    assert!(due(&short(90, None), 15));
    assert!(!due(&short(90, None), 14), "75 s later it still waits");
    assert!(!due(&short(90, Some(15)), 15));
    assert!(due(&short(30, Some(15)), 15));
    assert!(!due(&Known { asked_start: false, ..short(30, None) }, 15), "its time may be over");
    assert!(!due(&Known { is_released: true, ..short(30, None) }, 15));
}

fn at_deadline(on_drain_timeout: OnDrainTimeout) -> Known {
    let overrides = Overrides {
        drain_timeout: Some(Duration::from_secs(100)),
        on_drain_timeout: Some(on_drain_timeout),
        ..Overrides::default()
    };
    let mut known = draining(2);
    known.hold = Some(Hold { read_at: at(0), by: HeldBy::Ours(Ours { overrides, ..ours() }) });
    look(&mut known, &container_instance("DRAINING", 2), 99);
    read_tasks(&mut known, &[task("a", "RUNNING", "RUNNING"), task("b", "STOPPING", "STOPPED")], 99);
    known.registrations[0].daemons.insert("web".into(), false);
    known
}

#[test]
fn stop_tasks_tells_once_each_that_was_not_told_and_then_gives_it_time() {
    let mut known = at_deadline(OnDrainTimeout::StopTasks);
    assert_eq!(step(&known, 99), Step::WaitUntil(at(100)));
    assert_eq!(step(&known, 100), Step::Ask(Ask::StopTasks(vec![task("a", "", "").arn])));
    known.told_to_stop(&task("a", "RUNNING", "STOPPED"), at(100));
    assert!(matches!(step(&known, 100), Step::WaitUntil(_)));
    let give_up = 100 + STOP_GRACE.as_secs();
    look(&mut known, &container_instance("DRAINING", 0), give_up - 1);
    read_tasks(&mut known, &[task("a", "STOPPING", "STOPPED")], give_up - 1);
    assert!(matches!(step(&known, give_up - 1), Step::WaitUntil(_)));
    assert_eq!(outcome(&step(&known, give_up)), Some(Outcome::TimedOut));
    assert_eq!(released(&step(&known, give_up)), Some(LifecycleActionResult::Continue));
}

#[test]
fn proceed_and_abandon_release_at_the_deadline_and_wait_never_does() {
    let known = at_deadline(OnDrainTimeout::Proceed);
    assert_eq!(step(&known, 99), Step::WaitUntil(at(100)));
    assert_eq!(released(&step(&known, 100)), Some(LifecycleActionResult::Continue));
    assert_eq!(outcome(&step(&known, 100)), Some(Outcome::TimedOut));
    assert_eq!(step(&at_deadline(OnDrainTimeout::Abandon), 99), Step::WaitUntil(at(100)));
    assert_eq!(released(&step(&at_deadline(OnDrainTimeout::Abandon), 100)), Some(LifecycleActionResult::Abandon));
    let mut waiting = at_deadline(OnDrainTimeout::Wait);
    for seconds in [100, 701, 170_000, 180_000] {
        waiting.heartbeat_at = Some(at(seconds));
        assert_eq!(released(&step(&waiting, seconds)), None, "{seconds}");
    }
}

#[test]
fn a_release_with_abandon_says_what_becomes_of_the_instance() {
    let detail = |to, retains| {
        let mut known = at_deadline(OnDrainTimeout::Abandon);
        known.departure.cause = Cause::Termination { to };
        if let Some(Hold { by: HeldBy::Ours(ours), .. }) = &mut known.hold {
            ours.retains = retains;
        }
        match step(&known, 100) {
            Step::Ask(Ask::Complete { settled, .. }) => settled.detail,
            other => panic!("{other:?}"),
        }
    };
    let abandoned = "its deadline passed; the policy is abandon";
    assert_eq!(detail(Destination::Ec2, Some(false)), abandoned);
    assert_eq!(detail(Destination::Ec2, Some(true)), format!("{abandoned}; its group retains it, and it runs on"));
    let unknown = format!("{abandoned}, which terminates it unless its group retains such instances");
    assert_eq!(detail(Destination::Ec2, None), unknown);
    let pool = format!("{abandoned}; it goes to its warm pool and runs on");
    assert_eq!(detail(Destination::WarmPool, None), pool);
    let Step::Ask(Ask::Complete { settled, .. }) = step(&at_deadline(OnDrainTimeout::Proceed), 100) else {
        panic!("not released");
    };
    assert_eq!(settled.detail, "its deadline passed; the policy is proceed");
}

#[test]
fn tasks_never_read_are_read_once_before_the_deadline_releases() {
    let mut known = at_deadline(OnDrainTimeout::Proceed);
    known.registrations[0].tasks = None;
    assert_eq!(step(&known, 100), Step::Ask(Ask::Tasks));
    fail(&mut known, Request::Tasks, 100);
    assert_eq!(outcome(&step(&known, 100)), Some(Outcome::TimedOut), "but nothing hangs on it");
}

#[test]
fn what_may_not_be_tried_yet_is_never_asked_for() {
    let all = [
        Request::Hold,
        Request::Location,
        Request::Instance,
        Request::Tasks,
        Request::Services,
        Request::Drain,
        Request::StopTasks,
        Request::Complete,
        Request::Heartbeat,
        Request::Start,
    ];
    let nowhere = Known { place: Place::Nowhere { since: at(0) }, ..held(HeldBy::Ours(ours())) };
    let active = found(&container_instance("ACTIVE", 1), 0);
    let mut stopped = draining(0);
    read_tasks(&mut stopped, &[task("web", "STOPPED", "STOPPED")], 0);
    let read = [OnDrainTimeout::Proceed, OnDrainTimeout::Abandon, OnDrainTimeout::StopTasks, OnDrainTimeout::Wait];
    let read = read.map(at_deadline);
    let mut unread = read.clone();
    unread.iter_mut().for_each(|known| known.registrations[0].tasks = None);
    let states = [met(termination()), held(HeldBy::Ours(ours())), nowhere, active, stopped, draining(0)];
    for known in states.into_iter().chain(read).chain(unread) {
        for seconds in [0, 1, 85, 100, 699, 700, 3_600, 4_200, 9_000] {
            let mut known = Known { asked_start: false, ..known.clone() };
            all.iter().for_each(|what| known.patience.hold_back(*what, at(seconds + 3)));
            let next = step(&known, seconds);
            let waits = matches!(next, Step::WaitUntil(time) if time > at(seconds));
            assert!(waits || matches!(next, Step::Settled(_)), "at {seconds} s: {next:?} of {known:#?}");
        }
    }
}

#[test]
fn the_deadline_leaves_room_before_awss_own_limit() {
    let mut known = draining(1);
    known.hold = Some(Hold {
        read_at: at(0),
        by: HeldBy::Ours(Ours { heartbeat_timeout: Some(Duration::from_secs(30)), ..ours() }),
    });
    let deadlines = deadlines(&known, &terms(&known));
    assert_eq!(deadlines.stop_at, at(3_000 - 600));
    assert_eq!(deadlines.give_up_at, Some(at(3_000)));
    let short = Ours { heartbeat_timeout: Some(Duration::from_secs(4)), ..ours() };
    known.hold = Some(Hold { read_at: at(0), by: HeldBy::Ours(short) });
    let deadlines = super::deadlines(&known, &terms(&known));
    assert_eq!((deadlines.stop_at, deadlines.give_up_at), (at(300), Some(at(400))), "a quarter of a short limit");
}

#[test]
fn what_an_earlier_version_wrote_on_the_host_decides_nothing() {
    let mut instance = container_instance("DRAINING", 1);
    for name in ["drain-started-at", "agent-lost-at", "released-at"] {
        instance.attributes.insert(format!("ecs-drainer.{name}"), "2026-01-15T10:00:00.000Z".into());
    }
    let (known, plain) = (found(&instance, 0), found(&container_instance("DRAINING", 1), 0));
    assert_eq!(deadlines(&known, &terms(&known)), deadlines(&plain, &terms(&plain)));
    for seconds in [0, 10, 3_600, 4_200] {
        assert_eq!(step(&known, seconds), step(&plain, seconds), "{seconds}");
    }
}

#[test]
fn standalone_tasks_are_stopped_at_once_where_asked() {
    let overrides = Overrides { standalone_tasks: Some(StandaloneTasks::Stop), ..Overrides::default() };
    let mut known = draining(2);
    known.hold = Some(Hold { read_at: at(0), by: HeldBy::Ours(Ours { overrides, ..ours() }) });
    assert_eq!(step(&known, 1), Step::Ask(Ask::Tasks));
    read_tasks(&mut known, &[standalone("job"), task("web", "RUNNING", "RUNNING")], 1);
    assert_eq!(step(&known, 1), Step::Ask(Ask::StopTasks(vec![standalone("job").arn])));
    let job = Task { desired_status: "STOPPED".into(), ..standalone("job") };
    read_tasks(&mut known, &[job, task("web", "RUNNING", "RUNNING")], 1);
    look(&mut known, &container_instance("DRAINING", 1), 10);
    assert_eq!(step(&known, 10), Step::WaitUntil(at(20)), "a list is not asked for at every look");
    look(&mut known, &container_instance("DRAINING", 1), 40);
    assert_eq!(step(&known, 40), Step::Ask(Ask::Tasks), "but now and then, for a new one");
    let mut known = draining(2);
    read_tasks(&mut known, &[standalone("job"), task("web", "RUNNING", "RUNNING")], 1);
    known.hold = Some(Hold { read_at: at(0), by: HeldBy::Ours(ours()) });
    assert_eq!(step(&known, 1), Step::WaitUntil(at(10)), "the default waits");
}

//! Spot's notices from the queue, slice by slice.

use std::collections::BTreeMap;

use serde_json::json;
use simulator::lambda::{EventSource, Fleet, Outcome, sqs_batch};
use simulator::sqs::QueueSpec;
use simulator::world::{HostSpec, Operation, ServiceSpec, Settings, TaskSpec, World};

use crate::spot::{daemon, held, held_on_leaving, interrupt, interrupted, killed, killed_in_the_end, told};
use crate::support::{CLUSTER, GROUP, NOTICES, STAYING, Stage, bare_world, host, secs, service, standalone, world};
use crate::waiting::{Invoked, play, sent};

/// The setting that the mapping of spot-interruption should have: a batch of ten for each of a thousand hosts.
const CONCURRENCY: usize = 100;
/// A slice, and the queue's visibility timeout.
const SLICE: f64 = 30.0;
/// How long after a slice's end the function counts on the next to look, at most.
const NEXT_SLICE_TAKES: f64 = 10.0;
/// The time from the invocation of a new environment to its first look: a cold start, and finding its hosts.
const TO_LOOK: f64 = 4.0;

fn queue(visibility: f64) -> QueueSpec {
    QueueSpec { visibility_timeout: secs(visibility), ..NOTICES }
}

fn of_slices(visibility: f64) -> EventSource {
    EventSource::new(queue(visibility))
}

/// The longest from the end of a slice to the invocation of the next for the same host, when each takes all its time.
fn longest_gap(hosts: u32, concurrency: usize, slice_lasts: f64) -> f64 {
    let (mut ended, mut gap) = (BTreeMap::<String, f64>::new(), 0.0_f64);
    // The hosts go when their notice is two minutes old.
    play(queue(SLICE), concurrency, (0..hosts).map(|n| f64::from(n) / f64::from(hosts)).collect(), |now, batch| {
        for message in &batch.messages {
            if let Some(ended) = ended.insert(message.body.clone(), now + SLICE) {
                gap = gap.max(now - ended);
            }
        }
        Invoked { lasts: slice_lasts, done: sent(batch).all(|at| now - at > 90.0) }
    });
    gap
}

#[test]
fn the_next_slice_looks_as_soon_as_the_one_before_counts_on() {
    for hosts in [1, 10, 100, 1_000] {
        for slice_lasts in [SLICE, SLICE - 3.0] {
            let gap = longest_gap(hosts, CONCURRENCY, slice_lasts);
            assert!(gap + TO_LOOK < NEXT_SLICE_TAKES, "{hosts} hosts, slices of {slice_lasts} s: {gap:.2} s");
        }
    }
}

/// The longest that any host waits for its first slice.
fn longest_wait(hosts: usize, concurrency: usize) -> f64 {
    let mut waited = 0.0_f64;
    play(queue(SLICE), concurrency, vec![0.0; hosts], |now, _| {
        waited = waited.max(now);
        // It answers before its message can be received again, which is counted from the receive.
        Invoked { lasts: SLICE - 3.0, done: true }
    });
    waited
}

#[test]
fn the_first_slice_begins_in_time() {
    for (hosts, most) in [(1, 0.1), (50, 0.1), (100, 1.1), (1_000, 20.0)] {
        let waited = longest_wait(hosts, CONCURRENCY);
        assert!(waited < most, "{hosts} hosts: {waited:.2} s");
    }
    let waited = longest_wait(1_000, 50);
    assert!(waited > SLICE, "where only fifty batches are served at a time: {waited:.2} s");
}

#[tokio::test]
async fn a_notice_that_a_slice_does_not_finish_comes_again_until_it_is_done() {
    let mut world = world();
    standalone(&mut world, Some(9.0), 0.5);
    let stage = interrupted(world, 30.0);
    let (source, function) = (of_slices(16.0), stage.spot(&[], secs(16.0)));
    source.send(stage.event.to_string());

    let slices = source.feed(&function).await;

    assert!(slices.len() >= 2, "{slices:#?}");
    let (last, before) = slices.split_last().unwrap();
    let unfinished = json!({"batchItemFailures": [{"itemIdentifier": "message-1"}]});
    assert!(before.iter().all(|slice| slice.outcome.answer() == Some(&unfinished)), "{before:#?}");
    assert_eq!(last.outcome.answer(), Some(&json!({"batchItemFailures": []})));
    assert_eq!(source.dead_letters(), [""; 0]);
    assert_eq!(stage.count(Operation::ListClusters), 1, "a warm environment remembers where it was");
}

#[tokio::test]
async fn a_stop_that_would_fall_between_two_slices_is_done_before_the_first_ends() {
    let mut world = world();
    standalone(&mut world, None, 0.5);
    // 40 s are left, 15 of them before the lead: a slice of 14 s polls for 11, and the next is sure to look after 24.
    let stage = interrupted(world, 80.0);
    let function = stage.spot(&[("SPOT_STOP_LEAD_SECONDS", "25")], secs(14.0));

    let slice = function.invoke(&sqs_batch([stage.event.to_string()])).await;

    assert_eq!(slice.outcome.answer(), Some(&json!({"batchItemFailures": []})), "it is done, too");
    assert_eq!(told(&stage), ["family:job"]);
}

#[tokio::test]
async fn never_lost_the_next_slice_follows_one_that_was_killed_and_no_task_dies() {
    let mut world = world();
    service(&mut world, 2, 0.5, 1.0);
    held_on_leaving(&mut world, 1.0, Some((2.0, true)));
    daemon(&mut world, 1.0);
    standalone(&mut world, None, 2.0);
    let stage = interrupted(world, 88.0);
    let source = of_slices(4.0);
    source.send(stage.event.to_string());
    let function = stage.spot(&[("SPOT_STOP_LEAD_SECONDS", "20")], secs(4.0));

    let kills = async {
        // In the search, right after DRAINING, and when the first task was told to stop.
        for operation in
            [Operation::ListContainerInstances, Operation::UpdateContainerInstancesState, Operation::StopTask]
        {
            let asked = move |world: &World| world.count(operation) > 0;
            assert!(stage.simulator.wait_for(secs(30.0), asked).await, "{operation}");
            function.kill();
        }
    };
    let (slices, ()) = tokio::join!(source.feed(&function), kills);

    let died = slices.iter().filter(|slice| matches!(slice.outcome, Outcome::Exited(_))).count();
    assert!(died >= 2, "{slices:#?}");
    assert_eq!(killed_in_the_end(&stage).await, [""; 0]);
    assert_eq!(source.dead_letters(), [""; 0]);
}

#[tokio::test]
async fn a_hundred_hosts_in_the_same_second_under_awss_quotas_and_no_task_dies() {
    let latency = secs(0.010)..secs(0.030);
    let mut world = bare_world(Settings { latency, ..Settings::default() });
    let ids: Vec<_> = (1..=100).map(|n| format!("i-{n:017x}")).collect();
    for id in &ids {
        host(&mut world, id, Some(CLUSTER));
    }
    let moves = ServiceSpec {
        cluster: CLUSTER.into(),
        name: "web".into(),
        desired: 100,
        deregistration: Some(secs(2.0)),
        start_time: secs(1.0),
        stop_time: secs(2.0),
        ..ServiceSpec::default()
    };
    world.add_service(moves).unwrap();
    world.add_service(held(50, 4.0, Some((3.0, false)))).unwrap();
    world.add_service(held(50, 4.0, Some((3.0, true)))).unwrap();
    for (n, id) in ids.iter().enumerate() {
        let job = TaskSpec {
            cluster: CLUSTER.into(),
            instance_id: id.clone(),
            finishes_after: (n % 2 == 0).then(|| secs(10.0)),
            stop_time: secs(5.0),
            ..TaskSpec::default()
        };
        world.run_task(job).unwrap();
    }
    let roomy = HostSpec {
        instance_id: Some(STAYING.into()),
        cluster: Some(CLUSTER.into()),
        group: Some(GROUP.into()),
        slots: 500,
        ..HostSpec::default()
    };
    world.add_host(roomy).unwrap();
    daemon(&mut world, 3.0);
    let stage = Stage::idle(world);
    let source = of_slices(30.0);
    for id in &ids {
        source.send(interrupt(&stage.simulator, id, 75.0).to_string());
    }
    // As it is deployed; 15 s before the lead, 45 s in all.
    let variables = [("SPOT_STOP_LEAD_SECONDS", "30"), ("POLL_MIN_SECONDS", "2"), ("POLL_MAX_SECONDS", "15")];
    let fleet = Fleet::new(|| Ok(stage.spot(&variables, secs(30.0))));

    source.feed_fleet(&fleet).await;

    let off = |world: &World| ids.iter().all(|id| !world.host(id).unwrap().powered);
    assert!(stage.simulator.wait_for(secs(120.0), off).await);
    assert_eq!(killed(&stage), [""; 0]);
    stage.simulator.world(|world| {
        let requests = |operation| world.count(operation);
        println!("calls for a hundred interrupted hosts:");
        for operation in Operation::ALL.into_iter().filter(|operation| requests(*operation) > 0) {
            println!("  {operation}: {}", requests(operation));
        }
        assert_eq!(world.count(Operation::UpdateContainerInstancesState), 10);
        let in_lists = requests(Operation::ListTasks) + requests(Operation::DescribeTasks);
        assert!(in_lists < 500, "a list of each host alone would be 200, and ten batches look many times: {in_lists}");
    });
    assert_eq!(source.dead_letters(), [""; 0]);
}

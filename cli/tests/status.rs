//! `status` and `watch`.

use simulator::world::{Fault, FaultKind, GroupSpec, HookSpec, HostSpec, Operation};

use crate::support::{CLUSTER, GROUP, HOST, OTHER, Stage, remembered, secs, service, standalone, world, world_since};

/// Hours ago, as an attribute has it.
fn ago(seconds: i64) -> String {
    let time = simulator::clock::wall_now() - jiff::SignedDuration::from_secs(seconds);
    format!("{time:.3}")
}

#[tokio::test]
async fn nothing_drains() {
    let stage = Stage::of(world());
    let ran = stage.run(&["status"]).await;
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    ran.says(
        "Nothing drains. Region us-west-2 was looked at, with 1 cluster. Deadlines are those of the default settings",
    );
    let watched = stage.run(&["watch", "--json"]).await;
    assert_eq!(watched.json()["drains"].as_array().map(Vec::len), Some(0), "and there is nothing to watch");
}

#[tokio::test]
async fn a_terminating_host_is_told_with_since_when_why_what_is_left_and_what_comes() {
    let mut world = world_since(300.0);
    service(&mut world, "payments", 100);
    standalone(&mut world, None);
    world.set_status(HOST, "DRAINING").unwrap();
    world.scale_in(HOST, world.now()).unwrap();
    let stage = Stage::of(world);

    let ran = stage.run(&["status", "--json"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    let document = ran.json();
    let [drain] = document["drains"].as_array().unwrap().as_slice() else { panic!("{document}") };
    assert_eq!(drain["instanceId"], HOST);
    assert_eq!((&drain["cluster"], &drain["group"]), (&CLUSTER.into(), &GROUP.into()));
    assert_eq!((&drain["status"], &drain["cause"]), (&"DRAINING".into(), &"termination".into()));
    assert_eq!(drain["tasksLeft"], 2);
    let time = |value: &serde_json::Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let timeout = time(&drain["deadline"]).duration_since(time(&drain["since"]));
    assert_eq!(timeout.as_secs(), 3600, "the default settings, for there is no stack");
    assert_eq!(
        (&drain["next"]["at"], &drain["next"]["what"]),
        (&drain["deadline"], &"what is left is told to stop".into())
    );
    let whys: Vec<_> = drain["remaining"].as_array().unwrap().iter().map(|it| it["why"].as_str().unwrap()).collect();
    assert!(whys.iter().any(|why| why.starts_with("its service may have neither fewer tasks nor more")), "{whys:?}");
    assert!(whys.iter().any(|why| why.starts_with("no service owns it")), "{whys:?}");

    let ran = stage.run(&["status"]).await;
    for words in [
        "1 instance drains, 2 tasks left.",
        "cause termination",
        "since 5m",
        "deadline in 54m",
        "what is left is told to stop",
        "family:job",
        "no service owns it",
        "service:payments",
        "its service may have neither fewer tasks nor more",
        "default settings, for there is no stack ecs-drainer in region us-west-2",
    ] {
        ran.says(words);
    }
    assert!(stage.is_untouched());
}

#[tokio::test]
async fn a_host_that_is_not_draining_yet_is_told_and_one_that_waits_on_others_hooks() {
    let mut world = world();
    let hooks = vec![HookSpec::terminating("backup", secs(900.0))];
    world.add_group(GroupSpec { name: "others".into(), hooks, ..GroupSpec::default() }).unwrap();
    let spec = HostSpec {
        instance_id: Some("i-0bbbbbbbbbbbbbbbb".into()),
        cluster: Some(CLUSTER.into()),
        group: Some("others".into()),
        ..HostSpec::default()
    };
    world.add_host(spec).unwrap();
    let now = world.now();
    world.scale_in(HOST, now).unwrap();
    world.scale_in("i-0bbbbbbbbbbbbbbbb", now).unwrap();
    let stage = Stage::of(world);
    let ran = stage.run(&["status"]).await;
    ran.says("i-1234567890abcdef0 ACTIVE");
    ran.says("set DRAINING within a minute, or the drainer does not work: ecs-drainer check");
    ran.says("termination, not ours");
    ran.says("its group has no hook of the drainer, so the drainer does not wait for its tasks");
}

#[tokio::test]
async fn a_draining_host_of_unknown_cause_is_told_as_such_and_an_empty_one_is_nothing_to_wait_for() {
    let mut world = world();
    standalone(&mut world, None);
    world.set_status(HOST, "DRAINING").unwrap();
    world.set_status(OTHER, "DRAINING").unwrap();
    remembered(&mut world, OTHER, "ecs-drainer.maintenance-since", &ago(7300));
    let stage = Stage::of(world);
    let ran = stage.run(&["status"]).await;
    ran.says("1 instance drains, 1 task left, 1 is empty.");
    ran.says("cause not known since not known");
    ran.says("cause maintenance since 2h 1m");
    ran.says("it is empty, and stays DRAINING until ecs-drainer undrain");
    let order: Vec<_> = ran.out.lines().filter(|line| line.starts_with("i-")).collect();
    assert!(order[0].starts_with(HOST) && order[1].starts_with(OTHER), "open ones first: {order:?}");
}

#[tokio::test]
async fn one_cluster_is_looked_at_alone() {
    let mut world = world();
    world.add_cluster("staging").unwrap();
    let spec = HostSpec {
        instance_id: Some("i-0bbbbbbbbbbbbbbbb".into()),
        cluster: Some("staging".into()),
        ..HostSpec::default()
    };
    world.add_host(spec).unwrap();
    world.set_status(HOST, "DRAINING").unwrap();
    world.set_status("i-0bbbbbbbbbbbbbbbb", "DRAINING").unwrap();
    let stage = Stage::of(world);
    let ids = async |arguments: &[&str]| {
        let drains = stage.run(arguments).await.json()["drains"].as_array().unwrap().clone();
        drains.iter().map(|drain| drain["instanceId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["status", "--json", "--cluster", "staging"]).await, ["i-0bbbbbbbbbbbbbbbb"]);
    assert_eq!(ids(&["status", "--json"]).await, ["i-0bbbbbbbbbbbbbbbb", HOST]);
}

#[tokio::test]
async fn a_host_in_no_cluster_is_shown_unless_a_cluster_was_asked_for() {
    let mut world = world();
    let spec =
        HostSpec { instance_id: Some("i-0bbbbbbbbbbbbbbbb".into()), group: Some(GROUP.into()), ..HostSpec::default() };
    world.add_host(spec).unwrap();
    world.scale_in("i-0bbbbbbbbbbbbbbbb", world.now()).unwrap();
    let stage = Stage::of(world);
    let ran = stage.run(&["status"]).await;
    ran.says("i-0bbbbbbbbbbbbbbbb ?");
    ran.says("it is in no cluster: released within a minute");
    let ran = stage.run(&["status", "--cluster", "prod"]).await;
    ran.says("Nothing drains. Cluster prod of region us-west-2 was looked at.");
}

#[tokio::test]
async fn nobody_elses_business_a_host_that_is_not_in_ecs_and_waits_on_anothers_hook_is_not_shown() {
    let mut world = world();
    let hooks = vec![HookSpec::terminating("backup", secs(900.0))];
    world.add_group(GroupSpec { name: "databases".into(), hooks, ..GroupSpec::default() }).unwrap();
    let id = "i-0bbbbbbbbbbbbbbbb";
    let spec = HostSpec { instance_id: Some(id.into()), group: Some("databases".into()), ..HostSpec::default() };
    world.add_host(spec).unwrap();
    world.scale_in(id, world.now()).unwrap();
    let stage = Stage::of(world);
    stage.run(&["status"]).await.says("Nothing drains.");
}

#[tokio::test]
async fn a_throttled_look_is_looked_again_and_a_watch_says_when_its_picture_is_old() {
    let mut world = world();
    standalone(&mut world, Some(6.0));
    world.set_status(HOST, "DRAINING").unwrap();
    world.plan(Fault::times(Operation::ListClusters, 2, FaultKind::Throttle));
    let stage = Stage::of(world);
    let ran = stage.run(&["status"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.says("1 instance drains");
    // As many as one look tries.
    stage.0.world(|world| {
        world.plan(Fault { after: 1, ..Fault::times(Operation::ListClusters, 5, FaultKind::Throttle) });
    });
    let ran = stage.run(&["watch", "--every", "1s", "--json"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    let looks: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed = looks.iter().position(|look| look["failure"].is_string()).expect("a failed look");
    assert!(
        failed > 0 && looks[failed]["at"] == looks[failed - 1]["at"],
        "its time is that of the picture: {looks:#?}"
    );
    assert!(looks.last().unwrap()["failure"].is_null());
}

#[tokio::test]
async fn a_watch_that_is_no_terminal_tells_again_and_again_until_nothing_is_left() {
    let mut world = world();
    standalone(&mut world, Some(2.5));
    world.set_status(HOST, "DRAINING").unwrap();
    let stage = Stage::of(world);
    let ran = stage.run(&["watch", "--every", "1s"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    let pictures = ran.out.matches("1 instance drains, 1 task left.").count();
    assert!((2..=4).contains(&pictures), "{}", ran.out);
    assert!(ran.out.contains("1 is empty, and nothing is left to wait for."), "{}", ran.out);

    let ran = stage.run(&["watch", "--json"]).await;
    assert_eq!(ran.json()["drains"][0]["tasksLeft"], 0, "a document for each look, one on a line");
}

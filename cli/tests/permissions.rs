//! What each command asks of AWS is what docs/command.md says that it takes, and no more.

use std::collections::{BTreeMap, BTreeSet};

use simulator::world::World;

use crate::support::{GROUP, HOST, OTHER, PERSON, Stage, deployed, remembered, service, standalone, world};

/// A world in which there is something of everything.
fn busy_world() -> World {
    let mut world = world();
    service(&mut world, "web", 200);
    service(&mut world, "payments", 100);
    standalone(&mut world, None);
    deployed(world, &[])
}

/// The same with a host that drains and one that is about to be terminated.
fn draining_world() -> World {
    let mut world = busy_world();
    world.set_status(HOST, "DRAINING").unwrap();
    remembered(&mut world, HOST, "ecs-drainer.maintenance-since", "2026-01-15T20:00:00Z");
    world.scale_in(OTHER, world.now()).unwrap();
    world
}

/// The actions that the command asked for in this world.
async fn asked(world: World, arguments: &[&str]) -> BTreeSet<String> {
    let stage = Stage::of(world);
    let ran = stage.run(arguments).await;
    assert_eq!(ran.status, 0, "{arguments:?}: {ran:?}");
    stage.0.world(|world| {
        let own = world.requests().iter().filter(|it| it.client == PERSON);
        own.map(|it| it.request.operation().action()).collect()
    })
}

/// The table's rows, by command.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/command.md")).unwrap();
    let (_, table) = text.split_once("| command | actions |\n|---|---|\n").expect("the table");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let (command, actions) = line.trim_matches('|').split_once('|').unwrap();
        let words = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let command = words(command).first().unwrap().clone();
        (command, words(actions).into_iter().collect())
    };
    rows.map(row).collect()
}

#[tokio::test]
async fn each_command_asks_for_what_is_documented() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add =
        |command: &str, actions: BTreeSet<String>| found.entry(command.to_owned()).or_default().extend(actions);
    add("status", asked(draining_world(), &["status"]).await);
    add("status", asked(draining_world(), &["status", "--cluster", "prod"]).await);
    add("drain", asked(busy_world(), &["drain", HOST, "--yes", "--deadline", "2s", "--cluster", "prod"]).await);
    let mut drained_before = busy_world();
    remembered(&mut drained_before, HOST, "ecs-drainer.drain-started-at", "2026-01-15T20:00:00Z");
    add("drain", asked(drained_before, &["drain", HOST, "--yes", "--deadline", "1s"]).await);
    add("undrain", asked(draining_world(), &["undrain", HOST]).await);
    add("undrain", asked(draining_world(), &["undrain", HOST, "--cluster", "prod"]).await);
    add("enroll", asked(busy_world(), &["enroll", GROUP, "--heartbeat", "1h", "--cluster", "prod", "--yes"]).await);
    add("unenroll", asked(busy_world(), &["unenroll", GROUP, "--yes"]).await);
    let mut world = busy_world();
    let provider = simulator::world::CapacityProviderSpec {
        name: "fleet".into(),
        cluster: "prod".into(),
        group: GROUP.into(),
        managed_draining: false,
    };
    world.add_capacity_provider(provider).unwrap();
    add("check", asked(world, &["check"]).await);
    assert_eq!(found, documented());
}

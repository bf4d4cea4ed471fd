//! What each command asks of AWS is what docs/command.md says that it takes, and no more; with the policy that the page
//! describes it is refused nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use simulator::cloudformation::Template;
use simulator::iam::Permissions;
use simulator::world::{GroupSpec, HostSpec, Settings, WarmPoolSpec, WarmPoolState, World};

use crate::support::{CLUSTER, GROUP, HOST, OTHER, PERSON, Stage, deployed, remembered, service, standalone, world};

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

/// The actions that the command asked for in this world, with no right but those of the page.
async fn asked(mut world: World, arguments: &[&str]) -> BTreeSet<String> {
    let command = *arguments.first().unwrap();
    world.restrict(PERSON, policy(documented().get(command).expect("a row")));
    let stage = Stage::of(world);
    let ran = stage.run(arguments).await;
    assert_eq!(ran.status, 0, "{arguments:?}: {ran:?}");
    stage.0.world(|world| {
        // Some of what is refused the command does without, and says nothing.
        assert!(world.denied().is_empty(), "{arguments:?}: {:#?}", world.denied());
        let own = world.requests().iter().filter(|it| it.client == PERSON);
        own.map(|it| it.request.operation().action()).collect()
    })
}

/// The rows of the page's table with this head: of each cell what is in backticks.
fn table(head: &str) -> Vec<Vec<Vec<String>>> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/command.md")).unwrap();
    let (_, table) = text.split_once(head).expect("the table");
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(words).collect()).collect()
}

/// The actions that each command takes.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let row = |row: Vec<Vec<String>>| {
        let [command, actions] = row.try_into().expect("two cells");
        (command.into_iter().next().unwrap(), actions.into_iter().collect())
    };
    table("| command | actions |").into_iter().map(row).collect()
}

/// A policy for these actions, each on the resource that the page gives it, and in this cluster alone where it takes the
/// key.
fn policy(actions: &BTreeSet<String>) -> Permissions {
    let settings = Settings::default();
    let here = |arn: &str| arn.replace("REGION", &settings.region).replace("ACCOUNT", &settings.account);
    let cluster = here(&format!("arn:aws:ecs:REGION:ACCOUNT:cluster/{CLUSTER}"));
    let mut left = actions.clone();
    let mut statements = Vec::new();
    for row in table("| actions | resource | condition key |") {
        let [of_row, resources, keys] = row.try_into().expect("three cells");
        let wanted: Vec<_> = of_row.into_iter().filter(|action| left.remove(action)).collect();
        let resources: Vec<_> = resources.iter().map(|resource| here(resource)).collect();
        if wanted.is_empty() {
            continue;
        }
        let in_cluster: BTreeMap<_, _> = keys.into_iter().map(|key| (key, cluster.clone())).collect();
        let condition = if in_cluster.is_empty() { json!({}) } else { json!({"ArnEquals": in_cluster}) };
        statements.push(json!({"Effect": "Allow", "Action": wanted, "Resource": resources, "Condition": condition}));
    }
    assert!(left.is_empty(), "without a resource on the page: {left:?}");
    let document: Value = json!({"Version": "2012-10-17", "Statement": statements});
    let role = json!({"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": document}]}});
    let template = Template::parse(&json!({"Resources": {"Person": role}}).to_string()).unwrap();
    let stack = template.deployed(settings.place("people"), &[]).unwrap();
    Permissions::of_role(&stack, "Person").unwrap()
}

/// A host that is terminated, in a group with an instance in its warm pool.
fn pooled_world() -> World {
    let mut world = busy_world();
    let pool = WarmPoolSpec { state: WarmPoolState::Running, reuse_on_scale_in: true };
    world.add_group(GroupSpec { name: "warm".into(), warm_pool: Some(pool), ..GroupSpec::default() }).unwrap();
    let id = "i-0bbbbbbbbbbbbbbbb";
    world
        .add_host(HostSpec { instance_id: Some(id.into()), group: Some("warm".into()), ..HostSpec::default() })
        .unwrap();
    let now = world.now();
    world.return_to_warm_pool(id, now).unwrap();
    world.scale_in(HOST, now).unwrap();
    world
}

#[tokio::test]
async fn each_command_asks_for_what_is_documented() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add =
        |command: &str, actions: BTreeSet<String>| found.entry(command.to_owned()).or_default().extend(actions);
    add("status", asked(draining_world(), &["status"]).await);
    add("status", asked(draining_world(), &["status", "--cluster", "prod"]).await);
    add("drain", asked(busy_world(), &["drain", HOST, "--yes", "--deadline", "2s", "--cluster", "prod"]).await);
    add("status", asked(pooled_world(), &["status"]).await);
    add("drain", asked(busy_world(), &["drain", HOST, "--yes", "--deadline", "1s"]).await);
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

//! A simulated world, and the command in it.

use std::ffi::OsStr;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use simulator::clock::wall_now;
use simulator::cloudformation::Template;
use simulator::wire::Simulator;
use simulator::world::{
    Attribute, EcsRequest, GroupSpec, HookSpec, HostSpec, Operation, ServiceSpec, Settings, TaskSpec, World,
};
use tokio::process::Command;

pub(crate) const CLUSTER: &str = "prod";
pub(crate) const GROUP: &str = "my-asg";
pub(crate) const HOOK: &str = "ecs-drainer";
pub(crate) const HOST: &str = "i-1234567890abcdef0";
pub(crate) const OTHER: &str = "i-0aaaaaaaaaaaaaaaa";
/// The access key id that the command signs with, by which the simulator knows it.
pub(crate) const PERSON: &str = "AKIAIOSFODNN7EXAMPLE";

pub(crate) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A cluster of two hosts in a group with our hook.
pub(crate) fn world() -> World {
    world_since(0.0)
}

/// The same, as it was so many seconds ago.
pub(crate) fn world_since(ago: f64) -> World {
    let mut world = bare_world_since(ago, vec![HookSpec::terminating(HOOK, secs(900.0))]);
    host(&mut world, HOST);
    host(&mut world, OTHER);
    world
}

/// `template.yaml`, read.
pub(crate) static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap();
    Template::parse(&text).unwrap()
});

/// The world with the template deployed in it.
pub(crate) fn deployed(mut world: World, parameters: &[(&str, &str)]) -> World {
    let stack = TEMPLATE.deployed(world.settings().place("ecs-drainer"), parameters).unwrap();
    world.deploy(&stack).unwrap();
    world
}

/// A cluster without hosts, and a group with these hooks.
pub(crate) fn bare_world(hooks: Vec<HookSpec>) -> World {
    bare_world_since(0.0, hooks)
}

fn bare_world_since(ago: f64, hooks: Vec<HookSpec>) -> World {
    let mut world = World::new(wall_now() - secs(ago), Settings::default());
    world.add_cluster(CLUSTER).unwrap();
    world.add_group(GroupSpec { name: GROUP.into(), hooks, ..GroupSpec::default() }).unwrap();
    world
}

/// The same, of a group that keeps what ends with ABANDON.
pub(crate) fn retaining_world(hooks: Vec<HookSpec>) -> World {
    let mut world = World::new(wall_now(), Settings::default());
    world.add_cluster(CLUSTER).unwrap();
    world.add_group(GroupSpec { name: GROUP.into(), hooks, retains_on_abandon: true, ..GroupSpec::default() }).unwrap();
    world
}

/// A cluster as AWS Batch names them.
pub(crate) const BATCH: &str = "nightly_Batch_6d67ab71-4455-3613-b981-4c30a030fb90";

/// Puts a host of AWS Batch there, in a group of its own with these hooks.
pub(crate) fn batch_host(world: &mut World, hooks: Vec<HookSpec>) {
    world.add_cluster(BATCH).unwrap();
    world.add_group(GroupSpec { name: "nightly-asg".into(), hooks, ..GroupSpec::default() }).unwrap();
    let spec = HostSpec { cluster: Some(BATCH.into()), group: Some("nightly-asg".into()), ..HostSpec::default() };
    world.add_host(spec).unwrap();
}

pub(crate) fn host(world: &mut World, instance_id: &str) {
    let spec = HostSpec {
        instance_id: Some(instance_id.into()),
        cluster: Some(CLUSTER.into()),
        group: Some(GROUP.into()),
        ..HostSpec::default()
    };
    world.add_host(spec).unwrap();
}

/// A service with one task on [`HOST`], which leaves it within a second or so.
pub(crate) fn service(world: &mut World, name: &str, maximum_percent: u32) {
    let spec = ServiceSpec {
        cluster: CLUSTER.into(),
        name: name.into(),
        maximum_percent,
        start_time: secs(0.2),
        stop_time: secs(0.3),
        ..ServiceSpec::default()
    };
    world.add_service_with_tasks_on(spec, HOST).unwrap();
}

/// A task on [`HOST`] that no service owns.
pub(crate) fn standalone(world: &mut World, finishes_after: Option<f64>) {
    let spec = TaskSpec {
        cluster: CLUSTER.into(),
        instance_id: HOST.into(),
        family: "job".into(),
        stop_time: secs(0.3),
        finishes_after: finishes_after.map(secs),
        ..TaskSpec::default()
    };
    world.run_task(spec).unwrap();
}

/// Writes an attribute on a host, as an operator.
pub(crate) fn remembered(world: &mut World, instance_id: &str, name: &str, value: &str) {
    let target = world.registrations(instance_id).next().unwrap().arn.clone();
    let attribute = Attribute {
        name: name.into(),
        value: Some(value.into()),
        target_type: Some("container-instance".into()),
        target_id: Some(target),
    };
    let request = EcsRequest::PutAttributes { cluster: Some(CLUSTER.into()), attributes: vec![attribute] };
    let now = world.now();
    assert!(world.request(now, "an-operator", request).answer.is_ok());
}

/// A running simulator.
pub(crate) struct Stage(pub(crate) Simulator);

/// The output of the command, and its exit status.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Stage {
    /// A little later, so that what was scaled in waits.
    pub(crate) fn of(mut world: World) -> Self {
        let waits_after = world.settings().wait_begins_after;
        world.advance(wall_now().max(world.now() + waits_after));
        Self(Simulator::start(world).unwrap())
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        let url = self.0.url();
        run(&[("AWS_ENDPOINT_URL", &url), ("AWS_REGION", "us-west-2"), ("AWS_ACCESS_KEY_ID", PERSON)], arguments).await
    }

    pub(crate) fn status_of(&self, instance_id: &str) -> String {
        self.0.world(|world| world.registrations(instance_id).next().unwrap().status.clone())
    }

    pub(crate) fn attribute(&self, instance_id: &str, name: &str) -> Option<String> {
        self.0.world(|world| world.registrations(instance_id).next()?.attributes.get(name).cloned().flatten())
    }

    pub(crate) fn count(&self, operation: Operation) -> usize {
        self.0.world(|world| world.count(operation))
    }

    /// The command has asked AWS for no change.
    pub(crate) fn is_untouched(&self) -> bool {
        let writes = [
            Operation::UpdateContainerInstancesState,
            Operation::StopTask,
            Operation::PutAttributes,
            Operation::DeleteAttributes,
            Operation::PutLifecycleHook,
            Operation::DeleteLifecycleHook,
            Operation::CompleteLifecycleAction,
            Operation::RecordLifecycleActionHeartbeat,
        ];
        self.0.world(|world| {
            let asked = world.requests().iter().filter(|it| it.client == PERSON).map(|it| it.request.operation());
            asked.filter(|operation| writes.contains(operation)).count() == 0
        })
    }
}

/// Runs the command with these variables, and nothing else of this machine's.
pub(crate) async fn run(variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, OsStr::new(value))).collect();
    run_os(&variables, arguments).await
}

/// The same with values that may be no text.
pub(crate) async fn run_os(variables: &[(&str, &OsStr)], arguments: &[&str]) -> Ran {
    let command = Command::new(env!("CARGO_BIN_EXE_ecs-drainer"))
        .args(arguments)
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(secs(20.0), command).await.expect("it ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

impl Ran {
    /// Standard output, which is one document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        let all = format!("{}\n{}", self.out, self.err).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(all.contains(words), "{words:?} is missing:\n{}{}", self.out, self.err);
    }
}

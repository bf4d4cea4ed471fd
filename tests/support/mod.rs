//! A stage for the real binaries: a simulated world, a function in it, and what to ask of both.

pub(crate) mod delivery;
pub(crate) mod engine;
pub(crate) mod model;
pub(crate) mod sources;
pub(crate) mod template;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use shared::invocation::FULL_BATCH;
use simulator::clock::wall_now;
use simulator::lambda::{Function, FunctionSpec, Invocation, Outcome};
use simulator::sqs::QueueSpec;
use simulator::wire::Simulator;
use simulator::world::{
    Attribute, Denied, EcsRequest, GroupSpec, HookSpec, HostSpec, LastStatus, Operation, Outcome as RequestOutcome,
    Recorded, Release, ServiceSpec, Settings, TaskSpec, World,
};

use self::template::{deployed, permissions};

pub(crate) const CLUSTER: &str = "prod";
pub(crate) const GROUP: &str = "my-asg";
pub(crate) const HOOK: &str = "ecs-drainer";
pub(crate) const LEAVING: &str = "i-1234567890abcdef0";
pub(crate) const STAYING: &str = "i-0aaaaaaaaaaaaaaaa";

/// From a termination to the function that its event wakes.
const NOTICED_AFTER: Duration = Duration::from_millis(500);

/// The queues as the template has them: a message comes again after a slice of `spot-interruption`, or a minute.
pub(crate) const NOTICES: QueueSpec = QueueSpec {
    visibility_timeout: Duration::from_secs(30),
    max_receive_count: 10,
    batch_size: FULL_BATCH,
    batch_window: Duration::ZERO,
};
pub(crate) const EVENTS: QueueSpec =
    QueueSpec { visibility_timeout: Duration::from_secs(60), max_receive_count: 5, ..NOTICES };
/// The event sources as the template has them.
pub(crate) const EVENTS_CONCURRENCY: usize = 25;
pub(crate) const NOTICES_CONCURRENCY: usize = 100;

/// Operations that change something.
const WRITES: [Operation; 6] = [
    Operation::StopTask,
    Operation::PutAttributes,
    Operation::DeleteAttributes,
    Operation::CompleteLifecycleAction,
    Operation::RecordLifecycleActionHeartbeat,
    Operation::UpdateContainerInstancesState,
];

pub(crate) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A cluster without hosts, and a group with our hook.
pub(crate) fn bare_world(settings: Settings) -> World {
    bare_world_at(wall_now() - NOTICED_AFTER, settings)
}

/// The same, as it was so many seconds ago.
pub(crate) fn bare_world_since(ago: f64, settings: Settings) -> World {
    bare_world_at(wall_now() - secs(ago), settings)
}

fn bare_world_at(start: Timestamp, settings: Settings) -> World {
    let mut world = World::new(start, settings);
    world.add_cluster(CLUSTER).unwrap();
    let hooks = vec![HookSpec::terminating(HOOK, secs(300.0))];
    world.add_group(GroupSpec { name: GROUP.into(), hooks, ..GroupSpec::default() }).unwrap();
    world
}

/// A cluster of two hosts in a group with our hook; one of them is [`LEAVING`].
pub(crate) fn world() -> World {
    world_since(NOTICED_AFTER.as_secs_f64())
}

/// The same, as it was so many seconds ago.
pub(crate) fn world_since(ago: f64) -> World {
    let mut world = bare_world_since(ago, Settings::default());
    host(&mut world, LEAVING, Some(CLUSTER));
    host(&mut world, STAYING, Some(CLUSTER));
    world
}

/// A cluster with [`LEAVING`] alone, in a group with these termination hooks.
pub(crate) fn world_with_hooks(hooks: &[(&str, f64)]) -> World {
    let mut world = bare_world(Settings::default());
    let hooks = hooks.iter().map(|(name, timeout)| HookSpec::terminating(name, secs(*timeout))).collect();
    world.add_group(GroupSpec { name: "other-asg".into(), hooks, ..GroupSpec::default() }).unwrap();
    let spec = HostSpec {
        instance_id: Some(LEAVING.into()),
        cluster: Some(CLUSTER.into()),
        group: Some("other-asg".into()),
        ..HostSpec::default()
    };
    world.add_host(spec).unwrap();
    world
}

pub(crate) fn host(world: &mut World, instance_id: &str, cluster: Option<&str>) {
    let spec = HostSpec {
        instance_id: Some(instance_id.into()),
        cluster: cluster.map(Into::into),
        group: Some(GROUP.into()),
        ..HostSpec::default()
    };
    world.add_host(spec).unwrap();
}

/// Our hook, with what its owner wrote for us.
pub(crate) fn hook_with(metadata: &str) -> HookSpec {
    HookSpec { notification_metadata: Some(metadata.into()), ..HookSpec::terminating(HOOK, secs(300.0)) }
}

/// A service with all its tasks on the leaving host, that lets go of them at once; each takes `leave` to leave its
/// load balancer and `stop` from SIGTERM to its end.
pub(crate) fn service(world: &mut World, tasks: usize, leave: f64, stop: f64) -> Vec<String> {
    let spec = ServiceSpec {
        cluster: CLUSTER.into(),
        name: "web".into(),
        desired: tasks,
        minimum_healthy_percent: 0,
        maximum_percent: 200,
        deregistration: (leave > 0.0).then(|| secs(leave)),
        start_time: secs(0.2),
        stop_time: secs(stop),
        ..ServiceSpec::default()
    };
    world.add_service_with_tasks_on(spec, LEAVING).unwrap()
}

/// A task that no service owns, on the leaving host.
pub(crate) fn standalone(world: &mut World, finishes_after: Option<f64>, stop: f64) -> String {
    let spec = TaskSpec {
        cluster: CLUSTER.into(),
        instance_id: LEAVING.into(),
        family: "job".into(),
        stop_time: secs(stop),
        finishes_after: finishes_after.map(secs),
        ..TaskSpec::default()
    };
    world.run_task(spec).unwrap()
}

/// Puts an attribute on the leaving host's container instance, as an operator.
pub(crate) fn remembered(world: &mut World, name: &str, value: &str) {
    let target = world.registrations(LEAVING).next().unwrap().arn.clone();
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

/// A running simulator, and the event it gave when the leaving host was scaled in. Its functions may do what their roles
/// in the template allow, and a test in which one asks for more has failed.
pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    pub(crate) event: Value,
    /// The template's parameters, besides `EcsClusters`, which the function gets as a variable.
    pub(crate) parameters: Vec<(&'static str, &'static str)>,
    /// How many refusals a test has looked at.
    expected: Cell<usize>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let denied = self.take_denied();
        assert!(denied.is_empty() || std::thread::panicking(), "not allowed by the template: {denied:#?}");
    }
}

impl Stage {
    /// Starts the world as it is.
    pub(crate) fn idle(mut world: World) -> Self {
        world.advance(wall_now());
        Self::of(Simulator::start(world).unwrap(), Value::Null)
    }

    /// Starts the world just after [`LEAVING`] was scaled in: as long after it as an event takes to come, by when it waits.
    pub(crate) fn scaling_in(mut world: World) -> Self {
        world.advance(wall_now() - NOTICED_AFTER);
        Self::scaled_in_before(world)
    }

    /// Starts a world in which [`LEAVING`] was scaled in when it was made.
    fn scaled_in_before(mut world: World) -> Self {
        let now = world.now();
        let event = world.scale_in(LEAVING, now).unwrap().into_iter().next();
        world.advance(wall_now().max(now + NOTICED_AFTER));
        Self::of(Simulator::start(world).unwrap(), event.unwrap_or_default())
    }

    /// Starts a world in which [`LEAVING`] was scaled in when it was made, and is set DRAINING only now.
    pub(crate) fn set_draining_late(mut world: World) -> Self {
        let now = world.now();
        let event = world.scale_in(LEAVING, now).unwrap().into_iter().next();
        world.advance(wall_now());
        world.set_status(LEAVING, "DRAINING").unwrap();
        Self::of(Simulator::start(world).unwrap(), event.unwrap_or_default())
    }

    /// A simulator that runs already, and an event for its functions.
    pub(crate) fn of(simulator: Simulator, event: Value) -> Self {
        Self { simulator, event, parameters: Vec::new(), expected: Cell::new(0) }
    }

    /// One warm environment of `instance-terminating`, polling fast enough for a test.
    pub(crate) fn function(&self, variables: &[(&str, &str)]) -> Function {
        self.function_with(variables, secs(60.0))
    }

    pub(crate) fn function_with(&self, variables: &[(&str, &str)], timeout: Duration) -> Function {
        self.start("instance-terminating", env!("CARGO_BIN_EXE_instance-terminating"), variables, timeout)
    }

    /// One warm environment of `reconcile`, polling fast enough for a test.
    pub(crate) fn reconcile(&self, variables: &[(&str, &str)], timeout: Duration) -> Function {
        self.start("reconcile", env!("CARGO_BIN_EXE_reconcile"), variables, timeout)
    }

    /// One warm environment of `spot-interruption`, polling fast enough for a test.
    pub(crate) fn spot(&self, variables: &[(&str, &str)], timeout: Duration) -> Function {
        self.start("spot-interruption", env!("CARGO_BIN_EXE_spot-interruption"), variables, timeout)
    }

    fn start(&self, name: &str, binary: &str, variables: &[(&str, &str)], timeout: Duration) -> Function {
        self.restrict(name, variables);
        let url = self.simulator.url();
        let paced = [
            ("AWS_ENDPOINT_URL", url.as_str()),
            // The simulator does not check it, and knows its clients by it.
            ("AWS_ACCESS_KEY_ID", name),
            ("POLL_MIN_SECONDS", "0.2"),
            ("POLL_MAX_SECONDS", "0.5"),
        ];
        let paced = paced.into_iter().filter(|(name, _)| !variables.iter().any(|(other, _)| other == name));
        let environment = paced.chain(variables.iter().copied());
        let spec = FunctionSpec {
            name: name.into(),
            binary: PathBuf::from(binary),
            environment: environment.map(|(name, value)| (name.into(), value.into())).collect(),
            timeout,
            ..FunctionSpec::default()
        };
        Function::start(spec).unwrap()
    }

    /// The requests that the simulator denied since the last call.
    pub(crate) fn take_denied(&self) -> Vec<Denied> {
        let denied = self.simulator.world(|world| world.denied().to_vec());
        let seen = self.expected.replace(denied.len());
        denied.into_iter().skip(seen).collect()
    }

    /// The function may do what its role allows, in the clusters that it watches.
    fn restrict(&self, function: &str, variables: &[(&str, &str)]) {
        let clusters = variables.iter().find(|(name, _)| *name == "ECS_CLUSTERS").map_or("", |(_, value)| *value);
        let parameters: Vec<_> = self.parameters.iter().copied().chain([("EcsClusters", clusters)]).collect();
        self.simulator.world(|world| {
            let permissions = permissions(&deployed(world.settings(), &parameters), function);
            world.restrict(function, permissions);
        });
    }

    /// Feeds the event to a fresh environment, and answers its report on the one instance.
    pub(crate) async fn drain(&self, variables: &[(&str, &str)]) -> Value {
        only(&self.function(variables).invoke(&self.event).await)
    }

    pub(crate) fn count(&self, operation: Operation) -> usize {
        self.simulator.world(|world| world.count(operation))
    }

    pub(crate) fn writes(&self) -> usize {
        WRITES.iter().map(|operation| self.count(*operation)).sum()
    }

    /// The writes that had their effect.
    pub(crate) fn writes_done(&self) -> usize {
        let is_done =
            |it: &&Recorded| WRITES.contains(&it.request.operation()) && it.outcome == RequestOutcome::Answered;
        self.simulator.world(|world| world.requests().iter().filter(is_done).count())
    }

    pub(crate) fn releases(&self) -> Vec<Release> {
        self.simulator.world(|world| world.releases().to_vec())
    }

    /// The one release of the leaving host, with nothing running at that moment.
    pub(crate) fn released_empty(&self) -> Release {
        let [release] = <[Release; 1]>::try_from(self.releases()).expect("exactly one release");
        assert_eq!((release.instance_id.as_str(), release.hook.as_str()), (LEAVING, HOOK));
        assert_eq!(release.unstopped, [] as [(String, LastStatus); 0], "released with tasks running");
        assert!(self.simulator.world(|world| world.killed().is_empty()));
        release
    }

    /// The container instance's status.
    pub(crate) fn status(&self, instance_id: &str) -> String {
        self.simulator.world(|world| world.registrations(instance_id).next().unwrap().status.clone())
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        self.simulator.world(|w| w.registrations(LEAVING).next()?.attributes.get(name).cloned().flatten())
    }
}

/// An event that came so many seconds earlier.
pub(crate) fn aged(event: &Value, seconds: f64) -> Value {
    let mut event = event.clone();
    let time: Timestamp = event["time"].as_str().unwrap().parse().unwrap();
    event["time"] = (time - secs(seconds)).to_string().into();
    event
}

/// The one drain of the report that answers a bare event.
pub(crate) fn only(invocation: &Invocation) -> Value {
    let Outcome::Answered(report) = &invocation.outcome else { panic!("{:?}", invocation.outcome) };
    let drains = report["drains"].as_array().expect("a report");
    assert_eq!(drains.len(), 1, "{report}");
    drains[0].clone()
}

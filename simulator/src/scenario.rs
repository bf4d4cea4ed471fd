//! The world of the demo.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use crate::world::{
    CapacityProviderSpec, GroupSpec, HookSpec, HostSpec, ServiceKind, ServiceSpec, Settings, SpotAction, TaskSpec,
    World, WorldError,
};

/// The cluster.
pub const CLUSTER: &str = "prod";

/// The Auto Scaling group, unless another is asked for.
pub const GROUP: &str = "my-asg";

/// Its termination hook.
pub const HOOK: &str = "ecs-drainer";

/// Its heartbeat timeout, unless another is asked for.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(300);

/// The host that goes away, unless another is asked for.
pub const LEAVING: &str = "i-1234567890abcdef0";

/// The hosts that stay.
pub const STAYING: [&str; 2] = ["i-0a1b2c3d4e5f60718", "i-0f1e2d3c4b5a69788"];

/// The load-balanced service, with one task on each host.
pub const SERVICE: &str = "web";

/// The daemon.
pub const DAEMON: &str = "log-agent";

/// The standalone job on each host that goes away.
pub const JOB: &str = "nightly-report";

/// The service on each host that Spot takes. ECS may neither stop nor start a task of it.
pub const HELD: &str = "payments";

/// What differs from one demo to the next.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// The account everything is in.
    pub account: String,
    /// The region everything is in.
    pub region: String,
    /// The hosts that go away, each with its group. The group of the first has the hosts that stay, too.
    pub leaving: Vec<Leaving>,
    /// The hook's.
    pub heartbeat_timeout: Duration,
    /// Whether each group is a capacity provider of the cluster with managed draining.
    pub managed_draining: bool,
    /// Why they go away.
    pub departure: Departure,
}

/// Why hosts go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Departure {
    /// Auto Scaling terminates them.
    #[default]
    ScaleIn,
    /// EC2 interrupts the Spot Instances that they are.
    SpotInterruption,
}

/// A host that goes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Its instance id.
    pub instance_id: String,
    /// Its Auto Scaling group.
    pub group: String,
}

impl Default for Leaving {
    fn default() -> Leaving {
        Leaving { instance_id: LEAVING.to_owned(), group: GROUP.to_owned() }
    }
}

impl Default for Parameters {
    fn default() -> Parameters {
        let Settings { account, region, .. } = Settings::default();
        Parameters {
            account,
            region,
            leaving: vec![Leaving::default()],
            heartbeat_timeout: HEARTBEAT_TIMEOUT,
            managed_draining: false,
            departure: Departure::default(),
        }
    }
}

/// The hosts that go away and two that stay; a load-balanced service and a daemon on all of them, and a standalone job
/// on each host that goes away. Where Spot takes them, the job would run on, and there is a service that ECS cannot move.
// Times are short enough to watch, and long enough that one can see what waits for what.
pub fn demo(start: Timestamp, parameters: &Parameters) -> Result<World, WorldError> {
    let Parameters { account, region, leaving, heartbeat_timeout, managed_draining, departure } = parameters;
    let settings = Settings { account: account.clone(), region: region.clone(), ..Settings::default() };
    let hosts: Vec<Leaving> = leaving.iter().cloned().chain(staying(leaving)).collect();
    let mut world = World::new(start, settings);
    world.add_cluster(CLUSTER)?;
    for group in hosts.iter().map(|host| &host.group).collect::<BTreeSet<_>>() {
        world.add_group(GroupSpec {
            name: group.clone(),
            hooks: vec![HookSpec {
                notification_metadata: Some(format!(r#"{{"cluster":"{CLUSTER}"}}"#)),
                ..HookSpec::terminating(HOOK, *heartbeat_timeout)
            }],
            ..GroupSpec::default()
        })?;
        if *managed_draining {
            world.add_capacity_provider(CapacityProviderSpec {
                name: format!("{group}-provider"),
                cluster: CLUSTER.to_owned(),
                group: group.clone(),
                managed_draining: true,
            })?;
        }
    }
    for host in &hosts {
        world.add_host(HostSpec {
            instance_id: Some(host.instance_id.clone()),
            cluster: Some(CLUSTER.to_owned()),
            group: Some(host.group.clone()),
            ..HostSpec::default()
        })?;
    }
    world.add_service(ServiceSpec {
        cluster: CLUSTER.to_owned(),
        name: SERVICE.to_owned(),
        desired: hosts.len(),
        deregistration: Some(Duration::from_secs(2)),
        start_time: Duration::from_secs(1),
        stop_time: Duration::from_millis(1500),
        ..ServiceSpec::default()
    })?;
    world.add_service(ServiceSpec {
        cluster: CLUSTER.to_owned(),
        name: DAEMON.to_owned(),
        kind: ServiceKind::Daemon,
        ..ServiceSpec::default()
    })?;
    let by_spot = *departure == Departure::SpotInterruption;
    for (host, number) in leaving.iter().zip(1..) {
        world.run_task(TaskSpec {
            cluster: CLUSTER.to_owned(),
            instance_id: host.instance_id.clone(),
            family: JOB.to_owned(),
            finishes_after: (!by_spot).then_some(Duration::from_millis(5500)),
            ..TaskSpec::default()
        })?;
        if by_spot {
            let held = ServiceSpec {
                cluster: CLUSTER.to_owned(),
                name: if number == 1 { HELD.to_owned() } else { format!("{HELD}-{number}") },
                maximum_percent: 100,
                stop_time: Duration::from_secs(2),
                ..ServiceSpec::default()
            };
            world.add_service_with_tasks_on(held, &host.instance_id)?;
        }
    }
    Ok(world)
}

/// A host of the world begins to go away; a Spot notice of it is that old.
pub fn depart(
    world: &mut World,
    instance_id: &str,
    departure: Departure,
    notice_age: Duration,
) -> Result<(), WorldError> {
    match departure {
        Departure::ScaleIn => world.scale_in(instance_id, world.now()).map(drop),
        Departure::SpotInterruption => {
            world.interrupt(instance_id, SpotAction::Terminate, world.now() - notice_age).map(drop)
        }
    }
}

/// Two hosts, whatever the ids of the others are.
fn staying(leaving: &[Leaving]) -> impl Iterator<Item = Leaving> {
    let group = leaving.first().map_or(GROUP, |host| &host.group);
    let spare = (0..leaving.len()).map(|number| format!("i-{number:017x}"));
    (STAYING.into_iter().map(str::to_owned).chain(spare))
        .filter(|id| leaving.iter().all(|host| host.instance_id != *id))
        .take(STAYING.len())
        .map(|instance_id| Leaving { instance_id, group: group.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(instance_id: &str, group: &str) -> Leaving {
        Leaving { instance_id: instance_id.to_owned(), group: group.to_owned() }
    }

    #[test]
    fn the_host_that_goes_away_has_one_task_of_each_kind() {
        let world = demo(Timestamp::UNIX_EPOCH, &Parameters::default()).unwrap();
        let mut groups: Vec<_> = (world.tasks_on(LEAVING).into_iter()).map(|task| task.group()).collect();
        groups.sort();
        assert_eq!(groups, ["family:nightly-report", "service:log-agent", "service:web"]);
        for instance_id in STAYING {
            assert_eq!(world.unstopped_on(instance_id), 2);
        }
    }

    #[test]
    fn groups_may_be_capacity_providers_with_managed_draining() {
        let parameters = Parameters { managed_draining: true, ..Parameters::default() };
        let mut world = demo(Timestamp::UNIX_EPOCH, &parameters).unwrap();
        let events = world.scale_in(LEAVING, world.now()).unwrap();
        assert_eq!(events.len(), 2, "one for each hook");
        let hooks: Vec<_> = world.host(LEAVING).unwrap().waits_on().collect();
        assert_eq!(hooks, [HOOK, "ecs-managed-draining-termination-hook"]);
    }

    #[test]
    fn any_hosts_can_go_away_and_two_stay() {
        let leaving = vec![host(STAYING[0], "blue"), host("i-00000000000000000", "green"), host(STAYING[1], "blue")];
        let parameters = Parameters { leaving: leaving.clone(), ..Parameters::default() };
        let world = demo(Timestamp::UNIX_EPOCH, &parameters).unwrap();
        assert_eq!(world.hosts().count(), 5);
        for host in leaving {
            assert_eq!(world.unstopped_on(&host.instance_id), 3);
            assert_eq!(world.host(&host.instance_id).unwrap().group, Some(host.group.as_str()));
        }
    }
}

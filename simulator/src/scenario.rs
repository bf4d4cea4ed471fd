//! The world of the demo.

use std::time::Duration;

use jiff::Timestamp;

use crate::world::{GroupSpec, HookSpec, HostSpec, ServiceKind, ServiceSpec, Settings, TaskSpec, World, WorldError};

/// The cluster.
pub const CLUSTER: &str = "prod";

/// The Auto Scaling group.
pub const GROUP: &str = "my-asg";

/// Its termination hook.
pub const HOOK: &str = "ecs-drainer";

/// The host that goes away.
pub const LEAVING: &str = "i-1234567890abcdef0";

/// The hosts that stay.
pub const STAYING: [&str; 2] = ["i-0a1b2c3d4e5f60718", "i-0f1e2d3c4b5a69788"];

/// Three hosts; a load-balanced service on all of them, a daemon, and a standalone job on the host that goes away.
pub fn demo(start: Timestamp) -> Result<World, WorldError> {
    let mut world = World::new(start, Settings::default());
    world.add_cluster(CLUSTER)?;
    world.add_group(GroupSpec {
        name: GROUP.to_owned(),
        hooks: vec![HookSpec {
            notification_metadata: Some(format!(r#"{{"cluster":"{CLUSTER}"}}"#)),
            ..HookSpec::terminating(HOOK, Duration::from_secs(300))
        }],
    })?;
    for instance_id in [LEAVING].into_iter().chain(STAYING) {
        world.add_host(HostSpec {
            instance_id: Some(instance_id.to_owned()),
            cluster: Some(CLUSTER.to_owned()),
            group: Some(GROUP.to_owned()),
            ..HostSpec::default()
        })?;
    }
    world.add_service(ServiceSpec {
        cluster: CLUSTER.to_owned(),
        name: "web".to_owned(),
        desired: 3,
        deregistration: Some(Duration::from_secs(10)),
        start_time: Duration::from_secs(6),
        stop_time: Duration::from_secs(3),
        ..ServiceSpec::default()
    })?;
    world.add_service(ServiceSpec {
        cluster: CLUSTER.to_owned(),
        name: "log-agent".to_owned(),
        kind: ServiceKind::Daemon,
        ..ServiceSpec::default()
    })?;
    world.run_task(TaskSpec {
        cluster: CLUSTER.to_owned(),
        instance_id: LEAVING.to_owned(),
        family: "nightly-report".to_owned(),
        finishes_after: Some(Duration::from_secs(30)),
        ..TaskSpec::default()
    })?;
    Ok(world)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_that_goes_away_has_one_task_of_each_kind() {
        let world = demo(Timestamp::UNIX_EPOCH).unwrap();
        let mut groups: Vec<_> = (world.tasks_on(LEAVING).into_iter()).map(|task| task.group()).collect();
        groups.sort();
        assert_eq!(groups, ["family:nightly-report", "service:log-agent", "service:web"]);
        for instance_id in STAYING {
            assert_eq!(world.unstopped_on(instance_id), 2);
        }
    }
}

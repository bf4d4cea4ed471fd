//! Why a task is still there, as far as ECS tells.

use jiff::Timestamp;
use serde::Serialize;

use super::explain::Explanations;
use crate::aws::{Service, Task};
use crate::clock::between;
use crate::drain::facts::registration::Registration;
use crate::ids::TaskArn;

/// Of what ECS says in its own words, the beginning tells.
const QUOTED_CHARACTERS_MAX: usize = 300;
/// In each event on a task that found no host (ECS developer guide, service event messages).
const UNPLACED: &str = "was unable to place a task";

/// Of a service that may go on, as far as is known.
pub(super) const NOT_STOPPED_YET: &str = "its service has not stopped it yet";

/// A task that is not STOPPED.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Straggler {
    /// Which.
    pub task: TaskArn,
    /// `service:NAME` or `family:FAMILY`.
    pub group: String,
    /// Whose it is.
    pub owner: Owner,
    /// Where it is in its life.
    pub last_status: String,
    /// Why it still runs.
    pub why: String,
    /// Until when it is protected from scale-in; that does not hold up draining.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected_until: Option<Timestamp>,
}

/// Who keeps a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// A service, or a daemon that was not asked about yet.
    Service,
    /// A service that keeps one task on every host.
    Daemon,
    /// No service.
    Standalone,
}

impl Owner {
    /// As it is written everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Daemon => "daemon",
            Self::Standalone => "standalone",
        }
    }
}

impl Straggler {
    /// What is known of a registration's task, of a drain that began at `started`.
    #[must_use]
    pub fn of(
        task: &Task,
        registration: &Registration,
        explanations: &Explanations,
        started: Timestamp,
        now: Timestamp,
    ) -> Self {
        let service = task.service().and_then(|name| explanations.service(&registration.cluster, name));
        let told = task.service().and_then(|name| registration.daemons.get(&name)).copied();
        let is_daemon = told.or(service.map(|service| service.is_daemon)).unwrap_or(false);
        let owner = match (task.is_standalone(), is_daemon) {
            (true, _) => Owner::Standalone,
            (false, true) => Owner::Daemon,
            (false, false) => Owner::Service,
        };
        Self {
            task: task.arn.clone(),
            group: task.group.clone(),
            owner,
            last_status: task.last_status.clone(),
            why: why(task, registration, owner, service, started, now),
            protected_until: explanations.protected_until(&task.arn),
        }
    }
}

fn why(
    task: &Task,
    registration: &Registration,
    owner: Owner,
    service: Option<&Service>,
    started: Timestamp,
    now: Timestamp,
) -> String {
    let ago = |at: Timestamp| between(at, now).as_secs();
    if let Some(since) = registration.agent_lost_at {
        return format!(
            "its host's agent is disconnected, for {} s at least, so ECS can neither stop nor see it",
            ago(since)
        );
    }
    let since = task.stopping_at.map(|at| format!(", for {} s", ago(at))).unwrap_or_default();
    match (task.last_status.as_str(), task.is_leaving(), owner) {
        ("DEACTIVATING", ..) => format!("leaving its load balancer{since}"),
        // Recorded: 23 to 35 s from the end of the containers to STOPPED, on Fargate.
        ("DEPROVISIONING", ..) => "its containers have ended; ECS still cleans up after it".to_owned(),
        // Recorded: containers with dependsOn get SIGTERM one after the other.
        (_, true, _) => format!(
            "stopping{since}; killed when its stopTimeout is over, 30 s unless its task definition says: with dependsOn \
             the sum of its containers'"
        ),
        (_, false, Owner::Standalone) => "no service owns it, and draining does not stop such tasks".to_owned(),
        (_, false, Owner::Daemon) => "a daemon, which ECS stops when all other tasks of the host have".to_owned(),
        (_, false, Owner::Service) => match service {
            Some(service) => why_kept(service, started),
            None => NOT_STOPPED_YET.to_owned(),
        },
    }
}

/// Why a service keeps a task on a draining host, by what it told from `since` on. Events of other kinds come between.
pub(super) fn why_kept(service: &Service, since: Timestamp) -> String {
    let mut told = service.events.iter().filter(|(at, _)| *at >= since);
    if let Some((_, event)) = told.find(|(_, event)| event.contains(UNPLACED)) {
        let quoted: String = event.chars().take(QUOTED_CHARACTERS_MAX).collect();
        return format!("its service finds no room for another: {quoted}");
    }
    match (service.minimum_healthy_percent, service.maximum_percent) {
        (Some(minimum), Some(maximum)) if neither_less_nor_more(service.desired, minimum, maximum) => format!(
            "its service may have neither fewer tasks nor more: {} desired, minimum {minimum} %, maximum {maximum} %",
            service.desired
        ),
        _ => NOT_STOPPED_YET.to_owned(),
    }
}

/// ECS may not stop one first, nor start one first (ECS API reference, DeploymentConfiguration: the minimum is rounded up,
/// the maximum down).
fn neither_less_nor_more(desired: u32, minimum_percent: u32, maximum_percent: u32) -> bool {
    let part = |percent: u32| u64::from(desired) * u64::from(percent);
    desired > 0
        && part(minimum_percent).div_ceil(100) >= desired.into()
        && part(maximum_percent) / 100 <= desired.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::aws::ContainerInstance;
    use crate::ids::ClusterName;

    fn now() -> Timestamp {
        "2026-01-15T20:00:00Z".parse().unwrap()
    }

    fn ago(seconds: u64) -> Timestamp {
        crate::clock::before(now(), Duration::from_secs(seconds))
    }

    fn cluster() -> ClusterName {
        ClusterName::parse("prod").unwrap()
    }

    fn registration(agent_connected: bool) -> Registration {
        let found = ContainerInstance {
            arn: "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/1".into(),
            instance: None,
            version: 1,
            status: "DRAINING".into(),
            agent_connected,
            running_tasks: 1,
            pending_tasks: 0,
            attributes: Default::default(),
        };
        Registration::new(cluster(), &found, ago(12))
    }

    fn task(last_status: &str, desired_status: &str, group: &str) -> Task {
        Task {
            arn: "arn:1".into(),
            version: 1,
            container_instance: None,
            last_status: last_status.into(),
            desired_status: desired_status.into(),
            group: group.into(),
            started_by: String::new(),
            stopping_at: (desired_status == "STOPPED").then(|| ago(7)),
            stopped_at: None,
            stopped_reason: String::new(),
            is_managed: false,
        }
    }

    fn service(minimum: u32, maximum: u32, event: Option<&str>) -> Service {
        Service {
            name: "web".into(),
            is_daemon: false,
            desired: 2,
            minimum_healthy_percent: Some(minimum),
            maximum_percent: Some(maximum),
            events: event.map(|event| (ago(20), event.to_owned())).into_iter().collect(),
        }
    }

    fn told(task: &Task, service: Option<Service>) -> Straggler {
        let services = service.map(|it| ((cluster(), it.name.clone()), it)).into_iter().collect();
        let explanations = Explanations { services, ..Explanations::default() };
        Straggler::of(task, &registration(true), &explanations, ago(60), now())
    }

    #[test]
    fn each_straggler_tells_whose_it_is_and_why_it_still_runs() {
        let why = |last: &str, desired: &str, group: &str| {
            let told = told(&task(last, desired, group), None);
            (told.owner, told.why)
        };
        assert_eq!(
            why("DEACTIVATING", "STOPPED", "service:web"),
            (Owner::Service, "leaving its load balancer, for 7 s".into())
        );
        for stopping in ["RUNNING", "STOPPING", "PENDING"] {
            let (owner, why) = why(stopping, "STOPPED", "family:job");
            assert!(
                owner == Owner::Standalone && why.starts_with("stopping, for 7 s; killed when its stopTimeout"),
                "{why}"
            );
            assert!(why.ends_with("with dependsOn the sum of its containers'"), "{why}");
        }
        let deprovisioning = why("DEPROVISIONING", "STOPPED", "family:job").1;
        assert_eq!(deprovisioning, "its containers have ended; ECS still cleans up after it", "nothing is killed");
        assert!(why("RUNNING", "RUNNING", "family:job").1.starts_with("no service owns it"));
        assert_eq!(why("RUNNING", "RUNNING", "service:web").1, "its service has not stopped it yet");
    }

    #[test]
    fn what_the_service_says_is_the_reason_when_it_was_asked() {
        let runs = task("RUNNING", "RUNNING", "service:web");
        let why = |service| told(&runs, Some(service)).why;
        let stuck = why(service(100, 100, None));
        assert_eq!(stuck, "its service may have neither fewer tasks nor more: 2 desired, minimum 100 %, maximum 100 %");
        assert!(
            why(service(51, 149, None)).contains("neither fewer tasks nor more"),
            "rounded, two may be neither one nor three"
        );
        for (minimum, maximum) in [(50, 100), (100, 150)] {
            assert_eq!(why(service(minimum, maximum, None)), "its service has not stopped it yet");
        }
        let event =
            "(service web) was unable to place a task because no container instance met all of its requirements.";
        assert_eq!(why(service(100, 200, Some(event))), format!("its service finds no room for another: {event}"));
        assert!(why(service(100, 200, Some(&event.repeat(9)))).chars().count() < 400);
        assert_eq!(
            why(service(50, 200, Some("(service web) has reached a steady state."))),
            "its service has not stopped it yet"
        );
        let daemon = Service { is_daemon: true, ..service(0, 100, None) };
        let told = told(&runs, Some(daemon));
        assert!(told.owner == Owner::Daemon && told.why.starts_with("a daemon"), "{told:?}");
    }

    #[test]
    fn what_a_service_told_since_the_drain_began_is_the_reason_whatever_it_told_after() {
        let runs = task("RUNNING", "RUNNING", "service:web");
        let unable = "(service web) was unable to place a task because no container instance met all of them.";
        let why = |events: &[(u64, &str)]| {
            let events = events.iter().map(|(seconds, event)| (ago(*seconds), (*event).to_owned())).collect();
            told(&runs, Some(Service { events, ..service(100, 200, None) })).why
        };
        let steady = "(service web) has reached a steady state.";
        let finds_no_room = format!("its service finds no room for another: {unable}");
        assert_eq!(
            why(&[(5, steady), (10, "(service web) has stopped 1 running tasks."), (59, unable)]),
            finds_no_room
        );
        assert_eq!(why(&[(5, steady), (61, unable)]), "its service has not stopped it yet", "before it began");
    }

    #[test]
    fn an_agent_that_is_lost_is_the_reason_whatever_the_task_says() {
        let told = Straggler::of(
            &task("RUNNING", "STOPPED", "service:web"),
            &registration(false),
            &Explanations::default(),
            ago(60),
            now(),
        );
        assert!(told.why.contains("agent is disconnected, for 12 s at least"), "{}", told.why);
    }

    #[test]
    fn protection_is_reported_and_not_blamed() {
        let until = crate::clock::after(now(), Duration::from_secs(900));
        let protected_until = [("arn:1".into(), until)].into();
        let explanations = Explanations { protected_until, ..Explanations::default() };
        let runs = task("RUNNING", "RUNNING", "service:web");
        let told = Straggler::of(&runs, &registration(true), &explanations, ago(60), now());
        assert_eq!(told.protected_until, Some(until));
        assert_eq!(told.why, "its service has not stopped it yet");
    }
}

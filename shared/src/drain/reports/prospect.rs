//! What becomes of a host's tasks when it is set DRAINING, as far as ECS tells: what a person wants to know before.

use jiff::Timestamp;
use serde::Serialize;

use super::explain::Explanations;
use super::straggler::{NOT_STOPPED_YET, Owner, Straggler, why_kept};
use crate::aws::{Service, Task};
use crate::config::StandaloneTasks;
use crate::drain::facts::registration::Registration;
use crate::ids::TaskArn;

/// With such a minimum none of a service's tasks may be missing (ECS API reference, DeploymentConfiguration; its default).
const FULLY_HEALTHY_PERCENT: u32 = 100;

/// What becomes of a task when its host is set DRAINING.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prospect {
    /// Which task.
    pub task: TaskArn,
    /// `service:NAME` or `family:FAMILY`.
    pub group: String,
    /// Whose it is.
    pub owner: Owner,
    /// Where it is in its life.
    pub last_status: String,
    /// Whether it may stay until an operator does something about it; none where its service was not asked.
    pub blocks: Option<bool>,
    /// What becomes of it, or why it stays.
    pub what: String,
    /// Until when it is protected from scale-in; that does not hold up draining.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected_until: Option<Timestamp>,
}

impl Prospect {
    /// What is to be expected of a registration's task, under a policy for those that no service owns.
    #[must_use]
    pub fn of(
        task: &Task,
        registration: &Registration,
        explanations: &Explanations,
        standalone: StandaloneTasks,
        now: Timestamp,
    ) -> Self {
        let Straggler { task: arn, group, owner, last_status, why, protected_until } =
            Straggler::of(task, registration, explanations, now, now);
        let service = task.service().and_then(|name| explanations.service(&registration.cluster, name));
        let (blocks, what) = if registration.agent_lost_at.is_some() {
            (Some(true), why)
        } else if task.is_leaving() {
            (Some(false), why)
        } else {
            match (owner, standalone) {
                (Owner::Standalone, StandaloneTasks::Stop) => (Some(false), "is told to stop at once".to_owned()),
                (Owner::Standalone, StandaloneTasks::Wait) => {
                    (Some(true), "no service owns it, so ECS does not stop it: it runs to its own end".to_owned())
                }
                (Owner::Daemon, _) => {
                    (Some(false), "a daemon: ECS stops it when all other tasks of the host have".to_owned())
                }
                (Owner::Service, _) => prospect_of_service(service),
            }
        };
        Self { task: arn, group, owner, last_status, blocks, what, protected_until }
    }
}

fn prospect_of_service(service: Option<&Service>) -> (Option<bool>, String) {
    let Some(service) = service else {
        return (None, "its service could not be asked whether it may move it".to_owned());
    };
    // Its host does not drain yet: what it told before the newest event may have been of another deployment.
    let newest = service.events.first().map_or(Timestamp::MAX, |(at, _)| *at);
    let kept = why_kept(service, newest);
    if kept != NOT_STOPPED_YET {
        return (Some(true), kept);
    }
    let minimum = service.minimum_healthy_percent.unwrap_or(FULLY_HEALTHY_PERCENT);
    let what = if minimum >= FULLY_HEALTHY_PERCENT {
        "its service starts another elsewhere, then stops it"
    } else {
        "its service may stop it before another has started"
    };
    (Some(false), what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::ContainerInstance;
    use crate::ids::ClusterName;

    fn now() -> Timestamp {
        "2026-01-15T20:00:00Z".parse().unwrap()
    }

    fn registration(agent_connected: bool) -> Registration {
        let found = ContainerInstance {
            arn: "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/1".into(),
            instance: None,
            version: 1,
            status: "ACTIVE".into(),
            agent_connected,
            running_tasks: 1,
            pending_tasks: 0,
            attributes: Default::default(),
        };
        Registration::new(ClusterName::parse("prod").unwrap(), &found, now())
    }

    fn task(group: &str, desired_status: &str) -> Task {
        Task {
            arn: "arn:1".into(),
            version: 1,
            container_instance: None,
            last_status: "RUNNING".into(),
            desired_status: desired_status.into(),
            group: group.into(),
            started_by: String::new(),
            stopping_at: None,
            stopped_at: None,
            stopped_reason: String::new(),
            is_managed: false,
        }
    }

    fn of(task: &Task, service: Option<Service>, standalone: StandaloneTasks) -> (Option<bool>, String) {
        let registration = registration(true);
        let services = service.map(|it| ((registration.cluster.clone(), it.name.clone()), it)).into_iter().collect();
        let explanations = Explanations { services, ..Explanations::default() };
        let prospect = Prospect::of(task, &registration, &explanations, standalone, now());
        (prospect.blocks, prospect.what)
    }

    fn service(minimum: u32, maximum: u32, newest_event: Option<&str>) -> Option<Service> {
        Some(Service {
            name: "web".into(),
            is_daemon: false,
            desired: 2,
            minimum_healthy_percent: Some(minimum),
            maximum_percent: Some(maximum),
            events: newest_event.map(|event| (now(), event.to_owned())).into_iter().collect(),
        })
    }

    #[test]
    fn a_task_that_no_service_owns_is_in_the_way_unless_it_is_to_be_stopped() {
        let job = task("family:job", "RUNNING");
        let (blocks, what) = of(&job, None, StandaloneTasks::Wait);
        assert!(blocks == Some(true) && what.starts_with("no service owns it"), "{what}");
        assert_eq!(of(&job, None, StandaloneTasks::Stop), (Some(false), "is told to stop at once".to_owned()));
        let leaving = task("family:job", "STOPPED");
        assert_eq!(of(&leaving, None, StandaloneTasks::Wait).0, Some(false), "it goes already");
    }

    #[test]
    fn a_services_task_is_in_the_way_where_the_service_can_neither_stop_nor_start_one() {
        let web = task("service:web", "RUNNING");
        let of = |service| of(&web, service, StandaloneTasks::Wait);
        assert_eq!(of(service(100, 100, None)).0, Some(true));
        let full =
            "(service web) was unable to place a task because no container instance met all of its requirements.";
        assert_eq!(of(service(100, 200, Some(full))).0, Some(true));
        assert_eq!(
            of(service(100, 200, None)),
            (Some(false), "its service starts another elsewhere, then stops it".to_owned())
        );
        assert_eq!(
            of(service(50, 200, None)),
            (Some(false), "its service may stop it before another has started".to_owned())
        );
        assert_eq!(of(None).0, None, "its service was not asked");
        let daemon = service(0, 100, None).map(|it| Service { is_daemon: true, ..it });
        let (blocks, what) = of(daemon);
        assert!(blocks == Some(false) && what.starts_with("a daemon"), "{what}");
    }

    #[test]
    fn on_a_host_whose_agent_is_lost_everything_is_in_the_way() {
        let lost = Prospect::of(
            &task("service:web", "RUNNING"),
            &registration(false),
            &Explanations::default(),
            StandaloneTasks::Stop,
            now(),
        );
        assert!(lost.blocks == Some(true) && lost.what.contains("agent is disconnected"), "{}", lost.what);
    }
}

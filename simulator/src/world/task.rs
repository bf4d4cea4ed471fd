//! Tasks, and the way of one task from placement to STOPPED.

use std::time::Duration;

use jiff::Timestamp;

use super::{earlier::Earlier, present::Present, spelled::spelled};

/// How long a stopped task stays listed and described.
// ECS API reference, DescribeTasks: stopped tasks "appear in the returned results for at least one hour".
pub const STOPPED_TASKS_STAY: Duration = Duration::from_hours(1);

spelled! {
    /// The status a task really is in.
    #[expect(missing_docs, reason = "as in the ECS developer guide, Task lifecycle")]
    pub enum LastStatus {
        Provisioning = "PROVISIONING",
        Pending = "PENDING",
        Activating = "ACTIVATING",
        Running = "RUNNING",
        Deactivating = "DEACTIVATING",
        Stopping = "STOPPING",
        Deprovisioning = "DEPROVISIONING",
        Stopped = "STOPPED",
    }
}

impl LastStatus {
    /// Placed, but nothing of it runs yet.
    pub(crate) fn is_pending(self) -> bool {
        matches!(self, LastStatus::Provisioning | LastStatus::Pending)
    }
}

spelled! {
    /// The status ECS wants a task to be in.
    #[expect(missing_docs, reason = "as in the ECS developer guide, Task lifecycle")]
    pub enum DesiredStatus {
        Running = "RUNNING",
        Stopped = "STOPPED",
    }
}

/// Who keeps a task running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A service.
    Service {
        /// Its name.
        name: String,
        /// The deployment that started the task, `ecs-svc/…`.
        deployment: String,
        /// Whether it is a daemon.
        daemon: bool,
    },
    /// No service: a person or a schedule ran it.
    Standalone {
        /// Its task definition's family.
        family: String,
    },
}

/// A task.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its bare id.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// The name of its cluster.
    pub cluster: String,
    /// The bare id of its container instance.
    pub container_instance: String,
    /// The EC2 instance it is on.
    pub instance_id: String,
    /// Who keeps it running.
    pub owner: Owner,
    /// What it really is.
    pub last_status: LastStatus,
    /// What ECS wants it to be.
    pub desired_status: DesiredStatus,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it was RUNNING first.
    pub started_at: Option<Timestamp>,
    /// When its desired status became STOPPED.
    pub stopping_at: Option<Timestamp>,
    /// When its containers ended, if any ran.
    // ECS API reference, Task.executionStoppedAt. Recorded: with several containers, the end of the first essential one.
    pub execution_stopped_at: Option<Timestamp>,
    /// When it was STOPPED.
    pub stopped_at: Option<Timestamp>,
    /// Why, as a code.
    pub stop_code: Option<String>,
    /// Why, in words.
    pub stopped_reason: Option<String>,
    /// Counts its changes.
    pub version: i64,
    /// Its last status and version before.
    pub(crate) earlier: Earlier<(LastStatus, i64)>,
    pub(crate) timing: Timing,
    /// When the agent told its containers to end.
    pub(crate) told_to_end_at: Option<Timestamp>,
    pub(crate) next_step: Option<Timestamp>,
    pub(crate) waits_for_agent: bool,
    pub(crate) protected_until: Option<Timestamp>,
}

impl Task {
    /// What ECS calls its group.
    // ECS API reference, Task.group: the family for a standalone task; `service:NAME` for a service's.
    pub fn group(&self) -> String {
        match &self.owner {
            Owner::Service { name, .. } => format!("service:{name}"),
            Owner::Standalone { family } => format!("family:{family}"),
        }
    }

    /// The service that owns it.
    pub fn service(&self) -> Option<&str> {
        match &self.owner {
            Owner::Service { name, .. } => Some(name),
            Owner::Standalone { .. } => None,
        }
    }

    /// That it was `from` and is now what it is.
    pub(crate) fn changed(&self, from: LastStatus, at: Timestamp) -> TaskChange {
        TaskChange {
            at,
            task: self.id.clone(),
            group: self.group(),
            instance_id: self.instance_id.clone(),
            from,
            to: self.last_status,
            desired: self.desired_status,
        }
    }

    /// How long it takes from StopTask while it is RUNNING until it is STOPPED.
    pub fn stopping_takes(&self) -> Duration {
        self.ending_takes() + self.timing.deprovisioning
    }

    /// Likewise until its containers have ended: nothing of it dies with its host then.
    pub fn ending_takes(&self) -> Duration {
        let Timing { deregistration, stop_task_waits_for_deregistration, .. } = self.timing;
        let leaves = deregistration.filter(|_| stop_task_waits_for_deregistration).unwrap_or_default();
        leaves + self.containers_take()
    }

    /// Whether its containers have ended, though ECS may not call it STOPPED yet.
    pub fn has_ended(&self) -> bool {
        matches!(self.last_status, LastStatus::Deprovisioning | LastStatus::Stopped)
            || self.execution_stopped_at.is_some()
    }

    /// From SIGTERM to the end of its containers.
    // ECS API reference, StopTask: SIGTERM, and SIGKILL when stopTimeout is over.
    fn containers_take(&self) -> Duration {
        self.timing.stop_time.min(self.timing.stop_timeout)
    }

    /// Until when its service does not scale it in; none when it may, and when nothing of it is left.
    pub fn protected_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.protected_until.filter(|until| now < *until && self.last_status != LastStatus::Stopped)
    }

    pub(crate) fn is_daemon(&self) -> bool {
        matches!(self.owner, Owner::Service { daemon: true, .. })
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.desired_status == DesiredStatus::Running
    }

    /// Placed, but nothing of it runs yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.last_status.is_pending()
    }

    /// Something of it changes.
    pub(crate) fn change(&mut self, present: &Present, change: impl FnOnce(&mut Task)) {
        self.earlier.remember(present, (self.last_status, self.version));
        self.version += 1;
        change(self);
    }

    /// Its last status and its version then.
    pub(crate) fn standing_at(&self, then: Timestamp) -> (LastStatus, i64) {
        self.earlier.at(then).copied().unwrap_or((self.last_status, self.version))
    }

    /// What ECS wanted it to be then.
    pub(crate) fn desired_at(&self, then: Timestamp) -> DesiredStatus {
        if self.stopping_at.is_some_and(|at| at <= then) { DesiredStatus::Stopped } else { DesiredStatus::Running }
    }

    /// It is to stop, and its agent is the one to do it.
    // Recorded: lastStatus stays what it is until the containers have ended; STOPPING was never seen.
    pub(crate) fn waits_for_its_end(&self) -> bool {
        use LastStatus::{Activating, Pending, Provisioning, Running};
        !self.is_alive() && matches!(self.last_status, Provisioning | Pending | Activating | Running)
    }

    /// How long it stays in its status, and what follows by itself.
    pub(crate) fn next_status(&self) -> Option<(Duration, LastStatus)> {
        use LastStatus::{Activating, Deactivating, Deprovisioning, Pending, Provisioning, Running, Stopped, Stopping};
        let timing = &self.timing;
        let quarter = timing.start_time / 4;
        match (self.desired_status, self.last_status) {
            (DesiredStatus::Running, Provisioning) => Some((quarter, Pending)),
            // ACTIVATING: registering with a load balancer or service discovery.
            (DesiredStatus::Running, Pending) if timing.deregistration.is_some() => Some((quarter, Activating)),
            (DesiredStatus::Running, Pending) => Some((timing.start_time - quarter, Running)),
            (DesiredStatus::Running, Activating) => Some((timing.start_time - quarter * 2, Running)),
            // Recorded: for ten seconds after the end of an essential container nothing but executionStoppedAt tells.
            (DesiredStatus::Running, Running) if self.execution_stopped_at.is_some() => {
                Some((timing.exit_noticed_after, Deprovisioning))
            }
            (DesiredStatus::Running, Running) => timing.finishes_after.map(|after| (after, Deprovisioning)),
            // ECS developer guide, Task lifecycle: DEACTIVATING, then STOPPING. No recording has a load balancer.
            (DesiredStatus::Stopped, Deactivating) => Some((timing.deregistration.unwrap_or_default(), Stopping)),
            (DesiredStatus::Stopped, Stopping) => Some((self.containers_take(), Deprovisioning)),
            // Nothing of it runs yet.
            (DesiredStatus::Stopped, Provisioning) => Some((Duration::ZERO, Deprovisioning)),
            // Its containers have ended by themselves.
            (DesiredStatus::Stopped, Running) if self.execution_stopped_at.is_some() => {
                Some((Duration::ZERO, Deprovisioning))
            }
            (DesiredStatus::Stopped, Pending | Activating | Running) => Some((self.containers_take(), Deprovisioning)),
            (DesiredStatus::Stopped, Deprovisioning) => Some((timing.deprovisioning, Stopped)),
            (DesiredStatus::Running, Deactivating | Stopping | Deprovisioning | Stopped)
            | (DesiredStatus::Stopped, Stopped) => None,
        }
    }
}

/// How long a task takes for what it does.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    pub(crate) start_time: Duration,
    pub(crate) stop_time: Duration,
    pub(crate) stop_timeout: Duration,
    pub(crate) deregistration: Option<Duration>,
    pub(crate) stop_task_waits_for_deregistration: bool,
    pub(crate) finishes_after: Option<Duration>,
    pub(crate) exit_noticed_after: Duration,
    pub(crate) deprovisioning: Duration,
}

/// Why a task stops.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StopCause<'a> {
    /// Its service wants it to.
    Scheduler,
    /// A client called StopTask.
    User(Option<&'a str>),
    /// Its containers ended by themselves.
    Exited,
    /// The host under it went away.
    HostTerminated,
}

impl StopCause<'_> {
    // ECS API reference, Task.stopCode.
    pub(crate) fn code(self) -> &'static str {
        match self {
            StopCause::Scheduler => "ServiceSchedulerInitiated",
            StopCause::User(_) => "UserInitiated",
            StopCause::Exited => "EssentialContainerExited",
            StopCause::HostTerminated => "TerminationNotice",
        }
    }

    // ECS developer guide, "Stopped tasks error codes".
    pub(crate) fn reason(self, task: &Task) -> String {
        match self {
            StopCause::Scheduler => match &task.owner {
                Owner::Service { deployment, .. } => {
                    format!("Scaling activity initiated by (deployment {deployment})")
                }
                Owner::Standalone { .. } => "Scaling activity".to_owned(),
            },
            StopCause::User(reason) => reason.unwrap_or("Task stopped by user").to_owned(),
            StopCause::Exited => "Essential container in task exited".to_owned(),
            StopCause::HostTerminated => {
                format!("Host EC2 (instance {}) terminated.", task.instance_id)
            }
        }
    }
}

/// A change of a task's last status, or of what its agent does about it.
#[derive(Debug, Clone)]
pub struct TaskChange {
    /// When.
    pub at: Timestamp,
    /// The task's bare id.
    pub task: String,
    /// What ECS calls its group.
    pub group: String,
    /// The host it is on.
    pub instance_id: String,
    /// What it was; the same as `to` for a task just placed, and for one whose containers were just told to end.
    pub from: LastStatus,
    /// What it is now.
    pub to: LastStatus,
    /// What ECS wants it to be now.
    pub desired: DesiredStatus,
}

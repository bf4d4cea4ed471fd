//! How tasks move from status to status.

use jiff::Timestamp;

use super::{DesiredStatus, Due, LastStatus, STOPPED_TASKS_STAY, Task, TaskChange, World, later, task::StopCause};

impl World {
    /// Begins to stop a task, unless it is stopping already.
    pub(super) fn stop(&mut self, id: &str, cause: StopCause<'_>) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        if !task.is_alive() {
            return;
        }
        want_stopped(task, cause, now);
        let waits = match cause {
            StopCause::User(_) => task.timing.stop_task_waits_for_deregistration,
            _ => true,
        };
        let deregisters = waits && task.timing.deregistration.is_some();
        let next = match task.last_status {
            LastStatus::Provisioning | LastStatus::Pending => LastStatus::Deprovisioning,
            // ECS developer guide, Task lifecycle: DEACTIVATING deregisters the target, then the containers stop.
            _ if deregisters => LastStatus::Deactivating,
            _ => LastStatus::Stopping,
        };
        self.enter_when_agent_knows(id, next);
    }

    /// Takes the step that is due for a task.
    pub(super) fn step(&mut self, id: &str) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        task.next_step = None;
        let Some((_, next)) = task.next_status() else {
            return;
        };
        self.enter_when_agent_knows(id, next);
    }

    /// Goes on with what stood still while the agent was disconnected.
    pub(super) fn resume(&mut self, id: &str) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        if !task.waits_for_agent {
            return;
        }
        task.waits_for_agent = false;
        let next = match (task.desired_status, task.last_status) {
            (DesiredStatus::Stopped, LastStatus::Running | LastStatus::Activating) => LastStatus::Stopping,
            (DesiredStatus::Stopped, LastStatus::Provisioning | LastStatus::Pending) => LastStatus::Deprovisioning,
            _ => match task.next_status() {
                Some((_, next)) => next,
                None => return,
            },
        };
        self.enter(id, next);
    }

    /// Every task that is not STOPPED ends with its host.
    pub(super) fn end_with_host(&mut self, id: &str) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        if task.is_alive() {
            want_stopped(task, StopCause::HostTerminated, now);
        }
        self.enter(id, LastStatus::Stopped);
    }

    // ECS developer guide, container agent: it starts and stops the containers and reports their state, so nothing of that moves while it is disconnected.
    fn enter_when_agent_knows(&mut self, id: &str, next: LastStatus) {
        let by_ecs_alone = matches!(next, LastStatus::Pending | LastStatus::Deactivating);
        if !by_ecs_alone && !self.agent_serves(id) {
            self.cancel_step(id);
            if let Some(task) = self.tasks.get_mut(id) {
                task.waits_for_agent = true;
            }
            return;
        }
        self.enter(id, next);
    }

    fn agent_serves(&self, task: &str) -> bool {
        self.tasks
            .get(task)
            .and_then(|task| self.container_instances.get(&task.container_instance))
            .is_some_and(|instance| instance.agent_connected)
    }

    fn enter(&mut self, id: &str, status: LastStatus) {
        self.cancel_step(id);
        let now = self.now;
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let from = task.last_status;
        task.last_status = status;
        task.version += 1;
        task.waits_for_agent = false;
        match status {
            LastStatus::Running => task.started_at = Some(now),
            LastStatus::Deprovisioning if task.is_alive() => {
                want_stopped(task, StopCause::Exited, now);
            }
            LastStatus::Stopped => task.stopped_at = Some(now),
            _ => {}
        }
        let change = TaskChange {
            at: now,
            task: task.id.clone(),
            group: task.group(),
            instance_id: task.instance_id.clone(),
            from,
            to: status,
        };
        let cluster = task.cluster.clone();
        self.changes.push(change);
        self.schedule_step(id);
        if status == LastStatus::Stopped {
            let gone = now + STOPPED_TASKS_STAY + self.settings.list_lag;
            self.agenda.insert((gone, Due::Forget(id.to_owned())));
        }
        self.want_scheduler(&cluster);
    }

    /// Puts the next step of a task that entered its status now on the agenda.
    pub(super) fn schedule_step(&mut self, id: &str) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        if let Some((stay, _)) = task.next_status() {
            let at = later(now, stay);
            task.next_step = Some(at);
            self.agenda.insert((at, Due::Step(id.to_owned())));
        }
    }

    fn cancel_step(&mut self, id: &str) {
        if let Some(at) = self.tasks.get_mut(id).and_then(|t| t.next_step.take()) {
            self.agenda.remove(&(at, Due::Step(id.to_owned())));
        }
    }

    pub(super) fn forget(&mut self, id: &str) {
        let Some(task) = self.tasks.remove(id) else {
            return;
        };
        if let Some(instance) = self.container_instances.get_mut(&task.container_instance) {
            instance.tasks.remove(id);
        }
        if let Some(service) = task.service()
            && let Some(service) =
                self.clusters.get_mut(&task.cluster).and_then(|cluster| cluster.services.get_mut(service))
        {
            service.tasks.remove(id);
        }
    }
}

fn want_stopped(task: &mut Task, cause: StopCause<'_>, now: Timestamp) {
    task.desired_status = DesiredStatus::Stopped;
    task.version += 1;
    task.stopping_at = Some(now);
    task.stop_code = Some(cause.code().to_owned());
    task.stopped_reason = Some(cause.reason(task));
}

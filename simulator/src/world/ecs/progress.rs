//! How tasks move from status to status.

use super::Ecs;
use crate::world::terms::{DesiredStatus, Due, LastStatus, Present, STOPPED_TASKS_STAY, StopCause, Task, later};

impl Ecs {
    /// Begins to stop a task, unless it is stopping already.
    pub(crate) fn stop(&mut self, present: &mut Present, id: &str, cause: StopCause<'_>) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.is_alive()) else { return };
        want_stopped(task, cause, present);
        let waits = match cause {
            StopCause::User(_) => task.timing.stop_task_waits_for_deregistration,
            _ => true,
        };
        let (waits, container_instance) =
            (waits && task.timing.deregistration.is_some() && !task.is_pending(), task.container_instance.clone());
        self.tasks_changed(present, &container_instance);
        // ECS developer guide, Task lifecycle: DEACTIVATING deregisters the target, then the containers stop.
        if waits {
            self.enter(present, id, LastStatus::Deactivating);
        } else {
            self.tell_to_end(present, id);
        }
    }

    /// The agent tells a task's containers to end, unless it is disconnected.
    fn tell_to_end(&mut self, present: &mut Present, id: &str) {
        self.cancel_step(present, id);
        let (now, serves) = (present.now, self.agent_serves(id));
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.waits_for_agent = !serves;
        if !serves {
            return;
        }
        task.told_to_end_at = Some(now);
        let status = task.last_status;
        self.changes.push(task.changed(status, now));
        self.schedule_step(present, id);
    }

    /// Takes the step that is due for a task.
    pub(crate) fn step(&mut self, present: &mut Present, id: &str) {
        let is_seen = self.agent_serves(id);
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.next_step = None;
        let Some((_, next)) = task.next_status() else { return };
        let exits = task.is_alive() && next == LastStatus::Deprovisioning && task.execution_stopped_at.is_none();
        if exits && is_seen && !task.timing.exit_noticed_after.is_zero() {
            task.execution_stopped_at = Some(present.now);
            return self.schedule_step(present, id);
        }
        self.enter_when_agent_knows(present, id, next);
    }

    /// Goes on with what stood still while the agent was disconnected.
    pub(crate) fn resume(&mut self, present: &mut Present, id: &str) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        if !task.waits_for_agent {
            return;
        }
        task.waits_for_agent = false;
        if task.waits_for_its_end() && task.told_to_end_at.is_none() {
            return self.tell_to_end(present, id);
        }
        if let Some((_, next)) = task.next_status() {
            self.enter(present, id, next);
        }
    }

    /// Every task that is not STOPPED ends with its host.
    pub(crate) fn end_with_host(&mut self, present: &mut Present, id: &str) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        if task.is_alive() {
            want_stopped(task, StopCause::HostTerminated, present);
        }
        self.enter(present, id, LastStatus::Stopped);
    }

    // ECS developer guide, container agent: it starts and stops the containers and reports their state, so nothing of that moves while it is disconnected.
    fn enter_when_agent_knows(&mut self, present: &mut Present, id: &str, next: LastStatus) {
        let by_ecs_alone = matches!(next, LastStatus::Pending | LastStatus::Deactivating);
        if !by_ecs_alone && !self.agent_serves(id) {
            self.cancel_step(present, id);
            if let Some(task) = self.tasks.get_mut(id) {
                task.waits_for_agent = true;
            }
            return;
        }
        self.enter(present, id, next);
    }

    fn agent_serves(&self, task: &str) -> bool {
        self.tasks
            .get(task)
            .and_then(|task| self.container_instances.get(&task.container_instance))
            .is_some_and(|instance| instance.agent_connected)
    }

    fn enter(&mut self, present: &mut Present, id: &str, status: LastStatus) {
        self.cancel_step(present, id);
        let now = present.now;
        let Some(task) = self.tasks.get_mut(id) else { return };
        let from = task.last_status;
        task.change(present, |task| task.last_status = status);
        task.waits_for_agent = false;
        match status {
            LastStatus::Running => task.started_at = Some(now),
            LastStatus::Deprovisioning => {
                if from != LastStatus::Provisioning {
                    task.execution_stopped_at.get_or_insert(now);
                }
                if task.is_alive() {
                    want_stopped(task, StopCause::Exited, present);
                }
            }
            LastStatus::Stopped => task.stopped_at = Some(now),
            _ => {}
        }
        let change = task.changed(from, now);
        let (cluster, container_instance) = (task.cluster.clone(), task.container_instance.clone());
        self.changes.push(change);
        self.tasks_changed(present, &container_instance);
        self.schedule_step(present, id);
        if status == LastStatus::Stopped {
            let gone = now + STOPPED_TASKS_STAY + present.longest_lag();
            present.plan(gone, Due::Forget(id.to_owned()));
        }
        self.want_scheduler(present, &cluster);
    }

    /// Puts the next step of a task that entered its status now on the agenda.
    pub(crate) fn schedule_step(&mut self, present: &mut Present, id: &str) {
        let now = present.now;
        let Some(task) = self.tasks.get_mut(id) else { return };
        if let Some((stay, _)) = task.next_status() {
            let at = later(now, stay);
            task.next_step = Some(at);
            present.plan(at, Due::Step(id.to_owned()));
        }
    }

    /// What a container instance runs has changed, and so has what it has to spare.
    // ECS developer guide, "Amazon ECS container instance state change events": tasks that start and stop change the resources.
    fn tasks_changed(&mut self, present: &Present, container_instance: &str) {
        if let Some(instance) = self.container_instances.get_mut(container_instance) {
            instance.change(present, |_| ());
        }
    }

    fn cancel_step(&mut self, present: &mut Present, id: &str) {
        if let Some(at) = self.tasks.get_mut(id).and_then(|t| t.next_step.take()) {
            present.cancel(at, Due::Step(id.to_owned()));
        }
    }

    pub(crate) fn forget(&mut self, id: &str) {
        let Some(task) = self.tasks.remove(id) else { return };
        if let Some(instance) = self.container_instances.get_mut(&task.container_instance) {
            instance.tasks.remove(id);
        }
        if let Some(service) = task.service()
            && let Some(service) = self.service_mut(&task.cluster, service)
        {
            service.tasks.remove(id);
        }
    }
}

fn want_stopped(task: &mut Task, cause: StopCause<'_>, present: &Present) {
    task.change(present, |task| {
        task.desired_status = DesiredStatus::Stopped;
        task.stopping_at = Some(present.now);
        task.stop_code = Some(cause.code().to_owned());
        task.stopped_reason = Some(cause.reason(task));
    });
}

//! What services tell of themselves: the newest events of each.

use super::Ecs;
use crate::world::terms::{LastStatus, Present, ServiceEvent};

impl Ecs {
    /// A service has tasks to start and no host has room for them.
    // ECS developer guide, "Amazon ECS service event messages"; parentheses and last sentence as the service has them.
    pub(crate) fn tell_of_no_room(&mut self, present: &mut Present, cluster: &str, service: &str) {
        // A slot stands for all that a task needs of a host, so what is short is told as the CPU. Where all are full, none
        // matches better than another; an agent that is connected does.
        let closest = (self.container_instances.values())
            .filter(|instance| instance.cluster == cluster && instance.status == "ACTIVE")
            .min_by_key(|instance| (!instance.agent_connected, &instance.instance_id));
        let why = match closest {
            None => "Reason: No Container Instances were found in your cluster.".to_owned(),
            Some(it) if it.agent_connected => {
                format!("The closest matching (container-instance {}) has insufficient CPU units available.", it.id)
            }
            Some(it) => format!("The closest matching (container-instance {}) encountered error \"AGENT\".", it.id),
        };
        let message = format!(
            "(service {service}) was unable to place a task because no container instance met all of its requirements. \
             {why} For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
        );
        let Some(state) = self.service_mut(cluster, service) else { return };
        // ECS repeats it, but rarely: not at all here while nothing has changed, whatever else was told meanwhile.
        if state.events.unplaced.as_ref() != Some(&message) {
            state.events.unplaced = Some(message.clone());
            self.tell(present, cluster, service, message);
        }
    }

    /// A service has placed tasks. The words are recorded.
    pub(crate) fn tell_of_started(&mut self, present: &mut Present, cluster: &str, service: &str, tasks: &[String]) {
        if !tasks.is_empty() {
            let (count, tasks) = (tasks.len(), named(tasks));
            self.tell(present, cluster, service, format!("(service {service}) has started {count} tasks:{tasks}."));
        }
    }

    /// A service has begun to stop tasks. The words are recorded.
    pub(crate) fn tell_of_stopped(
        &mut self,
        present: &mut Present,
        cluster: &str,
        service: &str,
        running: &[String],
        pending: usize,
    ) {
        if pending > 0 {
            self.tell(present, cluster, service, format!("(service {service}) stopped {pending} pending tasks."));
        }
        if !running.is_empty() {
            let (count, tasks) = (running.len(), named(running));
            self.tell(
                present,
                cluster,
                service,
                format!("(service {service}) has stopped {count} running tasks:{tasks}."),
            );
        }
    }

    /// A service is as it should be.
    // ECS developer guide, "Amazon ECS service event messages": "healthy and at the desired number of tasks".
    pub(crate) fn tell_if_steady(&mut self, present: &mut Present, cluster: &str, service: &str) {
        if self.is_steady(cluster, service) {
            if let Some(state) = self.service_mut(cluster, service) {
                state.events.unplaced = None;
            }
            self.tell(present, cluster, service, format!("(service {service}) has reached a steady state."));
        }
    }

    /// What should run does, and on hosts that are not DRAINING; on those there is nothing left.
    fn is_steady(&self, cluster: &str, service: &str) -> bool {
        let Some(state) = self.service(cluster, service) else { return false };
        let mut running = 0;
        for task in state.tasks.iter().filter_map(|id| self.tasks.get(id)) {
            let status = self.status_of(task);
            if task.last_status == LastStatus::Stopped || status == "INACTIVE" {
                continue;
            }
            if status == "DRAINING" || (task.is_alive() && task.last_status != LastStatus::Running) {
                return false;
            }
            running += usize::from(task.is_alive());
        }
        let wanted = self.wanted(cluster, state);
        // A daemon on a host whose agent is disconnected runs on and is not wanted.
        running == wanted || (state.is_daemon() && running > wanted)
    }

    // ECS repeats an event, but rarely: not at all here while it is the newest.
    fn tell(&mut self, present: &mut Present, cluster: &str, service: &str, message: String) {
        if self.service(cluster, service).is_none_or(|state| state.events.newest_is(&message)) {
            return;
        }
        // Not made up: what happens by chance in a world does not depend on what its services tell.
        let id = format!("00000000-0000-4000-8000-{:012x}", self.service_events);
        self.service_events += 1;
        if let Some(state) = self.service_mut(cluster, service) {
            state.events.push(ServiceEvent { id, created_at: present.now, message });
        }
    }
}

/// As ECS tells of tasks: ` (task ID)` for each.
fn named(tasks: &[String]) -> String {
    tasks.iter().map(|id| format!(" (task {id})")).collect()
}

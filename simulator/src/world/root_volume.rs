//! Root volumes that an instance refresh replaces: the host stays, and what was on its root volume is lost.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::{World, WorldError, lifecycle::whole_seconds, way::Way};

impl World {
    /// An instance refresh begins to replace an instance's root volume. Answers the events, one for each termination hook.
    // Auto Scaling user guide, "Replace root volumes during instance refresh".
    pub fn replace_root_volume(&mut self, instance_id: &str, now: Timestamp) -> Result<Vec<Value>, WorldError> {
        self.advance(now);
        self.group_of(instance_id)?;
        if !self.is_in_service(instance_id) {
            return Err(self.not_so(instance_id));
        }
        // Recorded of a refresh that replaces the instances.
        let cause = format!(
            "At {} an instance was taken out of service in response to an instance refresh.",
            whole_seconds(self.now)
        );
        self.depart(instance_id, Way::ReplaceRootVolume, &cause)
    }

    /// The host reboots: what was not STOPPED is killed, and its agent has forgotten who it was.
    pub(super) fn lose_root_volume(&mut self, instance_id: &str) {
        self.kill_tasks(instance_id);
        self.forget_registrations(instance_id);
    }

    /// The agent of a host loses its state: what the host is registered as stays behind, without an agent.
    pub fn lose_agent_state(&mut self, instance_id: &str) -> Result<(), WorldError> {
        self.running_host(instance_id)?;
        self.forget_registrations(instance_id);
        self.settle();
        Ok(())
    }

    // ECS developer guide, container agent configuration: ECS_DATADIR, where the agent keeps its state, is on the root
    // volume. ECS learns no more of what ran.
    fn forget_registrations(&mut self, instance_id: &str) {
        for id in self.registration_ids(instance_id) {
            if let Some(instance) = self.container_instances.get_mut(&id)
                && !instance.left_behind
            {
                instance.left_behind = true;
                instance.version += i64::from(instance.agent_connected);
                instance.agent_connected = false;
            }
            self.want_scheduler_of(&id);
        }
    }

    /// The host registers anew where it was registered before, and is in service again.
    pub(super) fn come_back_with_new_volume(&mut self, instance_id: &str) {
        let mut clusters = BTreeSet::new();
        for id in self.registration_ids(instance_id) {
            let instance = self.container_instances.get(&id);
            let left_behind = instance.filter(|instance| instance.left_behind && instance.status != "INACTIVE");
            clusters.extend(left_behind.map(|instance| instance.cluster.clone()));
        }
        for cluster in clusters {
            // It was registered there, so the cluster is known, and the host runs.
            let _registered = self.register_since(instance_id, &cluster, self.now, true);
        }
        self.set_lifecycle_state(instance_id, "InService");
        self.end_journey(instance_id);
    }
}

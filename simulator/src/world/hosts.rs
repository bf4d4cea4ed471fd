//! What happens to hosts: registrations, agents, power, Spot, and their ways out of their groups.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    auto_scaling::Departure,
    ec2::{SPOT_NOTICE, SpotAction},
    parts::World,
};
use crate::world::terms::{Due, WorldError, unknown};

/// The tasks that a host fits which is launched into a warm pool.
const SLOTS: usize = 10;

impl World {
    /// The agent of a host registers it in a cluster, now. What it was registered as before stays behind, without an agent.
    /// Answers the bare container instance id.
    pub fn register(&mut self, instance_id: &str, cluster: &str) -> Result<String, WorldError> {
        self.ec2.check_runs(instance_id)?;
        let now = self.present.now;
        self.ecs.register(&mut self.present, instance_id, cluster, now, true)
    }

    /// The container agents of a host connect or disconnect.
    pub fn set_agent_connected(&mut self, instance_id: &str, connected: bool) -> Result<(), WorldError> {
        self.change(instance_id, |world| world.ecs.set_agent_connected(&mut world.present, instance_id, connected))
    }

    /// A host is deregistered by force, everywhere: INACTIVE; its tasks go on unwatched until it is gone.
    pub fn deregister(&mut self, instance_id: &str) -> Result<(), WorldError> {
        self.change(instance_id, |world| world.ecs.deregister(&mut world.present, instance_id))
    }

    /// Sets the status of a host, in all its registrations that are not INACTIVE.
    pub fn set_status(&mut self, instance_id: &str, status: &str) -> Result<(), WorldError> {
        self.change(instance_id, |world| world.ecs.set_status(&mut world.present, instance_id, status))
    }

    /// The agent of a host loses its state: what the host is registered as stays behind, without an agent.
    pub fn lose_agent_state(&mut self, instance_id: &str) -> Result<(), WorldError> {
        self.change(instance_id, |world| world.ecs.leave_registrations_behind(&mut world.present, instance_id))
    }

    /// The `pendingTasksCount` of a host is wrong by so many from now on, in all its registrations.
    pub fn miscount_pending(&mut self, instance_id: &str, by: i64) -> Result<(), WorldError> {
        self.change(instance_id, |world| world.ecs.miscount_pending(&world.present, instance_id, by))
    }

    /// The host goes away this instant; what ran on it is dead.
    pub fn power_off(&mut self, instance_id: &str) -> Result<(), WorldError> {
        self.change(instance_id, |world| world.go_away(instance_id))
    }

    /// Auto Scaling's opinion of an instance becomes `Healthy` or `Unhealthy`. It does not terminate it by itself here.
    pub fn set_health(&mut self, instance_id: &str, health: &str) -> Result<(), WorldError> {
        self.ec2.get(instance_id).ok_or_else(|| unknown("host", instance_id))?;
        self.auto_scaling.set_health(instance_id, health);
        Ok(())
    }

    /// EC2 gave notice of an instance's interruption at `noticed_at`, which may be past already. Answers the event.
    ///
    /// Two minutes after the notice the power goes, whatever runs then. A hibernating instance freezes at once.
    pub fn interrupt(
        &mut self,
        instance_id: &str,
        action: SpotAction,
        noticed_at: Timestamp,
    ) -> Result<Value, WorldError> {
        self.ec2.check_runs(instance_id)?;
        match action {
            SpotAction::Terminate | SpotAction::Stop => {
                // Whether it will be started again makes no difference to what ran on it.
                self.present.plan(noticed_at + SPOT_NOTICE, Due::PowerOff(instance_id.to_owned()));
            }
            // EC2 user guide, "Hibernate interrupted Spot Instances": "the hibernation process begins immediately".
            SpotAction::Hibernate => self.set_agent_connected(instance_id, false)?,
        }
        let event = self.ec2.interrupt(&mut self.present, instance_id, action, noticed_at);
        self.settle();
        Ok(event)
    }

    /// EC2 finds that an instance is at an elevated risk of interruption. Answers the event; nothing else happens.
    pub fn recommend_rebalance(&mut self, instance_id: &str) -> Result<Value, WorldError> {
        self.ec2.recommend_rebalance(&mut self.present, instance_id)
    }

    /// Auto Scaling begins to terminate an instance at `now`, to scale in. Answers the events it sends, one for each
    /// termination hook. It is not returned to a warm pool; see [`World::return_to_warm_pool`].
    pub fn scale_in(&mut self, instance_id: &str, now: Timestamp) -> Result<Vec<Value>, WorldError> {
        self.leave(instance_id, Departure::ScaleIn, now)
    }

    /// Auto Scaling begins to terminate an instance at `now`; its scaling activity has this cause.
    pub fn scale_in_because(
        &mut self,
        instance_id: &str,
        cause: &str,
        now: Timestamp,
    ) -> Result<Vec<Value>, WorldError> {
        self.leave(instance_id, Departure::ScaleInBecause(cause), now)
    }

    /// A user terminates a retained instance: a new lifecycle action begins. Answers its events.
    pub fn release_retained(&mut self, instance_id: &str, now: Timestamp) -> Result<Vec<Value>, WorldError> {
        self.leave(instance_id, Departure::ReleaseRetained, now)
    }

    /// An instance refresh begins to replace an instance's root volume. Answers the events, one for each termination hook.
    pub fn replace_root_volume(&mut self, instance_id: &str, now: Timestamp) -> Result<Vec<Value>, WorldError> {
        self.leave(instance_id, Departure::ReplaceRootVolume, now)
    }

    /// Auto Scaling scales an instance in, back to its group's warm pool. Answers the events, one for each termination hook.
    pub fn return_to_warm_pool(&mut self, instance_id: &str, now: Timestamp) -> Result<Vec<Value>, WorldError> {
        self.leave(instance_id, Departure::ReturnToWarmPool, now)
    }

    /// Auto Scaling terminates an instance of a warm pool. Answers the events, one for each termination hook.
    pub fn terminate_warmed(&mut self, instance_id: &str, now: Timestamp) -> Result<Vec<Value>, WorldError> {
        self.leave(instance_id, Departure::TerminateWarmed, now)
    }

    /// A group is deleted by force. Its lifecycle actions end, and every instance in it is terminated.
    pub fn delete_group(&mut self, name: &str, now: Timestamp) -> Result<(), WorldError> {
        self.advance(now);
        self.auto_scaling.delete_group(&mut self.present, name)?;
        self.settle();
        Ok(())
    }

    /// Auto Scaling launches an instance into a group's warm pool; it is in no cluster. Answers the events, one for each
    /// launch hook.
    pub fn launch_into_warm_pool(
        &mut self,
        instance_id: &str,
        group: &str,
        now: Timestamp,
    ) -> Result<Vec<Value>, WorldError> {
        self.advance(now);
        self.auto_scaling.check_pool(group)?;
        self.ec2.launch(instance_id)?;
        self.ecs.add_host(instance_id, SLOTS);
        self.auto_scaling.add_instance(instance_id, group.to_owned());
        let events = self.auto_scaling.launch_into_warm_pool(&mut self.present, instance_id)?;
        self.settle();
        Ok(events)
    }

    /// Auto Scaling takes an instance out of the warm pool, into service at once. A launch hook does not hold it here.
    // ECS developer guide, container agent: after a stop it connects again as the container instance that it was.
    pub fn launch_from_warm_pool(&mut self, instance_id: &str, now: Timestamp) -> Result<(), WorldError> {
        self.advance(now);
        self.auto_scaling.launch_from_warm_pool(&mut self.present, instance_id)?;
        if !self.ec2.set_powered(instance_id, true) {
            self.ecs.start_host(&mut self.present, instance_id);
        }
        self.settle();
        Ok(())
    }

    /// Something happens to a host that runs, and then what is due at once.
    fn change(&mut self, instance_id: &str, change: impl FnOnce(&mut World)) -> Result<(), WorldError> {
        self.ec2.check_runs(instance_id)?;
        change(self);
        self.settle();
        Ok(())
    }

    /// An instance begins to leave at `now`, and what is due at once happens.
    fn leave(&mut self, instance_id: &str, departure: Departure<'_>, now: Timestamp) -> Result<Vec<Value>, WorldError> {
        self.advance(now);
        let events = self.auto_scaling.leave(&mut self.present, instance_id, departure)?;
        self.settle();
        Ok(events)
    }
}

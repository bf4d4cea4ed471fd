//! The world: its parts, and what happens by itself.

use jiff::Timestamp;

use super::{
    auto_scaling::{Arrival, AutoScaling},
    deployed::Deployed,
    ec2::Ec2,
    ecs::Ecs,
    gate::Gate,
    journal::{Journal, Killed},
};
use crate::world::terms::{Due, Present, Settings};

/// More steps at one instant than any world takes; a cycle in the model would never end otherwise.
const MAX_STEPS_AT_ONCE: usize = 10_000_000;

/// ECS, Auto Scaling, the hosts and the stacks of one account and region.
///
/// Each part owns its data. What a change in one part does to another is here.
#[derive(Debug, Clone)]
pub struct World {
    pub(crate) present: Present,
    pub(crate) ec2: Ec2,
    pub(crate) ecs: Ecs,
    pub(crate) auto_scaling: AutoScaling,
    pub(crate) deployed: Deployed,
    pub(crate) gate: Gate,
    pub(crate) journal: Journal,
}

impl World {
    /// An empty world.
    pub fn new(start: Timestamp, settings: Settings) -> World {
        World {
            present: Present::new(start, settings),
            ec2: Ec2::default(),
            ecs: Ecs::default(),
            auto_scaling: AutoScaling::default(),
            deployed: Deployed::default(),
            gate: Gate::default(),
            journal: Journal::default(),
        }
    }

    /// Everything due until `now` happens in the order of its time, and what follows from it too. The clock never goes back.
    pub fn advance(&mut self, now: Timestamp) {
        let mut steps = 0;
        while steps < MAX_STEPS_AT_ONCE
            && let Some((at, due)) = self.present.take_due(now)
        {
            steps = if at > self.present.now { 0 } else { steps + 1 };
            self.present.now = self.present.now.max(at);
            self.happen(due);
        }
        self.present.now = self.present.now.max(now);
    }

    /// What is due at once after a change happens.
    pub(crate) fn settle(&mut self) {
        self.advance(self.present.now);
    }

    fn happen(&mut self, due: Due) {
        let World { present, ecs, auto_scaling, .. } = self;
        match due {
            Due::Step(task) => ecs.step(present, &task),
            Due::Forget(task) => ecs.forget(&task),
            Due::Schedule { cluster } => ecs.run_scheduler(present, &cluster),
            Due::HookTimeout { instance_id, hook } => {
                if let Some(mut timeout) = auto_scaling.time_out(present, &instance_id, &hook) {
                    timeout.unstopped = ecs.unstopped_on(&instance_id);
                    self.journal.hook_timeouts.push(timeout);
                }
            }
            Due::Lifecycle(instance_id) => {
                if let Some(arrival) = auto_scaling.go_on(present, &instance_id) {
                    self.arrive(&instance_id, arrival);
                }
            }
            Due::PowerOff(instance_id) => self.go_away(&instance_id),
        }
    }

    fn arrive(&mut self, instance_id: &str, arrival: Arrival) {
        match arrival {
            Arrival::Gone => self.go_away(instance_id),
            Arrival::Stopped => {
                self.ec2.set_powered(instance_id, false);
                self.kill_tasks(instance_id);
                self.ecs.stop_host(&mut self.present, instance_id);
            }
            Arrival::RootVolumeLost => {
                self.kill_tasks(instance_id);
                self.ecs.leave_registrations_behind(&mut self.present, instance_id);
            }
            Arrival::RootVolumeReplaced => self.ecs.register_anew(&mut self.present, instance_id),
        }
    }

    /// A host is gone: what was not STOPPED is killed, and Auto Scaling forgets it.
    pub(crate) fn go_away(&mut self, instance_id: &str) {
        let ran = self.ec2.set_powered(instance_id, false);
        // One in a warm pool may be without power already.
        let was_in_group = self.auto_scaling.remove_instance(&mut self.present, instance_id);
        if ran {
            self.kill_tasks(instance_id);
        }
        if ran || was_in_group {
            self.ecs.lose_host(&mut self.present, instance_id);
        }
    }

    /// What has not ended on a host is dead.
    fn kill_tasks(&mut self, instance_id: &str) {
        let at = self.present.now;
        let unended = self.ecs.tasks_on(instance_id).filter(|task| !task.has_ended());
        self.journal.killed.extend(unended.map(|task| Killed {
            task: task.arn.clone(),
            instance_id: instance_id.to_owned(),
            at,
            last_status: task.last_status,
        }));
    }
}

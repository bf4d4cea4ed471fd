//! Spot: notices of interruptions, rebalance recommendations, and the power that goes.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Due, World, WorldError};

/// From the notice of an interruption until the instance is stopped or terminated.
// EC2 user guide, "Spot Instance interruption notices".
pub const SPOT_NOTICE: Duration = Duration::from_secs(120);

/// What becomes of an interrupted Spot Instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the EC2 user guide, Behavior of Spot Instance interruptions")]
pub enum SpotAction {
    Terminate,
    Stop,
    Hibernate,
}

impl SpotAction {
    /// As EC2 spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            SpotAction::Terminate => "terminate",
            SpotAction::Stop => "stop",
            SpotAction::Hibernate => "hibernate",
        }
    }
}

impl World {
    /// EC2 gave notice of an instance's interruption at `noticed_at`, which may be past already. Answers the event.
    ///
    /// Two minutes after the notice the power goes, whatever runs then. A hibernating instance freezes at once.
    pub fn interrupt(
        &mut self,
        instance_id: &str,
        action: SpotAction,
        noticed_at: Timestamp,
    ) -> Result<Value, WorldError> {
        self.running_host(instance_id)?;
        if let Some(host) = self.hosts.get_mut(instance_id) {
            host.interrupted_at = Some(noticed_at);
        }
        match action {
            SpotAction::Terminate | SpotAction::Stop => {
                // Whether it will be started again makes no difference to what ran on it.
                self.agenda.insert((noticed_at + SPOT_NOTICE, Due::PowerOff(instance_id.to_owned())));
            }
            // EC2 user guide, "Hibernate interrupted Spot Instances": "the hibernation process begins immediately".
            SpotAction::Hibernate => self.set_agent_connected(instance_id, false)?,
        }
        let detail = json!({ "instance-id": instance_id, "instance-action": action.as_str() });
        let event = self.ec2_event("EC2 Spot Instance Interruption Warning", instance_id, &detail, noticed_at);
        self.settle();
        Ok(event)
    }

    /// EC2 finds that an instance is at an elevated risk of interruption. Answers the event; nothing else happens.
    pub fn recommend_rebalance(&mut self, instance_id: &str) -> Result<Value, WorldError> {
        self.running_host(instance_id)?;
        let (detail, now) = (json!({ "instance-id": instance_id }), self.now);
        Ok(self.ec2_event("EC2 Instance Rebalance Recommendation", instance_id, &detail, now))
    }

    // EC2 user guide, "Spot Instance interruption notices": the sample's ARN has the Availability Zone where a region belongs.
    fn ec2_event(&mut self, kind: &str, instance_id: &str, detail: &Value, at: Timestamp) -> Value {
        json!({
            "version": "0",
            "id": self.made_up_uuid(),
            "detail-type": kind,
            "source": "aws.ec2",
            "account": self.settings.account,
            "time": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": self.settings.region,
            "resources": [format!(
                "arn:{}:ec2:{}:{}:instance/{instance_id}",
                self.settings.partition, self.zone(), self.settings.account
            )],
            "detail": detail,
        })
    }
}

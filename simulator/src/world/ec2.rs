//! EC2: hosts, their power, and the notices of Spot interruptions.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::spelled::spelled;
use crate::world::terms::{Present, WorldError, exists, unknown, whole_seconds};

/// From the notice of an interruption until the instance is stopped or terminated.
// EC2 user guide, "Spot Instance interruption notices".
pub const SPOT_NOTICE: Duration = Duration::from_secs(120);

spelled! {
    /// What becomes of an interrupted Spot Instance.
    #[expect(missing_docs, reason = "as in the EC2 user guide, Behavior of Spot Instance interruptions")]
    pub enum SpotAction {
        Terminate = "terminate",
        Stop = "stop",
        Hibernate = "hibernate",
    }
}

/// Every host that EC2 ever ran.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ec2 {
    hosts: BTreeMap<String, Machine>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) powered: bool,
    pub(crate) interrupted_at: Option<Timestamp>,
}

impl Ec2 {
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&str, &Machine)> {
        self.hosts.iter().map(|(id, host)| (id.as_str(), host))
    }

    pub(crate) fn get(&self, instance_id: &str) -> Option<(&str, &Machine)> {
        self.hosts.get_key_value(instance_id).map(|(id, host)| (id.as_str(), host))
    }

    /// Starts a host.
    pub(crate) fn launch(&mut self, instance_id: &str) -> Result<(), WorldError> {
        if self.hosts.contains_key(instance_id) {
            return Err(exists("host", instance_id));
        }
        self.hosts.insert(instance_id.to_owned(), Machine { powered: true, interrupted_at: None });
        Ok(())
    }

    pub(crate) fn check_runs(&self, instance_id: &str) -> Result<(), WorldError> {
        let runs = self.hosts.get(instance_id).is_some_and(|host| host.powered);
        runs.then_some(()).ok_or_else(|| unknown("running host", instance_id))
    }

    /// Switches a host on or off. Answers whether it ran before.
    pub(crate) fn set_powered(&mut self, instance_id: &str, powered: bool) -> bool {
        self.hosts.get_mut(instance_id).is_some_and(|host| std::mem::replace(&mut host.powered, powered))
    }

    /// Gives notice of an interruption. Answers the event.
    pub(crate) fn interrupt(
        &mut self,
        present: &mut Present,
        instance_id: &str,
        action: SpotAction,
        noticed_at: Timestamp,
    ) -> Value {
        if let Some(host) = self.hosts.get_mut(instance_id) {
            host.interrupted_at = Some(noticed_at);
        }
        let detail = json!({ "instance-id": instance_id, "instance-action": action.as_str() });
        event(present, "EC2 Spot Instance Interruption Warning", instance_id, &detail, noticed_at)
    }

    /// Finds that a host is at an elevated risk of interruption. Answers the event; nothing else happens.
    pub(crate) fn recommend_rebalance(&self, present: &mut Present, instance_id: &str) -> Result<Value, WorldError> {
        self.check_runs(instance_id)?;
        let (detail, now) = (json!({ "instance-id": instance_id }), present.now);
        Ok(event(present, "EC2 Instance Rebalance Recommendation", instance_id, &detail, now))
    }
}

// EC2 user guide, "Spot Instance interruption notices": the sample's ARN has the Availability Zone where a region belongs.
fn event(present: &mut Present, kind: &str, instance_id: &str, detail: &Value, at: Timestamp) -> Value {
    let id = present.uuid();
    let settings = &present.settings;
    let (partition, account, zone) = (&settings.partition, &settings.account, settings.zone());
    json!({
        "version": "0",
        "id": id,
        "detail-type": kind,
        "source": "aws.ec2",
        "account": account,
        "time": whole_seconds(at),
        "region": settings.region,
        "resources": [format!("arn:{partition}:ec2:{zone}:{account}:instance/{instance_id}")],
        "detail": detail,
    })
}

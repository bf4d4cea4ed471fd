//! Request quotas as token buckets, one per category.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::super::{request::Operation, service::Service};

/// One token bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// How many requests may come at once.
    pub burst: f64,
    /// How many tokens come back each second.
    pub per_second: f64,
}

/// The bucket of each category; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quotas {
    /// UpdateContainerInstancesState, StopTask.
    pub resource_modify: Option<Bucket>,
    /// Describe* and List* of container instances and tasks.
    pub resource_read: Option<Bucket>,
    /// ListClusters, DescribeClusters.
    pub cluster_read: Option<Bucket>,
    /// DescribeCapacityProviders.
    pub capacity_provider_read: Option<Bucket>,
    /// DescribeServices.
    pub service_read: Option<Bucket>,
    /// GetTaskProtection.
    pub task_protection: Option<Bucket>,
    /// PutAttributes, DeleteAttributes.
    pub attributes: Option<Bucket>,
    /// Every Auto Scaling action.
    pub auto_scaling: Option<Bucket>,
}

// ECS API reference, "Request throttling": the bucket of each action category.
const RESOURCE_MODIFY: Bucket = bucket(100.0, 40.0);
const RESOURCE_READ: Bucket = bucket(100.0, 20.0);
const CLUSTER_READ: Bucket = bucket(50.0, 20.0);
const CAPACITY_PROVIDER_READ: Bucket = bucket(50.0, 20.0);
const SERVICE_READ: Bucket = bucket(100.0, 20.0);
const TASK_PROTECTION: Bucket = bucket(200.0, 80.0);

/// AWS documents no bucket for attributes; taken to be as large as that of the other writes.
pub const ASSUMED_ATTRIBUTES: Bucket = bucket(100.0, 40.0);

/// Auto Scaling has one bucket for all actions of account and region and publishes no size.
pub const ASSUMED_AUTO_SCALING: Bucket = bucket(100.0, 20.0);

impl Quotas {
    /// What AWS documents, and an assumption where it documents nothing.
    pub fn documented() -> Quotas {
        Quotas {
            resource_modify: Some(RESOURCE_MODIFY),
            resource_read: Some(RESOURCE_READ),
            cluster_read: Some(CLUSTER_READ),
            capacity_provider_read: Some(CAPACITY_PROVIDER_READ),
            service_read: Some(SERVICE_READ),
            task_protection: Some(TASK_PROTECTION),
            attributes: Some(ASSUMED_ATTRIBUTES),
            auto_scaling: Some(ASSUMED_AUTO_SCALING),
        }
    }

    /// No limits at all.
    pub fn unlimited() -> Quotas {
        Quotas::default()
    }

    /// The category of an operation, and its bucket. There is none where AWS publishes none and none is assumed.
    fn bucket(&self, operation: Operation) -> (&'static str, Option<Bucket>) {
        match operation {
            Operation::UpdateContainerInstancesState | Operation::StopTask => ("resource modify", self.resource_modify),
            Operation::ListClusters | Operation::DescribeClusters => ("cluster read", self.cluster_read),
            Operation::DescribeCapacityProviders => ("capacity provider read", self.capacity_provider_read),
            Operation::DescribeServices => ("service read", self.service_read),
            Operation::GetTaskProtection => ("task protection", self.task_protection),
            Operation::PutAttributes | Operation::DeleteAttributes => ("attributes", self.attributes),
            _ => match operation.service() {
                Service::Ecs => ("resource read", self.resource_read),
                Service::AutoScaling => ("Auto Scaling", self.auto_scaling),
                Service::CloudFormation | Service::EventBridge | Service::Iam => ("", None),
            },
        }
    }
}

/// What is left in each bucket.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meters(BTreeMap<&'static str, Meter>);

#[derive(Debug, Clone, Copy)]
struct Meter {
    tokens: f64,
    filled_at: Timestamp,
}

impl Meters {
    /// Takes one token for `operation`; false is a throttle.
    pub(crate) fn take(&mut self, quotas: &Quotas, operation: Operation, now: Timestamp) -> bool {
        let (category, Some(bucket)) = quotas.bucket(operation) else { return true };
        let meter = self.0.entry(category).or_insert(Meter { tokens: bucket.burst, filled_at: now });
        let elapsed = Duration::try_from(now.duration_since(meter.filled_at)).unwrap_or_default();
        meter.tokens = (meter.tokens + elapsed.as_secs_f64() * bucket.per_second).min(bucket.burst);
        meter.filled_at = now;
        if meter.tokens < 1.0 {
            return false;
        }
        meter.tokens -= 1.0;
        true
    }
}

const fn bucket(burst: f64, per_second: f64) -> Bucket {
    Bucket { burst, per_second }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn taken(meters: &mut Meters, operation: Operation, now: Timestamp) -> usize {
        (0..1000).take_while(|_| meters.take(&Quotas::documented(), operation, now)).count()
    }

    #[test]
    fn a_bucket_refills_with_the_clock_and_never_past_its_burst() {
        let mut meters = Meters::default();
        assert_eq!(taken(&mut meters, Operation::ListTasks, START), 100);
        let later = START + Duration::from_secs(2);
        assert_eq!(taken(&mut meters, Operation::ListTasks, later), 40);
        let much_later = START + Duration::from_secs(3600);
        assert_eq!(taken(&mut meters, Operation::ListTasks, much_later), 100);
    }

    #[test]
    fn a_category_shares_its_bucket_and_others_have_their_own() {
        let mut meters = Meters::default();
        assert_eq!(taken(&mut meters, Operation::DescribeTasks, START), 100);
        assert_eq!(taken(&mut meters, Operation::ListTasks, START), 0);
        assert_eq!(taken(&mut meters, Operation::StopTask, START), 100);
        assert_eq!(taken(&mut meters, Operation::ListClusters, START), 50);
        assert_eq!(taken(&mut meters, Operation::GetTaskProtection, START), 200);
    }
}

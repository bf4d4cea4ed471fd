//! How a world behaves, and the account and region that it is.

use std::{ops::Range, time::Duration};

use super::gate::quota::Quotas;
use crate::cloudformation::Place;

const ZONE_SUFFIX: &str = "a";
const ZONE_NUMBER: &str = "az1";

/// The most ids or records one page of an ECS list holds.
// ECS API reference, ListTasks and ListContainerInstances: maxResults "between 1 and 100".
pub const MAX_PAGE: usize = 100;

/// How a world behaves where AWS gives no figure, or several.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The AWS account that owns everything.
    pub account: String,
    /// The region everything is in.
    pub region: String,
    /// The partition in every ARN.
    pub partition: String,
    /// Seeds every made-up id and all jitter.
    pub seed: u64,
    /// ListTasks and ListContainerInstances answer as things were some time ago, each page by itself: at most so long.
    // ECS API reference, RunTask: "The Amazon ECS API follows an eventual consistency model." How long it takes is not said.
    pub list_lag: Duration,
    /// DescribeContainerInstances and DescribeTasks likewise, each answer by itself, so that an older one may come after a newer.
    pub description_lag: Duration,
    /// UpdateContainerInstancesState and StopTask answer how things were before them, as far back as descriptions lag.
    // Reported of both: a write took effect, and its answer still said ACTIVE, or RUNNING.
    pub write_answers_lag: bool,
    /// How long an answer takes, drawn evenly from this range.
    pub latency: Range<Duration>,
    /// The request quotas of account and region.
    pub quotas: Quotas,
    /// This part of all requests, at random, fails with an internal error before it has any effect.
    pub failing: f64,
    /// How long after a change the service scheduler looks; several changes within it are seen together.
    pub tick: Duration,
    /// From the end of the last lifecycle action to the host being gone, or wherever else it goes.
    pub termination_delay: Duration,
    /// From the begin of a lifecycle action until the instance's state says that it waits.
    // Recorded: 0.2 to 0.6 s, in which it reads `Terminating`.
    pub wait_begins_after: Duration,
    /// From the end of a task's containers to STOPPED: detaching what was attached.
    // Recorded on Fargate: 23 to 35 seconds. On EC2, not recorded; short here, so that tests in real time are.
    pub deprovisioning: Duration,
    /// How long after its essential container ended by itself a task is still RUNNING, and meant to be.
    // Recorded on Fargate: 10 seconds. None here, so that tests in real time are short.
    pub exit_noticed_after: Duration,
    /// Pages are this short, at most [`MAX_PAGE`].
    pub page_size: usize,
    /// Every other page of an ECS list is empty, beginning with the first, and still has a next token.
    pub empty_pages: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            account: "123456789012".to_owned(),
            region: "us-west-2".to_owned(),
            partition: "aws".to_owned(),
            seed: 0,
            list_lag: Duration::ZERO,
            description_lag: Duration::ZERO,
            write_answers_lag: false,
            latency: Duration::ZERO..Duration::ZERO,
            quotas: Quotas::documented(),
            failing: 0.0,
            tick: Duration::from_millis(250),
            termination_delay: Duration::from_secs(1),
            wait_begins_after: Duration::from_millis(400),
            deprovisioning: Duration::from_millis(100),
            exit_noticed_after: Duration::ZERO,
            page_size: MAX_PAGE,
            empty_pages: false,
        }
    }
}

impl Settings {
    /// Where a stack of this name is, when it is deployed here.
    pub fn place(&self, stack: &str) -> Place {
        Place {
            partition: self.partition.clone(),
            region: self.region.clone(),
            account: self.account.clone(),
            stack: stack.to_owned(),
        }
    }

    /// The ARN of a resource in this account and region.
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    /// The ARN of a resource in this account and in no region.
    pub(crate) fn global_arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}::{}:{resource}", self.partition, self.account)
    }

    /// The Availability Zone of every instance.
    pub(crate) fn zone(&self) -> String {
        format!("{}{ZONE_SUFFIX}", self.region)
    }

    /// Auto Scaling's other name of the zone, `usw2-az1`.
    pub(crate) fn zone_id(&self) -> String {
        let parts = self.region.split('-');
        let short: String = parts
            .enumerate()
            .map(|(at, part)| part.get(..if at == 0 { part.len() } else { 1 }).unwrap_or(part))
            .collect();
        format!("{short}-{ZONE_NUMBER}")
    }
}

//! Warm pools: instances that are launched ahead of need, return there when the group scales in, and leave.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    ApiError, Host, Response, WarmPoolSpec, WarmPoolState, World, WorldError, auto_scaling::records, exists,
    hooks::no_group, lifecycle::whole_seconds, unknown, way::Way,
};

// Auto Scaling API reference, DescribeWarmPool, MaxRecords: "The maximum value is 50."
const MAX_WARMED: usize = 50;

const SLOTS: usize = 10;

impl World {
    /// Auto Scaling scales an instance in, back to its group's warm pool. Answers the events, one for each termination hook.
    pub fn return_to_warm_pool(&mut self, instance_id: &str, now: Timestamp) -> Result<Vec<Value>, WorldError> {
        self.advance(now);
        self.pool_of(instance_id)?;
        if !self.is_in_service(instance_id) {
            return Err(self.not_so(instance_id));
        }
        // Recorded.
        let cause = self.scale_in_cause(instance_id, "was selected for scale in to warm pool.");
        self.depart(instance_id, Way::ReturnToWarmPool, &cause)
    }

    /// Auto Scaling terminates an instance of a warm pool. Answers the events, one for each termination hook.
    pub fn terminate_warmed(&mut self, instance_id: &str, now: Timestamp) -> Result<Vec<Value>, WorldError> {
        self.advance(now);
        if !self.is_warmed(instance_id) {
            return Err(self.not_so(instance_id));
        }
        let cause = self.user_request_cause(instance_id);
        self.depart(instance_id, Way::TerminateWarmed, &cause)
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
        let pool = self.groups.get(group).ok_or_else(|| unknown("group", group))?.warm_pool;
        pool.ok_or_else(|| unknown("warm pool of group", group))?;
        if self.hosts.contains_key(instance_id) {
            return Err(exists("host", instance_id));
        }
        self.insert_host(Host::new(instance_id, SLOTS, Some(group.to_owned())))?;
        // Assumed.
        let cause = format!("At {} an instance was launched into the warm pool.", whole_seconds(self.now));
        self.depart(instance_id, Way::LaunchIntoWarmPool, &cause)
    }

    /// Auto Scaling takes an instance out of the warm pool, into service at once. A launch hook does not hold it here.
    // ECS developer guide, container agent: after a stop it connects again as the container instance that it was.
    pub fn launch_from_warm_pool(&mut self, instance_id: &str, now: Timestamp) -> Result<(), WorldError> {
        self.advance(now);
        if !self.is_warmed(instance_id) {
            return Err(self.not_so(instance_id));
        }
        let group = self.group_of(instance_id)?.clone();
        let starts = self.hosts.get(instance_id).is_some_and(|host| !host.powered);
        // Assumed, both sentences.
        let cause = format!("At {} an instance was taken out of the warm pool.", whole_seconds(self.now));
        let description = format!("Launching a new EC2 instance from warm pool: {instance_id}");
        let activity = self.begin_activity(&group, description, &cause);
        self.end_activity(activity);
        self.set_lifecycle_state(instance_id, "InService");
        if starts {
            self.start_host(instance_id)?;
        }
        self.settle();
        Ok(())
    }

    /// It is in the pool; one that does not run there stops, and what is on it.
    pub(super) fn enter_warm_pool(&mut self, instance_id: &str) {
        let state = self.warmed_state(instance_id);
        self.set_lifecycle_state(instance_id, state);
        self.end_journey(instance_id);
        if state != WarmPoolState::Running.lifecycle_state() {
            self.stop_host(instance_id);
        }
    }

    /// What an instance in its group's pool is.
    // An ABANDON was recorded in a pool of running instances only; elsewhere the pool's state is assumed.
    pub(super) fn warmed_state(&self, instance_id: &str) -> &'static str {
        self.pool_of(instance_id).map_or(WarmPoolState::Running, |pool| pool.state).lifecycle_state()
    }

    fn pool_of(&self, instance_id: &str) -> Result<WarmPoolSpec, WorldError> {
        let group = self.group_of(instance_id)?;
        group.warm_pool.ok_or_else(|| unknown("warm pool of group", &group.name))
    }

    fn is_warmed(&self, instance_id: &str) -> bool {
        let states = [WarmPoolState::Running, WarmPoolState::Stopped, WarmPoolState::Hibernated];
        (self.lifecycle_state(instance_id)).is_some_and(|is| states.iter().any(|state| state.lifecycle_state() == is))
    }

    /// DescribeWarmPool.
    pub(super) fn describe_warm_pool(
        &self,
        group: &str,
        max_records: Option<i32>,
        token: Option<&str>,
    ) -> Result<Response, ApiError> {
        let group = self.groups.get(group).ok_or_else(|| no_group(group))?;
        let size = records(max_records, MAX_WARMED, MAX_WARMED)?;
        let instances = (self.hosts.values())
            .filter(|host| host.group.as_deref() == Some(&group.name) && host.is_in_warm_pool())
            .filter_map(|host| self.described(host))
            .map(|instance| (instance.instance_id.clone(), instance));
        let page = self.auto_scaling_page(instances, &format!("DescribeWarmPool {}", group.name), size, token)?;
        Ok(Response::WarmPool { instances: page.items, configuration: group.warm_pool, next_token: page.next_token })
    }
}

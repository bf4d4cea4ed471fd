//! Scaling activities: what Auto Scaling tells of each termination and launch, and why.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{
    AutoScaling,
    group::{Group, SUBNET},
    limits::{no_group, page, records},
};
use crate::world::terms::{ApiError, Present, Response, ScalingActivity};

/// How long they are told of.
// Auto Scaling API reference, DescribeScalingActivities: "Only activities started within the last six weeks can be returned".
const KEPT: Duration = Duration::from_hours(6 * 7 * 24);

// Auto Scaling API reference, DescribeScalingActivities, MaxRecords: "The default value is 100 and the maximum value is 100."
const MAX_ACTIVITIES: usize = 100;

/// The progress of what a hook holds, in percent.
// Recorded.
const HELD: i32 = 60;

impl AutoScaling {
    /// Begins an activity now; answers its position among all there ever were.
    pub(crate) fn begin_activity(
        &mut self,
        present: &mut Present,
        group: &Group,
        description: String,
        cause: &str,
    ) -> usize {
        let activity = ScalingActivity {
            activity_id: present.uuid(),
            group: group.name.clone(),
            group_arn: group.arn.clone(),
            description,
            cause: cause.to_owned(),
            start_time: cut_to(present.now, Duration::from_millis(1)),
            end_time: None,
            status_code: "InProgress".to_owned(),
            status_message: None,
            progress: 0,
            details: json!({
                "Subnet ID": SUBNET,
                "Availability Zone": present.settings.zone(),
                "Availability Zone ID": present.settings.zone_id(),
            })
            .to_string(),
        };
        let position = self.activities.total();
        self.activities.push(activity);
        position
    }

    /// A hook holds what an activity does.
    pub(crate) fn hold_activity(&mut self, position: usize, status: &str) {
        if let Some(activity) = self.activities.get_mut(position) {
            status.clone_into(&mut activity.status_code);
            activity.progress = HELD;
        }
    }

    /// An activity ended well, unless it ended before.
    pub(crate) fn end_activity(&mut self, present: &mut Present, position: usize) {
        self.close_activity(present, position, "Successful");
    }

    /// An activity ended without its effect.
    // Recorded: the message is in the description, too.
    pub(crate) fn cancel_activity(&mut self, present: &mut Present, position: usize, message: &str) {
        self.close_activity(present, position, "Cancelled");
        if let Some(activity) = self.activities.get_mut(position) {
            activity.description = format!("{}.  Status Reason: {message}", activity.description);
            activity.status_message = Some(message.to_owned());
        }
    }

    fn close_activity(&mut self, present: &mut Present, position: usize, status: &str) {
        let now = cut_to(present.now, Duration::from_secs(1));
        if let Some(activity) = self.activities.get_mut(position).filter(|activity| activity.end_time.is_none()) {
            activity.end_time = Some(now);
            status.clone_into(&mut activity.status_code);
            activity.progress = 100;
        }
    }

    /// DescribeScalingActivities.
    pub(crate) fn describe_activities(
        &self,
        present: &Present,
        group: Option<&str>,
        since: Option<Timestamp>,
        max_records: Option<i32>,
        token: Option<&str>,
    ) -> Result<Response, ApiError> {
        if let Some(name) = group.filter(|name| !self.groups.contains_key(*name)) {
            // What AWS says of a group that it has not is assumed to be what it says elsewhere.
            return Err(no_group(name));
        }
        let size = records(max_records, MAX_ACTIVITIES, MAX_ACTIVITIES)?;
        let oldest = (present.now - KEPT).max(since.unwrap_or(Timestamp::MIN));
        // Auto Scaling API reference, IncludeDeletedGroups: without it those of deleted groups are left out.
        let told = |activity: &ScalingActivity| {
            activity.start_time >= oldest
                && group.map_or(self.groups.contains_key(&activity.group), |name| name == activity.group)
        };
        // Auto Scaling API reference, ActivitiesType: "sorted by start time. Activities still in progress are described first."
        let newest_first = |ended: bool| {
            (self.activities.newest_first())
                .filter(move |(_, activity)| activity.end_time.is_some() == ended && told(activity))
                .map(move |(position, activity)| (key(ended, position), activity.clone()))
        };
        let activities = newest_first(false).chain(newest_first(true));
        let page = page(present, activities, "DescribeScalingActivities", size, token)?;
        Ok(Response::ScalingActivities { activities: page.items, next_token: page.next_token })
    }
}

/// Sorts as the answer does.
fn key(ended: bool, position: usize) -> String {
    format!("{} {:020}", u8::from(ended), usize::MAX - position)
}

/// As exact as Auto Scaling tells it.
// Recorded: a start in milliseconds, an end in seconds.
fn cut_to(at: Timestamp, unit: Duration) -> Timestamp {
    let unit = i64::try_from(unit.as_millis()).unwrap_or(1).max(1);
    let at_unit = at.as_millisecond().div_euclid(unit) * unit;
    Timestamp::from_millisecond(at_unit).unwrap_or(at)
}

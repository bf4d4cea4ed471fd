//! When terminations began, and why: Auto Scaling's scaling activities.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::aws::{CallError, Calls, ScalingActivity};
use crate::clock::before;
use crate::drain::context::Context;
use crate::drain::facts::known::Start;
use crate::ids::{GroupName, InstanceId};

/// No lifecycle action lasts longer (Auto Scaling user guide, lifecycle hooks), so what began earlier is over.
const GOES_BACK: Duration = Duration::from_secs(48 * 3600);
/// Pages of one reading: 5,000 activities in progress, far more than a group has.
const PAGES_MAX: usize = 50;
/// What begins the description of an activity that is no termination (seen on real AWS).
const LAUNCHING: &str = "Launching";

/// The starts of those terminations of a group's instances that are not over. Activities that are still in progress are
/// listed first (Auto Scaling API reference, DescribeScalingActivities), so that the first that is over ends the reading.
///
/// # Errors
/// When a page cannot be read.
pub(super) async fn starts<C: Calls>(
    context: &Context<'_, C>,
    group: &GroupName,
    wanted: &[InstanceId],
) -> Result<BTreeMap<InstanceId, Start>, CallError> {
    let since = before(context.clock.now(), GOES_BACK);
    let wanted: BTreeSet<_> = wanted.iter().collect();
    let (mut newest, mut token) = (BTreeMap::new(), None);
    for _ in 0..PAGES_MAX {
        let page = Box::pin(context.calls.describe_scaling_activities(group, since, token)).await?;
        let all_in_progress = page.items.last().is_none_or(|last| !last.is_over);
        for activity in page.items {
            if let Some(id) = terminated_by(&activity).filter(|id| wanted.contains(id)) {
                newest.entry(id).or_insert_with(|| start(activity));
            }
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() || !all_in_progress || newest.len() == wanted.len() {
            break;
        }
    }
    Ok(newest.into_iter().filter_map(|(id, start)| Some((id, start?))).collect())
}

fn start(activity: ScalingActivity) -> Option<Start> {
    let ScalingActivity { started_at, is_over, cause, .. } = activity;
    (!is_over).then_some(Start { at: started_at, reason: Some(cause).filter(|cause| !cause.is_empty()) })
}

/// The instance that an activity takes away: its description ends with it.
fn terminated_by(activity: &ScalingActivity) -> Option<InstanceId> {
    let description = activity.description.as_str();
    if description.starts_with(LAUNCHING) { None } else { InstanceId::parse(description.rsplit(' ').next()?) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(description: &str, is_over: bool) -> ScalingActivity {
        let started_at = "2026-01-15T20:06:18.427Z".parse().unwrap();
        ScalingActivity {
            description: description.into(), started_at, is_over, cause: "At … it was taken out.".into()
        }
    }

    #[test]
    fn an_open_activity_that_takes_an_instance_away_tells_when_and_why() {
        let id = InstanceId::parse("i-1234567890abcdef0");
        let terminating = activity("Terminating EC2 instance: i-1234567890abcdef0", false);
        assert_eq!(terminated_by(&terminating), id);
        assert_eq!(terminated_by(&activity("Replacing root volume of EC2 instance: i-1234567890abcdef0", false)), id);
        for other in ["Launching a new EC2 instance: i-1234567890abcdef0", "Terminating EC2 instance:", ""] {
            assert_eq!(terminated_by(&activity(other, false)), None, "{other:?}");
        }
        let (at, reason) = (terminating.started_at, Some("At … it was taken out.".to_owned()));
        assert_eq!(start(terminating), Some(Start { at, reason }));
        assert_eq!(start(activity("Terminating EC2 instance: i-1234567890abcdef0", true)), None, "it is over");
    }
}

//! What comes next for one host: the first rule that fits.

use jiff::Timestamp;

use super::decision::{Ask, Case, Decision, Outcome, Says, Settled, Step};
use super::heartbeats::next_heartbeat;
use super::terms::Terms;
use super::{ending, located, ours, stopping};
use crate::clock::after;
use crate::drain::facts::known::Known;

/// A rule says nothing of a host that it does not fit.
pub type Rule = fn(&Case<'_>) -> Option<Says>;

/// Every rule, in the order in which they are tried, each with what it says.
pub const RULES: [(&str, Rule); 27] = [
    (
        "It waits on no hook of ours → left alone; its event is ahead of its state → ask again.",
        ours::waits_on_no_hook_of_ours,
    ),
    ("Its Spot notice is over → ignored, or given up where it was never located.", ours::notice_is_over),
    ("Its search failed, and it is not known when its termination began, and why → ask.", ours::unlocated_and_undated),
    ("A heartbeat is due, and neither the search nor DRAINING was denied → send it.", ours::heartbeat_due),
    (
        "It is not located yet, many clusters are left to be asked, and AWS throttles that → left to reconcile.",
        located::search_left_to_reconcile,
    ),
    ("It is not located yet → search; a cluster that did not answer is asked again.", located::not_located),
    ("It is registered in unwatched clusters only → ignored.", located::unwatched),
    (
        "It was in no cluster, and two searches far enough apart do not say so yet → ask again.",
        located::absence_unproved,
    ),
    (
        "It is in no cluster, and another's hook holds it, too → ask when its termination began.",
        located::absent_and_undated,
    ),
    ("It is in no cluster, and every cluster answered → release.", located::in_no_cluster),
    ("An operator set it ACTIVE again, of a drain by hand → left alone.", ours::taken_back),
    ("Its tasks are those of ECS Managed Instances → ignored.", ours::managed_by_ecs),
    ("Our hook was completed before, and another's holds it → left alone.", ours::released),
    ("It is ACTIVE, and ECS has not accepted yet that it drain → set it DRAINING.", ours::active),
    ("It hibernates, or a rebalance was recommended → no more than DRAINING.", ours::only_set_draining),
    (
        "It is DRAINING, and many leave at once, or AWS throttles the looks → left to reconcile.",
        ours::left_to_reconcile,
    ),
    ("Many leave at once, and it is not DRAINING yet → look at it, and no more.", ours::burst_not_draining),
    ("It is not known when its termination began, and why → ask.", ours::undated),
    (
        "Every task is STOPPED, and two whole reads prove it → release; where its agent is lost, ask again where it is first.",
        ending::every_task_stopped,
    ),
    (
        "Its agent is lost, and Auto Scaling calls it unhealthy → release, when the clusters were asked once more.",
        ending::host_is_gone,
    ),
    (
        "Its deadline passed, and with stop-tasks the grace after it, and the policy is not to wait → release.",
        ending::deadline_passed,
    ),
    ("Tasks are due to be stopped → stop them.", stopping::due_tasks),
    ("Tasks are due to be stopped, and a daemon may be among them → ask their services.", stopping::due_daemons),
    ("Its agent is lost, and it was last searched for a minute ago → search again.", located::may_have_moved),
    ("It is time to look at the host → look.", stopping::next_look),
    ("Its tasks may have stopped, or must be known → read them.", stopping::tasks_to_read),
    ("Tasks will soon be due, and a daemon may be among them → ask their services.", stopping::daemons_ahead),
];

/// What comes next for a host: what the first rule that fits says, or else a pause until one may.
#[must_use]
pub fn decide(known: &Known, terms: &Terms, now: Timestamp) -> Decision {
    let case = Case::new(known, terms, now);
    let step = RULES.iter().find_map(|(_, rule)| step(rule(&case)?, &case));
    let step = step.unwrap_or_else(|| Step::WaitUntil(earliest(&case)));
    let step = if terms.policy.dry_run { instead(step, &case) } else { step };
    Decision { step, reads_until: stopping::reads_until(&case) }
}

/// The one place where patience is asked: no rule can ask in a loop for what failed or was held back.
fn step(says: Says, case: &Case<'_>) -> Option<Step> {
    match says {
        Says::Settled(settled) => Some(Step::Settled(settled)),
        Says::Wants(ask) | Says::Needs(ask) if case.may(ask.request()) => Some(Step::Ask(ask)),
        Says::Wants(_) => None,
        Says::WaitsUntil(time) => Some(Step::WaitUntil(time)),
        Says::Needs(_) | Says::Rests => Some(Step::WaitUntil(earliest(case))),
    }
}

/// The earliest time at which a rule may say something else.
fn earliest(case: &Case<'_>) -> Timestamp {
    let Case { known, terms, deadlines, now } = *case;
    let times = [
        Some(known.next_look),
        Some(stopping::reading_ahead(deadlines)),
        Some(deadlines.stop_at),
        deadlines.give_up_at,
        next_heartbeat(case),
    ];
    let lost = known.registrations.iter().filter_map(|it| ending::agent_lost_from(it, case));
    let times = times.into_iter().flatten().chain(lost).chain(known.patience.not_before());
    times.filter(|time| *time > now).min().unwrap_or_else(|| after(now, terms.policy.pace.max))
}

/// What a dry run makes of a step: it reads on until something would be done or waited for.
fn instead(step: Step, case: &Case<'_>) -> Step {
    let would = |what: String| Step::Settled(Settled { outcome: Outcome::WouldDrain, detail: format!("would {what}") });
    match step {
        Step::Ask(Ask::Drain) => would("set it DRAINING".to_owned()),
        Step::Ask(Ask::StopTasks(tasks)) => would(format!("stop {} tasks", tasks.len())),
        Step::Ask(Ask::Complete { settled, .. }) => {
            would(format!("release it, {}: {}", settled.outcome, settled.detail))
        }
        Step::WaitUntil(_) if waits_for_tasks(case.known) => would("wait for its tasks to stop".to_owned()),
        other => other,
    }
}

fn waits_for_tasks(known: &Known) -> bool {
    let may_drain = known.ours().is_some() || !known.departure.cause.is_held();
    let counts_tasks = known.registrations.iter().any(|registration| registration.counted_tasks() > 0);
    may_drain && (known.stragglers().next().is_some() || counts_tasks)
}

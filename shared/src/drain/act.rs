//! Acts: a round of equal actions, in as few requests as their limits allow.

use std::cell::RefCell;
use std::collections::BTreeMap;

use futures_util::future::{join, join3, join4};
use tokio::time::timeout_at;

use super::attempt::{Attempt, Finding, already_released, take_in};
use super::decide::{Action, Need, Settled};
use super::departure::Cause;
use super::facts::log_drain;
use super::known::{Known, Ours};
use super::observe::{self, attempts, by_cluster, chosen, take_container_instances};
use super::report::STOP_REASON;
use super::tasks::Listings;
use super::tries::Try;
use super::{Context, Drainee, Steps, Work, log_failure, tasks};
use crate::aws::batch::{self, few_at_once, until_throttled};
use crate::aws::{CallError, Calls, ErrorClass, InstanceStatus, LifecycleActionResult};
use crate::ids::{ClusterName, HookName, TaskArn};

/// DRAINING and StopTask: what somebody's grace depends on goes before everything else.
pub(super) async fn urgent<C: Calls>(
    context: &Context<'_, C>,
    drainees: &mut [Drainee],
    work: &[(usize, Work)],
    rng: &mut fastrand::Rng,
) {
    let to_drain = indexes(work, |w| matches!(w, Work::Act(Action::Drain)));
    let attempts = set_draining(context, drainees, &to_drain).await;
    take_in(context, drainees, attempts, rng);

    let to_stop = work.iter().filter_map(|(index, work)| match work {
        Work::Act(Action::StopTasks(tasks)) => Some((*index, tasks.as_slice())),
        _ => None,
    });
    let attempts = stop_tasks(context, drainees, &to_stop.collect::<Vec<_>>()).await;
    take_in(context, drainees, attempts, rng);
}

/// Releases, then heartbeats, then every read, side by side.
pub(super) async fn others_and_read<C: Calls>(
    context: &Context<'_, C>,
    drainees: &mut [Drainee],
    Steps { work, idle, cut_reads_at, .. }: &Steps,
    listings: &Listings,
    rng: &mut fastrand::Rng,
) {
    let due = actions_on_hooks(drainees, work);
    let requests = due.iter().map(|(index, known, action)| hook_action(context, *index, known, action));
    let attempts = until_throttled(requests, |attempt| attempt.throttled).await;
    let attempts = due.iter().zip(attempts).map(|((index, _, action), attempt)| {
        let what = if matches!(action, Action::Heartbeat) { Try::Heartbeat } else { Try::Complete };
        attempt.unwrap_or_else(|| Attempt::held_back(*index, what))
    });
    let attempts: Vec<_> = attempts.collect();
    take_in(context, drainees, attempts, rng);

    let needs = |wanted: &[Need]| indexes(work, |w| matches!(w, Work::Read(need) if wanted.contains(need)));
    let hooks = needs(&[Need::Hook, Need::HookAndLocation]);
    let locations = needs(&[Need::Location, Need::HookAndLocation]);
    let starts = needs(&[Need::Start]);
    let [instances, every] = [Need::Instance, Need::Tasks].map(|need| needs(&[need]));
    let [stragglers, services] = [Need::Stragglers, Need::Services].map(|need| needs(&[need]));
    let readers: &[Drainee] = drainees;
    let done = RefCell::new(Vec::new());
    let of_hosts = join4(
        into(&done, observe::starts(context, readers, &starts)),
        into(&done, observe::holds(context, readers, &hooks)),
        into(&done, observe::locations(context, readers, &locations)),
        into(&done, observe::instances(context, readers, &instances, idle)),
    );
    let of_tasks = join3(
        into(&done, tasks::every(context, listings, readers, &every)),
        into(&done, tasks::stragglers(context, readers, &stragglers)),
        into(&done, tasks::services(context, readers, &services)),
    );
    let reads = join(of_hosts, of_tasks);
    match cut_reads_at {
        // No read is worth a late SIGTERM: what is cut off is read again, or gone on with.
        Some(time) => drop(timeout_at(context.clock.instant(*time), reads).await),
        None => drop(reads.await),
    }
    take_in(context, drainees, done.into_inner(), rng);
}

/// Keeps what a read told, whatever becomes of those beside it.
async fn into(done: &RefCell<Vec<Attempt>>, attempts: impl Future<Output = Vec<Attempt>>) {
    let attempts = attempts.await;
    done.borrow_mut().extend(attempts);
}

fn indexes(work: &[(usize, Work)], fits: impl Fn(&Work) -> bool) -> Vec<usize> {
    work.iter().filter(|(_, work)| fits(work)).map(|(index, _)| *index).collect()
}

async fn set_draining<C: Calls>(context: &Context<'_, C>, drainees: &[Drainee], indexes: &[usize]) -> Vec<Attempt> {
    let mut attempts = attempts(indexes, Try::Drain);
    let clusters = by_cluster(drainees, indexes, |r| r.status == InstanceStatus::Active);
    let requests = clusters.iter().map(|(cluster, (arns, _))| batch::set_draining(context.calls, cluster, arns));
    let answers = few_at_once(requests).await;
    for ((_, owners), answers) in clusters.values().zip(answers) {
        for drained in &answers.found {
            for (_, known) in chosen(drainees, owners.get(&drained.arn).map_or(&[], Vec::as_slice)) {
                log_drain!(info, known, context.clock.now(), "set DRAINING", container_instance = %drained.arn);
            }
        }
        take_container_instances(&mut attempts, owners, answers);
    }
    attempts.into_values().collect()
}

async fn stop_tasks<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    wanted: &[(usize, &[TaskArn])],
) -> Vec<Attempt> {
    let each = wanted.iter().flat_map(|(index, arns)| {
        let known = drainees.get(*index).map(|drainee| &drainee.known);
        arns.iter().filter_map(move |arn| Some((*index, known?, cluster_of(known?, arn)?, arn)))
    });
    let each: Vec<_> = each.collect();
    let requests = each
        .iter()
        .map(|(_, known, cluster, arn)| async { context.calls.stop_task(cluster, arn, &stop_reason(known)).await });
    let throttled = |answer: &Result<_, CallError>| is_throttled(answer);
    let answers = until_throttled(requests, throttled).await;

    let mut attempts: BTreeMap<_, _> =
        wanted.iter().map(|(index, _)| (*index, Attempt::new(*index, Try::StopTasks))).collect();
    for ((index, known, _, arn), answer) in each.into_iter().zip(answers) {
        let Some(attempt) = attempts.get_mut(&index) else {
            continue;
        };
        let Some(answer) = answer else {
            attempt.held_back = true;
            continue;
        };
        match answer {
            Ok(task) => {
                let (owner, now) = (task.group.as_str(), context.clock.now());
                log_drain!(info, known, now, "told a task to stop", task = %arn, task_group = owner);
                attempt.findings.push(Finding::Stopping(task));
            }
            Err(error) if error.class() == ErrorClass::Absent => attempt.findings.push(Finding::Forgotten(arn.clone())),
            Err(error) => {
                log_failure("stopping a task", &error);
                attempt.error = Some(error.to_string());
            }
        }
    }
    attempts.into_values().collect()
}

fn is_throttled<T>(answer: &Result<T, CallError>) -> bool {
    answer.as_ref().is_err_and(|error| error.class() == ErrorClass::Throttled)
}

fn cluster_of<'a>(known: &'a Known, task: &TaskArn) -> Option<&'a ClusterName> {
    let holds = |tasks: &super::known::Tasks| tasks.each.contains_key(task);
    known.registrations.iter().find(|r| r.tasks.as_ref().is_some_and(holds)).map(|r| &r.cluster)
}

/// Shown to people as the task's `stoppedReason`.
fn stop_reason(known: &Known) -> String {
    let cause = match known.departure.cause {
        Cause::Termination { .. } => "Auto Scaling is about to terminate",
        Cause::Maintenance => "somebody drains, by hand,",
        _ => "a Spot interruption is about to end",
    };
    format!("{STOP_REASON}{cause} its host {}", known.departure.instance)
}

/// Releases before heartbeats.
fn actions_on_hooks<'a>(drainees: &'a [Drainee], work: &'a [(usize, Work)]) -> Vec<(usize, &'a Known, &'a Action)> {
    let due = work.iter().filter_map(|(index, work)| match work {
        Work::Act(action @ (Action::Complete { .. } | Action::Heartbeat)) => {
            Some((*index, &drainees.get(*index)?.known, action))
        }
        _ => None,
    });
    let mut due: Vec<_> = due.collect();
    due.sort_by_key(|(_, _, action)| matches!(action, Action::Heartbeat));
    due
}

async fn hook_action<C: Calls>(context: &Context<'_, C>, index: usize, known: &Known, action: &Action) -> Attempt {
    match (action, known.ours()) {
        (Action::Complete { result, settled }, Some(ours)) => {
            complete(context, index, known, ours, *result, settled).await
        }
        (Action::Heartbeat, Some(ours)) => heartbeat(context, index, known, ours).await,
        // decide completes and keeps alive only what we hold.
        _ => Attempt::new(index, Try::Complete),
    }
}

async fn complete<C: Calls>(
    context: &Context<'_, C>,
    index: usize,
    known: &Known,
    ours: &Ours,
    result: LifecycleActionResult,
    settled: &Settled,
) -> Attempt {
    let instance = &known.departure.instance;
    let request = |hook| context.calls.complete_lifecycle_action(&ours.group, hook, instance, result);
    let mut attempt = Attempt::new(index, Try::Complete);
    match on_each_hook(ours, request).await {
        Ok(InForce::Some) => {
            let (outcome, detail) = (settled.outcome.as_str(), settled.detail.as_str());
            log_drain!(info, known, context.clock.now(), "released", result = result.as_str(), outcome, detail);
            attempt.findings.push(Finding::Ended(settled.clone()));
        }
        Ok(InForce::None) => attempt.findings.push(Finding::Ended(already_released(&settled.detail))),
        Err(error) => {
            log_failure("completing the lifecycle action", &error);
            attempt.fail(&error);
        }
    }
    if attempt.error.is_none() && result == LifecycleActionResult::Continue {
        remember_release(context, known, ours);
    }
    attempt
}

/// Where another's hook still holds the instance, so that a scan need not ask every time whether ours does.
fn remember_release<C>(context: &Context<'_, C>, known: &Known, ours: &Ours) {
    if ours.others_hold_too {
        let now = context.clock.now();
        context.remembered.remember_release(&known.departure.instance, known.started(), now);
    }
}

async fn heartbeat<C: Calls>(context: &Context<'_, C>, index: usize, known: &Known, ours: &Ours) -> Attempt {
    let instance = &known.departure.instance;
    let request = |hook| context.calls.record_lifecycle_action_heartbeat(&ours.group, hook, instance);
    let mut attempt = Attempt::new(index, Try::Heartbeat);
    match on_each_hook(ours, request).await {
        Ok(InForce::Some) => {
            log_drain!(info, known, context.clock.now(), "heartbeat");
            attempt.findings.push(Finding::Heartbeat);
        }
        Ok(InForce::None) => {
            remember_release(context, known, ours);
            attempt.findings.push(Finding::Ended(already_released("its tasks may still run")));
        }
        Err(error) => {
            log_failure("the heartbeat", &error);
            attempt.fail(&error);
        }
    }
    attempt
}

/// Whether any of our lifecycle actions on an instance was still in force.
enum InForce {
    Some,
    None,
}

/// Asks the same for each of our hooks: no API tells which of them the instance waits on, only the answer does.
async fn on_each_hook<'a, F: Future<Output = Result<(), CallError>>>(
    ours: &'a Ours,
    request: impl Fn(&'a HookName) -> F,
) -> Result<InForce, CallError> {
    let mut in_force = InForce::None;
    let mut failed = None;
    for hook in &ours.hooks {
        match request(hook).await {
            Ok(()) => in_force = InForce::Some,
            // A group that is not there any more has no action either.
            Err(error) if matches!(error.class(), ErrorClass::Gone | ErrorClass::Absent) => {}
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(in_force), Err)
}

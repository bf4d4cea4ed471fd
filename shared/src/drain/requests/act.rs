//! Changes: DRAINING, StopTask, releases and heartbeats.

use std::rc::Rc;

use super::answer::{Answer, Finding, already_released, answers};
use super::hosts::{by_cluster, take_container_instances};
use crate::aws::batch::{self, few_at_once, until_throttled};
use crate::aws::{CallError, Calls, ErrorClass, LifecycleActionResult};
use crate::drain::context::Context;
use crate::drain::drainee::{Drainee, chosen};
use crate::drain::facts::departure::Cause;
use crate::drain::facts::hold::Ours;
use crate::drain::facts::known::Known;
use crate::drain::facts::log::{log_drain, log_failure};
use crate::drain::facts::patience::Request;
use crate::drain::facts::registration::{Registration, Tasks};
use crate::drain::facts::tasks::STOP_REASON;
use crate::drain::rules::decision::{Ask, Settled};
use crate::ids::{ClusterName, HookName, TaskArn};

/// Sets the ACTIVE registrations of each DRAINING.
pub(super) async fn set_draining<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    indexes: &[usize],
) -> Vec<Answer> {
    let mut answers = answers(indexes, Request::Drain);
    let clusters = by_cluster(drainees, indexes, Registration::is_to_be_drained);
    let requests = clusters.iter().map(|(cluster, (arns, _))| batch::set_draining(context.calls, cluster, arns));
    for ((_, owners), told) in clusters.values().zip(few_at_once(requests).await) {
        for drained in &told.found {
            for (_, known) in chosen(drainees, owners.get(&drained.arn).map_or(&[], Vec::as_slice)) {
                log_drain!(info, known, context.clock.now(), "set DRAINING", container_instance = %drained.arn);
            }
        }
        let accepted: Vec<_> = told.found.iter().map(|drained| drained.arn.clone()).collect();
        take_container_instances(&mut answers, owners, told);
        for arn in accepted {
            for index in owners.get(&arn).into_iter().flatten() {
                if let Some(answer) = answers.get_mut(index) {
                    answer.findings.push(Finding::ToldToDrain(arn.clone()));
                }
            }
        }
    }
    answers.into_values().collect()
}

/// Tells tasks to stop, one by one until AWS throttles.
pub(super) async fn stop_tasks<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    wanted: &[(usize, &[TaskArn])],
) -> Vec<Answer> {
    let each = wanted.iter().flat_map(|(index, arns)| {
        let known = drainees.get(*index).map(|drainee| &drainee.known);
        arns.iter().filter_map(move |arn| Some((*index, known?, cluster_of(known?, arn)?, arn)))
    });
    let each: Vec<_> = each.collect();
    let requests = each.iter().map(|(_, known, cluster, arn)| async {
        context.calls.stop_task(cluster, arn, &stop_reason(context, known)).await
    });
    let is_throttled = |told: &Result<_, CallError>| told.as_ref().is_err_and(CallError::is_throttled);
    let told = until_throttled(requests, is_throttled).await;

    let indexes: Vec<_> = wanted.iter().map(|(index, _)| *index).collect();
    let mut answers = answers(&indexes, Request::StopTasks);
    for ((index, known, _, arn), told) in each.into_iter().zip(told) {
        let Some(answer) = answers.get_mut(&index) else { continue };
        match told {
            None => answer.held_back = true,
            Some(Ok(task)) => {
                let (owner, now) = (task.group.as_str(), context.clock.now());
                log_drain!(info, known, now, "told a task to stop", task = %arn, task_group = owner);
                answer.findings.push(Finding::ToldToStop(task));
            }
            Some(Err(error)) => {
                log_failure("stopping a task", &error);
                answer.error = Some(Rc::new(error));
            }
        }
    }
    answers.into_values().collect()
}

fn cluster_of<'a>(known: &'a Known, task: &TaskArn) -> Option<&'a ClusterName> {
    let holds = |tasks: &Tasks| tasks.each.contains_key(task);
    known.registrations.iter().find(|r| r.tasks.as_ref().is_some_and(holds)).map(|r| &r.cluster)
}

/// Shown to people as the task's `stoppedReason`.
fn stop_reason<C>(context: &Context<'_, C>, known: &Known) -> String {
    let cause = match known.departure.cause {
        Cause::Termination { .. } => "Auto Scaling is about to terminate its host",
        Cause::Maintenance => "an operator drains its host",
        _ => "a Spot interruption is about to end its host",
    };
    let reason = format!("{STOP_REASON}{cause} {}", known.departure.instance);
    // A person who drains by hand is no stack.
    if known.departure.cause == Cause::Maintenance {
        reason
    } else {
        format!("{reason} (stack {})", context.config.stack)
    }
}

/// Completes lifecycle actions and keeps others alive, in the order of `due`, until AWS throttles.
pub(crate) async fn on_hooks<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    due: &[(usize, &Ask)],
) -> Vec<Answer> {
    let due: Vec<_> =
        due.iter().filter_map(|(index, ask)| Some((*index, &drainees.get(*index)?.known, *ask))).collect();
    let requests = due.iter().map(|(index, known, ask)| ask_of_hook(context, *index, known, ask));
    let told = until_throttled(requests, Answer::is_throttled).await;
    let each = due.iter().zip(told);
    each.map(|((index, _, ask), told)| told.unwrap_or_else(|| Answer::held_back(*index, ask.request()))).collect()
}

async fn ask_of_hook<C: Calls>(context: &Context<'_, C>, index: usize, known: &Known, ask: &Ask) -> Answer {
    match (ask, known.ours()) {
        (Ask::Complete { result, settled }, Some(ours)) => {
            complete(context, index, known, ours, *result, settled).await
        }
        (Ask::Heartbeat, Some(ours)) => heartbeat(context, index, known, ours).await,
        // The rules complete and keep alive only what we hold.
        _ => Answer::new(index, ask.request()),
    }
}

async fn complete<C: Calls>(
    context: &Context<'_, C>,
    index: usize,
    known: &Known,
    ours: &Ours,
    result: LifecycleActionResult,
    settled: &Settled,
) -> Answer {
    let instance = &known.departure.instance;
    let request = |hook| context.calls.complete_lifecycle_action(&ours.group, hook, instance, result);
    let mut answer = Answer::new(index, Request::Complete);
    match on_each_hook(ours, request).await {
        Ok(InForce::Some) => {
            let (outcome, detail) = (settled.outcome.as_str(), settled.detail.as_str());
            log_drain!(info, known, context.clock.now(), "released", result = result.as_str(), outcome, detail);
            answer.findings.push(Finding::Ended(settled.clone()));
        }
        Ok(InForce::None) => answer.findings.push(Finding::Ended(already_released(&settled.detail))),
        Err(error) => {
            log_failure("completing the lifecycle action", &error);
            answer.error = Some(Rc::new(error));
        }
    }
    if answer.error.is_none() && result == LifecycleActionResult::Continue {
        remember_release(context, known, ours);
    }
    answer
}

/// Where another's hook still holds the instance, so that a scan need not ask every time whether ours does.
fn remember_release<C>(context: &Context<'_, C>, known: &Known, ours: &Ours) {
    if ours.others_hold_too {
        let now = context.clock.now();
        context.remembered.remember_release(&known.departure.instance, known.started(), now);
    }
}

async fn heartbeat<C: Calls>(context: &Context<'_, C>, index: usize, known: &Known, ours: &Ours) -> Answer {
    let (instance, sent_at) = (&known.departure.instance, context.clock.now());
    let request = |hook| context.calls.record_lifecycle_action_heartbeat(&ours.group, hook, instance);
    let mut answer = Answer::new(index, Request::Heartbeat);
    match on_each_hook(ours, request).await {
        Ok(InForce::Some) => {
            log_drain!(info, known, context.clock.now(), "heartbeat");
            // At once: an invocation may end before its round does.
            if let Some(start) = &known.start {
                context.remembered.remember_heartbeat(instance, start.at, sent_at);
            }
            answer.findings.push(Finding::Heartbeat(sent_at));
        }
        Ok(InForce::None) => {
            remember_release(context, known, ours);
            answer.findings.push(Finding::Ended(already_released("its tasks may still run")));
        }
        Err(error) => {
            log_failure("the heartbeat", &error);
            answer.error = Some(Rc::new(error));
        }
    }
    answer
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

//! Why a long drain still waits: what its services say, and which of its tasks are protected. Nothing depends on it, and
//! drains that go well never ask.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join;

use super::observe::chosen;
use super::{Context, Drainee, log_failure};
use crate::aws::Calls;
use crate::aws::batch::{self, few_at_once};
use crate::ids::{ClusterName, ServiceName, TaskArn};

/// Asks what of the stragglers of `indexes` is not remembered, once for each cluster.
pub(super) async fn stragglers<C: Calls>(context: &Context<'_, C>, drainees: &[Drainee], indexes: &[usize]) {
    let (remembered, now) = (context.remembered, context.clock.now());
    let mut services: BTreeMap<&ClusterName, BTreeSet<ServiceName>> = BTreeMap::new();
    let mut tasks: BTreeMap<&ClusterName, BTreeSet<TaskArn>> = BTreeMap::new();
    let registrations = chosen(drainees, indexes).flat_map(|(_, known)| &known.registrations);
    for registration in registrations.filter(|registration| registration.agent_lost_at.is_none()) {
        for task in registration.staying() {
            let Some(service) = task.service() else { continue };
            if !remembered.knows_protection_of(&task.arn, now) {
                tasks.entry(&registration.cluster).or_default().insert(task.arn.clone());
            }
            if remembered.service(&registration.cluster, &service, now).is_none() {
                services.entry(&registration.cluster).or_default().insert(service);
            }
        }
    }
    let services: Vec<(_, Vec<_>)> = services.into_iter().map(|(c, names)| (c, names.into_iter().collect())).collect();
    let tasks: Vec<(_, Vec<_>)> = tasks.into_iter().map(|(c, arns)| (c, arns.into_iter().collect())).collect();
    let of_services = services.iter().map(|(cluster, names)| batch::services(context.calls, cluster, names));
    let of_tasks = tasks.iter().map(|(cluster, arns)| batch::task_protection(context.calls, cluster, arns));
    let (of_services, of_tasks) = join(few_at_once(of_services), few_at_once(of_tasks)).await;
    for ((cluster, _), answers) in services.iter().zip(of_services) {
        answers.unknown.iter().for_each(|unknown| log_failure("asking why a service keeps a task", &unknown.error));
        answers.found.into_iter().for_each(|service| remembered.remember_service(cluster, service, now));
    }
    for answers in of_tasks {
        answers.unknown.iter().for_each(|unknown| log_failure("asking which tasks are protected", &unknown.error));
        answers.found.into_iter().for_each(|found| remembered.remember_protection(&found.task, found.until, now));
    }
}

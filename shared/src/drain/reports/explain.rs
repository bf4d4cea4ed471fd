//! Why a long drain still waits: what its services say, and which of its tasks are protected. Nothing depends on it, and
//! drains that go well never ask.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join;
use jiff::Timestamp;

use crate::aws::batch::{self, few_at_once};
use crate::aws::{Calls, Service};
use crate::drain::context::Context;
use crate::drain::drainee::{Drainee, chosen};
use crate::drain::facts::known::Known;
use crate::drain::facts::log::log_failure;
use crate::ids::{ClusterName, ServiceName, TaskArn};

/// What was told not long ago of the services and tasks of some hosts.
#[derive(Debug, Default)]
pub struct Explanations {
    pub(super) services: BTreeMap<(ClusterName, ServiceName), Service>,
    pub(super) protected_until: BTreeMap<TaskArn, Timestamp>,
}

impl Explanations {
    /// What a service told.
    #[must_use]
    pub fn service(&self, cluster: &ClusterName, name: ServiceName) -> Option<&Service> {
        self.services.get(&(cluster.clone(), name))
    }

    /// Until when a task is protected from scale-in.
    #[must_use]
    pub fn protected_until(&self, task: &TaskArn) -> Option<Timestamp> {
        self.protected_until.get(task).copied()
    }

    /// What this warm environment was told not long ago, of the tasks of these hosts.
    pub(super) fn remembered<'k, C>(context: &Context<'_, C>, hosts: impl IntoIterator<Item = &'k Known>) -> Self {
        let (remembered, now) = (context.remembered, context.clock.now());
        let mut explanations = Self::default();
        for registration in hosts.into_iter().flat_map(|known| &known.registrations) {
            for task in registration.unstopped() {
                let until = remembered.protected_until(&task.arn, now);
                explanations.protected_until.extend(until.map(|until| (task.arn.clone(), until)));
                let Some(name) = task.service() else { continue };
                let key = (registration.cluster.clone(), name);
                if !explanations.services.contains_key(&key)
                    && let Some(service) = remembered.service(&key.0, &key.1, now)
                {
                    explanations.services.insert(key, service);
                }
            }
        }
        explanations
    }
}

/// What is to be asked, by cluster.
#[derive(Default)]
struct Questions {
    services: BTreeMap<ClusterName, BTreeSet<ServiceName>>,
    tasks: BTreeMap<ClusterName, BTreeSet<TaskArn>>,
}

/// Whether something of a drain's stragglers was not asked, or long ago.
pub(super) fn is_due<C>(context: &Context<'_, C>, known: &Known) -> bool {
    let mut questions = Questions::default();
    questions.add(context, known);
    !questions.services.is_empty() || !questions.tasks.is_empty()
}

/// Asks it, for all of `indexes` together, and adds what is told. What gets no answer is not asked again for some minutes.
pub(super) async fn ask<C: Calls>(
    context: &Context<'_, C>,
    drainees: &[Drainee],
    indexes: &[usize],
    explanations: &mut Explanations,
) {
    let mut questions = Questions::default();
    chosen(drainees, indexes).for_each(|(_, known)| questions.add(context, known));
    let services = lists(questions.services);
    let tasks = lists(questions.tasks);
    let of_services = services.iter().map(|(cluster, names)| batch::services(context.calls, cluster, names));
    let of_tasks = tasks.iter().map(|(cluster, arns)| batch::task_protection(context.calls, cluster, arns));
    let (of_services, of_tasks) = join(few_at_once(of_services), few_at_once(of_tasks)).await;

    let (remembered, now) = (context.remembered, context.clock.now());
    for ((cluster, names), answers) in services.iter().zip(of_services) {
        answers.unknown.iter().for_each(|unknown| log_failure("asking why a service keeps a task", &unknown.error));
        let mut said: BTreeMap<_, _> =
            answers.found.into_iter().map(|service| (service.name.clone(), service)).collect();
        for name in names {
            let service = said.remove(name);
            remembered.remember_service(cluster, name, service.clone(), now);
            explanations.services.extend(service.map(|it| ((cluster.clone(), name.clone()), it)));
        }
    }
    for ((_, arns), answers) in tasks.iter().zip(of_tasks) {
        answers.unknown.iter().for_each(|unknown| log_failure("asking which tasks are protected", &unknown.error));
        let until: BTreeMap<_, _> = answers.found.into_iter().map(|found| (found.task, found.until)).collect();
        for arn in arns {
            let until = until.get(arn).copied().flatten();
            remembered.remember_protection(arn, until, now);
            explanations.protected_until.extend(until.map(|until| (arn.clone(), until)));
        }
    }
}

impl Questions {
    fn add<C>(&mut self, context: &Context<'_, C>, known: &Known) {
        let (remembered, now) = (context.remembered, context.clock.now());
        // ECS knows no more of a host whose agent is lost.
        for registration in known.registrations.iter().filter(|it| it.agent_lost_at.is_none()) {
            let cluster = &registration.cluster;
            for task in registration.staying() {
                let Some(service) = task.service() else { continue };
                if !remembered.knows_protection_of(&task.arn, now) {
                    self.tasks.entry(cluster.clone()).or_default().insert(task.arn.clone());
                }
                if !remembered.has_asked(cluster, &service, now) {
                    self.services.entry(cluster.clone()).or_default().insert(service);
                }
            }
        }
    }
}

fn lists<T>(sets: BTreeMap<ClusterName, BTreeSet<T>>) -> Vec<(ClusterName, Vec<T>)> {
    sets.into_iter().map(|(cluster, set)| (cluster, set.into_iter().collect())).collect()
}

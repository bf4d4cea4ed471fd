//! What the functions' roles may do, by IAM's own word: policies, boundaries and service control policies together.

use std::collections::BTreeMap;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum};
use shared::aws::CallError;
use shared::aws::batch::few_at_once;
use shared::aws::sdk::failed;

use super::Finding;
use super::groups::Enrolled;
use super::stack::Stack;
use crate::account::Account;
use crate::failure::Failure;
use crate::settings::Settings;

/// In so many clusters and groups the roles are tried: IAM answers slowly, and the template's policies tell none from
/// another.
const TRIED_MAX: usize = 3;

/// The roles of the template, and whose they are.
const ROLES: [(&str, &str); 3] = [
    ("InstanceTerminatingRole", "instance-terminating"),
    ("SpotInterruptionRole", "spot-interruption"),
    ("ReconcileRole", "reconcile"),
];

/// Where an action's resource is (Service Authorization Reference, ECS and EC2 Auto Scaling).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Resource {
    None,
    Cluster,
    /// The whole cluster's tasks are no resource, but the condition names it.
    OfCluster,
    ContainerInstance,
    Task,
    Service,
    Group,
}

/// The actions that the functions need, the resource of each, and the functions that need it.
const ACTIONS: [(&str, Resource, &[&str]); 16] = [
    ("ecs:ListClusters", Resource::None, &EVERY),
    ("ecs:ListContainerInstances", Resource::Cluster, &EVERY),
    ("ecs:DescribeContainerInstances", Resource::ContainerInstance, &EVERY),
    ("ecs:UpdateContainerInstancesState", Resource::ContainerInstance, &EVERY),
    ("ecs:ListTasks", Resource::OfCluster, &EVERY),
    ("ecs:DescribeTasks", Resource::Task, &EVERY),
    ("ecs:StopTask", Resource::Task, &EVERY),
    ("ecs:GetTaskProtection", Resource::Task, &EVERY),
    ("ecs:DescribeServices", Resource::Service, &EVERY),
    ("autoscaling:DescribeLifecycleHooks", Resource::None, &OF_HOOKS),
    ("autoscaling:DescribeScalingActivities", Resource::None, &OF_HOOKS),
    ("autoscaling:CompleteLifecycleAction", Resource::Group, &OF_HOOKS),
    ("autoscaling:RecordLifecycleActionHeartbeat", Resource::Group, &OF_HOOKS),
    ("autoscaling:DescribeAutoScalingGroups", Resource::None, &["reconcile"]),
    ("autoscaling:DescribeWarmPool", Resource::None, &["reconcile"]),
    ("autoscaling:DescribeAutoScalingInstances", Resource::None, &["instance-terminating"]),
];
const EVERY: [&str; 3] = ["instance-terminating", "spot-interruption", "reconcile"];
const OF_HOOKS: [&str; 2] = ["instance-terminating", "reconcile"];

/// Actions on one resource, under one context.
struct Question {
    actions: Vec<String>,
    resource: String,
    context: Vec<(&'static str, String)>,
}

/// Whether each role may do what its function does.
pub(super) async fn check(
    account: &Account,
    stack: &Stack,
    settings: &Settings,
    enrolled: &Enrolled,
) -> Result<Vec<Finding>, Failure> {
    let client = Client::new(&account.sdk);
    let mut findings = Vec::new();
    for (logical_id, function) in ROLES {
        let subject = format!("role of {function}");
        let Some(name) = stack.resource(logical_id) else {
            findings.push(Finding::problem(
                subject,
                format!("the stack has no {logical_id}"),
                "deploy the stack again",
            ));
            continue;
        };
        let arn = format!("arn:{}:iam::{}:role/{name}", stack.partition, stack.account);
        let questions = questions(account, stack, settings, enrolled, function);
        let answers = few_at_once(questions.iter().map(|question| denied(&client, &arn, question))).await;
        // Of each action the first resource says enough.
        let mut denied: BTreeMap<String, &str> = BTreeMap::new();
        let mut unknown = None;
        for (question, answer) in questions.iter().zip(answers) {
            match answer {
                Ok(actions) => actions.into_iter().for_each(|action| {
                    denied.entry(action).or_insert(&question.resource);
                }),
                Err(error) => unknown = Some(error),
            }
        }
        findings.push(match unknown {
            Some(error) => Finding::unknown(subject, account.failure(error))?,
            None if denied.is_empty() => Finding::ok(subject, format!("{name} may do all that it has to")),
            None => {
                let denied: Vec<_> = denied.iter().map(|(action, resource)| format!("{action} on {resource}")).collect();
                let what = format!("{name} may not do {}", denied.join(", "));
                let mend = "deploy the stack again; if that does not help, a permissions boundary or a service control policy \
                            forbids it";
                Finding::problem(subject, what, mend)
            }
        });
    }
    Ok(findings)
}

fn questions(
    account: &Account,
    stack: &Stack,
    settings: &Settings,
    enrolled: &Enrolled,
    function: &str,
) -> Vec<Question> {
    let (region, owner, partition) = (&account.region, &stack.account, &stack.partition);
    let of_region = || vec![("aws:RequestedRegion", region.clone())];
    let ecs = |resource: String| format!("arn:{partition}:ecs:{region}:{owner}:{resource}");
    let actions = |wanted: Resource| -> Vec<String> {
        let fits =
            ACTIONS.iter().filter(|(_, resource, functions)| *resource == wanted && functions.contains(&function));
        fits.map(|(action, ..)| (*action).to_owned()).collect()
    };
    let everything = || "*".to_owned();
    let mut questions =
        vec![Question { actions: actions(Resource::None), resource: everything(), context: of_region() }];
    for cluster in enrolled.clusters.iter().take(TRIED_MAX) {
        for (kind, resource) in [
            (Resource::Cluster, ecs(format!("cluster/{cluster}"))),
            (Resource::OfCluster, everything()),
            (Resource::ContainerInstance, ecs(format!("container-instance/{cluster}/{SOME_ID}"))),
            (Resource::Task, ecs(format!("task/{cluster}/{SOME_ID}"))),
            (Resource::Service, ecs(format!("service/{cluster}/any"))),
        ] {
            let mut context = of_region();
            context.push(("ecs:cluster", ecs(format!("cluster/{cluster}"))));
            questions.push(Question { actions: actions(kind), resource, context });
        }
    }
    for group in enrolled.groups.iter().take(TRIED_MAX) {
        let mut context = of_region();
        // A group without the tag is told of as such.
        context.extend(settings.group_tag.clone().map(|value| (TAG_KEY, value)));
        questions.push(Question { actions: actions(Resource::Group), resource: group.arn.clone(), context });
    }
    questions.retain(|question| !question.actions.is_empty());
    questions
}

/// As every id of ECS looks.
const SOME_ID: &str = "0123456789abcdef0123456789abcdef";
/// The condition key of the tag that an installation may ask of its groups.
const TAG_KEY: &str = "aws:ResourceTag/ecs-drainer";

/// The actions of a question that a role may not do.
async fn denied(client: &Client, role: &str, question: &Question) -> Result<Vec<String>, CallError> {
    let context = question.context.iter().map(|(key, value)| {
        let entry = ContextEntry::builder().context_key_name(*key).context_key_values(value);
        entry.context_key_type(ContextKeyTypeEnum::String).build()
    });
    let request = client.simulate_principal_policy().policy_source_arn(role).resource_arns(&question.resource);
    let request = request.set_action_names(Some(question.actions.clone())).set_context_entries(Some(context.collect()));
    let results: Vec<_> =
        request.into_paginator().items().send().try_collect().await.map_err(failed("SimulatePrincipalPolicy"))?;
    let denied = results.into_iter().filter(|result| result.eval_decision().as_str() != "allowed");
    Ok(denied.map(|result| result.eval_action_name().to_owned()).collect())
}

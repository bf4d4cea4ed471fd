//! The Auto Scaling groups whose hosts are in clusters: whether each has the hook, as it should be.

use std::collections::{BTreeMap, BTreeSet};

use shared::aws::batch::{FILTER_MAX, few_at_once, registered_in};
use shared::config::{Config, Overrides};
use shared::drain::rules::deadlines::HEARTBEAT_TIMEOUT_SHORTEST;
use shared::ids::{ClusterName, GroupName, InstanceId};

use super::Finding;
use crate::account::Account;
use crate::account::asked::{CapacityProvider, Group, Hook, ManagedInstances};
use crate::failure::{Failure, listed};
use crate::hooks::{
    DEFAULT_RESULT, MANAGED_DRAINING_HOOK, retained, told_elsewhere, untagged, without_managed_draining,
};
use crate::settings::Settings;
use crate::text::duration;

/// So many of a group's instances are looked for in the clusters: a group belongs to one, and the first that are asked of
/// may be on their way in or out.
const SAMPLED_INSTANCES: usize = 3;

/// What is known of where groups belong.
#[derive(Debug, Default)]
pub(super) struct Enrolled {
    /// The clusters that exist and are watched.
    pub(super) clusters: Vec<ClusterName>,
    /// The groups that have the hook, with the value of the tag that roles may ask for.
    pub(super) groups: Vec<Group>,
}

/// Checks clusters and groups, all or those of one cluster.
pub(super) async fn check(
    account: &Account,
    settings: &Settings,
    only: Option<&ClusterName>,
) -> Result<(Vec<Finding>, Enrolled), Failure> {
    let mut findings = Vec::new();
    let names = match only {
        Some(only) => vec![only.clone()],
        None => match account.clusters().await {
            Ok(names) => names,
            Err(failure) => return Ok((vec![Finding::unknown("clusters", failure)?], Enrolled::default())),
        },
    };
    let missing = settings.config.clusters.iter().filter(|cluster| only.is_none() && !names.contains(cluster));
    findings.extend(missing.map(|cluster| {
        let mend = "correct EcsClusters and deploy the stack again";
        Finding::problem(format!("cluster {cluster}"), "EcsClusters names it, and it does not exist", mend)
    }));
    findings.extend(of_batch(&names, &settings.config));
    let (groups, Providers { of_groups: providers, of_managed_instances }) =
        match groups_and_providers(account, &names).await {
            Ok(both) => both,
            Err(failure) => {
                findings.push(Finding::unknown("groups", failure)?);
                return Ok((findings, Enrolled::default()));
            }
        };
    findings
        .extend(of_managed_instances.iter().map(|(cluster, provider)| managed_instances(cluster, provider, settings)));
    let homes = match homes(account, &names, &groups, &providers).await {
        Ok(homes) => homes,
        Err(failure) => {
            findings.push(Finding::unknown("groups", failure)?);
            return Ok((findings, Enrolled::default()));
        }
    };
    let hooks = few_at_once(groups.iter().map(|group| account.hooks(&group.name))).await;
    let watched = names.into_iter().filter(|cluster| settings.config.watches(cluster)).collect();
    let mut enrolled = Enrolled { clusters: watched, groups: Vec::new() };
    for (group, hooks) in groups.into_iter().zip(hooks) {
        let homes: Vec<_> = homes.get(&group.name).into_iter().flatten().collect();
        let hooks = match hooks {
            Ok(hooks) => hooks,
            Err(failure) => {
                findings.push(Finding::unknown(format!("group {}", group.name), failure)?);
                continue;
            }
        };
        let ours: Vec<_> =
            hooks.iter().filter(|it| it.on_termination && settings.config.hook_names.contains(&it.name)).collect();
        // Nobody else's business: a group of another cluster, or of none and without our hook, is left out.
        if homes.is_empty() && (only.is_some() || ours.is_empty()) {
            continue;
        }
        findings.extend(of_group(&group, &homes, &hooks, &ours, &providers, settings, &account.region));
        if !ours.is_empty() {
            enrolled.groups.push(group);
        }
    }
    if enrolled.groups.is_empty() && findings.iter().all(|finding| !finding.subject.starts_with("group ")) {
        let mend = "ecs-drainer enroll GROUP puts the hook on one";
        findings.push(Finding::warning(
            "groups",
            "no Auto Scaling group has hosts in these clusters, nor the hook",
            mend,
        ));
    }
    Ok((findings, enrolled))
}

/// What is to be said of AWS Batch's clusters.
fn of_batch(names: &[ClusterName], config: &Config) -> Vec<Finding> {
    let (named, others): (Vec<_>, Vec<_>) =
        names.iter().filter(|cluster| cluster.is_of_batch()).partition(|cluster| config.watches(cluster));
    let mut findings: Vec<_> = (named.into_iter())
        .map(|cluster| {
            let what =
                "EcsClusters names it, and it is of AWS Batch, which does not retry a job that the drainer stops";
            let mend = "take it out of EcsClusters and deploy the stack again, unless you mean it";
            Finding::warning(format!("cluster {cluster}"), what, mend)
        })
        .collect();
    if !others.is_empty() {
        let what = format!("{}: they are left alone, for Batch looks after its hosts and jobs itself", listed(&others));
        findings.push(Finding::ok("clusters of AWS Batch", what));
    }
    findings
}

/// What is to be said of a capacity provider of ECS Managed Instances. Its hosts are in no group, so that only a Spot notice
/// can tell the drainer of them.
fn managed_instances(cluster: &ClusterName, provider: &ManagedInstances, settings: &Settings) -> Finding {
    let subject = format!("cluster {cluster}");
    let name = &provider.name;
    if provider.is_spot && settings.config.watches(cluster) {
        let what = format!(
            "its capacity provider {name} is of ECS Managed Instances on Spot: ECS drains them itself, and the drainer cannot \
             tell them from your own when a notice comes"
        );
        return Finding::warning(subject, what, "keep them in a cluster of their own that EcsClusters does not name");
    }
    Finding::ok(subject, format!("its capacity provider {name} is of ECS Managed Instances, which ECS drains itself"))
}

/// The clusters' capacity providers.
#[derive(Debug, Default)]
struct Providers {
    of_groups: Vec<(ClusterName, CapacityProvider)>,
    of_managed_instances: Vec<(ClusterName, ManagedInstances)>,
}

async fn groups_and_providers(account: &Account, names: &[ClusterName]) -> Result<(Vec<Group>, Providers), Failure> {
    let groups = account.all_groups().await?;
    let clusters = account.described(names).await?;
    let mut providers = Providers::default();
    for cluster in &clusters {
        let of_cluster = account.capacity_providers(&cluster.capacity_providers).await?;
        let name = || cluster.name.clone();
        providers.of_groups.extend(of_cluster.of_groups.into_iter().map(|it| (name(), it)));
        providers.of_managed_instances.extend(of_cluster.of_managed_instances.into_iter().map(|it| (name(), it)));
    }
    Ok((groups, providers))
}

/// The clusters that each group's hosts are in: by its capacity provider, and by where a few of its instances are.
async fn homes(
    account: &Account,
    clusters: &[ClusterName],
    groups: &[Group],
    providers: &[(ClusterName, CapacityProvider)],
) -> Result<BTreeMap<GroupName, BTreeSet<ClusterName>>, Failure> {
    let mut homes: BTreeMap<GroupName, BTreeSet<ClusterName>> = BTreeMap::new();
    for (cluster, provider) in providers {
        homes.entry(provider.group.clone()).or_default().insert(cluster.clone());
    }
    let mut group_of: BTreeMap<InstanceId, &GroupName> = BTreeMap::new();
    for group in groups {
        let sampled = group.instances.iter().filter_map(|(id, _)| InstanceId::parse(id)).take(SAMPLED_INSTANCES);
        group_of.extend(sampled.map(|id| (id, &group.name)));
    }
    let instances: Vec<_> = group_of.keys().cloned().collect();
    let asked: Vec<_> = clusters
        .iter()
        .flat_map(|cluster| instances.chunks(FILTER_MAX).map(move |instances| (cluster, instances)))
        .collect();
    let answers = asked.iter().map(|(cluster, instances)| registered_in(&account.calls, cluster, instances));
    for ((cluster, _), answer) in asked.iter().zip(few_at_once(answers).await) {
        if let Some(unknown) = answer.unknown.into_iter().next() {
            return Err(account.failure(unknown.error));
        }
        for group in answer.found.iter().filter_map(|it| group_of.get(it.instance.as_ref()?)) {
            homes.entry((*group).clone()).or_default().insert((*cluster).clone());
        }
    }
    Ok(homes)
}

fn of_group(
    group: &Group,
    homes: &[&ClusterName],
    hooks: &[Hook],
    ours: &[&Hook],
    providers: &[(ClusterName, CapacityProvider)],
    settings: &Settings,
    region: &str,
) -> Vec<Finding> {
    let subject = format!("group {}", group.name);
    let name = &group.name;
    let enroll = match homes {
        [home] => format!("ecs-drainer enroll {name} --cluster {home}"),
        _ => format!("ecs-drainer enroll {name}"),
    };
    let mut findings = Vec::new();
    let unwatched: Vec<_> = homes.iter().filter(|home| !settings.config.watches(home)).copied().collect();
    if !unwatched.is_empty() {
        let is_of_batch = unwatched.iter().all(|home| home.is_of_batch());
        if is_of_batch && ours.is_empty() {
            return findings;
        }
        let (what, mend) = if is_of_batch {
            let what = format!(
                "its hosts are in {}, a cluster of AWS Batch, which is left alone: each waits until the hook times out",
                listed(&unwatched)
            );
            (what, format!("ecs-drainer unenroll {name}"))
        } else {
            let what = format!("its hosts are in {}, which is not watched: they are not drained", listed(&unwatched));
            (what, "add it to EcsClusters and deploy the stack again".to_owned())
        };
        if ours.is_empty() {
            findings.push(Finding::warning(&subject, what, mend));
            return findings;
        }
        findings.push(Finding::problem(&subject, what, mend));
    }
    if ours.is_empty() {
        let what =
            format!("its hosts are in {}, and it has no hook of the drainer: their tasks die with them", listed(homes));
        findings.push(Finding::problem(&subject, what, enroll));
        return findings;
    }
    for hook in ours {
        findings.extend(of_hook(group, hook, homes, &enroll, region));
    }
    findings.extend(untagged(group, settings).map(|(what, mend)| Finding::problem(&subject, what, mend)));
    if homes.is_empty() && !group.instances.is_empty() {
        let what = "it has the hook, and its hosts are in no cluster: they are let go at once";
        findings.push(Finding::warning(&subject, what, format!("ecs-drainer unenroll {name}, if they never will be")));
    }
    let managed = providers.iter().find(|(_, provider)| provider.group == *name && provider.managed_draining);
    let has_hook = hooks.iter().any(|hook| hook.name.as_str() == MANAGED_DRAINING_HOOK);
    if managed.is_some() || has_hook {
        let what = "managed draining is on, too: its own hook holds each instance for up to 48 h, without a deadline";
        let provider = managed.map_or("NAME", |(_, provider)| provider.name.as_str());
        let mend = format!("leave it, or switch one of the two off: {}", without_managed_draining(provider));
        findings.push(Finding::warning(&subject, what, mend));
    }
    if findings.is_empty() {
        let hooks: Vec<_> = ours.iter().map(|hook| format!("hook {}", hook.name)).collect();
        let hosts = if homes.is_empty() { "no hosts now".to_owned() } else { format!("hosts in {}", listed(homes)) };
        findings.push(Finding::ok(&subject, format!("{}, {hosts}", hooks.join(", "))));
    }
    findings
}

fn of_hook(group: &Group, hook: &Hook, homes: &[&ClusterName], enroll: &str, region: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let subject = &format!("group {}", group.name);
    let name = &hook.name;
    if let Some((what, mend)) = retained(group, hook, region) {
        findings.push(Finding::warning(subject, what, mend));
    } else if hook.default_result != DEFAULT_RESULT {
        let what = format!(
            "hook {name} ends with {} when it times out, which also ends other hooks' wait, and keeps an instance running \
             that is on its way to a warm pool",
            hook.default_result
        );
        findings.push(Finding::warning(subject, what, enroll));
    }
    if let Some((what, mend)) = told_elsewhere(group, hook, region) {
        findings.push(Finding::warning(subject, what, mend));
    }
    let heartbeat = std::time::Duration::from_secs(hook.heartbeat_timeout);
    if heartbeat < HEARTBEAT_TIMEOUT_SHORTEST {
        let (is, least) = (duration(heartbeat), duration(HEARTBEAT_TIMEOUT_SHORTEST));
        let what = format!("hook {name} times out after {is}, less than {least}: it can end between two heartbeats");
        findings.push(Finding::problem(subject, what, enroll));
    }
    let overrides = hook.metadata.as_deref().map(Overrides::read).unwrap_or_default();
    if !overrides.mistakes.is_empty() {
        let what =
            format!("metadata of hook {name} has values that are not allowed: {}", overrides.mistakes.join(", "));
        findings.push(Finding::problem(subject, what, format!("{enroll} takes them out; give it what was meant")));
    }
    if let Some(cluster) = overrides.cluster.filter(|cluster| !homes.is_empty() && !homes.contains(&cluster)) {
        let what = format!("metadata of hook {name} says cluster {cluster}, and its hosts are in {}", listed(homes));
        findings.push(Finding::warning(subject, what, enroll));
    }
    findings
}

//! `undrain`: hosts take tasks again.

use serde::Serialize;
use shared::aws::batch::{Unknown, few_at_once, set_active};
use shared::aws::{ErrorClass, InstanceStatus};
use shared::clock::Clock;
use shared::config::Config;
use shared::drain::facts::known::Known;
use shared::drain::facts::registration::Registration;
use shared::drain::remembered::Remembered;
use shared::drain::{Budget, Context};
use shared::ids::{ClusterName, ContainerInstanceArn, InstanceId};

use crate::account::{Account, attributes};
use crate::drain::found;
use crate::end::End;
use crate::failure::Failure;
use crate::plan::leaves;
use crate::screen::{self, Screen};
use crate::settings::defaults;
use crate::text::{plain, wrapped};

/// What became of one host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Undrained {
    instance_id: InstanceId,
    cluster: ClusterName,
    #[serde(skip)]
    arn: ContainerInstanceArn,
    /// What it is now, as far as is known.
    status: String,
    /// Whether it was DRAINING.
    was_draining: bool,
    /// The attributes that were deleted.
    deleted: Vec<String>,
    /// What failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// Sets hosts ACTIVE, and deletes what was written on them: since when they were drained, and what an earlier version wrote.
pub(crate) async fn undrain(
    account: &Account,
    instances: &[InstanceId],
    cluster: Option<&ClusterName>,
    json: bool,
) -> Result<End, Failure> {
    let config = Config { clusters: cluster.into_iter().cloned().collect(), ..defaults()? };
    let remembered = Remembered::default();
    let context = Context {
        calls: &account.calls,
        config: &config,
        remembered: &remembered,
        clock: Clock::system(),
        budget: Budget::endless(),
    };
    let known = found(account, &context, instances, cluster, &mut fastrand::Rng::new()).await?;
    if let Some((instance, why)) = known.iter().find_map(|it| Some((&it.departure.instance, leaves(it)?))) {
        return Err(Failure::Refusal(format!(
            "{instance} is about to go, and tasks that ECS put on it with it. {why}. Nothing was changed"
        )));
    }
    let mut hosts: Vec<_> = known.iter().flat_map(|known| known.registrations.iter().map(|r| host(known, r))).collect();
    let clusters: std::collections::BTreeSet<_> = hosts.iter().map(|host| host.cluster.clone()).collect();
    let mut denied = None;
    for cluster in &clusters {
        let arns = arns(&hosts, cluster, |host| host.was_draining);
        let answers = set_active(&account.calls, cluster, &arns).await;
        for now in &answers.found {
            hosts.iter_mut().filter(|it| it.arn == now.arn).for_each(|it| it.status = now.status.to_string());
        }
        denied = denied.or(answers.unknown.iter().find_map(|unknown| Failure::of_denial(&unknown.error)));
        take(&mut hosts, answers.unknown);
        let gone = answers.absent.into_iter().map(|arn| (arn, "it is not registered any more".to_owned()));
        gone.for_each(|(arn, why)| fail(&mut hosts, &arn, &why));
    }
    denied = denied.or(delete_attributes(account, &mut hosts).await);
    if json {
        screen::json(&hosts)?;
    } else {
        let mut screen = Screen::new();
        let width = screen.width();
        screen.write(&hosts.iter().flat_map(|host| lines(host, width)).collect::<Vec<_>>())?;
    }
    let failures: Vec<_> = hosts.iter().filter_map(|host| host.failure.clone()).collect();
    if let Some(denied) = denied {
        return Err(denied);
    }
    Ok(if failures.is_empty() { End::Done } else { End::NotDone })
}

/// Deletes the attributes of the hosts that take tasks again. A host that still drains keeps its start. Answers a denial, if
/// there is one.
async fn delete_attributes(account: &Account, hosts: &mut [Undrained]) -> Option<Failure> {
    let active = hosts.iter_mut().filter(|host| host.failure.is_none() && !host.deleted.is_empty());
    let deletions = active.map(|host| async {
        let deleted = attributes::delete(&account.calls, &host.cluster, &host.arn, &host.deleted).await;
        let error = deleted.err()?;
        host.failure = Some(error.to_string());
        (error.class() == ErrorClass::Denied).then(|| account.failure(error))
    });
    few_at_once(deletions).await.into_iter().flatten().next()
}

fn host(known: &Known, registration: &Registration) -> Undrained {
    let status = &registration.status;
    let can_be = matches!(status, InstanceStatus::Active | InstanceStatus::Draining);
    Undrained {
        instance_id: known.departure.instance.clone(),
        cluster: registration.cluster.clone(),
        arn: registration.arn.clone(),
        status: status.to_string(),
        was_draining: *status == InstanceStatus::Draining,
        deleted: registration.attributes.keys().cloned().collect(),
        failure: (!can_be).then(|| "only what is DRAINING can be set ACTIVE".to_owned()),
    }
}

fn arns(hosts: &[Undrained], cluster: &ClusterName, fits: impl Fn(&Undrained) -> bool) -> Vec<ContainerInstanceArn> {
    hosts.iter().filter(|host| host.cluster == *cluster && fits(host)).map(|host| host.arn.clone()).collect()
}

fn take(hosts: &mut [Undrained], unknown: Vec<Unknown<ContainerInstanceArn>>) {
    for Unknown { keys, error } in unknown {
        keys.iter().for_each(|arn| fail(hosts, arn, &error.to_string()));
    }
}

fn fail(hosts: &mut [Undrained], arn: &ContainerInstanceArn, why: &str) {
    hosts.iter_mut().filter(|host| host.arn == *arn).for_each(|host| host.failure = Some(why.to_owned()));
}

fn lines(host: &Undrained, width: usize) -> Vec<String> {
    let Undrained { instance_id, cluster, status, was_draining, deleted, failure, .. } = host;
    let first = format!("{instance_id}  ");
    if let Some(failure) = failure {
        return wrapped(&first, &format!("{status} in cluster {cluster}, and failed: {}", plain(failure)), width);
    }
    let what = if *was_draining { "takes tasks again" } else { "was ACTIVE already" };
    let deleted = match deleted.as_slice() {
        [] => String::new(),
        names => format!("; deleted {}", names.join(", ")),
    };
    wrapped(&first, &format!("ACTIVE in cluster {cluster}: {what}{deleted}"), width)
}

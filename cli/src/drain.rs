//! `drain`: hosts made empty by hand, with a plan before anything is changed, and an end that tells what was stopped.

mod pursuit;
mod since;
mod words;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use shared::aws::sdk::SdkCalls;
use shared::clock::Clock;
use shared::config::{Config, OnDrainTimeout, Pace, Policy, StandaloneTasks};
use shared::drain::facts::departure::{Cause, Departure, NoticedBy};
use shared::drain::facts::known::{Known, Place};
use shared::drain::facts::patience::Request;
use shared::drain::remembered::Remembered;
use shared::drain::reports::look::{holds, is_incomplete, look};
use shared::drain::reports::report::Drain as Report;
use shared::drain::reports::standing::Standing;
use shared::drain::rules::decision::Outcome;
use shared::drain::{Budget, Context, Pursuit};
use shared::ids::{ClusterName, InstanceId};

use self::pursuit::{How, pursue};
use self::words::{Last, end, left_alone, promise};
use crate::account::Account;
use crate::arguments;
use crate::end::End;
use crate::failure::Failure;
use crate::interrupt::or_interrupted;
use crate::plan::{self, HostPlan};
use crate::screen::{self, Screen};
use crate::settings::defaults;

/// An operator who watches a drain learns within this time that it is over.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is written as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    plan: &'a [HostPlan],
    #[serde(skip_serializing_if = "Option::is_none")]
    drains: Option<Vec<Ended<'a>>>,
    /// Where they stand that were left alone, by Ctrl-C or because of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Vec<&'a Standing>>,
}

/// A report, and what the functions tell their metrics only.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended<'a> {
    #[serde(flatten)]
    report: &'a Report,
    tasks_told_to_stop: usize,
}

impl<'a> Ended<'a> {
    fn of(report: &'a Report) -> Self {
        Self { report, tasks_told_to_stop: report.measures.told_to_stop }
    }
}

/// Drains the hosts named.
pub(crate) async fn drain(account: &Account, wanted: &arguments::Drain, json: bool) -> Result<End, Failure> {
    let config = config(wanted)?;
    let remembered = Remembered::default();
    let clock = Clock::system();
    let (mut screen, mut rng) = (Screen::new(), fastrand::Rng::new());
    let context =
        Context { calls: &account.calls, config: &config, remembered: &remembered, clock, budget: Budget::endless() };
    let prepared = prepare(account, &context, wanted, &mut screen, &mut rng, json);
    let Some((plans, consent, known)) = or_interrupted(prepared, "Nothing was changed.").await? else {
        return Ok(End::Interrupted);
    };
    let write = |drains, left| screen::json(&Document { plan: &plans, drains, left });
    match consent {
        Consent::Given => {}
        Consent::Denied => {
            screen.write(&["Nothing was changed.".to_owned()])?;
            return Ok(End::NotDone);
        }
        Consent::NotAskedFor if json => {
            write(None, None)?;
            return Ok(End::Done);
        }
        Consent::NotAskedFor => return Ok(End::Done),
    }

    // The engine's patience is its own.
    let calls = SdkCalls::new(&account.sdk);
    let context = Context { calls: &calls, ..context };
    let departures = known.iter().map(|known| afresh(known, clock.now())).collect();
    let pursuit = Pursuit::new(&context, departures);
    let (how, last) = pursue(account, &context, pursuit, &mut screen, &mut rng, json).await;
    let reports = match how {
        How::Ended(reports) => reports,
        How::Interrupted | How::Failed(_) if json => {
            write(None, Some(last.values().collect()))?;
            return how.without_reports(&last, wanted);
        }
        How::Interrupted | How::Failed(_) => return how.without_reports(&last, wanted),
    };
    if json {
        write(Some(reports.iter().map(Ended::of).collect()), None)?;
    } else {
        screen.write(&end(&reports, &last, screen.width()))?;
    }
    let done = reports.iter().all(|report| is_done(report, &last));
    Ok(if done { End::Done } else { End::NotDone })
}

/// Whether nothing died, nor is left.
fn is_done(report: &Report, last: &Last) -> bool {
    match report.outcome {
        Outcome::Drained => true,
        // It went away, which is well if it was empty.
        Outcome::NotInEcs => {
            let seen = report.instance_id.as_ref().and_then(|id| last.get(id));
            seen.is_some_and(|seen| seen.tasks_left == Some(0))
        }
        _ => false,
    }
}

impl How {
    /// Tells what a drain leaves behind that did not come to its end.
    fn without_reports(self, last: &Last, wanted: &arguments::Drain) -> Result<End, Failure> {
        match self {
            Self::Failed(failure) => {
                screen::tell(&format!("\n{}", left_alone("It goes on no longer.", last, wanted)));
                Err(failure)
            }
            Self::Interrupted | Self::Ended(_) => {
                screen::tell(&format!("\n{}", left_alone("Interrupted.", last, wanted)));
                Ok(End::Interrupted)
            }
        }
    }
}

/// Whether the operator agreed to the plan.
enum Consent {
    Given,
    Denied,
    /// The plan was all that was wanted.
    NotAskedFor,
}

/// Everything before the first change: the hosts, the plan, the question.
async fn prepare(
    account: &Account,
    context: &Context<'_, SdkCalls>,
    wanted: &arguments::Drain,
    screen: &mut Screen,
    rng: &mut fastrand::Rng,
    json: bool,
) -> Result<(Vec<HostPlan>, Consent, Vec<Known>), Failure> {
    let known = found(account, context, &wanted.instances, wanted.cluster.as_deref(), rng).await?;
    let (known, explanations) = look(context, known, rng).await;
    if let Some(known) = known.iter().find(|known| is_incomplete(known)) {
        return Err(unread(known));
    }
    let (standalone, now) = (context.config.policy.standalone_tasks, context.clock.now());
    let plans: Vec<_> = known.iter().map(|it| HostPlan::of(it, &explanations, standalone, now)).collect();
    if !json {
        screen.write(&plan::lines(&plans, &promise(wanted), screen.width()))?;
    }
    let consent = if wanted.dry_run {
        Consent::NotAskedFor
    } else if wanted.yes || may_go_on(screen, plans.len(), json).await? {
        Consent::Given
    } else {
        Consent::Denied
    };
    Ok((plans, consent, known))
}

/// The flags as settings.
fn config(wanted: &arguments::Drain) -> Result<Config, Failure> {
    let defaults = defaults()?;
    let on_drain_timeout = if wanted.deadline.is_some() { OnDrainTimeout::StopTasks } else { OnDrainTimeout::Wait };
    let standalone_tasks = if wanted.stop_standalone { StandaloneTasks::Stop } else { StandaloneTasks::Wait };
    let drain_timeout = wanted.deadline.unwrap_or(Duration::MAX);
    let pace = Pace { max: LONGEST_PAUSE, ..defaults.policy.pace };
    let policy = Policy { drain_timeout, on_drain_timeout, standalone_tasks, pace, ..defaults.policy };
    Ok(Config { clusters: wanted.cluster.as_deref().into_iter().cloned().collect(), policy, ..defaults })
}

/// The hosts named, each with its registrations and the hooks that hold it.
///
/// # Errors
/// When one is in no cluster, or in another than the one given, or that cannot be known.
pub(crate) async fn found(
    account: &Account,
    context: &Context<'_, SdkCalls>,
    instances: &[InstanceId],
    cluster: Option<&ClusterName>,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Known>, Failure> {
    if let Some(cluster) = cluster {
        account.cluster(cluster).await?;
    }
    let mut instances = instances.to_vec();
    instances.sort();
    instances.dedup();
    let departure = |instance| Departure { instance, cause: Cause::Maintenance, noticed_by: NoticedBy::Person };
    let known = instances.into_iter().map(|it| Known::new(departure(it), context.clock.now())).collect();
    let known = shared::drain::reports::look::locate(context, known, rng).await;
    let nowhere: Vec<_> =
        known.iter().filter(|it| matches!(it.place, Place::Nowhere { .. })).map(instance_of).collect();
    if !nowhere.is_empty() {
        return Err(Failure::NoInstance { instances: nowhere, region: account.region.clone() });
    }
    for known in &known {
        match (&known.place, cluster) {
            (Place::Unknown, _) => return Err(unread(known)),
            (Place::Unwatched(there), Some(cluster)) => {
                let (instance, there) = (instance_of(known), there.clone());
                return Err(Failure::Elsewhere { instance, there, cluster: cluster.clone() });
            }
            _ => {}
        }
    }
    let known = holds(context, known, rng).await;
    match known.iter().find(|known| known.patience.has_failed(Request::Hold)) {
        Some(known) => Err(unread(known)),
        None => Ok(known),
    }
}

fn instance_of(known: &Known) -> InstanceId {
    known.departure.instance.clone()
}

fn unread(known: &Known) -> Failure {
    let unread = || Failure::Unread { instance: instance_of(known), why: known.patience.told().join("; ") };
    known.patience.errors().find_map(Failure::of_denial).unwrap_or_else(unread)
}

/// The facts from before the question may be old: the drain begins with the registrations, and reads all else again.
fn afresh(known: &Known, now: Timestamp) -> Known {
    let registrations = known.registrations.iter().map(|it| {
        let mut it = it.clone();
        it.tasks = None;
        it
    });
    Known {
        place: known.place.clone(),
        registrations: registrations.collect(),
        ..Known::new(known.departure.clone(), now)
    }
}

async fn may_go_on(screen: &mut Screen, hosts: usize, json: bool) -> Result<bool, Failure> {
    if json || !screen::can_ask() {
        return Err(Failure::CannotAsk);
    }
    let them = if hosts == 1 { "it".to_owned() } else { format!("these {hosts} hosts") };
    Ok(screen.ask(&format!("Drain {them}?")).await?)
}

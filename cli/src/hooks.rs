//! `enroll` and `unenroll`: the drainer's lifecycle hook on Auto Scaling groups.

use console::style;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::config::Overrides;
use shared::drain::facts::lifecycle::{Meaning, meaning};
use shared::drain::rules::deadlines::action_limit;
use shared::ids::{GroupName, HookName};

use crate::account::Account;
use crate::account::asked::{Group, Hook};
use crate::arguments::{Enroll, Unenroll};
use crate::end::End;
use crate::failure::{Failure, listed};
use crate::interrupt::or_interrupted;
use crate::screen::{self, Screen};
use crate::settings::Settings;
use crate::text::{count, duration, plain, wrapped};

/// ECS's own hook (ECS developer guide, managed instance draining).
pub(crate) const MANAGED_DRAINING_HOOK: &str = "ecs-managed-draining-termination-hook";
/// What happens to an instance whose hook times out: it goes, and other hooks may still hold it.
pub(crate) const DEFAULT_RESULT: &str = "CONTINUE";
/// Auto Scaling's own default: it ends the other hooks' wait, too.
const ABANDON: &str = "ABANDON";
/// The tag by which an installation with `GroupTagValue` knows its groups.
pub(crate) const GROUP_TAG: &str = "ecs-drainer";

/// What is done to one group.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    group: GroupName,
    hook: HookName,
    change: Change,
    /// What the hook becomes.
    details: Vec<String>,
    /// What to know beside it.
    warnings: Vec<String>,
    done: bool,
    /// The hook as it was found, and as it is wanted.
    #[serde(skip)]
    found: Option<Hook>,
    #[serde(skip)]
    wanted: Option<Hook>,
}

/// What changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    /// The hook is put on.
    Put,
    /// It is there, and becomes another.
    Update,
    /// It is taken off.
    Delete,
    /// It is as it should be.
    None,
}

/// Puts the hook on groups: shows what it would do, asks, and does it.
pub(crate) async fn enroll(account: &Account, stack: &str, wanted: &Enroll, json: bool) -> Result<End, Failure> {
    let prepared = or_interrupted(plans_to_enroll(account, stack, wanted, json), "Nothing was changed.").await?;
    let Some(plans) = prepared else { return Ok(End::Interrupted) };
    carry_out(account, plans, false, json).await
}

async fn plans_to_enroll(
    account: &Account,
    stack: &str,
    wanted: &Enroll,
    json: bool,
) -> Result<Option<Vec<Plan>>, Failure> {
    let settings = Settings::of_stack(account, stack).await?;
    let hook = hook_name(&settings, wanted.hook.as_ref())?;
    if let Some(cluster) = &wanted.cluster {
        account.cluster(cluster).await?;
    }
    let mut plans = Vec::new();
    for group in account.groups(&wanted.groups).await? {
        let hooks = account.hooks(&group.name).await?;
        plans.push(plan_of(&group, &hook, &hooks, wanted, &settings, &account.region)?);
    }
    agreed(plans, wanted.yes, json).await
}

/// Takes the hook off groups: refuses where instances wait on it, unless they are to be let go.
pub(crate) async fn unenroll(account: &Account, stack: &str, wanted: &Unenroll, json: bool) -> Result<End, Failure> {
    let prepared = or_interrupted(plans_to_unenroll(account, stack, wanted, json), "Nothing was changed.").await?;
    let Some(plans) = prepared else { return Ok(End::Interrupted) };
    carry_out(account, plans, wanted.release_waiting, json).await
}

async fn plans_to_unenroll(
    account: &Account,
    stack: &str,
    wanted: &Unenroll,
    json: bool,
) -> Result<Option<Vec<Plan>>, Failure> {
    let settings = Settings::of_stack(account, stack).await?;
    let hook = hook_name(&settings, wanted.hook.as_ref())?;
    let mut plans = Vec::new();
    for group in account.groups(&wanted.groups).await? {
        let found = account.hooks(&group.name).await?.into_iter().find(|it| it.name == hook);
        let mut warnings = Vec::new();
        if found.is_some() {
            refuse_waiting(&group, wanted.release_waiting)?;
            let waiting = waiting(&group);
            if !waiting.is_empty() {
                warnings.push(format!("{} waits, and goes at once, with the tasks on it", listed(&waiting)));
            }
        }
        let change = if found.is_some() { Change::Delete } else { Change::None };
        let (details, hook) = (Vec::new(), hook.clone());
        plans.push(Plan { group: group.name, hook, change, details, warnings, done: false, found, wanted: None });
    }
    agreed(plans, wanted.yes, json).await
}

/// Without its hook an instance that waits goes at once.
fn refuse_waiting(group: &Group, release_waiting: bool) -> Result<(), Failure> {
    let waiting = waiting(group);
    if waiting.is_empty() || release_waiting {
        return Ok(());
    }
    Err(Failure::Refusal(format!(
        "{} of group {} waits on its hooks: without the hook it goes at once, with the tasks on it. Wait until it is \
         drained (ecs-drainer watch), or give --release-waiting. The hook stays",
        listed(&waiting),
        group.name
    )))
}

/// A hook that no drainer completes would hold every instance until it times out, so its name is never guessed.
fn hook_name(settings: &Settings, given: Option<&HookName>) -> Result<HookName, Failure> {
    if let Some(given) = given {
        return Ok(given.clone());
    }
    let why = settings.source.why_defaults().unwrap_or("the installation names none");
    let installed = settings.config.hook_names.first().filter(|_| settings.source.why_defaults().is_none());
    installed.cloned().ok_or_else(|| {
        let what = "so it is not known which hook the drainer completes: give --stack, or the hook's name with --hook";
        Failure::Refusal(format!("{why}, {what}. Nothing was changed"))
    })
}

/// How managed draining is switched off for a capacity provider.
pub(crate) fn without_managed_draining(provider: &str) -> String {
    format!("aws ecs update-capacity-provider --name {provider} --auto-scaling-group-provider managedDraining=DISABLED")
}

/// A hook that ends with ABANDON in a group that then keeps the instance: the owner may mean it. What it comes to, and what
/// to do otherwise.
pub(crate) fn retained(group: &Group, hook: &Hook, region: &str) -> Option<(String, String)> {
    (group.retains_on_abandon && hook.default_result == ABANDON).then(|| {
        let what = format!(
            "hook {} ends with ABANDON when it times out, and the group then retains the instance (TerminateHookAbandon): it \
             runs on, with its tasks, until you terminate it",
            hook.name
        );
        let command = put_again(group, hook, region, &format!("--default-result {DEFAULT_RESULT}"));
        (what, format!("leave it if that is meant; if the instance is to be terminated, {command}"))
    })
}

/// A hook with a notification target of its own: with the target gone the hook does not wait, and no error says so
/// (recorded). Answers the consequence, and how to fix it.
pub(crate) fn told_elsewhere(group: &Group, hook: &Hook, region: &str) -> Option<(String, String)> {
    let target = hook.notification_target.as_ref()?;
    let what = format!(
        "hook {} has a notification target, {target}: once that is deleted, the hook does not wait at all, hosts go \
         undrained, and no error says so. The drainer does not need it",
        hook.name
    );
    // An empty one takes the place of the one there is (Auto Scaling API reference, PutLifecycleHook).
    Some((what, put_again(group, hook, region, "--notification-target-arn ''")))
}

/// The command that changes one thing of a hook that is there.
fn put_again(group: &Group, hook: &Hook, region: &str, change: &str) -> String {
    format!(
        "aws autoscaling put-lifecycle-hook --region {region} --auto-scaling-group-name {} --lifecycle-hook-name {} {change}",
        shell_word(group.name.as_str()),
        hook.name
    )
}

/// A text as one word of a shell's command; a group's name may have almost any character in it.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The instances that wait on a termination hook, or are about to.
pub(crate) fn waiting(group: &Group) -> Vec<&str> {
    let waits = |(_, state): &&(String, String)| matches!(meaning(state), Meaning::Waits(_) | Meaning::Begins);
    group.instances.iter().filter(waits).map(|(id, _)| id.as_str()).collect()
}

fn plan_of(
    group: &Group,
    name: &HookName,
    hooks: &[Hook],
    wanted: &Enroll,
    settings: &Settings,
    region: &str,
) -> Result<Plan, Failure> {
    let there = hooks.iter().find(|hook| hook.name == *name);
    if there.is_some_and(|hook| !hook.on_termination) {
        return Err(Failure::Refusal(format!(
            "hook {name} of group {} is there, and holds launches: give another name with --hook. Nothing was changed",
            group.name
        )));
    }
    let before = there.and_then(|hook| hook.metadata.as_deref());
    let (metadata, replaced) = metadata(before, wanted);
    let kept = there.and_then(|there| retained(group, there, region));
    let hook = Hook {
        name: name.clone(),
        on_termination: true,
        heartbeat_timeout: wanted.heartbeat.as_secs(),
        default_result: if kept.is_some() { ABANDON } else { DEFAULT_RESULT }.to_owned(),
        // What a request leaves out stays (Auto Scaling API reference, PutLifecycleHook).
        notification_target: there.and_then(|there| there.notification_target.clone()),
        metadata,
    };
    let overrides = hook.metadata.as_deref().map(Overrides::read).unwrap_or_default();
    let mut warnings: Vec<_> = replaced.into_iter().collect();
    let of_hook = kept.into_iter().chain(there.and_then(|there| told_elsewhere(group, there, region)));
    warnings.extend(of_hook.map(|(what, mend)| format!("{what}: {mend}")));
    if hooks.iter().any(|hook| hook.name.as_str() == MANAGED_DRAINING_HOOK) {
        warnings.push(format!(
            "managed draining is on: its hook {MANAGED_DRAINING_HOOK} holds each instance, too, for up to 48 h and without a \
             deadline. The instance goes when both are done. For one of the two: {}",
            without_managed_draining("…")
        ));
    }
    warnings.extend(beyond_the_limit(wanted, &overrides, settings));
    warnings.extend(unwatched(&overrides, settings));
    warnings.extend(untagged(group, settings).map(|(what, mend)| format!("{what}: {mend}")));
    let (change, details) = match there {
        None => (Change::Put, properties(&hook)),
        Some(there) => match differences(there, &hook) {
            changes if changes.is_empty() => (Change::None, changes),
            changes => (Change::Update, changes),
        },
    };
    let (group, found) = (group.name.clone(), there.cloned());
    Ok(Plan { group, hook: name.clone(), change, details, warnings, done: false, found, wanted: Some(hook) })
}

/// The hook's metadata: what others wrote in it stays, what of ours is not allowed goes. With a warning where nothing of it
/// can stay.
fn metadata(before: Option<&str>, wanted: &Enroll) -> (Option<String>, Option<String>) {
    let parsed = before.map(serde_json::from_str::<Value>);
    let (mut fields, lost) = match (parsed, before) {
        (Some(Ok(Value::Object(fields))), _) => (fields, None),
        (Some(_), Some(text)) => (Map::new(), Some(text)),
        _ => (Map::new(), None),
    };
    fields.retain(|name, value| {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        Overrides::read(&Value::Object(alone).to_string()).mistakes.is_empty()
    });
    if let Some(cluster) = &wanted.cluster {
        fields.insert("cluster".to_owned(), Value::from(cluster.as_str()));
    }
    if let Some(timeout) = wanted.drain_timeout {
        fields.insert("drainTimeoutSeconds".to_owned(), Value::from(timeout.as_secs()));
    }
    if fields.is_empty() {
        return (lost.map(ToOwned::to_owned), None);
    }
    let warning = lost.map(|text| format!("its metadata {text:?} is no JSON, and is replaced"));
    (Some(Value::Object(fields).to_string()), warning)
}

/// AWS's own limit on a drain is a hundred heartbeat timeouts.
fn beyond_the_limit(wanted: &Enroll, overrides: &Overrides, settings: &Settings) -> Option<String> {
    let timeout = overrides.over(settings.config.policy).drain_timeout;
    let limit = action_limit(wanted.heartbeat);
    (timeout > limit).then(|| {
        format!(
            "a drain may take {}, but AWS ends it after {}, a hundred heartbeats: a longer --heartbeat allows more",
            duration(timeout),
            duration(limit)
        )
    })
}

fn unwatched(overrides: &Overrides, settings: &Settings) -> Option<String> {
    let cluster = overrides.cluster.as_ref().filter(|cluster| !settings.config.watches(cluster))?;
    Some(format!("the installation does not watch cluster {cluster}, and ignores its hosts: add it to EcsClusters"))
}

/// What an installation with `GroupTagValue` may not release, and how to mend it.
pub(crate) fn untagged(group: &Group, settings: &Settings) -> Option<(String, String)> {
    let value = settings.group_tag.as_ref()?;
    let is_tagged = group.tags.iter().any(|(key, tagged)| key == GROUP_TAG && tagged == value);
    (!is_tagged).then(|| {
        let name = &group.name;
        let what =
            format!("it has no tag {GROUP_TAG}={value}, without which the drainer may not release its instances");
        let mend = format!(
            "aws autoscaling create-or-update-tags --tags \
             ResourceId={name},ResourceType=auto-scaling-group,Key={GROUP_TAG},Value={value},PropagateAtLaunch=false"
        );
        (what, mend)
    })
}

fn properties(hook: &Hook) -> Vec<String> {
    let metadata = hook.metadata.as_ref().map(|metadata| format!("metadata {metadata}"));
    let heartbeat = format!("heartbeat timeout {} s", hook.heartbeat_timeout);
    [heartbeat, format!("default result {}", hook.default_result)].into_iter().chain(metadata).collect()
}

fn differences(before: &Hook, after: &Hook) -> Vec<String> {
    let pairs = [
        ("heartbeat timeout", format!("{} s", before.heartbeat_timeout), format!("{} s", after.heartbeat_timeout)),
        ("default result", before.default_result.clone(), after.default_result.clone()),
        ("metadata", text(&before.metadata), text(&after.metadata)),
    ];
    let changed = pairs.into_iter().filter(|(_, before, after)| before != after);
    changed.map(|(what, before, after)| format!("{what} {before} becomes {after}")).collect()
}

fn text(metadata: &Option<String>) -> String {
    metadata.clone().unwrap_or_else(|| "none".to_owned())
}

/// The plans, if the operator agrees to them; none if not.
async fn agreed(plans: Vec<Plan>, yes: bool, json: bool) -> Result<Option<Vec<Plan>>, Failure> {
    let mut screen = Screen::new();
    let changes = plans.iter().filter(|plan| plan.change != Change::None).count();
    if !json {
        screen.write(&lines(&plans, screen.width()))?;
    }
    if changes == 0 || yes {
        return Ok(Some(plans));
    }
    if json || !screen::can_ask() {
        return Err(Failure::CannotAsk);
    }
    if screen.ask(&format!("Change {}?", count(changes, "group"))).await? {
        return Ok(Some(plans));
    }
    screen.write(&["Nothing was changed.".to_owned()])?;
    Ok(None)
}

/// Does what the plans say, group by group, where things still are as they were.
async fn carry_out(
    account: &Account,
    plans: Option<Vec<Plan>>,
    release_waiting: bool,
    json: bool,
) -> Result<End, Failure> {
    let Some(mut plans) = plans else { return Ok(End::NotDone) };
    let mut screen = Screen::new();
    let mut failed = None;
    for plan in plans.iter_mut().filter(|plan| plan.change != Change::None) {
        let changed = or_interrupted(change(account, plan, release_waiting), "The groups named as done are changed.");
        match changed.await {
            Ok(Some(())) => plan.done = true,
            Ok(None) => return Ok(End::Interrupted),
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
        if !json {
            screen.write(&[format!("{}: done", plan.group)])?;
        }
    }
    if json {
        screen::json(&plans)?;
    }
    failed.map_or(Ok(End::Done), Err)
}

/// Changes one group. The hook may have changed while the operator read the plan and thought about it.
async fn change(account: &Account, plan: &Plan, release_waiting: bool) -> Result<(), Failure> {
    let Plan { group, hook, found, wanted, .. } = plan;
    let now = account.hooks(group).await?.into_iter().find(|it| it.name == *hook);
    if now != *found {
        return Err(Failure::Refusal(format!("hook {hook} of group {group} was changed meanwhile: look again")));
    }
    match wanted {
        Some(wanted) => account.put_hook(group, wanted).await,
        None => {
            for group in account.groups(std::slice::from_ref(group)).await? {
                refuse_waiting(&group, release_waiting)?;
            }
            account.delete_hook(group, hook).await
        }
    }
}

fn lines(plans: &[Plan], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for Plan { group, hook, change, details, warnings, .. } in plans {
        let what = match change {
            Change::Put => format!("hook {hook} is put on: {}", details.join(", ")),
            Change::Update => format!("hook {hook} is there; {}", details.join(", ")),
            Change::Delete => format!("hook {hook} is taken off"),
            Change::None => "nothing to do".to_owned(),
        };
        lines.extend(wrapped(&format!("{}  ", style(plain(group.as_str())).bold()), &plain(&what), width));
        for warning in warnings {
            let mark = style("!").yellow().bold();
            lines.extend(wrapped(&format!("  {mark} "), &plain(warning), width));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn wanted(cluster: Option<&str>, drain_timeout: Option<u64>) -> Enroll {
        Enroll {
            groups: Vec::new(),
            cluster: cluster.and_then(|text| crate::arguments::cluster(text).ok()),
            heartbeat: Duration::from_secs(900),
            drain_timeout: drain_timeout.map(Duration::from_secs),
            hook: None,
            yes: false,
        }
    }

    #[test]
    fn a_command_is_safe_to_copy() {
        assert_eq!(shell_word("my-asg_1.2"), "my-asg_1.2");
        assert_eq!(shell_word("blue green"), "'blue green'");
        assert_eq!(shell_word("ann's; ls"), r"'ann'\''s; ls'");
    }

    #[test]
    fn metadata_of_others_stays_and_what_is_no_json_is_told_of() {
        let of = |before, wanted: &Enroll| metadata(before, wanted);
        let both = wanted(Some("prod"), Some(60));
        let (written, warning) = of(Some(r#"{"team":"web","cluster":"old"}"#), &both);
        assert_eq!(written.as_deref(), Some(r#"{"cluster":"prod","drainTimeoutSeconds":60,"team":"web"}"#));
        assert_eq!(warning, None);
        let (written, warning) = of(Some("call ann"), &both);
        assert_eq!(written.as_deref(), Some(r#"{"cluster":"prod","drainTimeoutSeconds":60}"#));
        assert!(warning.is_some_and(|warning| warning.contains("call ann")));
        assert_eq!(of(Some("call ann"), &wanted(None, None)), (Some("call ann".to_owned()), None), "nothing to write");
        assert_eq!(of(None, &wanted(None, None)), (None, None));
        let wrong = Some(r#"{"drainTimeoutSeconds":"soon"}"#);
        assert_eq!(of(wrong, &wanted(None, None)), (None, None), "the drainer does not go by it");
    }
}

//! The demo's end: what the function answered, what AWS was asked, and what became of the tasks.

use serde_json::Value;
use simulator::{
    lambda::Outcome,
    scenario::HOOK,
    world::{Operation, World},
};

use crate::{
    demo::story::wrapped,
    tell::{last_part, tasks},
};

/// So much of a log explains a failure.
const MAX_LOG_LINES: usize = 5;

/// How it all ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) lines: Vec<String>,
    /// The last of them, whole.
    pub(crate) verdict: String,
    /// Every host was released with nothing running on it.
    pub(crate) success: bool,
}

/// Sums up a story; `outcome` is the function's, when there was one.
pub(crate) fn summary(world: &World, leaving: &[String], outcome: Option<&Outcome>) -> Summary {
    let mut lines = vec![String::new()];
    if let Some(outcome) = outcome {
        lines.extend(answer(outcome).iter().flat_map(|line| wrapped(line)));
        lines.push(String::new());
    }
    // A hook that timed out let the host go, too.
    let by_spot = leaving.iter().any(|id| world.host(id).is_some_and(|host| host.interrupted_at.is_some()));
    let released = world.releases().iter().map(|it| it.unstopped.len());
    let timed_out = world.hook_timeouts().iter().map(|it| it.unstopped.len());
    let unstopped = released.chain(timed_out).sum();
    let killed = world.killed().len();
    if !by_spot {
        lines.push(row("Tasks still running at release", unstopped));
    }
    lines.push(row("Tasks killed", killed));
    lines.push(String::new());
    if outcome.is_some() {
        lines.extend(calls(world));
        lines.push(String::new());
    }

    let released = |id: &String| match by_spot {
        true => world.host(id).is_some_and(|host| !host.powered),
        false => world.releases().iter().any(|it| it.instance_id == *id),
    };
    let served = outcome.is_some_and(is_served);
    let success = served && !leaving.is_empty() && leaving.iter().all(released) && unstopped == 0 && killed == 0;
    let waiting: Vec<&str> = (leaving.iter().map(String::as_str))
        .filter(|id| world.host(id).is_some_and(|host| host.waits_on().next().is_some()))
        .collect();
    let (hosts, them) = if leaving.len() == 1 { ("the host was", "it") } else { ("the hosts were", "them") };
    let gone = if by_spot { "taken" } else { "released" };
    let verdict = match (success, leaving.is_empty(), killed, unstopped) {
        (true, ..) => format!("Nothing was running when {hosts} {gone}."),
        (_, true, ..) => "No host was released or taken.".to_owned(),
        (_, _, 1.., _) => format!("{} still ran when {hosts} terminated, and died with {them}.", tasks(killed)),
        (_, _, _, 1..) => format!("{} still ran when {hosts} released.", tasks(unstopped)),
        _ if waiting.is_empty() => format!("Nothing was running when {hosts} {gone}, but not all went well."),
        _ => format!("Not released, and still waiting on hook {HOOK}: {}.", waiting.join(", ")),
    };
    lines.extend(wrapped(&verdict));
    Summary { lines, verdict, success }
}

/// Whether the outcome itself says what went wrong, if anything did.
pub(crate) fn is_explained(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Answered(answer) => answer.get("drains").is_some(),
        Outcome::Failed { .. } => true,
        Outcome::TimedOut | Outcome::Exited(_) | Outcome::InitFailed { .. } => false,
    }
}

/// The lines of a log that may tell why: its last warnings and errors, or else just its last lines.
pub(crate) fn telling(log: &[String]) -> Vec<&String> {
    let is_warning = |line: &&String| line.contains("\"WARN\"") || line.contains("\"ERROR\"");
    let warnings: Vec<&String> = log.iter().filter(is_warning).collect();
    let lines = if warnings.is_empty() { log.iter().collect() } else { warnings };
    let skipped = lines.len().saturating_sub(MAX_LOG_LINES);
    lines.into_iter().skip(skipped).collect()
}

/// Whether nothing of what the function was asked is left to be tried again.
fn is_served(outcome: &Outcome) -> bool {
    let Some(answer) = outcome.answer() else {
        return false;
    };
    failures(answer).is_none_or(<[Value]>::is_empty)
}

fn failures(answer: &Value) -> Option<&[Value]> {
    Some(answer.get("batchItemFailures")?.as_array()?.as_slice())
}

/// The function's answer in words.
fn answer(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Answered(answer) => match (answer.get("drains").and_then(Value::as_array), failures(answer)) {
            (Some(drains), _) => drains.iter().map(drain).collect(),
            (None, Some([])) => vec!["The function has served every message of the batch.".to_owned()],
            (None, Some(failures)) => {
                let ids: Vec<&str> = failures.iter().map(|it| text(it, "itemIdentifier")).collect();
                vec![format!("The function could not serve these messages of the batch: {}.", ids.join(", "))]
            }
            (None, None) => vec![format!("The function answered {answer}.")],
        },
        Outcome::Failed { error_type, error_message } => {
            vec![format!("The function answered with an error. {error_type}: {error_message}")]
        }
        Outcome::TimedOut => vec!["The function was killed at its timeout.".to_owned()],
        Outcome::Exited(status) => vec![format!("The function ended before it answered: {status}")],
        Outcome::InitFailed { error_type, error_message } => {
            vec![format!("The function did not start. {error_type}: {error_message}")]
        }
    }
}

fn drain(drain: &Value) -> String {
    let host = drain.get("instanceId").and_then(Value::as_str).map(last_part).unwrap_or("The event");
    let seconds = drain.get("seconds").and_then(Value::as_f64).unwrap_or_default();
    let after = if seconds > 0.0 { format!(" after {seconds:.1} s") } else { String::new() };
    format!("{host}: {}{after} ({})", text(drain, "outcome"), text(drain, "detail"))
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or("?")
}

fn calls(world: &World) -> Vec<String> {
    let counts = Operation::ALL.map(|operation| (operation, world.count(operation)));
    let total = row("AWS calls", counts.iter().map(|(_, count)| count).sum());
    let each = counts.iter().filter(|(_, count)| *count > 0);
    [total].into_iter().chain(each.map(|(operation, count)| row(&format!("  {operation}"), *count))).collect()
}

fn row(label: &str, count: usize) -> String {
    format!("{label:<33}{count:>4}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use simulator::scenario::{self, LEAVING, Parameters};

    use super::*;

    #[test]
    fn an_answer_is_told_in_words() {
        let report = json!({"drains": [{"instanceId": LEAVING, "cluster": "prod", "outcome": "drained", "seconds": 7.42,
            "tasksStopped": 3, "remaining": [], "detail": "every task has stopped"}]});
        assert_eq!(
            answer(&Outcome::Answered(report)),
            ["i-1234567890abcdef0: drained after 7.4 s (every task has stopped)"]
        );
        let ignored = json!({"drains": [{"outcome": "ignored", "seconds": 0.0, "detail": "a test"}]});
        assert_eq!(answer(&Outcome::Answered(ignored)), ["The event: ignored (a test)"]);
        let batch = json!({"batchItemFailures": [{"itemIdentifier": "message-1"}]});
        assert!(answer(&Outcome::Answered(batch))[0].ends_with("of the batch: message-1."));
        let failed = Outcome::Failed { error_type: "UnknownEvent".into(), error_message: "unknown event: x".into() };
        assert_eq!(answer(&failed), ["The function answered with an error. UnknownEvent: unknown event: x"]);
    }

    #[test]
    fn warnings_tell_more_than_the_last_lines() {
        let mut log: Vec<String> = (0..9).map(|number| format!(r#"{{"level":"INFO","message":"{number}"}}"#)).collect();
        assert_eq!(telling(&log), log[4..].iter().collect::<Vec<_>>());
        log[1] = r#"{"level":"WARN","message":"1"}"#.to_owned();
        assert_eq!(telling(&log), [&log[1]]);
    }

    #[test]
    fn a_host_that_was_not_released_is_no_success() {
        let start = jiff::Timestamp::UNIX_EPOCH;
        let mut world = scenario::demo(start, &Parameters::default()).unwrap();
        world.scale_in(LEAVING, start).unwrap();
        let leaving = [LEAVING.to_owned()];
        let ignored =
            Outcome::Answered(json!({"drains": [{"outcome": "ignored", "seconds": 0.0, "detail": "not ours"}]}));
        let Summary { lines, success, .. } = summary(&world, &leaving, Some(&ignored));
        assert!(!success);
        assert_eq!(lines.last().unwrap(), "Not released, and still waiting on hook ecs-drainer: i-1234567890abcdef0.");
        let Summary { lines, success, .. } = summary(&world, &[], Some(&ignored));
        assert!(!success);
        assert_eq!(lines.last().unwrap(), "No host was released or taken.");
    }
}

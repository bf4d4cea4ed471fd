//! Where drains stand, as lines for a terminal: a table where there is room, blocks where there is not.

use console::{measure_text_width, style};
use jiff::Timestamp;
use shared::drain::reports::standing::{Reason, Standing};
use shared::drain::reports::straggler::Straggler;

use crate::text::{ago, columns, count, id_of, plain, until, wrapped};

/// From here on a table fits, unless names are long.
const WIDE: usize = 110;
/// Tasks that are shown of one instance; `--json` has them all.
const TASKS_SHOWN: usize = 8;
/// Characters of a task's id that are shown: enough to find it.
const ID_SHOWN: usize = 8;

/// The picture: a summary, each instance, and what is left on it.
pub(crate) fn picture(standings: &[Standing], now: Timestamp, width: usize) -> Vec<String> {
    let mut lines = wrapped("", &summary(standings), width);
    if standings.is_empty() {
        return lines;
    }
    lines.push(String::new());
    let rows = rows(standings, now);
    if width >= WIDE && rows.iter().all(|row| measure_text_width(row) <= width) {
        table(rows, standings, now, width, &mut lines)
    } else {
        blocks(standings, now, width, &mut lines)
    }
    lines
}

/// What there is, in a sentence.
pub(crate) fn summary(standings: &[Standing]) -> String {
    if standings.is_empty() {
        return "Nothing drains.".to_owned();
    }
    let open = standings.iter().filter(|standing| standing.is_open).count();
    let left: usize = standings.iter().filter_map(|standing| standing.tasks_left).sum();
    let unread = standings.iter().filter(|standing| standing.tasks_left.is_none()).count();
    let empty = standings.len().saturating_sub(open);
    if open == 0 {
        return format!("{}, and nothing is left to wait for.", empty_ones(empty));
    }
    let left = (left > 0 || unread == 0).then(|| format!("{} left", count(left, "task")));
    let empty = (empty > 0).then(|| empty_ones(empty));
    let unread = (unread > 0).then(|| format!("what is left on {unread} is not known yet"));
    let parts: Vec<_> = [Some(drain(open)), left, empty, unread].into_iter().flatten().collect();
    parts.join(", ") + "."
}

fn drain(number: usize) -> String {
    if number == 1 { "1 instance drains".to_owned() } else { format!("{number} instances drain") }
}

fn empty_ones(number: usize) -> String {
    if number == 1 { "1 is empty".to_owned() } else { format!("{number} are empty") }
}

/// The table's head, and a row for each.
fn rows(standings: &[Standing], now: Timestamp) -> Vec<String> {
    let heads = ["INSTANCE", "CLUSTER", "STATUS", "CAUSE", "SINCE", "TASKS", "DEADLINE"];
    let mut rows = vec![heads.map(|head| style(head).bold().to_string())];
    rows.extend(standings.iter().map(|it| row(it, now)));
    columns(&rows)
}

fn table(rows: Vec<String>, standings: &[Standing], now: Timestamp, width: usize, lines: &mut Vec<String>) {
    let mut rows = rows.into_iter();
    lines.extend(rows.next());
    for (row, standing) in rows.zip(standings) {
        lines.push(row);
        details(standing, now, width, lines);
    }
}

fn row(it: &Standing, now: Timestamp) -> [String; 7] {
    [
        style(it.instance_id.as_str()).bold().to_string(),
        it.cluster.as_ref().map_or("?", |cluster| cluster.as_str()).to_owned(),
        status(it),
        cause(it),
        since(it, now),
        tasks(it),
        deadline(it, now),
    ]
}

fn blocks(standings: &[Standing], now: Timestamp, width: usize, lines: &mut Vec<String>) {
    for (index, it) in standings.iter().enumerate() {
        if index > 0 {
            lines.push(String::new());
        }
        lines.push(format!("{}  {}", style(it.instance_id.as_str()).bold(), status(it)));
        let cluster = it.cluster.as_ref().map_or("not known", |cluster| cluster.as_str());
        let place = match &it.group {
            Some(group) => format!("{cluster}, group {group}"),
            None => cluster.to_owned(),
        };
        for (label, what) in [
            ("cluster", place),
            ("cause", cause(it)),
            ("since", since(it, now)),
            ("tasks", tasks(it)),
            ("deadline", deadline(it, now)),
        ] {
            lines.extend(wrapped(&format!("  {label:<9} "), &what, width));
        }
        details(it, now, width, lines);
    }
}

fn status(it: &Standing) -> String {
    let text = it.status.as_deref().unwrap_or("?");
    match (text, it.is_open) {
        ("DRAINING", true) => style(text).yellow().to_string(),
        ("DRAINING", false) => style(text).green().to_string(),
        _ => style(text).red().to_string(),
    }
}

fn cause(it: &Standing) -> String {
    it.cause.as_str().to_owned()
}

fn since(it: &Standing, now: Timestamp) -> String {
    it.since.map_or_else(|| "not known".to_owned(), |since| ago(since, now))
}

fn tasks(it: &Standing) -> String {
    it.tasks_left.map_or_else(|| "?".to_owned(), |left| left.to_string())
}

fn deadline(it: &Standing, now: Timestamp) -> String {
    match it.deadline {
        Some(deadline) if deadline < now => style(until(deadline, now)).red().to_string(),
        Some(deadline) => until(deadline, now),
        None if it.cause == Reason::Termination => "not known yet".to_owned(),
        None => "none".to_owned(),
    }
}

/// What comes next, what failed, and each task with why it is there.
fn details(it: &Standing, now: Timestamp, width: usize, lines: &mut Vec<String>) {
    let next = match it.next.at {
        Some(at) => format!("{}: {}", until(at, now), it.next.what),
        None => it.next.what.clone(),
    };
    lines.extend(wrapped("  next      ", &next, width));
    for failure in &it.failures {
        let failed = style("failed").red().to_string();
        lines.extend(wrapped(&format!("  {failed}    "), &plain(failure), width));
    }
    for straggler in it.remaining.iter().take(TASKS_SHOWN) {
        lines.extend(task(straggler, now, width));
    }
    let more = it.remaining.len().saturating_sub(TASKS_SHOWN);
    if more > 0 {
        lines.push(format!("  … and {}; --json has them all", count(more, "task")));
    }
}

fn task(straggler: &Straggler, now: Timestamp, width: usize) -> Vec<String> {
    let protected =
        straggler.protected_until.map(|until| format!(" (protected until {})", crate::text::until(until, now)));
    let why = format!("{}{}", straggler.why, protected.unwrap_or_default());
    task_lines(&straggler.group, straggler.task.as_str(), &straggler.last_status, &why, width)
}

/// A task and a sentence on it: in one line where there is room, else the sentence below.
pub(crate) fn task_lines(group: &str, arn: &str, last_status: &str, sentence: &str, width: usize) -> Vec<String> {
    let id: String = id_of(arn).chars().take(ID_SHOWN).collect();
    let named = format!("{}  {id}  {last_status}", style(plain(group)).cyan());
    let sentence = plain(sentence);
    if width >= WIDE && measure_text_width(&named) <= width / 2 {
        return wrapped(&format!("  {named}  "), &sentence, width);
    }
    let mut lines = wrapped("  ", &named, width);
    lines.extend(wrapped("      ", &sentence, width));
    lines
}

#[cfg(test)]
mod tests {
    use shared::drain::reports::standing::Next;
    use shared::ids::{ClusterName, InstanceId};

    use super::*;

    fn standing(cluster: &str) -> Standing {
        Standing {
            instance_id: InstanceId::parse("i-1234567890abcdef0").unwrap(),
            cluster: ClusterName::parse(cluster),
            group: None,
            status: Some("DRAINING".to_owned()),
            cause: Reason::Maintenance,
            since: None,
            tasks_left: Some(1),
            remaining: Vec::new(),
            reason: None,
            deadline: None,
            next: Next { at: None, what: "it is waited for".to_owned() },
            failures: Vec::new(),
            is_open: true,
        }
    }

    #[test]
    fn there_is_a_table_where_it_fits() {
        let is_table = |cluster: &str, width| {
            let lines = picture(&[standing(cluster)], Timestamp::UNIX_EPOCH, width);
            assert!(lines.iter().all(|line| measure_text_width(line) <= width), "{lines:#?}");
            lines.iter().any(|line| line.contains("INSTANCE"))
        };
        assert!(is_table("prod", WIDE));
        assert!(!is_table("prod", WIDE - 1));
        assert!(!is_table(&"a-long-name".repeat(5), WIDE), "its row has no room");
        assert!(is_table(&"a-long-name".repeat(5), 2 * WIDE));
    }

    #[test]
    fn a_task_with_a_long_name_fits_too() {
        for (name, width) in [("web", 140), ("web", 40), (&*"long".repeat(20), 140), (&*"long".repeat(60), 60)] {
            let lines = task_lines(name, "arn/0123456789", "RUNNING", &"it is there ".repeat(10), width);
            assert!(lines.iter().all(|line| measure_text_width(line) <= width), "{lines:#?}");
        }
    }
}

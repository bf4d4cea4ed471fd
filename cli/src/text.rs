//! Text for people: times, widths, columns.

use std::time::Duration;

use console::{measure_text_width, pad_str};
use jiff::Timestamp;
use shared::clock::between;
use textwrap::{Options, WordSplitter};

/// Narrower than this nothing is wrapped: every word would stand alone.
const NARROWEST: usize = 30;
/// From here on seconds tell nothing.
const TOLD_IN_HOURS: Duration = Duration::from_secs(3600);
/// And from here on minutes; no drain lasts longer than 48 h.
const TOLD_IN_DAYS: Duration = Duration::from_secs(3 * 24 * 3600);

/// `3d 4h`, `1h 5m`, `4m 12s`, `0s`: to the second, the minute, or the hour.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let parts = if duration >= TOLD_IN_DAYS {
        [(hours / 24, 'd'), (hours % 24, 'h'), (0, 'm')]
    } else if duration >= TOLD_IN_HOURS {
        [(hours, 'h'), (minutes, 'm'), (0, 's')]
    } else {
        [(hours, 'h'), (minutes, 'm'), (seconds, 's')]
    };
    let parts: Vec<_> = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// The time of day, as AWS's own log has it.
pub(crate) fn time_of_day(time: Timestamp) -> String {
    time.strftime("%H:%M:%SZ").to_string()
}

/// `4m 12s, 20:03:12Z`: how long ago, and when.
pub(crate) fn ago(time: Timestamp, now: Timestamp) -> String {
    format!("{}, {}", duration(between(time, now)), time_of_day(time))
}

/// `in 26m 3s, 20:30:00Z`, or `2m ago, …`.
pub(crate) fn until(time: Timestamp, now: Timestamp) -> String {
    if time < now {
        format!("{} ago, {}", duration(between(time, now)), time_of_day(time))
    } else {
        format!("in {}, {}", duration(between(now, time)), time_of_day(time))
    }
}

/// `1 task`, `2 tasks`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// The last part of an ARN: a task's own id.
pub(crate) fn id_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Text that the command did not write, without the characters that a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// `text` in lines of at most `width` columns: `first` before the first of them, as many spaces before the others.
pub(crate) fn wrapped(first: &str, text: &str, width: usize) -> Vec<String> {
    let indent = " ".repeat(measure_text_width(first));
    let options = Options::new(width.max(NARROWEST)).initial_indent(first).subsequent_indent(&indent);
    // A hyphen is part of an id, a flag or a command: it is copied as it stands on the screen.
    let options = options.word_splitter(WordSplitter::NoHyphenation).break_words(true);
    let text = text.replace(" %", "\u{a0}%");
    textwrap::wrap(&text, options).iter().map(|line| line.replace('\u{a0}', " ")).collect()
}

/// Rows with their columns aligned, two spaces apart; nothing follows the last column.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = measure_text_width(cell).max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| pad_str(cell, width, console::Alignment::Left, None));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_as_exactly_as_people_care() {
        let told = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(
            [0, 59, 60, 252, 3600, 3904, 172_800].map(told),
            ["0s", "59s", "1m", "4m 12s", "1h", "1h 5m", "48h"]
        );
    }

    #[test]
    fn a_time_is_told_from_now_and_by_the_clock() {
        let now: Timestamp = "2026-01-15T20:00:00Z".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(ago(at("2026-01-15T19:55:48Z"), now), "4m 12s, 19:55:48Z");
        assert_eq!(until(at("2026-01-15T20:30:00Z"), now), "in 30m, 20:30:00Z");
        assert_eq!(until(at("2026-01-15T19:59:00Z"), now), "1m ago, 19:59:00Z");
    }

    #[test]
    fn what_others_wrote_moves_no_cursor() {
        assert_eq!(plain("web\u{1b}[2J\r\n\u{9b}1m"), "web[2J1m");
    }

    #[test]
    fn a_long_sentence_keeps_to_its_column_and_width() {
        let lines = wrapped("  why  ", "its service may have neither fewer tasks nor more: 2 desired", 40);
        assert_eq!(lines, ["  why  its service may have neither", "       fewer tasks nor more: 2 desired"]);
        let narrow = wrapped("", "arn:aws:ecs:us-west-2:123456789012:task/prod/0123456789abcdef", 10);
        assert!(narrow.iter().all(|line| line.len() <= NARROWEST), "{narrow:?}");
    }

    #[test]
    fn what_belongs_together_stays_together() {
        assert_eq!(
            wrapped("", "until it is terminated, or ecs-drainer undrain i-1234567890abcdef0", 30),
            ["until it is terminated, or", "ecs-drainer undrain", "i-1234567890abcdef0"]
        );
        assert_eq!(wrapped("", "1 desired, minimum at most 100 %", 30), ["1 desired, minimum at most", "100 %"]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_colours_apart() {
        let red = console::style("DRAINING").red().force_styling(true).to_string();
        let rows =
            [["a".to_owned(), "status".to_owned(), "x".to_owned()], ["abc".to_owned(), red.clone(), String::new()]];
        assert_eq!(columns(&rows), ["a    status    x".to_owned(), format!("abc  {red}")]);
    }
}

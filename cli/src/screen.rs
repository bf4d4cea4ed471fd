//! Where the command writes: standard output, once or again and again in the same place.

use std::io::{self, IsTerminal, Write};

use console::{Term, measure_text_width, set_colors_enabled, set_colors_enabled_stderr};

use crate::arguments::Color;
use crate::text::wrapped;

/// The width of the output where it is not a terminal.
const WIDTH_OF_A_FILE: usize = 100;
/// The last column stays free: a terminal may break the line when it is filled.
const MARGIN: usize = 1;

/// Standard output.
#[derive(Debug)]
pub(crate) struct Screen {
    term: Term,
    /// The widths of the lines that are to be replaced by the next picture.
    drawn: Vec<usize>,
}

/// Turns colours on or off for everything that is written.
pub(crate) fn use_color(color: Color) {
    if color != Color::Auto {
        set_colors_enabled(color == Color::Always);
        set_colors_enabled_stderr(color == Color::Always);
    }
}

impl Screen {
    pub(crate) fn new() -> Self {
        // Buffered: a picture that comes piece by piece flickers.
        Self { term: Term::buffered_stdout(), drawn: Vec::new() }
    }

    /// Whether pictures can replace each other.
    pub(crate) fn is_live(&self) -> bool {
        self.term.is_term()
    }

    /// Columns that a line may take.
    pub(crate) fn width(&self) -> usize {
        match self.term.size_checked() {
            Some((_, columns)) => usize::from(columns).saturating_sub(MARGIN),
            None => WIDTH_OF_A_FILE,
        }
    }

    /// Draws a picture in place of the one before. What has no room below is cut off, and counted.
    pub(crate) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let (rows, columns) = self
            .term
            .size_checked()
            .map_or((usize::MAX, usize::MAX), |(rows, columns)| (usize::from(rows), usize::from(columns)));
        let lines = cut(lines, rows.saturating_sub(1).max(1), columns);
        self.write(&lines)?;
        self.drawn = lines.iter().map(|line| measure_text_width(line)).collect();
        Ok(())
    }

    /// Writes lines that stay, in place of the picture before.
    pub(crate) fn write(&mut self, lines: &[String]) -> io::Result<()> {
        // A terminal that was made narrower since has wrapped them anew.
        let columns = self.term.size_checked().map_or(usize::MAX, |(_, columns)| usize::from(columns));
        let rows = std::mem::take(&mut self.drawn).into_iter().map(|width| rows_of(width, columns)).sum();
        self.term.clear_last_lines(rows)?;
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.term.write_str(&text)?;
        self.term.flush()
    }

    /// Keeps the picture as it is.
    pub(crate) fn keep(&mut self) {
        self.drawn.clear();
    }

    /// Asks a question that is answered with y or n; anything else is no.
    pub(crate) async fn ask(&mut self, question: &str) -> io::Result<bool> {
        self.term.write_str(&format!("{question} [y/N] "))?;
        self.term.flush()?;
        // In a thread that the command does not wait for: Ctrl-C ends the command while it still reads.
        let (answered, answer) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            drop(answered.send(io::stdin().read_line(&mut line).map(|_| line)));
        });
        let answer = answer.await.unwrap_or_else(|_| Ok(String::new()))?;
        if !answer.ends_with('\n') {
            // Ctrl-D: the terminal is still in the line of the question.
            self.term.write_str("\n")?;
        }
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

/// Rows that a line of this width takes in a terminal.
fn rows_of(width: usize, columns: usize) -> usize {
    width.div_ceil(columns.max(1)).max(1)
}

/// The lines that fit into `room` rows. Where some do not fit, the last line says how many are left out.
fn cut(lines: &[String], room: usize, columns: usize) -> Vec<String> {
    let mut used: usize = 0;
    let ends: Vec<_> = lines
        .iter()
        .map(|line| {
            used = used.saturating_add(rows_of(measure_text_width(line), columns));
            used
        })
        .collect();
    if used <= room {
        return lines.to_vec();
    }
    let shown = ends.iter().filter(|end| **end < room).count();
    let more = format!("… and {} lines more", lines.len().saturating_sub(shown));
    lines.iter().take(shown).cloned().chain([more]).collect()
}

/// Writes a message to standard error, each of its lines as wide as a terminal at most.
pub(crate) fn tell(message: &str) {
    let width = Term::stderr().size_checked().map_or(usize::MAX, |(_, columns)| usize::from(columns));
    for line in message.lines() {
        let (indent, text) = line.split_at(line.len().saturating_sub(line.trim_start().len()));
        let lines =
            if text.is_empty() { vec![String::new()] } else { wrapped(indent, text, width.saturating_sub(MARGIN)) };
        lines.iter().for_each(|line| eprintln!("{line}"));
    }
}

/// Whether there is a terminal to ask on.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Writes one line of JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<(), crate::failure::Failure> {
    let document = serde_json::to_string(value)?;
    Ok(writeln!(io::stdout(), "{document}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_cut_and_counted_in_rows() {
        let lines = |widths: &[usize]| widths.iter().map(|width| "x".repeat(*width)).collect::<Vec<_>>();
        let four = lines(&[5, 0, 10, 10]);
        assert_eq!(cut(&four, 4, 10), four);
        let three = cut(&four, 3, 10);
        assert_eq!(three[..2], four[..2]);
        assert_eq!(three[2..], ["… and 2 lines more"]);
        let narrow = cut(&four, 4, 5);
        assert_eq!(narrow[..2], four[..2], "each of the others takes two rows");
        assert_eq!(narrow[2..], ["… and 2 lines more"]);
        assert_eq!(cut(&four, 1, 10), ["… and 4 lines more"]);
    }
}

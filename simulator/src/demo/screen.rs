//! Where the demo is told: on a terminal with a progress bar under the lines, elsewhere as plain lines.

use std::{
    io::{self, IsTerminal, Stdout, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

/// As wide as the two columns of a line before its text.
const BAR: &str = "{prefix}  [{bar:24}] {pos} of {len} {msg}";

/// Writes to standard output.
#[derive(Debug)]
pub(crate) struct Screen {
    out: Stdout,
    terminal: bool,
    bar: Option<ProgressBar>,
}

impl Screen {
    pub(crate) fn new() -> Screen {
        let out = io::stdout();
        Screen { terminal: out.is_terminal(), out, bar: None }
    }

    /// Writes one line, above the bar where there is one.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        let line = printable(line);
        match self.bar.as_ref().filter(|bar| !bar.is_hidden()) {
            Some(bar) => bar.suspend(|| writeln!(self.out, "{line}")),
            None => writeln!(self.out, "{line}"),
        }
    }

    /// Shows how far it is.
    pub(crate) fn progress(&mut self, elapsed: Duration, done: usize, of: usize, what: &str) {
        if !self.terminal {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout())
                .with_style(style.progress_chars("=> "))
                .with_message(what.to_owned())
        });
        bar.update(|state| {
            state.set_len(u64::try_from(of).unwrap_or_default());
            state.set_pos(u64::try_from(done).unwrap_or_default());
        });
        bar.set_prefix(clock(elapsed));
    }

    /// Takes the bar away.
    pub(crate) fn end_progress(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// How the demo tells a time: so that 100 seconds align.
pub(crate) fn clock(elapsed: Duration) -> String {
    format!("{:4.1} s", elapsed.as_secs_f64())
}

/// The time from one to the other.
pub(crate) fn since(began: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(began)).unwrap_or_default()
}

/// Text from outside must not steer the terminal.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{9b}d\te"), "a [31mb c d e");
    }

    #[test]
    fn the_template_is_one() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}

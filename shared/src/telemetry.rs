//! Logs: one line per fact, in the format and at the level that Lambda's own variables ask for.

use tracing::level_filters::LevelFilter;

/// Lambda's setting "application log level" (Lambda developer guide, logging controls).
const LOG_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";
/// Lambda's setting "log format": `JSON` or `Text`.
const LOG_FORMAT: &str = "AWS_LAMBDA_LOG_FORMAT";

/// Starts logging to standard output. A second call changes nothing.
pub fn init(lookup: impl Fn(&str) -> Option<String>) {
    let level = level(lookup(LOG_LEVEL).as_deref());
    // Lambda stamps what it collects, but JSON without a timestamp of its own counts as INFO whatever its level.
    let builder = tracing_subscriber::fmt().with_max_level(level).with_target(false);
    let json = lookup(LOG_FORMAT).is_some_and(|format| format.eq_ignore_ascii_case("json"));
    let started = if json {
        let builder = builder.json().flatten_event(true).with_span_list(false);
        tracing::subscriber::set_global_default(builder.finish())
    } else {
        tracing::subscriber::set_global_default(builder.finish())
    };
    drop(started);
}

/// The lowest level whose lines Lambda keeps, in its own words.
#[must_use]
pub fn lowest_level(lookup: impl Fn(&str) -> Option<String>) -> String {
    lookup(LOG_LEVEL).filter(|level| !level.is_empty()).unwrap_or_else(|| "INFO".to_owned())
}

fn level(text: Option<&str>) -> LevelFilter {
    match text.map(str::to_ascii_uppercase).as_deref() {
        Some("TRACE") => LevelFilter::TRACE,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR" | "FATAL") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambdas_levels_are_ours() {
        assert_eq!(level(None), LevelFilter::INFO);
        assert_eq!(level(Some("debug")), LevelFilter::DEBUG);
        assert_eq!(level(Some("FATAL")), LevelFilter::ERROR);
        assert_eq!(level(Some("nonsense")), LevelFilter::INFO);
    }
}

//! What every log line on a drain says: which instance, where, why it leaves, since when, and how many tasks are left.

use std::time::Duration;

use tracing::warn;

use crate::aws::{CallError, chain};

/// Seconds, to a tenth.
pub(crate) fn tenths(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

/// Logs one fact about a drain: `log_drain!(info, known, now, "heartbeat")`, further fields last.
macro_rules! log_drain {
    ($level:ident, $known:expr, $now:expr, $message:expr $(, $($field:tt)+)?) => {{
        let known: &crate::drain::facts::known::Known = $known;
        tracing::$level!(
            instance = known.departure.instance.as_str(),
            cluster = known.cluster().map(crate::ids::ClusterName::as_str),
            group = known.group().map(crate::ids::GroupName::as_str),
            cause = known.departure.cause.as_str(),
            elapsed_seconds = crate::drain::facts::log::tenths(crate::clock::between(known.started(), $now)),
            remaining_tasks = known.remaining_tasks(),
            $($($field)+,)?
            "{}", $message
        )
    }};
}
pub(crate) use log_drain;

/// Logs a failed request once, where it is handled, with its whole chain.
pub(crate) fn log_failure(doing: &str, error: &CallError) {
    warn!(error = chain(error), class = ?error.class(), "{doing} failed");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_told_to_a_tenth() {
        let told = |milliseconds| tenths(Duration::from_millis(milliseconds)).to_string();
        assert_eq!([told(0), told(1_249), told(1_250), told(61_000)], ["0", "1.2", "1.3", "61"]);
    }
}

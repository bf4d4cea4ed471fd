//! Ctrl-C: what it ends, and what it leaves alone.

use crate::failure::Failure;
use crate::screen::tell;

/// The result of `work`; none if Ctrl-C comes first, and then `consequence` is printed.
pub(crate) async fn or_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
    consequence: &str,
) -> Result<Option<T>, Failure> {
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => {
            tell(&format!("\n{consequence}"));
            Ok(None)
        }
        worked = work => worked.map(Some),
    }
}

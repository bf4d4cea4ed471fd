//! Values as AWS writes them in JSON.

use jiff::Timestamp;
use serde_json::Value;

/// Without the members that are null: AWS leaves out what there is not.
pub(in crate::wire) fn present(value: Value) -> Value {
    match value {
        Value::Object(members) => members.into_iter().filter(|(_, v)| !v.is_null()).collect(),
        other => other,
    }
}

/// Epoch seconds, to the millisecond.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of this era fit")]
pub(in crate::wire) fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}

//! Values as AWS writes them in JSON.

use jiff::Timestamp;
use serde_json::Value;

use crate::world::Edit;

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

/// Edits every object that fits.
pub(in crate::wire) fn edit(value: &mut Value, change: &Edit) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| edit(item, change)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| edit(member, change));
            let contains = |of: &String| members.values().any(|it| it.as_str().is_some_and(|text| text.contains(of)));
            if !members.contains_key(change.member) || !change.of.as_ref().is_none_or(contains) {
                return;
            }
            match change.becomes.and_then(|json| serde_json::from_str(json).ok()) {
                Some(becomes) => members.insert(change.member.to_owned(), becomes),
                None => members.remove(change.member),
            };
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edited(becomes: Option<&'static str>, of: Option<&str>) -> Value {
        let mut tasks = json!({ "tasks": [{ "arn": "a/1", "status": "UP" }, { "arn": "a/2", "status": "UP" }] });
        edit(&mut tasks, &Edit { member: "status", becomes, of: of.map(ToOwned::to_owned) });
        tasks
    }

    #[test]
    fn a_member_becomes_another_or_is_left_out_in_the_items_that_fit() {
        assert_eq!(edited(None, None), json!({ "tasks": [{ "arn": "a/1" }, { "arn": "a/2" }] }));
        let one = json!({ "tasks": [{ "arn": "a/1", "status": "UP" }, { "arn": "a/2", "status": null }] });
        assert_eq!(edited(Some("null"), Some("/2")), one);
    }
}

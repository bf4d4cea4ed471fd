//! Members of form-encoded requests, where all is text.

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};

/// A list. An empty one is sent as its bare name.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    match serde_json::Value::deserialize(from)? {
        serde_json::Value::String(text) if text.is_empty() => Ok(Vec::new()),
        items => serde_json::from_value(items).map_err(D::Error::custom),
    }
}

/// A number.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i32>, D::Error> {
    String::deserialize(from)?.parse().map(Some).map_err(D::Error::custom)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filter {
    name: String,
    values: Vec<String>,
}

/// The only filter of DescribeScalingActivities that is modelled; a second value or filter is refused.
// Auto Scaling API reference, DescribeScalingActivities, Filters: "The earliest scaling activities to return based on the
// activity start time", in RFC 3339.
pub(super) fn start_time_lower_bound<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let filters: Vec<Filter> = list(from)?;
    match filters.as_slice() {
        [] => Ok(None),
        [Filter { name, values }] if name == "StartTimeLowerBound" && values.len() == 1 => {
            values.concat().parse().map(Some).map_err(D::Error::custom)
        }
        _ => Err(D::Error::custom("the filter StartTimeLowerBound, with one value, is modelled")),
    }
}

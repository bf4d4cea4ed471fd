//! The part of ECS's cluster query language that finds container instances by their EC2 instance ids.

/// The most ids one filter may name. AWS documents no limit; far more than a request of ours holds.
const MAX_IDS: usize = 1_000;

/// The EC2 instance ids a filter names; the message says why there are none.
// ECS developer guide, "Cluster query language": `subject operator [argument]`, with `==` and `in`.
pub(crate) fn instance_ids(filter: &str) -> Result<Vec<String>, String> {
    let rest = filter.trim();
    let rest = rest.strip_prefix("ec2InstanceId").ok_or_else(|| not_modelled(filter))?.trim_start();
    if let Some(id) = rest.strip_prefix("==") {
        return Ok(vec![id_in(id, filter)?]);
    }
    let list = rest
        .strip_prefix("in")
        .map(str::trim_start)
        .and_then(|list| list.strip_prefix('['))
        .and_then(|list| list.strip_suffix(']'))
        .ok_or_else(|| not_modelled(filter))?;
    let ids = (list.split(',').take(MAX_IDS + 1)).map(|id| id_in(id, filter)).collect::<Result<Vec<_>, _>>()?;
    if ids.len() > MAX_IDS {
        return Err(format!("The filter names more than {MAX_IDS} instances."));
    }
    Ok(ids)
}

fn id_in(text: &str, filter: &str) -> Result<String, String> {
    let text = text.trim();
    let id = ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(text);
    let is_id =
        id.strip_prefix("i-").is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit()));
    if is_id { Ok(id.to_owned()) } else { Err(not_modelled(filter)) }
}

fn not_modelled(filter: &str) -> String {
    format!("Invalid filter, or one that is not modelled: {filter}")
}

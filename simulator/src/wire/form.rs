//! Form-encoded bodies.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The fields of a form-encoded body; `None` when it is none.
pub(super) fn read(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let body = str::from_utf8(body).ok()?;
    let fields = body.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name)?, decoded(value)?))
    });
    fields.collect()
}

/// Fields as members: `NAME.member.1.MEMBER`, `NAME.member.2.MEMBER`, … are one list of objects.
pub(super) fn members(fields: BTreeMap<String, String>) -> Value {
    let (mut members, mut lists) = (Map::new(), BTreeMap::<String, BTreeMap<usize, BTreeMap<String, String>>>::new());
    for (name, value) in fields {
        match name.split_once(".member.") {
            None => drop(members.insert(name, value.into())),
            Some((list, rest)) => {
                let (number, member) = rest.split_once('.').unwrap_or((rest, ""));
                // What is no number comes last, and is refused as no text.
                let number = number.parse().unwrap_or(usize::MAX);
                lists.entry(list.to_owned()).or_default().entry(number).or_default().insert(member.to_owned(), value);
            }
        }
    }
    for (list, items) in lists {
        let item = |mut item: BTreeMap<String, String>| match (item.len(), item.remove("")) {
            (1, Some(text)) => text.into(),
            _ => self::members(item),
        };
        members.insert(list, items.into_values().map(item).collect());
    }
    members.into()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn escapes_and_members_are_decoded() {
        let form = read(b"A=x%2Fy+z&Ids.member.1=i-1&Ids.member.10=i-3&Ids.member.2=i-2&Keys.member.1.Name=k&Keys.member.1.Values.member.1=v");
        let keys = json!([{ "Name": "k", "Values": ["v"] }]);
        assert_eq!(members(form.unwrap()), json!({ "A": "x/y z", "Ids": ["i-1", "i-2", "i-3"], "Keys": keys }));
    }

    #[test]
    fn a_broken_escape_is_refused() {
        assert!(read(b"A=%2").is_none() && read(b"A=%zz").is_none());
    }
}

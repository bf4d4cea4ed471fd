//! Form-encoded bodies.

use std::collections::BTreeMap;

/// The fields of a form-encoded body; `None` when it is not one.
pub(super) fn fields(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let body = str::from_utf8(body).ok()?;
    body.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// The members `NAME.member.1`, `NAME.member.2`, … up to the first that is missing.
pub(super) fn members(fields: &BTreeMap<String, String>, name: &str) -> Vec<String> {
    (1..=fields.len()).map_while(|n| fields.get(&format!("{name}.member.{n}"))).cloned().collect()
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
    use super::*;

    #[test]
    fn escapes_and_members_are_decoded() {
        let fields = fields(b"A=x%2Fy+z&Ids.member.1=i-1&Ids.member.2=i-2&Empty=").unwrap();
        assert_eq!(fields["A"], "x/y z");
        assert_eq!(members(&fields, "Ids"), ["i-1", "i-2"]);
        assert_eq!(fields["Empty"], "");
    }

    #[test]
    fn a_broken_escape_is_refused() {
        assert!(fields(b"A=%2").is_none());
        assert!(fields(b"A=%zz").is_none());
    }
}

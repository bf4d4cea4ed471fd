//! Form-encoded bodies.

use std::collections::BTreeMap;

use crate::world::ApiError;

/// The fields of a form-encoded body.
#[derive(Debug, Default)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// `None` when the body is not form-encoded.
    pub(super) fn read(body: &[u8]) -> Option<Form> {
        let body = str::from_utf8(body).ok()?;
        let fields = body.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        });
        fields.collect::<Option<_>>().map(Form)
    }

    /// The name of each field.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// How many fields' names begin with this.
    pub(super) fn count(&self, prefix: &str) -> usize {
        self.names().filter(|name| name.starts_with(prefix)).count()
    }

    /// A field.
    pub(super) fn optional(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// A field that must be there.
    pub(super) fn required(&self, name: &str) -> Result<String, ApiError> {
        self.optional(name).ok_or_else(|| {
            ApiError::new(
                "ValidationError",
                format!("1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"),
            )
        })
    }

    /// A field that is a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<i32>, ApiError> {
        let read = |text: &String| {
            text.parse().map_err(|_| ApiError::new("MalformedQueryString", format!("{name} is no number")))
        };
        self.0.get(name).map(read).transpose()
    }

    /// The members `NAME.member.1`, `NAME.member.2`, … up to the first that is missing.
    pub(super) fn members(&self, name: &str) -> Vec<String> {
        (1..=self.0.len()).map_while(|n| self.0.get(&format!("{name}.member.{n}"))).cloned().collect()
    }
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
        let form = Form::read(b"A=x%2Fy+z&Ids.member.1=i-1&Ids.member.2=i-2&Empty=").unwrap();
        assert_eq!(form.optional("A").as_deref(), Some("x/y z"));
        assert_eq!(form.members("Ids"), ["i-1", "i-2"]);
        assert_eq!(form.optional("Empty").as_deref(), Some(""));
    }

    #[test]
    fn a_broken_escape_is_refused() {
        assert!(Form::read(b"A=%2").is_none());
        assert!(Form::read(b"A=%zz").is_none());
    }
}

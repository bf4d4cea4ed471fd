//! Form-encoded bodies.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use crate::world::ApiError;

/// The fields of a form-encoded body.
#[derive(Debug, Default)]
pub(super) struct Form {
    fields: BTreeMap<String, String>,
    /// The fields and lists that were asked for.
    asked: RefCell<BTreeSet<String>>,
}

impl Form {
    /// `None` when the body is not form-encoded.
    pub(super) fn read(body: &[u8]) -> Option<Form> {
        let body = str::from_utf8(body).ok()?;
        let fields = body.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        });
        fields.collect::<Option<_>>().map(|fields| Form { fields, asked: RefCell::default() })
    }

    /// Refuses a field that was not asked for, as ECS's members are: to ignore a filter would be a wrong answer.
    pub(super) fn check_all_asked(&self) -> Result<(), ApiError> {
        let asked = self.asked.borrow();
        // An empty list is sent as its bare name.
        let is_asked = |field: &String| field.split(".member.").next().is_some_and(|list| asked.contains(list));
        match self.fields.keys().find(|field| !is_asked(field)) {
            Some(field) => Err(ApiError::new("ValidationError", format!("{field} is not modelled"))),
            None => Ok(()),
        }
    }

    /// How many fields' names begin with this.
    pub(super) fn count(&self, prefix: &str) -> usize {
        self.fields.keys().filter(|name| name.starts_with(prefix)).count()
    }

    /// A field.
    pub(super) fn optional(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
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
        self.get(name).map(read).transpose()
    }

    /// The members `NAME.member.1`, `NAME.member.2`, … up to the first that is missing.
    pub(super) fn members(&self, name: &str) -> Vec<String> {
        (1..=self.fields.len()).map_while(|n| self.get(&format!("{name}.member.{n}"))).cloned().collect()
    }

    fn get(&self, name: &str) -> Option<&String> {
        let list = name.split(".member.").next().unwrap_or(name);
        self.asked.borrow_mut().insert(list.to_owned());
        self.fields.get(name)
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

//! Writing XML.

use crate::world::Edit;

/// An element with what is in it as it stands.
pub(super) fn element(name: &str, content: &str) -> String {
    format!("<{name}>{content}</{name}>")
}

/// An element with text.
pub(super) fn text(name: &str, text: &str) -> String {
    element(name, &escaped(text))
}

/// An element with text, or nothing.
pub(super) fn optional(name: &str, value: Option<&str>) -> String {
    value.map(|value| text(name, value)).unwrap_or_default()
}

/// A list, each of its elements in `member`.
pub(super) fn list<T>(name: &str, items: &[T], write: impl Fn(&T) -> String) -> String {
    let members: String = items.iter().map(|item| element("member", &write(item))).collect();
    element(name, &members)
}

/// Every element of the name edited, or the first behind what it is of.
pub(super) fn edited(xml: &str, edit: &Edit) -> String {
    let (begin, end) = (format!("<{}>", edit.member), format!("</{}>", edit.member));
    let becomes = edit.becomes.map(|content| element(edit.member, content)).unwrap_or_default();
    let Some(at) = xml.find(edit.of.as_deref().unwrap_or_default()) else { return xml.to_owned() };
    let (before, mut rest) = xml.split_at(at);
    let mut edited = before.to_owned();
    while let Some((before, (_, after))) = rest.split_once(&begin).and_then(|(b, it)| Some((b, it.split_once(&end)?))) {
        edited += before;
        edited += &becomes;
        rest = after;
        if edit.of.is_some() {
            break;
        }
    }
    edited + rest
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_become_others_or_are_left_out() {
        let xml = "<m><Id>1</Id><S>up</S></m><m><Id>2</Id><S>up</S></m>";
        let edit =
            |becomes, of: Option<&str>| edited(xml, &Edit { member: "S", becomes, of: of.map(ToOwned::to_owned) });
        assert_eq!(edit(None, None), "<m><Id>1</Id></m><m><Id>2</Id></m>");
        assert_eq!(edit(Some("down"), Some("<Id>1")), "<m><Id>1</Id><S>down</S></m><m><Id>2</Id><S>up</S></m>");
        assert_eq!(edit(None, Some("3")), xml);
    }

    #[test]
    fn text_is_escaped() {
        let metadata = r#"{"cluster":"a<b&c>'d'"}"#;
        assert_eq!(text("M", metadata), "<M>{&quot;cluster&quot;:&quot;a&lt;b&amp;c&gt;&apos;d&apos;&quot;}</M>");
    }
}

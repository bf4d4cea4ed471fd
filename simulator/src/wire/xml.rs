//! Writing XML.

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
    fn text_is_escaped() {
        let metadata = r#"{"cluster":"a<b&c>'d'"}"#;
        assert_eq!(text("M", metadata), "<M>{&quot;cluster&quot;:&quot;a&lt;b&amp;c&gt;&apos;d&apos;&quot;}</M>");
    }
}

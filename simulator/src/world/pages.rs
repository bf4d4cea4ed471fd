//! Pages and their opaque tokens.

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_token: Option<String>,
}

/// What a page is to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut<'a> {
    /// Ties a token to what it continues.
    pub(crate) list: &'a str,
    /// At most so many items.
    pub(crate) size: usize,
    /// Every other page is empty, beginning with the first.
    pub(crate) empty_pages: bool,
    /// As the request gave it.
    pub(crate) token: Option<&'a str>,
}

/// The next page of `items`, which are in the order of their keys; `None` is a token that is not of this list.
pub(crate) fn cut<T>(items: impl IntoIterator<Item = (String, T)>, cut: Cut<'_>) -> Option<Page<T>> {
    let (after, may_be_empty) = match cut.token {
        None => (None, true),
        Some(token) => {
            let (after, may_be_empty) = read_token(token, cut.list)?;
            (Some(after), may_be_empty)
        }
    };
    if cut.empty_pages && may_be_empty {
        let after = after.unwrap_or_default();
        return Some(Page { items: Vec::new(), next_token: Some(token(cut.list, &after, false)) });
    }
    let mut rest = items.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
    let mut page = Vec::new();
    let mut last = String::new();
    for (key, item) in rest.by_ref().take(cut.size) {
        page.push(item);
        last = key;
    }
    let more = !page.is_empty() && rest.next().is_some();
    Some(Page { items: page, next_token: more.then(|| token(cut.list, &last, true)) })
}

fn token(list: &str, after: &str, may_be_empty: bool) -> String {
    let plain = format!("{list}\n{after}\n{may_be_empty}");
    plain.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn read_token(token: &str, list: &str) -> Option<(String, bool)> {
    let digits = token.as_bytes().chunks(2);
    let bytes =
        digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect::<Option<Vec<u8>>>()?;
    let plain = String::from_utf8(bytes).ok()?;
    let mut parts = plain.split('\n');
    let (of, after, may_be_empty) = (parts.next()?, parts.next()?, parts.next()?);
    (of == list).then(|| (after.to_owned(), may_be_empty == "true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_pages_come_between() {
        let mut token = None;
        for expected in [vec![], vec![0, 1], vec![], vec![2]] {
            let items = (0..3).map(|n| (format!("{n}"), n));
            let page =
                cut(items, Cut { list: "ListTasks", size: 2, empty_pages: true, token: token.as_deref() }).unwrap();
            assert_eq!(page.items, expected);
            token = page.next_token;
        }
        assert_eq!(token, None);
    }
}

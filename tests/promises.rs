//! ARCHITECTURE.md's table of the promises, held to the code: what a row names is there, and what is named after a
//! promise is in its row.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::sources::{root, sources};

/// A row: the promise's own words as a name, and what each of the other columns names.
#[derive(Debug)]
struct Row {
    word: String,
    kept_in: Named,
    judged_by: Named,
    shown_by: Named,
}

/// Files, and the functions that a cell names after each.
type Named = BTreeMap<String, Vec<String>>;

/// The rows of the table under "The promises".
fn rows(architecture: &str) -> Vec<Row> {
    let section = architecture.split("\n## ").find(|section| section.starts_with("The promises\n")).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| **"));
    rows.map(|line| {
        let cells: Vec<_> = line.split('|').collect();
        let (promise, _) = cells[0].split_once(".**").unwrap();
        let word = promise.to_lowercase().replace('\'', "").replace(' ', "_");
        Row { word, kept_in: named(cells[1]), judged_by: named(cells[2]), shown_by: named(cells[3]) }
    })
    .collect()
}

/// What a cell names between backticks: a file has a slash, and the functions after it are in that file.
fn named(cell: &str) -> Named {
    let mut named = Named::new();
    let mut file = None;
    for name in cell.split('`').skip(1).step_by(2) {
        if name.contains('/') {
            file = Some(named.entry(name.to_owned()).or_default());
        } else {
            file.as_mut().unwrap_or_else(|| panic!("{name} stands after no file")).push(name.to_owned());
        }
    }
    named
}

/// The functions of a file: all of them, or those that are tests.
fn functions(source: &str, tests_only: bool) -> BTreeSet<String> {
    let mut functions = BTreeSet::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        let item = line.split_once("fn ").filter(|(before, _)| before.split_whitespace().all(is_qualifier));
        if let Some((_, rest)) = item {
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            if is_test || !tests_only {
                functions.insert(name.to_owned());
            }
            is_test = false;
        }
        is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
    }
    functions
}

fn is_qualifier(word: &str) -> bool {
    ["pub", "pub(crate)", "pub(super)", "async", "const"].contains(&word)
}

/// Where the table and the code differ.
fn differences(rows: &[Row], sources: &BTreeMap<String, String>) -> Vec<String> {
    let mut differences = Vec::new();
    let is_of = |row: &Row, name: &str| name.starts_with(&row.word);
    for row in rows {
        let word = &row.word;
        let missing_files = row.kept_in.keys().filter(|file| !root().join(file).is_file());
        differences.extend(missing_files.map(|file| format!("{word}: there is no {file}")));
        for (column, tests_only) in [(&row.judged_by, false), (&row.shown_by, true)] {
            for (file, names) in column {
                let there = sources.get(file).map(|source| functions(source, tests_only)).unwrap_or_default();
                let missing = names.iter().filter(|name| !there.contains(*name));
                differences.extend(missing.map(|name| format!("{word}: there is no {name} in {file}")));
            }
        }
        let count = |column: &Named| column.values().flatten().filter(|name| is_of(row, name)).count();
        if row.kept_in.is_empty() || count(&row.judged_by) < 1 || count(&row.shown_by) < 2 {
            differences.push(format!("{word}: a row has a file, a judge's check and two tests of its name at least"));
        }
        for (file, source) in sources {
            let tests = functions(source, true).into_iter().filter(|name| is_of(row, name)).collect::<Vec<_>>();
            if !row.shown_by.contains_key(file) {
                differences.extend(tests.iter().map(|name| format!("{word}: its row does not name {file} ({name})")));
            }
            let of_judge = row.judged_by.get(file).into_iter().flat_map(|listed| {
                functions(source, false).into_iter().filter(|name| is_of(row, name) && !listed.contains(name))
            });
            differences.extend(of_judge.map(|name| format!("{word}: its row does not name {name} of {file}")));
        }
    }
    differences
}

#[test]
fn the_table_of_the_promises_names_what_is_there_and_all_that_is_named_after_them() {
    let rows = rows(&std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap());
    let words: Vec<_> = rows.iter().map(|row| row.word.as_str()).collect();
    assert!(
        words.starts_with(&["never_early", "never_the_wrong_one", "never_lost", "unknown_is_not_empty"]),
        "{words:?}"
    );
    assert!(words[4..].starts_with(&["never_stuck", "nobody_elses_business"]), "{words:?}");

    let differences = differences(&rows, &sources());

    assert!(differences.is_empty(), "ARCHITECTURE.md and the code differ:\n{}", differences.join("\n"));
}

#[test]
fn a_row_that_names_what_is_not_there_is_seen() {
    let row = |cells: &str| rows(&format!("# A\n\n## The promises\n\n| **Never early.** Text | {cells} |\n\n## B\n"));
    let judge = "`tests/judge.rs` `never_early`";
    let sources = BTreeMap::from([
        ("tests/judge.rs".to_owned(), "    fn never_early(&self) {}\n".to_owned()),
        (
            "tests/a.rs".to_owned(),
            "#[test]\nfn never_early_a() {}\n#[tokio::test]\nasync fn never_early_b() {}".to_owned(),
        ),
    ]);
    for (cells, difference) in [
        (format!("`tests/main.rs` | {judge} | `tests/a.rs` `never_early_a` `never_early_b`"), None),
        (format!("`tests/none.rs` | {judge} | `tests/a.rs` `never_early_a` `never_early_b`"), Some("no tests/none.rs")),
        (
            format!("`tests/main.rs` | {judge} `gone` | `tests/a.rs` `never_early_a` `never_early_b`"),
            Some("no gone in"),
        ),
        (
            format!("`tests/main.rs` | {judge} | `tests/a.rs` `never_early_a` `never_early_c`"),
            Some("no never_early_c in"),
        ),
        (format!("`tests/main.rs` | {judge} | `tests/a.rs` `never_early_a`"), Some("two tests of its name")),
        (format!("`tests/main.rs` | {judge} | `tests/b.rs` `never_early_a`"), Some("does not name tests/a.rs")),
        ("`tests/main.rs` | `tests/judge.rs` | `tests/a.rs`".to_owned(), Some("does not name never_early of")),
    ] {
        let differences = differences(&row(&cells), &sources);
        let seen = differences.iter().any(|it| difference.is_some_and(|wanted| it.contains(wanted)));
        assert_eq!(seen, difference.is_some(), "{cells}: {differences:?}");
        assert_eq!(differences.is_empty(), difference.is_none(), "{cells}: {differences:?}");
    }
}

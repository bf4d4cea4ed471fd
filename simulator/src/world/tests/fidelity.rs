//! docs/fidelity.md names tests that there are.

use std::{fs, path::Path};

const FIDELITY: &str = include_str!("../../../../docs/fidelity.md");

/// All source text of a directory.
fn sources(directory: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(path).unwrap();
        }
    }
    text
}

#[test]
fn every_test_that_a_rule_names_is_there() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let rows = FIDELITY.lines().filter(|line| line.starts_with('|') && line.ends_with('|'));
    let named: Vec<&str> = rows
        .filter_map(|row| row.trim_matches('|').rsplit('|').next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter_map(|name| name.rsplit_once("::"))
        .map(|(_, test)| test)
        .collect();
    assert!(named.len() > 30, "the table is read: {named:?}");
    let missing: Vec<_> = named.into_iter().filter(|test| !sources.contains(&format!("fn {test}()"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

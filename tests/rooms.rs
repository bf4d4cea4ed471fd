//! The layout as ARCHITECTURE.md has it: the rules in their order, rooms that import only from those before them, and no
//! two files that import from each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use shared::drain::rules::decide::RULES;

use crate::support::sources::sources;

/// The engine, from the bottom to the top.
const FLOORS: [&[&str]; 7] = [
    &["drain::facts"],
    &["drain::remembered"],
    &["drain::rules"],
    &["drain::context", "drain::drainee"],
    &["drain::requests"],
    &["drain::reports"],
    &["drain"],
];

#[test]
fn architecture_prints_the_rules_in_the_order_in_which_they_are_tried() {
    let text = include_str!("../ARCHITECTURE.md");
    let section = text.split("\n## ").find(|section| section.starts_with("The rules\n")).unwrap();
    let numbered = section.lines().filter_map(|line| line.split_once(". "));
    let printed: Vec<_> = numbered.filter(|(number, _)| number.parse::<usize>().is_ok()).collect();
    let rules = RULES.iter().enumerate().map(|(n, (sentence, _))| ((n + 1).to_string(), *sentence));
    let rules: Vec<_> = rules.collect();
    assert_eq!(printed, rules.iter().map(|(number, sentence)| (number.as_str(), *sentence)).collect::<Vec<_>>());
}

#[test]
fn a_room_imports_only_from_those_before_it() {
    let floor = |module: &str| {
        let stands_in = |room: &&&str| module == **room || module.starts_with(&format!("{room}::"));
        FLOORS.iter().position(|rooms| rooms.iter().any(|room| stands_in(&room))).unwrap()
    };
    let engine = |module: &str| module == "drain" || module.starts_with("drain::");
    let mut upwards = Vec::new();
    for (module, imports) in &imports("shared/src") {
        for import in imports.iter().filter(|import| engine(module) && engine(import)) {
            let room = |module: &str| module.split("::").take(2).collect::<Vec<_>>().join("::");
            if floor(import) > floor(module) || (floor(import) == floor(module) && room(import) != room(module)) {
                upwards.push(format!("{module} imports from {import}"));
            }
        }
    }
    assert!(upwards.is_empty(), "{upwards:#?}");
    assert!(imports("shared/src")["drain"].contains("drain::rules::decide"), "imports are seen");
}

#[test]
fn no_two_files_import_from_each_other() {
    let mut circles = Vec::new();
    for folder in ["shared/src", "cli/src", "simulator/src", "tests", "cli/tests"] {
        let imports = imports(folder);
        for module in imports.keys() {
            let (mut reached, mut open) = (BTreeSet::new(), vec![module]);
            while let Some(next) = open.pop() {
                let unseen = imports.get(next).into_iter().flatten().filter(|it| reached.insert(it.as_str()));
                open.extend(unseen.collect::<Vec<_>>());
            }
            if reached.contains(module.as_str()) {
                circles.push(format!("{folder}: {module}"));
            }
        }
    }
    assert!(circles.is_empty(), "each of these imports from itself by way of others: {circles:#?}");
}

/// The modules of a crate, by their paths, each with those that it imports from; of its root the path is empty. Unit tests
/// are left out: they stand below what they test, and import from it.
fn imports(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let is_code = |path: &str| {
        let path = Path::new(path).strip_prefix(folder).ok();
        path.is_some_and(|path| !path.with_extension("").iter().any(|part| part == "tests"))
    };
    let sources = sources();
    let files = sources.iter().filter(|(path, _)| is_code(path));
    let files: BTreeMap<_, _> = files.map(|(path, source)| (module_of(Path::new(path), folder), source)).collect();
    let imports = files.iter().map(|(module, source)| {
        let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
        let paths = code.split("use ").skip(1).filter_map(|use_| use_.split_once(';')).map(|(path, _)| path);
        let is_path = |c: char| c.is_alphanumeric() || "_:".contains(c);
        let inline = code.split("crate::").skip(1).filter_map(|rest| rest.split(|c| !is_path(c)).next());
        let inline = inline.map(|rest| format!("crate::{rest}"));
        let items: Vec<_> = paths.flat_map(expanded).chain(inline).collect();
        let from = items.iter().filter_map(|item| {
            let (mut from, mut path) = (module.as_str(), item.as_str());
            while let Some(rest) = path.strip_prefix("super::") {
                (from, path) = (from.rsplit_once("::").map_or("", |(parent, _)| parent), rest);
            }
            let absolute = match path.strip_prefix("crate::") {
                Some(rest) => rest.to_owned(),
                None => [from, path.strip_prefix("self::").unwrap_or(path)].join("::"),
            };
            let absolute = absolute.trim_start_matches("::").to_owned();
            let mut longest = absolute.as_str();
            while !files.contains_key(longest) {
                longest = longest.rsplit_once("::").map_or("", |(parent, _)| parent);
                if longest.is_empty() && !item.starts_with("crate::") {
                    return None;
                }
            }
            (longest != module).then(|| longest.to_owned())
        });
        (module.clone(), from.collect())
    });
    imports.collect()
}

fn module_of(path: &Path, folder: &str) -> String {
    let path = path.strip_prefix(folder).unwrap().with_extension("");
    let path = path.iter().map(|part| part.to_str().unwrap()).collect::<Vec<_>>().join("::");
    let path = path.strip_suffix("::mod").unwrap_or(&path);
    if ["lib", "main"].contains(&path) { String::new() } else { path.to_owned() }
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn expanded(path: &str) -> Vec<String> {
    let path: String = path.split_whitespace().collect();
    let Some((before, group)) = path.split_once('{') else { return vec![path] };
    let (mut depth, mut items, mut item) = (0, Vec::new(), String::new());
    for c in group.strip_suffix('}').unwrap_or(group).chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c {
            ',' if depth == 0 => items.push(std::mem::take(&mut item)),
            _ => item.push(c),
        }
    }
    items.push(item);
    items.iter().filter(|it| !it.is_empty()).flat_map(|it| expanded(&format!("{before}{it}"))).collect()
}

#[test]
fn imports_are_read_from_groups() {
    assert_eq!(expanded("a::{b, c::{d, e}}"), ["a::b", "a::c::d", "a::c::e"]);
    assert_eq!(expanded("a::b"), ["a::b"]);
}

//! The rooms of this crate import each other in one direction only. Tests may use the fixtures of rooms above.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// From top to bottom. Rooms in one row do not import each other.
const LAYERS: [&[&str]; 13] = [
    &["main"],
    &["cli"],
    &["controller"],
    &["settings"],
    &["tenant"],
    &[
        "applications",
        "credentials",
        "database",
        "gateway",
        "isolation",
        "metering",
        "namespaces",
        "workloads",
    ],
    &["books"],
    &["capability"],
    &["postgres", "proof"],
    &["cluster"],
    &["conditions", "telemetry"],
    &["api", "dns", "rotation"],
    &[
        "flags", "host", "names", "quantity", "signals", "syntax", "term", "time",
    ],
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
    {
        match entry.is_dir() {
            true => files(&entry, found),
            false if entry.extension().is_some_and(|end| end == "rs") => found.push(entry),
            false => {}
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All files of the crate, and their texts.
fn all() -> BTreeMap<PathBuf, String> {
    let mut paths = Vec::new();
    files(&root(), &mut paths);
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("text");
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// The files of the crate that are not tests, and their texts.
pub fn sources() -> BTreeMap<PathBuf, String> {
    let texts = all();
    let tests: Vec<PathBuf> = texts.iter().flat_map(|(path, text)| of_tests(path, text)).collect();
    let is_test = |path: &PathBuf| tests.contains(path) || path.to_string_lossy().ends_with("_test.rs");
    texts.into_iter().filter(|(path, _)| !is_test(path)).collect()
}

/// The text of a file without its tests.
pub fn product(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests").map_or(text, |at| &text[..at])
}

/// The files of the modules of tests that a file declares.
fn of_tests(path: &Path, text: &str) -> Vec<PathBuf> {
    let parent = path.parent().expect("a folder");
    let folder = match path.file_stem().is_some_and(|stem| stem == "mod" || stem == "lib") {
        true => parent.to_path_buf(),
        false => path.with_extension(""),
    };
    let declared = text.split("#[cfg(test)]\n").skip(1).filter_map(|rest| {
        let mut lines = rest.lines();
        let first = lines.next()?;
        let named = first
            .strip_prefix("#[path = \"")
            .and_then(|rest| rest.strip_suffix("\"]"));
        if let Some(named) = named {
            return Some(parent.join(named));
        }
        let (_, name) = first.split_once("mod ")?;
        Some(folder.join(format!("{}.rs", name.strip_suffix(';')?)))
    });
    declared.collect()
}

/// The rooms that a text names by `crate::`.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    text.split("crate::").skip(1).filter_map(|rest| {
        let end = rest
            .find(|c: char| !(c.is_ascii_lowercase() || c == '_'))
            .unwrap_or(rest.len());
        // A macro or an item of the crate's root is no room.
        (end > 0 && rest[end..].starts_with("::")).then(|| &rest[..end])
    })
}

#[test]
fn rooms_import_downwards_only() {
    let root = root();
    let row: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(row, rooms)| rooms.iter().map(move |room| (*room, row)))
        .collect();
    let mut wrong = Vec::new();
    let mut edges = 0;
    for (path, text) in &sources() {
        let within = path.strip_prefix(&root).expect("below src");
        let first = within.iter().next().expect("a name").to_string_lossy();
        let room = first.trim_end_matches(".rs");
        if room == "lib" {
            continue;
        }
        let Some(own) = row.get(room) else {
            wrong.push(format!("{room} has no layer"));
            continue;
        };
        for other in imports(product(text)).filter(|other| *other != room) {
            edges += 1;
            match row.get(other) {
                Some(its) if its > own => {}
                Some(_) => wrong.push(format!(
                    "{} imports {other}, which is not below {room}",
                    within.display()
                )),
                None => wrong.push(format!("{} imports {other}, which has no layer", within.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(edges > 400, "only {edges} imports were read");
}

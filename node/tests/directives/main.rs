//! What each directive does is shown by a case: the cases of `testdata/directives`, and a walk over the whole table.
//!
//! | folder | its runner |
//! |---|---|
//! | `engine` | `supervise::directive_tests`: the engine with a supervisor without processes, and paused time |
//! | `processes` | `processes` here: the engine with a real guard, supervisor and processes |
//! | `placement` | `placement` here: from the files of an environment to nodes, and how they get a new revision |
//!
//! The format of a case is in [`fleet_units::testing::effect_case`]; each runner says which steps it knows.

mod placement;
mod processes;

#[path = "../keeper_support/mod.rs"]
mod keeper_support;

use fleet_units::spec::directives::{self, Directive, Support};
use fleet_units::testing::effect_case::EffectCase;
use std::collections::BTreeSet;
use std::path::PathBuf;

const FOLDERS: [&str; 3] = ["engine", "processes", "placement"];

fn testdata() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/directives")
}

/// The cases of one folder, by name.
fn cases(folder: &str) -> Vec<EffectCase> {
    let entries = std::fs::read_dir(testdata().join(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let name = format!("{folder}/{}", path.file_stem().unwrap().to_string_lossy());
        EffectCase::parse(&name, &std::fs::read_to_string(path).unwrap()).unwrap()
    };
    paths.iter().map(read).collect()
}

/// The lines of `not_shown.txt`: rows that are said to act, and that no case shows yet. It may only become shorter.
fn not_shown() -> BTreeSet<String> {
    let text = std::fs::read_to_string(testdata().join("not_shown.txt")).unwrap();
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn name(row: &Directive) -> String {
    format!("{}/{}", row.section, row.key)
}

#[test]
fn every_supported_row_has_a_case_that_shows_its_effect() {
    let all: Vec<EffectCase> = FOLDERS.into_iter().flat_map(cases).collect();
    let shown: BTreeSet<String> = all.iter().flat_map(|case| case.rows.iter().map(|row| name(row))).collect();
    let rows = directives::all().iter().filter(|row| row.support == Support::Supported);
    let supported: BTreeSet<String> = rows.map(name).collect();
    let excused = not_shown();
    let mut complaints: Vec<String> = Vec::new();
    for row in supported.difference(&shown).filter(|row| !excused.contains(*row)) {
        complaints.push(format!("{row} is supported, and no case shows what it does"));
    }
    for row in shown.difference(&supported) {
        complaints.push(format!("{row} has a case, and is not supported"));
    }
    for row in excused.iter().filter(|row| shown.contains(*row) || !supported.contains(*row)) {
        complaints.push(format!("{row} is shown or not supported: take it out of not_shown.txt"));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_folder_has_a_runner() {
    let entries = std::fs::read_dir(testdata()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let strange: Vec<_> =
        folders.map(|entry| entry.file_name()).filter(|name| !FOLDERS.iter().any(|f| name == f)).collect();
    assert!(strange.is_empty(), "nobody plays the cases in {strange:?}");
}

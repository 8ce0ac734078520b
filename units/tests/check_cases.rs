//! Cases of `testdata/check/*.txt`: the files of a repository in, every finding out.
//!
//! A case is a text of parts, each begun by a line `## …`: `## environments NAME…` (when it is not `test` alone),
//! `## file PATH` begins a file, `## expect` is what must come out: the findings of all those environments, then what
//! comments allow. There is no switch that accepts what came out: read it, then write it.

use fleet_units::bundle::{SourceFile, SourceTree};
use fleet_units::diagnostic::codes;
use fleet_units::fleet::{Findings, compile};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

struct Case {
    environments: Vec<String>,
    tree: SourceTree,
    expected: String,
}

fn parse(text: &str) -> Case {
    let mut case = Case { environments: vec!["test".to_owned()], tree: SourceTree::new(), expected: String::new() };
    for part in format!("\n{text}").split("\n## ").skip(1) {
        let (head, body) = part.split_once('\n').unwrap_or((part, ""));
        let body = if body.is_empty() { String::new() } else { body.trim_end_matches('\n').to_owned() + "\n" };
        match head.split_once(' ').map_or((head, ""), |(word, rest)| (word, rest.trim())) {
            ("environments", names) => case.environments = names.split(' ').map(str::to_owned).collect(),
            ("file", path) => {
                case.tree.insert(path.to_owned(), SourceFile::new(false, body.into_bytes()));
            }
            ("expect", _) => case.expected = body,
            (other, _) => panic!("{other:?} is no part of a case"),
        }
    }
    case
}

fn outcome(case: &Case) -> String {
    let mut findings = Findings::default();
    let mut text = String::new();
    for environment in &case.environments {
        let environment = environment.parse().expect("the case names environments");
        let compiled = compile(&environment, &case.tree);
        for allowed in &compiled.allowed {
            let line = format!("allowed by {}:{}: {}", allowed.by.line, allowed.by.column, allowed.finding);
            if !text.contains(&line) {
                writeln!(text, "{line}").unwrap();
            }
        }
        findings.add_environment(&environment, compiled);
    }
    findings.add_unused_allowances();
    let found = findings.into_list();
    found.iter().map(|finding| format!("{}\n", finding.diagnostic)).collect::<String>() + &text
}

fn cases() -> Vec<(PathBuf, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/check");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let case = parse(&std::fs::read_to_string(&path).unwrap());
        (path, case)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn every_case_of_testdata_check_comes_out_as_written() {
    let cases = cases();
    assert!(cases.len() >= 3, "the cases are gone");
    let mut wrong = Vec::new();
    for (path, case) in cases {
        let actual = outcome(&case);
        if actual.trim_end() != case.expected.trim_end() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            wrong.push(format!("==== {name}, expected:\n{}==== came out:\n{actual}", case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_of_checks_across_units_and_of_comments_has_a_case() {
    let cases = cases();
    let shown = |code: &str| cases.iter().any(|(_, case)| case.expected.contains(&format!("[{code}]")));
    let titles = ["Across units", "Placement, rollout and health", "Secrets", "Comments that allow findings"];
    let groups = codes::GROUPS.iter().filter(|group| titles.contains(&group.title));
    // What a plan alone tells is tested there.
    let codes = groups.flat_map(|group| group.codes).filter(|code| code.name != "requirement-missing");
    let missing: Vec<_> = codes.filter(|code| !shown(code.name)).collect();
    assert!(missing.is_empty(), "no case in testdata/check shows {missing:?}");
}

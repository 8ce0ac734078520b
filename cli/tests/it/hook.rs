//! `deploy/git-hooks/pre-commit`, by real commits.

use crate::run::{Person, Ran};
use std::path::Path;

/// A repository with the hook, or none where git is not installed.
fn repository() -> Option<Person> {
    let person = Person::new();
    if git(&person, true, &["init", "-q", "repo"]).is_none() {
        println!("SKIP pre_commit_hook: git is not installed");
        return None;
    }
    let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/git-hooks/pre-commit");
    let hooks = person.path("repo/.git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    std::fs::copy(hook, hooks.join("pre-commit")).unwrap();
    Some(person)
}

/// `git` with or without `fleet` in its PATH.
fn git(person: &Person, with_fleet: bool, arguments: &[&str]) -> Option<Ran> {
    let mut command = std::process::Command::new("git");
    let fleet = Path::new(env!("CARGO_BIN_EXE_fleet")).parent().unwrap();
    let path = if with_fleet { format!("{}:/usr/bin:/bin", fleet.display()) } else { "/usr/bin:/bin".to_owned() };
    let folder = if person.path("repo").exists() { person.path("repo") } else { person.home.path().to_owned() };
    command.args(arguments).env_clear().current_dir(folder).env("PATH", path).env("HOME", person.home.path());
    for who in ["GIT_AUTHOR", "GIT_COMMITTER"] {
        command.env(format!("{who}_NAME"), "ann").env(format!("{who}_EMAIL"), "ann@example.org");
    }
    command.output().ok().map(Ran::of)
}

#[test]
fn a_commit_with_an_error_is_stopped_and_what_is_staged_counts() {
    let Some(person) = repository() else { return };
    let run = |arguments: &[&str]| git(&person, true, arguments).expect("git ran before");
    person.write("repo/README.md", "nothing yet");
    run(&["add", "."]).exits(0);
    run(&["commit", "-qm", "no units yet"]).exits(0);
    person.write("repo/units/web.service", "[Service]\nExecStrat=/bin/x\n");
    run(&["add", "."]).exits(0);
    // What lies about is right; what is staged is not.
    person.write("repo/units/web.service", "[Service]\nExecStart=/bin/x\n");
    let ran = run(&["commit", "-qm", "wrong"]).exits(1);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("error[unknown-directive]"), "{ran:?}");
    assert!(ran.stderr.contains("git commit --no-verify"), "{ran:?}");
    run(&["commit", "-qm", "wrong, on purpose", "--no-verify"]).exits(0);
    // `commit -a` has an index of its own for the hook.
    run(&["commit", "-qam", "right"]).exits(0);
}

#[test]
fn without_fleet_a_commit_passes_with_a_word_about_it() {
    let Some(person) = repository() else { return };
    if ["/usr/bin/fleet", "/bin/fleet"].iter().any(|path| Path::new(path).exists()) {
        println!("SKIP pre_commit_hook_alone: fleet is installed");
        return;
    }
    person.write("repo/units/web.service", "[Service]\nExecStrat=/bin/x\n");
    git(&person, false, &["add", "."]).unwrap().exits(0);
    let ran = git(&person, false, &["commit", "-qm", "unchecked"]).unwrap().exits(0);
    assert!(ran.stderr.contains("fleet is not in PATH"), "{ran:?}");
}

//! `fleet lint`: folders, commits, single files.

use crate::run::{Person, Ran};
use std::io::Write as _;
use std::process::Stdio;

const GOOD: &str = "[Service]\nExecStart=/bin/sleep 1\n";
const BAD: &str = "[Unit]\nDescription=x\n[Service]\nExecStrat=/bin/sleep 1\n";

#[test]
fn a_sound_repository_has_no_errors() {
    let person = Person::new();
    person.write("repo/units/web.service", GOOD);
    person.write("repo/README.md", "not looked at");
    let ran = person.fleet("lint repo -o json").exits(0);
    assert_eq!((&ran.json()["schema"], &ran.json()["files"]), (&1.into(), &1.into()));
}

#[test]
fn a_mistake_is_shown_with_its_place_and_its_line_and_is_exit_code_1() {
    let person = Person::new();
    person.write("repo/units/web.service", BAD);
    let ran = person.fleet("lint repo").exits(1);
    assert!(ran.stdout.contains("units/web.service:4:1: error[unknown-directive]"), "{ran:?}");
    assert!(ran.stdout.contains("    4 | ExecStrat=/bin/sleep 1\n") && ran.stdout.contains("ExecStart"), "{ran:?}");
    let value = person.fleet("lint repo -o json").exits(1).json();
    // The first one is that no ExecStart= is left.
    let mut findings = value["diagnostics"].as_array().expect("a list").iter();
    let finding = findings.find(|finding| finding["code"] == "unknown-directive").expect("the mistake");
    for (key, wanted) in [("severity", "error"), ("file", "units/web.service")] {
        assert_eq!(finding[key], wanted);
    }
    assert_eq!((&finding["line"], &finding["column"]), (&4.into(), &1.into()));
    for key in ["code", "message", "hint"] {
        assert!(finding[key].is_string(), "{key}");
    }
}

#[test]
fn an_overlay_is_checked_for_its_environment_alone() {
    let person = Person::new();
    person.write("repo/units/web.service", GOOD);
    person.write("repo/environments/test/web.service.d/10.conf", "[Service]\nRestrat=no\n");
    person.fleet("lint repo").exits(1);
    person.fleet("lint repo -e test").exits(1);
    person.fleet("lint repo -e production").exits(0);
}

#[test]
fn one_file_and_stdin_are_checked_without_a_repository() {
    let person = Person::new();
    person.write("web.service", BAD);
    person.fleet("lint web.service").exits(1);
    let mut child = person
        .command(&["lint", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(GOOD.as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap()).exits(0);
}

#[test]
fn a_commit_is_checked_and_not_what_lies_about() {
    let person = Person::new();
    let repository = git2::Repository::init(person.path("repo")).unwrap();
    person.write("repo/units/web.service", GOOD);
    let mut index = repository.index().unwrap();
    index.add_path(std::path::Path::new("units/web.service")).unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let me = git2::Signature::now("a", "a@example.org").unwrap();
    repository.commit(Some("HEAD"), &me, &me, "one", &tree, &[]).unwrap();
    person.write("repo/units/web.service", BAD);
    person.fleet("lint repo").exits(1);
    person.fleet("lint repo --rev HEAD").exits(0);
    assert!(person.fleet("lint repo --rev nope").exits(1).stderr.contains("there is no commit"));
}

#[test]
fn links_are_not_followed_and_an_empty_folder_is_an_error() {
    let person = Person::new();
    person.write("repo/units/web.service", GOOD);
    std::os::unix::fs::symlink("/etc/passwd", person.path("repo/units/b.service")).unwrap();
    let ran = person.fleet("lint repo").exits(1);
    assert!(ran.stdout.contains("units/b.service") && ran.stdout.contains("regular files"), "{ran:?}");
    std::fs::create_dir(person.path("empty")).unwrap();
    person.fleet("lint empty").exits(1);
    person.fleet("lint missing").exits(1);
}

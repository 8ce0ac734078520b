//! `fleet context`, and the file behind it.

use crate::run::Person;
use std::os::unix::fs::PermissionsExt as _;

const ADD: &str = "--endpoint 127.0.0.1:7460 --trust-domain fleet.test --identity keys";

#[test]
fn the_first_context_becomes_current_and_the_next_only_when_asked() {
    let person = Person::new();
    person.fleet(&format!("context add one {ADD}")).exits(0);
    person.fleet(&format!("context add two {ADD}")).exits(0);
    assert_eq!(person.fleet("context show -o json").json()["name"], "one");
    person.fleet("context use two").exits(0);
    assert_eq!(person.fleet("context show -o json").json()["name"], "two");
    let all = person.fleet("context list -o json").json();
    assert_eq!((&all["schema"], all["contexts"].as_array().unwrap().len()), (&1.into(), 2));
    person.fleet("context remove two").exits(0);
    let ran = person.fleet("status").exits(2);
    assert!(ran.stderr.contains("no context is chosen") && ran.stderr.contains("one"), "{ran:?}");
}

#[test]
fn the_file_is_for_its_owner_alone() {
    let person = Person::new();
    person.fleet(&format!("context add one {ADD}")).exits(0);
    let mode = |path: &str| std::fs::metadata(person.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(".config/fleet/config.toml"), 0o600);
    assert_eq!(mode(".config/fleet"), 0o700);
}

#[test]
fn an_unknown_context_offers_a_near_one() {
    let person = Person::new();
    person.fleet(&format!("context add local {ADD}")).exits(0);
    let ran = person.fleet("status --context locl").exits(2);
    assert_eq!(ran.stderr, "error: there is no context \"locl\"\n  hint: did you mean local?\n");
}

#[test]
fn an_unknown_key_is_an_error_with_its_line() {
    let person = Person::new();
    person.write(".config/fleet/config.toml", "current = \"a\"\n\n[contexts.a]\nendpoint = [\"x:1\"]\n");
    let ran = person.fleet("context list").exits(2);
    assert!(ran.stderr.contains("config.toml:4:") && ran.stderr.contains("endpoint"), "{ran:?}");
}

#[test]
fn contexts_added_at_once_are_all_there() {
    let person = Person::new();
    let line = |n| format!("context add c{n} {ADD}");
    let spawn = |n| person.command(&line(n).split_whitespace().collect::<Vec<_>>()).spawn().unwrap();
    let children: Vec<_> = (0..8).map(spawn).collect();
    children.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
    assert_eq!(person.fleet("context list -o json").json()["contexts"].as_array().unwrap().len(), 8);
}

#[test]
fn names_and_addresses_are_checked() {
    let person = Person::new();
    person.fleet(&format!("context add ../x {ADD}")).exits(2);
    person.fleet("context add x --endpoint nowhere --trust-domain d --identity k").exits(2);
    assert_eq!(person.fleet("context list -o json").json()["contexts"].as_array().unwrap().len(), 0);
}

//! What does not need a fleet: help, completions, usage errors, pipes.

use crate::run::{Person, Ran};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

#[test]
fn every_shell_gets_completions_that_name_the_verbs() {
    let person = Person::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = person.fleet(&format!("completions {shell}")).exits(0);
        assert!(ran.stdout.contains("rollback") && ran.stderr.is_empty(), "{shell}");
    }
}

#[test]
fn bash_accepts_its_completions() {
    let person = Person::new();
    person.write("fleet.bash", &person.fleet("completions bash").stdout);
    let status = std::process::Command::new("bash").arg("-n").arg(person.path("fleet.bash")).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_wrong_command_line_exits_with_2_and_says_what_was_meant() {
    let person = Person::new();
    let ran = person.fleet("statsu").exits(2);
    assert!(ran.stderr.contains("status") && ran.stdout.is_empty(), "{ran:?}");
    person.fleet("stop web").exits(2);
    person.fleet("logs --since whenever").exits(2);
    person.fleet("promote").exits(2);
}

#[test]
fn a_reader_that_goes_away_is_no_error_worth_a_word() {
    let person = Person::new();
    let mut child =
        person.command(&["completions", "zsh"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (141, ""));
}

#[test]
fn a_node_process_this_version_does_not_know_is_refused() {
    let person = Person::new();
    let ran = Ran::of(person.command(&["--state", "x"]).arg0("fleet: juggler web-1").output().unwrap()).exits(2);
    assert!(ran.stderr.contains("juggler"), "{ran:?}");
}

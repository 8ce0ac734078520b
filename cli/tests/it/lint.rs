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
    let wanted = "\
error[unknown-directive]: ExecStrat= is no directive of [Service]
 --> units/web.service:4:1
  |
4 | ExecStrat=/bin/sleep 1
  | ^^^^^^^^^
  |
  = help: did you mean ExecStart=?

";
    assert!(ran.stdout.ends_with(wanted), "{}", ran.stdout);
    assert_eq!(ran.stderr, "1 file: 2 errors\n");
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
fn a_line_that_holds_a_secret_is_not_shown() {
    let person = Person::new();
    person.write("repo/units/web.service", "[Service]\nExecStart=/bin/sleep 1\nEnvironment=API_TOKEN=Zx3vB6nM9q\n");
    let ran = person.fleet("lint repo").exits(0);
    assert!(
        ran.stdout.contains("warning[secret-in-clear]") && ran.stdout.contains("web.service:3:13"),
        "{}",
        ran.stdout
    );
    let json = person.fleet("lint repo -o json").exits(0);
    assert!(json.stdout.contains("secret-in-clear"), "{}", json.stdout);
    assert!(!ran.stdout.contains("Zx3v") && !json.stdout.contains("Zx3v"), "{}", ran.stdout);
}

#[test]
fn what_timers_and_sockets_do_not_get_is_listed_too() {
    let person = Person::new();
    person.write("repo/units/a.service", GOOD);
    person.write("repo/units/a.timer", "[Timer]\nOnBootSec=1\nWakeSystem=yes\n");
    person.write("repo/units/b.service", GOOD);
    person.write("repo/units/b.socket", "[Socket]\nListenStream=/run/b\nPrivateTmp=yes\n");
    let value = person.fleet("lint repo -o json").exits(0).json();
    let units = value["unenforced"].as_array().expect("a list");
    for (unit, directive) in [("a.timer", "WakeSystem=yes"), ("b.socket", "PrivateTmp=yes")] {
        let entry = units.iter().find(|entry| entry["unit"] == unit);
        let entry = entry.unwrap_or_else(|| panic!("{unit} is not in {units:?}"));
        let mut settings = entry["settings"].as_array().expect("a list").iter();
        assert!(settings.any(|setting| setting["directive"] == directive), "{entry}");
    }
}

#[test]
fn an_overlay_is_checked_for_its_environment_alone() {
    let person = Person::new();
    person.write("repo/units/web.service", GOOD);
    person.write("repo/environments/test/web.service.d/10.conf", "[Service]\nRestrat=no\n");
    let ran = person.fleet("lint repo").exits(1);
    assert!(ran.stdout.contains("  = note: only in test\n"), "{}", ran.stdout);
    assert_eq!(person.fleet("lint repo -o json").json()["diagnostics"][0]["environments"], serde_json::json!(["test"]));
    person.fleet("lint repo -e test").exits(1);
    person.fleet("lint repo -e production").exits(0);
}

#[test]
fn a_finding_of_every_environment_is_said_once() {
    let person = Person::new();
    person.write("repo/units/web.service", &GOOD.replace("[Service]", "[Unit]\nWants=nobody.service\n[Service]"));
    let ran = person.fleet("lint repo").exits(0);
    assert_eq!(ran.stdout.matches("warning[dependency-not-in-set]").count(), 1, "{}", ran.stdout);
    assert!(!ran.stdout.contains("only in") && ran.stderr.ends_with("1 file: 1 warning\n"), "{ran:?}");
    for what in ["warnings", "dependency-not-in-set"] {
        let ran = person.fleet(&format!("lint repo --deny {what}")).exits(1);
        assert!(ran.stdout.contains(&format!("= note: an error because of --deny {what}\n")), "{}", ran.stdout);
    }
    person.fleet("lint repo -D no-effect").exits(0);
    let ran = person.fleet("lint repo -D no-efect").exits(2);
    assert!(ran.stderr.contains("did you mean no-effect?"), "{ran:?}");
}

#[test]
fn allowed_findings_are_counted() {
    let person = Person::new();
    let unit = "# fleet-allow: dependency-not-in-set: the host has it\n[Unit]\nWants=nobody.service\n";
    person.write("repo/units/web.service", &format!("{unit}{GOOD}"));
    let ran = person.fleet("lint repo -D warnings").exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "1 file: no findings, 1 allowed\n"));
    assert_eq!(person.fleet("lint repo -o json").json()["allowed"], 1);
}

#[test]
fn what_is_not_in_effect_is_listed_in_a_few_lines_and_in_json() {
    let person = Person::new();
    let unit = format!("{GOOD}PrivateTmp=yes\nProtectSystem=strict\n");
    person.write("a.service", &unit);
    person.write("b@.service", &unit);
    let ran = person.fleet("lint a.service b@.service").exits(0);
    let wanted = "\
note: unenforced (accepted, and not in effect)
  a.service
    not-built-yet: ProtectSystem=strict, PrivateTmp=yes
  b@.service
    not-built-yet: ProtectSystem=strict, PrivateTmp=yes

";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (wanted, "2 files: no findings\n"));
    let value = person.fleet("lint a.service -o json").json();
    let unit = &value["unenforced"][0];
    assert_eq!((&unit["unit"], &unit["file"]), (&"a.service".into(), &"a.service".into()));
    assert_eq!(unit["settings"][0]["directive"], "ProtectSystem=strict");
    assert_eq!(unit["settings"][0]["reason"]["code"], "not-built-yet");
}

#[test]
fn a_unit_on_its_own_is_read_with_the_drop_ins_beside_it_and_not_blamed_for_what_is_not_given() {
    let person = Person::new();
    let unit = format!("[Unit]\nAfter=db.service\nRequires=db.service\n{GOOD}[X-Fleet]\nFiles=web/x\n");
    person.write("etc/web.service", &unit);
    person.write("etc/web.service.d/10.conf", "[Service]\nUsr=x\n");
    person.write("etc/other.service.d/10.conf", "[Service]\nNonsense=x\n");
    for path in ["etc/web.service", "etc/web.service.d/10.conf", "etc"] {
        let ran = person.fleet(&format!("lint {path}")).exits(1);
        assert!(ran.stdout.contains(" --> etc/web.service.d/10.conf:2:1\n"), "{ran:?}");
        assert_eq!(ran.stderr, "2 files: 1 error\n", "{path}");
    }
    let ran = person.fleet("lint etc/other.service.d/10.conf").exits(2);
    assert!(ran.stderr.contains("etc/other.service is not there"), "{ran:?}");
}

#[test]
fn paths_that_do_not_go_together_are_wrong_words_of_the_command_line() {
    let person = Person::new();
    person.write("repo/units/web.service", GOOD);
    for line in ["lint repo web.service", "lint - --rev HEAD", "lint - --staged", "lint repo x --staged"] {
        person.fleet(line).exits(2);
    }
    person.write("README", "");
    assert!(person.fleet("lint README").exits(2).stderr.contains("name a unit file"));
    assert!(person.fleet("lint repo --stdin-name a.service").exits(2).stderr.contains("stdin is not read"));
    assert!(person.fleet("lint - --stdin-name a.txt").exits(2).stderr.contains("a.txt"));
    let ran = person.fleet("lint x.mount").exits(1);
    assert!(ran.stderr.contains("cannot read x.mount"), "{ran:?}");
    person.write("x.mount", "[Mount]\n");
    assert!(person.fleet("lint x.mount").exits(1).stdout.contains("error[unit-kind]"));
}

#[test]
fn one_file_and_stdin_are_checked_without_a_repository() {
    let person = Person::new();
    person.write("web.service", BAD);
    person.fleet("lint web.service").exits(1);
    let mut child = person
        .command(&["lint", "-", "--stdin-name", "web.service"])
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
    person.fleet("lint repo --staged").exits(0);
    index.add_path(std::path::Path::new("units/web.service")).unwrap();
    index.write().unwrap();
    person.write("repo/units/web.service", GOOD);
    let ran = person.fleet("lint repo --staged").exits(1);
    assert!(ran.stdout.contains("ExecStrat=") && ran.stderr == "1 file: 2 errors\n", "{ran:?}");
    person.fleet("lint repo").exits(0);
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

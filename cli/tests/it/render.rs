//! `fleet render`: the effective unit with the origin of its lines.

use crate::run::Person;

fn person() -> Person {
    let person = Person::new();
    let worker = "[Service]\nExecStart=/bin/worker %i --host %H\nTimeoutSec=5\n[X-Fleet]\nInstances=2\n";
    person.write("repo/units/worker@.service", worker);
    person.write("repo/units/web.service", "[Service]\nExecStart=/bin/web\nUser=one\n");
    person.write("repo/environments/production/web.service.d/10.conf", "[Service]\nUser=two\n");
    person.write("repo/environments/test/units/web.service", "");
    person
}

#[test]
fn a_unit_is_shown_with_the_places_of_its_lines() {
    let wanted = "\
# web.service in production; a comment names the file and line of what stands below it
[Service]
# units/web.service:2
ExecStart=/bin/web
# environments/production/web.service.d/10.conf:2
User=two
";
    let person = person();
    let ran = person.fleet("render web repo -e production").exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (wanted, ""));
    person.write("web.service", &ran.stdout);
    assert_eq!(person.fleet("lint web.service").exits(0).stderr, "1 file: no findings\n");
    let value = person.fleet("render web repo -e production -o json").exits(0).json();
    assert_eq!((&value["schema"], &value["unit"]), (&1.into(), &"web.service".into()));
    let line = serde_json::json!({"section": "Service", "key": "User", "value": "two",
        "file": "environments/production/web.service.d/10.conf", "line": 2, "column": 1});
    assert_eq!(value["lines"][1], line);
    assert_eq!(value["files"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_instance_has_its_specifiers_filled_in_and_a_host_only_what_is_given() {
    let wanted = "\
# worker@1.service in develop; a comment names the file and line of what stands below it
[Service]
# units/worker@.service:2
ExecStart=/bin/worker 1 --host %H
# units/worker@.service:3, written TimeoutSec=
TimeoutStartSec=5
# units/worker@.service:3, written TimeoutSec=
TimeoutStopSec=5

[X-Fleet]
# units/worker@.service:5
Instances=2
";
    let person = person();
    assert_eq!(person.fleet("render worker@1 repo -e develop").exits(0).stdout, wanted);
    let ran = person.fleet("render worker@1 repo -e develop --specifier H=box").exits(0);
    assert!(ran.stdout.contains("\nExecStart=/bin/worker 1 --host box\n"), "{}", ran.stdout);
    let ran = person.fleet("render worker@ repo -e develop --defaults").exits(0);
    assert!(ran.stdout.contains("ExecStart=/bin/worker %i --host %H\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n# not set, with their defaults:\n# Nodes="), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n# MaxParallel=25%\n") && !ran.stdout.contains("# Instances="), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n# of develop:\n# OnRolloutFailure=none\n"), "{}", ran.stdout);
    let defaults = person.fleet("render worker@ repo -e test --defaults -o json").exits(0).json();
    let mut defaults = defaults["defaults"].as_array().expect("a list").iter();
    let failure = defaults.find(|default| default["key"] == "OnRolloutFailure").expect("it has a default");
    assert_eq!((&failure["value"], &failure["origin"]), (&"pause".into(), &"environment".into()));
}

#[test]
fn a_node_of_this_host_gives_its_values_and_another_one_cannot() {
    let person = person();
    let ran = person.fleet("render worker@1 repo -e develop --node web-1").exits(1);
    assert!(ran.stderr.contains("no node web-1 on this host") && ran.stderr.contains("--specifier"), "{ran:?}");
    person.write("runtime/fleet/node-web-1/local.sock", "");
    let ran = person.fleet("render worker@1 repo -e develop --node web-1").exits(0);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert!(ran.stdout.contains(&format!("--host {host}\n")), "{}", ran.stdout);
}

#[test]
fn what_cannot_be_shown_says_why() {
    let person = person();
    let ran = person.fleet("render wbe repo -e develop").exits(1);
    assert_eq!(ran.stderr, "error: develop has no unit file for wbe.service\n  hint: did you mean web.service?\n");
    let ran = person.fleet("render web repo -e test").exits(1);
    assert!(ran.stderr.contains("web.service is masked in test"), "{ran:?}");
    let ran = person.fleet("render web repo -e prodution").exits(0);
    assert_eq!(ran.stderr, "note: there is no folder environments/prodution; did you mean production?\n");
    assert!(person.fleet("render web nowhere -e test").exits(1).stderr.contains("neither units/ nor environments/"));
    person.fleet("render web repo").exits(2);
    for wrong in ["i=1", "H", "HH=x"] {
        person.fleet(&format!("render web repo -e test --specifier {wrong}")).exits(2);
    }
    person.write("repo/units/web.service", "[Service]\nExecStrat=/bin/web\n");
    let ran = person.fleet("render web repo -e develop").exits(1);
    assert!(ran.stderr.starts_with("units/web.service:2:1: error[unknown-directive]"), "{ran:?}");
}

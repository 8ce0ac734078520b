use super::*;
use crate::bundle::SourceFile;
use crate::spec::{Context, HealthCheck, load};
use std::collections::BTreeSet;

fn tree(files: &[(&str, &str)]) -> SourceTree {
    files.iter().map(|(path, text)| ((*path).to_owned(), SourceFile::new(false, text.as_bytes()))).collect()
}

fn compiled(files: &[(&str, &str)]) -> Compiled {
    compile(&"test".parse().unwrap(), &tree(files))
}

fn names(compiled: &Compiled) -> Vec<&str> {
    compiled.fleet.units.keys().map(UnitName::as_str).collect()
}

fn found(compiled: &Compiled) -> Vec<String> {
    let show =
        |d: &Diagnostic| format!("{}:{}:{} {} {}", d.place.file, d.place.line, d.place.column, d.code, d.message);
    compiled.diagnostics.iter().map(show).collect()
}

fn codes(compiled: &Compiled) -> Vec<&str> {
    compiled.diagnostics.iter().map(|d| d.code.as_str()).collect()
}

const RUN: &str = "[Service]\nExecStart=/bin/sleep 1\n";

#[test]
fn a_node_that_loads_a_bundle_understands_what_the_coordinator_understood() {
    let compiled = compiled(&[
        ("units/web.service", "[Unit]\nDescription=a\n[Service]\nExecStart=/bin/a\n[X-Fleet]\nFiles=web\n"),
        ("units/web.service.d/10.conf", "[Unit]\nDescription=b\n"),
        ("environments/test/web.service.d/20.conf", "[Service]\nEnvironment=A=1\n"),
        ("environments/production/web.service.d/30.conf", "[Service]\nEnvironment=B=1\n"),
        ("files/web/a.conf", "a"),
        ("files/web/b.conf", "b"),
        ("environments/test/files/web/a.conf", "test"),
        ("files/other", "x"),
        ("units/web.timer", "[Timer]\nOnBootSec=5\n"),
    ]);
    assert_eq!(codes(&compiled), [""; 0]);
    let unit = &compiled.fleet.units[&"web.service".parse().unwrap()];
    let paths: Vec<&str> = unit.bundle.files.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "environments/test/files/web/a.conf",
            "environments/test/web.service.d/20.conf",
            "files/web/b.conf",
            "units/web.service",
            "units/web.service.d/10.conf",
            "units/web.timer"
        ]
    );
    assert_eq!(unit.spec.description, "b");
    let delivered: Vec<&str> = unit.spec.delivered.keys().map(String::as_str).collect();
    assert_eq!(delivered, ["web/a.conf", "web/b.conf"]);
    assert_eq!(unit.spec.triggered_by.len(), 1);
    let context = Context { environment: "test".parse().unwrap(), host: None };
    let loaded = load(&"web.service".parse().unwrap(), &unit.bundle, &context);
    assert_eq!(loaded.spec.as_ref(), Some(&*unit.spec));
    assert_eq!(loaded.diagnostics, []);
}

#[test]
fn templates_have_the_instances_they_ask_for_and_those_others_name() {
    let template = |instances: &str| format!("{RUN}[X-Fleet]\n{instances}\n");
    let compiled = compiled(&[
        ("units/count@.service", &template("Instances=2")),
        ("units/names@.service", &template("Instances=15-main b")),
        ("units/all@.service", &template("")),
        ("units/off@.service", &template("Instances=0")),
        ("units/own@.service", &template("")),
        ("units/own@x.service", RUN),
        ("units/user.service", "[Unit]\nWants=all@%p.service\nRequires=count@9.service\n[Service]\nExecStart=/bin/a\n"),
    ]);
    assert_eq!(found(&compiled), Vec::<String>::new());
    assert_eq!(
        names(&compiled),
        [
            "all@user.service",
            "count@1.service",
            "count@2.service",
            "count@9.service",
            "names@15-main.service",
            "names@b.service",
            "own@x.service",
            "user.service"
        ]
    );
}

#[test]
fn a_change_of_one_unit_changes_the_digest_of_that_unit_alone() {
    let files =
        [("units/a.service", RUN), ("units/b.service", RUN), ("units/service.d/x.conf", ""), ("README.md", "x")];
    let before = compiled(&files).fleet;
    let mut changed = files;
    changed[0].1 = "[Service]\nExecStart=/bin/sleep 2\n";
    changed[3].1 = "y";
    let after = compiled(&changed).fleet;
    let [a, b] = ["a.service", "b.service"].map(|name| name.parse::<UnitName>().unwrap());
    assert_ne!(before.units[&a].digest, after.units[&a].digest);
    assert_eq!(before.units[&b].digest, after.units[&b].digest);
}

#[test]
fn file_names_that_mean_nothing_here_are_told() {
    let compiled = compiled(&[
        ("units/data.mount", "[Mount]\n"),
        ("units/bad name.service", RUN),
        ("units/web.serivce", RUN),
        ("units/wbe.service.d/x.conf", "[Unit]\n"),
        ("units/web.service", RUN),
        ("units/off.service", ""),
        ("environments/unknown/whatever", "x"),
        ("environments/test/only.service", RUN),
    ]);
    let mut codes = codes(&compiled);
    codes.sort_unstable();
    assert_eq!(codes, ["bad-unit-name", "orphan-drop-in", "stray-file", "stray-file", "unit-kind"]);
    assert!(found(&compiled).iter().any(|text| text.contains("no .mount units")));
    assert_eq!(names(&compiled), ["web.service"]);
}

#[test]
fn hostile_trees_end_with_an_error_and_in_time() {
    let compiled = compiled(&[
        ("units/w@.service", "[Unit]\nWants=w@%ia.service w@%ib.service\n[Service]\nExecStart=/bin/a\n"),
        ("units/start.service", "[Unit]\nWants=w@x.service\n[Service]\nExecStart=/bin/a\n"),
    ]);
    assert!(codes(&compiled).contains(&"too-many-units"));
}

#[test]
fn a_health_check_of_an_overlay_replaces_the_common_one() {
    let compiled = compiled(&[
        ("units/web.service", "[Service]\nExecStart=/bin/a --port 80%i\nHealthCheckURL=http://127.0.0.1:1/\n"),
        ("environments/test/web.service.d/p.conf", "[X-Fleet]\nHealthCheckURL=http://127.0.0.1:2/\n"),
    ]);
    let unit = &compiled.fleet.units[&"web.service".parse().unwrap()];
    assert_eq!(unit.spec.health.check, Some(HealthCheck::Url("http://127.0.0.1:2/".to_owned())));
}

#[test]
fn timers_and_sockets_are_read_whole_and_their_services_wait_for_them() {
    let compiled = compiled(&[
        ("units/nightly.timer", "[Timer]\nOnCalendar=daily\nPersistent=yes\n"),
        ("units/nightly.timer.d/10.conf", "[Timer]\nOnCalendar=\nOnCalendar=03:00\nUnit=backup.service\n"),
        ("environments/test/nightly.timer.d/20.conf", "[Timer]\nAccuracySec=1us\n"),
        ("units/backup.service", RUN),
        ("units/db@.timer", "[Timer]\nOnCalendar=hourly\n[Fleet]\nInstances=a b\n"),
        ("units/db@.service", RUN),
        ("units/web.socket", "[Socket]\nListenStream=80\n"),
        ("units/web.service", RUN),
        ("units/echo.socket", "[Socket]\nListenStream=7\nAccept=yes\n"),
        ("units/echo@.service", RUN),
    ]);
    let mut codes = codes(&compiled);
    codes.dedup();
    assert_eq!(codes, ["kind-not-built-yet"], "{:?}", found(&compiled));
    let triggers: Vec<&str> = compiled.fleet.triggers.keys().map(UnitName::as_str).collect();
    assert_eq!(triggers, ["echo.socket", "web.socket"]);
    let units = ["backup.service", "db@a.service", "db@a.timer", "db@b.service", "db@b.timer", "nightly.timer"];
    assert_eq!(names(&compiled)[..6], units);
    for (service, trigger) in
        [("backup.service", "nightly.timer"), ("db@a.service", "db@a.timer"), ("web.service", "web.socket")]
    {
        let unit = &compiled.fleet.units[&service.parse().unwrap()];
        assert_eq!(unit.spec.triggered_by, BTreeSet::from([trigger.parse().unwrap()]));
        let context = Context { environment: "test".parse().unwrap(), host: None };
        assert_eq!(load(&service.parse().unwrap(), &unit.bundle, &context).spec.as_ref(), Some(&*unit.spec));
    }
    let nightly = &compiled.fleet.units[&"nightly.timer".parse().unwrap()];
    assert_eq!(nightly.bundle.files.len(), 3);
    assert_eq!(nightly.spec.started().map(UnitName::as_str), Some("backup.service"));
}

#[test]
fn what_a_timer_or_socket_starts_must_be_there() {
    let compiled = compiled(&[
        ("units/nightly.timer", "[Unit]\nWants=gone.service\n[Timer]\nOnCalendar=daily\nUnit=nihgtly.service\n"),
        ("units/nightly.service", RUN),
        ("units/alone.socket", "[Socket]\nListenStream=80\n"),
    ]);
    let told: Vec<String> = found(&compiled).into_iter().filter(|text| !text.contains("kind-not-built-yet")).collect();
    assert_eq!(
        told,
        [
            "units/alone.socket:0:0 dependency-not-in-set Service=: alone.service is no unit of this environment",
            "units/nightly.timer:2:7 dependency-not-in-set Wants=: gone.service is no unit of this environment",
            "units/nightly.timer:5:6 dependency-not-in-set Unit=: nihgtly.service is no unit of this environment",
        ]
    );
}

#[test]
fn templates_without_instances_are_judged_all_the_same() {
    let compiled = compiled(&[
        ("units/a@.service", "[Service]\nExecStart=/bin/a\nRestart=sometimes\nNice=%i\n"),
        ("units/b@.timer", "[Timer]\nOnCalendar=%i\nOnBootSec=soon\n"),
        ("units/c@.socket", "[Socket]\nAccept=yes\n"),
        ("units/c@.service", RUN),
        ("units/c@.service.d/10.conf", "[Service]\nUMask=9\n"),
        ("units/c@x.service.d/10.conf", "[Service]\nRestartSec=9 parsecs\n"),
        ("units/b@.service", RUN),
    ]);
    let errors: Vec<String> = compiled
        .diagnostics
        .iter()
        .filter(|d| d.is_error())
        .map(|d| format!("{}:{}", d.place.file, d.place.line))
        .collect();
    assert_eq!(
        errors,
        [
            "units/a@.service:3",
            "units/b@.timer:3",
            "units/c@.service.d/10.conf:2",
            "units/c@.socket:0",
            "units/c@x.service.d/10.conf:2"
        ]
    );
    assert_eq!((compiled.fleet.units.len(), compiled.fleet.triggers.len()), (0, 0));
}

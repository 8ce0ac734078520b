//! `Condition*=` and `Assert*=` in the engine: what is skipped, what fails, what is looked at again.

use super::fake::Fake;
use super::tests::{act, attach, config, name, node, plain, service};
use super::{Assigned, Everything, UnitAct};
use fleet_units::ids::UnitName;
use fleet_units::spec::condition::{Condition, Subject};
use fleet_units::spec::{KindSpec, Restart, UnitSpec};
use fleet_units::status::ActiveState;
use fleet_units::testing::unit;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

fn exists(path: &Path, assert: bool) -> Condition {
    let argument = path.to_string_lossy().into_owned();
    Condition { assert, trigger: false, negate: false, subject: Subject::PathExists, argument }
}

fn asking(unit: &str, condition: Condition) -> Assigned {
    service(unit, |unit, _| {
        unit.conditions = vec![condition];
        unit.on_failure = [name("alert.service")].into();
        unit.on_success = [name("alert.service")].into();
    })
}

fn wants(unit: &str, field: fn(&mut UnitSpec) -> &mut BTreeSet<UnitName>) -> Assigned {
    service(unit, |unit, _| {
        *field(unit) = [name("web.service")].into();
        unit.after = [name("web.service")].into();
    })
}

#[tokio::test(start_paused = true)]
async fn an_unmet_condition_skips_the_start_and_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let node = node();
    let units = || {
        [
            asking("web.service", exists(&path, false)),
            wants("job.service", |unit| &mut unit.requires),
            plain("alert.service"),
        ]
    };
    node.apply(units()).await;
    let status = node.until("web.service", |status| status.reason.is_some()).await;
    let reason = status.reason.unwrap();
    assert_eq!((status.active_state, status.sub_state.as_str()), (ActiveState::Inactive, "dead"));
    assert_eq!((status.result.as_str(), reason.code.as_str(), status.completed), ("condition", "condition", true));
    assert!(reason.text.contains(&format!("ConditionPathExists={} is not met", path.display())), "{}", reason.text);
    node.is("job.service", "running").await;
    assert_eq!(node.fake.log(), ["spawn job.service /bin/main"], "nothing of it ran, and it triggers nothing");
    assert!(node.apply(units()).await.contains(&"keep web.service".to_owned()));

    // A person's start looks again.
    assert!(node.handle.act(act("web.service", UnitAct::Start)).await.ok, "a skipped start is a done job");
    std::fs::write(&path, "").unwrap();
    assert!(node.handle.act(act("web.service", UnitAct::Start)).await.ok);
    let status = node.is("web.service", "running").await;
    assert_eq!((status.reason, status.result.as_str()), (None, "success"));
}

#[tokio::test(start_paused = true)]
async fn an_unmet_assertion_fails_the_job_and_what_requires_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let node = node();
    let units = [
        asking("web.service", exists(&path, true)),
        wants("job.service", |unit| &mut unit.requires),
        plain("alert.service"),
    ];
    node.apply(units).await;
    let status = node.until("web.service", |status| status.result == "assert").await;
    assert_eq!((status.active_state, status.completed), (ActiveState::Inactive, false));
    let job = node.until("job.service", |status| status.reason.is_some()).await;
    assert_eq!(job.reason.unwrap().code, "dependency");
    let result = node.handle.act(act("web.service", UnitAct::Start)).await;
    assert!(!result.ok && result.error.contains("AssertPathExists="), "{}", result.error);
    assert!(node.fake.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_automatic_restart_looks_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, "").unwrap();
    let node = node();
    let unit = service("web.service", |unit, service| {
        unit.conditions = vec![exists(&path, false)];
        service.restart = Restart::Always;
    });
    node.apply([unit]).await;
    node.is("web.service", "running").await;
    std::fs::remove_file(&path).unwrap();
    node.fake.exit("web.service", "main", 1);
    let status = node.is("web.service", "dead").await;
    assert_eq!((status.result.as_str(), status.restarts), ("condition", 1));
}

#[tokio::test(start_paused = true)]
async fn a_new_agent_still_knows_what_was_not_met() {
    let fake = Fake::default();
    let unit = || asking("web.service", exists(Path::new("/no/such/path"), false));
    let node = attach(fake.clone(), config(Everything));
    node.apply([unit()]).await;
    let before = node.until("web.service", |status| status.reason.is_some()).await;
    drop(node);
    let node = attach(fake, config(Everything));
    assert_eq!(node.apply([unit()]).await, ["keep web.service"]);
    assert_eq!(node.until("web.service", |status| status.reason.is_some()).await.reason, before.reason);
}

#[tokio::test(start_paused = true)]
async fn a_target_asks_as_well_and_what_the_host_cannot_tell_is_listed() {
    let target = |condition: Condition| {
        let spec = unit("app.target", |unit| unit.conditions = vec![condition]);
        assert_eq!(spec.kind, KindSpec::Target);
        Assigned { spec: Arc::new(spec), ..plain("app.service") }
    };
    let node = node();
    node.apply([target(exists(Path::new("/no/such/path"), false))]).await;
    assert_eq!(node.until("app.target", |status| status.reason.is_some()).await.result, "condition");
    let unknown = Condition { subject: Subject::Security, argument: "cvm".into(), ..exists(Path::new("/"), false) };
    let mut again = target(unknown);
    again.digest = plain("other.service").digest;
    node.apply([again]).await;
    assert!(node.handle.act(act("app.target", UnitAct::Start)).await.ok);
    let status = node.is("app.target", "active").await;
    assert_eq!(status.unenforced[0].directive, "ConditionSecurity=cvm");
}

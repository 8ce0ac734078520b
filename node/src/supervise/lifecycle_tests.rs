//! What becomes of units over stops, refusals, reloads and new agents: the engine with a supervisor without processes.

use super::fake::Fake;
use super::tests::{act, attach, config, desired, in_an_hour, name, node, plain, service};
use super::{Admission, ApplyError, Assigned, Everything, UnitAct};
use fleet_units::bundle::{Bundle, SourceFile};
use fleet_units::diagnostic::Reason;
use fleet_units::ids::{Sha256Digest, UnitName};
use fleet_units::spec::{FilesChange, Restart, ServiceType, Start, UnitSpec};
use fleet_units::testing::command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

fn needs(unit: &str, other: &str) -> Assigned {
    service(unit, |unit, _| {
        unit.requires = [name(other)].into();
        unit.after = [name(other)].into();
    })
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_of_everything_nothing_is_applied_and_the_next_agent_starts_it_again() {
    let fake = Fake::default();
    let units = || [plain("db.service"), needs("web.service", "db.service")];
    let node = attach(fake.clone(), config(Everything));
    node.apply(units()).await;
    node.is("web.service", "running").await;
    node.handle.stop_all().await;
    assert_eq!(node.handle.apply(desired(units())).await, Err(ApplyError::Stopping));
    drop(node);
    let node = attach(fake, config(Everything));
    assert_eq!(node.apply(units()).await, ["start db.service", "start web.service"]);
    node.is("web.service", "running").await;
}

#[tokio::test(start_paused = true)]
async fn what_a_stop_took_along_comes_back_with_the_next_start() {
    let node = node();
    let units = || [plain("db.service"), needs("web.service", "db.service"), needs("job.service", "web.service")];
    node.apply(units()).await;
    node.is("job.service", "running").await;
    assert!(node.handle.act(act("db.service", UnitAct::Stop(None))).await.ok);
    assert_eq!(node.is("web.service", "dead").await.reason.unwrap().code, "dependency");
    assert!(node.handle.act(act("db.service", UnitAct::Start)).await.ok);
    node.is("job.service", "running").await;
    assert!(node.handle.act(act("job.service", UnitAct::Stop(None))).await.ok);
    assert_eq!(node.is("job.service", "dead").await.reason, None, "this one was meant itself");
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_with_a_held_unit_comes_back_with_it_also_under_a_new_agent() {
    let fake = Fake::default();
    let units = || [plain("db.service"), needs("web.service", "db.service")];
    let node = attach(fake.clone(), config(Everything));
    node.apply(units()).await;
    node.is("web.service", "running").await;
    assert!(node.handle.act(act("db.service", UnitAct::Stop(in_an_hour()))).await.ok);
    let holds = node.handle.holds().borrow().clone();
    drop(node);
    let mut config = config(Everything);
    config.holds = holds;
    let node = attach(fake, config);
    node.apply(units()).await;
    assert!(node.handle.act(act("db.service", UnitAct::Start)).await.ok);
    node.is("web.service", "running").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_bound_to_a_failed_unit_comes_back_with_it() {
    let node = node();
    let bound = service("web.service", |unit, service| {
        unit.binds_to = [name("db.service")].into();
        unit.after = [name("db.service")].into();
        service.restart = Restart::Always;
    });
    node.apply([plain("db.service"), bound]).await;
    node.is("web.service", "running").await;
    node.fake.exit("db.service", "main", 1);
    assert_eq!(node.is("web.service", "dead").await.reason.unwrap().code, "dependency");
    assert!(node.handle.act(act("db.service", UnitAct::Start)).await.ok);
    node.is("web.service", "running").await;
}

/// Refuses /bin/forbidden as long as the switch is off; counts what it was asked.
#[derive(Clone, Default)]
struct Gate {
    open: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
}

impl Admission for Gate {
    fn admit(&mut self, unit: &UnitSpec) -> Result<(), Reason> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let forbidden = unit.service().is_some_and(|service| service.exec_start[0].program == "/bin/forbidden");
        let refused = forbidden && !self.open.load(Ordering::Relaxed);
        if refused { Err(Reason::new("claimed-elsewhere", "test-2 has it")) } else { Ok(()) }
    }

    fn forget(&mut self, _: &UnitName) {}
}

fn forbidden(unit: &str) -> Assigned {
    service(unit, |_, service| service.exec_start = vec![command("/bin/forbidden")])
}

#[tokio::test(start_paused = true)]
async fn a_refused_unit_is_not_started_by_others_and_not_stopped_by_the_plan() {
    let node = attach(Fake::default(), config(Gate::default()));
    let wants = service("wants.service", |unit, _| {
        unit.wants = [name("bad.service")].into();
        unit.on_failure = [name("bad.service")].into();
    });
    let units = || [forbidden("bad.service"), wants.clone(), needs("web.service", "bad.service")];
    for _ in 0..2 {
        let plan = node.apply(units()).await;
        assert!(!plan.iter().any(|step| step.ends_with(" bad.service")), "{plan:?}");
    }
    node.is("wants.service", "running").await;
    let web = node.until("web.service", |status| status.reason.is_some()).await;
    assert_eq!(web.reason.unwrap().code, "dependency-refused");
    node.fake.exit("wants.service", "main", 1);
    node.is("wants.service", "failed").await;
    assert!(!node.fake.log().iter().any(|line| line.contains("forbidden")));
}

#[tokio::test(start_paused = true)]
async fn a_refused_unit_is_asked_for_again_and_starts_once_it_is_admitted() {
    let gate = Gate::default();
    let node = attach(Fake::default(), config(gate.clone()));
    node.apply([forbidden("bad.service"), needs("web.service", "bad.service")]).await;
    node.until("bad.service", |status| status.reason.is_some()).await;
    gate.open.store(true, Ordering::Relaxed);
    node.is("bad.service", "running").await;
    node.is("web.service", "running").await;
    let asked = gate.asked.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(gate.asked.load(Ordering::Relaxed), asked, "nothing is refused any more");
}

#[tokio::test(start_paused = true)]
async fn a_new_agent_admits_what_runs_again() {
    let fake = Fake::default();
    let node = attach(fake.clone(), config(Everything));
    node.apply([plain("web.service")]).await;
    node.is("web.service", "running").await;
    drop(node);
    let gate = Gate::default();
    let node = attach(fake, config(gate.clone()));
    assert_eq!(node.apply([plain("web.service")]).await, ["keep web.service"]);
    assert_eq!(gate.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn under_a_new_agent_a_refused_change_never_runs_whether_the_old_form_is_known_or_not() {
    for known in [true, false] {
        let fake = Fake::default();
        let old = service("web.service", |_, service| service.restart = Restart::Always);
        let node = attach(fake.clone(), config(Everything));
        node.apply([old.clone()]).await;
        let before = node.is("web.service", "running").await;
        drop(node);
        let mut config = config(Gate::default());
        if known {
            let form = (old.spec.clone(), old.bundle.clone());
            config.earlier = Box::new(move |_, _| Some(form.clone()));
        }
        let node = attach(fake.clone(), config);
        node.apply([forbidden("web.service")]).await;
        let after = node.until("web.service", |status| status.reason.is_some()).await;
        assert_eq!((after.main_pid, after.sub_state.as_str()), (before.main_pid, "running"));
        fake.exit("web.service", "main", 1);
        match known {
            true => drop(node.until("web.service", |status| status.restarts == 1 && status.main_pid > 0).await),
            false => drop(node.is("web.service", "failed").await),
        }
        assert!(!fake.log().iter().any(|line| line.contains("forbidden")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_a_new_agent_cannot_read_runs_on() {
    let fake = Fake::default();
    let node = attach(fake.clone(), config(Everything));
    node.apply([plain("web.service")]).await;
    let before = node.is("web.service", "running").await;
    drop(node);
    let node = attach(fake.clone(), config(Everything));
    let mut unread = desired([]);
    unread.refused.insert(name("web.service"), Reason::new("unsupported-by-agent", "what is this"));
    node.handle.apply(unread).await.unwrap();
    let after = node.is("web.service", "running").await;
    assert_eq!((after.main_pid, after.digest), (before.main_pid, before.digest));
    assert_eq!(node.apply([]).await, ["stop web.service"]);
    node.handle.statuses().wait_for(|all| all.is_empty()).await.unwrap();
}

/// A service whose files made the only difference: it reloads.
fn reloading(content: &str) -> Assigned {
    let mut assigned = service("web.service", |unit, service| {
        service.exec_reload = vec![command("/bin/reload")];
        unit.fleet.files_change = FilesChange::Reload;
        unit.delivered.insert("a/x.conf".into(), Sha256Digest::of(content.as_bytes()));
    });
    assigned.digest = Sha256Digest::of(content.as_bytes());
    let file = SourceFile::new(false, content.as_bytes());
    assigned.bundle = Arc::new(Bundle { files: [("files/a/x.conf".to_owned(), file)].into() });
    assigned
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_comes_during_another_is_done_after_it_and_a_failed_one_is_told() {
    let files = tempfile::tempdir().unwrap();
    let mut config = config(Everything);
    config.host.files = files.path().to_owned();
    let node = attach(Fake::default(), config);
    node.apply([reloading("one")]).await;
    node.is("web.service", "running").await;
    for content in ["two", "three"] {
        assert_eq!(node.apply([reloading(content)]).await, ["reload web.service"]);
        node.until("web.service", |status| status.sub_state == "reload").await;
    }
    tokio::task::yield_now().await;
    node.fake.exit("web.service", "control", 0);
    loop {
        tokio::task::yield_now().await;
        if node.fake.world().spawns.iter().filter(|spawn| spawn.program == "/bin/reload").count() == 2 {
            break;
        }
    }
    assert_ne!(node.is("web.service", "reload").await.digest, Some(reloading("three").digest));
    node.fake.exit("web.service", "control", 0);
    node.until("web.service", |status| status.digest == Some(reloading("three").digest)).await;
    node.apply([reloading("four")]).await;
    node.is("web.service", "reload").await;
    node.fake.exit("web.service", "control", 1);
    let failed = node.until("web.service", |status| status.reason.is_some()).await;
    assert_eq!((failed.sub_state.as_str(), failed.reason.unwrap().code.as_str()), ("running", "reload-failed"));
    assert_eq!(failed.digest, Some(reloading("three").digest));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_a_stop_replaces_is_not_told_to_have_worked() {
    let node = node();
    let slow = || service("db.service", |_, service| service.service_type = ServiceType::Notify);
    let manual = || {
        let mut web = needs("web.service", "db.service");
        Arc::make_mut(&mut web.spec).fleet.start = Start::Manual;
        web
    };
    node.apply([slow(), manual()]).await;
    node.is("db.service", "start").await;
    let stop = async {
        tokio::task::yield_now().await;
        node.handle.act(act("web.service", UnitAct::Stop(None))).await
    };
    let (started, stopped) = tokio::join!(node.handle.act(act("web.service", UnitAct::Start)), stop);
    assert!(stopped.ok && !started.ok && started.error.contains("something else"), "{}", started.error);
}

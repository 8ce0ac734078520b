//! The engine with a supervisor without processes and paused time.

use super::fake::Fake;
use super::spawn::Host;
use super::{Act, Admission, Assigned, Config, Desired, Engine, Everything, Handle, Places, SystemClock, UnitAct};
use crate::host_units::HostUnits;
use fleet_units::bundle::Bundle;
use fleet_units::diagnostic::Reason;
use fleet_units::ids::{Sha256Digest, UnitName};
use fleet_units::spec::{KindSpec, NotifyAccess, Restart, ServiceSpec, ServiceType, Start, UnitSpec};
use fleet_units::status::{ActiveState, Health, Hold, UnitStatus};
use fleet_units::testing::{command, unit};
use fleet_units::time::Timestamp;
use nix::unistd::Uid;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

pub(super) fn config(admission: impl Admission + 'static) -> Config {
    Config {
        host: Host {
            node: "test-1".parse().unwrap(),
            environment: "test".parse().unwrap(),
            user: Uid::effective(),
            places: Places::of_the_system(),
            files: std::env::temp_dir().join("fleet-no-files"),
        },
        holds: BTreeMap::new(),
        completed: BTreeMap::new(),
        host_units: HostUnits::in_folder("/nonexistent"),
        admission: Box::new(admission),
        earlier: Box::new(|_, _| None),
        stamps: BTreeMap::new(),
        clock: Box::new(SystemClock),
    }
}

pub(super) struct Node {
    pub(super) fake: Fake,
    pub(super) handle: Handle,
}

pub(super) fn node() -> Node {
    attach(Fake::default(), config(Everything))
}

pub(super) fn attach(fake: Fake, config: Config) -> Node {
    let (table, events) = fake.attach();
    Node { handle: Engine::start(fake.clone(), table, events, config), fake }
}

pub(super) fn name(text: &str) -> UnitName {
    text.parse().unwrap()
}

pub(super) fn service(text: &str, change: impl FnOnce(&mut UnitSpec, &mut ServiceSpec)) -> Assigned {
    let spec = unit(text, |unit| {
        let KindSpec::Service(service) = &unit.kind else { panic!("not a service") };
        let mut service = service.clone();
        change(unit, &mut service);
        let lines: Vec<&str> = service.exec_start.iter().map(|command| command.program.as_str()).collect();
        unit.values.set("Service", "ExecStart", &lines);
        unit.kind = KindSpec::Service(service);
    });
    let digest = Sha256Digest::of(format!("{spec:?}").as_bytes());
    let revision = "a".repeat(40).parse().unwrap();
    Assigned { spec: Arc::new(spec), bundle: Arc::new(Bundle::default()), digest, revision }
}

pub(super) fn plain(text: &str) -> Assigned {
    service(text, |_, _| {})
}

pub(super) fn desired(units: impl IntoIterator<Item = Assigned>) -> Desired {
    let units = units.into_iter().map(|unit| (unit.spec.name.clone(), unit)).collect();
    Desired { units, refused: BTreeMap::new() }
}

pub(super) fn act(unit: &str, action: UnitAct) -> Act {
    Act { unit: name(unit), action, who: "ann".into(), why: "because".into(), no_block: false }
}

pub(super) fn in_an_hour() -> Option<Timestamp> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Some(Timestamp::default().after(since + Duration::from_secs(3600)))
}

impl Node {
    pub(super) async fn apply(&self, units: impl IntoIterator<Item = Assigned>) -> Vec<String> {
        let plan = self.handle.apply(desired(units)).await.unwrap();
        plan.steps.iter().map(|step| format!("{} {}", step.action.as_str(), step.unit)).collect()
    }

    /// Waits for a unit to be as described; paused time passes meanwhile.
    pub(super) async fn until(&self, unit: &str, what: impl Fn(&UnitStatus) -> bool) -> UnitStatus {
        let mut statuses = self.handle.statuses();
        let reached = async {
            loop {
                if let Some(status) = statuses.borrow_and_update().get(&name(unit)).filter(|status| what(status)) {
                    return status.clone();
                }
                statuses.changed().await.expect("the engine runs");
            }
        };

        let limit = Duration::from_secs(7200);
        match timeout(limit, reached).await {
            Ok(status) => status,
            Err(_) => panic!("{unit} stays {:?}", self.handle.statuses().borrow().get(&name(unit))),
        }
    }

    pub(super) async fn is(&self, unit: &str, sub_state: &str) -> UnitStatus {
        self.until(unit, |status| status.sub_state == sub_state).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_the_host_runs_meets_a_requirement_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let host_units = HostUnits::in_folder(folder.path());
    let node = attach(Fake::default(), Config { host_units, ..config(Everything) });
    let web = || service("web.service", |unit, _| unit.requires = [name("db.service")].into());
    node.apply([web()]).await;
    let status = node.until("web.service", |status| status.reason.is_some()).await;
    assert_eq!(status.reason.unwrap().code, "dependency-missing");
    std::os::unix::fs::symlink("x", folder.path().join("invocation:db.service")).unwrap();
    node.handle.act(act("web.service", UnitAct::Start)).await;
    node.is("web.service", "running").await;
}

#[tokio::test(start_paused = true)]
async fn units_start_in_order_and_a_second_apply_does_nothing() {
    let node = node();
    let units = || {
        let web = service("web.service", |unit, service| {
            unit.requires = [name("db.service")].into();
            unit.after = [name("db.service")].into();
            service.exec_start = vec![command("/bin/web")];
        });
        let db = service("db.service", |_, service| service.service_type = ServiceType::Notify);
        [web, db]
    };
    assert_eq!(node.apply(units()).await, ["start db.service", "start web.service"]);
    node.is("db.service", "start").await;
    assert_eq!(node.fake.log(), ["spawn db.service /bin/main"]);
    // NotifyAccess= is none here: nobody is listened to, so the start times out and web fails with it.
    node.fake.notify("db.service", "READY=1");
    let status = node.is("db.service", "failed").await;
    assert_eq!(status.result, "timeout");
    let status = node.until("web.service", |status| status.reason.is_some()).await;
    assert_eq!(status.reason.unwrap().code, "dependency");
    assert_eq!(node.apply(units()).await, ["keep db.service", "start web.service"], "it never had its start");
}

#[tokio::test(start_paused = true)]
async fn a_notify_unit_is_up_when_it_says_so_and_what_waits_for_it_starts_then() {
    let node = node();
    let db = service("db.service", |_, service| {
        service.service_type = ServiceType::Notify;
        service.notify_access = NotifyAccess::Main;
    });
    let web = service("web.service", |unit, _| unit.after = [name("db.service")].into());
    node.apply([web, db]).await;
    node.until("db.service", |status| status.sub_state == "start" && status.main_pid > 0).await;
    assert_eq!(node.fake.log(), ["spawn db.service /bin/main"]);
    node.fake.notify("db.service", "READY=1");
    node.is("db.service", "running").await;
    node.is("web.service", "running").await;
}

#[tokio::test(start_paused = true)]
async fn a_crashed_unit_restarts_and_a_converged_node_plans_nothing() {
    let node = node();
    let web = || service("web.service", |_, service| service.restart = Restart::Always);
    node.apply([web()]).await;
    let first = node.is("web.service", "running").await;
    node.fake.exit("web.service", "main", 3);
    let again = node.until("web.service", |status| status.restarts == 1 && status.sub_state == "running").await;
    assert_ne!((first.main_pid, first.invocation_id), (again.main_pid, again.invocation_id));
    assert_eq!(node.apply([web()]).await, ["keep web.service"]);
    assert_eq!(node.fake.world().spawns.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_changed_command_restarts_a_description_does_not_and_a_removed_unit_goes() {
    let node = node();
    node.apply([plain("web.service")]).await;
    let before = node.is("web.service", "running").await;
    let described = service("web.service", |unit, _| {
        unit.description = "new".into();
        unit.values.set("Unit", "Description", &["new"]);
    });
    let digest = described.digest;
    assert_eq!(node.apply([described]).await, ["update web.service"]);
    let after = node.until("web.service", |status| status.digest == Some(digest)).await;
    assert_eq!(after.main_pid, before.main_pid);
    let changed = service("web.service", |_, service| service.exec_start = vec![command("/bin/new")]);
    assert_eq!(node.apply([changed]).await, ["restart web.service"]);
    node.until("web.service", |status| status.main_pid != before.main_pid && status.main_pid > 0).await;
    node.fake.log();
    assert_eq!(node.apply([]).await, ["stop web.service"]);
    let mut statuses = node.handle.statuses();
    statuses.wait_for(|all| all.is_empty()).await.unwrap();
    assert_eq!(node.fake.distinct(), ["signal web.service 15", "forget web.service"]);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_is_missing_fails_the_start_and_says_which_number() {
    let node = node();
    node.fake.world().missing.push("/bin/main".into());
    node.apply([plain("web.service")]).await;
    let status = node.is("web.service", "failed").await;
    assert_eq!(status.result, "exit-code");
    assert!(status.reason.unwrap().text.contains("203"));
    let result = node.handle.act(act("web.service", UnitAct::Start)).await;
    assert!(!result.ok && result.error.contains("203"), "{}", result.error);
    assert_eq!(node.apply([plain("web.service")]).await, ["keep web.service"], "a failed unit is left alone");
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_a_hold_that_ends_by_a_start_or_by_its_time() {
    let node = node();
    node.apply([plain("web.service")]).await;
    node.is("web.service", "running").await;
    let result = node.handle.act(act("web.service", UnitAct::Stop(in_an_hour()))).await;
    assert!(result.ok);
    assert_eq!(result.status.unwrap().held.unwrap().who, "ann");
    assert_eq!(node.handle.holds().borrow().len(), 1);
    assert_eq!(node.apply([plain("web.service")]).await, ["keep web.service"]);
    node.is("web.service", "running").await; // an hour of paused time later
    assert!(node.handle.holds().borrow().is_empty());
    node.handle.act(act("web.service", UnitAct::Stop(in_an_hour()))).await;
    assert!(node.handle.act(act("web.service", UnitAct::Start)).await.ok);
    assert_eq!(node.is("web.service", "running").await.held, None);
}

#[tokio::test(start_paused = true)]
async fn what_a_hold_on_another_unit_stopped_comes_back_with_it() {
    let needs = |unit_name: &str, other: &str| {
        service(unit_name, |unit, _| {
            unit.requires = [name(other)].into();
            unit.after = [name(other)].into();
        })
    };
    let node = node();
    node.apply([plain("db.service"), needs("web.service", "db.service"), needs("job.service", "web.service")]).await;
    node.is("job.service", "running").await;
    assert!(node.handle.act(act("db.service", UnitAct::Stop(in_an_hour()))).await.ok);
    let stopped = node.is("job.service", "dead").await;
    assert_eq!(stopped.reason.unwrap().code, "dependency");
    assert!(node.handle.act(act("db.service", UnitAct::Start)).await.ok);
    node.is("web.service", "running").await;
    let back = node.is("job.service", "running").await;
    assert_eq!(back.reason, None);
}

#[tokio::test(start_paused = true)]
async fn a_stored_hold_keeps_a_unit_down_from_the_start() {
    let mut config = config(Everything);
    let hold = Hold { who: "ann".into(), why: String::new(), until: in_an_hour().unwrap() };
    config.holds.insert(name("web.service"), hold);
    let node = attach(Fake::default(), config);
    node.apply([plain("web.service")]).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(node.fake.log().is_empty());
    node.handle.set_hold(name("web.service"), None).await;
    node.is("web.service", "running").await;
}

#[tokio::test(start_paused = true)]
async fn a_oneshot_that_completed_does_not_run_again_because_the_supervisor_is_a_new_one() {
    let oneshot = |program: &str| {
        let program = program.to_owned();
        service("migrate.service", move |_, service| {
            service.service_type = ServiceType::Oneshot;
            service.exec_start = vec![command(&program)];
        })
    };
    let mut config = config(Everything);
    config.completed.insert(name("migrate.service"), oneshot("/bin/one").digest);
    let node = attach(Fake::default(), config);
    assert_eq!(node.apply([oneshot("/bin/one")]).await, ["keep migrate.service"]);
    let kept = node.is("migrate.service", "dead").await;
    assert!(kept.completed && kept.digest.is_some());
    assert_eq!(node.apply([oneshot("/bin/two")]).await, ["start migrate.service"], "a new digest runs");
}

#[tokio::test(start_paused = true)]
async fn a_oneshot_that_remains_has_completed_until_it_is_stopped() {
    let node = node();
    let up = service("network.service", |_, service| {
        service.service_type = ServiceType::Oneshot;
        service.remain_after_exit = true;
    });
    node.apply([up]).await;
    node.is("network.service", "start").await;
    node.fake.exit("network.service", "main", 0);
    assert!(node.is("network.service", "exited").await.completed);
    assert!(node.handle.act(act("network.service", UnitAct::Stop(in_an_hour()))).await.ok);
    assert!(!node.is("network.service", "dead").await.completed);
}

#[tokio::test(start_paused = true)]
async fn a_new_agent_continues_and_touches_nothing() {
    let fake = Fake::default();
    let units = || {
        let oneshot = service("setup.service", |_, service| service.service_type = ServiceType::Oneshot);
        let crashing = service("crash.service", |_, service| service.restart = Restart::Always);
        [plain("web.service"), oneshot, crashing]
    };
    let node = attach(fake.clone(), config(Everything));
    node.apply(units()).await;
    node.is("setup.service", "start").await;
    fake.exit("setup.service", "main", 0);
    assert!(node.is("setup.service", "dead").await.completed);
    fake.exit("crash.service", "main", 1);
    node.until("crash.service", |status| status.restarts == 1 && status.sub_state == "running").await;
    let before = node.is("web.service", "running").await;
    drop(node);
    let node = attach(fake.clone(), config(Everything));
    fake.log();
    assert_eq!(node.apply(units()).await, ["keep crash.service", "keep setup.service", "keep web.service"]);
    let after = node.is("web.service", "running").await;
    assert_eq!((after.main_pid, after.invocation_id), (before.main_pid, before.invocation_id));
    assert_eq!(node.is("crash.service", "running").await.restarts, 1);
    assert!(node.is("setup.service", "dead").await.completed);
    assert!(fake.log().is_empty());
    fake.exit("web.service", "main", 1);
    assert_eq!(node.is("web.service", "failed").await.result, "exit-code");
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_ignores_sigterm_is_killed_and_everything_stops_in_order() {
    let node = node();
    node.fake.world().stubborn.push("web.service".into());
    let web = service("web.service", |unit, _| {
        unit.requires = [name("db.service")].into();
        unit.after = [name("db.service")].into();
    });
    node.apply([web, plain("db.service")]).await;
    node.is("web.service", "running").await;
    node.fake.log();
    node.handle.stop_all().await;
    let expected = ["signal web.service 15", "signal web.service 9", "signal web.service 15", "signal db.service 15"];
    assert_eq!(node.fake.distinct(), expected, "the third is the final one, for what web.service left");
    assert!(node.handle.statuses().borrow().values().all(|status| status.main_pid == 0));
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_unit_restarts() {
    let node = node();
    node.apply([service("web.service", |_, service| service.restart = Restart::OnFailure)]).await;
    node.is("web.service", "running").await;
    node.handle.report_health(name("web.service"), Health::Unhealthy, None).await;
    let status = node.is("web.service", "auto-restart").await;
    assert_eq!((status.result.as_str(), status.reason.unwrap().code.as_str()), ("watchdog", "unhealthy"));
    node.is("web.service", "running").await;
}

#[derive(Default)]
struct Nobody;

impl Admission for Nobody {
    fn admit(&mut self, unit: &UnitSpec) -> Result<(), Reason> {
        let refuses = unit.service().is_some_and(|service| service.exec_start[0].program == "/bin/forbidden");
        if refuses { Err(Reason::new("policy", "exec_prefix does not allow /bin/forbidden")) } else { Ok(()) }
    }

    fn forget(&mut self, _: &UnitName) {}
}

#[tokio::test(start_paused = true)]
async fn a_refused_unit_is_shown_with_its_reason_and_a_refused_change_keeps_what_runs() {
    let node = attach(Fake::default(), config(Nobody));
    let forbidden = |unit: &str| service(unit, |_, service| service.exec_start = vec![command("/bin/forbidden")]);
    node.apply([plain("web.service"), forbidden("bad.service")]).await;
    let before = node.is("web.service", "running").await;
    let bad = node.until("bad.service", |status| status.reason.is_some()).await;
    assert_eq!((bad.active_state, bad.reason.unwrap().code.as_str()), (ActiveState::Inactive, "policy"));
    node.apply([forbidden("web.service"), plain("bad.service")]).await;
    node.is("bad.service", "running").await;
    let after = node.until("web.service", |status| status.reason.is_some()).await;
    assert_eq!((after.main_pid, after.digest), (before.main_pid, before.digest));
    assert!(!node.handle.act(act("web.service", UnitAct::Restart)).await.ok);
}

#[tokio::test(start_paused = true)]
async fn a_person_is_told_when_there_is_no_such_unit_and_manual_units_wait_for_one() {
    let node = node();
    let manual = service("tool.service", |unit, _| unit.fleet.start = Start::Manual);
    assert_eq!(node.apply([manual]).await, ["update tool.service"]);
    let result = node.handle.act(act("nope.service", UnitAct::Start)).await;
    assert!(!result.ok && result.error.contains("no unit nope.service"));
    assert!(!node.handle.statuses().borrow()[&name("tool.service")].wanted);
    assert!(node.handle.act(act("tool.service", UnitAct::Start)).await.ok);
    assert!(!node.handle.act(act("tool.service", UnitAct::Reload)).await.ok, "it has no ExecReload");
}

#[tokio::test]
async fn one_changed_unit_among_a_hundred_is_asked_for_within_a_millisecond() {
    let node = node();
    let units = |seed: u32| {
        (0..100).map(move |index| {
            let program = if index == 50 { format!("/bin/v{seed}") } else { "/bin/main".to_owned() };
            service(&format!("u{index}.service"), |_, service| service.exec_start = vec![command(&program)])
        })
    };
    node.apply(units(0)).await;
    node.is("u50.service", "running").await;
    let mut best = Duration::MAX;
    for seed in 1..10 {
        let next = desired(units(seed));
        let began = std::time::Instant::now();
        node.handle.apply(next).await.unwrap();
        let program = format!("/bin/v{seed}");
        while !node.fake.world().spawns.iter().any(|spawn| spawn.program == program) {
            tokio::task::yield_now().await;
        }
        best = best.min(began.elapsed());
        let digest = Some(units(seed).nth(50).unwrap().digest);
        node.until("u50.service", |status| status.digest == digest && status.sub_state == "running").await;
    }
    println!("apply to spawn: {best:?}");
    // Unoptimised and on a busy machine; the optimised figure is a small part of it.
    assert!(best < Duration::from_millis(20), "{best:?}");
}

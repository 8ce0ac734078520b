//! What one unit's start, stop, reload or end does to others: the dependencies of systemd.unit(5), one by one, in the
//! engine with a supervisor without processes.

use super::tests::{act, name, node, plain, service};
use super::{Assigned, UnitAct};
use fleet_units::spec::condition::{Condition, Subject};
use fleet_units::spec::details::{JobMode, UnitDetails};
use fleet_units::spec::{Restart, ServiceType, Start, UnitSpec};
use fleet_units::testing::command;
use std::collections::BTreeSet;
use std::time::Duration;

fn units<const N: usize>(names: [&str; N]) -> BTreeSet<fleet_units::ids::UnitName> {
    names.into_iter().map(name).collect()
}

fn with(unit: &str, change: impl FnOnce(&mut UnitSpec)) -> Assigned {
    service(unit, |unit, _| change(unit))
}

fn detailed(unit: &str, change: impl FnOnce(&mut UnitDetails)) -> Assigned {
    with(unit, |unit| change(unit.details.get_or_insert_default()))
}

/// Never met.
fn unmet() -> Condition {
    let (subject, argument) = (Subject::PathExists, "/no/such/path".to_owned());
    Condition { assert: false, trigger: false, negate: false, subject, argument }
}

#[tokio::test(start_paused = true)]
async fn a_requisite_is_not_started_and_fails_the_start_when_it_is_down_or_skipped() {
    let node = node();
    let db = with("db.service", |unit| unit.conditions = vec![unmet()]);
    let sure = with("sure.service", |unit| {
        unit.requisite = units(["db.service"]);
        unit.after = units(["db.service"]);
    });
    let bound = with("bound.service", |unit| {
        unit.binds_to = units(["db.service"]);
        unit.after = units(["db.service"]);
    });
    let loose = with("loose.service", |unit| unit.binds_to = units(["db.service"]));
    node.apply([db, sure, bound, loose]).await;
    for unit in ["sure.service", "bound.service", "loose.service"] {
        let status = node.until(unit, |status| status.reason.is_some() && status.main_pid == 0).await;
        assert_eq!(status.reason.unwrap().code, "dependency", "{unit}");
    }
    node.is("loose.service", "dead").await;
}

#[tokio::test(start_paused = true)]
async fn a_part_stops_and_restarts_with_the_whole_and_the_whole_not_with_it() {
    let node = node();
    let part = with("part.service", |unit| unit.part_of = units(["whole.service"]));
    node.apply([plain("whole.service"), part]).await;
    let first = node.until("part.service", |status| status.main_pid > 0).await;
    let whole = node.until("whole.service", |status| status.main_pid > 0).await;
    assert!(node.handle.act(act("whole.service", UnitAct::Restart)).await.ok);
    let second = node.until("part.service", |status| status.main_pid > 0 && status.main_pid != first.main_pid).await;
    let whole = node.until("whole.service", |status| status.main_pid > 0 && status.main_pid != whole.main_pid).await;
    assert!(node.handle.act(act("part.service", UnitAct::Restart)).await.ok);
    node.until("part.service", |status| status.main_pid > 0 && status.main_pid != second.main_pid).await;
    assert_eq!(node.is("whole.service", "running").await.main_pid, whole.main_pid);
    assert!(node.handle.act(act("whole.service", UnitAct::Stop(None))).await.ok);
    node.is("part.service", "dead").await;
}

#[tokio::test(start_paused = true)]
async fn what_conflicts_goes_down_before_the_other_comes_up_whoever_says_so() {
    let node = node();
    let new = with("new.service", |unit| {
        unit.conflicts = units(["old.service"]);
        unit.fleet.start = Start::Manual;
    });
    node.apply([plain("old.service"), new]).await;
    node.is("old.service", "running").await;
    node.fake.log();
    assert!(node.handle.act(act("new.service", UnitAct::Start)).await.ok);
    assert_eq!(node.fake.distinct(), ["signal old.service 15", "spawn new.service /bin/main"]);
    assert!(node.handle.act(act("old.service", UnitAct::Start)).await.ok);
    assert_eq!(node.is("new.service", "dead").await.main_pid, 0);
}

#[tokio::test(start_paused = true)]
async fn an_upheld_unit_is_started_again_whenever_it_is_found_down() {
    let node = node();
    let keeper = detailed("keeper.service", |details| details.upholds = units(["web.service"]));
    let manual = |unit: &str| with(unit, |unit| unit.fleet.start = Start::Manual);
    node.apply([keeper, manual("web.service")]).await;
    let mut last = node.is("web.service", "running").await.main_pid;
    for code in [1, 0, 3] {
        node.fake.exit("web.service", "main", code);
        last = node.until("web.service", |status| status.main_pid > 0 && status.main_pid != last).await.main_pid;
    }
    // A person's stop with a hold stays; without, it comes back.
    assert!(node.handle.act(act("web.service", UnitAct::Stop(None))).await.ok);
    last = node.until("web.service", |status| status.main_pid > last).await.main_pid;
    assert!(node.handle.act(act("web.service", UnitAct::Stop(super::tests::in_an_hour()))).await.ok);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(node.is("web.service", "dead").await.main_pid, 0);
    assert!(node.handle.act(act("keeper.service", UnitAct::Stop(None))).await.ok);
    assert!(node.handle.act(act("web.service", UnitAct::Start)).await.ok);
    let now = node.until("web.service", |status| status.main_pid > last).await;
    node.fake.exit("web.service", "main", 1);
    node.is("web.service", "failed").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(node.is("web.service", "failed").await.restarts, now.restarts, "nobody upholds it any more");
}

#[tokio::test(start_paused = true)]
async fn upholding_keeps_to_the_start_limit_and_never_spins() {
    let node = node();
    let keeper = detailed("keeper.service", |details| details.upholds = units(["bad.service", "skipped.service"]));
    let bad = service("bad.service", |unit, service| {
        service.exec_start = vec![command("/bin/missing")];
        unit.fleet.start = Start::Manual;
    });
    let skipped = with("skipped.service", |unit| {
        unit.conditions = vec![unmet()];
        unit.fleet.start = Start::Manual;
    });
    node.fake.world().missing.push("/bin/missing".into());
    node.apply([keeper, bad, skipped]).await;
    node.until("bad.service", |status| status.result == "start-limit-hit").await;
    assert_eq!(node.fake.log().iter().filter(|line| line.contains("missing")).count(), 5, "StartLimitBurst=");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let more = node.fake.log().iter().filter(|line| line.contains("missing")).count();
    assert!((5..=35).contains(&more), "{more} in a minute: it goes on, at the pace of the limit");
}

#[tokio::test(start_paused = true)]
async fn a_reload_is_passed_on_also_by_a_unit_that_cannot_reload_itself() {
    let node = node();
    let front = detailed("front.service", |details| details.propagates_reload_to = units(["back.service"]));
    let reloads = |unit: &str, from: Option<&str>| {
        service(unit, |unit, service| {
            service.exec_reload = vec![command("/bin/reload")];
            let details = unit.details.get_or_insert_default();
            details.reload_propagated_from = from.into_iter().map(name).collect();
        })
    };
    node.apply([front, reloads("back.service", None), reloads("side.service", Some("front.service"))]).await;
    for unit in ["front.service", "back.service", "side.service"] {
        node.is(unit, "running").await;
    }
    node.fake.log();
    assert!(node.handle.act(act("front.service", UnitAct::Reload)).await.ok);
    for unit in ["back.service", "side.service"] {
        node.is(unit, "reload").await;
        node.fake.exit(unit, "control", 0);
        node.is(unit, "running").await;
    }
    assert_eq!(node.fake.log(), ["spawn back.service /bin/reload", "spawn side.service /bin/reload"]);
    assert!(!node.handle.act(act("back.service", UnitAct::Restart)).await.error.contains("reload"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_passed_on_and_so_is_an_end_but_not_a_restart() {
    let node = node();
    let all = || {
        [
            detailed("a.service", |details| details.propagates_stop_to = units(["b.service"])),
            plain("b.service"),
            detailed("c.service", |details| details.stop_propagated_from = units(["a.service"])),
        ]
    };
    node.apply(all()).await;
    let before = node.until("b.service", |status| status.main_pid > 0).await.main_pid;
    node.until("a.service", |status| status.main_pid > 0).await;
    assert!(node.handle.act(act("a.service", UnitAct::Restart)).await.ok);
    assert_eq!(node.is("b.service", "running").await.main_pid, before, "a restart is not passed on");
    assert!(node.handle.act(act("a.service", UnitAct::Stop(None))).await.ok);
    for unit in ["b.service", "c.service"] {
        assert_eq!(node.is(unit, "dead").await.reason.unwrap().code, "dependency");
    }
    assert!(node.handle.act(act("a.service", UnitAct::Start)).await.ok);
    for unit in ["b.service", "c.service"] {
        node.is(unit, "running").await;
    }
    node.fake.exit("a.service", "main", 1);
    node.is("b.service", "dead").await;
}

#[tokio::test(start_paused = true)]
async fn an_end_triggers_what_it_names_and_the_mode_says_what_a_stop_under_way_means() {
    // It ignores the signal of its stop, so that the stop is under way for long and then counts as failed.
    for (mode, ends) in [(None, "running"), (Some(JobMode::Replace), "running"), (Some(JobMode::Fail), "failed")] {
        let node = node();
        let web = with("web.service", |unit| {
            unit.on_failure = units(["alert.service"]);
            unit.on_success = units(["done.service"]);
            unit.details.get_or_insert_default().on_failure_job_mode = mode;
        });
        node.fake.world().stubborn.push("alert.service".into());
        node.apply([web, plain("alert.service"), plain("done.service")]).await;
        node.is("web.service", "running").await;
        assert!(node.handle.act(act("alert.service", UnitAct::Start)).await.ok);
        let no_block = super::Act { no_block: true, ..act("alert.service", UnitAct::Stop(None)) };
        node.handle.act(no_block).await;
        node.is("alert.service", "stop-sigterm").await;
        node.fake.exit("web.service", "main", 1);
        node.is("web.service", "failed").await;
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert_eq!(node.handle.statuses().borrow()[&name("alert.service")].sub_state, ends, "{mode:?}");
        assert_eq!(node.is("done.service", "dead").await.main_pid, 0, "it did not end well");
        assert!(node.handle.act(act("web.service", UnitAct::Start)).await.ok);
        assert!(node.handle.act(act("web.service", UnitAct::Stop(None))).await.ok);
        node.is("done.service", "running").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_stops_when_unneeded_lives_as_long_as_somebody_needs_it() {
    let node = node();
    let helper = || detailed("helper.service", |details| details.stop_when_unneeded = true);
    let needs = |unit: &str| {
        with(unit, |unit| {
            unit.wants = units(["helper.service"]);
            unit.fleet.start = Start::Manual;
        })
    };
    let plan = node.apply([helper(), needs("a.service"), needs("b.service")]).await;
    assert!(plan.contains(&"update helper.service".to_owned()), "{plan:?}");
    for unit in ["a.service", "b.service"] {
        assert!(node.handle.act(act(unit, UnitAct::Start)).await.ok);
    }
    let helped = node.is("helper.service", "running").await;
    assert!(!helped.wanted);
    assert!(node.handle.act(act("a.service", UnitAct::Stop(None))).await.ok);
    assert_eq!(node.is("helper.service", "running").await.main_pid, helped.main_pid);
    assert!(node.handle.act(act("b.service", UnitAct::Stop(None))).await.ok);
    node.is("helper.service", "dead").await;
    assert!(node.handle.act(act("a.service", UnitAct::Start)).await.ok);
    node.is("helper.service", "running").await;
}

#[tokio::test(start_paused = true)]
async fn people_are_refused_where_a_unit_says_so_and_other_units_are_not() {
    let node = node();
    let shy = detailed("shy.service", |details| {
        details.refuse_manual_start = true;
        details.refuse_manual_stop = true;
    });
    let web = with("web.service", |unit| unit.requires = units(["shy.service"]));
    node.apply([shy, web]).await;
    node.is("shy.service", "running").await;
    for (action, why) in [
        (UnitAct::Start, "RefuseManualStart="),
        (UnitAct::Stop(None), "RefuseManualStop="),
        (UnitAct::Restart, "RefuseManualStart="),
    ] {
        let result = node.handle.act(act("shy.service", action)).await;
        assert!(!result.ok && result.error.contains(why), "{}", result.error);
    }
    assert_eq!(node.apply([]).await, ["stop shy.service", "stop web.service"], "what is not assigned any more goes");
}

#[tokio::test(start_paused = true)]
async fn a_person_s_start_clears_the_start_limit() {
    let node = node();
    let web = service("web.service", |unit, service| {
        service.restart = Restart::Always;
        unit.start_limit_interval = Duration::from_secs(3600);
        unit.start_limit_burst = 2;
    });
    node.apply([web]).await;
    for round in 0..2 {
        for _ in 0..2 {
            node.until("web.service", |status| status.main_pid > 0).await;
            node.fake.exit("web.service", "main", 1);
            node.until("web.service", |status| status.main_pid == 0).await;
        }
        assert_eq!(node.is("web.service", "failed").await.result, "start-limit-hit", "round {round}");
        assert!(node.handle.act(act("web.service", UnitAct::Start)).await.ok);
    }
    node.is("web.service", "running").await;
}

/// Ten units in a chain of pairs: both of a pair start at once, the next pair when both are up.
#[tokio::test(start_paused = true)]
async fn starts_go_side_by_side_as_far_as_the_order_allows() {
    let node = node();
    let unit = |pair: u64, side: &str| {
        service(&format!("u{pair}{side}.service"), |unit, service| {
            service.service_type = ServiceType::Oneshot;
            service.remain_after_exit = true;
            if let Some(before) = pair.checked_sub(1) {
                unit.after = units([&*format!("u{before}a.service"), &*format!("u{before}b.service")]);
            }
        })
    };
    node.apply((0..5).flat_map(|pair| [unit(pair, "a"), unit(pair, "b")])).await;
    for pair in 0..5 {
        for side in ["a", "b"] {
            node.is(&format!("u{pair}{side}.service"), "start").await;
        }
        assert_eq!(node.fake.log().len(), 2, "pair {pair}");
        node.fake.exit(&format!("u{pair}a.service"), "main", 0);
        node.is(&format!("u{pair}a.service"), "exited").await;
        assert_eq!(node.fake.log().len(), 0, "the other one is not up yet");
        node.fake.exit(&format!("u{pair}b.service"), "main", 0);
    }
    node.is("u4b.service", "exited").await;
}

#[tokio::test(start_paused = true)]
async fn stops_go_side_by_side_too() {
    let node = node();
    let names = ["a.service", "b.service", "c.service"];
    node.fake.world().stubborn.extend(names.map(str::to_owned));
    node.apply(names.map(plain)).await;
    for unit in names {
        node.is(unit, "running").await;
    }
    let began = tokio::time::Instant::now();
    node.handle.stop_all().await;
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(90) && took < Duration::from_secs(100),
        "one TimeoutStopSec=, not three: {took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_takes_too_long_is_given_up_and_the_unit_goes_on() {
    let limited = |unit: &str, change: fn(&mut UnitDetails)| {
        service(unit, |unit, service| {
            service.service_type = ServiceType::Oneshot;
            service.timeout_start = None;
            unit.after = units(["first.service"]);
            change(unit.details.get_or_insert_default());
        })
    };
    let first = service("first.service", |_, service| {
        service.service_type = ServiceType::Oneshot;
        service.timeout_start = None;
    });
    let node = node();
    let waits = limited("waits.service", |details| details.job_timeout = Some(Duration::from_secs(60)));
    let runs = limited("runs.service", |details| details.job_running_timeout = Some(Duration::from_secs(60)));
    let after = with("after.service", |unit| {
        unit.requires = units(["runs.service"]);
        unit.after = units(["runs.service"]);
    });
    let began = tokio::time::Instant::now();
    node.apply([first, waits, runs, after]).await;
    let given_up = node.until("waits.service", |status| status.reason.is_some()).await;
    assert_eq!(given_up.reason.unwrap().code, "job-timeout");
    assert_eq!(began.elapsed().as_secs(), 60);
    node.fake.exit("first.service", "main", 0);
    node.is("runs.service", "start").await;
    let given_up = node.until("runs.service", |status| status.reason.is_some()).await;
    assert_eq!((given_up.reason.unwrap().code.as_str(), began.elapsed().as_secs()), ("job-timeout", 120));
    assert_eq!(node.until("after.service", |status| status.reason.is_some()).await.reason.unwrap().code, "dependency");
    node.fake.exit("runs.service", "main", 0);
    let done = node.until("runs.service", |status| status.sub_state == "dead").await;
    assert!(done.completed && done.reason.is_none());
}

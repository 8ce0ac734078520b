//! What makes units start, seen from a user's side: timers, conditions, and what other units ask for.

use fleet_tests::{TestFleet, eventually};
use serde_json::Value;

fn unit<'a>(environment: &'a Value, name: &str) -> &'a Value {
    let units = environment["units"].as_array().expect("units");
    units.iter().find(|unit| unit["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn timers_start_their_units_conditions_skip_theirs_and_units_call_on_each_other() {
    let fleet = TestFleet::up();
    let repository = fleet.repository();
    let out = fleet.dir().join("ticks");
    let tick = format!("[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo tick >> {}'\n", out.display());
    repository.write("units/tick.service", &tick);
    repository.write("units/tick.timer", "[Timer]\nOnActiveSec=0\nOnUnitActiveSec=300ms\nAccuracySec=1us\n");
    repository.write("units/late.timer", "[Timer]\nOnCalendar=2099-01-01 12:00 UTC\nUnit=tick.service\n");
    repository.write(
        "units/elsewhere.service",
        "[Unit]\nConditionPathExists=/no/such/path\n[Service]\nExecStart=/bin/sleep infinity\n",
    );
    repository.write(
        "units/needs.service",
        "[Unit]\nRequires=elsewhere.service\nAfter=elsewhere.service\n[Service]\nExecStart=/bin/sleep infinity\n",
    );
    repository.write("units/fails.service", "[Unit]\nOnFailure=alert.service\n[Service]\nExecStart=/bin/false\n");
    repository.write("units/alert.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    repository
        .write("units/keeper.service", "[Unit]\nUpholds=kept.service\n[Service]\nExecStart=/bin/sleep infinity\n");
    repository.write("units/kept.service", "[Service]\nExecStart=/bin/sleep infinity\n[X-Fleet]\nStart=manual\n");
    repository.commit_and_push("Let units start for many reasons");

    let seen = fleet.wait_for("develop", "everything that starts has started", |seen| {
        let active = |name: &str| unit(seen, name)["active_state"] == "active";
        ["tick.timer", "late.timer", "needs.service", "alert.service", "kept.service"].into_iter().all(active)
    });
    let skipped = unit(&seen, "elsewhere.service");
    assert_eq!(
        (&skipped["active_state"], &skipped["result"]),
        (&"inactive".into(), &"condition".into()),
        "{skipped:#}"
    );
    assert!(skipped["reason"]["text"].as_str().expect("a reason").contains("ConditionPathExists=/no/such/path"));
    assert_eq!(unit(&seen, "fails.service")["active_state"], "failed");
    let shown = fleet.fleet(&["status", "-e", "develop"]).ok().stdout;
    assert!(shown.contains("inactive/condition") && shown.contains("next Jan 01 12:0"), "{shown}");
    let next = unit(&seen, "late.timer")["next_elapse"].as_str().expect("a time");
    assert!(next.starts_with("2099-01-01T12:0"), "{next}");

    // The timer ticks on, and what is killed is kept.
    eventually("the timer elapsed five times", || {
        let ticks = std::fs::read_to_string(&out).unwrap_or_default().lines().count();
        if ticks >= 5 { Ok(()) } else { Err(format!("{ticks} ticks")) }
    });
    let pid = fleet.main_pid("develop", "kept.service");
    let process = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("it runs");
    fleet.wait_for("develop", "kept.service runs again", |seen| {
        let now = unit(seen, "kept.service")["main_pid"].as_u64();
        now.is_some_and(|now| now > 0 && now != u64::from(pid))
    });

    // With the timer stopped it ticks no more.
    fleet.fleet(&["stop", "-e", "develop", "tick.timer"]).ok();
    fleet.wait_for("develop", "the timer is stopped", |seen| unit(seen, "tick.timer")["active_state"] == "inactive");
    let before = std::fs::read_to_string(&out).expect("it ticked").lines().count();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let after = std::fs::read_to_string(&out).expect("it ticked").lines().count();
    assert!(after <= before + 1, "one may have been under way: {before}, {after}");
}

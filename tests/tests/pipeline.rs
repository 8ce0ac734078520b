//! The whole way, once, as a user goes it: up, commit, status, logs, promote, roll back, down.

use fleet_tests::{TestFleet, eventually};
use serde_json::Value;

const CLOCK: &str = "[Unit]
Description=Writes the time

[Service]
ExecStart=/bin/sh -c 'while :; do echo tick; sleep 1; done'
";

fn unit<'a>(environment: &'a Value, name: &str) -> &'a Value {
    let units = environment["units"].as_array().expect("units");
    units.iter().find(|unit| unit["name"] == name).unwrap_or_else(|| panic!("no {name} in {environment:#}"))
}

#[test]
fn a_commit_becomes_a_process_its_logs_come_back_and_it_travels_to_production() {
    let fleet = TestFleet::up();
    let repository = fleet.repository();

    // A commit becomes a process.
    repository.write("units/clock.service", CLOCK);
    let commit = repository.commit_and_push("Add a clock");
    let seen = fleet.wait_running("develop", &commit);
    let clock = unit(&seen, "clock.service");
    assert_eq!(clock["active_state"], "active");
    let pid = clock["main_pid"].as_u64().expect("a pid");
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());

    // Its words come back.
    eventually("a line of the clock is readable at the coordinator", || {
        let lines = fleet.fleet(&["logs", "-e", "develop", "clock.service", "-o", "json"]).ok().stdout;
        let first = lines.lines().find(|line| line.contains("tick")).ok_or("no line yet")?;
        let first: Value = serde_json::from_str(first).map_err(|error| error.to_string())?;
        assert_eq!(first["message"], "tick");
        assert_eq!(first["node"], "develop-1");
        Ok(())
    });

    // A description never restarts a process.
    repository.write("units/clock.service", &CLOCK.replace("Writes the time", "Says tick"));
    let commit = repository.commit_and_push("Describe the clock better");
    let seen = fleet.wait_running("develop", &commit);
    assert_eq!(unit(&seen, "clock.service")["main_pid"], pid);

    // What was tested is what ships.
    for (from, to) in [("develop", "test"), ("test", "staging")] {
        let promoted = fleet.json(&["promote", from, to]);
        fleet.wait_running(to, promoted["revision"].as_str().expect("a revision"));
    }
    fleet.wait_for("staging", "staging converges", |seen| seen["state"] == "converged");
    let promoted = fleet.json(&["promote", "staging", "production", "--yes"]);
    let seen = fleet.wait_running("production", promoted["revision"].as_str().expect("a revision"));
    assert_eq!(unit(&seen, "clock.service")["active_state"], "active");

    // And goes back.
    fleet.wait_for("production", "production converges", |seen| seen["state"] == "converged");
    let first = fleet.json(&["history", "production"])["entries"].as_array().expect("entries").last().cloned();
    let first = first.expect("an entry")["revision"].as_str().expect("a revision").to_owned();
    let rolled = fleet.json(&["rollback", "production", &first, "--reason", "ticks too loud", "--yes"]);
    let seen = fleet.wait_for("production", "production is rolled back", |seen| {
        seen["running_revision"] == rolled["revision"] && !seen["units"].to_string().contains("clock.service")
    });
    assert!(seen["rejected"].is_null());
}

#[test]
fn a_broken_unit_is_named_by_place_and_the_last_good_revision_keeps_running() {
    let fleet = TestFleet::up();
    let repository = fleet.repository();
    let before =
        fleet.wait_for("develop", "develop runs", |seen| unit(seen, "web.service")["active_state"] == "active");
    let pid = unit(&before, "web.service")["main_pid"].clone();

    repository.write("units/broken.service", "[Service]\nExecStart=/bin/true\nResart=always\n");
    let commit = repository.commit_and_push("Break it");
    let seen = fleet.wait_for("develop", "the broken revision is shown", |seen| seen["rejected"]["revision"] == commit);
    let diagnostic = &seen["rejected"]["diagnostics"][0];
    assert_eq!(diagnostic["file"], "units/broken.service");
    assert_eq!(diagnostic["line"], 3);
    assert!(diagnostic["hint"].as_str().expect("a hint").contains("Restart"), "{diagnostic}");
    assert_eq!(seen["desired_revision"], before["desired_revision"]);
    assert_eq!(unit(&seen, "web.service")["main_pid"], pid);

    // The status a person reads says it too.
    let shown = fleet.fleet(&["status", "-e", "develop"]).ok().stdout;
    assert!(shown.contains("units/broken.service:3"), "{shown}");

    repository.write("units/broken.service", "[Service]\nExecStart=/bin/sleep infinity\nRestart=always\n");
    let commit = repository.commit_and_push("Mend it");
    let seen = fleet.wait_running("develop", &commit);
    assert!(seen["rejected"].is_null());
    assert_eq!(unit(&seen, "web.service")["main_pid"], pid, "what did not change was not touched");
}

#[test]
fn a_plan_names_the_line_of_a_requirement_that_keeps_a_unit_from_starting() {
    let fleet = TestFleet::up();
    let repository = fleet.repository();
    let lonely = "[Unit]\nRequires=network.target\nRequires=absent.service\n[Service]\nExecStart=/bin/sleep infinity\n";
    repository.write("units/lonely.service", &format!("{lonely}[X-Fleet]\nStart=manual\n"));
    repository
        .write("units/puller.service", "[Unit]\nWants=lonely.service\n[Service]\nExecStart=/bin/sleep infinity\n");
    repository.write("environments/test/lonely.service.d/10.conf", "[Unit]\nRequires=custom.target\n");
    let commit = repository.commit_and_push("Require what is not there");
    fleet.wait_for("develop", "develop took it", |seen| seen["desired_revision"] == commit);

    let ran = fleet.fleet(&["plan", "develop", "test", "-o", "json"]).code(1);
    let plan: serde_json::Value = serde_json::from_str(&ran.stdout).expect("a plan");
    let found = plan["diagnostics"].as_array().expect("diagnostics");
    let missing = found.iter().filter(|found| found["code"] == "requirement-missing");
    let mut places: Vec<_> = missing.map(|found| (found["file"].as_str(), found["line"].as_u64())).collect();
    places.sort();
    places.dedup();
    let drop_in = "environments/test/lonely.service.d/10.conf";
    assert_eq!(places, [(Some(drop_in), Some(2)), (Some("units/lonely.service"), Some(3))], "{found:?}");
    let shown = fleet.fleet(&["plan", "develop", "test"]).code(1).stdout;
    assert!(shown.contains("units/lonely.service:3:10: error[requirement-missing]"), "{shown}");
}

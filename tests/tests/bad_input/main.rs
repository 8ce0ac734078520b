//! Bad input gets a clear answer, and nothing is lost: whole fleets, given what people and machines get wrong.
//!
//! ```text
//! names     an environment, unit or context that is not there
//! strangers tokens and certificates that do not fit
//! branches  deleted, rewound, replaced
//! commits   that remove too much, or hold what cannot be read
//! folders   up twice, down twice, a taken port, files of a newer version, somebody's own repository
//! damage    a store or journal that is not what was written
//! crashes   killed daemons
//! claims    what two nodes of one host both want
//! disk      a full one (needs root)
//! ```
//!
//! A test shares one fleet between its cases, which keeps the run short. Each message is looked at as a user sees it.

mod branches;
mod claims;
mod commits;
mod crashes;
mod damage;
mod disk;
mod folders;
mod names;
mod strangers;

use fleet_tests::{Output, TestFleet};
use serde_json::Value;
use std::path::Path;

/// A unit that does nothing, for as long as it is let.
const SLEEPER: &str = "[Service]\nExecStart=/bin/sleep infinity\n";

/// Every unit of every environment with its main pid, as `fleet status` shows it.
fn pids(fleet: &TestFleet) -> Vec<(String, u64)> {
    let status = fleet.json(&["status"]);
    let environments = status["environments"].as_array().expect("environments");
    let units = environments.iter().flat_map(|environment| environment["units"].as_array().expect("units"));
    units
        .map(|unit| (format!("{}/{}", unit["node"], unit["name"]), unit["main_pid"].as_u64().expect("a pid")))
        .collect()
}

/// Waits until every environment runs what it shall, so that pids stay as they are.
fn settled(fleet: &TestFleet) -> Vec<(String, u64)> {
    for environment in ["develop", "test", "staging", "production"] {
        fleet.wait_for(environment, &format!("{environment} settles"), |seen| {
            seen["desired_revision"] == seen["running_revision"] && !seen["units"].as_array().expect("units").is_empty()
        });
    }
    pids(fleet)
}

/// The process that holds a daemon's lock file.
fn holder(lock: &Path) -> i32 {
    let text = std::fs::read_to_string(lock).expect("a lock file");
    text.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a pid")
}

/// Ends a process the hard way.
fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid is not 0");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it runs");
}

/// The command failed with this code, and its words hold all of `words`.
#[track_caller]
fn told(output: Output, code: i32, words: &[&str]) -> Output {
    let output = output.code(code);
    for word in words {
        assert!(output.stderr.contains(word), "{word:?} is not in:\n{}", output.stderr);
    }
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    output
}

/// The one finding of a rejected head: code, message, hint.
fn finding(environment: &Value) -> (&str, &str, &str) {
    let diagnostic = &environment["rejected"]["diagnostics"][0];
    let text = |key: &str| diagnostic[key].as_str().unwrap_or_default();
    (text("code"), text("message"), text("hint"))
}

//! Branches that are deleted, rewound or replaced.

use crate::{SLEEPER, finding};
use fleet_tests::{Clone, TestFleet};

#[test]
fn a_branch_that_goes_astray_stops_nothing_and_the_status_says_the_way_on() {
    let fleet = TestFleet::up();
    let repository = fleet.repository();
    repository.write("units/sleeper.service", SLEEPER);
    let running = repository.commit_and_push("Add a sleeper");
    fleet.wait_running("develop", &running);
    let before = fleet.environment("develop")["units"].clone();
    let short = &running[..7];
    let astray = |what: &str| {
        let seen =
            fleet.wait_for("develop", &format!("the branch is seen as {what}"), |seen| seen["branch_state"] == what);
        assert_eq!(seen["desired_revision"], *running);
        assert_eq!(seen["running_revision"], *running);
        seen
    };
    let back = || {
        repository.git(&["push", "--quiet", "--force", "origin", &format!("{running}:refs/heads/develop")]);
        let seen = astray("ok");
        assert!(seen["rejected"].is_null(), "{seen:#}");
    };

    // Deleted: plain git refuses to, for the branch that is cloned; whoever owns the folder can.
    let refused = repository.try_git(&["push", "--quiet", "origin", ":develop"]);
    assert!(refused.is_err_and(|said| said.contains("denied")));
    Clone::at(&fleet.bare()).git(&["update-ref", "-d", "refs/heads/develop"]);
    astray("missing");
    let shown = fleet.fleet(&["status", "-e", "develop"]).ok().stdout;
    assert!(shown.contains("branch missing") && shown.contains(&format!("push origin {short}")), "{shown}");
    let refused = fleet.fleet(&["promote", "develop", "test"]).code(4).stderr;
    assert!(refused.contains("missing") && refused.contains(short), "{refused}");
    back();

    // Rewound.
    repository.git(&["push", "--quiet", "--force", "origin", &format!("{running}~1:refs/heads/develop")]);
    let seen = astray("rewound");
    let (code, message, hint) = finding(&seen);
    assert_eq!(code, "rewound");
    assert!(message.contains(short) && hint.contains(short) && hint.contains("fleet rollback"), "{message} {hint}");
    let shown = fleet.fleet(&["status", "-e", "develop"]).ok().stdout;
    assert!(shown.contains("branch rewound") && shown.contains(message) && shown.contains(hint), "{shown}");
    back();

    // Force-pushed over.
    repository.git(&["commit", "--quiet", "--amend", "--message", "Another one"]);
    repository.git(&["push", "--quiet", "--force", "origin", "develop"]);
    assert_eq!(finding(&astray("rewound")).0, "rewound");
    // The way on that the hint names: a merge of what runs.
    repository.git(&["merge", "--quiet", "--strategy", "ours", "--message", "Merge what runs", &running]);
    repository.git(&["push", "--quiet", "origin", "develop"]);
    let merged = repository.git(&["rev-parse", "HEAD"]);
    fleet.wait_running("develop", &merged);

    // Replaced by a history of its own.
    repository.git(&["checkout", "--quiet", "--orphan", "other"]);
    repository.git(&["commit", "--quiet", "--message", "A new beginning"]);
    repository.git(&["push", "--quiet", "--force", "origin", "other:develop"]);
    let seen = fleet.wait_for("develop", "it is unrelated", |seen| seen["branch_state"] == "unrelated");
    assert_eq!(finding(&seen).0, "unrelated");
    assert_eq!(seen["desired_revision"], *merged);

    let pids = |units: &serde_json::Value| -> Vec<serde_json::Value> {
        units.as_array().expect("units").iter().map(|unit| unit["main_pid"].clone()).collect()
    };
    assert_eq!(pids(&before), pids(&seen["units"]), "no unit noticed any of it");
    let kinds: Vec<String> = fleet.json(&["history", "develop"])["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| entry["revision"].as_str().expect("a revision").to_owned())
        .collect();
    assert_eq!(kinds.len(), 3, "only what was accepted is history: {kinds:?}");
}

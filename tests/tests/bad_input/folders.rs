//! The folder of a local fleet: up and down twice, a taken port, files of a newer version, somebody's own repository.

use crate::told;
use fleet_tests::{Clone, TestFleet};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;

#[test]
fn a_folder_has_one_fleet_and_going_down_twice_is_no_error() {
    let fleet = TestFleet::prepared();
    let nothing = fleet.down().ok();
    assert!(nothing.stderr.contains("no fleet is up in"), "{}", nothing.stderr);
    fleet.start(&[]).ok();
    let before = crate::settled(&fleet);
    let keeper = crate::holder(&fleet.dir().join("lock")).to_string();
    let folder = fleet.dir().to_str().expect("UTF-8").to_owned();
    told(fleet.start(&[]), 1, &["already up in", &folder, &format!("pid {keeper}"), "fleet down"]);
    told(fleet.fleet(&["up", "--dir", &folder]), 1, &["already up in", &keeper]);
    assert_eq!(crate::pids(&fleet), before, "the second one disturbed nothing");

    let first = fleet.down().ok();
    assert!(first.stderr.contains("is down"), "{}", first.stderr);
    let second = fleet.down().ok();
    assert!(second.stderr.contains("no fleet is up in"), "{}", second.stderr);
    told(fleet.fleet(&["status"]), 5, &["cannot connect to the coordinator", "is it running?"]);
}

#[test]
fn what_stops_the_coordinator_is_said_by_fleet_up_at_once_and_nothing_is_touched() {
    let fleet = TestFleet::up();
    crate::settled(&fleet);
    fleet.down().ok();
    a_recorded_port_is_taken(&fleet);
    let folder = fleet.dir().to_owned();
    let newer = |file: &str, from: &str, to: &str, words: &[&str]| {
        let path = folder.join(file);
        let old = std::fs::read_to_string(&path).expect("there is one");
        let new = old.replacen(from, to, 1);
        assert_ne!(old, new, "{file} has a format");
        std::fs::write(&path, &new).expect("written");
        // The coordinator came up for the nodes to follow, so only the node's own folder is as it was.
        let part = if file.starts_with("nodes/") { path.parent().expect("a folder") } else { folder.as_path() };
        let before = contents(part);
        told(fleet.start(&[]), 1, words);
        assert!(fleet.processes().is_empty(), "{file}: {:?}", fleet.processes());
        let after = contents(part);
        let changed: Vec<&String> = before.keys().filter(|name| after.get(*name) != before.get(*name)).collect();
        assert!(changed.is_empty(), "{file}: changed were {changed:?}");
        std::fs::write(&path, &old).expect("written");
    };
    newer("server/store/FORMAT", "fleet-store 1", "fleet-store 9", &["server/store", "format 9", "newer version"]);
    newer("server/journal", "fleet-journal 1", "fleet-journal 9", &["server/journal", "format 9", "newer version"]);
    newer("nodes/test-1/node.toml", "format = 1", "format = 9", &["test-1", "node.toml", "format 9", "newer version"]);
    newer("fleet.json", "\"format\": 1", "\"format\": 9", &["newer Fleet", "format 9", "--dir"]);
    fleet.start(&[]).ok();
    crate::settled(&fleet);
}

fn a_recorded_port_is_taken(fleet: &TestFleet) {
    let text = std::fs::read_to_string(fleet.dir().join("fleet.json")).expect("the settings");
    let settings: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for key in ["listen", "enroll", "http"] {
        let address = settings[key].as_str().expect("an address");
        let taken = TcpListener::bind(address).expect("it is free while the fleet is down");
        let own = std::process::id().to_string();
        told(fleet.start(&[]), 1, &["did not come up", address, "taken by", &own, "server.log"]);
        assert!(fleet.processes().is_empty(), "{:?}", fleet.processes());
        drop(taken);
    }
}

/// Every file of a fleet's folder but logs, locks and what git and the certificates renew by themselves.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(folder).expect("it is below").to_string_lossy().into_owned();
            if path.is_symlink() || name.ends_with(".log") || name.ends_with("lock") || name.contains("identity") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

#[test]
fn a_repository_of_ones_own_is_read_and_never_written() {
    let fleet = TestFleet::prepared();
    let own = fleet.dir().parent().expect("a folder").join("own");
    std::fs::create_dir(&own).expect("made");
    let repository = Clone::at(&own);
    let start = |fleet: &TestFleet| fleet.start(&["--repo", own.to_str().expect("UTF-8")]);

    told(start(&fleet), 1, &["cannot read the repository", "own"]);
    repository.git(&["init", "--quiet", "--initial-branch", "develop"]);
    told(start(&fleet), 1, &["cannot read the repository", "own", "commit something"]);

    repository.write("units/mine.service", crate::SLEEPER);
    repository.git(&["add", "--all"]);
    repository.git(&["commit", "--quiet", "--message", "Mine"]);
    let head = repository.git(&["rev-parse", "HEAD"]);
    let before = contents(&own);
    start(&fleet).ok();
    for environment in ["develop", "test", "staging", "production"] {
        fleet.wait_running(environment, &head);
    }
    // Work goes on in the fleet's own clone; a promotion moves the fleet's own branches.
    let clone = fleet.repository();
    clone.write("units/more.service", crate::SLEEPER);
    let commit = clone.commit_and_push("More");
    fleet.wait_running("develop", &commit);
    fleet.wait_for("develop", "develop converges", |seen| seen["state"] == "converged");
    fleet.fleet(&["promote", "develop", "test"]).ok();
    fleet.down().ok();
    assert_eq!(contents(&own).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert!(contents(&own) == before, "a file of the user's own repository was changed");
}

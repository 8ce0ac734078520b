//! Tokens and certificates that do not fit.

use crate::told;
use fleet_tests::{Output, TestFleet};
use serde_json::Value;
use std::path::PathBuf;

struct Door<'a> {
    fleet: &'a TestFleet,
    address: String,
}

impl<'a> Door<'a> {
    fn of(fleet: &'a TestFleet) -> Door<'a> {
        Door { fleet, address: setting(fleet, "enroll") }
    }

    fn token(&self, arguments: &[&str]) -> String {
        let created = self.fleet.json(&[&["token", "create", "-e", "develop"], arguments].concat());
        created["token"].as_str().expect("a token").to_owned()
    }

    fn state(&self, name: &str) -> PathBuf {
        self.fleet.dir().parent().expect("a folder").join(name)
    }

    fn join(&self, name: &str, token: &str) -> Output {
        let file = self.state("token");
        std::fs::write(&file, token).expect("written");
        let (state, file) = (self.state(name), file.to_str().expect("UTF-8").to_owned());
        let state = state.to_str().expect("UTF-8");
        let fixed = ["node", "join", "--coordinator", &self.address, "--name", name, "--state", state];
        self.fleet.fleet(&[fixed.as_slice(), &["--token-file", &file]].concat())
    }
}

fn setting(fleet: &TestFleet, key: &str) -> String {
    let text = std::fs::read_to_string(fleet.dir().join("fleet.json")).expect("the settings");
    serde_json::from_str::<Value>(&text).expect("JSON")[key].as_str().expect("an address").to_owned()
}

#[test]
fn whoever_does_not_belong_is_told_why_and_what_to_do() {
    let (fleet, other) = (TestFleet::up(), TestFleet::up());
    let door = Door::of(&fleet);

    // Used up, and used twice by the same node.
    let token = door.token(&[]);
    door.join("extra-1", &token).ok();
    told(door.join("extra-2", &token), 4, &["extra-2", "used up", "fleet token create"]);
    told(door.join("extra-1", &token), 1, &["has already joined develop as extra-1", "fleet node run"]);

    // Expired.
    let short = door.token(&["--expires", "1s"]);
    fleet_tests::eventually("the token is listed as expired", || {
        let listed = fleet.fleet(&["token", "list"]).ok().stdout;
        if listed.contains("expired") { Ok(()) } else { Err(listed) }
    });
    told(door.join("extra-2", &short), 4, &["expired", "fleet token create"]);

    // Revoked.
    let created = fleet.json(&["token", "create", "-e", "develop"]);
    fleet.fleet(&["token", "revoke", created["id"].as_str().expect("an id")]).ok();
    told(door.join("extra-2", created["token"].as_str().expect("a token")), 4, &["revoked"]);

    // For another name.
    let named = door.token(&["--name", "edge-*"]);
    told(door.join("extra-2", &named), 4, &["extra-2", "edge-*"]);

    // A name that is taken.
    told(door.join("develop-1", &door.token(&[])), 4, &["develop-1", "--replace"]);

    // Tampered, cut, and no token at all: noticed before anybody is asked.
    let good = door.token(&[]);
    let middle = good.len() / 2;
    let swapped = if &good[middle..=middle] == "a" { "b" } else { "a" };
    let tampered = format!("{}{swapped}{}", &good[..middle], &good[middle + 1..]);
    told(door.join("extra-2", &tampered), 2, &["damaged", "a character was changed"]);
    told(door.join("extra-2", &good[..middle]), 2, &["cut off", "copy the whole line"]);
    told(door.join("extra-2", "open sesame"), 2, &["this is not a join token"]);

    // Of another fleet: nothing secret is told to this one.
    let foreign = Door::of(&other).token(&[]);
    told(door.join("extra-2", &foreign), 5, &["certificate authority", "another fleet"]);

    // Nobody there.
    let nowhere = Door { fleet: &fleet, address: "127.0.0.1:1".to_owned() };
    told(nowhere.join("extra-2", &good), 5, &["127.0.0.1:1", "is the coordinator running"]);

    // None of them spoilt the token that was good all the time.
    door.join("extra-2", &good).ok();

    // Another fleet's identity on this fleet's main port.
    let (endpoint, identity) = (setting(&fleet, "listen"), identity(&other));
    let add = ["context", "add", "stranger", "--endpoint", &endpoint, "--trust-domain", "fleet.local", "--identity"];
    fleet.fleet(&[add.as_slice(), &[&identity]].concat()).ok();
    told(fleet.fleet(&["--context", "stranger", "status"]), 5, &[&endpoint, "another authority", "check the address"]);
    fleet.fleet(&["status"]).ok();
}

/// The folder of the operator's identity of `fleet`.
fn identity(fleet: &TestFleet) -> String {
    let shown = fleet.json(&["context", "show"]);
    shown["identity"].as_str().expect("a folder").to_owned()
}

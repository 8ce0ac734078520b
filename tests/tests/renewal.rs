//! Certificates renew themselves, and nobody notices.

use fleet_tests::{TestFleet, within};
use std::path::Path;
use std::time::Duration;

/// The generation of keys and certificates in use: each renewal makes a new folder and moves the link.
fn generation(identity: &Path) -> String {
    let link = std::fs::read_link(identity.join("current")).expect("there is an identity");
    link.to_string_lossy().into_owned()
}

#[test]
fn leaves_of_60_s_are_renewed_with_new_keys_and_no_stream_is_dropped() {
    let fleet = TestFleet::prepared();
    let server = fleet.dir().join("server");
    std::fs::create_dir_all(&server).expect("a folder");
    std::fs::write(server.join("server.toml"), "[lives]\nnode = 60\ncoordinator = 60\n").expect("written");
    fleet.start(&[]).ok();
    let identities = [server.join("identity"), fleet.dir().join("nodes/develop-1/identity")];
    let before = identities.each_ref().map(|identity| generation(identity));
    let key = std::fs::read(identities[1].join("current/key.pem")).expect("a key");
    let since = || fleet.json(&["nodes", "show", "develop-1"])["since"].clone();
    let connected = since();

    within(Duration::from_secs(70), "coordinator and node have new certificates", || {
        let now = identities.each_ref().map(|identity| generation(identity));
        if now.iter().zip(&before).all(|(now, before)| now != before) { Ok(()) } else { Err(format!("{now:?}")) }
    });
    assert_ne!(std::fs::read(identities[1].join("current/key.pem")).expect("a key"), key, "the key is rolled, too");
    assert_eq!(since(), connected, "the stream that was open is still the same");
    let events = fleet.fleet(&["events"]).ok().stdout;
    assert!(!events.contains("not connected"), "{events}");
}

//! A store or journal that is not what was written.

use crate::{holder, kill, pids, settled, told};
use fleet_tests::TestFleet;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// What is done to the store's folder.
type Damage = fn(&Path);

/// Ends keeper and coordinator the hard way: nodes and units run on.
fn fell(fleet: &TestFleet) {
    for lock in ["lock", "server/lock"] {
        let pid = holder(&fleet.dir().join(lock));
        kill(pid);
        fleet_tests::eventually("it has ended", || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z") { Ok(()) } else { Err(stat) }
        });
    }
}

#[test]
fn a_damaged_store_is_set_aside_and_rebuilt_without_a_unit_restarting() {
    let fleet = TestFleet::up();
    let before = settled(&fleet);
    let store = fleet.dir().join("server/store");
    let damages: [(&str, Damage); 4] = [
        ("cut", |store| truncate(&store.join("sled/db"), 6000)),
        ("garbled", |store| garble(&store.join("sled/db"))),
        ("without its database", |store| std::fs::remove_dir_all(store.join("sled")).expect("removed")),
        ("with a garbled format", |store| std::fs::write(store.join("FORMAT"), "\0\0").expect("written")),
    ];
    for (at, (what, damage)) in damages.iter().enumerate() {
        fell(&fleet);
        damage(&store);
        fleet.start(&[]).ok();
        assert_eq!(settled(&fleet), before, "a store {what}: no unit noticed");
        let aside = || std::fs::read_dir(fleet.dir().join("server")).expect("a folder").flatten();
        let aside = aside().filter(|entry| entry.file_name().to_string_lossy().contains("store.damaged")).count();
        assert_eq!(aside, at + 1, "a store {what} is kept for whoever wants to look");
        let log = std::fs::read_to_string(fleet.dir().join("server/server.log")).expect("a log");
        assert!(log.contains("the store was damaged and is rebuilt"), "{log}");
    }
    // And it works: a commit still becomes a process.
    let repository = fleet.repository();
    repository.write("units/sleeper.service", crate::SLEEPER);
    let commit = repository.commit_and_push("Add a sleeper");
    fleet.wait_running("develop", &commit);
    assert!(before.iter().all(|unit| pids(&fleet).contains(unit)), "what did not change was not touched");
}

fn truncate(path: &Path, length: u64) {
    std::fs::File::options().write(true).open(path).expect("a file").set_len(length).expect("cut");
}

fn garble(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).expect("a file");
    for at in (512..16384).step_by(512) {
        file.write_all_at(&[0xa5; 64], at).expect("written");
    }
}

#[test]
fn a_torn_journal_is_repaired_and_a_damaged_one_is_refused_with_its_place() {
    let fleet = TestFleet::up();
    let before = settled(&fleet);
    let journal = fleet.dir().join("server/journal");
    let tokens = fleet.json(&["token", "list"]);

    // A crash in the middle of a write.
    fell(&fleet);
    let whole = std::fs::read(&journal).expect("a journal");
    std::fs::write(&journal, [whole.as_slice(), b"9afc699cdefc {\"n\":99,"].concat()).expect("written");
    fleet.start(&[]).ok();
    assert_eq!(settled(&fleet), before);
    assert_eq!(fleet.json(&["token", "list"]), tokens);
    let log = std::fs::read_to_string(fleet.dir().join("server/server.log")).expect("a log");
    assert!(log.contains("repaired the journal"), "{log}");

    // Somebody changed a record.
    fell(&fleet);
    let whole = std::fs::read(&journal).expect("a journal");
    let mut changed = whole.clone();
    let at = changed.windows(14).position(|word| word == b"operator-added").expect("the first operator");
    changed[at] = b'x';
    std::fs::write(&journal, &changed).expect("written");
    told(fleet.start(&[]), 1, &["did not come up", "server/journal", "damaged at record 1", "backup"]);
    assert_eq!(std::fs::read(&journal).expect("a journal"), changed, "it is left as it was found");

    std::fs::write(&journal, &whole).expect("written");
    fleet.start(&[]).ok();
    assert_eq!(settled(&fleet), before, "units ran through all of it");
}

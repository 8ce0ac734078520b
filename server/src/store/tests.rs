//! One contract for all backends, and what only a disk can do wrong.

use super::*;
use fleet_units::assignment::AssignedUnit;
use fleet_units::ids::{Epoch, Generation, Revision, Sha256Digest};
use fleet_units::time::Timestamp;
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;

fn node(name: &str) -> NodeRecord {
    NodeRecord {
        name: name.parse().unwrap(),
        environment: "develop".parse().unwrap(),
        labels: BTreeMap::from([("role".to_owned(), "web".to_owned())]),
        facts: BTreeMap::from([("fact.arch".to_owned(), "x86_64".to_owned())]),
        last_seen: Timestamp(1),
        applied_generation: Generation(7),
        applied_revision: Some(revision()),
    }
}

fn revision() -> Revision {
    "0123456789012345678901234567890123456789".parse().unwrap()
}

fn assignment(node: &str, generation: u64) -> NodeAssignment {
    let unit = AssignedUnit { digest: Sha256Digest::of(b"x"), revision: revision() };
    NodeAssignment {
        environment: "develop".parse().unwrap(),
        node: node.parse().unwrap(),
        epoch: Epoch(1),
        generation: Generation(generation),
        revision: revision(),
        units: BTreeMap::from([("web.service".parse().unwrap(), unit)]),
    }
}

fn open(path: &Path) -> SledStore {
    let opened = SledStore::open(path, Options::default()).unwrap();
    assert!(opened.set_aside.is_none(), "{:?}", opened.set_aside);
    opened.store
}

fn contract(store: &dyn Store) {
    assert!(store.nodes().unwrap().is_empty() && store.assignments().unwrap().is_empty());
    store.commit(Batch::new()).unwrap();
    let statuses = NodeStatuses { node: "b".parse().unwrap(), time: Timestamp(5), units: Vec::new() };
    let batch = Batch::new().node(&node("b")).node(&node("a")).assignment(&assignment("b", 1));
    store.commit(batch.statuses(&statuses)).unwrap();
    assert_eq!(store.nodes().unwrap(), [node("a"), node("b")], "by name");
    assert_eq!(store.node(&"a".parse().unwrap()).unwrap(), Some(node("a")));
    assert_eq!(store.node(&"c".parse().unwrap()).unwrap(), None);
    assert_eq!(store.statuses().unwrap(), [statuses]);
    // The later change of a batch wins, and replaces what is stored.
    store.note(Batch::new().assignment(&assignment("b", 2)).assignment(&assignment("b", 3))).unwrap();
    assert_eq!(store.assignment(&"b".parse().unwrap()).unwrap().unwrap().generation, Generation(3));
    store.commit(Batch::new().remove_node(&"b".parse().unwrap()).remove_node(&"never".parse().unwrap())).unwrap();
    assert_eq!(store.nodes().unwrap(), [node("a")]);
    assert!(store.assignments().unwrap().is_empty() && store.statuses().unwrap().is_empty());
}

#[test]
fn the_memory_store_keeps_the_contract() {
    contract(&MemoryStore::new());
}

#[test]
fn the_sled_store_keeps_the_contract_and_what_it_was_given() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    contract(&store);
    drop(store);
    assert_eq!(open(&path).nodes().unwrap(), [node("a")]);
}

#[test]
fn a_batch_costs_one_sync_and_a_note_none() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder.path().join("store"));
    let syncs = || Store::syncs(&store);
    store.commit(Batch::new().node(&node("a")).node(&node("b")).assignment(&assignment("a", 1))).unwrap();
    assert_eq!(syncs(), 1);
    store.note(Batch::new().node(&node("c"))).unwrap();
    assert_eq!(syncs(), 1);
}

/// A closed store with a hundred nodes.
fn filled(folder: &TempDir) -> std::path::PathBuf {
    let path = folder.path().join("store");
    let store = open(&path);
    for n in 0..100 {
        store.commit(Batch::new().node(&node(&format!("n{n}"))).assignment(&assignment(&format!("n{n}"), n))).unwrap();
    }
    path
}

fn expect_set_aside(path: &Path) {
    let opened = SledStore::open(path, Options::default()).unwrap();
    let (aside, _) = opened.set_aside.expect("damage is noticed");
    assert!(aside.join("sled/db").exists(), "{}", aside.display());
    assert!(opened.store.nodes().unwrap().is_empty());
    opened.store.commit(Batch::new().node(&node("a"))).unwrap();
    drop(opened.store);
    assert_eq!(open(path).nodes().unwrap().len(), 1);
}

#[test]
fn a_cut_database_is_set_aside_wherever_it_is_cut() {
    for share in [0, 1, 3, 5, 8, 9] {
        let folder = TempDir::new().unwrap();
        let path = filled(&folder);
        let db = std::fs::OpenOptions::new().write(true).open(path.join("sled/db")).unwrap();
        // The file is laid out in advance: find where data ends.
        let bytes = std::fs::read(path.join("sled/db")).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
        db.set_len(end * share / 10).unwrap();
        expect_set_aside(&path);
    }
}

#[test]
fn flipped_bits_never_come_back_as_data() {
    let original = |store: &SledStore| {
        (0..100).all(|n| {
            let name = format!("n{n}").parse().unwrap();
            store.node(&name).unwrap().is_none_or(|found| found == node(&format!("n{n}")))
        })
    };
    for turn in 0..12u64 {
        let folder = TempDir::new().unwrap();
        let path = filled(&folder);
        let file = path.join("sled/db");
        let mut bytes = std::fs::read(&file).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        // Spread over the file by a fixed stride, so that a failure can be repeated.
        for hit in 0..20 {
            let at = usize::try_from((turn * 7919 + hit * 104_729) % end as u64).unwrap();
            bytes[at] ^= 0x55;
        }
        std::fs::write(&file, bytes).unwrap();
        let opened = SledStore::open(&path, Options::default()).unwrap();
        let complete = opened.store.nodes().unwrap().len();
        assert!(original(&opened.store), "turn {turn}");
        assert!(complete == 100 || opened.set_aside.is_some() && complete == 0, "turn {turn}: {complete}");
    }
}

#[test]
fn a_lost_database_beside_a_kept_sequence_is_noticed() {
    let folder = TempDir::new().unwrap();
    let path = filled(&folder);
    std::fs::remove_dir_all(path.join("sled")).unwrap();
    let opened = SledStore::open(&path, Options::default()).unwrap();
    let (_, why) = opened.set_aside.unwrap();
    assert!(why.contains("100 changes are missing"), "{why}");
}

#[test]
fn several_damaged_stores_are_kept_side_by_side() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    for n in 1..=2 {
        drop(open(&path));
        std::fs::write(path.join("FORMAT"), "nonsense").unwrap();
        let opened = SledStore::open(&path, Options::default()).unwrap();
        assert_eq!(opened.set_aside.unwrap().0, folder.path().join(format!("store.damaged-{n}")));
    }
}

#[test]
fn a_store_of_a_newer_version_is_an_error_and_stays_untouched() {
    let folder = TempDir::new().unwrap();
    let path = filled(&folder);
    std::fs::write(path.join("FORMAT"), "fleet-store 2\n").unwrap();
    let error = SledStore::open(&path, Options::default()).err().unwrap();
    assert!(matches!(error, StoreError::Newer { found: 2, known: VERSION, .. }), "{error}");
    std::fs::write(path.join("FORMAT"), "fleet-store 1\n").unwrap();
    assert_eq!(open(&path).nodes().unwrap().len(), 100);
}

#[test]
fn a_store_that_is_open_elsewhere_is_not_damaged_but_in_use() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    let error = SledStore::open(&path, Options::default()).err().unwrap();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(store);
    open(&path);
}

#[test]
fn a_full_disk_refuses_writes_loses_nothing_and_carries_on() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static FREE: AtomicU64 = AtomicU64::new(1 << 30);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    let options = Options { free: |_| Ok(FREE.load(Ordering::Relaxed)) };
    let store = SledStore::open(&path, options).unwrap().store;
    assert!(path.join("ballast").exists());
    store.commit(Batch::new().node(&node("a"))).unwrap();
    FREE.store(1000, Ordering::Relaxed);
    let error = store.commit(Batch::new().node(&node("b"))).unwrap_err();
    assert!(matches!(error, StoreError::Full { free: 1000, .. }), "{error}");
    assert_eq!(store.nodes().unwrap(), [node("a")]);
    drop(store);
    let store = SledStore::open(&path, options).unwrap().store;
    assert!(!path.join("ballast").exists(), "given back to open it");
    assert_eq!(store.nodes().unwrap(), [node("a")]);
    FREE.store(1 << 30, Ordering::Relaxed);
    store.commit(Batch::new().node(&node("b"))).unwrap();
    assert_eq!(store.nodes().unwrap().len(), 2);
}

/// The child of the test below: commits until it is killed, and says each number once it is on disk.
#[test]
fn child_that_commits_until_it_is_killed() {
    let Ok(path) = std::env::var("FLEET_TEST_STORE") else { return };
    let store = open(Path::new(&path));
    for n in 1.. {
        store.commit(Batch::new().assignment(&assignment("a", n)).node(&node(&format!("n{}", n % 50)))).unwrap();
        println!("committed {n}");
    }
}

#[test]
fn what_was_committed_survives_a_kill() {
    use std::io::{BufRead, BufReader};
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    for turn in 0..4u32 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::child_that_commits_until_it_is_killed", "--nocapture"])
            .env("FLEET_TEST_STORE", &path)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let number = |line: std::io::Result<String>| line.ok()?.rsplit_once("committed ")?.1.parse::<u64>().ok();
        let seen = (&mut lines).filter_map(number).take(40 + 17 * turn as usize).last().expect("it commits");
        child.kill().unwrap();
        child.wait().unwrap();
        // What was said between the last line read and the kill counts too.
        let last = lines.filter_map(number).last().unwrap_or(seen);
        let found = open(&path).assignment(&"a".parse().unwrap()).unwrap().unwrap().generation.0;
        assert!(found == last || found == last + 1, "{found} after {last}");
    }
}

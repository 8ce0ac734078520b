//! The journal on a real disk, after crashes, on a full disk, and under contention.

use super::append::{Device, Writer};
use super::*;
use crate::journal::entry::NewToken;
use fleet_units::ids::{Epoch, Sha256Digest};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

fn epoch(number: u64) -> Entry {
    Entry::Epoch { epoch: Epoch(number) }
}

fn audit(detail: &str) -> Entry {
    Entry::Audit { who: "operator/alice".into(), what: "Act".into(), detail: detail.into() }
}

/// A journal with three records, closed.
fn written() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = Journal::create(&path).unwrap();
    for entry in [epoch(1), audit("one"), epoch(2)] {
        journal.append(entry).unwrap();
    }
    (folder, path)
}

#[test]
fn what_was_appended_is_there_after_opening_again() {
    let (_folder, path) = written();
    let journal = Journal::open(&path).unwrap();
    let state = journal.state();
    assert_eq!((state.records, state.epoch, state.audit.len()), (3, Epoch(2), 3));
    assert_eq!(journal.repaired(), None);
    assert_eq!(journal.append(epoch(3)).unwrap().number, 4);
    drop(journal);
    assert_eq!(Journal::open(&path).unwrap().state().epoch, Epoch(3));
}

#[test]
fn a_missing_journal_is_an_error_and_an_existing_one_is_not_replaced() {
    let (folder, path) = written();
    let missing = Journal::open(&folder.path().join("other")).unwrap_err();
    assert!(matches!(missing, JournalError::Missing(_)) && missing.to_string().contains("restore it"));
    assert!(matches!(Journal::create(&path), Err(JournalError::Exists(_))));
}

#[test]
fn only_one_process_holds_it() {
    let (_folder, path) = written();
    let _held = Journal::open(&path).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Held(_))));
}

#[test]
fn a_record_that_a_crash_cut_anywhere_is_removed_and_nothing_else() {
    let (_folder, path) = written();
    let whole = std::fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for end in last + 1..whole.len() {
        std::fs::write(&path, &whole[..end]).unwrap();
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.state().records, 2, "cut at {end}");
        assert!(journal.repaired().unwrap().contains("unfinished record"));
        journal.append(epoch(9)).unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().state().epoch, Epoch(9));
    }
}

#[test]
fn blocks_that_were_allocated_and_never_written_are_cut_off() {
    let (_folder, path) = written();
    let whole = std::fs::read(&path).unwrap();
    for tail in [vec![0; 100], [&[0; 40][..], b"abc\n"].concat(), [b"0123", &[0; 40][..], b"\n"].concat()] {
        std::fs::write(&path, [whole.clone(), tail].concat()).unwrap();
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.state().records, 3);
        assert!(journal.repaired().is_some());
    }
}

#[test]
fn any_changed_byte_is_noticed_and_the_record_is_named() {
    let (_folder, path) = written();
    let whole = std::fs::read(&path).unwrap();
    let lines: Vec<usize> = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
    for at in 0..whole.len() - 1 {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let error = Journal::open(&path).map(drop).expect_err(&format!("byte {at}"));
        match error {
            JournalError::Damaged { record, .. } => {
                let line = lines.iter().filter(|end| **end < at).count();
                assert_eq!(record, u64::try_from(line).unwrap(), "byte {at}");
            }
            JournalError::Newer { .. } => assert!(at < lines[0], "the format's digit"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_removed_or_repeated_record_is_noticed() {
    let (_folder, path) = written();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for order in [vec![0, 2, 3], vec![0, 1, 3], vec![0, 1, 1, 2, 3], vec![0, 2, 1, 3]] {
        let changed: String = order.iter().map(|at| format!("{}\n", lines[*at])).collect();
        std::fs::write(&path, changed).unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. }), "{order:?}");
        assert!(error.to_string().contains("restore it from a backup"));
    }
}

#[test]
fn a_journal_of_a_newer_version_says_so() {
    let (_folder, path) = written();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("fleet-journal 1", "fleet-journal 2", 1)).unwrap();
    let error = Journal::open(&path).unwrap_err();
    assert!(matches!(error, JournalError::Newer { .. }) && error.to_string().contains("newer version"));

    // A kind of entry that is not known here, properly chained.
    let json = br#"{"n":1,"time":5,"entry":{"kind":"teleport"}}"#;
    let hash = replay::chained(&replay::first_hash(), json);
    let text = format!("{}\n{hash} {}\n", replay::header(), String::from_utf8_lossy(json));
    std::fs::write(&path, text).unwrap();
    let error = Journal::open(&path).unwrap_err();
    assert!(matches!(error, JournalError::Newer { .. }) && error.to_string().contains("teleport"), "{error}");
}

/// A saved sample of format 1, one record of each kind: what later versions must go on reading.
#[test]
fn the_saved_sample_of_format_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    std::fs::write(&path, include_str!("../../testdata/journal-1.txt")).unwrap();
    let state = Journal::open(&path).unwrap().state();
    assert_eq!(state.records, 13);
    assert_eq!(state.operators[&"alice".parse().unwrap()].role, Role::Admin);
    assert_eq!(state.nodes[&"develop-1".parse().unwrap()].labels["zone"], "b");
    assert_eq!(state.tokens["abc"].used, 1);
    assert!(state.tokens["abc"].revoked);
    assert!(state.holds.is_empty());
}

/// A disk that is full after some bytes, or fails as told.
struct Full {
    left: Arc<AtomicU64>,
    content: Arc<Mutex<Vec<u8>>>,
    cut_works: bool,
}

impl Device for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let left = usize::try_from(self.left.load(Ordering::Relaxed)).unwrap();
        let take = left.min(bytes.len());
        self.content.lock().unwrap().extend_from_slice(&bytes[..take]);
        self.left.fetch_sub(take as u64, Ordering::Relaxed);
        if take < bytes.len() { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        if !self.cut_works {
            return Err(io::Error::other("gone"));
        }
        self.content.lock().unwrap().truncate(usize::try_from(length).unwrap());
        Ok(())
    }
}

fn on_full_disk(cut_works: bool) -> (Writer, Arc<AtomicU64>, Arc<Mutex<Vec<u8>>>) {
    let (left, content) = (Arc::new(AtomicU64::new(250)), Arc::new(Mutex::new(Vec::new())));
    let device = Full { left: Arc::clone(&left), content: Arc::clone(&content), cut_works };
    let writer = Writer {
        path: "journal".into(),
        device: Box::new(device),
        length: 0,
        number: 0,
        last: Timestamp(0),
        hash: replay::first_hash(),
        broken: false,
    };
    (writer, left, content)
}

#[test]
fn a_full_disk_refuses_and_loses_nothing_and_goes_on_when_there_is_room() {
    let (mut writer, left, content) = on_full_disk(true);
    writer.append(epoch(1), Timestamp(1)).unwrap();
    let before = content.lock().unwrap().clone();
    let error = writer.append(audit(&"x".repeat(300)), Timestamp(2)).unwrap_err();
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert_eq!(*content.lock().unwrap(), before);
    left.store(1000, Ordering::Relaxed);
    assert_eq!(writer.append(epoch(2), Timestamp(3)).unwrap().number, 2);
    let bytes = [replay::header().as_bytes(), b"\n", &content.lock().unwrap()].concat();
    assert_eq!(replay::replay(Path::new("journal"), &bytes).unwrap().state.epoch, Epoch(2));
}

#[test]
fn a_write_that_cannot_be_taken_back_stops_all_further_ones() {
    let (mut writer, left, _) = on_full_disk(false);
    writer.append(epoch(1), Timestamp(1)).unwrap();
    assert!(matches!(writer.append(audit(&"x".repeat(300)), Timestamp(2)), Err(JournalError::Append { .. })));
    left.store(1000, Ordering::Relaxed);
    assert!(matches!(writer.append(epoch(2), Timestamp(3)), Err(JournalError::Broken(_))));
}

fn token(uses: u32) -> NewToken {
    NewToken {
        id: "abc".into(),
        hash: Sha256Digest::of(b"secret"),
        uses,
        expires: Timestamp(u64::MAX),
        environment: "develop".parse().unwrap(),
        labels: BTreeMap::new(),
        name: String::new(),
        replace: false,
        by: "operator/alice".into(),
    }
}

#[test]
fn two_decisions_never_take_the_same_last_use() {
    let (_folder, path) = written();
    let journal = Journal::open(&path).unwrap();
    journal.append(Entry::TokenCreated(token(3))).unwrap();
    let join = |name: String| {
        journal.decide(|state, _| {
            if state.tokens["abc"].used >= 3 {
                return Err("used up");
            }
            Ok(Entry::NodeEnrolled {
                node: name.parse().unwrap(),
                environment: "develop".parse().unwrap(),
                labels: BTreeMap::new(),
                token: Some("abc".into()),
                serial: String::new(),
                key: Sha256Digest::of(b"key"),
            })
        })
    };
    let joined: usize = std::thread::scope(|scope| {
        let join = &join;
        let tasks: Vec<_> = (0..8).map(|n| scope.spawn(move || join(format!("node-{n}")).is_ok())).collect();
        tasks.into_iter().map(|task| usize::from(task.join().unwrap())).sum()
    });
    assert_eq!((joined, journal.state().nodes.len()), (3, 3));
}

#[test]
fn what_is_left_in_the_inbox_is_taken_in_once_and_nonsense_is_set_aside() {
    let (_folder, path) = written();
    let folder = inbox::folder(&path);
    inbox::leave(&folder, &[epoch(7), audit("from the host")]).unwrap();
    std::fs::write(folder.join("0.json"), "nonsense").unwrap();
    let journal = Journal::open(&path).unwrap();
    assert_eq!(inbox::drain(&journal, &folder).unwrap(), 2);
    assert_eq!(inbox::drain(&journal, &folder).unwrap(), 0);
    assert_eq!(journal.state().epoch, Epoch(7));
    assert!(folder.join("0.rejected").exists());
}

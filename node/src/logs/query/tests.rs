use super::*;
use crate::logs::read::Cursor;
use crate::logs::spool::{SpoolLimits, SpoolWriter};
use fleet_units::ids::InvocationId;
use fleet_units::log_record::Stream;
use std::time::{Duration, Instant};

const SMALL: SpoolLimits = SpoolLimits { segment: 64 * 1024, unit: 16 << 20, node: Some(64 << 20) };

struct Case {
    root: tempfile::TempDir,
    node: NodeName,
    unit: UnitName,
    writer: SpoolWriter,
}

impl Case {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let unit: UnitName = "web.service".parse().unwrap();
        let writer = SpoolWriter::open(root.path(), &unit, SMALL).unwrap();
        Case { root, node: "n-1".parse().unwrap(), unit, writer }
    }

    fn put(&mut self, time: u64, text: &str) {
        self.writer.append(Stream::Stdout, InvocationId(1), Timestamp(time), text.as_bytes());
    }

    fn read(&self, query: Query) -> Vec<(u64, String)> {
        read(self.root.path(), &self.node, &self.unit, query).unwrap().into_iter().map(text).collect()
    }
}

fn text(record: LogRecord) -> (u64, String) {
    (record.sequence, String::from_utf8(record.message).unwrap())
}

#[test]
fn the_last_lines_and_the_lines_since_a_time_are_found_over_segments() {
    let mut case = Case::new();
    for n in 1..=5000_u64 {
        case.put(n * 1_000_000, &format!("line {n} {}\n", "x".repeat(40)));
    }
    let all = case.read(Query::default());
    assert_eq!(all.iter().map(|line| line.0).collect::<Vec<_>>(), (1..=5000).collect::<Vec<_>>());
    for last in [0, 1, 7, 900, 4999, 5000, 9000] {
        let got = case.read(Query { last: Some(last), since: None });
        assert_eq!(got, all[5000_usize.saturating_sub(last as usize)..], "last {last}");
    }
    for since in [1, 2500, 5000, 5001] {
        let got = case.read(Query { last: None, since: Some(Timestamp(since * 1_000_000)) });
        assert_eq!(got, all[since as usize - 1..], "since {since}");
    }
    let both = case.read(Query { last: Some(10), since: Some(Timestamp(4_995_000_000)) });
    assert_eq!(both, all[4994..]);
}

#[test]
fn a_unit_without_a_spool_has_no_lines() {
    let case = Case::new();
    let other = "other.service".parse().unwrap();
    assert_eq!(read(case.root.path(), &case.node, &other, Query::default()).unwrap(), []);
}

#[test]
fn a_line_that_began_in_the_segment_before_comes_whole() {
    let mut case = Case::new();
    case.put(1, "first\n");
    case.put(1, &"a".repeat(60_000));
    case.put(1, &"b".repeat(60_000));
    case.put(1, "end\n");
    let got = case.read(Query { last: Some(1), since: None });
    assert_eq!((got.len(), got[0].0, got[0].1.len()), (1, 2, 120_003));
}

#[test]
fn a_cursor_leads_to_the_frame_behind_it_and_one_that_is_unknown_to_the_oldest() {
    let mut case = Case::new();
    for n in 0..2000 {
        case.put(n, &format!("{n} {}\n", "x".repeat(80)));
    }
    let mut ends = Vec::new();
    let mut reader = SpoolReader::from_oldest(case.root.path(), &case.unit);
    while let Some(run) = reader.read().unwrap() {
        ends.push(run.next);
    }
    assert!(ends.len() > 2);
    let last = ends.pop().unwrap();
    for end in ends {
        let run = SpoolReader::from_cursor(case.root.path(), &case.unit, end).unwrap().read().unwrap().unwrap();
        assert_eq!(run.first, end);
        let middle = Cursor { next_frame: end.next_frame - 1, ..end };
        let run = SpoolReader::from_cursor(case.root.path(), &case.unit, middle).unwrap().read().unwrap().unwrap();
        assert_eq!(run.first.next_frame, middle.next_frame);
    }
    assert_eq!(SpoolReader::from_cursor(case.root.path(), &case.unit, last).unwrap().read().unwrap(), None);
    let foreign = Cursor { lineage: 2, ..last };
    let run = SpoolReader::from_cursor(case.root.path(), &case.unit, foreign).unwrap().read().unwrap().unwrap();
    assert_eq!(run.first.next_frame, 1);
}

#[test]
fn a_damaged_frame_is_passed_over_and_counted_as_lost() {
    let mut case = Case::new();
    for n in 1..=3 {
        case.put(n, &format!("line {n}\n"));
    }
    let path = crate::logs::segments::path_of(&case.root.path().join("web.service"), 1);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(6).position(|six| six == b"line 2").unwrap();
    bytes[at] = b'X';
    std::fs::write(&path, bytes).unwrap();
    let mut reader = LineReader::open(case.root.path(), &case.node, &case.unit, Query::default()).unwrap();
    let (mut got, mut lost) = (Vec::new(), 0);
    while let Some(lines) = reader.next().unwrap() {
        lost += lines.lost;
        got.extend(lines.records.into_iter().map(text));
    }
    assert_eq!((got, lost), (vec![(1, "line 1".to_owned()), (3, "line 3".to_owned())], 1));
}

#[test]
fn a_reader_beside_a_busy_writer_gets_every_line_once() {
    let mut case = Case::new();
    let (root, node, unit) = (case.root.path().to_owned(), case.node.clone(), case.unit.clone());
    let reader = std::thread::spawn(move || {
        let mut reader = LineReader::open(&root, &node, &unit, Query::default()).unwrap();
        let (mut next, begun) = (1, Instant::now());
        while next <= 60_000 {
            assert!(begun.elapsed() < Duration::from_secs(60), "stuck at {next}");
            let Some(lines) = reader.next().unwrap() else {
                std::thread::yield_now();
                continue;
            };
            for line in lines.records.into_iter().map(text) {
                assert_eq!(line, (next, format!("line {next}")));
                next += 1;
            }
        }
    });
    let mut chunk = String::new();
    for n in 1..=60_000 {
        chunk.push_str(&format!("line {n}\n"));
        if n % 37 == 0 || n == 60_000 {
            // Cut anywhere, as a pipe does.
            let middle = chunk.len() / 3;
            case.put(n, &chunk[..middle]);
            case.put(n, &chunk[middle..]);
            chunk.clear();
        }
    }
    reader.join().unwrap();
}

#[tokio::test]
async fn a_follower_sees_a_line_within_50_ms_also_of_a_unit_that_comes_later() {
    let mut case = Case::new();
    let later: UnitName = "later.service".parse().unwrap();
    let mut follower = Follower::open(case.root.path(), &case.node, &later, Query::default()).unwrap();
    let mut writer = SpoolWriter::open(case.root.path(), &later, SMALL).unwrap();
    let mut slowest = Vec::new();
    for n in 1..=20 {
        let waiting = tokio::spawn(async move {
            let lines = follower.next().await.unwrap();
            (follower, lines, Instant::now())
        });
        tokio::task::yield_now().await;
        case.put(n, "noise of another unit\n");
        let written = Instant::now();
        writer.append(Stream::Stderr, InvocationId(2), Timestamp(n), format!("{n}\n").as_bytes());
        let (again, lines, seen) = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
        follower = again;
        assert_eq!(text(lines.records.into_iter().next().unwrap()), (n, n.to_string()));
        slowest.push(seen.duration_since(written));
    }
    slowest.sort_unstable();
    // The median: single ones may be late on a busy machine.
    assert!(slowest[10] < Duration::from_millis(50), "{slowest:?}");
}

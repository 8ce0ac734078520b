use super::super::query::{self, Query};
use super::super::spool::{SpoolLimits, SpoolWriter};
use super::*;
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

const UNIT: &str = "a.service";

fn writer(root: &Path) -> SpoolWriter {
    SpoolWriter::open(root, &UNIT.parse().unwrap(), SpoolLimits::default()).unwrap()
}

fn pipe() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap()
}

fn move_some(writer: &mut SpoolWriter, reader: &OwnedFd) -> io::Result<usize> {
    writer.splice(Stream::Stdout, InvocationId(7), Timestamp(1), reader.as_fd())
}

fn lines(root: &Path) -> Vec<(u64, String)> {
    let records = query::read(root, &"n".parse().unwrap(), &UNIT.parse().unwrap(), Query::default()).unwrap();
    records.into_iter().map(|record| (record.sequence, String::from_utf8(record.message).unwrap())).collect()
}

#[test]
fn what_was_written_to_the_pipe_lies_in_the_spool_in_order() {
    let root = tempfile::tempdir().unwrap();
    let (mut writer, (reader, end)) = (writer(root.path()), pipe());
    assert_eq!(move_some(&mut writer, &reader).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    for text in ["one\ntw", "o\n", "three"] {
        rustix::io::write(&end, text.as_bytes()).unwrap();
        assert_eq!(move_some(&mut writer, &reader).unwrap(), text.len());
    }
    drop(end);
    assert_eq!(move_some(&mut writer, &reader).unwrap(), 0);
    writer.finish(Stream::Stdout, Timestamp(2));
    let expected = [(1, "one"), (2, "two"), (3, "three")].map(|(sequence, text)| (sequence, text.to_owned()));
    assert_eq!(lines(root.path()), expected);
}

#[test]
fn a_full_pipe_takes_several_frames_and_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (mut writer, (reader, end)) = (writer(root.path()), pipe());
    let text: String = (0..8000).map(|number| format!("{number:07}\n")).collect();
    let written = rustix::io::write(&end, text.as_bytes()).unwrap();
    assert_eq!(written, 64_000);
    let mut moved = Vec::new();
    while let Ok(count) = move_some(&mut writer, &reader) {
        moved.push(count);
    }
    assert_eq!((moved.iter().sum::<usize>(), moved.len()), (64_000, 2));
    let found = lines(root.path());
    assert_eq!(found.len(), 8000);
    assert!(found.iter().enumerate().all(|(number, (_, line))| *line == format!("{number:07}")));
}

/// Every place at which a logger can be killed, one after another: header written, bytes moved, header rewritten.
#[test]
fn a_writer_that_is_killed_on_its_way_loses_and_doubles_nothing() {
    for moved in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let (mut first, (reader, end)) = (writer(root.path()), pipe());
        rustix::io::write(&end, b"one\ntw").unwrap();
        move_some(&mut first, &reader).unwrap();
        rustix::io::write(&end, b"o\nthree\n").unwrap();
        let live = first.live.as_ref().unwrap();
        let announced = first.numberer.announce(Stream::Stdout, InvocationId(7), Timestamp(2));
        live.file.write_all_at(&announced.encode(), live.end).unwrap();
        if moved {
            let mut offset = live.end + HEADER_LEN as u64;
            let count = splice(&reader, None, &live.file, Some(&mut offset), MOST, SpliceFlags::NONBLOCK).unwrap();
            assert_eq!(count, 8);
        }
        assert_eq!(lines(root.path()), [(1, "one".to_owned())], "an announced frame is not read");
        drop(first);
        let mut second = writer(root.path());
        assert_eq!(move_some(&mut second, &reader).is_ok(), !moved);
        rustix::io::write(&end, b"four\n").unwrap();
        move_some(&mut second, &reader).unwrap();
        let expected = ["one", "two", "three", "four"];
        let found = lines(root.path());
        assert_eq!(found.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>(), expected, "moved: {moved}");
        assert_eq!(found.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
}

#[test]
fn another_invocation_ends_the_open_line_also_after_a_kill() {
    let root = tempfile::tempdir().unwrap();
    let (mut first, (reader, end)) = (writer(root.path()), pipe());
    rustix::io::write(&end, b"unfinished").unwrap();
    move_some(&mut first, &reader).unwrap();
    rustix::io::write(&end, b"next\n").unwrap();
    let live = first.live.as_ref().unwrap();
    let announced = first.numberer.announce(Stream::Stdout, InvocationId(8), Timestamp(2));
    live.file.write_all_at(&announced.encode(), live.end).unwrap();
    drop(first);
    let mut second = writer(root.path());
    second.splice(Stream::Stdout, InvocationId(8), Timestamp(3), reader.as_fd()).unwrap();
    let found: Vec<String> = lines(root.path()).into_iter().map(|(_, line)| line).collect();
    assert_eq!(found, ["unfinished", "next"]);
}

use super::*;
use crate::kernel::wait::Usage;

fn facts(unit: &str) -> Facts {
    Facts { unit: unit.to_owned(), part: Part::Main, invocation_id: "ab".to_owned(), asked: Asked::default() }
}

fn folder(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("fleet-table-{}-{name}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    path
}

fn ended(pid: u32, code: i32) -> Ended {
    Ended { pid, code, signal: 0, core_dumped: false, usage: Usage::default() }
}

#[test]
fn an_end_is_read_by_whoever_opens_the_table_later() {
    let runtime = folder("end");
    let shared = Shared::create(&runtime, "boot").unwrap();
    let place = shared.take(&facts("a.service")).unwrap();
    shared.pid_place(place).store(7, Ordering::Relaxed);
    shared.runs(place);
    assert!(shared.end_of(place).is_none());
    assert!(shared.write_end(&ended(7, 3)));
    assert!(!shared.write_end(&ended(7, 4)), "it has ended already");
    drop(shared);
    let shared = Shared::open(&runtime, "boot").unwrap().unwrap();
    let seen = shared.seen();
    assert_eq!((seen.len(), seen[0].pid, seen[0].phase, &seen[0].facts), (1, 7, Phase::Ended, &facts("a.service")));
    assert_eq!(shared.end_of(place), Some(Some(ended(7, 3))));
    shared.told(place);
    assert!(shared.end_of(place).is_none());
    assert_eq!(shared.finished(), [place]);
    assert!(Shared::open(&runtime, "other").unwrap().is_none(), "of another boot");
    fs::remove_dir_all(runtime).unwrap();
}

#[test]
fn what_is_said_of_an_earlier_use_changes_nothing() {
    let runtime = folder("use");
    let shared = Shared::create(&runtime, "boot").unwrap();
    let first = shared.take(&facts("a.service")).unwrap();
    shared.free(first);
    let second = shared.take(&facts("b.service")).unwrap();
    assert_eq!((first.index, first.serial + 1), (second.index, second.serial));
    shared.runs(first);
    shared.free(first);
    assert_eq!(shared.seen()[0].phase, Phase::Taken);
    assert!(shared.lose(second));
    assert_eq!(shared.end_of(second), Some(None));
    fs::remove_dir_all(runtime).unwrap();
}

#[test]
fn a_use_that_was_freed_is_not_found_by_its_pid() {
    let runtime = folder("freed");
    let shared = Shared::create(&runtime, "boot").unwrap();
    let place = shared.take(&facts("a.service")).unwrap();
    shared.pid_place(place).store(7, Ordering::Relaxed);
    shared.free(place);
    assert!(!shared.write_end(&ended(7, 0)));
    fs::remove_dir_all(runtime).unwrap();
}

#[test]
fn a_slot_is_finished_when_its_end_is_told_and_its_pipes_are_closed() {
    let runtime = folder("pipes");
    let shared = Shared::create(&runtime, "boot").unwrap();
    let place = shared.take(&facts("a.service")).unwrap();
    shared.set_pipes(place, [Some(5), Some(6), None]);
    assert_eq!(shared.pipes(place), [Some(5), Some(6), None]);
    let wanted = shared.want_drain(place);
    assert_eq!((shared.wants_drain(place), shared.is_drained(place, wanted)), (Some(wanted), false));
    shared.set_drained(place, wanted);
    assert_eq!((shared.wants_drain(place), shared.is_drained(place, wanted)), (None, true));
    shared.pipe_only(place);
    shared.close_stream(place, Stream::Stdout);
    assert!(shared.finished().is_empty() && !shared.is_closed(place));
    assert_eq!(shared.pipes(place), [None, Some(6), None]);
    let later = shared.want_drain(place);
    shared.close_stream(place, Stream::Stderr);
    assert!(shared.is_drained(place, later), "it will never be asked again");
    assert_eq!(shared.finished(), [place]);
    shared.free(place);
    assert!(shared.finished().is_empty() && shared.is_closed(place));
    fs::remove_dir_all(runtime).unwrap();
}

#[test]
fn a_file_that_is_no_table_is_refused() {
    let runtime = folder("damaged");
    assert!(Shared::open(&runtime, "boot").unwrap().is_none());
    for text in [vec![0; 10], vec![0; size_of::<Layout>()]] {
        fs::write(runtime.join(FILE), text).unwrap();
        assert_eq!(Shared::open(&runtime, "boot").err().unwrap().kind(), io::ErrorKind::InvalidData);
    }
    fs::remove_dir_all(runtime).unwrap();
}

#[test]
fn sizes_stay_what_files_have() {
    assert_eq!((size_of::<Slot>(), std::mem::offset_of!(Layout, pids)), (512, 2816));
}

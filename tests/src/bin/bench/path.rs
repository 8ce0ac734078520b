//! Branch moved -> process on a connected node. From the rename of the ref, as a third process's inotify sees it, to
//! the first instruction of the unit.

use crate::stages;
use crate::table::Table;
use crate::{milliseconds, now};
use fleet_tests::{TestFleet, within};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

/// Commits that are measured.
const COMMITS: usize = 50;
/// Commits before them: pages, caches and connections get warm.
const WARM_UP: usize = 3;
/// After convergence, until the coordinator has written that down.
const REST: Duration = Duration::from_millis(100);

/// One commit: when the ref was renamed and when the unit's first instruction ran.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) renamed: i64,
    pub(crate) began: i64,
}

pub(crate) fn measure(fleet: &TestFleet, stamp: &Path, table: &mut Table) {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let file = scratch.path().join("stamps");
    let renames = watch(&fleet.bare().join("refs/heads"), "develop");
    let mut ways = Vec::new();
    for commit in 0..WARM_UP + COMMITS {
        while renames.try_recv().is_ok() {}
        let way = one(fleet, stamp, &file, commit, &renames);
        if commit >= WARM_UP {
            ways.push(way);
        }
    }
    let whole: Vec<f64> = ways.iter().map(|way| milliseconds(way.began - way.renamed)).collect();
    let reached = table.add("branch moved -> process", "ms", &whole, Some(20.0));
    let floor = table.add("  floor: posix_spawn of the same program", "ms", &spawns(stamp, scratch.path()), None);
    let sync = table.add("  floor: fdatasync of 256 new bytes", "ms", &syncs(fleet.dir()), None);
    println!("branch moved -> process: {:.1} x posix_spawn, {:.1} x fdatasync", reached / floor, reached / sync);
    stages::report(fleet, &ways);
}

fn one(fleet: &TestFleet, stamp: &Path, file: &Path, commit: usize, renames: &mpsc::Receiver<i64>) -> Way {
    let repository = fleet.repository();
    let unit = format!(
        "[Service]\nExecStart={} {}\nEnvironment=COMMIT={commit}\n[X-Fleet]\nMinHealthySec=0\n",
        stamp.display(),
        file.display()
    );
    repository.write("environments/develop/units/stamp.service", &unit);
    let revision = repository.commit_and_push("Change the stamp");
    let renamed = renames.recv_timeout(Duration::from_secs(10)).expect("the ref was renamed");
    let began = within(Duration::from_secs(30), "the unit starts", || {
        let stamps = stamps(file);
        stamps.get(&commit.to_string()).copied().ok_or_else(|| format!("no stamp of commit {commit}"))
    });
    fleet.wait_for("develop", "develop converges", |seen| {
        seen["running_revision"] == *revision && seen["state"] == "converged"
    });
    std::thread::sleep(REST);
    Way { renamed, began }
}

/// When the unit first began, by commit.
fn stamps(file: &Path) -> BTreeMap<String, i64> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut first = BTreeMap::new();
    for (began, commit) in text.lines().filter_map(|line| line.split_once(' ')) {
        if let Ok(began) = began.parse() {
            first.entry(commit.to_owned()).or_insert(began);
        }
    }
    first
}

/// Tells the clock at each rename to `name` in `folder`, as long as the process lives.
fn watch(folder: &Path, name: &'static str) -> mpsc::Receiver<i64> {
    let inotify = inotify::init(CreateFlags::CLOEXEC).expect("inotify is there");
    inotify::add_watch(&inotify, folder, WatchFlags::MOVED_TO).expect("the folder can be watched");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [const { MaybeUninit::uninit() }; 4096];
        let mut events = Reader::new(&inotify, &mut buffer);
        while let Ok(event) = events.next() {
            let seen = now();
            if event.file_name().is_some_and(|found| found.to_bytes() == name.as_bytes()) && sender.send(seen).is_err()
            {
                return;
            }
        }
    });
    receiver
}

/// posix_spawn -> first instruction, of the same program by this process, in milliseconds.
fn spawns(stamp: &Path, folder: &Path) -> Vec<f64> {
    let one = |number: usize| {
        let file = folder.join(format!("spawn-{number}"));
        let asked = now();
        let status = Command::new(stamp).arg(&file).arg("--once").env("COMMIT", "0").status().expect("it runs");
        assert!(status.success(), "stamp ends well");
        milliseconds(stamps(&file)["0"] - asked)
    };
    (0..COMMITS).map(one).collect()
}

/// A write of 256 bytes and its fdatasync, on the fleet's file system, in milliseconds.
fn syncs(folder: &Path) -> Vec<f64> {
    let path = folder.join("sync-floor");
    let mut file = std::fs::File::create(&path).expect("the file is made");
    let mut one = || {
        let began = now();
        file.write_all(&[0; 256]).and_then(|()| file.sync_data()).expect("the disk works");
        milliseconds(now() - began)
    };
    let times = (0..COMMITS).map(|_| one()).collect();
    std::fs::remove_file(path).expect("it is there");
    times
}

//! A full disk: the coordinator's, and a node's. Needs root, to make small file systems.

use crate::{SLEEPER, pids, settled, told};
use fleet_tests::{Clone, TestFleet, eventually, skip};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A fleet whose coordinator and nodes have small disks of their own.
struct Cramped {
    // Goes down first: it lives in the others.
    fleet: TestFleet,
    server: Disk,
    nodes: Disk,
    _rest: Rest,
}

/// The fleet's temporary folder, which cannot be removed while the disks are mounted in it.
struct Rest(PathBuf);

impl Drop for Rest {
    fn drop(&mut self) {
        // What cannot be removed from the folder for temporary files harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Cramped {
    fn up() -> Cramped {
        let fleet = TestFleet::prepared();
        let (server, nodes) = (Disk::at(&fleet.dir().join("server"), 48), Disk::at(&fleet.dir().join("nodes"), 32));
        let rest = Rest(fleet.dir().parent().expect("a temporary folder").to_owned());
        fleet.start(&[]).ok();
        Cramped { fleet, server, nodes, _rest: rest }
    }
}

/// A small file system.
struct Disk(PathBuf);

impl Disk {
    fn at(path: &Path, mebibytes: u32) -> Disk {
        std::fs::create_dir_all(path).expect("a folder");
        let size = format!("size={mebibytes}m,mode=700");
        let made = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).status();
        assert!(made.expect("mount runs").success(), "a tmpfs at {}", path.display());
        Disk(path.to_owned())
    }

    /// Leaves no byte.
    fn fill(&self) {
        let mut file = File::create(self.0.join("fill")).expect("a file");
        for size in [1 << 20, 4096, 1] {
            let block = vec![0; size];
            while file.write_all(&block).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("fill")).expect("it was filled");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Detached, whoever may still look at it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn on_a_full_disk_what_runs_runs_on_and_everything_continues_when_there_is_space_again() {
    let name = "on_a_full_disk_what_runs_runs_on_and_everything_continues_when_there_is_space_again";
    if !rustix::process::geteuid().is_root() {
        return skip(name, "it makes small file systems, which needs root");
    }
    let cramped = Cramped::up();
    let before = settled(&cramped.fleet);
    the_coordinators_disk_is_full(&cramped, &before);
    a_nodes_disk_is_full(&cramped, &before);
}

fn the_coordinators_disk_is_full(cramped: &Cramped, before: &[(String, u64)]) {
    let fleet = &cramped.fleet;
    let repository = fleet.repository();
    cramped.server.fill();
    repository.write("units/one.service", SLEEPER);
    repository.git(&["add", "--all"]);
    repository.git(&["commit", "--quiet", "--message", "One"]);
    let refused = repository.try_git(&["push", "--quiet", "origin", "develop"]).expect_err("there is no space");
    assert!(refused.contains("No space left on device"), "{refused}");
    // What the journal's last page has room for is still recorded.
    let refused = eventually("the journal has no room left", || {
        let output = fleet.fleet(&["token", "create", "-e", "develop"]);
        if output.code == 0 { Err("it had".to_owned()) } else { Ok(output) }
    });
    told(refused, 1, &["journal", "No space left on device", "nothing was changed"]);
    let stopped = fleet.fleet(&["stop", "web", "-e", "develop"]).code(1);
    assert!(stopped.stdout.contains("nothing was done"), "{}", stopped.stdout);
    assert_eq!(pids(fleet), before, "what runs runs on, and is seen");

    cramped.server.free();
    repository.git(&["push", "--quiet", "origin", "develop"]);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    fleet.wait_running("develop", &commit);
    fleet.fleet(&["stop", "one", "-e", "develop"]).ok();
    fleet.fleet(&["start", "one", "-e", "develop"]).ok();
}

fn a_nodes_disk_is_full(cramped: &Cramped, before: &[(String, u64)]) {
    let fleet = &cramped.fleet;
    let repository: Clone = fleet.repository();
    let settled = fleet.environment("develop")["running_revision"].clone();
    cramped.nodes.fill();
    repository.write("units/two.service", SLEEPER);
    let commit = repository.commit_and_push("Two");
    let seen = fleet.wait_for("develop", "the node says that it cannot take it", |seen| {
        seen["desired_revision"] == *commit && seen["reasons"].to_string().contains("No space left")
    });
    assert_eq!(seen["running_revision"], settled);
    assert!(before.iter().all(|unit| pids(fleet).contains(unit)), "what runs runs on");

    cramped.nodes.free();
    fleet.wait_running("develop", &commit);
    assert!(before.iter().all(|unit| pids(fleet).contains(unit)));
}

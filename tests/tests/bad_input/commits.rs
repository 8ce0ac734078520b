//! Commits that remove too much, or hold what cannot be read.

use crate::{SLEEPER, finding};
use fleet_tests::{Clone, TestFleet};
use serde_json::Value;

struct World {
    fleet: TestFleet,
    repository: Clone,
    good: String,
    pids: Vec<(String, u64)>,
}

impl World {
    /// Pushes what lies in the clone; it must be rejected, and change nothing. The clone is then as before.
    fn rejected(&self, message: &str) -> Value {
        self.repository.commit_and_push(message);
        self.rejected_head(message)
    }

    /// The same for a head that was pushed already.
    fn rejected_head(&self, message: &str) -> Value {
        let commit = self.repository.git(&["rev-parse", "HEAD"]);
        let seen = self
            .fleet
            .wait_for("develop", &format!("{message:?} is rejected"), |seen| seen["rejected"]["revision"] == *commit);
        assert_eq!(seen["desired_revision"], *self.good, "{message}");
        assert_eq!(crate::pids(&self.fleet), self.pids, "{message}");
        self.repository.git(&["reset", "--quiet", "--hard", &self.good]);
        self.repository.git(&["push", "--quiet", "--force", "origin", "develop"]);
        self.fleet.wait_for("develop", "the good head is back", |seen| seen["rejected"].is_null());
        seen
    }

    /// Finding of this code at this file; gives its line and column, message and hint.
    #[track_caller]
    fn at<'a>(seen: &'a Value, code: &str, file: &str) -> (u64, u64, &'a str, &'a str) {
        let all = seen["rejected"]["diagnostics"].as_array().expect("diagnostics");
        let found = all.iter().find(|found| found["code"] == code && found["file"] == file);
        let found = found.unwrap_or_else(|| panic!("no {code} at {file} in {all:#?}"));
        let number = |key: &str| found[key].as_u64().expect("a number");
        let text = |key: &str| found[key].as_str().expect("a text");
        (number("line"), number("column"), text("message"), text("hint"))
    }
}

#[test]
fn a_commit_that_cannot_be_meant_or_read_is_named_by_place_and_changes_nothing() {
    let fleet = TestFleet::up();
    let repository = fleet.repository();
    for name in ["one", "two"] {
        repository.write(&format!("units/{name}.service"), SLEEPER);
    }
    let good = repository.commit_and_push("Two more");
    fleet.wait_running("develop", &good);
    let pids = crate::settled(&fleet);
    let world = World { fleet, repository, good, pids };
    too_much_is_removed(&world);
    everything_is_removed(&world);
    garbage_lies_among_the_units(&world);
    files_are_too_large_or_no_files(&world);
    a_commit_without_a_change_is_accepted(&world);
}

fn too_much_is_removed(world: &World) {
    world.repository.git(&["rm", "--quiet", "units/one.service", "units/two.service", "units/hello.service"]);
    let seen = world.rejected("Tidy up");
    let (code, message, hint) = finding(&seen);
    assert_eq!(code, "removal-gate");
    assert!(message.contains("3 of 5 units") && message.contains("hello.service"), "{message}");
    assert!(hint.contains("several commits"), "{hint}");
}

fn everything_is_removed(world: &World) {
    world.repository.git(&["rm", "-r", "--quiet", "."]);
    let seen = world.rejected("Tidy up more");
    let (code, message, hint) = finding(&seen);
    assert_eq!(code, "removal-gate");
    assert!(message.contains("5 of 5 units"), "{message}");
    assert!(hint.contains("revert it") && hint.contains("Instances=0"), "{hint}");
}

fn garbage_lies_among_the_units(world: &World) {
    let repository = &world.repository;
    let units = repository.path().join("units");
    std::fs::write(units.join("bytes.service"), [b'[', 0xbb, 0xff, b'\n']).expect("written");
    std::fs::write(units.join("zero.service"), b"[Service]\nExecStart=/bin/true \0\n").expect("written");
    repository.write("units/header.service", "[Servic\nExecStart=/bin/true\n");
    repository.write("units/spa ce.service", SLEEPER);
    repository.write("units/nothing.service", "[Service]\n");
    repository.write("units/deep/er.service", SLEEPER);
    let seen = world.rejected("Garbage");
    let (line, column, message, hint) = World::at(&seen, "not-utf8", "units/bytes.service");
    assert_eq!((line, column), (1, 2), "{message}");
    assert!(message.contains("0xbb") && hint.contains("UTF-8"));
    let (line, ..) = World::at(&seen, "control-character", "units/zero.service");
    assert_eq!(line, 2);
    let (line, _, _, hint) = World::at(&seen, "bad-section-header", "units/header.service");
    assert!(line == 1 && hint.contains("[Service]"), "{hint}");
    World::at(&seen, "bad-unit-name", "units/spa ce.service");
    let (.., hint) = World::at(&seen, "no-exec-start", "units/nothing.service");
    assert!(hint.contains("ExecStart="), "{hint}");
    World::at(&seen, "stray-file", "units/deep/er.service");
}

fn files_are_too_large_or_no_files(world: &World) {
    let repository = &world.repository;
    std::fs::create_dir_all(repository.path().join("files/big")).expect("made");
    let blob = std::fs::File::create(repository.path().join("files/big/blob")).expect("made");
    blob.set_len(20 << 20).expect("grown");
    std::os::unix::fs::symlink("/etc/passwd", repository.path().join("units/link.service")).expect("linked");
    let head = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["add", "--all"]);
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{head},files/module")]);
    repository.git(&["commit", "--quiet", "--message", "Not only files"]);
    // Not by `commit_and_push`: it would take the submodule, which is not checked out, for removed.
    repository.git(&["push", "--quiet", "origin", "develop"]);
    let seen = world.rejected_head("Not only files");
    let (.., message, hint) = World::at(&seen, "file-too-large", "files/big/blob");
    assert!(message.contains("16 MiB") && !hint.is_empty(), "{message} {hint}");
    let (.., message, hint) = World::at(&seen, "not-a-file", "units/link.service");
    assert!(message.contains("symbolic link") && hint.contains("the file itself"), "{message} {hint}");
    let (.., message, hint) = World::at(&seen, "not-a-file", "files/module");
    assert!(message.contains("submodule") && hint.contains("git rm"), "{message} {hint}");
}

fn a_commit_without_a_change_is_accepted(world: &World) {
    let repository = &world.repository;
    repository.git(&["commit", "--quiet", "--allow-empty", "--message", "Nothing"]);
    repository.git(&["push", "--quiet", "origin", "develop"]);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    let seen = world.fleet.wait_running("develop", &commit);
    assert!(seen["rejected"].is_null());
    assert_eq!(crate::pids(&world.fleet), world.pids);
}

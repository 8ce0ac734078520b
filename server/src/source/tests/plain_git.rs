//! Plain git against the coordinator's repository. Skipped, and said so, where git is not installed.

use super::world::{World, environment};
use crate::source::{Examined, Kind};
use fleet_units::view::BranchState;
use std::path::Path;
use std::process::Command;

fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .args(["-c", "user.name=bob", "-c", "user.email=bob@example.org", "-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("HOME", folder)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A world with a working clone beside it, develop checked out.
fn cloned() -> Option<(World, std::path::PathBuf)> {
    if Command::new("git").arg("--version").output().is_err() {
        eprintln!("skipped: git is not installed");
        return None;
    }
    let world = World::new();
    let folder = world.path.parent().unwrap().to_owned();
    git(&folder, &["clone", "-q", "config.git", "work"]).unwrap();
    Some((world, folder.join("work")))
}

fn write(work: &Path, path: &str, text: &str) {
    std::fs::write(work.join(path), text).unwrap();
}

#[test]
fn a_push_by_path_is_accepted_and_survives_packing_and_collecting() {
    let Some((mut world, work)) = cloned() else { return };
    write(&work, "units/a.service", "two");
    git(&work, &["commit", "-qam", "second"]).unwrap();
    git(&work, &["push", "-q", "origin", "develop"]).unwrap();
    let accepted = world.accept("develop");
    assert_eq!((accepted.facts.subject.as_str(), accepted.facts.author.as_str()), ("second", "bob"));
    git(&world.path, &["pack-refs", "--all", "--prune"]).unwrap();
    assert!(matches!(world.examine("develop"), Examined::Unchanged));
    git(&world.path, &["gc", "-q", "--prune=now"]).unwrap();
    assert_eq!(world.source.accepted(&environment("develop")).unwrap().unwrap().revision, accepted.revision);
    world.push("develop", &[("units/a.service", Some("three"))]);
    world.reopen();
    assert!(matches!(world.examine("develop"), Examined::Unchanged));
    git(&world.path, &["fsck", "--strict", "--no-dangling"]).unwrap();
}

#[test]
fn merge_and_push_promotes() {
    let Some((mut world, work)) = cloned() else { return };
    write(&work, "units/a.service", "two");
    git(&work, &["commit", "-qam", "second"]).unwrap();
    git(&work, &["push", "-q", "origin", "develop"]).unwrap();
    let head = world.accept("develop").revision;
    git(&work, &["checkout", "-q", "test"]).unwrap();
    git(&work, &["merge", "-q", "--no-ff", "-m", "merge", "develop"]).unwrap();
    git(&work, &["push", "-q", "origin", "test"]).unwrap();
    let accepted = world.accept("test");
    assert_eq!((accepted.kind, accepted.source), (Kind::Promotion, Some(head)));
}

#[test]
fn a_forced_push_a_deletion_and_an_update_ref_are_seen() {
    let Some((mut world, work)) = cloned() else { return };
    let first = world.tip("develop");
    let second = world.push("develop", &[("units/a.service", Some("two"))]);
    git(&work, &["push", "-qf", "origin", "develop"]).unwrap();
    assert_eq!(world.tip("develop"), first);
    assert_eq!(world.kept_code("develop").0, BranchState::Rewound);
    git(&work, &["push", "-q", "origin", ":develop"]).unwrap_err();
    git(&world.path, &["update-ref", "-d", "refs/heads/develop"]).unwrap();
    assert_eq!(world.kept("develop").0, BranchState::Missing);
    git(&world.path, &["update-ref", "refs/heads/develop", second.as_str()]).unwrap();
    assert!(matches!(world.examine("develop"), Examined::Unchanged));
}

#[test]
fn the_refs_that_hold_decisions_can_be_neither_seen_nor_pushed() {
    let Some((world, work)) = cloned() else { return };
    assert!(!git(&work, &["ls-remote", "origin"]).unwrap().contains("refs/fleet"));
    git(&work, &["push", "-q", "origin", "develop:refs/fleet/log/develop"]).unwrap_err();
    git(&work, &["push", "-q", "origin", ":refs/fleet/log/develop"]).unwrap_err();
    drop(world);
}

//! Refs as a whole: intents, restarts, the watcher.

use super::world::{World, environment};
use crate::source::git::oid;
use crate::source::intent::{Move, carry_out};
use crate::source::{SourceError, Watcher};
use std::time::{Duration, Instant};

#[test]
fn several_refs_move_together_or_not_at_all() {
    let world = World::new();
    let first = oid(&world.tip("develop"));
    let next = oid(&world.commit(&[&world.tip("develop")], &[("units/a.service", Some("2"))], "next"));
    let git = world.source.git();
    let moves = vec![
        Move::new("refs/heads/develop", Some(first), Some(next)),
        Move::new("refs/fleet/log/x", Some(first), Some(next)),
    ];
    let result = carry_out(git, moves, "test");
    assert!(matches!(result, Err(SourceError::Moved { name }) if name == "refs/fleet/log/x"));
    assert_eq!(oid(&world.tip("develop")), first);
    assert!(!world.path.join("fleet-intent").exists());
}

#[test]
fn an_intent_left_by_a_crash_is_completed_when_it_still_stands_and_undone_when_not() {
    for stage in ["nothing moved", "branch moved", "built upon", "overtaken"] {
        let mut world = World::new();
        let first = world.tip("develop");
        let next = world.commit(&[&first], &[("units/a.service", Some("2"))], "next");
        let after = world.commit(&[&next], &[("units/a.service", Some("3"))], "after");
        let other = world.commit(&[&first], &[("units/a.service", Some("4"))], "other");
        let intent = format!(
            r#"{{"version":1,"moves":[{{"name":"refs/heads/develop","old":"{first}","new":"{next}"}},
               {{"name":"refs/fleet/bad/develop/x","old":null,"new":"{first}"}}]}}"#
        );
        std::fs::write(world.path.join("fleet-intent"), intent).unwrap();
        std::fs::write(world.path.join("refs/heads/develop.lock"), "").unwrap();
        std::fs::write(world.path.join("refs/fleet/log/develop.lock"), "").unwrap();
        let (branch, mark) = match stage {
            "nothing moved" => (&next, true),
            "branch moved" => (&next, true),
            "built upon" => (&after, true),
            _ => (&other, false),
        };
        std::fs::remove_file(world.path.join("refs/heads/develop.lock")).unwrap();
        match stage {
            "nothing moved" => {}
            "branch moved" => world.point("develop", &next),
            "built upon" => world.point("develop", &after),
            _ => {
                world.point("develop", &other);
                world.repo().reference("refs/fleet/bad/develop/x", oid(&first), true, "").unwrap();
            }
        }
        std::fs::write(world.path.join("refs/heads/develop.lock"), "").unwrap();
        world.reopen();
        assert_eq!(&world.tip("develop"), branch, "{stage}");
        assert_eq!(world.repo().find_reference("refs/fleet/bad/develop/x").is_ok(), mark, "{stage}");
        assert!(!world.path.join("fleet-intent").exists());
    }
}

#[test]
fn the_log_is_a_chain_that_keeps_every_head() {
    let mut world = World::new();
    let second = world.push("develop", &[("units/a.service", Some("2"))]);
    let repo = world.repo();
    let tip = repo.find_reference("refs/fleet/log/develop").unwrap().peel_to_commit().unwrap();
    assert_eq!((tip.parent_count(), tip.parent_id(1).unwrap()), (2, oid(&second)));
    let history = world.source.history(&environment("develop"), 20).unwrap();
    let kinds: Vec<_> = history.iter().map(|entry| (entry.record.kind.as_str(), entry.converged, entry.bad)).collect();
    assert_eq!(kinds, [("push", false, false), ("push", true, false)]);
    assert_eq!((history[0].subject.as_str(), history[0].record.actor.as_str()), ("change", "ann"));
}

#[test]
fn a_log_written_by_a_newer_version_is_an_error_that_says_so() {
    let mut world = World::new();
    let repo = world.repo();
    let tip = repo.find_reference("refs/fleet/log/test").unwrap().peel_to_commit().unwrap();
    let head = repo.find_commit(oid(&world.tip("test"))).unwrap();
    let who = tip.committer();
    let message =
        "push x\n\n{\"version\":9,\"kind\":\"push\",\"source\":null,\"actor\":\"\",\"reason\":\"\",\"time_us\":1}\n";
    repo.commit(Some("refs/fleet/log/test"), &who, &who, message, &tip.tree().unwrap(), &[&tip, &head]).unwrap();
    let error = world.source.accepted(&environment("test")).unwrap_err().to_string();
    assert!(error.contains("version 9 is newer"), "{error}");
}

/// Waits for the watcher, and tells how long it took; the net of a second is long gone after three.
async fn wakes(watcher: &mut Watcher) -> Duration {
    let start = Instant::now();
    tokio::time::timeout(Duration::from_secs(3), watcher.changed()).await.expect("the net is a second wide");
    start.elapsed()
}

/// Empties what earlier steps have caused.
async fn settle(watcher: &mut Watcher) {
    while tokio::time::timeout(Duration::from_millis(60), watcher.changed()).await.is_ok() {}
}

#[tokio::test]
async fn a_moved_branch_is_noticed_at_once_however_it_is_moved() {
    let world = World::new();
    let next = world.commit(&[&world.tip("develop")], &[("units/a.service", Some("2"))], "next");
    let mut watcher = Watcher::new(&world.path);
    let mut best = Duration::from_secs(9);
    for turn in 0..5 {
        settle(&mut watcher).await;
        let branch = if turn % 2 == 0 { "develop" } else { "feature/x" };
        world.point(branch, &next);
        best = best.min(wakes(&mut watcher).await);
    }
    assert!(best < Duration::from_millis(50), "{best:?}");
}

#[tokio::test]
async fn looking_causes_no_events_of_its_own() {
    let world = World::new();
    let mut watcher = Watcher::new(&world.path);
    settle(&mut watcher).await;
    let start = Instant::now();
    let mut looks = 0;
    while start.elapsed() < Duration::from_millis(700) {
        let _ = tokio::time::timeout(Duration::from_millis(100), watcher.changed()).await.map(|()| looks += 1);
        world.source.git().heads().unwrap();
    }
    assert!(looks <= 1, "{looks}");
}

#[tokio::test]
async fn a_replaced_folder_is_followed() {
    let mut world = World::new();
    let other = World::new();
    let mut watcher = Watcher::new(&world.path);
    let before = world.source.heads().unwrap();
    std::fs::rename(&world.path, world.path.with_extension("old")).unwrap();
    std::fs::rename(&other.path, &world.path).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1200) {
        watcher.changed().await;
    }
    assert_eq!(world.source.heads().unwrap().len(), before.len());
    let next = world.commit(&[&world.tip("develop")], &[("units/a.service", Some("2"))], "next");
    let mut best = Duration::from_secs(9);
    for branch in ["develop", "test", "staging"] {
        settle(&mut watcher).await;
        world.point(branch, &next);
        best = best.min(wakes(&mut watcher).await);
    }
    assert!(best < Duration::from_millis(50), "{best:?}");
    assert_eq!(world.source.heads().unwrap()["develop"], next);
}

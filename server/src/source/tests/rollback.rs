//! Rollback by command, and what it leaves behind.

use super::world::{World, environment};
use crate::source::git::oid;
use crate::source::{Accepted, Kind, Refusal};
use fleet_units::ids::Revision;
use fleet_units::view::BranchState;

const A: &str = "units/a.service";

fn roll_back(world: &mut World, name: &str, rev: Option<&Revision>, again: Option<&str>) -> Result<Accepted, Refusal> {
    let proposed = world.source.propose_rollback(&environment(name), rev, "it was slow", again)?;
    let act = world.act();
    world.source.commit(&proposed, &act)
}

#[test]
fn a_rollback_is_a_commit_on_top_with_the_tree_of_the_last_converged_head() {
    let mut world = World::new();
    let first = world.tip("develop");
    world.push("develop", &[(A, Some("never converged"))]);
    let bad = world.push("develop", &[(A, Some("bad"))]);
    let accepted = roll_back(&mut world, "develop", None, None).unwrap();
    assert_eq!((accepted.kind, accepted.source), (Kind::Rollback, Some(first.clone())));
    let repo = world.repo();
    let commit = repo.find_commit(oid(&world.tip("develop"))).unwrap();
    assert_eq!(commit.parent_ids().collect::<Vec<_>>(), [oid(&bad)]);
    assert_eq!(commit.tree_id(), repo.find_commit(oid(&first)).unwrap().tree_id());
    let message = commit.message().unwrap();
    assert!(message.contains(&format!("Fleet-Rollback: {bad} -> {first}\nFleet-Reason: it was slow\n")), "{message}");
    assert!(world.source.history(&environment("develop"), 9).unwrap()[1].bad);
}

#[test]
fn what_was_rolled_back_is_refused_as_push_source_and_result_until_superseded() {
    let mut world = World::new();
    let bad = world.push("develop", &[(A, Some("bad"))]);
    world.promote("test", None);
    roll_back(&mut world, "test", None, None).unwrap();
    let refusal = world.source.propose_promotion(None, &environment("test"), None).unwrap_err();
    assert_eq!((refusal.code(), refusal.exit()), ("bad-tree", 4), "{refusal}");
    // As a push.
    let good = world.tip("test");
    let again = world.commit_like(&[&good], &bad, "again");
    world.point("test", &again);
    assert_eq!(world.kept_code("test"), (BranchState::Unaccepted, "bad-tree".to_owned()));
    world.point("test", &good);
    // As a source.
    roll_back(&mut world, "develop", None, None).unwrap();
    let refusal = world.source.propose_promotion(None, &environment("test"), Some(&bad)).unwrap_err();
    assert_eq!(refusal.code(), "bad-source");
    // Another tree from the same commits is welcome, and supersedes the mark once it has converged.
    world.push("develop", &[(A, Some("better"))]);
    world.promote("test", None);
    let marks = |world: &World, folder: &str| {
        world.repo().references_glob(&format!("refs/fleet/{folder}/test/*")).unwrap().count()
    };
    assert_eq!((marks(&world, "bad"), marks(&world, "superseded")), (1, 0));
    world.converge("test");
    assert_eq!((marks(&world, "bad"), marks(&world, "superseded")), (0, 1));
}

#[test]
fn after_a_rollback_the_next_promotion_brings_the_new_tree_fully() {
    let mut world = World::new();
    world.push("develop", &[(A, Some("bad")), ("environments/test/x", Some("1"))]);
    world.promote("test", None);
    roll_back(&mut world, "test", None, None).unwrap();
    world.push("develop", &[(A, Some("better"))]);
    let accepted = world.promote("test", None);
    assert_eq!(accepted.files.files[A].content.to_vec(), b"better");
    assert!(accepted.files.files.contains_key("environments/test/x"), "the overlay came with what was rolled back");
}

#[test]
fn going_back_to_what_was_rolled_back_needs_a_reason_and_lifts_the_mark() {
    let mut world = World::new();
    let bad = world.push("develop", &[(A, Some("bad"))]);
    roll_back(&mut world, "develop", None, None).unwrap();
    assert_eq!(roll_back(&mut world, "develop", Some(&bad), None).unwrap_err().code(), "bad-tree");
    let accepted = roll_back(&mut world, "develop", Some(&bad), Some("it was the network")).unwrap();
    assert_eq!(accepted.source, Some(bad));
    let history = world.source.history(&environment("develop"), 9).unwrap();
    assert_eq!(history[0].record.reason, "it was slow");
    assert!(!history[0].bad && !history[2].bad);
}

#[test]
fn rolling_back_twice_goes_further_back_and_ends_where_nothing_converged() {
    let mut world = World::new();
    let first = world.tip("develop");
    let second = world.push("develop", &[(A, Some("two"))]);
    world.converge("develop");
    world.push("develop", &[(A, Some("three"))]);
    assert_eq!(roll_back(&mut world, "develop", None, None).unwrap().source, Some(second.clone()));
    assert_eq!(roll_back(&mut world, "develop", None, None).unwrap().source, Some(first));
    assert_eq!(roll_back(&mut world, "develop", None, None).unwrap_err().code(), "no-target");
    let stray = world.commit(&[&second], &[], "stray");
    assert_eq!(roll_back(&mut world, "develop", Some(&stray), None).unwrap_err().code(), "never-head");
    let here = world.tip("develop");
    let refusal = roll_back(&mut world, "develop", Some(&here), None).unwrap_err();
    assert!(refusal.nothing_to_do() && refusal.exit() == 0);
}

#[test]
fn secrets_stay_as_they_are() {
    let mut world = World::new();
    let key = "secrets/develop/key.age";
    let old = world.push("develop", &[(key, Some("revoked"))]);
    world.converge("develop");
    world.push("develop", &[(key, Some("new")), (A, Some("bad"))]);
    let accepted = roll_back(&mut world, "develop", Some(&old), None).unwrap();
    let repo = world.repo();
    let tree = repo.find_commit(oid(&accepted.revision)).unwrap().tree().unwrap();
    let blob = repo.find_blob(tree.get_path(key.as_ref()).unwrap().id()).unwrap();
    assert_eq!(blob.content(), b"new");
    assert_eq!(accepted.files.files[A].content.to_vec(), b"one");
}

#[test]
fn a_head_that_was_refused_can_be_rolled_back_to_what_runs() {
    let mut world = World::new();
    let running = world.tip("production");
    let refused = world.push_only("production", &[(A, Some("direct"))]);
    assert_eq!(world.kept("production").0, BranchState::Unaccepted);
    let accepted = roll_back(&mut world, "production", None, None).unwrap();
    assert_eq!(accepted.source, Some(running));
    let history = world.source.history(&environment("production"), 9).unwrap();
    assert_eq!(history.len(), 2);
    assert!(world.source.git().is_descendant(&world.tip("production"), &refused).unwrap());
    assert_eq!(world.repo().references_glob("refs/fleet/bad/production/*").unwrap().count(), 0, "it never ran");
}

#[test]
fn a_missing_or_rewound_branch_is_not_rolled_back() {
    let mut world = World::new();
    let first = world.tip("test");
    world.push("test", &[("environments/test/x", Some("x"))]);
    world.point("test", &first);
    assert_eq!(roll_back(&mut world, "test", None, None).unwrap_err().code(), "branch-state");
    world.delete("test");
    let refusal = roll_back(&mut world, "test", None, None).unwrap_err();
    assert!(refusal.next_step().starts_with("push "), "{}", refusal.next_step());
}

#[test]
fn a_promotion_that_loses_against_a_rollback_says_so() {
    let mut world = World::new();
    world.push("test", &[("environments/test/x", Some("x"))]);
    world.push("develop", &[(A, Some("two"))]);
    let proposed = world.source.propose_promotion(None, &environment("test"), None).unwrap();
    roll_back(&mut world, "test", None, None).unwrap();
    let act = world.act();
    assert_eq!(world.source.commit(&proposed, &act).unwrap_err().code(), "rolled-back-meanwhile");
}

#[test]
fn the_rolled_back_tree_of_the_source_travels_as_an_ordinary_promotion() {
    let mut world = World::new();
    world.push("develop", &[(A, Some("bad"))]);
    world.promote("test", None);
    roll_back(&mut world, "develop", None, None).unwrap();
    let accepted = world.promote("test", None);
    assert_eq!(accepted.files.files[A].content.to_vec(), b"one");
}

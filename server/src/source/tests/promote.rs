//! Promotion by command.

use super::world::{Edit, World, environment};
use crate::source::git::oid;
use crate::source::{Act, Examined, Kind, Refusal};

const A: &str = "units/a.service";

fn refused(world: &mut World, to: &str) -> Refusal {
    world.source.propose_promotion(None, &environment(to), None).expect_err("a refusal")
}

#[test]
fn a_promotion_is_a_merge_commit_with_the_sources_common_tree() {
    let mut world = World::new();
    let overlay = "environments/test/a.service.d/10.conf";
    let target = world.push("test", &[(overlay, Some("only here"))]);
    let source = world.push("develop", &[(A, Some("two")), ("README", Some("x"))]);
    let proposed = world.source.propose_promotion(None, &environment("test"), None).unwrap();
    assert_eq!(world.tip("test"), target, "a proposal moves nothing");
    assert_eq!(proposed.fleet.units.len(), 5);
    let act = Act { actor: "eve".to_owned(), plan_id: Some("8c1d".to_owned()), now: world.now() };
    let accepted = world.source.commit(&proposed, &act).unwrap();
    let repo = world.repo();
    let commit = repo.find_commit(oid(&world.tip("test"))).unwrap();
    assert_eq!(commit.id(), oid(&accepted.revision));
    assert_eq!(commit.parent_ids().collect::<Vec<_>>(), [oid(&target), oid(&source)]);
    assert_eq!((commit.author().name(), commit.committer().name()), (Ok("eve"), Ok("Fleet")));
    let message = commit.message().unwrap();
    assert!(message.starts_with(&format!("Promote develop to test: {}\n\n", source.short())), "{message}");
    for trailer in ["Fleet-Promotion: develop test", &format!("Fleet-Source: {source}"), "Fleet-Plan: 8c1d"] {
        assert!(message.lines().any(|line| line == trailer), "{message}");
    }
    assert!(commit.tree().unwrap().get_path(overlay.as_ref()).is_ok());
    assert_eq!(world.source.common_tree(&accepted.revision).unwrap(), world.source.common_tree(&source).unwrap());
    assert!(matches!(world.examine("test"), Examined::Unchanged));
    let done = proposed.done(&accepted.revision);
    assert!(done.ends_with(&format!("= develop {}", source.short())), "{done}");
    assert!(matches!(refused(&mut world, "test"), Refusal::NothingToPromote { .. }));
}

#[test]
fn the_chain_is_kept_to() {
    let mut world = World::new();
    world.push("develop", &[(A, Some("two"))]);
    let mut code = |from: &str, to: &str| {
        let refusal = world.source.propose_promotion(Some(&environment(from)), &environment(to), None).unwrap_err();
        (refusal.code(), refusal.exit())
    };
    assert_eq!(code("test", "develop"), ("order", 2));
    assert_eq!(code("test", "test"), ("order", 2));
    assert_eq!(code("develop", "staging"), ("skip", 4));
    assert_eq!(code("develop", "nowhere"), ("unknown-environment", 2));
    assert_eq!(refused(&mut world, "develop").code(), "order");
}

#[test]
fn only_accepted_heads_are_promoted_and_an_older_one_is_no_promotion() {
    let mut world = World::new();
    let second = world.push("develop", &[(A, Some("two"))]);
    let third = world.push("develop", &[(A, Some("three"))]);
    let stray = world.commit(&[&third], &[(A, Some("stray"))], "stray");
    let test = environment("test");
    let code = |world: &mut World, rev| world.source.propose_promotion(None, &test, Some(rev)).unwrap_err().code();
    assert_eq!(code(&mut world, &stray), "never-head");
    world.promote("test", Some(&second));
    world.promote("test", None);
    assert_eq!(code(&mut world, &second), "older");
    assert_eq!(world.source.resolve(&environment("develop"), &third.as_str()[..8]).unwrap(), third);
    assert_eq!(world.source.resolve(&environment("develop"), "zzzz").unwrap_err().code(), "never-head");
    assert_eq!(world.source.resolve(&environment("develop"), third.short()).unwrap(), third);
}

#[test]
fn a_head_with_errors_is_not_promoted_and_its_errors_are_named() {
    let mut world = World::new();
    let good = world.push("develop", &[(A, Some("two"))]);
    world.push_only("develop", &[(A, Some("BROKEN"))]);
    let refusal = refused(&mut world, "test");
    assert_eq!((refusal.code(), refusal.diagnostics()[0].code.as_str()), ("not-accepted", "bad-value"));
    assert!(refusal.to_string().contains("units/a.service:1"), "{refusal}");
    world.promote("test", Some(&good));
}

#[test]
fn a_result_with_errors_in_the_targets_overlay_is_refused() {
    let mut world = World::new();
    world.push("develop", &[("environments/test/units/x.service", Some("BROKEN")), (A, Some("two"))]);
    let refusal = refused(&mut world, "test");
    assert_eq!((refusal.code(), refusal.exit()), ("result-in-error", 4));
    assert_eq!(refusal.diagnostics()[0].place.file, "environments/test/units/x.service");
}

#[test]
fn production_waits_until_staging_has_converged() {
    let mut world = World::new();
    world.push("develop", &[(A, Some("two"))]);
    world.promote("test", None);
    world.promote("staging", None);
    assert_eq!(refused(&mut world, "production").code(), "not-converged");
    world.converge("staging");
    world.promote("production", None);
}

#[test]
fn what_the_target_holds_and_the_source_lacks_is_named_and_merging_it_leads_on() {
    let mut world = World::new();
    let fix = world.push("test", &[("units/b.service", Some("fixed on test"))]);
    let head = world.push("develop", &[(A, Some("two"))]);
    let refusal = refused(&mut world, "test");
    let text = refusal.to_string();
    assert!(text.contains(&format!("units/b.service ({}, ann, 20", fix.short())), "{text}");
    assert_eq!(refusal.next_step(), "`git merge test` in develop, push, promote");
    let merge = world.commit(&[&head, &fix], &[("units/b.service", Some("fixed on test"))], "merge test");
    world.point("develop", &merge);
    world.accept("develop");
    world.promote("test", None);
}

#[test]
fn a_fix_that_the_source_has_in_the_same_words_stands_in_nobodys_way() {
    let mut world = World::new();
    world.push("test", &[("units/b.service", Some("fixed"))]);
    world.push("develop", &[("units/b.service", Some("fixed")), (A, Some("two"))]);
    world.promote("test", None);
}

#[test]
fn overlays_merge_by_whole_files() {
    let own = "environments/test/a.service.d/10.conf";
    let of_develop = "environments/develop/a.service.d/10.conf";
    let later = "environments/production/a.service.d/10.conf";
    let both: [Edit<'_>; 3] = [(own, Some("1")), (of_develop, Some("1")), (later, Some("1"))];
    let mut world = World::new();
    world.push("develop", &both);
    world.promote("test", None);
    world.push("test", &[(own, Some("test")), (of_develop, Some("test"))]);
    world.push("develop", &[(of_develop, Some("develop")), (later, Some("develop"))]);
    let accepted = world.promote("test", None);
    let text = |path: &str| accepted.files.files[path].content.to_vec();
    assert_eq!(text(own), b"test", "only the target changed it");
    assert_eq!(text(of_develop), b"develop", "nobody runs develop's overlays on test");
    assert_eq!(text(later), b"develop", "only the source changed it");
    world.push("test", &[(own, Some("test again"))]);
    world.push("develop", &[(own, Some("develop"))]);
    let refusal = refused(&mut world, "test");
    assert!(matches!(&refusal, Refusal::OwnedConflict { paths, .. } if paths == &[own.to_owned()]), "{refusal}");
}

#[test]
fn an_overlay_that_is_a_file_here_and_a_folder_there_is_a_conflict_of_both() {
    let mut world = World::new();
    world.push("test", &[("environments/test/x", Some("a file"))]);
    world.push("develop", &[("environments/test/x/y", Some("in a folder"))]);
    match refused(&mut world, "test") {
        Refusal::OwnedConflict { paths, .. } => assert_eq!(paths, ["environments/test/x", "environments/test/x/y"]),
        other => panic!("{other}"),
    }
}

#[test]
fn an_overlay_taken_away_on_one_side_is_gone_afterwards() {
    let path = "environments/test/a.service.d/10.conf";
    let mut world = World::new();
    world.push("develop", &[(path, Some("1"))]);
    world.promote("test", None);
    // Taking it away alone would be the tree of an earlier head, which is a rollback.
    world.push("test", &[(path, None), ("secrets/test/key.age", Some("x")), ("environments/test/y", Some("y"))]);
    world.push("develop", &[(A, Some("two"))]);
    let accepted = world.promote("test", None);
    assert!(!accepted.files.files.contains_key(path));
    let repo = world.repo();
    let tree = repo.find_commit(oid(&accepted.revision)).unwrap().tree().unwrap();
    assert!(tree.get_path("environments/test/a.service.d".as_ref()).is_err(), "no empty folder stays");
    assert!(tree.get_path("environments/test/y".as_ref()).is_ok());
}

#[test]
fn an_environment_without_a_branch_gets_one() {
    let mut world = World::empty();
    let first = world.commit(&[], &[(A, Some("one"))], "first");
    world.point("develop", &first);
    world.accept("develop");
    let accepted = world.promote("test", None);
    let commit = world.repo().find_commit(oid(&accepted.revision)).unwrap().parent_ids().collect::<Vec<_>>();
    assert_eq!((commit, world.tip("test")), (vec![oid(&first)], accepted.revision));
    assert_eq!(refused(&mut world, "test").code(), "nothing-to-do");
}

#[test]
fn missing_and_rewound_branches_are_neither_source_nor_target() {
    for broken in ["develop", "test"] {
        let mut world = World::new();
        world.push("test", &[("environments/test/x", Some("x"))]);
        let back = world.tip("staging");
        world.push("develop", &[(A, Some("two"))]);
        world.point(broken, &back);
        let refusal = refused(&mut world, "test");
        assert_eq!((refusal.code(), refusal.exit()), ("branch-state", 4), "{refusal}");
        world.delete(broken);
        assert_eq!(refused(&mut world, "test").code(), "branch-state");
    }
}

#[test]
fn unrelated_histories_are_refused() {
    let mut world = World::empty();
    for name in ["develop", "test"] {
        let root = world.commit(&[], &[(A, Some(name))], name);
        world.point(name, &root);
        world.accept(name);
    }
    assert_eq!(refused(&mut world, "test").code(), "unrelated");
}

#[test]
fn a_branch_that_moves_between_proposal_and_commit_changes_nothing() {
    let mut world = World::new();
    world.push("develop", &[(A, Some("two"))]);
    let test = environment("test");
    let proposed = world.source.propose_promotion(None, &test, None).unwrap();
    let other = world.push_only("test", &[("environments/test/x", Some("x"))]);
    let act = world.act();
    assert_eq!(world.source.commit(&proposed, &act).unwrap_err().code(), "raced");
    assert_eq!(world.tip("test"), other);
    assert_eq!(refused(&mut world, "test").code(), "raced", "the new head was not looked at yet");
    world.accept("test");
    world.promote("test", None);
}

#[test]
fn a_promotion_is_in_the_history_with_its_source_and_actor() {
    let mut world = World::new();
    let source = world.push("develop", &[(A, Some("two"))]);
    world.promote("test", None);
    let entry = world.source.history(&environment("test"), 1).unwrap().remove(0);
    assert_eq!(
        (entry.record.kind, entry.record.source, entry.record.actor.as_str()),
        (Kind::Promotion, Some(source), "eve")
    );
}

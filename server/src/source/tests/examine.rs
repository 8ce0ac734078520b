//! What a moved branch means for its environment.

use super::world::{World, environment};
use crate::source::{Examined, Kind, Source};
use fleet_units::view::BranchState;

#[test]
fn a_commit_on_develop_is_accepted_with_its_units() {
    let mut world = World::new();
    let head = world.push_only("develop", &[("units/f.service", Some("new"))]);
    let accepted = world.accept("develop");
    assert_eq!(accepted.revision, head);
    assert_eq!(accepted.kind, Kind::Push);
    assert!(accepted.fleet.units.contains_key(&"f.service".parse().unwrap()));
    assert_eq!(accepted.facts.author, "ann");
    assert!(matches!(world.examine("develop"), Examined::Unchanged));
}

#[test]
fn a_head_with_errors_keeps_the_last_good_one_and_is_shown_with_all_of_them() {
    let mut world = World::new();
    let good = world.tip("develop");
    let broken = [("units/a.service", Some("BROKEN")), ("units/b.service", Some("BROKEN"))];
    let head = world.push_only("develop", &broken);
    let (state, rejected) = world.kept("develop");
    let rejected = rejected.unwrap();
    assert_eq!((state, rejected.revision, rejected.diagnostics.len()), (BranchState::Ok, head, 2));
    assert_eq!(world.source.accepted(&environment("develop")).unwrap().unwrap().revision, good);
    world.push("develop", &[("units/a.service", Some("two")), ("units/b.service", Some("two"))]);
}

#[test]
fn an_accepted_head_is_known_after_a_restart_and_one_not_recorded_is_examined_again() {
    let mut world = World::new();
    let head = world.push("develop", &[("units/a.service", Some("two"))]);
    world.reopen();
    assert_eq!(world.source.accepted(&environment("develop")).unwrap().unwrap().revision, head);
    assert!(matches!(world.examine("develop"), Examined::Unchanged));
    world.push_only("develop", &[("units/a.service", Some("three"))]);
    assert!(matches!(world.examine("develop"), Examined::Accepted(_)));
    world.reopen();
    assert!(matches!(world.examine("develop"), Examined::Accepted(_)));
}

#[test]
fn a_missing_rewound_or_unrelated_branch_keeps_what_runs() {
    let mut world = World::new();
    let first = world.tip("develop");
    let head = world.push("develop", &[("units/a.service", Some("two"))]);
    world.point("develop", &first);
    assert_eq!(world.kept_code("develop"), (BranchState::Rewound, "rewound".to_owned()));
    world.delete("develop");
    assert_eq!(world.kept("develop"), (BranchState::Missing, None));
    let stranger = world.commit(&[], &[("units/a.service", Some("x"))], "stranger");
    world.point("develop", &stranger);
    assert_eq!(world.kept_code("develop"), (BranchState::Unrelated, "unrelated".to_owned()));
    world.point("develop", &head);
    assert!(matches!(world.examine("develop"), Examined::Unchanged));
}

#[test]
fn a_branch_that_never_was_is_missing_and_its_first_head_is_accepted() {
    let mut world = World::empty();
    assert_eq!(world.kept("develop"), (BranchState::Missing, None));
    assert!(world.source.accepted(&environment("develop")).unwrap().is_none());
    let head = world.commit(&[], &[("units/a.service", Some("x"))], "first");
    world.point("production", &head);
    assert_eq!(world.accept("production").revision, head);
}

#[test]
fn removing_everything_or_much_at_once_is_held_back() {
    let mut world = World::new();
    let remove = |names: &[&str]| names.iter().map(|n| format!("units/{n}.service")).collect::<Vec<_>>();
    let edits = |paths: &[String]| paths.iter().map(|p| (p.clone(), None::<&str>)).collect::<Vec<_>>();
    let start = world.tip("develop");
    for names in [&["a", "b", "c"][..], &["a", "b", "c", "d", "e"]] {
        let paths = edits(&remove(names));
        let paths: Vec<_> = paths.iter().map(|(p, t)| (p.as_str(), *t)).collect();
        world.push_only("develop", &paths);
        assert_eq!(world.kept_code("develop"), (BranchState::Ok, "removal-gate".to_owned()));
        world.point("develop", &start);
    }
    world.push("develop", &[("units/a.service", None), ("units/b.service", None)]);
    world.push("develop", &[("units/c.service", None), ("units/d.service", None)]);
    world.push_only("develop", &[("units/e.service", None)]);
    assert_eq!(world.kept_code("develop").1, "removal-gate");
}

#[test]
fn a_fast_forward_a_merge_and_a_squash_of_develop_are_read_as_promotions() {
    for way in ["fast-forward", "merge", "squash"] {
        let mut world = World::new();
        let before = world.tip("test");
        let head = world.push("develop", &[("units/a.service", Some("two"))]);
        let now = match way {
            "fast-forward" => head.clone(),
            "merge" => world.commit_like(&[&before, &head], &head, "merge"),
            _ => world.commit_like(&[&before], &head, "squash"),
        };
        world.point("test", &now);
        let accepted = world.accept("test");
        assert_eq!((accepted.kind, accepted.source), (Kind::Promotion, Some(head)), "{way}");
    }
}

#[test]
fn a_merge_that_throws_away_work_of_the_target_is_not_accepted() {
    let mut world = World::new();
    let own = world.push("test", &[("units/b.service", Some("fixed on test"))]);
    let head = world.push("develop", &[("units/a.service", Some("two"))]);
    let merge = world.commit_like(&[&own, &head], &head, "merge -X theirs");
    world.point("test", &merge);
    assert_eq!(world.kept_code("test"), (BranchState::Unaccepted, "target-ahead".to_owned()));
}

#[test]
fn a_merge_with_content_of_its_own_is_accepted_on_test_with_a_warning() {
    let mut world = World::new();
    let own = world.push("test", &[("units/b.service", Some("fixed on test"))]);
    let head = world.push("develop", &[("units/a.service", Some("two"))]);
    let merge = world.commit(&[&own, &head], &[("units/a.service", Some("two"))], "merge");
    world.point("test", &merge);
    let accepted = world.accept("test");
    assert_eq!((accepted.kind, accepted.diagnostics[0].code.as_str()), (Kind::Push, "inexact-merge"));
}

#[test]
fn the_last_environment_takes_its_own_overlays_but_no_direct_change_of_common_files() {
    let mut world = World::new();
    let overlay = "environments/production/a.service.d/10.conf";
    world.push("production", &[(overlay, Some("x"))]);
    world.push_only("production", &[("units/a.service", Some("two"))]);
    assert_eq!(world.kept_code("production"), (BranchState::Unaccepted, "direct-change".to_owned()));
    // Taking it back leads on.
    world.push_only("production", &[("units/a.service", Some("one"))]);
    let accepted = world.accept("production");
    assert_eq!(accepted.fleet.units.len(), 5);
}

#[test]
fn the_last_environment_takes_a_plain_merge_only_of_what_its_predecessor_converged_on() {
    let mut world = World::new();
    let head = world.push("develop", &[("units/a.service", Some("two"))]);
    world.point("production", &head);
    assert_eq!(world.kept_code("production"), (BranchState::Unaccepted, "promotion-gate".to_owned()));
    world.point("staging", &head);
    world.accept("staging");
    assert_eq!(world.kept_code("production").1, "promotion-gate");
    world.converge("staging");
    assert_eq!(world.accept("production").kind, Kind::Promotion);
}

#[test]
fn a_commit_with_the_tree_of_an_earlier_head_is_read_as_a_rollback() {
    let mut world = World::new();
    let first = world.tip("develop");
    let second = world.push("develop", &[("units/a.service", Some("two"))]);
    let back = world.commit_like(&[&second], &first, "Revert");
    world.point("develop", &back);
    let accepted = world.accept("develop");
    assert_eq!((accepted.kind, accepted.source), (Kind::Rollback, Some(first)));
}

#[test]
fn a_branch_of_another_name_can_be_followed() {
    use crate::source::{Chain, Environment};
    let folder = tempfile::TempDir::new().unwrap();
    let one = |name: &str, branch: &str| Environment { name: environment(name), branch: branch.to_owned() };
    assert!(Chain::new(vec![one("a", "x"), one("b", "x")]).is_err());
    assert!(Chain::new(vec![one("a", "x"), one("a", "y")]).is_err());
    assert!(Chain::new(vec![one("a", "..")]).is_err());
    assert!(Chain::new(Vec::new()).is_err());
    let chain = Chain::new(vec![one("develop", "main"), one("production", "master")]).unwrap();
    let source = Source::open(&folder.path().join("r.git"), chain, Box::new(super::world::compile)).unwrap();
    assert_eq!(std::fs::read_to_string(source.git().path().join("HEAD")).unwrap().trim(), "ref: refs/heads/main");
}

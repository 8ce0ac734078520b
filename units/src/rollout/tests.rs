//! The rollout over a few nodes, and a simulated one that always ends.

use super::*;

const SECOND: u64 = 1_000_000;

fn policy(max_parallel: u32) -> RolloutPolicy {
    RolloutPolicy {
        max_parallel: Percent::Count(max_parallel),
        min_healthy: Duration::from_secs(10),
        deadline: Duration::from_secs(60),
    }
}

fn at(seconds: u64) -> Moment {
    Moment(seconds * SECOND)
}

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn waiting() -> NodeProgress {
    NodeProgress { connected: true, changes: true, ..NodeProgress::default() }
}

fn released(seconds: u64) -> NodeProgress {
    NodeProgress { released_at: Some(at(seconds)), ..waiting() }
}

fn settled(seconds: u64) -> NodeProgress {
    NodeProgress { settled_since: Some(at(seconds)), ..released(0) }
}

fn nodes(progress: &[NodeProgress]) -> BTreeMap<NodeName, NodeProgress> {
    progress.iter().enumerate().map(|(i, p)| (name(&format!("n{i}")), *p)).collect()
}

fn names(texts: &[&str]) -> Vec<NodeName> {
    texts.iter().map(|text| name(text)).collect()
}

#[test]
fn the_first_batch_is_released_immediately() {
    let step = next(&policy(2), &nodes(&[waiting(), waiting(), waiting()]), at(0));
    assert_eq!(step.release, names(&["n0", "n1"]));
    assert!(!step.finished);
    assert_eq!(step.waiting[&name("n2")].code, "max-parallel");
}

#[test]
fn the_next_node_follows_when_one_is_settled_without_waiting_for_min_healthy() {
    let busy = next(&policy(1), &nodes(&[released(1), waiting()]), at(2));
    assert_eq!((busy.release, busy.wake), (vec![], Some(at(61))));
    let step = next(&policy(1), &nodes(&[settled(2), waiting()]), at(2));
    assert_eq!(step.release, names(&["n1"]));
}

#[test]
fn it_is_finished_when_every_node_was_settled_for_min_healthy() {
    let all = nodes(&[settled(1), settled(5)]);
    let proving = next(&policy(1), &all, at(14));
    assert_eq!((proving.finished, proving.wake), (false, Some(at(15))));
    assert_eq!(proving.waiting[&name("n1")].code, "min-healthy");
    let done = next(&policy(1), &all, at(15));
    assert_eq!(done, RolloutStep { finished: true, ..RolloutStep::default() });
}

#[test]
fn a_node_that_is_not_settled_in_time_ends_the_rollout() {
    let step = next(&policy(2), &nodes(&[released(0), waiting()]), at(60));
    assert_eq!(step.overdue, names(&["n0"]));
    assert!(step.release.is_empty() && !step.finished);
}

#[test]
fn nodes_that_do_not_change_are_released_at_once_and_prove_nothing() {
    let same = NodeProgress { changes: false, ..waiting() };
    let step = next(&policy(1), &nodes(&[same, same, waiting(), waiting()]), at(0));
    assert_eq!(step.release, names(&["n0", "n1", "n2"]));
    let done = NodeProgress { changes: false, ..settled(5) };
    assert!(next(&policy(1), &nodes(&[done]), at(5)).finished);
}

#[test]
fn a_node_that_is_away_is_not_waited_for_until_it_comes() {
    let away = NodeProgress { connected: false, ..waiting() };
    assert!(next(&policy(1), &nodes(&[away]), at(0)).finished);
    assert_eq!(next(&policy(1), &nodes(&[waiting()]), at(9)).release, names(&["n0"]));
}

#[test]
fn a_node_lost_after_its_release_keeps_its_slot() {
    let lost = NodeProgress { connected: false, ..released(0) };
    let step = next(&policy(1), &nodes(&[lost, waiting()]), at(1));
    assert!(step.release.is_empty());
}

#[test]
fn what_breaks_after_a_finished_rollout_does_not_make_it_fail() {
    let mut node = released(0);
    node.note(&policy(1), true, at(1));
    assert!(!node.proven);
    node.note(&policy(1), true, at(11));
    node.note(&policy(1), false, at(500));
    assert!(node.proven && node.settled_since.is_none());
    let step = next(&policy(1), &nodes(&[node]), at(500));
    assert!(step.finished && step.overdue.is_empty());
    // Nothing was heard between settling and breaking, an hour later.
    let mut quiet = settled(1);
    quiet.note(&policy(1), false, at(3600));
    assert!(quiet.proven);
}

#[test]
fn what_breaks_while_it_is_proving_itself_starts_again() {
    let mut node = released(0);
    for (settled, seconds) in [(true, 1), (false, 5), (true, 6)] {
        node.note(&policy(1), settled, at(seconds));
    }
    assert_eq!((node.proven, node.settled_since), (false, Some(at(6))));
}

#[test]
fn an_environment_without_nodes_is_finished() {
    assert!(next(&policy(1), &nodes(&[]), at(0)).finished);
}

#[test]
fn a_quarter_of_the_nodes_is_at_least_one() {
    let policy = RolloutPolicy::default();
    assert_eq!(next(&policy, &nodes(&[waiting(); 3]), at(0)).release.len(), 1);
    assert_eq!(next(&policy, &nodes(&[waiting(); 9]), at(0)).release.len(), 2);
}

#[test]
fn never_more_nodes_than_allowed_are_under_way_and_every_rollout_ends() {
    for (count, limit) in (1..12).flat_map(|count| (1..5).map(move |limit| (count, limit))) {
        let mut all = nodes(&vec![waiting(); count]);
        let mut now = 0;
        loop {
            let step = next(&policy(limit), &all, at(now));
            if step.finished {
                break;
            }
            for node in &step.release {
                all.get_mut(node).unwrap().released_at = Some(at(now));
            }
            let busy = |p: &&mut NodeProgress| p.released_at.is_some() && p.settled_since.is_none();
            assert!(all.values_mut().filter(busy).count() <= limit as usize);
            now += 1;
            // Only the first one that is under way settles in each second.
            if let Some(first) = all.values_mut().find(busy) {
                first.settled_since = Some(at(now));
            }
            assert!(now < 100, "{count} nodes, {limit} at once: {step:?}");
        }
    }
}

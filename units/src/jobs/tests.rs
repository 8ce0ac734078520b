//! Small sets of units; each test drives the queue until it is empty and writes down the order.

use super::{Done, Graph, Queue, Standing, Turn, Verb};
use crate::ids::UnitName;
use crate::spec::UnitSpec;
use crate::testing::unit;
use std::collections::{BTreeMap, BTreeSet};

fn name(text: &str) -> UnitName {
    format!("{text}.service").parse().unwrap()
}

fn names(text: &str) -> BTreeSet<UnitName> {
    text.split_whitespace().map(|word| if word.contains('.') { word.parse().unwrap() } else { name(word) }).collect()
}

/// A unit from lines such as `requires=db after=db`.
fn spec(text: &str) -> UnitSpec {
    let (unit_name, rest) = text.split_once(':').unwrap();
    unit(name(unit_name).as_str(), |unit| {
        for part in rest.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap();
            let mut details = unit.details.take().unwrap_or_default();
            let field = match key {
                "upholds" => &mut details.upholds,
                "upheld" => &mut details.upheld_by,
                "reload-to" => &mut details.propagates_reload_to,
                "reload-from" => &mut details.reload_propagated_from,
                "stop-to" => &mut details.propagates_stop_to,
                "stop-from" => &mut details.stop_propagated_from,
                "requires" => &mut unit.requires,
                "requisite" => &mut unit.requisite,
                "wants" => &mut unit.wants,
                "binds" => &mut unit.binds_to,
                "part" => &mut unit.part_of,
                "conflicts" => &mut unit.conflicts,
                "after" => &mut unit.after,
                "before" => &mut unit.before,
                other => panic!("{other}"),
            };
            *field = names(value);
            unit.details = Some(details);
        }
    })
}

struct Set {
    graph: Graph,
    up: BTreeMap<UnitName, Standing>,
    queue: Queue,
    breaks: BTreeSet<UnitName>,
    skips: BTreeSet<UnitName>,
    log: Vec<String>,
}

impl Set {
    fn of(specs: &[&str]) -> Set {
        let specs: Vec<_> = specs.iter().map(|text| spec(text)).collect();
        Set {
            graph: Graph::new(&specs),
            up: BTreeMap::new(),
            queue: Queue::default(),
            breaks: BTreeSet::new(),
            skips: BTreeSet::new(),
            log: vec![],
        }
    }

    fn standing(mut self, standing: Standing, units: &str) -> Set {
        self.up.extend(names(units).into_iter().map(|unit| (unit, standing)));
        self
    }

    fn breaking(mut self, units: &str) -> Set {
        self.breaks = names(units);
        self
    }

    fn skipping(mut self, units: &str) -> Set {
        self.skips = names(units);
        self
    }

    fn ask(mut self, verb: Verb, unit: &str) -> Set {
        let up = self.up.clone();
        let standing = |unit: &UnitName| up.get(unit).copied().unwrap_or(Standing::Down);
        self.queue.add(&self.graph, &standing, &name(unit), verb);
        self
    }

    /// One round of turns at a time: what runs together stands together.
    fn run(mut self) -> String {
        while !self.queue.is_empty() {
            let turns = self.queue.next(&self.graph);
            let round: Vec<_> = turns.iter().map(|turn| self.note(turn)).collect();
            self.log.push(round.join(" + "));
            for turn in turns {
                if let Turn::Run { unit, .. } = turn {
                    let done = match (self.breaks.contains(&unit), self.skips.contains(&unit)) {
                        (true, _) => Done::Badly,
                        (false, true) => Done::Skipped,
                        (false, false) => Done::Well,
                    };
                    self.queue.finished(&self.graph, &unit, done);
                }
            }
        }
        self.log.join(", ")
    }

    fn note(&self, turn: &Turn) -> String {
        match turn {
            Turn::Run { unit, verb, .. } => format!("{} {}", verb.as_str(), unit.stem()),
            Turn::Failed { unit, reason } => format!("{} fails: {}", unit.stem(), reason.code),
        }
    }
}

#[test]
fn a_start_pulls_in_what_it_requires_and_wants_and_keeps_the_order() {
    let set = Set::of(&["web:requires=db;wants=cache;after=db cache", "db:", "cache:after=db"]);
    assert_eq!(set.ask(Verb::Start, "web").run(), "start db, start cache, start web");
}

#[test]
fn what_is_not_ordered_starts_together() {
    let set = Set::of(&["web:requires=db", "db:", "cache:"]);
    assert_eq!(set.ask(Verb::Start, "web").ask(Verb::Start, "cache").run(), "start cache + start db + start web");
}

#[test]
fn before_is_after_seen_from_the_other_side() {
    let set = Set::of(&["a:before=b", "b:wants=a"]);
    assert_eq!(set.ask(Verb::Start, "b").run(), "start a, start b");
}

#[test]
fn what_is_up_or_completed_is_not_started_again_by_being_pulled_in() {
    let set = Set::of(&["web:requires=db migrate", "db:", "migrate:"]);
    let set = set.standing(Standing::Up, "db").standing(Standing::Completed, "migrate");
    assert_eq!(set.ask(Verb::Start, "web").run(), "start web");
}

#[test]
fn a_failed_requirement_fails_what_waits_for_it_and_a_failed_want_does_not() {
    let units = ["web:requires=db;after=db", "top:requires=web;after=web", "job:wants=db;after=db", "db:"];
    let set = Set::of(&units).breaking("db");
    let log = set.ask(Verb::Start, "top").ask(Verb::Start, "job").run();
    assert_eq!(log, "start db, web fails: dependency + top fails: dependency + start job");
}

#[test]
fn a_requirement_that_is_nowhere_fails_unless_it_is_a_target_of_the_host() {
    assert_eq!(Set::of(&["web:requires=db"]).ask(Verb::Start, "web").run(), "web fails: dependency-missing");
    let set = Set::of(&["web:requires=network.target;wants=db;after=network.target db"]);
    assert_eq!(set.ask(Verb::Start, "web").run(), "start web");
}

#[test]
fn what_the_host_runs_meets_a_requirement_and_is_never_started_or_stopped() {
    for key in ["requires", "requisite", "binds"] {
        let mut set = Set::of(&[&format!("web:{key}=db;after=db")]);
        assert!(set.graph.asks_the_host());
        set.graph.set_host(names("db"));
        assert_eq!(set.ask(Verb::Start, "web").run(), "start web", "{key}");
    }
    assert!(!Set::of(&["web:requires=db network.target", "db:"]).graph.asks_the_host());
}

#[test]
fn a_held_requirement_fails_the_start_and_a_held_want_is_left_alone() {
    let set = Set::of(&["web:requires=db", "job:wants=db", "db:"]).standing(Standing::Held, "db");
    let log = set.ask(Verb::Start, "web").ask(Verb::Start, "job").run();
    assert_eq!(log, "web fails: dependency-held + start job");
}

#[test]
fn a_refused_requirement_fails_the_start_and_a_refused_want_is_left_alone() {
    let set = Set::of(&["web:requires=db", "job:wants=db", "db:"]).standing(Standing::Refused, "db");
    let log = set.ask(Verb::Start, "web").ask(Verb::Start, "job").run();
    assert_eq!(log, "web fails: dependency-refused + start job");
}

#[test]
fn a_requisite_has_to_be_up_already() {
    let units = ["web:requisite=db", "db:"];
    assert_eq!(Set::of(&units).ask(Verb::Start, "web").run(), "web fails: dependency");
    assert_eq!(Set::of(&units).standing(Standing::Up, "db").ask(Verb::Start, "web").run(), "start web");
}

#[test]
fn a_skipped_requirement_stops_only_who_needs_it_up() {
    let units = ["web:requires=db;after=db", "bound:binds=db;after=db", "sure:requisite=db;after=db", "db:"];
    let mut set = Set::of(&units).skipping("db").ask(Verb::Start, "web").ask(Verb::Start, "bound");
    let standing = |unit: &UnitName| if *unit == name("db") { Standing::Up } else { Standing::Down };
    set.queue.add(&set.graph, &standing, &name("sure"), Verb::Start);
    assert_eq!(set.run(), "start db, sure fails: dependency + bound fails: dependency + start web");
}

#[test]
fn a_stop_goes_to_whom_it_is_propagated_and_a_restart_does_not() {
    let units = ["a:stop-to=b", "b:", "c:stop-from=a"];
    let set = || Set::of(&units).standing(Standing::Up, "a b c");
    assert_eq!(set().ask(Verb::Stop, "a").run(), "stop a + stop b + stop c");
    assert_eq!(set().ask(Verb::Restart, "a").run(), "stop a, start a");
    assert_eq!(set().ask(Verb::Stop, "b").run(), "stop b");
}

#[test]
fn a_reload_goes_to_whom_it_is_propagated_if_that_is_up() {
    let units = ["a:reload-to=b d", "b:reload-to=a", "c:reload-from=a", "d:"];
    let set = Set::of(&units).standing(Standing::Up, "a b c");
    assert_eq!(set.ask(Verb::Reload, "a").run(), "reload a + reload b + reload c");
}

#[test]
fn a_start_pulls_in_what_the_unit_upholds() {
    let units = ["a:upholds=b", "b:", "c:upheld=a"];
    assert_eq!(Set::of(&units).ask(Verb::Start, "a").run(), "start a + start b + start c");
    let graph = Set::of(&units).graph;
    let upheld: Vec<_> = graph.upholders().map(|(unit, others)| (unit.clone(), others.clone())).collect();
    assert_eq!(upheld, [(name("a"), names("b c"))]);
}

#[test]
fn a_stop_takes_along_what_requires_the_unit_in_reverse_order() {
    let units = ["web:requires=db;after=db", "part:part=db", "job:wants=db;after=db", "db:"];
    let set = Set::of(&units).standing(Standing::Up, "web part job db");
    assert_eq!(set.ask(Verb::Stop, "db").run(), "stop part + stop web, stop db");
}

#[test]
fn a_restart_goes_down_in_reverse_order_and_up_in_order() {
    let set = Set::of(&["web:requires=db;after=db", "db:"]).standing(Standing::Up, "web db");
    assert_eq!(set.ask(Verb::Restart, "db").run(), "stop web, stop db, start db, start web");
}

#[test]
fn a_stop_of_everything_goes_down_in_reverse_order() {
    let set = Set::of(&["a:", "b:after=a", "c:after=b"]).standing(Standing::Up, "a b c");
    let log = set.ask(Verb::Stop, "a").ask(Verb::Stop, "b").ask(Verb::Stop, "c").run();
    assert_eq!(log, "stop c, stop b, stop a");
}

#[test]
fn a_start_stops_what_conflicts_first() {
    let set = Set::of(&["new:conflicts=old", "old:"]).standing(Standing::Up, "old");
    assert_eq!(set.ask(Verb::Start, "new").run(), "stop old, start new");
}

#[test]
fn a_stop_after_a_start_wins_and_a_start_after_a_stop_brings_it_up_again() {
    let set = Set::of(&["a:"]);
    assert_eq!(set.ask(Verb::Start, "a").ask(Verb::Stop, "a").run(), "stop a");
    let set = Set::of(&["a:"]);
    assert_eq!(set.ask(Verb::Stop, "a").ask(Verb::Start, "a").run(), "stop a, start a");
}

#[test]
fn a_cycle_is_broken_and_not_waited_for() {
    let set = Set::of(&["a:after=b", "b:after=a"]);
    assert_eq!(set.ask(Verb::Start, "a").ask(Verb::Start, "b").run(), "start a, start b");
}

#[test]
fn an_alias_stands_for_its_unit() {
    let mut db = spec("db:");
    db.alias = names("database");
    let specs = [spec("web:requires=database;after=database"), db];
    let mut queue = Queue::default();
    let graph = Graph::new(&specs);
    queue.add(&graph, &|_| Standing::Down, &name("web"), Verb::Start);
    assert!(matches!(&queue.next(&graph)[..], [Turn::Run { unit, .. }] if *unit == name("db")));
}

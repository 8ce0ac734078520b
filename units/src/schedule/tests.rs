//! Cases for each meaning of `Instances=`, and random fleets for the standing properties.

use super::*;
use crate::bundle::Bundle;
use crate::ids::Sha256Digest;
use crate::selector::Selector;
use crate::spec::{FilesChange, FleetSection, HealthSpec, KindSpec, Percent, Start, TimerSpec, UnitSpec};
use std::sync::Arc;
use std::time::Duration;

fn section(instances: Instances) -> FleetSection {
    FleetSection {
        nodes: Selector::default(),
        instances,
        start: Start::Auto,
        strict: false,
        max_parallel: Percent::Percent(25),
        min_healthy: Duration::ZERO,
        health_deadline: Duration::ZERO,
        files: Vec::new(),
        files_change: FilesChange::Auto,
        ..FleetSection::default()
    }
}

fn unit(name: &str, instances: Instances) -> (UnitName, FleetUnit) {
    let name: UnitName = name.parse().unwrap();
    let second = Duration::from_secs(1);
    let spec = UnitSpec {
        fleet: section(instances),
        health: HealthSpec {
            check: None,
            interval: second,
            timeout: second,
            retries: 3,
            start_period: second,
            ..HealthSpec::default()
        },
        ..UnitSpec::new(name.clone(), KindSpec::Target)
    };
    let digest = Sha256Digest::of(name.as_str().as_bytes());
    (name, FleetUnit { spec: Arc::new(spec), bundle: Arc::new(Bundle::default()), digest })
}

fn select(mut entry: (UnitName, FleetUnit), selector: &str) -> (UnitName, FleetUnit) {
    Arc::make_mut(&mut entry.1.spec).fleet.nodes = selector.parse().unwrap();
    entry
}

fn fleet(units: impl IntoIterator<Item = (UnitName, FleetUnit)>) -> FleetSpec {
    FleetSpec { units: units.into_iter().collect(), ..FleetSpec::default() }
}

fn facts(environment: &str) -> NodeFacts {
    NodeFacts {
        environment: environment.parse().unwrap(),
        labels: BTreeMap::new(),
        facts: BTreeMap::new(),
        reachable: true,
    }
}

fn inventory(nodes: usize) -> Inventory {
    let node = |i| (format!("n{i}").parse().unwrap(), facts("test"));
    Inventory { environment: "test".parse().unwrap(), nodes: (0..nodes).map(node).collect() }
}

/// `n0: a b | n1: a`, stems only.
fn shown(scheduled: &Scheduled) -> String {
    let stems =
        |units: &BTreeMap<UnitName, UnitDigest>| units.keys().map(|u| format!(" {}", u.stem())).collect::<String>();
    let rows: Vec<String> =
        scheduled.assignments.iter().map(|(node, units)| format!("{node}:{}", stems(units))).collect();
    rows.join(" | ")
}

fn place(fleet: &FleetSpec, inventory: &Inventory) -> Scheduled {
    schedule(fleet, inventory, &Assignments::new())
}

#[test]
fn all_runs_on_every_node_of_the_environment_and_on_no_other() {
    let mut inventory = inventory(2);
    inventory.nodes.insert("other".parse().unwrap(), facts("production"));
    let scheduled = place(&fleet([unit("a.service", Instances::All)]), &inventory);
    assert_eq!(shown(&scheduled), "n0: a | n1: a");
    assert!(scheduled.unplaced.is_empty());
}

#[test]
fn a_number_places_a_plain_unit_on_so_many_nodes() {
    let scheduled = place(&fleet([unit("a.service", Instances::Count(2))]), &inventory(3));
    assert_eq!(shown(&scheduled), "n0: a | n1: a | n2:");
}

#[test]
fn each_instance_of_a_template_is_placed_once_and_they_spread() {
    let instances = (1..=4).map(|i| unit(&format!("w@{i}.service"), Instances::Count(4)));
    let units = [unit("x.service", Instances::Count(1)), unit("w@.service", Instances::Count(4))];
    let scheduled = place(&fleet(instances.chain(units)), &inventory(2));
    assert_eq!(shown(&scheduled), "n0: w@1 w@3 x | n1: w@2 w@4");
}

#[test]
fn named_instances_are_placed_once_each() {
    let names = Instances::Names(vec!["a".into(), "b".into()]);
    let units = ["w@a.service", "w@b.service"].map(|name| unit(name, names.clone()));
    assert_eq!(shown(&place(&fleet(units), &inventory(2))), "n0: w@a | n1: w@b");
}

#[test]
fn zero_switches_a_unit_off() {
    let scheduled = place(&fleet([unit("a.service", Instances::Count(0))]), &inventory(1));
    assert_eq!((shown(&scheduled).as_str(), scheduled.unplaced.len()), ("n0:", 0));
}

#[test]
fn a_selector_sees_labels_and_facts_and_says_why_a_node_is_left_out() {
    let mut inventory = inventory(2);
    let first = inventory.nodes.values_mut().next().unwrap();
    first.labels.insert("role".into(), "web".into());
    first.facts.insert("fact.arch".into(), "x86_64".into());
    let units = [
        select(unit("a.service", Instances::All), "role=web,fact.arch=x86_64"),
        select(unit("b.service", Instances::All), "role=db"),
    ];
    let scheduled = place(&fleet(units), &inventory);
    assert_eq!(shown(&scheduled), "n0: a | n1:");
    assert_eq!(scheduled.unplaced.len(), 1);
    assert_eq!(scheduled.unplaced[0].unit.as_str(), "b.service");
    let codes: Vec<&str> = scheduled.unplaced[0].reasons.values().map(|r| r.code.as_str()).collect();
    assert_eq!(codes, ["selector", "selector"]);
}

#[test]
fn more_copies_than_nodes_are_unplaced_with_a_reason_for_each_node() {
    let scheduled = place(&fleet([unit("a.service", Instances::Count(3))]), &inventory(2));
    assert_eq!(shown(&scheduled), "n0: a | n1: a");
    assert!(scheduled.unplaced[0].reasons.values().all(|reason| reason.code == "already-there"));
}

#[test]
fn without_a_node_a_unit_is_unplaced() {
    let units = fleet([unit("a.service", Instances::All), unit("b.service", Instances::Count(1))]);
    let unplaced = place(&units, &inventory(0)).unplaced;
    assert_eq!(unplaced.iter().map(|u| u.unit.stem()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn an_unreachable_node_keeps_what_it_has_and_gets_no_further_counted_unit() {
    let units = fleet([unit("a.service", Instances::Count(1)), unit("all.service", Instances::All)]);
    let mut inventory = inventory(2);
    let before = place(&units, &inventory);
    inventory.nodes.values_mut().next().unwrap().reachable = false;
    assert_eq!(shown(&schedule(&units, &inventory, &before.assignments)), "n0: a all | n1: all");
    assert_eq!(shown(&place(&units, &inventory)), "n0: all | n1: a all");
}

#[test]
fn a_unit_follows_what_it_requires() {
    // By load and name alone `a` would go to n0.
    let mut a = unit("a.service", Instances::Count(1));
    Arc::make_mut(&mut a.1.spec).requires.insert("z.service".parse().unwrap());
    let mut inventory = inventory(3);
    let last = inventory.nodes.values_mut().next_back().unwrap();
    last.labels.insert("role".into(), "z".into());
    let z = select(unit("z.service", Instances::Count(1)), "role=z");
    let everywhere = unit("all.service", Instances::All);
    assert_eq!(shown(&place(&fleet([a, z, everywhere]), &inventory)), "n0: all | n1: all | n2: a all z");
}

#[test]
fn units_that_require_each_other_are_placed_all_the_same() {
    let pair = [("a.service", "b.service"), ("b.service", "a.service")].map(|(name, other)| {
        let mut entry = unit(name, Instances::Count(1));
        Arc::make_mut(&mut entry.1.spec).requires.insert(other.parse().unwrap());
        entry
    });
    assert_eq!(shown(&place(&fleet(pair), &inventory(2))), "n0: a b | n1:");
}

#[test]
fn a_new_node_moves_nothing() {
    let units = fleet((1..=4).map(|i| unit(&format!("w@{i}.service"), Instances::Count(4))));
    let before = place(&units, &inventory(1));
    assert_eq!(shown(&schedule(&units, &inventory(3), &before.assignments)), "n0: w@1 w@2 w@3 w@4 | n1: | n2:");
}

/// A small linear congruential generator (Knuth's MMIX constants): the cases are the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn random_fleet(random: &mut Random) -> FleetSpec {
    let mut units = Vec::new();
    for i in 0..random.below(6) {
        let instances = if random.below(4) == 0 { Instances::All } else { Instances::Count(random.below(5) as u32) };
        units.push(unit(&format!("u{i}.service"), instances));
    }
    let count = random.below(6) as u32;
    units.extend((1..=count).map(|i| unit(&format!("w@{i}.service"), Instances::Count(count))));
    fleet(units)
}

fn random_inventory(random: &mut Random) -> Inventory {
    let mut inventory = inventory(random.below(6) as usize);
    for node in inventory.nodes.values_mut() {
        node.reachable = random.below(4) != 0;
    }
    inventory
}

#[test]
fn equal_inputs_place_equally_and_a_placement_repeated_changes_nothing() {
    for seed in 0..500 {
        let mut random = Random(seed);
        let (units, nodes) = (random_fleet(&mut random), random_inventory(&mut random));
        let first = place(&units, &nodes);
        assert_eq!(first, place(&units, &nodes), "seed {seed}");
        assert_eq!(first, schedule(&units, &nodes, &first.assignments), "seed {seed}");
    }
}

#[test]
fn what_is_still_wanted_and_allowed_stays_where_it_is() {
    for seed in 0..500 {
        let mut random = Random(seed);
        let (units, nodes) = (random_fleet(&mut random), random_inventory(&mut random));
        let before = place(&units, &nodes);
        // Another unit and more nodes arrive.
        let mut more = units.clone();
        more.units.extend([unit("new.service", Instances::Count(2))]);
        let mut wider = nodes.clone();
        wider.nodes.extend(inventory(8).nodes.into_iter().filter(|(name, _)| !nodes.nodes.contains_key(name)));
        let after = schedule(&more, &wider, &before.assignments);
        for (node, held) in &before.assignments {
            let kept = held.keys().all(|unit| after.assignments[node].contains_key(unit));
            assert!(kept, "seed {seed}: {node} lost a unit");
        }
    }
}

#[test]
fn every_unit_has_exactly_the_copies_it_asks_for_or_is_unplaced() {
    for seed in 0..500 {
        let mut random = Random(seed);
        let (units, nodes) = (random_fleet(&mut random), random_inventory(&mut random));
        let scheduled = place(&units, &nodes);
        for (name, entry) in &units.units {
            let copies = scheduled.assignments.values().filter(|held| held.contains_key(name)).count();
            let wanted = match entry.spec.fleet.instances {
                Instances::All => nodes.nodes.len().max(1),
                Instances::Count(count) if name.instance().is_none() => count as usize,
                Instances::Count(_) | Instances::Names(_) => 1,
            };
            let missing = scheduled.unplaced.iter().any(|unplaced| unplaced.unit == *name);
            assert_eq!(copies < wanted, missing, "seed {seed}: {name}");
            assert!(copies <= wanted, "seed {seed}: {name}");
        }
    }
}

#[test]
fn a_timer_is_where_its_unit_is() {
    let timer = |name: &str, change: fn(&mut UnitSpec)| {
        let name: UnitName = name.parse().unwrap();
        let kind = KindSpec::Timer(Box::new(TimerSpec {
            unit: Some("backup.service".parse().unwrap()),
            ..TimerSpec::default()
        }));
        let mut spec = UnitSpec::new(name.clone(), kind);
        change(&mut spec);
        let digest = Sha256Digest::of(name.as_str().as_bytes());
        (name, FleetUnit { spec: Arc::new(spec), bundle: Arc::new(Bundle::default()), digest })
    };
    let mut backup = unit("backup.service", Instances::Count(2));
    backup = select(backup, "zone in (a)");
    let off = timer("off.timer", |spec| spec.fleet.instances = Instances::Count(0));
    let alone = timer("alone.timer", |spec| spec.kind = KindSpec::Timer(Box::default()));
    let mut nodes = inventory(4);
    for (index, facts) in nodes.nodes.values_mut().enumerate() {
        facts.labels.insert("zone".to_owned(), if index < 3 { "a" } else { "b" }.to_owned());
    }
    let done = schedule(&fleet([backup, timer("backup.timer", |_| {}), off, alone]), &nodes, &Assignments::new());
    assert_eq!(done.unplaced, []);
    let on = |unit: &str| {
        let name: UnitName = unit.parse().unwrap();
        done.assignments
            .iter()
            .filter(|(_, units)| units.contains_key(&name))
            .map(|(node, _)| node.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(on("backup.service").len(), 2);
    assert_eq!(on("backup.timer"), on("backup.service"));
    assert_eq!(on("off.timer"), [""; 0]);
    assert_eq!(on("alone.timer").len(), 4, "what it starts is not here: its own section counts");
}

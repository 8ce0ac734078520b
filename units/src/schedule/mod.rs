//! Who runs what: places every unit of one environment on its nodes.
//!
//! ```text
//! FleetSpec + Inventory + previous Assignments --schedule--> Assignments + Unplaced
//!                        feasible: may this node?   rank: which of those that may?
//! ```
//! The coordinator calls it whenever a revision, a node or a label changed. Equal inputs give equal placements, and a
//! placement that is still allowed is kept: first every unit that has no choice (`Instances=all`) is placed, then what
//! runs already keeps its place, then the rest is filled in: a unit after what it requires (and to the same node if it
//! can), else in the order of unit names. A timer goes where the unit it starts is.

mod feasible;
mod rank;
#[cfg(test)]
mod tests;

use crate::diagnostic::Reason;
use crate::fleet::{FleetSpec, FleetUnit};
use crate::ids::{EnvironmentName, NodeName, UnitDigest, UnitKind, UnitName};
use crate::spec::Instances;
use rank::Ranking;
use std::collections::BTreeMap;

/// What one node offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// The environment it belongs to, by its certificate.
    pub environment: EnvironmentName,
    /// The coordinator's labels.
    pub labels: BTreeMap<String, String>,
    /// The node's own facts (`fact.arch`); selectors see them beside the labels, and a label of the same name wins.
    pub facts: BTreeMap<String, String>,
    /// False for a node that has been away for so long that it shall get no further counted instance. It keeps what
    /// it has: nothing is moved, because an unreachable node may well be running.
    pub reachable: bool,
}

/// The nodes one environment may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The environment that is placed; nodes of others are passed over.
    pub environment: EnvironmentName,
    /// Every enrolled node, by name.
    pub nodes: BTreeMap<NodeName, NodeFacts>,
}

/// What every node runs: by node, then unit.
pub type Assignments = BTreeMap<NodeName, BTreeMap<UnitName, UnitDigest>>;

/// A unit that should run, or run more often, and has no node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplaced {
    /// The unit.
    pub unit: UnitName,
    /// For each node of the environment, why it is not (or not once more) there. Empty: the environment has no node.
    pub reasons: BTreeMap<NodeName, Reason>,
}

/// What [`schedule`] decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheduled {
    /// An entry for each node of the environment, also where it is empty.
    pub assignments: Assignments,
    /// Units without enough nodes, by name.
    pub unplaced: Vec<Unplaced>,
}

/// Places every unit of `fleet` on the nodes of `inventory.environment`.
///
/// `Instances=all` puts a unit on every feasible node; a number puts a plain unit on so many nodes, and each instance
/// of a template on one; names put each named instance on one; 0 places nothing. A template itself is not placed.
/// Of `previous` only where a unit was matters, not its digest.
#[must_use]
pub fn schedule(fleet: &FleetSpec, inventory: &Inventory, previous: &Assignments) -> Scheduled {
    let mut placing = Placing::new(inventory);
    let mut counted: Vec<Counted<'_>> = Vec::new();
    let mut followers = Vec::new();
    for (name, unit) in &fleet.units {
        if name.is_template() {
            continue;
        }
        if let Some(leader) = leader(fleet, name, unit) {
            followers.push((name, unit, leader));
            continue;
        }
        match copies(name, &unit.spec.fleet.instances) {
            Copies::EveryNode => placing.everywhere(name, unit),
            Copies::Exactly(0) => {}
            Copies::Exactly(wanted) => counted.push(Counted { name, unit, missing: wanted }),
        }
    }
    let depths = rank::depths(fleet);
    counted.sort_by_key(|entry| depths[entry.name]);
    for entry in &mut counted {
        placing.keep(entry, previous);
    }
    for entry in &mut counted {
        placing.fill(entry);
    }
    for (name, unit, leader) in followers {
        placing.follow(name, unit, leader);
    }
    placing.done
}

/// The unit that decides where this one is: a timer is where what it starts is, whatever its own section says; one that
/// is switched off is nowhere.
fn leader<'a>(fleet: &'a FleetSpec, name: &UnitName, unit: &'a FleetUnit) -> Option<&'a UnitName> {
    let off = unit.spec.fleet.instances == Instances::Count(0);
    let started = unit.spec.started().filter(|_| name.kind() == UnitKind::Timer && !off)?;
    // What a timer starts is no timer: no chain of followers, and no circle.
    fleet.units.get_key_value(started).map(|(name, _)| name).filter(|name| name.kind() != UnitKind::Timer)
}

/// On how many nodes one unit runs.
enum Copies {
    EveryNode,
    Exactly(usize),
}

fn copies(name: &UnitName, instances: &Instances) -> Copies {
    match instances {
        Instances::All => Copies::EveryNode,
        Instances::Count(0) => Copies::Exactly(0),
        // Of a template the desired state lists 1…N one by one; each has one place.
        Instances::Count(_) if name.instance().is_some() => Copies::Exactly(1),
        Instances::Count(count) => Copies::Exactly(*count as usize),
        Instances::Names(_) => Copies::Exactly(1),
    }
}

/// A unit that runs on a number of nodes, and on how many more it has to.
struct Counted<'a> {
    name: &'a UnitName,
    unit: &'a FleetUnit,
    missing: usize,
}

/// The placement as far as it is decided.
struct Placing<'a> {
    inventory: &'a Inventory,
    done: Scheduled,
}

impl<'a> Placing<'a> {
    fn new(inventory: &'a Inventory) -> Self {
        let own = inventory.nodes.iter().filter(|(_, facts)| facts.environment == inventory.environment);
        let assignments = own.map(|(node, _)| (node.clone(), BTreeMap::new())).collect();
        Placing { inventory, done: Scheduled { assignments, unplaced: Vec::new() } }
    }

    fn everywhere(&mut self, name: &UnitName, unit: &FleetUnit) {
        let (feasible, reasons) = feasible::split(unit, self.inventory);
        if feasible.is_empty() {
            self.done.unplaced.push(Unplaced { unit: name.clone(), reasons });
        }
        for node in feasible {
            self.place(node, name, unit);
        }
    }

    /// Places a unit wherever another one is; nowhere is no complaint of its own.
    fn follow(&mut self, name: &UnitName, unit: &FleetUnit, leader: &UnitName) {
        for units in self.done.assignments.values_mut().filter(|units| units.contains_key(leader)) {
            units.insert(name.clone(), unit.digest);
        }
    }

    /// Leaves a unit where it was, as far as it may still be there; when it shall have fewer nodes than before, the
    /// best ranked stay.
    fn keep(&mut self, entry: &mut Counted<'_>, previous: &Assignments) {
        let (feasible, _) = feasible::split(entry.unit, self.inventory);
        let had = |node: &NodeName| previous.get(node).is_some_and(|units| units.contains_key(entry.name));
        let holders = feasible.into_iter().filter(|node| had(node)).collect();
        for node in self.ranking().order(holders, &entry.unit.spec).into_iter().take(entry.missing) {
            self.place(node, entry.name, entry.unit);
            entry.missing -= 1;
        }
    }

    /// Gives a unit the nodes it still lacks.
    fn fill(&mut self, entry: &mut Counted<'_>) {
        if entry.missing == 0 {
            return;
        }
        let (feasible, mut reasons) = feasible::split(entry.unit, self.inventory);
        let mut free = Vec::new();
        for node in feasible {
            match self.refuses_more(node, entry.name) {
                Some(reason) => drop(reasons.insert(node.clone(), reason)),
                None => free.push(node),
            }
        }
        for node in self.ranking().order(free, &entry.unit.spec).into_iter().take(entry.missing) {
            self.place(node, entry.name, entry.unit);
            reasons.insert(node.clone(), already_there());
            entry.missing -= 1;
        }
        if entry.missing > 0 {
            self.done.unplaced.push(Unplaced { unit: entry.name.clone(), reasons });
            self.done.unplaced.sort_by(|a, b| a.unit.cmp(&b.unit));
        }
    }

    fn refuses_more(&self, node: &NodeName, unit: &UnitName) -> Option<Reason> {
        if self.done.assignments[node].contains_key(unit) {
            return Some(already_there());
        }
        feasible::refuses_new(&self.inventory.nodes[node])
    }

    fn place(&mut self, node: &NodeName, name: &UnitName, unit: &FleetUnit) {
        let units = self.done.assignments.get_mut(node).expect("feasible nodes belong to the environment");
        units.insert(name.clone(), unit.digest);
    }

    fn ranking(&self) -> Ranking<'_> {
        Ranking { assignments: &self.done.assignments, inventory: self.inventory }
    }
}

fn already_there() -> Reason {
    Reason::new("already-there", "it runs here already, and a node takes it once")
}

//! Which of the nodes that may run a unit is best: reachable before unreachable, then where what it requires runs, then
//! the fewest instances of the same template, then the fewest units, then the name.

use super::{Assignments, Inventory};
use crate::fleet::FleetSpec;
use crate::ids::{NodeName, UnitName};
use crate::spec::UnitSpec;
use std::collections::BTreeMap;

/// The placement as it stands, which the order depends on.
pub(super) struct Ranking<'a> {
    pub(super) assignments: &'a Assignments,
    pub(super) inventory: &'a Inventory,
}

impl Ranking<'_> {
    /// `nodes`, best first for `unit`.
    pub(super) fn order<'n>(&self, mut nodes: Vec<&'n NodeName>, unit: &UnitSpec) -> Vec<&'n NodeName> {
        nodes.sort_by_cached_key(|node| self.key(node, unit));
        nodes
    }

    fn key<'n>(&self, node: &'n NodeName, unit: &UnitSpec) -> (bool, usize, usize, usize, &'n NodeName) {
        let units = &self.assignments[node];
        let missing = requirements(unit).filter(|other| !units.contains_key(other)).count();
        let template = unit.name.template();
        let siblings = match &template {
            Some(_) => units.keys().filter(|other| other.template() == template).count(),
            None => 0,
        };
        (!self.inventory.nodes[node].reachable, missing, siblings, units.len(), node)
    }
}

/// What has to run where `unit` runs.
fn requirements(unit: &UnitSpec) -> impl Iterator<Item = &UnitName> {
    unit.requires.iter().chain(&unit.requisite).chain(&unit.binds_to)
}

/// Longer chains of requirements are not told apart; it bounds the work for a cycle.
const DEEPEST: usize = 64;

/// How many steps of requirements lie below each unit: who has fewer is placed earlier, so that others can follow it.
/// Within a cycle it is [`DEEPEST`], which decides nothing there.
pub(super) fn depths(fleet: &FleetSpec) -> BTreeMap<&UnitName, usize> {
    let mut depths: BTreeMap<&UnitName, usize> = fleet.units.keys().map(|name| (name, 0)).collect();
    for _ in 0..DEEPEST {
        let mut changed = false;
        for (name, unit) in &fleet.units {
            let below = requirements(&unit.spec).filter_map(|other| depths.get(other)).max();
            let depth = below.map_or(0, |depth| (depth + 1).min(DEEPEST));
            changed |= depths.insert(name, depth) != Some(depth);
        }
        if !changed {
            break;
        }
    }
    depths
}

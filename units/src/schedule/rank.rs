//! Which of the nodes that may run a unit is best: reachable before unreachable, then the fewest instances of the same
//! template, then the fewest units, then the name.

use super::{Assignments, Inventory};
use crate::ids::{NodeName, UnitName};

/// The placement as it stands, which the order depends on.
pub(super) struct Ranking<'a> {
    pub(super) assignments: &'a Assignments,
    pub(super) inventory: &'a Inventory,
}

impl Ranking<'_> {
    /// `nodes`, best first for `unit`.
    pub(super) fn order<'n>(&self, mut nodes: Vec<&'n NodeName>, unit: &UnitName) -> Vec<&'n NodeName> {
        nodes.sort_by_cached_key(|node| self.key(node, unit));
        nodes
    }

    fn key<'n>(&self, node: &'n NodeName, unit: &UnitName) -> (bool, usize, usize, &'n NodeName) {
        let units = &self.assignments[node];
        let template = unit.template();
        let siblings = match &template {
            Some(_) => units.keys().filter(|other| other.template() == template).count(),
            None => 0,
        };
        (!self.inventory.nodes[node].reachable, siblings, units.len(), node)
    }
}

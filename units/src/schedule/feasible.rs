//! May this node run this unit? Environment and selector; what it answers is a reason per node that may not.

use super::{Inventory, NodeFacts};
use crate::diagnostic::Reason;
use crate::fleet::FleetUnit;
use crate::ids::NodeName;
use crate::selector::Selector;
use std::collections::BTreeMap;

/// The nodes of the environment that may run `unit`, by name, and for each of the others why not.
pub(super) fn split<'a>(unit: &FleetUnit, inventory: &'a Inventory) -> (Vec<&'a NodeName>, BTreeMap<NodeName, Reason>) {
    let mut feasible = Vec::new();
    let mut reasons = BTreeMap::new();
    for (node, facts) in &inventory.nodes {
        if facts.environment != inventory.environment {
            continue;
        }
        if selected(&unit.spec.fleet.nodes, facts) {
            feasible.push(node);
        } else {
            reasons.insert(node.clone(), Reason::new("selector", "its labels do not match Nodes="));
        }
    }
    (feasible, reasons)
}

/// Why a node that may run a unit takes no new one now.
pub(super) fn refuses_new(facts: &NodeFacts) -> Option<Reason> {
    (!facts.reachable).then(|| Reason::new("unreachable", "the node is not connected"))
}

fn selected(selector: &Selector, facts: &NodeFacts) -> bool {
    // Copying a node's facts costs more than everything else here, and most units have no selector.
    if *selector == Selector::default() {
        return true;
    }
    let mut labels = facts.facts.clone();
    labels.extend(facts.labels.clone());
    selector.matches(&labels)
}

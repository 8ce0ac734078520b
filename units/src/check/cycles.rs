//! Ordering cycles: units that wait for each other at the start.

use super::{Across, Aliases};
use crate::diagnostic::{Diagnostic, Place};
use crate::graph;
use crate::ids::UnitName;
use crate::spec::special::is_well_known_target;
use std::collections::HashMap;

/// Edges of a long cycle that are shown with their place.
const MAX_SHOWN: usize = 12;

/// Units that are not in the set order nothing, well-known targets do.
pub(super) fn check(across: &Across<'_>, aliases: &Aliases<'_>, found: &mut Vec<Diagnostic>) {
    let mut vertices: Vec<&UnitName> = across.units.keys().collect();
    let mut number: HashMap<&UnitName, usize> =
        vertices.iter().enumerate().map(|(index, name)| (*name, index)).collect();
    // An edge leads to the unit that starts first.
    let mut edges: Vec<Vec<usize>> = vec![Vec::new(); vertices.len()];
    for (from, unit) in across.units.values().enumerate() {
        let after = unit.spec.after.iter().map(|other| (other, true));
        for (other, other_is_first) in after.chain(unit.spec.before.iter().map(|other| (other, false))) {
            let other = *aliases.get(other).unwrap_or(&other);
            let other = match number.get(other) {
                Some(number) => *number,
                None if is_well_known_target(other) => {
                    vertices.push(other);
                    edges.push(Vec::new());
                    number.insert(other, vertices.len() - 1);
                    vertices.len() - 1
                }
                None => continue,
            };
            let (later, first) = if other_is_first { (from, other) } else { (other, from) };
            edges[later].push(first);
        }
    }
    for cycle in graph::cycles(&edges) {
        let names: Vec<&UnitName> = cycle.iter().map(|index| vertices[*index]).collect();
        found.push(Cycle { across, names }.diagnostic());
    }
}

/// Units of which each starts after the next, and the last after the first.
struct Cycle<'a> {
    across: &'a Across<'a>,
    names: Vec<&'a UnitName>,
}

impl Cycle<'_> {
    fn diagnostic(&self) -> Diagnostic {
        let names: Vec<&str> = self.names.iter().chain(self.names.first()).map(|name| name.as_str()).collect();
        let message = format!("ordering cycle, each starts after the next: {}", names.join(" -> "));
        let edges = self.names.iter().zip(self.names.iter().cycle().skip(1));
        let mut places = Vec::new();
        let mut shown = Vec::new();
        for (later, first) in edges.take(MAX_SHOWN) {
            let place = self.place(later, first);
            shown.push(format!("{later} after {first} ({})", at(&place)));
            places.push(place);
        }
        if self.names.len() > MAX_SHOWN {
            shown.push(format!("and {} more", self.names.len() - MAX_SHOWN));
        }
        let place = places.into_iter().min_by_key(|place| place.line == 0).unwrap_or_default();
        let hint = format!("take one After= or Before= away: {}", shown.join(", "));
        Diagnostic::error("ordering-cycle", place, message).with_hint(hint)
    }

    /// What says that `later` starts after `first`: an After= of the one or a Before= of the other, by whatever name.
    fn place(&self, later: &UnitName, first: &UnitName) -> Place {
        let places = self.across.places();
        let find = |unit: &UnitName, key: &str, other: &UnitName| {
            let aliases = self.across.units.get(other).into_iter().flat_map(|unit| &unit.spec.alias);
            std::iter::once(other).chain(aliases).find_map(|name| places.find(unit, &[key], name.as_str()))
        };
        find(later, "After", first)
            .or_else(|| find(first, "Before", later))
            .unwrap_or_else(|| places.file(if self.across.units.contains_key(later) { later } else { first }))
    }
}

/// `units/a.service:3`
fn at(place: &Place) -> String {
    if place.line == 0 { place.file.clone() } else { format!("{}:{}", place.file, place.line) }
}

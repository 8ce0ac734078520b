//! Ordering cycles: units that wait for each other at the start.

use super::{Across, Aliases};
use crate::diagnostic::{Diagnostic, Place, codes};
use crate::fleet::FleetUnit;
use crate::graph;
use crate::ids::{UnitKind, UnitName};
use crate::spec::special::is_well_known_target;
use crate::spec::value;
use foldhash::HashMap;
use std::sync::LazyLock;

/// Edges of a long cycle that are shown with their place.
const MAX_SHOWN: usize = 12;

/// Units that are not in the set order nothing, well-known targets do. Timers and sockets start before their unit and,
/// by default, before timers.target or sockets.target (systemd.timer(5), systemd.socket(5)).
pub(super) fn check(across: &Across<'_>, aliases: &Aliases<'_>, found: &mut Vec<Diagnostic>) {
    let mut order = Order::new(across, aliases);
    for (number, unit) in across.all().map(|(_, unit)| unit).enumerate() {
        unit.spec.after.iter().for_each(|first| order.add(number, first, true));
        unit.spec.before.iter().for_each(|later| order.add(number, later, false));
    }
    // Behind the units themselves in number.
    for (index, trigger) in across.triggers.values().enumerate() {
        let number = across.units.len() + index;
        trigger.spec.started().into_iter().for_each(|started| order.add(number, started, false));
        default_target(trigger).iter().for_each(|target| order.add(number, target, false));
    }
    for cycle in graph::cycles(&order.edges) {
        let names: Vec<&UnitName> = cycle.iter().map(|index| order.names[*index]).collect();
        found.push(Cycle { across, names }.diagnostic());
    }
}

/// The target that a timer or socket is ordered before, unless `DefaultDependencies=no`.
fn default_target(trigger: &FleetUnit) -> Option<&'static UnitName> {
    static TARGETS: LazyLock<[UnitName; 2]> =
        LazyLock::new(|| ["timers.target", "sockets.target"].map(|name| name.parse().expect("it is a unit's name")));
    let default = trigger.spec.values.get("Unit", "DefaultDependencies").last();
    let wanted = default.is_none_or(|default| value::boolean(default) != Ok(false));
    let target = match trigger.spec.name.kind() {
        UnitKind::Timer => &TARGETS[0],
        UnitKind::Socket => &TARGETS[1],
        UnitKind::Service | UnitKind::Target => return None,
    };
    wanted.then_some(target)
}

/// Which unit starts before which.
struct Order<'a> {
    aliases: &'a Aliases<'a>,
    /// Every unit in the order of [`Across::all`], then the targets that others name.
    names: Vec<&'a UnitName>,
    number: HashMap<&'a UnitName, usize>,
    /// An edge leads to the unit that starts first.
    edges: Vec<Vec<usize>>,
}

impl<'a> Order<'a> {
    fn new(across: &Across<'a>, aliases: &'a Aliases<'a>) -> Self {
        let names: Vec<&UnitName> = across.all().map(|(name, _)| name).collect();
        let number = names.iter().enumerate().map(|(number, name)| (*name, number)).collect();
        let edges = vec![Vec::new(); names.len()];
        Order { aliases, names, number, edges }
    }

    /// The unit `from` starts after `other`, or before it.
    fn add(&mut self, from: usize, other: &'a UnitName, other_is_first: bool) {
        let other = *self.aliases.get(other).unwrap_or(&other);
        let other = match self.number.get(other) {
            Some(number) => *number,
            None if is_well_known_target(other) => {
                self.names.push(other);
                self.edges.push(Vec::new());
                self.number.insert(other, self.names.len() - 1);
                self.names.len() - 1
            }
            None => return,
        };
        let (later, first) = if other_is_first { (from, other) } else { (other, from) };
        self.edges[later].push(first);
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
            shown.push(format!("{later} after {first} ({})", self.why(later, first, &place)));
            places.push(place);
        }
        if self.names.len() > MAX_SHOWN {
            shown.push(format!("and {} more", self.names.len() - MAX_SHOWN));
        }
        let place = places.into_iter().min_by_key(|place| place.line == 0).unwrap_or_default();
        let hint = format!("take one After= or Before= away: {}", shown.join(", "));
        // Nothing is ordered by timers and sockets yet, as none runs.
        let is_trigger = |name: &&UnitName| self.across.triggers.contains_key(*name);
        let finding = if self.names.iter().any(is_trigger) { Diagnostic::warning } else { Diagnostic::error };
        finding(codes::ORDERING_CYCLE, place, message).with_hint(hint)
    }

    /// Where an order stands, or what it follows from.
    fn why(&self, later: &UnitName, first: &UnitName, place: &Place) -> String {
        let trigger = self.across.triggers.get(first).filter(|_| place.line == 0);
        match trigger.map(|trigger| trigger.spec.started() == Some(later)) {
            Some(true) => "which it starts".to_owned(),
            Some(false) => "by default".to_owned(),
            None => at(place),
        }
    }

    /// What says that `later` starts after `first`: an After= of the one or a Before= of the other, by whatever name.
    fn place(&self, later: &UnitName, first: &UnitName) -> Place {
        let places = &self.across.places;
        let find = |unit: &UnitName, key: &str, other: &UnitName| {
            let aliases = self.across.get(other).into_iter().flat_map(|unit| &unit.spec.alias);
            std::iter::once(other).chain(aliases).find_map(|name| places.find(unit, &[key], name.as_str()))
        };
        find(later, "After", first)
            .or_else(|| find(first, "Before", later))
            .unwrap_or_else(|| places.file(if self.across.get(later).is_some() { later } else { first }))
    }
}

/// `units/a.service:3`
fn at(place: &Place) -> String {
    if place.line == 0 { place.file.clone() } else { format!("{}:{}", place.file, place.line) }
}

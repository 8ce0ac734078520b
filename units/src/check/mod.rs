//! Checks across the units of one environment, in one pass: names, dependencies, ordering cycles, placements that
//! cannot be, ports, sockets and paths claimed twice; and secrets in clear, which are found file by file.
//!
//! `fleet::compile` calls it once every unit has been read. Each check is linear in the units, and builds texts only
//! for what it finds: ten thousand units without a finding cost milliseconds.

mod claims;
mod cycles;
mod dependencies;
mod names;
mod outline;
mod place;
mod placement;
pub(crate) mod secrets;
mod triggers;

pub(crate) use outline::outline;
pub(crate) use place::Places;

use crate::diagnostic::Diagnostic;
use crate::fleet::FleetUnit;
use crate::ids::UnitName;
use crate::selector::Selector;
use crate::spec::Instances;
use std::collections::{BTreeMap, BTreeSet};

/// What the checks look at.
pub(crate) struct Across<'a> {
    /// The set.
    pub units: &'a BTreeMap<UnitName, FleetUnit>,
    /// The timers and sockets of the set.
    pub triggers: &'a BTreeMap<UnitName, FleetUnit>,
    /// Where something stands.
    pub places: Places<'a>,
    /// Names of all unit files, templates, masked units and kinds that do not run yet included.
    pub present: &'a BTreeSet<UnitName>,
}

/// An alias, and the unit it means.
type Aliases<'a> = BTreeMap<&'a UnitName, &'a UnitName>;

impl<'a> Across<'a> {
    /// Everything found, in no order.
    pub(crate) fn check(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let aliases = names::check(self, &mut found);
        dependencies::check(self, &aliases, &mut found);
        cycles::check(self, &aliases, &mut found);
        placement::check(self, &aliases, &mut found);
        triggers::check(self, &mut found);
        claims::check(self, &mut found);
        found
    }

    /// Every unit, timers and sockets last.
    fn all(&self) -> impl Iterator<Item = (&'a UnitName, &'a FleetUnit)> + use<'a> {
        self.units.iter().chain(self.triggers)
    }

    fn get(&self, name: &UnitName) -> Option<&'a FleetUnit> {
        self.units.get(name).or_else(|| self.triggers.get(name))
    }

    /// Whether one node can have both. Timers and sockets are where the unit is that they start.
    fn can_meet(&self, one: &FleetUnit, other: &FleetUnit) -> bool {
        let apart = |one: &Selector| self.selectors(other).any(|other| one.excludes(other));
        !self.selectors(one).any(apart)
    }

    fn selectors<'u>(&self, unit: &'u FleetUnit) -> impl Iterator<Item = &'u Selector> + use<'u, 'a>
    where
        'a: 'u,
    {
        let started = unit.spec.started().and_then(|started| self.units.get(started));
        std::iter::once(unit).chain(started).map(|unit| &unit.spec.fleet.nodes)
    }

    /// Whether it runs nowhere: `Instances=0`, its own or of what it starts.
    fn is_off(&self, unit: &FleetUnit) -> bool {
        let started = unit.spec.started().and_then(|started| self.units.get(started));
        let off = |unit: &FleetUnit| unit.spec.fleet.instances == Instances::Count(0);
        off(unit) || started.is_some_and(off)
    }

    /// The unit of the set that `name` means.
    fn resolve(&self, aliases: &Aliases<'a>, name: &UnitName) -> Option<&'a FleetUnit> {
        self.get(name).or_else(|| self.units.get(*aliases.get(name)?))
    }
}

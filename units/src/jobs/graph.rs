//! How the units of one node depend on each other, in both directions.

use crate::ids::{UnitKind, UnitName};
use crate::spec::UnitSpec;
use crate::spec::details::UnitDetails;
use crate::spec::special::is_well_known_target;
use std::collections::{BTreeMap, BTreeSet};

type Names = BTreeSet<UnitName>;
type Edges = BTreeMap<UnitName, Names>;

/// The dependencies of a set of units. Aliases are resolved; edges to units that are not in the set are kept where
/// they matter (requirements).
#[derive(Clone, Debug, Default)]
pub struct Graph {
    units: Names,
    aliases: BTreeMap<UnitName, UnitName>,
    after: Edges,
    before: Edges,
    requires: Edges,
    requisite: Edges,
    wants: Edges,
    binds_to: Edges,
    /// Units to stop, and to restart, with the key.
    stopped_with: Edges,
    /// Units to stop when the key is gone, for whatever reason.
    bound_by: Edges,
    /// Units to stop with the key, and not to restart with it.
    stop_goes_to: Edges,
    /// Units to reload with the key.
    reload_goes_to: Edges,
    upholds: Edges,
    /// Units that need the key: as long as one of them is there, the key is not unneeded.
    needed_by: Edges,
    conflicts: Edges,
    /// What the host runs by other means.
    host: Names,
}

static NONE: Names = Names::new();

fn of<'a>(edges: &'a Edges, unit: &UnitName) -> &'a Names {
    edges.get(unit).unwrap_or(&NONE)
}

fn link(edges: &mut Edges, from: &UnitName, to: &UnitName) {
    edges.entry(from.clone()).or_default().insert(to.clone());
}

impl Graph {
    /// The dependencies of `specs`.
    #[must_use]
    pub fn new<'a>(specs: impl IntoIterator<Item = &'a UnitSpec> + Clone) -> Graph {
        let mut graph = Graph::default();
        for spec in specs.clone() {
            graph.units.insert(spec.name.clone());
            graph.aliases.extend(spec.alias.iter().map(|alias| (alias.clone(), spec.name.clone())));
        }
        for spec in specs {
            graph.add(spec);
        }
        graph
    }

    fn add(&mut self, spec: &UnitSpec) {
        let unit = &spec.name;
        for name in self.resolve_all(&spec.after) {
            self.order(&name, unit);
        }
        for name in self.resolve_all(&spec.before) {
            self.order(unit, &name);
        }
        for name in self.resolve_all(&spec.requires) {
            self.require(unit, &name);
        }
        for name in self.resolve_all(&spec.requisite) {
            link(&mut self.requisite, unit, &name);
            link(&mut self.needed_by, &name, unit);
            link(&mut self.stopped_with, &name, unit);
        }
        for name in self.resolve_all(&spec.wants) {
            self.want(unit, &name);
        }
        for name in self.resolve_all(&spec.binds_to) {
            link(&mut self.binds_to, unit, &name);
            link(&mut self.needed_by, &name, unit);
            link(&mut self.stopped_with, &name, unit);
            link(&mut self.bound_by, &name, unit);
        }
        for name in self.resolve_all(&spec.part_of) {
            link(&mut self.stopped_with, &name, unit);
        }
        for name in self.resolve_all(&spec.conflicts) {
            link(&mut self.conflicts, unit, &name);
            link(&mut self.conflicts, &name, unit);
        }
        for name in self.resolve_all(&spec.wanted_by) {
            self.want(&name, unit);
        }
        for name in self.resolve_all(&spec.required_by) {
            self.require(&name, unit);
        }
        if let Some(details) = &spec.details {
            self.add_details(unit, details);
        }
    }

    fn add_details(&mut self, unit: &UnitName, details: &UnitDetails) {
        for name in self.resolve_all(&details.upholds) {
            self.uphold(unit, &name);
        }
        for name in self.resolve_all(&details.upheld_by) {
            self.uphold(&name, unit);
        }
        for name in self.resolve_all(&details.propagates_reload_to) {
            link(&mut self.reload_goes_to, unit, &name);
        }
        for name in self.resolve_all(&details.reload_propagated_from) {
            link(&mut self.reload_goes_to, &name, unit);
        }
        for name in self.resolve_all(&details.propagates_stop_to) {
            link(&mut self.stop_goes_to, unit, &name);
        }
        for name in self.resolve_all(&details.stop_propagated_from) {
            link(&mut self.stop_goes_to, &name, unit);
        }
    }

    /// Starting the one pulls the other in, as a want does; that it is kept up is the caller's to see to.
    fn uphold(&mut self, unit: &UnitName, other: &UnitName) {
        link(&mut self.upholds, unit, other);
        self.want(unit, other);
    }

    /// A target is up after what it pulls in (systemd.target(5), default dependencies).
    fn order_target(&mut self, unit: &UnitName, other: &UnitName) {
        if unit.kind() == UnitKind::Target && !of(&self.after, other).contains(unit) {
            self.order(other, unit);
        }
    }

    fn want(&mut self, unit: &UnitName, other: &UnitName) {
        link(&mut self.wants, unit, other);
        link(&mut self.needed_by, other, unit);
        self.order_target(unit, other);
    }

    fn require(&mut self, unit: &UnitName, other: &UnitName) {
        link(&mut self.requires, unit, other);
        link(&mut self.needed_by, other, unit);
        link(&mut self.stopped_with, other, unit);
        self.order_target(unit, other);
    }

    fn order(&mut self, first: &UnitName, second: &UnitName) {
        link(&mut self.after, second, first);
        link(&mut self.before, first, second);
    }

    fn resolve_all(&self, names: &Names) -> Vec<UnitName> {
        names.iter().map(|name| self.resolve(name).clone()).collect()
    }

    /// The unit an alias stands for; any other name as it is.
    #[must_use]
    pub fn resolve<'a>(&'a self, name: &'a UnitName) -> &'a UnitName {
        if self.units.contains(name) { name } else { self.aliases.get(name).unwrap_or(name) }
    }

    /// Whether the set holds the unit.
    #[must_use]
    pub fn contains(&self, unit: &UnitName) -> bool {
        self.units.contains(unit)
    }

    /// Tells it which units the host runs by other means.
    pub fn set_host(&mut self, units: Names) {
        self.host = units;
    }

    /// Whether a unit that is not in the set counts as active all the same: the targets of systemd.special(7), such as
    /// `network.target`, which the host reached before the node ran, and what the host itself runs.
    #[must_use]
    pub fn is_implicit(&self, unit: &UnitName) -> bool {
        !self.units.contains(unit) && (is_well_known_target(unit) || self.host.contains(unit))
    }

    /// Whether some unit requires one that is not in the set and no well-known target: then it matters what the host
    /// runs.
    #[must_use]
    pub fn asks_the_host(&self) -> bool {
        let required = [&self.requires, &self.requisite, &self.binds_to].into_iter().flat_map(Edges::values).flatten();
        required.into_iter().any(|unit| !self.units.contains(unit) && !is_well_known_target(unit))
    }

    /// Units that start before `unit`.
    #[must_use]
    pub fn after(&self, unit: &UnitName) -> &BTreeSet<UnitName> {
        of(&self.after, unit)
    }

    /// Units that start after `unit`.
    #[must_use]
    pub fn before(&self, unit: &UnitName) -> &BTreeSet<UnitName> {
        of(&self.before, unit)
    }

    /// What has to be up for `unit`: `Requires=`, `BindsTo=`.
    pub fn requirements(&self, unit: &UnitName) -> impl Iterator<Item = &UnitName> {
        of(&self.requires, unit).union(of(&self.binds_to, unit))
    }

    /// `Requisite=`
    #[must_use]
    pub fn requisites(&self, unit: &UnitName) -> &BTreeSet<UnitName> {
        of(&self.requisite, unit)
    }

    /// `Wants=`
    #[must_use]
    pub fn wants(&self, unit: &UnitName) -> &BTreeSet<UnitName> {
        of(&self.wants, unit)
    }

    /// Units that stop, or restart, with `unit`: they have Requires=, Requisite=, BindsTo= or PartOf= it.
    #[must_use]
    pub fn stopped_with(&self, unit: &UnitName) -> &BTreeSet<UnitName> {
        of(&self.stopped_with, unit)
    }

    /// Units to stop when `unit` is gone, asked for or not (`BindsTo=`).
    #[must_use]
    pub fn bound_by(&self, unit: &UnitName) -> &BTreeSet<UnitName> {
        of(&self.bound_by, unit)
    }

    /// Units that stop with `unit`, and when it is gone, and do not restart with it (`PropagatesStopTo=`,
    /// `StopPropagatedFrom=`).
    #[must_use]
    pub fn stop_goes_to(&self, unit: &UnitName) -> &BTreeSet<UnitName> {
        of(&self.stop_goes_to, unit)
    }

    /// Units that reload with `unit` (`PropagatesReloadTo=`, `ReloadPropagatedFrom=`).
    #[must_use]
    pub fn reload_goes_to(&self, unit: &UnitName) -> &BTreeSet<UnitName> {
        of(&self.reload_goes_to, unit)
    }

    /// Each unit that upholds others, with those it has started again whenever they are down (`Upholds=`).
    pub fn upholders(&self) -> impl Iterator<Item = (&UnitName, &BTreeSet<UnitName>)> {
        self.upholds.iter()
    }

    /// Units that need `unit`: they require, want, bind to or uphold it.
    #[must_use]
    pub fn needed_by(&self, unit: &UnitName) -> &BTreeSet<UnitName> {
        of(&self.needed_by, unit)
    }

    /// What has to be up, and not merely have had its turn, for `unit` to start: `Requisite=`, `BindsTo=`.
    pub fn strict_requirements(&self, unit: &UnitName) -> impl Iterator<Item = &UnitName> {
        of(&self.requisite, unit).union(of(&self.binds_to, unit))
    }

    /// Units that cannot run beside `unit`, whoever says so.
    #[must_use]
    pub fn conflicts(&self, unit: &UnitName) -> &BTreeSet<UnitName> {
        of(&self.conflicts, unit)
    }
}

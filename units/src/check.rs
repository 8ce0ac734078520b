//! Checks across the units of one environment: dependencies, ordering cycles, names and ports claimed twice.

use crate::diagnostic::{Diagnostic, MAX_SUGGESTIONS, Place, did_you_mean};
use crate::fleet::FleetUnit;
use crate::graph;
use crate::ids::UnitName;
use crate::spec::health_port;
use crate::spec::load::Read;
use crate::spec::special::is_well_known_target;
use crate::spec::{HealthCheck, UnitSpec};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What the checks look at.
pub(crate) struct Across<'a> {
    /// The set.
    pub units: &'a BTreeMap<UnitName, FleetUnit>,
    /// The documents of each unit, the unit file first.
    pub documents: &'a BTreeMap<UnitName, Vec<Arc<Read>>>,
    /// Names of all unit files, templates and kinds that do not run yet included.
    pub present: &'a BTreeSet<UnitName>,
}

impl Across<'_> {
    /// Everything found, in no order.
    pub(crate) fn check(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let aliases = self.aliases(&mut found);
        self.dependencies(&aliases, &mut found);
        self.cycles(&aliases, &mut found);
        self.ports(&mut found);
        found
    }

    /// Alias to the unit it means; two units with one name are an error.
    fn aliases(&self, found: &mut Vec<Diagnostic>) -> BTreeMap<&UnitName, &UnitName> {
        let mut aliases = BTreeMap::new();
        for (name, unit) in self.units {
            for alias in &unit.spec.alias {
                let other = if self.units.contains_key(alias) { Some(alias) } else { aliases.insert(alias, name) };
                if let Some(other) = other {
                    let what = if other == alias { "a unit".to_owned() } else { format!("an alias of {other}") };
                    let message = format!("{name}: its alias {alias} is also the name of {what}");
                    found.push(Diagnostic::error(
                        "duplicate-alias",
                        self.place(name, &["Alias"], alias.as_str()),
                        message,
                    ));
                }
            }
        }
        aliases
    }

    fn dependencies(&self, aliases: &BTreeMap<&UnitName, &UnitName>, found: &mut Vec<Diagnostic>) {
        let mut suggestions = 0;
        for (name, unit) in self.units {
            let spec = &unit.spec;
            let named = [
                ("Requires", &spec.requires),
                ("Requisite", &spec.requisite),
                ("BindsTo", &spec.binds_to),
                ("Wants", &spec.wants),
                ("OnFailure", &spec.on_failure),
                ("OnSuccess", &spec.on_success),
            ];
            for (key, others) in named {
                for other in others {
                    let known =
                        self.units.contains_key(other) || aliases.contains_key(other) || self.present.contains(other);
                    if known || is_well_known_target(other) {
                        continue;
                    }
                    suggestions += 1;
                    let near = (suggestions <= MAX_SUGGESTIONS)
                        .then(|| did_you_mean(other.as_str(), self.units.keys().map(UnitName::as_str)))
                        .flatten();
                    let hint = near.map_or("add the unit, or take the dependency away".to_owned(), |near| {
                        format!("did you mean {near}?")
                    });
                    let message = format!("{key}=: {other} is no unit of this environment");
                    let place = self.place(name, &[key], other.as_str());
                    found.push(Diagnostic::warning("dependency-not-in-set", place, message).with_hint(hint));
                }
            }
        }
    }

    /// Units that wait for each other at the start. Units that are not in the set order nothing, well-known targets do.
    fn cycles(&self, aliases: &BTreeMap<&UnitName, &UnitName>, found: &mut Vec<Diagnostic>) {
        let mut vertices: Vec<&UnitName> = self.units.keys().collect();
        let mut number: HashMap<&UnitName, usize> =
            vertices.iter().enumerate().map(|(index, name)| (*name, index)).collect();
        // An edge leads to the unit that starts first.
        let mut edges: Vec<Vec<usize>> = vec![Vec::new(); vertices.len()];
        for (from, (_, unit)) in self.units.iter().enumerate() {
            let ordered = unit
                .spec
                .after
                .iter()
                .map(|other| (other, true))
                .chain(unit.spec.before.iter().map(|other| (other, false)));
            for (other, other_is_first) in ordered {
                let other = *aliases.get(other).unwrap_or(&other);
                if !number.contains_key(other) && !is_well_known_target(other) {
                    continue;
                }
                let other = *number.entry(other).or_insert_with(|| {
                    vertices.push(other);
                    edges.push(Vec::new());
                    vertices.len() - 1
                });
                let (later, first) = if other_is_first { (from, other) } else { (other, from) };
                edges[later].push(first);
            }
        }
        for cycle in graph::cycles(&edges) {
            let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|index| vertices[*index].as_str()).collect();
            let message = format!("ordering cycle, each starts after the next: {}", names.join(" -> "));
            let unit = cycle.iter().map(|index| vertices[*index]).find(|name| self.units.contains_key(*name));
            let place = unit.map_or_else(Place::default, |unit| self.place_of_order(unit, &names));
            found
                .push(Diagnostic::error("ordering-cycle", place, message).with_hint("take one After= or Before= away"));
        }
    }

    fn place_of_order(&self, unit: &UnitName, cycle: &[&str]) -> Place {
        let places = cycle.iter().map(|other| self.place(unit, &["After", "Before"], other));
        places.max_by_key(|place| place.line > 0).unwrap_or_default()
    }

    /// Two units whose health checks ask the same port of the node cannot both be what answers there.
    fn ports(&self, found: &mut Vec<Diagnostic>) {
        let mut claims: BTreeMap<u16, &UnitSpec> = BTreeMap::new();
        for (name, unit) in self.units {
            let spec = &*unit.spec;
            let Some(port) = spec.health.check.as_ref().and_then(local_port) else { continue };
            let Some(other) = claims.insert(port, spec) else { continue };
            // Instances of one template may be meant for different nodes, as may units for different labels.
            let same_template = spec.name.template().is_some() && spec.name.template() == other.name.template();
            if same_template || (spec.fleet.nodes != other.fleet.nodes) {
                continue;
            }
            let message = format!("{name} and {} have health checks on the same port {port}", other.name);
            let place = self.place(name, &["HealthCheckURL", "HealthCheckTCP"], "");
            found.push(
                Diagnostic::warning("port-claimed-twice", place, message).with_hint("one of them cannot listen there"),
            );
        }
    }

    /// Where one of `keys` of `name` holds `word`; the unit file as a whole when it does so by a specifier.
    fn place(&self, name: &UnitName, keys: &[&str], word: &str) -> Place {
        let documents = self.documents.get(name).map_or(&[][..], Vec::as_slice);
        let readable = documents.iter().filter_map(|read| read.document.as_ref());
        let mut fallback = Place::default();
        for document in readable {
            if fallback.file.is_empty() {
                fallback.file = document.file().to_string();
            }
            for (_, assignment) in document.assignments().filter(|(_, assignment)| keys.contains(&&*assignment.key)) {
                let whole_word = |(offset, _): &(usize, &str)| {
                    let (before, after) = (&assignment.value[..*offset], &assignment.value[offset + word.len()..]);
                    !before.ends_with(|c: char| !c.is_whitespace()) && !after.starts_with(|c: char| !c.is_whitespace())
                };
                let offset = match word {
                    "" => Some(0),
                    _ => assignment.value.match_indices(word).find(whole_word).map(|(offset, _)| offset),
                };
                if let Some(offset) = offset {
                    let (line, column) = assignment.position(offset);
                    return Place { file: document.file().to_string(), line, column };
                }
            }
        }
        fallback
    }
}

/// The port of this very node that a check asks; `None` when it is another host's, or the host decides.
fn local_port(check: &HealthCheck) -> Option<u16> {
    let (host, port) = health_port(check)?;
    let local =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified());
    local.then_some(port)
}

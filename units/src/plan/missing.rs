//! Requirements that keep a unit of a plan from starting: nothing on the node is known to fulfil them.

use super::{Action, Desired, Observed, Plan};
use crate::ids::UnitName;
use crate::jobs::Graph;
use crate::status::ActiveState;
use std::collections::{BTreeMap, BTreeSet};

/// A unit that would start, and what it requires in vain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// The unit that would start.
    pub unit: UnitName,
    /// The directive: `Requires`, `BindsTo` or `Requisite`.
    pub key: &'static str,
    /// What it names, as written.
    pub required: UnitName,
}

/// What the units that start require and that is neither in `desired`, by name or alias, nor a target that always exists,
/// nor run by the host itself. Those start that are `starting`, and those that these pull in and that do not run yet.
/// These are the starts that the node's jobs refuse as `dependency-missing`.
#[must_use]
pub fn missing<'a>(
    desired: &'a Desired,
    observed: &Observed,
    starting: impl IntoIterator<Item = &'a UnitName>,
) -> BTreeSet<Missing> {
    let mut open: Vec<&UnitName> = starting.into_iter().filter(|unit| desired.units.contains_key(*unit)).collect();
    let mut found = BTreeSet::new();
    if open.is_empty() {
        return found;
    }
    let mut graph = Graph::new(desired.units.values().map(|unit| &*unit.spec));
    graph.set_host(observed.host.clone());
    let mut seen: BTreeSet<&UnitName> = open.iter().copied().collect();
    while let Some(spec) = open.pop().and_then(|unit| desired.units.get(unit)).map(|unit| &unit.spec) {
        for (key, names) in [("Requires", &spec.requires), ("BindsTo", &spec.binds_to), ("Requisite", &spec.requisite)]
        {
            let lacking = names.iter().filter(|name| !graph.contains(graph.resolve(name)) && !graph.is_implicit(name));
            let missing = |required: &UnitName| Missing { unit: spec.name.clone(), key, required: required.clone() };
            found.extend(lacking.map(missing));
        }
        for name in graph.requirements(&spec.name).chain(graph.wants(&spec.name)) {
            let pulled_in = desired.units.get_key_value(graph.resolve(name)).map(|(name, _)| name);
            let pulled_in = pulled_in.filter(|name| !is_up(observed, name) && !seen.contains(name));
            seen.extend(pulled_in);
            open.extend(pulled_in);
        }
    }
    found
}

fn is_up(observed: &Observed, unit: &UnitName) -> bool {
    observed.units.get(unit).is_some_and(|unit| match unit.active {
        ActiveState::Active | ActiveState::Reloading | ActiveState::Activating => true,
        ActiveState::Inactive | ActiveState::Deactivating | ActiveState::Failed => false,
    })
}

impl Plan {
    /// The units that it starts or restarts.
    pub fn starting(&self) -> impl Iterator<Item = &UnitName> {
        let starts = |action| match action {
            Action::Start | Action::Restart => true,
            Action::Stop | Action::Reload | Action::Update | Action::Keep => false,
        };
        self.steps.iter().filter(move |step| starts(step.action)).map(|step| &step.unit)
    }

    /// Says in the reason of each step that cannot be done what is missing for it.
    pub(super) fn explain(&mut self, missing: &BTreeSet<Missing>) {
        let mut by_unit: BTreeMap<&UnitName, Vec<&str>> = BTreeMap::new();
        for Missing { unit, required, .. } in missing {
            by_unit.entry(unit).or_default().push(required.as_str());
        }
        for step in &mut self.steps {
            if let Some(lacking) = by_unit.get(&step.unit) {
                let text = format!(
                    "{}; it cannot start: it requires {}, neither assigned to this node nor run by its host",
                    step.reason.text,
                    lacking.join(", ")
                );
                step.reason = crate::diagnostic::Reason::new("dependency-missing", text);
            }
        }
    }
}

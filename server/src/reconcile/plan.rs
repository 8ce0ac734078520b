//! What running another desired state would change, node by node, and the id that stands for it.

use super::environment::{Environment, Nodes};
use fleet_units::diagnostic::{Diagnostic, Place, codes};
use fleet_units::fleet::{FleetSpec, FleetUnit};
use fleet_units::ids::{NodeName, Sha256Digest, UnitName};
use fleet_units::plan::{self, Action, Desired, DesiredUnit, Missing, Observed, ObservedUnit, Plan};
use fleet_units::status::ActiveState;

/// What each node of an environment would do.
#[derive(Clone, Debug, Default)]
pub struct EnvironmentPlan {
    /// By node name; nodes without a change too.
    pub nodes: Vec<(NodeName, Plan)>,
    /// An error for each requirement that keeps a unit from starting on a node.
    pub diagnostics: Vec<Diagnostic>,
}

impl EnvironmentPlan {
    /// Whether any node would do anything.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.nodes.iter().flat_map(|(_, plan)| &plan.steps).any(|step| step.action != Action::Keep)
    }

    /// SHA-256 over environment, current revision, resulting tree and the sorted (node, unit, action); not over
    /// connectivity, times and health, so that it stays the same while nothing that matters moves.
    #[must_use]
    pub fn id(&self, environment: &str, current: &str, tree: &str) -> Sha256Digest {
        let mut input = format!("{environment}\0{current}\0{tree}\0");
        for (node, plan) in &self.nodes {
            for step in &plan.steps {
                input.push_str(&format!("{node}\0{}\0{}\0", step.unit, step.action.as_str()));
            }
        }
        Sha256Digest::of(input.as_bytes())
    }
}

/// What each node would do if `fleet` were the environment's desired state now. What a node runs is taken to be what it
/// was offered last, all of it active: connectivity and health do not count.
pub(super) fn preview(environment: &Environment, fleet: &FleetSpec, nodes: &Nodes) -> EnvironmentPlan {
    let wanted = environment.preview(fleet, nodes);
    let mut planned = EnvironmentPlan::default();
    for (name, units) in wanted {
        let desired = units.into_iter().filter_map(|(unit, digest)| {
            let spec = fleet.units.get(&unit)?.spec.clone();
            Some((unit, DesiredUnit { spec, digest }))
        });
        let observed = observed(environment, &name, nodes);
        let desired = Desired { units: desired.collect() };
        let plan = plan::plan(&desired, &observed);
        let missing = plan::missing(&desired, plan.starting());
        planned.diagnostics.extend(missing.iter().map(|missing| requirement_missing(&name, missing, fleet)));
        planned.nodes.push((name, plan));
    }
    planned
}

fn requirement_missing(node: &NodeName, missing: &Missing, fleet: &FleetSpec) -> Diagnostic {
    let Missing { unit, key, required } = missing;
    let file = fleet.units.get(unit).and_then(|found| unit_file(unit, found)).unwrap_or_default();
    let message = format!("{unit} would start on {node} and cannot: its {key}= names {required}, which is not there");
    let hint =
        "add it, or make the Nodes= of both agree; what the host runs by itself is not known: use Wants= for that";
    Diagnostic::error(codes::REQUIREMENT_MISSING, Place { file, line: 0, column: 0 }, message).with_hint(hint)
}

/// The path of the file that the unit, or the template it is an instance of, is named by.
fn unit_file(unit: &UnitName, found: &FleetUnit) -> Option<String> {
    let template = unit.template();
    let is_named = |path: &&String| {
        let name = path.rsplit('/').next().unwrap_or_default();
        name == unit.as_str() || template.as_ref().is_some_and(|template| name == template.as_str())
    };
    found.bundle.files.keys().find(is_named).cloned()
}

fn observed(environment: &Environment, node: &NodeName, nodes: &Nodes) -> Observed {
    let held = nodes.get(node).and_then(|node| node.assignment.as_ref());
    let now = environment.head.as_ref().map(|head| &head.fleet);
    let units = held.iter().flat_map(|held| held.units.iter()).filter_map(|(unit, entry)| {
        let spec = now?.units.get(unit)?.spec.clone();
        let active = ActiveState::Active;
        Some((unit.clone(), ObservedUnit { spec, digest: entry.digest, active, held: false, due: None }))
    });
    Observed { units: units.collect() }
}

//! What running another desired state would change, node by node, and the id that stands for it.

use super::environment::{Environment, Nodes};
use fleet_units::diagnostic::{Diagnostic, codes};
use fleet_units::fleet::FleetSpec;
use fleet_units::ids::{EnvironmentName, NodeName, Sha256Digest};
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
        let missing = plan::missing(&desired, &observed, plan.starting());
        let finding = |missing| requirement_missing(&environment.name, &name, missing, fleet);
        planned.diagnostics.extend(missing.iter().map(finding));
        planned.nodes.push((name, plan));
    }
    planned
}

fn requirement_missing(
    environment: &EnvironmentName,
    node: &NodeName,
    missing: &Missing,
    fleet: &FleetSpec,
) -> Diagnostic {
    let Missing { unit, key, required } = missing;
    let place = fleet.units.get(unit).map(|found| found.place(environment, key, required.as_str()));
    let message = format!("{unit} would start on {node} and cannot: its {key}= names {required}, which is not there");
    let hint = "add it, make the Nodes= of both agree, or have the host run it; with Wants= the unit starts without it";
    Diagnostic::error(codes::REQUIREMENT_MISSING, place.unwrap_or_default(), message).with_hint(hint)
}

fn observed(environment: &Environment, node: &NodeName, nodes: &Nodes) -> Observed {
    let held = nodes.get(node).and_then(|node| node.assignment.as_ref());
    let now = environment.head.as_ref().map(|head| &head.fleet);
    let units = held.iter().flat_map(|held| held.units.iter()).filter_map(|(unit, entry)| {
        let spec = now?.units.get(unit)?.spec.clone();
        let active = ActiveState::Active;
        Some((unit.clone(), ObservedUnit { spec, digest: entry.digest, active, held: false, due: None }))
    });
    let host = nodes.get(node).map(|node| node.host_units.clone());
    Observed { units: units.collect(), host: host.unwrap_or_default() }
}

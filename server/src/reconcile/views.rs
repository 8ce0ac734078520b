//! What operators see of the fleet task's state.

use super::node::Node;
use super::task::Task;
use fleet_proto::v1;
use fleet_units::ids::NodeName;
use fleet_units::view::FleetView;
use tonic::Status;

impl Task {
    pub(super) fn view(&self, wanted: Option<&str>) -> Result<FleetView, Status> {
        self.check_name(wanted)?;
        let chosen = self.environments.iter().filter(|found| wanted.is_none_or(|wanted| wanted == found.name.as_str()));
        Ok(FleetView { environments: chosen.map(|environment| environment.view(&self.nodes)).collect() })
    }

    pub(super) fn node_views(&self, wanted: Option<&str>) -> Result<Vec<v1::NodeView>, Status> {
        self.check_name(wanted)?;
        let chosen =
            self.nodes.iter().filter(|(_, node)| wanted.is_none_or(|wanted| wanted == node.environment.as_str()));
        Ok(chosen.map(|(name, node)| node_view(name, node)).collect())
    }

    fn check_name(&self, wanted: Option<&str>) -> Result<(), Status> {
        let known = |wanted: &str| self.environments.iter().any(|found| found.name.as_str() == wanted);
        match wanted {
            Some(wanted) if !known(wanted) => Err(self.no_such_environment(wanted)),
            _ => Ok(()),
        }
    }
}

fn node_view(name: &NodeName, node: &Node) -> v1::NodeView {
    let offered = node.assignment.as_deref();
    let applied = node.has_applied();
    v1::NodeView {
        name: name.to_string(),
        environment: node.environment.to_string(),
        connected: node.link.is_some(),
        since_us: node.since.0,
        labels: node.labels.clone().into_iter().collect(),
        facts: node.facts.clone().into_iter().collect(),
        agent_version: node.agent_version.clone(),
        applied_revision: offered.filter(|_| applied).map(|held| held.revision.to_string()).unwrap_or_default(),
        generation: offered.map_or(0, |held| held.generation.0),
        applied_generation: node.applied.map_or(0, |(_, generation)| generation.0),
        refused: node.refused.clone().map(Into::into),
        units: u32::try_from(node.statuses.len()).unwrap_or(u32::MAX),
        certificate_expires_us: 0,
    }
}

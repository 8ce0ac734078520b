//! operator.proto: the fleet as an operator sees it.

use super::{InField, WireError, optional};
use crate::v1;
use fleet_units::view::{BranchState, EnvironmentState, EnvironmentView, FleetView, NodeCounts, Rejected, UnitView};

impl From<FleetView> for v1::StatusResponse {
    fn from(view: FleetView) -> Self {
        v1::StatusResponse { environments: view.environments.into_iter().map(Into::into).collect(), time_us: 0 }
    }
}

impl TryFrom<v1::StatusResponse> for FleetView {
    type Error = WireError;
    fn try_from(response: v1::StatusResponse) -> Result<Self, WireError> {
        let environments = response.environments.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
        Ok(FleetView { environments })
    }
}

impl From<EnvironmentView> for v1::EnvironmentView {
    fn from(view: EnvironmentView) -> Self {
        v1::EnvironmentView {
            name: view.name.into(),
            branch: view.branch,
            desired_revision: view.desired_revision.map(String::from).unwrap_or_default(),
            running_revision: view.running_revision.map(String::from).unwrap_or_default(),
            state: view.state.as_str().to_owned(),
            branch_state: view.branch_state.as_str().to_owned(),
            nodes_total: view.nodes.total,
            nodes_connected: view.nodes.connected,
            units: view.units.into_iter().map(Into::into).collect(),
            rejected: view.rejected.map(Into::into),
            reasons: view.reasons,
        }
    }
}

impl TryFrom<v1::EnvironmentView> for EnvironmentView {
    type Error = WireError;
    fn try_from(wire: v1::EnvironmentView) -> Result<Self, WireError> {
        Ok(EnvironmentView {
            name: wire.name.parse().in_field("EnvironmentView.name")?,
            branch: wire.branch,
            desired_revision: optional(&wire.desired_revision, "EnvironmentView.desired_revision")?,
            running_revision: optional(&wire.running_revision, "EnvironmentView.running_revision")?,
            state: environment_state(&wire.state)?,
            reasons: wire.reasons,
            branch_state: branch_state(&wire.branch_state)?,
            nodes: NodeCounts { total: wire.nodes_total, connected: wire.nodes_connected },
            units: wire.units.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            rejected: wire.rejected.map(TryInto::try_into).transpose()?,
        })
    }
}

fn environment_state(word: &str) -> Result<EnvironmentState, WireError> {
    use EnvironmentState::{Converged, Converging, Degraded, Empty, Failed};
    [Empty, Failed, Degraded, Converging, Converged]
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| WireError::Unknown { field: "EnvironmentView.state", value: word.to_owned() })
}

fn branch_state(word: &str) -> Result<BranchState, WireError> {
    use BranchState::{Missing, Ok as Good, Rewound, Unaccepted, Unrelated};
    [Good, Unaccepted, Rewound, Missing, Unrelated]
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| WireError::Unknown { field: "EnvironmentView.branch_state", value: word.to_owned() })
}

impl From<UnitView> for v1::UnitView {
    fn from(view: UnitView) -> Self {
        v1::UnitView { node: view.node.into(), connected: view.connected, status: Some(view.status.into()) }
    }
}

impl TryFrom<v1::UnitView> for UnitView {
    type Error = WireError;
    fn try_from(wire: v1::UnitView) -> Result<Self, WireError> {
        Ok(UnitView {
            node: wire.node.parse().in_field("UnitView.node")?,
            connected: wire.connected,
            status: wire.status.ok_or(WireError::Missing("UnitView.status"))?.try_into()?,
        })
    }
}

impl From<Rejected> for v1::Rejected {
    fn from(rejected: Rejected) -> Self {
        v1::Rejected {
            revision: rejected.revision.into(),
            diagnostics: rejected.diagnostics.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Rejected> for Rejected {
    type Error = WireError;
    fn try_from(wire: v1::Rejected) -> Result<Self, WireError> {
        Ok(Rejected {
            revision: wire.revision.parse().in_field("Rejected.revision")?,
            diagnostics: wire.diagnostics.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}

//! The fleet as an operator sees it, and the one word for how an environment fares.

use crate::diagnostic::Diagnostic;
use crate::ids::{EnvironmentName, NodeName, Revision};
use crate::status::UnitStatus;
use serde::{Deserialize, Serialize};

/// Every environment, in the order of the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetView {
    /// In the order of the chain.
    pub environments: Vec<EnvironmentView>,
}

/// How an environment fares; the first that fits, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvironmentState {
    /// No revision, or no units.
    Empty,
    /// The rollout ended by its deadline or a rollback.
    Failed,
    /// Applied, but a unit failed, is unhealthy or unplaced, or a node is lost.
    Degraded,
    /// A rollout is not finished.
    Converging,
    /// Every unit that shall run by itself is active, completed or held.
    Converged,
}

impl EnvironmentState {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            EnvironmentState::Empty => "empty",
            EnvironmentState::Failed => "failed",
            EnvironmentState::Degraded => "degraded",
            EnvironmentState::Converging => "converging",
            EnvironmentState::Converged => "converged",
        }
    }
}

/// How the environment's branch stands to its last accepted head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BranchState {
    /// The branch is at the accepted head, or at a rejected one after it.
    #[default]
    Ok,
    /// The branch holds a head that was refused by a rule.
    Unaccepted,
    /// The branch no longer contains the accepted head.
    Rewound,
    /// There is no such branch.
    Missing,
    /// The branch shares no history with the accepted head.
    Unrelated,
}

impl BranchState {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            BranchState::Ok => "ok",
            BranchState::Unaccepted => "unaccepted",
            BranchState::Rewound => "rewound",
            BranchState::Missing => "missing",
            BranchState::Unrelated => "unrelated",
        }
    }
}

/// A branch head that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The head.
    pub revision: Revision,
    /// Everything found, errors first.
    pub diagnostics: Vec<Diagnostic>,
}

/// How many nodes an environment has, and how many are connected now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCounts {
    /// Enrolled.
    pub total: u32,
    /// With a live control stream.
    pub connected: u32,
}

/// One environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentView {
    /// Its name.
    pub name: EnvironmentName,
    /// The branch it follows.
    pub branch: String,
    /// Last accepted head.
    pub desired_revision: Option<Revision>,
    /// Newest revision that every connected node applied.
    pub running_revision: Option<Revision>,
    /// How it fares.
    pub state: EnvironmentState,
    /// Why it is not converged, a line each; empty when it is.
    pub reasons: Vec<String>,
    /// How its branch stands.
    pub branch_state: BranchState,
    /// Its nodes.
    pub nodes: NodeCounts,
    /// By node, then unit.
    pub units: Vec<UnitView>,
    /// The head that was not accepted, if the branch is at one.
    pub rejected: Option<Rejected>,
}

/// One unit on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitView {
    /// The node.
    pub node: NodeName,
    /// Whether the node is connected now; if not, the status is the last known.
    pub connected: bool,
    /// The unit, as the node last told.
    #[serde(flatten)]
    pub status: UnitStatus,
}

/// What the roll-up looks at besides the units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RolloutFacts {
    /// The environment has an accepted head.
    pub has_revision: bool,
    /// Its rollout ended by its deadline or a rollback.
    pub rollout_failed: bool,
    /// Every node has been given, and has applied, the desired revision, and MinHealthySec is over.
    pub rollout_finished: bool,
    /// Nodes that were connected and are not.
    pub nodes_lost: u32,
    /// Units no node can take.
    pub unplaced: u32,
}

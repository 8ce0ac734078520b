//! The fleet as an operator sees it, and the one word for how an environment fares.

use crate::diagnostic::Diagnostic;
use crate::ids::{EnvironmentName, NodeName, Revision};
use crate::status::{ActiveState, Health, UnitStatus};
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

/// The one word for how an environment fares, the first that fits in the order of [`EnvironmentState`], and why, a line
/// each; without lines when it is converged. `units` are all units of the environment on all its nodes.
///
/// A held unit counts as converged whatever its state; a unit that does not run by itself (it waits for a trigger, or
/// `Start=manual`) counts in any state but failed.
#[must_use]
pub fn environment_state(facts: &RolloutFacts, units: &[UnitView]) -> (EnvironmentState, Vec<String>) {
    if !facts.has_revision {
        return (EnvironmentState::Empty, vec!["it has no accepted revision".to_owned()]);
    }
    if units.is_empty() && facts.unplaced == 0 && facts.rollout_finished {
        return (EnvironmentState::Empty, vec!["its revision has no units".to_owned()]);
    }
    let mut troubles = troubles(facts, units);
    if facts.rollout_failed {
        troubles.insert(0, "the rollout ended by its deadline or a rollback".to_owned());
        return (EnvironmentState::Failed, troubles);
    }
    if !troubles.is_empty() {
        return (EnvironmentState::Degraded, troubles);
    }
    let mut pending = lines(units, not_settled);
    if !facts.rollout_finished {
        pending.insert(0, "the rollout is not finished".to_owned());
    }
    match pending.is_empty() {
        true => (EnvironmentState::Converged, pending),
        false => (EnvironmentState::Converging, pending),
    }
}

/// What makes an environment degraded, a line each.
fn troubles(facts: &RolloutFacts, units: &[UnitView]) -> Vec<String> {
    let mut lines = lines(units, trouble);
    match facts.unplaced {
        0 => {}
        1 => lines.push("1 unit has no node".to_owned()),
        many => lines.push(format!("{many} units have no node")),
    }
    match facts.nodes_lost {
        0 => {}
        1 => lines.push("1 node is lost".to_owned()),
        many => lines.push(format!("{many} nodes are lost")),
    }
    lines
}

/// A line for each unit that `say` has something to say about.
fn lines(units: &[UnitView], say: impl Fn(&UnitStatus) -> Option<String>) -> Vec<String> {
    let line = |unit: &UnitView| Some(format!("{} on {}: {}", unit.status.unit, unit.node, say(&unit.status)?));
    units.iter().filter_map(line).collect()
}

/// What is wrong with a unit; `None`: nothing, or nothing yet.
fn trouble(unit: &UnitStatus) -> Option<String> {
    if unit.held.is_some() {
        return None;
    }
    if unit.active_state == ActiveState::Failed {
        return Some(with_reason(unit, format!("failed ({})", unit.result)));
    }
    // systemd does not call that failed; the start was, and nothing but a person or a change tries again.
    if unit.wanted && unit.result == "assert" && unit.active_state == ActiveState::Inactive {
        return Some(with_reason(unit, "did not start".to_owned()));
    }
    // Between a crash and the next try; systemd calls that activating.
    if unit.sub_state.starts_with("auto-restart") {
        return Some(with_reason(unit, format!("is being restarted ({})", unit.result)));
    }
    if unit.reason.as_ref().is_some_and(|reason| reason.code == "reload-failed") {
        return Some(with_reason(unit, "did not reload".to_owned()));
    }
    (unit.health == Health::Unhealthy).then(|| with_reason(unit, "is unhealthy".to_owned()))
}

/// Why a unit is not yet as it should be; `None`: it is active, completed or held, or need not run, and its health
/// check (if it has one) says healthy. [`crate::rollout`] waits for the same.
#[must_use]
pub fn not_settled(unit: &UnitStatus) -> Option<String> {
    if unit.held.is_some() {
        return None;
    }
    if let Some(trouble) = trouble(unit) {
        return Some(trouble);
    }
    if unit.wanted && unit.active_state != ActiveState::Active && !unit.completed {
        return Some(with_reason(unit, format!("is {} ({})", unit.active_state.as_str(), unit.sub_state)));
    }
    (unit.health == Health::Starting).then(|| with_reason(unit, "has not been healthy yet".to_owned()))
}

fn with_reason(unit: &UnitStatus, what: String) -> String {
    match &unit.reason {
        Some(reason) => format!("{what}, {reason}"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Reason;
    use crate::ids::InvocationId;
    use crate::status::Hold;
    use crate::time::Timestamp;

    /// A unit that shall run by itself, in this state.
    fn unit(active_state: ActiveState, sub_state: &str) -> UnitView {
        let status = UnitStatus {
            unit: "web.service".parse().unwrap(),
            active_state,
            sub_state: sub_state.to_owned(),
            result: if active_state == ActiveState::Failed { "exit-code" } else { "success" }.to_owned(),
            main_pid: 0,
            restarts: 0,
            health: Health::None,
            digest: None,
            unit_revision: None,
            since: Timestamp(0),
            held: None,
            unenforced: Vec::new(),
            invocation_id: InvocationId::default(),
            wanted: true,
            completed: false,
            reason: None,
            next_elapse: None,
        };
        UnitView { node: "test-1".parse().unwrap(), connected: true, status }
    }

    fn running() -> UnitView {
        unit(ActiveState::Active, "running")
    }

    fn with(mut view: UnitView, change: impl FnOnce(&mut UnitStatus)) -> UnitView {
        change(&mut view.status);
        view
    }

    fn hold() -> Option<Hold> {
        Some(Hold { who: "ann".into(), why: String::new(), until: Timestamp(1) })
    }

    const DONE: RolloutFacts =
        RolloutFacts { has_revision: true, rollout_failed: false, rollout_finished: true, nodes_lost: 0, unplaced: 0 };

    fn state(facts: RolloutFacts, units: &[UnitView]) -> EnvironmentState {
        let (state, reasons) = environment_state(&facts, units);
        assert_eq!(state == EnvironmentState::Converged, reasons.is_empty(), "{reasons:?}");
        state
    }

    #[test]
    fn each_state_of_one_unit_has_its_word() {
        use ActiveState::{Activating, Deactivating, Failed, Inactive, Reloading};
        use EnvironmentState::{Converged, Converging, Degraded};
        let triggered = |view| with(view, |unit| unit.wanted = false);
        let health = |health| with(running(), |unit| unit.health = health);
        let table = [
            (running(), Converged),
            (health(Health::Healthy), Converged),
            (health(Health::Starting), Converging),
            (health(Health::Unhealthy), Degraded),
            (unit(Activating, "start-pre"), Converging),
            (unit(Activating, "auto-restart"), Degraded),
            (unit(Reloading, "reload"), Converging),
            (unit(Deactivating, "stop-sigterm"), Converging),
            (unit(Inactive, "dead"), Converging),
            (unit(Failed, "failed"), Degraded),
            (with(unit(Inactive, "dead"), |unit| unit.completed = true), Converged),
            (with(unit(Inactive, "dead"), |unit| unit.result = "assert".to_owned()), Degraded),
            (triggered(unit(Inactive, "dead")), Converged),
            (triggered(unit(Activating, "start")), Converged),
            (triggered(unit(Failed, "failed")), Degraded),
            (with(unit(Inactive, "dead"), |unit| unit.held = hold()), Converged),
            (with(unit(Failed, "failed"), |unit| unit.held = hold()), Converged),
        ];
        for (view, word) in table {
            let shown = format!("{:?}", view.status);
            assert_eq!(state(DONE, &[running(), view]), word, "{shown}");
        }
    }

    #[test]
    fn the_first_word_that_fits_wins() {
        use EnvironmentState::{Converged, Converging, Degraded, Empty, Failed};
        let failed = unit(ActiveState::Failed, "failed");
        let rolling = RolloutFacts { rollout_finished: false, ..DONE };
        let ended = RolloutFacts { rollout_failed: true, ..rolling };
        let lost = RolloutFacts { nodes_lost: 1, ..rolling };
        let unplaced = RolloutFacts { unplaced: 2, ..rolling };
        let table = [
            (RolloutFacts::default(), vec![failed.clone()], Empty),
            (DONE, vec![], Empty),
            (rolling, vec![], Converging),
            (unplaced, vec![], Degraded),
            (ended, vec![failed.clone()], Failed),
            (rolling, vec![failed], Degraded),
            (lost, vec![running()], Degraded),
            (unplaced, vec![running()], Degraded),
            (rolling, vec![running()], Converging),
            (DONE, vec![running()], Converged),
        ];
        for (facts, units, word) in table {
            assert_eq!(state(facts, &units), word, "{facts:?}");
        }
    }

    #[test]
    fn the_reasons_name_unit_node_and_cause() {
        let cause = Some(Reason::new("health-status", "GET / says 503"));
        let sick = with(running(), |unit| (unit.health, unit.reason) = (Health::Unhealthy, cause));
        let facts = RolloutFacts { unplaced: 1, nodes_lost: 2, ..DONE };
        let (_, reasons) = environment_state(&facts, &[sick]);
        let expected =
            ["web.service on test-1: is unhealthy, GET / says 503", "1 unit has no node", "2 nodes are lost"];
        assert_eq!(reasons, expected);
    }
}

//! One environment on its way from an accepted revision to nodes that run it.

use super::node::Node;
use fleet_units::assignment::AssignedUnit;
use fleet_units::diagnostic::Reason;
use fleet_units::fleet::FleetSpec;
use fleet_units::ids::{EnvironmentName, NodeName, Revision, UnitDigest, UnitName};
use fleet_units::rollout::{self, NodeProgress, RolloutPolicy, RolloutStep};
use fleet_units::schedule::{Assignments, Inventory, Unplaced, schedule};
use fleet_units::time::Moment;
use fleet_units::view::{
    BranchState, EnvironmentView, NodeCounts, Rejected, RolloutFacts, UnitView, environment_state,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every node of the fleet, by name.
pub(super) type Nodes = BTreeMap<NodeName, Node>;

/// An accepted revision and what it means.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// The commit.
    pub(super) revision: Revision,
    /// The desired state.
    pub(super) fleet: Arc<FleetSpec>,
}

/// One environment.
#[derive(Debug)]
pub(super) struct Environment {
    /// Its name.
    pub(super) name: EnvironmentName,
    /// The branch it follows.
    pub(super) branch: String,
    /// Last accepted head.
    pub(super) head: Option<Head>,
    /// Newest revision that every connected node applied.
    pub(super) running: Option<Revision>,
    /// How the branch stands.
    pub(super) branch_state: BranchState,
    /// The branch's head, if it was not accepted.
    pub(super) rejected: Option<Rejected>,
    /// The head whose convergence was recorded.
    pub(super) recorded: Option<Revision>,
    /// The accepted head, when this version does not understand it.
    frozen: Option<Revision>,
    unit_revisions: BTreeMap<UnitName, (UnitDigest, Revision)>,
    target: Assignments,
    unplaced: Vec<Unplaced>,
    policy: RolloutPolicy,
    progress: BTreeMap<NodeName, NodeProgress>,
    step: RolloutStep,
}

impl Environment {
    /// An environment that has no accepted revision yet.
    #[must_use]
    pub(super) fn new(name: EnvironmentName, branch: String) -> Environment {
        Environment {
            name,
            branch,
            head: None,
            running: None,
            branch_state: BranchState::Missing,
            rejected: None,
            recorded: None,
            frozen: None,
            unit_revisions: BTreeMap::new(),
            target: Assignments::new(),
            unplaced: Vec::new(),
            policy: RolloutPolicy::default(),
            progress: BTreeMap::new(),
            step: RolloutStep::default(),
        }
    }

    /// What was known of unit revisions before this life of the coordinator: from the stored assignments.
    pub(super) fn remember(&mut self, nodes: &Nodes) {
        let stored =
            nodes.values().filter(|node| node.environment == self.name).filter_map(|node| node.assignment.as_ref());
        for (unit, entry) in stored.flat_map(|assignment| assignment.units.iter()) {
            self.unit_revisions.insert(unit.clone(), (entry.digest, entry.revision.clone()));
        }
    }

    /// Makes `head` what the environment shall run, and begins its rollout.
    pub(super) fn accept(&mut self, head: Head, nodes: &Nodes) {
        let changed = self.changed_units(&head);
        let total = nodes.values().filter(|node| node.environment == self.name).count();
        self.policy = RolloutPolicy::strictest(changed.iter().map(|unit| &head.fleet.units[unit].spec.fleet), total);
        for unit in changed {
            let digest = head.fleet.units[&unit].digest;
            self.unit_revisions.insert(unit, (digest, head.revision.clone()));
        }
        self.unit_revisions.retain(|unit, _| head.fleet.units.contains_key(unit));
        self.rejected = None;
        self.frozen = None;
        self.head = Some(head);
        self.progress.clear();
        self.place(nodes);
    }

    /// Leaves everything as it is: `rejected` is the accepted head, which this version does not understand.
    pub(super) fn freeze(&mut self, rejected: Rejected) {
        self.frozen = Some(rejected.revision.clone());
        self.rejected = Some(rejected);
    }

    /// Units that `head` changes; also those it changed before the coordinator was started again.
    fn changed_units(&self, head: &Head) -> Vec<UnitName> {
        let same = |unit: &UnitName, digest: &UnitDigest| {
            let known = self.unit_revisions.get(unit);
            known.is_some_and(|(known, since)| known == digest && *since != head.revision)
        };
        let units = head.fleet.units.iter();
        units.filter(|(name, unit)| !same(name, &unit.digest)).map(|(name, _)| name.clone()).collect()
    }

    /// Has `node` released anew at the next placement: it does not hold what it was offered.
    pub(super) fn begin_again(&mut self, node: &NodeName) {
        self.progress.remove(node);
    }

    /// Places every unit again: after a new head, and when nodes or labels changed. A node whose share stays the same
    /// stays where it is in the rollout.
    pub(super) fn place(&mut self, nodes: &Nodes) {
        let Some(head) = &self.head else { return };
        let scheduled = schedule(&head.fleet, &self.inventory(nodes), &self.target);
        let before = std::mem::replace(&mut self.target, scheduled.assignments);
        self.unplaced = scheduled.unplaced;
        let mut known = std::mem::take(&mut self.progress);
        for (name, wanted) in &self.target {
            let Some(node) = nodes.get(name) else { continue };
            let kept = known.remove(name).filter(|_| before.get(name) == Some(wanted));
            // A node that got this very revision before the coordinator was started again still has to prove it.
            let proving = self.recorded.as_ref() != Some(&head.revision)
                && node.assignment.as_ref().is_some_and(|held| held.revision == head.revision);
            let changes = proving || held(node) != Some(wanted.clone());
            let fresh = NodeProgress { connected: node.link.is_some(), changes, ..Default::default() };
            self.progress.insert(name.clone(), kept.unwrap_or(fresh));
        }
    }

    /// Where `fleet` would run if it were this environment's desired state now.
    #[must_use]
    pub(super) fn preview(&self, fleet: &FleetSpec, nodes: &Nodes) -> Assignments {
        schedule(fleet, &self.inventory(nodes), &self.target).assignments
    }

    fn inventory(&self, nodes: &Nodes) -> Inventory {
        let own = nodes.iter().filter(|(_, node)| node.environment == self.name);
        Inventory {
            environment: self.name.clone(),
            nodes: own.map(|(name, node)| (name.clone(), node.placement_facts())).collect(),
        }
    }

    /// Looks at every node and decides which get the new revision now. The caller offers it to them, as
    /// [`Environment::assigned`] says, and calls again until nobody is named: what a node acted on before its offer
    /// must not count as the new revision.
    pub(super) fn advance(&mut self, nodes: &Nodes, now: Moment) -> Vec<NodeName> {
        let policy = self.policy;
        for (name, progress) in &mut self.progress {
            let Some(node) = nodes.get(name) else { continue };
            progress.connected = node.link.is_some();
            let settled = progress.released_at.is_some() && node.is_settled();
            progress.note(&policy, settled, now);
        }
        self.step = rollout::next(&self.policy, &self.progress, now);
        let released = std::mem::take(&mut self.step.release);
        for name in &released {
            let progress = self.progress.get_mut(name).expect("the rollout names nodes it was given");
            progress.released_at = Some(now);
        }
        if released.is_empty() {
            self.running = self.running_now(nodes);
        }
        released
    }

    fn running_now(&self, nodes: &Nodes) -> Option<Revision> {
        let applied = |(name, progress): (&NodeName, &NodeProgress)| {
            !progress.connected || (progress.released_at.is_some() && nodes.get(name).is_some_and(Node::has_applied))
        };
        let any = self.progress.values().any(|progress| progress.connected);
        match &self.head {
            Some(head) if any && self.progress.iter().all(applied) => Some(head.revision.clone()),
            _ => self.running.clone(),
        }
    }

    /// What `node` shall run.
    #[must_use]
    pub(super) fn assigned(&self, node: &NodeName) -> BTreeMap<UnitName, AssignedUnit> {
        let wanted = self.target.get(node).into_iter().flatten();
        let entry = |(unit, digest): (&UnitName, &UnitDigest)| {
            let revision = self.unit_revisions.get(unit)?.1.clone();
            Some((unit.clone(), AssignedUnit { digest: *digest, revision }))
        };
        wanted.filter_map(entry).collect()
    }

    /// Whether every node has the head and has proved it.
    #[must_use]
    pub(super) fn is_finished(&self) -> bool {
        self.step.finished
    }

    /// When to look again though nothing was heard.
    #[must_use]
    pub(super) fn wake(&self) -> Option<Moment> {
        self.step.wake
    }

    /// The environment as an operator sees it.
    #[must_use]
    pub(super) fn view(&self, nodes: &Nodes) -> EnvironmentView {
        let own = || nodes.iter().filter(|(_, node)| node.environment == self.name);
        let units: Vec<UnitView> = own().flat_map(|(name, node)| unit_views(name, node)).collect();
        let lost = own().filter(|(_, node)| node.link.is_none() && node.assignment.is_some()).count();
        let facts = RolloutFacts {
            has_revision: self.head.is_some() || self.frozen.is_some(),
            rollout_failed: !self.step.overdue.is_empty(),
            // A coordinator that has just started has not been told yet what its nodes run.
            rollout_finished: self.frozen.is_some()
                || self.step.finished && (!units.is_empty() || self.target.values().all(BTreeMap::is_empty)),
            nodes_lost: count(lost),
            unplaced: count(self.unplaced.len()),
        };
        let (state, reasons) = environment_state(&facts, &units);
        EnvironmentView {
            name: self.name.clone(),
            branch: self.branch.clone(),
            desired_revision: self.head.as_ref().map(|head| head.revision.clone()).or_else(|| self.frozen.clone()),
            running_revision: self.running.clone(),
            state,
            reasons: reasons
                .into_iter()
                .chain(self.unplaced.iter().flat_map(why_unplaced))
                .chain(self.step.waiting.iter().map(|(node, why)| {
                    match nodes.get(node).and_then(|node| node.refused.as_ref()) {
                        Some(refused) => format!("{node} keeps its old assignment: {refused}"),
                        None => format!("{node}: {why}"),
                    }
                }))
                .collect(),
            branch_state: self.branch_state,
            nodes: NodeCounts {
                total: count(own().count()),
                connected: count(own().filter(|(_, node)| node.link.is_some()).count()),
            },
            units,
            rejected: self.rejected.clone(),
        }
    }
}

/// A line for each node that does not take the unit, and why.
fn why_unplaced(unplaced: &Unplaced) -> Vec<String> {
    let line = |(node, why): (&NodeName, &Reason)| format!("{} is not on {node}: {why}", unplaced.unit);
    unplaced.reasons.iter().map(line).collect()
}

/// What `node` was last offered, as placement writes it.
fn held(node: &Node) -> Option<BTreeMap<UnitName, UnitDigest>> {
    let assignment = node.assignment.as_ref()?;
    Some(assignment.units.iter().map(|(unit, entry)| (unit.clone(), entry.digest)).collect())
}

fn unit_views<'a>(name: &'a NodeName, node: &'a Node) -> impl Iterator<Item = UnitView> + 'a {
    node.statuses.values().map(|status| UnitView {
        node: name.clone(),
        connected: node.link.is_some(),
        status: status.clone(),
    })
}

fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

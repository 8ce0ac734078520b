//! Who belongs to the fleet, who is connected, and what they tell.

use super::node::{Link, Node};
use super::task::Task;
use crate::sessions::{COMMANDS, Connected};
use crate::store::{Batch, NodeRecord, NodeStatuses};
use fleet_proto::v1;
use fleet_proto::v1::node_message::Message as FromNode;
use fleet_units::assignment::NodeAssignment;
use fleet_units::diagnostic::Reason;
use fleet_units::ids::{EnvironmentName, Epoch, Generation, NodeName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::Status;

impl Task {
    pub(super) fn connected(
        &mut self,
        name: NodeName,
        environment: EnvironmentName,
        hello: v1::Hello,
    ) -> Result<Connected, Status> {
        // It may have joined a moment ago.
        self.sync_members();
        let index = self.index(&environment)?;
        let now = (self.clocks.wall)();
        let unknown = || Status::permission_denied(format!("{name} is no node of {environment}"));
        let node = self.nodes.get_mut(&name).filter(|node| node.environment == environment).ok_or_else(unknown)?;
        let (sender, commands) = mpsc::channel(COMMANDS);
        self.sessions += 1;
        // Replacing the link closes an older connection's commands, which ends it.
        let taken_over = node.link.replace(Link { session: self.sessions, commands: sender }).is_some();
        node.since = now;
        node.agent_version = hello.agent_version;
        let facts: BTreeMap<String, String> = hello.facts.into_iter().collect();
        let moved = node.facts != facts;
        node.facts = facts;
        let held = (Epoch(hello.epoch), Generation(hello.generation));
        node.applied = None;
        let mut base = None;
        if let Some(offered) = node.assignment.clone() {
            if (offered.epoch, offered.generation) == held
                && offered.manifest_digest().as_bytes()[..] == hello.manifest_digest[..]
            {
                node.applied = Some(held);
                base = Some(offered);
            } else if offered.epoch == held.0 && offered.generation <= held.1 {
                // The store is older than the node's memory: go on from the node's count.
                node.assignment = Some(Arc::new(NodeAssignment { generation: held.1, ..(*offered).clone() }));
            }
        } else if held.0 >= self.epoch {
            node.assignment = Some(Arc::new(NodeAssignment {
                environment: environment.clone(),
                node: name.clone(),
                epoch: self.epoch,
                generation: held.1,
                revision: hello.revision.parse().unwrap_or_else(|_| no_revision()),
                units: BTreeMap::new(),
            }));
        }
        let mismatch = base.is_none() && node.assignment.is_some();
        let offers = node.offers();
        let text = format!("{name} connected");
        let batch = Batch::new().node(&record(&name, node));
        self.note(batch);
        if taken_over {
            self.acts.node_gone(&name);
        }
        if mismatch {
            self.environments[index].begin_again(&name);
        }
        if moved || mismatch {
            self.environments[index].place(&self.nodes);
        }
        self.tell_node(&environment, &name, "node", text);
        self.deliver_holds(&name);
        Ok(Connected { session: self.sessions, offers, commands, base, epoch: self.epoch.0, time_us: now.0 })
    }

    pub(super) fn heard(&mut self, name: &NodeName, session: u64, message: FromNode) {
        let Some(node) = self.nodes.get_mut(name).filter(|node| is_session(node, session)) else { return };
        match message {
            FromNode::Hello(_) | FromNode::Pong(_) => {}
            FromNode::Status(report) => {
                let environment = node.environment.to_string();
                let transitions = node.report(report);
                for transition in transitions {
                    if transition.hold_ended {
                        self.hold_ended(name, &transition.now.unit);
                    }
                    if !transition.tell {
                        continue;
                    }
                    let unit = transition.now.unit.to_string();
                    let event = self.event("unit", transition.text());
                    let event = v1::Event { environment: environment.clone(), node: name.to_string(), unit, ..event };
                    self.events.tell(event);
                }
            }
            FromNode::Applied(applied) => {
                node.applied = Some((Epoch(applied.epoch), Generation(applied.generation)));
                node.refused = applied.refused.map(Reason::from);
                node.refusals = applied
                    .refusals
                    .into_iter()
                    .filter_map(|refusal| Some((refusal.unit.parse().ok()?, refusal.reason?.into())))
                    .collect();
                if let Some(reason) = node.refused.clone() {
                    let environment = node.environment.clone();
                    let text = format!("{name} keeps its old assignment: {reason}");
                    self.tell_node(&environment, name, "refused", text);
                }
            }
            FromNode::CommandResult(result) => self.acts.result(name, result),
        }
    }

    pub(super) fn disconnected(&mut self, name: &NodeName, session: u64) {
        let now = (self.clocks.wall)();
        let Some(node) = self.nodes.get_mut(name).filter(|node| is_session(node, session)) else { return };
        node.link = None;
        node.since = now;
        let environment = node.environment.clone();
        self.store_statuses(name);
        self.acts.node_gone(name);
        self.tell_node(&environment, name, "node", format!("{name} is not connected; what runs there runs on"));
    }

    /// Keeps what a node last told for the time it is away.
    fn store_statuses(&self, name: &NodeName) {
        let Some(node) = self.nodes.get(name) else { return };
        let units = node.statuses.values().cloned().collect();
        let told = NodeStatuses { node: name.clone(), time: (self.clocks.wall)(), units };
        self.note(Batch::new().statuses(&told).node(&record(name, node)));
    }

    /// Stores what a node tells again when it is back: not worth waiting for the disk.
    fn note(&self, batch: Batch) {
        if let Err(error) = self.store.note(batch) {
            tracing::error!(error = %crate::error_chain(&error), "what a node told is not stored");
        }
    }

    /// Brings nodes and labels up to the journal: it says who belongs to the fleet.
    pub(super) fn sync_members(&mut self) {
        let journal = self.journal.state();
        let now = (self.clocks.wall)();
        let mut moved: BTreeSet<EnvironmentName> = BTreeSet::new();
        let mut batch = Batch::default();
        let is_member = |name: &NodeName, node: &Node| {
            journal.nodes.get(name).is_some_and(|member| member.environment == node.environment)
        };
        let gone: Vec<NodeName> =
            self.nodes.iter().filter(|(name, node)| !is_member(name, node)).map(|(name, _)| name.clone()).collect();
        for name in gone {
            // Dropping the node ends its offers, and so its session.
            let node = self.nodes.remove(&name).expect("listed above");
            self.acts.node_gone(&name);
            batch = batch.remove_node(&name);
            self.tell_node(&node.environment, &name, "node", format!("{name} was removed from the fleet"));
            moved.insert(node.environment);
        }
        for (name, member) in &journal.nodes {
            let joined = !self.nodes.contains_key(name);
            if joined {
                self.nodes.insert(name.clone(), Node::new(member.environment.clone(), now));
                let text = format!("{name} joined {}", member.environment);
                self.tell_node(&member.environment, name, "node", text);
            }
            let node = self.nodes.get_mut(name).expect("there, or just put there");
            if joined || node.labels != member.labels {
                node.labels.clone_from(&member.labels);
                batch = batch.node(&record(name, node));
                moved.insert(member.environment.clone());
            }
        }
        if let Err(error) = self.commit(batch) {
            tracing::error!(error = %crate::error_chain(&error), "the nodes' records are not stored");
        }
        for environment in self.environments.iter_mut().filter(|found| moved.contains(&found.name)) {
            environment.place(&self.nodes);
        }
    }
}

fn is_session(node: &Node, session: u64) -> bool {
    node.link.as_ref().is_some_and(|link| link.session == session)
}

fn record(name: &NodeName, node: &Node) -> NodeRecord {
    NodeRecord {
        name: name.clone(),
        environment: node.environment.clone(),
        labels: node.labels.clone(),
        facts: node.facts.clone(),
        last_seen: node.since,
        applied_generation: node.applied.map_or(Generation(0), |(_, generation)| generation),
        applied_revision: node.assignment.as_ref().filter(|_| node.has_applied()).map(|held| held.revision.clone()),
    }
}

/// Stands for a revision nobody knows; only in a placeholder that the first real offer replaces.
fn no_revision() -> fleet_units::ids::Revision {
    "0".repeat(40).parse().expect("40 digits")
}

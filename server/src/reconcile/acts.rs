//! What people ask of single units: commands to nodes, and who waits for their results.

use super::handle::{Act, Reply};
use super::node::Node;
use super::task::{Task, answer};
use crate::api::{no_environment, not_found};
use crate::journal::Entry;
use fleet_proto::v1;
use fleet_units::ids::{EnvironmentName, NodeName, UnitName};
use fleet_units::time::{Moment, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tonic::Status;

/// How long a stop holds when nobody says otherwise.
const DEFAULT_HOLD: Duration = Duration::from_secs(3600);
/// How long a result is waited for: longer than any sensible TimeoutStopSec= plus TimeoutStartSec=.
const PATIENCE: Duration = Duration::from_secs(300);

/// Commands under way.
#[derive(Debug, Default)]
pub(super) struct Acts {
    next_command: u64,
    next_act: u64,
    waiting: BTreeMap<u64, Waiting>,
    acts: BTreeMap<u64, Pending>,
}

#[derive(Debug)]
struct Waiting {
    act: u64,
    node: NodeName,
    unit: UnitName,
}

#[derive(Debug)]
struct Pending {
    reply: Reply<Vec<v1::ActionResult>>,
    results: Vec<v1::ActionResult>,
    missing: usize,
    until: Moment,
}

impl Acts {
    /// When the oldest command is given up.
    pub(super) fn wake(&self) -> Option<Moment> {
        self.acts.values().map(|pending| pending.until).min()
    }

    /// A node answered a command.
    pub(super) fn result(&mut self, from: &NodeName, result: v1::CommandResult) {
        // Who answers is the session's word; a node does not answer for another.
        if self.waiting.get(&result.command_id).is_none_or(|waiting| waiting.node != *from) {
            return;
        }
        let waiting = self.waiting.remove(&result.command_id).expect("looked up above");
        let (node, unit) = (waiting.node.to_string(), waiting.unit.to_string());
        let result = match result.result {
            Some(result) => v1::ActionResult { node, unit, ..result },
            None => failed(&waiting.node, &waiting.unit, "the node gave no answer that can be understood"),
        };
        self.arrived(waiting.act, result);
    }

    /// A node's connection ended: what it was asked is not known to be done.
    pub(super) fn node_gone(&mut self, node: &NodeName) {
        self.give_up(|waiting| waiting.node == *node, "the connection ended before the node answered; ask again");
    }

    /// Gives up what has taken too long.
    pub(super) fn expire(&mut self, now: Moment) {
        let late: Vec<u64> = self.acts.iter().filter(|(_, act)| act.until <= now).map(|(id, _)| *id).collect();
        self.give_up(|waiting| late.contains(&waiting.act), "the node did not answer within 5 minutes");
        for act in late {
            // Answered by now, unless something was lost: then at least nobody waits for it.
            self.acts.remove(&act);
        }
    }

    fn give_up(&mut self, which: impl Fn(&Waiting) -> bool, why: &str) {
        let ids: Vec<u64> = self.waiting.iter().filter(|(_, waiting)| which(waiting)).map(|(id, _)| *id).collect();
        for id in ids {
            let waiting = self.waiting.remove(&id).expect("listed above");
            self.arrived(waiting.act, failed(&waiting.node, &waiting.unit, why));
        }
    }

    fn arrived(&mut self, act: u64, result: v1::ActionResult) {
        let Some(pending) = self.acts.get_mut(&act) else { return };
        pending.results.push(result);
        pending.missing -= 1;
        if pending.missing == 0 {
            let mut done = self.acts.remove(&act).expect("looked up above");
            done.results.sort_by(|a, b| (&a.node, &a.unit).cmp(&(&b.node, &b.unit)));
            answer(done.reply, Ok(done.results));
        }
    }
}

fn failed(node: &NodeName, unit: &UnitName, why: &str) -> v1::ActionResult {
    v1::ActionResult { node: node.to_string(), unit: unit.to_string(), ok: false, error: why.to_owned(), status: None }
}

impl Task {
    /// Sends what `act` asks to every node it concerns; the reply follows when all have answered.
    pub(super) fn act(&mut self, act: Act, reply: Reply<Vec<v1::ActionResult>>) {
        match self.targets(&act) {
            Err(status) => answer(reply, Err(status)),
            Ok(targets) => self.send(&act, targets, reply),
        }
    }

    /// The nodes that have the unit, with the unit's full name.
    fn targets(&self, act: &Act) -> Result<Vec<(NodeName, UnitName)>, Status> {
        self.index(&act.environment)?;
        let wanted = if act.unit.contains('.') { act.unit.clone() } else { format!("{}.service", act.unit) };
        let unit: UnitName = wanted.parse().map_err(|error| Status::invalid_argument(format!("{error}")))?;
        let own = |(_, node): &(&NodeName, &Node)| node.environment == act.environment;
        if let Some(name) = &act.node
            && !self.nodes.iter().filter(own).any(|(found, _)| found == name)
        {
            return Err(self.no_such_node(name.as_str()));
        }
        let has = |node: &Node| node.assignment.as_ref().is_some_and(|held| held.units.contains_key(&unit));
        let wanted_node = |name: &NodeName| act.node.as_ref().is_none_or(|wanted| wanted == name);
        let targets: Vec<_> = self
            .nodes
            .iter()
            .filter(own)
            .filter(|(name, node)| wanted_node(name) && has(node))
            .map(|(name, _)| (name.clone(), unit.clone()))
            .collect();
        if targets.is_empty() { Err(self.no_such_unit(&act.environment, &unit)) } else { Ok(targets) }
    }

    fn send(&mut self, act: &Act, targets: Vec<(NodeName, UnitName)>, reply: Reply<Vec<v1::ActionResult>>) {
        self.acts.next_act += 1;
        let id = self.acts.next_act;
        let until = (self.clocks.monotonic)().after(PATIENCE);
        self.acts.acts.insert(id, Pending { reply, results: Vec::new(), missing: targets.len(), until });
        for (node, unit) in targets {
            let connected = self.nodes.get(&node).is_some_and(|node| node.link.is_some());
            if !connected && act.action != v1::UnitAction::Stop {
                let why = "the node is not connected; on its host, `fleet node` works without the coordinator";
                self.acts.arrived(id, failed(&node, &unit, why));
                continue;
            }
            if let Err(why) = self.record_hold(act, &node, &unit) {
                self.acts.arrived(id, failed(&node, &unit, &why));
                continue;
            }
            self.acts.next_command += 1;
            let command_id = self.acts.next_command;
            let command = v1::Command {
                command_id,
                unit: unit.to_string(),
                action: act.action.into(),
                who: act.who.clone(),
                why: act.why.clone(),
                hold_until_us: self.hold_until(act).map_or(0, |until| until.0),
                no_block: act.no_block,
                hold: None,
            };
            let link = self.nodes.get(&node).and_then(|node| node.link.as_ref());
            match link.map(|link| link.commands.try_send(command).is_ok()) {
                Some(true) => {
                    self.acts.waiting.insert(command_id, Waiting { act: id, node, unit });
                }
                Some(false) => {
                    let why =
                        "too many commands wait for this node; a hold is recorded and reaches it when it connects";
                    self.acts.arrived(id, failed(&node, &unit, why));
                }
                None => {
                    let why = "the node is not connected; the hold is recorded and reaches it when it is back";
                    self.acts.arrived(id, failed(&node, &unit, why));
                }
            }
        }
    }

    fn hold_until(&self, act: &Act) -> Option<Timestamp> {
        let seconds = match act.hold_seconds {
            0 => DEFAULT_HOLD,
            seconds => Duration::from_secs(seconds),
        };
        (act.action == v1::UnitAction::Stop).then(|| (self.clocks.wall)().after(seconds))
    }

    /// A stop is a hold, a start ends one: both are in the journal before the node is told.
    fn record_hold(&mut self, act: &Act, node: &NodeName, unit: &UnitName) -> Result<(), String> {
        let (node, unit, who) = (node.clone(), unit.clone(), act.who.clone());
        let held = self.journal.state().holds.contains_key(&(node.clone(), unit.clone()));
        let entry = match (act.action, self.hold_until(act)) {
            (v1::UnitAction::Stop, Some(until)) => Entry::HoldSet { node, unit, who, why: act.why.clone(), until },
            // Both end a hold on the node.
            (v1::UnitAction::Start | v1::UnitAction::Restart, _) if held => Entry::HoldEnded { node, unit, who },
            _ => return Ok(()),
        };
        let recorded = self.journal.append(entry).map(drop);
        recorded.map_err(|error| format!("the hold is not recorded, nothing was done: {error}"))
    }

    /// A node that had a hold has it no more: somebody on its host ended it, or its time is over.
    pub(super) fn hold_ended(&mut self, node: &NodeName, unit: &UnitName) {
        let now = (self.clocks.wall)();
        let journal = self.journal.state();
        let live = journal.holds.get(&(node.clone(), unit.clone())).is_some_and(|hold| hold.until > now);
        if !live {
            return;
        }
        let who = format!("node/{node}");
        if let Err(error) = self.journal.append(Entry::HoldEnded { node: node.clone(), unit: unit.clone(), who }) {
            tracing::error!(error = %crate::error_chain(&error), "the end of a hold is not recorded");
        }
    }

    /// Tells a node that has just connected the holds the coordinator knows.
    pub(super) fn deliver_holds(&mut self, name: &NodeName) {
        let now = (self.clocks.wall)();
        let Some(link) = self.nodes.get(name).and_then(|node| node.link.as_ref()) else { return };
        let journal = self.journal.state();
        let live = journal.holds.iter().filter(|((node, _), hold)| node == name && hold.until > now);
        for ((_, unit), hold) in live {
            let command = v1::Command { unit: unit.to_string(), hold: Some(hold.clone().into()), ..Default::default() };
            // A full channel: more holds than commands fit; the rest follows at the next connection.
            let _ = link.commands.try_send(command);
        }
    }

    pub(super) fn no_such_environment(&self, wanted: &str) -> Status {
        no_environment(wanted, self.environments.iter().map(|environment| &environment.name))
    }

    pub(super) fn no_such_node(&self, wanted: &str) -> Status {
        not_found("node", wanted, self.nodes.keys().map(NodeName::as_str))
    }

    pub(super) fn no_such_unit(&self, environment: &EnvironmentName, wanted: &UnitName) -> Status {
        let own = self.nodes.values().filter(|node| node.environment == *environment);
        let units = own.filter_map(|node| node.assignment.as_ref()).flat_map(|held| held.units.keys());
        let known: BTreeSet<&str> = units.map(UnitName::as_str).collect();
        not_found(&format!("unit in {environment}"), wanted.as_str(), known)
    }
}

//! The fleet task: one loop that owns environments and nodes.

use super::acts::Acts;
use super::environment::{Environment, Head, Nodes};
use super::events::Events;
use super::handle::{Arrival, Handle, INBOX, Input, Reply};
use super::node::{Link, Node};
use super::plan;
use crate::http::Metrics;
use crate::http::metrics::InEnvironment;
use crate::journal::Journal;
use crate::sessions::{COMMANDS, Connected, Offer};
use crate::source::Accepted;
use crate::store::{Batch, NodeRecord, NodeStatuses, Store};
use fleet_proto::v1;
use fleet_proto::v1::node_message::Message as FromNode;
use fleet_units::assignment::NodeAssignment;
use fleet_units::diagnostic::{Diagnostic, Reason};
use fleet_units::ids::{EnvironmentName, Epoch, Generation, NodeName, Revision};
use fleet_units::time::{Moment, Timestamp};
use fleet_units::view::{BranchState, EnvironmentState, Rejected};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// The two clocks, as inputs.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// The time of day.
    pub wall: fn() -> Timestamp,
    /// The time that never jumps.
    pub monotonic: fn() -> Moment,
}

/// What the fleet task starts with.
pub struct Start {
    /// The environments, in the order of the chain: name and branch.
    pub chain: Vec<(EnvironmentName, String)>,
    /// What can be rebuilt.
    pub store: Arc<dyn Store>,
    /// What cannot.
    pub journal: Journal,
    /// Who records convergence.
    pub converged: mpsc::Sender<(EnvironmentName, Revision)>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// This life's epoch.
    pub epoch: Epoch,
    /// The clocks.
    pub clocks: Clocks,
}

pub(super) struct Task {
    pub(super) environments: Vec<Environment>,
    pub(super) nodes: Nodes,
    pub(super) events: Events,
    pub(super) acts: Acts,
    pub(super) clocks: Clocks,
    pub(super) journal: Journal,
    store: Arc<dyn Store>,
    converged: mpsc::Sender<(EnvironmentName, Revision)>,
    metrics: Arc<Metrics>,
    epoch: Epoch,
    sessions: u64,
}

/// Starts the fleet task. It ends with `shutdown`.
///
/// # Errors
/// When the store cannot be read.
pub fn start(
    start: Start,
    shutdown: CancellationToken,
) -> Result<(Handle, tokio::task::JoinHandle<()>), crate::store::StoreError> {
    let (sender, inbox) = mpsc::channel(INBOX);
    let mut task = Task {
        environments: start.chain.into_iter().map(|(name, branch)| Environment::new(name, branch)).collect(),
        nodes: Nodes::new(),
        events: Events::default(),
        acts: Acts::default(),
        clocks: start.clocks,
        journal: start.journal,
        store: start.store,
        converged: start.converged,
        metrics: start.metrics,
        epoch: start.epoch,
        sessions: 0,
    };
    task.load()?;
    Ok((Handle { inbox: sender }, tokio::spawn(task.run(inbox, shutdown))))
}

impl Task {
    fn load(&mut self) -> Result<(), crate::store::StoreError> {
        let now = (self.clocks.wall)();
        let facts: BTreeMap<_, _> = self.store.nodes()?.into_iter().map(|node| (node.name, node.facts)).collect();
        let mut told: BTreeMap<_, _> = self.store.statuses()?.into_iter().map(|told| (told.node, told.units)).collect();
        for (name, member) in &self.journal.state().nodes {
            let mut node = Node::new(member.environment.clone(), now);
            node.labels.clone_from(&member.labels);
            node.facts = facts.get(name).cloned().unwrap_or_default();
            node.assignment = self.store.assignment(name)?.map(Arc::new);
            if let Some(told) = told.remove(name) {
                node.statuses = told.into_iter().map(|status| (status.unit.clone(), status)).collect();
            }
            self.nodes.insert(name.clone(), node);
        }
        for environment in &mut self.environments {
            environment.remember(&self.nodes);
        }
        Ok(())
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Input>, shutdown: CancellationToken) {
        let mut journal = self.journal.subscribe();
        journal.mark_changed();
        loop {
            let wake = self.wake();
            tokio::select! {
                () = shutdown.cancelled() => return,
                // The journal outlives the task: it is part of it.
                _ = journal.changed() => self.sync_members(),
                input = inbox.recv() => match input {
                    Some(input) => self.take(input),
                    None => return,
                },
                () = sleep_until(wake, self.clocks) => {}
            }
            self.settle();
        }
    }

    fn wake(&self) -> Option<Moment> {
        self.environments.iter().filter_map(Environment::wake).chain(self.acts.wake()).min()
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Accepted(accepted, arrival) => self.accepted(*accepted, arrival),
            Input::Kept(environment, state, rejected) => self.kept(&environment, state, rejected),
            Input::AtHead(environment) => self.at_head(&environment),
            Input::Connected(node, environment, hello, reply) => {
                let connected = self.connected(node, environment, hello);
                answer(reply, connected);
            }
            Input::Heard(node, session, message) => self.heard(&node, session, message),
            Input::Disconnected(node, session) => self.disconnected(&node, session),
            Input::View(environment, reply) => answer(reply, self.view(environment.as_deref())),
            Input::Nodes(environment, reply) => answer(reply, self.node_views(environment.as_deref())),
            Input::Events(reply) => drop(reply.send(self.events.listen())),
            Input::Act(act, reply) => self.act(act, reply),
            Input::Plan(environment, fleet, reply) => {
                let planned = self.environment(&environment).map(|found| plan::preview(found, &fleet, &self.nodes));
                answer(reply, planned);
            }
            Input::HeadOf(environment, reply) => {
                answer(reply, self.environment(&environment).map(|found| found.head.clone()));
            }
            Input::OfferOf(node, reply) => {
                drop(reply.send(self.nodes.get(&node).and_then(Node::latest_offer)));
            }
        }
    }

    /// Brings offers, records and events up to what is known now.
    fn settle(&mut self) {
        let now = (self.clocks.monotonic)();
        for index in 0..self.environments.len() {
            let before = self.environments[index].running.clone();
            // Each round names nodes that were not named before, so it ends.
            loop {
                let released = self.environments[index].advance(&self.nodes, now);
                if released.is_empty() {
                    break;
                }
                self.release(index, &released);
            }
            let environment = &self.environments[index];
            if environment.running != before
                && let Some(revision) = environment.running.clone()
            {
                let name = environment.name.clone();
                self.tell_of(&name, "rollout", Some(&revision), format!("{name} runs {}", revision.short()));
            }
            self.record_convergence(index);
        }
        self.acts.expire(now);
    }

    fn release(&mut self, index: usize, released: &[NodeName]) {
        let environment = &self.environments[index];
        let Some(head) = environment.head.clone() else { return };
        let mut batch = Batch::default();
        let mut offers = Vec::new();
        for name in released {
            let Some(node) = self.nodes.get(name) else { continue };
            let assignment = match &node.assignment {
                Some(held) if !environment.changes(name) && held.epoch == self.epoch => held.clone(),
                held => Arc::new(NodeAssignment {
                    environment: environment.name.clone(),
                    node: name.clone(),
                    epoch: self.epoch,
                    generation: next_generation(held.as_deref(), self.epoch),
                    revision: head.revision.clone(),
                    units: environment.assigned(name),
                }),
            };
            if node.assignment.as_ref() != Some(&assignment) {
                batch = batch.assignment(&assignment);
            }
            offers.push((name.clone(), Offer { assignment, fleet: head.fleet.clone() }));
        }
        // An offer that the store cannot hold is made all the same: the nodes keep it durably, and report it.
        if let Err(error) = self.commit(batch) {
            tracing::error!(error = %crate::error_chain(&error), "assignments are not stored");
        }
        for (name, offer) in offers {
            let node = self.nodes.get_mut(&name).expect("looked up above");
            // A node that already said it holds exactly this has applied it.
            node.offer(offer);
            self.metrics.assignments_sent.inc();
        }
    }

    fn commit(&self, batch: Batch) -> Result<(), crate::store::StoreError> {
        if batch.is_empty() { Ok(()) } else { self.store.commit(batch) }
    }

    fn record_convergence(&mut self, index: usize) {
        let environment = &self.environments[index];
        let Some(head) = &environment.head else { return };
        if environment.recorded.as_ref() == Some(&head.revision) {
            return;
        }
        if environment.view(&self.nodes).state != EnvironmentState::Converged {
            return;
        }
        let (name, revision) = (environment.name.clone(), head.revision.clone());
        self.environments[index].recorded = Some(revision.clone());
        self.tell_of(&name, "converged", Some(&revision), format!("{name} has converged on {}", revision.short()));
        // The one who listens writes it into the head log, and looks at the branches again: what was refused may be a
        // promotion now. Full: it is recorded at the next start.
        let _ = self.converged.try_send((name, revision));
    }

    fn accepted(&mut self, accepted: Accepted, arrival: Arrival) {
        let Ok(index) = self.index(&accepted.environment) else { return };
        let (name, revision) = (accepted.environment, accepted.revision);
        if accepted.diagnostics.iter().any(Diagnostic::is_error) {
            // Accepted by an older version whose checks were milder: what runs is left as it is.
            tracing::error!(environment = %name, revision = %revision, "the accepted head is not understood by this version");
            return;
        }
        let environment = &mut self.environments[index];
        environment.branch_state = BranchState::Ok;
        environment.recorded = match arrival {
            Arrival::Known { converged: true } => Some(revision.clone()),
            Arrival::Known { converged: false } | Arrival::New => None,
        };
        let units = accepted.fleet.units.len();
        environment.accept(Head { revision: revision.clone(), fleet: accepted.fleet }, &self.nodes);
        if arrival == Arrival::New {
            self.metrics.commits_accepted.get_or_create(&in_environment(&name)).inc();
            let by = format!("{} by {}", accepted.kind.as_str(), accepted.facts.author);
            let text = format!("{name} accepted {} ({by}, {units} units)", revision.short());
            self.tell_of(&name, "accepted", Some(&revision), text);
        }
    }

    fn kept(&mut self, name: &EnvironmentName, state: BranchState, rejected: Option<Rejected>) {
        let Ok(index) = self.index(name) else { return };
        let environment = &mut self.environments[index];
        if (environment.branch_state, &environment.rejected) == (state, &rejected) {
            return;
        }
        environment.branch_state = state;
        environment.rejected = rejected.clone();
        match rejected {
            Some(rejected) => {
                self.metrics.commits_rejected.get_or_create(&in_environment(name)).inc();
                let first = rejected.diagnostics.iter().find(|found| found.is_error());
                let why = first.map(ToString::to_string).unwrap_or_default();
                let text = format!("{name} did not accept {}: {why}", rejected.revision.short());
                self.tell_of(name, "rejected", Some(&rejected.revision), text);
            }
            None => {
                let text = format!("{name}: branch {}; the last accepted head keeps running", state.as_str());
                self.tell_of(name, "branch", None, text);
            }
        }
    }

    fn at_head(&mut self, name: &EnvironmentName) {
        let Ok(index) = self.index(name) else { return };
        self.environments[index].branch_state = BranchState::Ok;
        self.environments[index].rejected = None;
    }

    fn tell_of(&mut self, environment: &EnvironmentName, kind: &str, revision: Option<&Revision>, text: String) {
        let revision = revision.map(String::from).unwrap_or_default();
        let event = self.event(kind, text);
        self.events.tell(v1::Event { environment: environment.to_string(), revision, ..event });
    }

    fn tell_node(&mut self, environment: &EnvironmentName, node: &NodeName, kind: &str, text: String) {
        let event = self.event(kind, text);
        self.events.tell(v1::Event { environment: environment.to_string(), node: node.to_string(), ..event });
    }

    fn connected(
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
        node.link = Some(Link { session: self.sessions, commands: sender });
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
        if moved || mismatch {
            self.environments[index].place(&self.nodes);
        }
        self.tell_node(&environment, &name, "node", text);
        self.deliver_holds(&name);
        Ok(Connected { session: self.sessions, offers, commands, base, epoch: self.epoch.0, time_us: now.0 })
    }

    fn heard(&mut self, name: &NodeName, session: u64, message: FromNode) {
        let Some(node) = self.nodes.get_mut(name).filter(|node| is_session(node, session)) else { return };
        match message {
            FromNode::Hello(_) | FromNode::Pong(_) => {}
            FromNode::Status(report) => {
                let environment = node.environment.to_string();
                let transitions = node.report(report);
                for transition in transitions {
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
            FromNode::CommandResult(result) => self.acts.result(result),
        }
    }

    fn disconnected(&mut self, name: &NodeName, session: u64) {
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
    fn sync_members(&mut self) {
        let journal = self.journal.state();
        let now = (self.clocks.wall)();
        let mut moved: BTreeSet<EnvironmentName> = BTreeSet::new();
        let mut batch = Batch::default();
        let gone: Vec<NodeName> =
            self.nodes.keys().filter(|name| !journal.nodes.contains_key(*name)).cloned().collect();
        for name in gone {
            // Dropping the node ends its offers, and so its session.
            let node = self.nodes.remove(&name).expect("listed above");
            batch = batch.remove_node(&name);
            self.tell_node(&node.environment, &name, "node", format!("{name} was removed from the fleet"));
            moved.insert(node.environment);
        }
        for (name, member) in &journal.nodes {
            let joined = self.nodes.get(name).is_none_or(|node| node.environment != member.environment);
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

    pub(super) fn index(&self, name: &EnvironmentName) -> Result<usize, Status> {
        let found = self.environments.iter().position(|environment| environment.name == *name);
        found.ok_or_else(|| self.no_such_environment(name.as_str()))
    }

    pub(super) fn environment(&self, name: &EnvironmentName) -> Result<&Environment, Status> {
        Ok(&self.environments[self.index(name)?])
    }

    pub(super) fn event(&self, kind: &str, text: String) -> v1::Event {
        v1::Event { time_us: (self.clocks.wall)().0, kind: kind.to_owned(), text, ..Default::default() }
    }
}

pub(super) fn answer<T>(reply: Reply<T>, value: Result<T, Status>) {
    // Whoever asked may have given up.
    let _ = reply.send(value);
}

fn in_environment(name: &EnvironmentName) -> InEnvironment {
    InEnvironment { environment: name.to_string() }
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

fn next_generation(held: Option<&NodeAssignment>, epoch: Epoch) -> Generation {
    match held {
        Some(held) if held.epoch == epoch => Generation(held.generation.0 + 1),
        _ => Generation(1),
    }
}

/// Stands for a revision nobody knows; only in a placeholder that the first real offer replaces.
fn no_revision() -> fleet_units::ids::Revision {
    "0".repeat(40).parse().expect("40 digits")
}

async fn sleep_until(wake: Option<Moment>, clocks: Clocks) {
    match wake {
        Some(wake) => {
            let wait = wake.since((clocks.monotonic)());
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
        None => std::future::pending().await,
    }
}

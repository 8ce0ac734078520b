//! The fleet task: one loop that owns environments and nodes.

use super::acts::Acts;
use super::environment::{Environment, Nodes};
use super::events::Events;
use super::handle::{Handle, INBOX, Input, Reply};
use super::node::Node;
use super::plan;
use crate::http::Metrics;
use crate::journal::Journal;
use crate::sessions::Offer;
use crate::store::{Batch, Store};
use crate::trace;
use fleet_proto::v1;
use fleet_units::assignment::{AssignedUnit, NodeAssignment};
use fleet_units::ids::{EnvironmentName, Epoch, Generation, NodeName, Revision, UnitName};
use fleet_units::time::{Moment, Timestamp};
use fleet_units::view::EnvironmentState;
use std::collections::BTreeMap;
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
    pub(super) store: Arc<dyn Store>,
    converged: mpsc::Sender<(EnvironmentName, Revision)>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) epoch: Epoch,
    pub(super) sessions: u64,
    /// Offered, not stored yet.
    unstored: Batch,
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
        unstored: Batch::default(),
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
            self.store_offers().await;
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
        let mut offers = Vec::new();
        for name in released {
            let Some(node) = self.nodes.get(name) else { continue };
            let units = environment.assigned(name);
            let assignment = match &node.assignment {
                // The same content is the same assignment, whatever the revision.
                Some(held) if held.epoch == self.epoch && same_bundles(&held.units, &units) => held.clone(),
                held => Arc::new(NodeAssignment {
                    environment: environment.name.clone(),
                    node: name.clone(),
                    epoch: self.epoch,
                    generation: next_generation(held.as_deref(), self.epoch),
                    revision: head.revision.clone(),
                    units,
                }),
            };
            if node.assignment.as_ref() != Some(&assignment) {
                self.unstored = std::mem::take(&mut self.unstored).assignment(&assignment);
            }
            offers.push((name.clone(), Offer { assignment, fleet: head.fleet.clone() }));
        }
        for (name, offer) in offers {
            let node = self.nodes.get_mut(&name).expect("looked up above");
            // A node that already said it holds exactly this has applied it.
            node.offer(offer);
            self.metrics.assignments_sent.inc();
        }
        if !released.is_empty() {
            trace::stage("offered", 0);
        }
    }

    /// Stores the assignments that were offered, without holding up the offers. One the store does not hold is made all
    /// the same: the nodes keep theirs durably, and a coordinator that forgot goes on from a node's count.
    async fn store_offers(&mut self) {
        if self.unstored.is_empty() {
            return;
        }
        let (store, batch) = (self.store.clone(), std::mem::take(&mut self.unstored));
        let storing = tokio::task::spawn_blocking(move || {
            let syncs = store.syncs();
            let stored = store.commit(batch);
            trace::stage("offer stored", store.syncs() - syncs);
            stored
        });
        // Not awaited to its end only when the coordinator ends.
        if let Ok(Err(error)) = storing.await {
            tracing::error!(error = %crate::error_chain(&error), "assignments are not stored");
        }
    }

    pub(super) fn commit(&self, batch: Batch) -> Result<(), crate::store::StoreError> {
        if batch.is_empty() { Ok(()) } else { self.store.commit(batch) }
    }

    fn record_convergence(&mut self, index: usize) {
        let environment = &self.environments[index];
        let Some(head) = &environment.head else { return };
        if !environment.is_finished() || environment.recorded.as_ref() == Some(&head.revision) {
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

    pub(super) fn tell_of(
        &mut self,
        environment: &EnvironmentName,
        kind: &str,
        revision: Option<&Revision>,
        text: String,
    ) {
        let revision = revision.map(String::from).unwrap_or_default();
        let event = self.event(kind, text);
        self.events.tell(v1::Event { environment: environment.to_string(), revision, ..event });
    }

    pub(super) fn tell_node(&mut self, environment: &EnvironmentName, node: &NodeName, kind: &str, text: String) {
        let event = self.event(kind, text);
        self.events.tell(v1::Event { environment: environment.to_string(), node: node.to_string(), ..event });
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

type Units = BTreeMap<UnitName, AssignedUnit>;

fn same_bundles(one: &Units, other: &Units) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| (one.0, one.1.digest) == (other.0, other.1.digest))
}

fn next_generation(held: Option<&NodeAssignment>, epoch: Epoch) -> Generation {
    match held {
        Some(held) if held.epoch == epoch => Generation(held.generation.0 + 1),
        _ => Generation(1),
    }
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

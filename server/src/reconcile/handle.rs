//! The fleet task's remote control.

use super::environment::Head;
use super::plan::EnvironmentPlan;
use crate::sessions::{Connected, Offer};
use crate::source::Accepted;
use fleet_proto::v1;
use fleet_units::fleet::FleetSpec;
use fleet_units::ids::{EnvironmentName, NodeName, Revision};
use fleet_units::view::{BranchState, FleetView, Rejected};
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, oneshot};
use tonic::Status;

/// Messages waiting for the fleet task. Nodes are held back by it (each session waits for its turn), so a burst of
/// reports from a large fleet costs memory for this many messages only.
pub(super) const INBOX: usize = 1024;

/// What a person asks of one unit.
#[derive(Clone, Debug)]
pub struct Act {
    /// Where.
    pub environment: EnvironmentName,
    /// Only this node; `None`: every node that has the unit.
    pub node: Option<NodeName>,
    /// The unit, as the person wrote it.
    pub unit: String,
    /// What to do.
    pub action: v1::UnitAction,
    /// Who asks.
    pub who: String,
    /// Why; may be empty.
    pub why: String,
    /// How long a stop holds, in seconds.
    pub hold_seconds: u64,
    /// Do not wait for the job.
    pub no_block: bool,
}

/// How an accepted head came to the fleet task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The branch moved.
    New,
    /// It was accepted before this start of the coordinator; `converged` says whether that was recorded.
    Known {
        /// Its convergence is in the head log.
        converged: bool,
    },
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, Status>>;

/// What the fleet task is told and asked.
pub(super) enum Input {
    /// An environment has a new head, or its head at the start of the coordinator.
    Accepted(Box<Accepted>, Arrival),
    /// The branch is not at an accepted head; the last one stays in force.
    Kept(EnvironmentName, BranchState, Option<Rejected>),
    /// The branch is at the accepted head.
    AtHead(EnvironmentName),
    /// A node said hello.
    Connected(NodeName, EnvironmentName, v1::Hello, Reply<Connected>),
    /// A node said something.
    Heard(NodeName, u64, v1::node_message::Message),
    /// A node's stream ended.
    Disconnected(NodeName, u64),
    /// What an operator sees.
    View(Option<String>, Reply<FleetView>),
    /// The nodes.
    Nodes(Option<String>, Reply<Vec<v1::NodeView>>),
    /// Recent events, and the channel for the next.
    Events(oneshot::Sender<(Vec<v1::Event>, broadcast::Receiver<v1::Event>)>),
    /// An operator acts on a unit.
    Act(Act, Reply<Vec<v1::ActionResult>>),
    /// What running this would change.
    Plan(EnvironmentName, Arc<FleetSpec>, Reply<EnvironmentPlan>),
    /// The accepted head of an environment.
    HeadOf(EnvironmentName, Reply<Option<Head>>),
    /// What a node was offered last.
    OfferOf(NodeName, oneshot::Sender<Option<Offer>>),
}

/// The fleet task's remote control; cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) inbox: mpsc::Sender<Input>,
}

impl Handle {
    async fn ask<T>(&self, input: impl FnOnce(Reply<T>) -> Input) -> Result<T, Status> {
        let (reply, answer) = oneshot::channel();
        let stopping = || Status::unavailable("the coordinator is stopping");
        self.inbox.send(input(reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    async fn tell(&self, input: Input) {
        // The task ends only when the coordinator does.
        let _ = self.inbox.send(input).await;
    }

    /// An environment has an accepted head.
    pub async fn accepted(&self, accepted: Box<Accepted>, arrival: Arrival) {
        self.tell(Input::Accepted(accepted, arrival)).await;
    }

    /// A branch is not at an accepted head; the last one stays in force.
    pub async fn kept(&self, environment: EnvironmentName, state: BranchState, rejected: Option<Rejected>) {
        self.tell(Input::Kept(environment, state, rejected)).await;
    }

    /// A branch is at the accepted head.
    pub async fn at_head(&self, environment: EnvironmentName) {
        self.tell(Input::AtHead(environment)).await;
    }

    /// A node said hello. PERMISSION_DENIED for a node that was removed.
    pub async fn connected(
        &self,
        node: NodeName,
        environment: EnvironmentName,
        hello: v1::Hello,
    ) -> Result<Connected, Status> {
        self.ask(|reply| Input::Connected(node, environment, hello, reply)).await
    }

    /// A node said something on its session.
    pub async fn heard(&self, node: NodeName, session: u64, message: v1::node_message::Message) {
        self.tell(Input::Heard(node, session, message)).await;
    }

    /// A node's stream ended.
    pub async fn disconnected(&self, node: NodeName, session: u64) {
        self.tell(Input::Disconnected(node, session)).await;
    }

    /// What an operator sees, of one environment or all. NOT_FOUND, with what it may have meant, for an unknown one.
    pub async fn view(&self, environment: Option<String>) -> Result<FleetView, Status> {
        self.ask(|reply| Input::View(environment, reply)).await
    }

    /// The nodes of one environment or all.
    pub async fn nodes(&self, environment: Option<String>) -> Result<Vec<v1::NodeView>, Status> {
        self.ask(|reply| Input::Nodes(environment, reply)).await
    }

    /// Recent events, oldest first, and the channel for those that follow.
    pub async fn events(&self) -> Result<(Vec<v1::Event>, broadcast::Receiver<v1::Event>), Status> {
        let (reply, answer) = oneshot::channel();
        self.tell(Input::Events(reply)).await;
        answer.await.map_err(|_| Status::unavailable("the coordinator is stopping"))
    }

    /// Acts on a unit wherever it is; one result for each node.
    pub async fn act(&self, act: Act) -> Result<Vec<v1::ActionResult>, Status> {
        self.ask(|reply| Input::Act(act, reply)).await
    }

    /// What each node would do if `fleet` were the environment's desired state now.
    pub async fn plan(&self, environment: EnvironmentName, fleet: Arc<FleetSpec>) -> Result<EnvironmentPlan, Status> {
        self.ask(|reply| Input::Plan(environment, fleet, reply)).await
    }

    /// The accepted head of an environment.
    pub async fn head(&self, environment: EnvironmentName) -> Result<Option<Revision>, Status> {
        Ok(self.ask(|reply| Input::HeadOf(environment, reply)).await?.map(|head| head.revision))
    }

    /// What a node was offered last in this life of the coordinator.
    pub async fn offer_of(&self, node: NodeName) -> Option<Offer> {
        let (reply, answer) = oneshot::channel();
        self.tell(Input::OfferOf(node, reply)).await;
        answer.await.ok().flatten()
    }
}

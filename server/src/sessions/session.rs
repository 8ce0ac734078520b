//! One node's control stream, from its hello to its end.

use super::Offer;
use crate::reconcile::Handle;
use fleet_proto::{NODE_PROTOCOL, v1};
use fleet_units::assignment::NodeAssignment;
use fleet_units::ids::{EnvironmentName, NodeName};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

/// How long a new stream may take to say hello.
pub const FIRST_MESSAGE: Duration = Duration::from_secs(10);
/// How often a node is asked whether it is still there, besides the kernel's keepalive: finds hung daemons.
const PING: Duration = Duration::from_secs(30);

/// Reasons of a node to refuse an offer that may be gone a little later: a full disk, a fetch that broke.
const PASSING: [&str; 3] = ["not-stored", "fetch-failed", "incomplete"];

/// What the fleet task gives a session.
#[derive(Debug)]
pub struct Connected {
    /// Tells this connection from an older or newer one of the same node.
    pub session: u64,
    /// The latest offer.
    pub offers: watch::Receiver<Option<Offer>>,
    /// Commands for the node; closed when a newer connection of the node took over.
    pub commands: mpsc::Receiver<v1::Command>,
    /// The assignment the node said it holds, when the coordinator knows that one.
    pub base: Option<Arc<NodeAssignment>>,
    /// The coordinator's epoch.
    pub epoch: u64,
    /// The coordinator's clock, microseconds since 1970.
    pub time_us: u64,
}

/// A node that takes nothing for so long, or says nothing for two pings, is taken for hung.
const STALLED: Duration = Duration::from_secs(10);

/// The sending half of a node's stream.
type Outbound = mpsc::Sender<Result<v1::CoordinatorMessage, Status>>;

/// Serves one control stream until either side ends it. The node's name comes from its certificate.
pub async fn serve(
    node: NodeName,
    environment: EnvironmentName,
    mut inbound: Streaming<v1::NodeMessage>,
    outbound: Outbound,
    fleet: Handle,
    shutdown: CancellationToken,
) {
    let connected = match greet(&node, &environment, &mut inbound, &fleet).await {
        Ok(connected) => connected,
        Err(status) => {
            // The node may be gone already; then nobody is left to be told.
            let _ = outbound.send(Err(status)).await;
            return;
        }
    };
    let session = connected.session;
    let ended = converse(&node, connected, &mut inbound, &outbound, &fleet, &shutdown).await;
    // First this: telling a node that takes nothing may never end.
    fleet.disconnected(node, session).await;
    if let Err(status) = ended {
        let _ = tokio::time::timeout(STALLED, outbound.send(Err(status))).await;
    }
}

async fn greet(
    node: &NodeName,
    environment: &EnvironmentName,
    inbound: &mut Streaming<v1::NodeMessage>,
    fleet: &Handle,
) -> Result<Connected, Status> {
    let first = tokio::time::timeout(FIRST_MESSAGE, inbound.message())
        .await
        .map_err(|_| Status::deadline_exceeded("the node said no hello within 10 s"))??;
    let Some(v1::node_message::Message::Hello(hello)) = first.and_then(|first| first.message) else {
        return Err(Status::invalid_argument("the first message of a control stream must be a hello"));
    };
    if hello.protocol == 0 || hello.protocol > NODE_PROTOCOL {
        return Err(Status::failed_precondition(format!(
            "this coordinator speaks node protocol {NODE_PROTOCOL}, the node {}; upgrade the coordinator first",
            hello.protocol
        )));
    }
    fleet.connected(node.clone(), environment.clone(), hello).await
}

async fn converse(
    node: &NodeName,
    mut connected: Connected,
    inbound: &mut Streaming<v1::NodeMessage>,
    outbound: &Outbound,
    fleet: &Handle,
    shutdown: &CancellationToken,
) -> Result<(), Status> {
    use v1::coordinator_message::Message;
    let welcome = v1::Welcome {
        protocol: NODE_PROTOCOL,
        coordinator_version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: connected.epoch,
        time_us: connected.time_us,
    };
    send(outbound, Message::Welcome(welcome)).await?;
    let mut base = connected.base.take();
    let mut pings = tokio::time::interval_at(tokio::time::Instant::now() + PING, PING);
    let mut nonce = 0;
    let mut heard = tokio::time::Instant::now();
    // The offer that the node could not take for a reason that may pass: it is made again with the next ping.
    let mut again = false;
    connected.offers.mark_changed();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Err(Status::unavailable("the coordinator is stopping")),
            changed = connected.offers.changed() => {
                if changed.is_err() {
                    return Err(Status::aborted("this node was removed from the fleet"));
                }
                let offer = connected.offers.borrow_and_update().clone();
                if let Some(offer) = offer.filter(|offer| base.as_ref() != Some(&offer.assignment)) {
                    send(outbound, Message::Notice(offer.notice(base.as_deref()))).await?;
                    base = Some(offer.assignment);
                }
            }
            command = connected.commands.recv() => match command {
                Some(command) => send(outbound, Message::Command(command)).await?,
                None => return Err(Status::aborted("a newer connection of this node took over")),
            },
            message = inbound.message() => {
                let Some(message) = message?.and_then(|message| message.message) else { return Ok(()) };
                heard = tokio::time::Instant::now();
                if let v1::node_message::Message::Applied(applied) = &message {
                    again = applied.refused.as_ref().is_some_and(|why| PASSING.contains(&why.code.as_str()));
                }
                if let v1::node_message::Message::Status(report) = &message {
                    send(outbound, Message::StatusAck(v1::StatusAck { sequence: report.sequence })).await?;
                }
                fleet.heard(node.clone(), connected.session, message).await;
            }
            _ = pings.tick() => {
                if heard.elapsed() > PING * 2 {
                    return Err(Status::deadline_exceeded("the node says nothing; is its agent hung?"));
                }
                let offer = connected.offers.borrow().clone();
                if let Some(offer) = offer.filter(|_| again) {
                    send(outbound, Message::Notice(offer.notice(None))).await?;
                }
                nonce += 1;
                send(outbound, Message::Ping(v1::Ping { nonce })).await?;
            }
        }
    }
}

async fn send(outbound: &Outbound, message: v1::coordinator_message::Message) -> Result<(), Status> {
    let message = v1::CoordinatorMessage { message: Some(message) };
    let sent = tokio::time::timeout(STALLED, outbound.send(Ok(message))).await;
    let sent = sent.map_err(|_| Status::deadline_exceeded("the node takes nothing; is its agent hung?"))?;
    sent.map_err(|_| Status::cancelled("the node ended the stream"))
}

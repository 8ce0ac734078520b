//! One connection to the coordinator: hello, then notices and commands in, reports and results out.

use super::fetch::Fetcher;
use super::inbox::next_assignment;
use crate::desk::{Desk, NOT_STORED};
use crate::report::Reporter;
use crate::trace;
use fleet_proto::v1;
use fleet_proto::v1::coordinator_message::Message as FromCoordinator;
use fleet_proto::v1::node_message::Message as FromNode;
use fleet_proto::v1::node_service_client::NodeServiceClient;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// Messages waiting to be sent: reports are coalesced before they get here, so this only smooths bursts.
const OUTBOX: usize = 32;
/// A coordinator that says nothing for so long is taken for hung: it pings every 30 s.
const SILENCE: Duration = Duration::from_secs(75);
/// How often an assignment that could not be stored, on a full disk say, is tried again.
const STORE_AGAIN: Duration = Duration::from_secs(2);
/// Longest wait for what a notice stands for: 32 MiB at 300 KB/s.
const FETCH: Duration = Duration::from_secs(120);
/// Changes of units within this time make one report, so that a unit that starts tells its steps at once.
const COALESCE: Duration = Duration::from_millis(20);

/// Serves one connection until it breaks or `shutdown` fires. `welcomed` is called once the coordinator has answered.
///
/// # Errors
/// Why it broke; `Ok` only after `shutdown`.
pub(super) async fn serve(
    channel: Channel,
    desk: &Desk,
    shutdown: &CancellationToken,
    welcomed: impl FnOnce(),
) -> Result<(), Status> {
    let mut client = NodeServiceClient::new(channel);
    let (outbox, messages) = mpsc::channel(OUTBOX);
    let hello = v1::NodeMessage { message: Some(FromNode::Hello(desk.hello())) };
    outbox.send(hello).await.expect("the receiver is held below");
    let inbound = client.control(ReceiverStream::new(messages)).await?.into_inner();
    let reporter = Reporter::default();
    let mut session = Session { desk, outbox, fetcher: Fetcher::new(client), inbound, reporter, unstored: None };
    session.converse(shutdown, welcomed).await
}

struct Session<'a> {
    desk: &'a Desk,
    outbox: mpsc::Sender<v1::NodeMessage>,
    fetcher: Fetcher,
    inbound: Streaming<v1::CoordinatorMessage>,
    reporter: Reporter,
    /// The latest notice, if what it offers could not be stored.
    unstored: Option<v1::Notice>,
}

impl Session<'_> {
    async fn converse(&mut self, shutdown: &CancellationToken, welcomed: impl FnOnce()) -> Result<(), Status> {
        let mut welcomed = Some(welcomed);
        let mut statuses = self.desk.statuses();
        let mut report_at = None;
        statuses.mark_changed();
        // Not begun again by what this side says, or a node whose units change all the time would wait forever.
        let mut silent_at = Instant::now() + SILENCE;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                message = tokio::time::timeout_at(silent_at, self.inbound.message()) => {
                    let message = message.map_err(|_| Status::deadline_exceeded("the coordinator says nothing"))??;
                    let Some(message) = message else {
                        return Err(Status::unavailable("the coordinator ended the stream"));
                    };
                    if let (Some(FromCoordinator::Welcome(_)), Some(welcomed)) = (&message.message, welcomed.take()) {
                        welcomed();
                    }
                    self.hear(message).await?;
                    silent_at = Instant::now() + SILENCE;
                }
                () = tokio::time::sleep(STORE_AGAIN), if self.unstored.is_some() => self.store_again().await?,
                changed = statuses.changed(), if report_at.is_none() => {
                    changed.map_err(|_| Status::cancelled("the agent is stopping"))?;
                    report_at = Some(Instant::now() + COALESCE);
                }
                // Beside the others: a notice never waits for a report.
                () = sleep_until(report_at.unwrap_or_else(Instant::now)), if report_at.is_some() => {
                    report_at = None;
                    statuses.borrow_and_update();
                    self.report().await?;
                }
            }
        }
    }

    /// Tells what changed since the last report.
    async fn report(&mut self) -> Result<(), Status> {
        let now = self.desk.statuses().borrow().clone();
        for report in self.reporter.report(&now, &self.desk.host_units()) {
            self.say(FromNode::Status(report)).await?;
        }
        Ok(())
    }

    async fn say(&self, message: FromNode) -> Result<(), Status> {
        let message = v1::NodeMessage { message: Some(message) };
        let sent = tokio::time::timeout(SILENCE, self.outbox.send(message)).await;
        let sent = sent.map_err(|_| Status::deadline_exceeded("the coordinator reads nothing"))?;
        sent.map_err(|_| Status::unavailable("the stream is closed"))
    }

    async fn hear(&mut self, message: v1::CoordinatorMessage) -> Result<(), Status> {
        match message.message {
            Some(FromCoordinator::Welcome(welcome)) => self.desk.welcomed(&welcome),
            Some(FromCoordinator::Notice(notice)) => {
                trace::stage("notice received", None, 0);
                let applied = self.take(notice).await;
                self.tell_applied(applied).await?;
            }
            Some(FromCoordinator::Command(command)) => self.command(command),
            Some(FromCoordinator::Ping(ping)) => {
                self.say(FromNode::Pong(v1::Pong { nonce: ping.nonce })).await?;
                // What the host runs changes without a word.
                self.report().await?;
            }
            Some(FromCoordinator::StatusAck(_)) => {}
            Some(FromCoordinator::Trust(trust)) => self.desk.trust(trust),
            None => tracing::warn!("the coordinator sent a message this version does not know"),
        }
        Ok(())
    }

    async fn tell_applied(&mut self, applied: v1::Applied) -> Result<(), Status> {
        if let Some(reason) = &applied.refused {
            tracing::warn!(reason = reason.code, "kept the old assignment: {}", reason.text);
        }
        // First what the units do about it: whoever hears that it is applied must not see their old state.
        self.report().await?;
        self.say(FromNode::Applied(applied)).await
    }

    /// Tries what could not be stored once more; the coordinator, which knows, is told only when that went well.
    async fn store_again(&mut self) -> Result<(), Status> {
        let Some(notice) = self.unstored.take() else { return Ok(()) };
        let applied = self.take(notice).await;
        if self.unstored.is_some() {
            return Ok(());
        }
        self.tell_applied(applied).await
    }

    /// Takes a notice in, and tells what the node acts on afterwards: the offer, or still the old one and why.
    async fn take(&mut self, notice: v1::Notice) -> v1::Applied {
        let held = self.desk.held();
        let again = notice.clone();
        let next = next_assignment(self.desk.whoami(), notice, held.as_ref(), &mut self.fetcher);
        let next = tokio::time::timeout(FETCH, next).await;
        let next = next.unwrap_or_else(|_| Err(Status::deadline_exceeded("the coordinator does not send it").into()));
        let taken = match next {
            Ok(next) => self.desk.take(next).await,
            Err(refusal) => Err(refusal.reason()),
        };
        self.unstored = taken.as_ref().is_err_and(|reason| reason.code == NOT_STORED).then_some(again);
        self.desk.applied(taken.err())
    }

    /// Commands run beside the stream: a job may take as long as the unit takes to stop.
    fn command(&self, command: v1::Command) {
        let (desk, outbox) = (self.desk.clone(), self.outbox.clone());
        tokio::spawn(async move {
            let command_id = command.command_id;
            if let Some(result) = desk.command(command).await {
                let message = FromNode::CommandResult(v1::CommandResult { command_id, result: Some(result) });
                // If the stream is gone the coordinator has told the operator so already.
                let _ = outbox.send(v1::NodeMessage { message: Some(message) }).await;
            }
        });
    }
}

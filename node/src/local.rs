//! The node's local socket: what `fleet node …` speaks to. It works with the coordinator away.
//!
//! The socket is 0600 and who connects is checked by SO_PEERCRED: root, or the user the node runs as.

use crate::desk::{Asked, Desk};
use crate::logs::SpoolError;
use crate::logs::query::{Follower, LineReader, Query};
use fleet_proto::v1;
use fleet_proto::v1::local_service_server::{LocalService, LocalServiceServer};
use fleet_units::log_record::LogRecord;
use fleet_units::time::Timestamp;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// Lines in one message, and messages on their way: a slow reader holds back its own reading only.
const LINES: usize = 256;
const MESSAGES: usize = 4;

/// Opens the socket at `path`, in place of one that a killed agent left.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves the socket until `shutdown`.
pub async fn serve(
    listener: UnixListener,
    desk: Desk,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let own = rustix::process::geteuid().as_raw();
    let allowed = move |stream: &UnixStream| stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0);
    let incoming = UnixListenerStream::new(listener).filter(move |stream| stream.as_ref().is_ok_and(allowed));
    tonic::transport::Server::builder()
        .add_service(LocalServiceServer::new(Local { desk, shutdown: shutdown.clone() }))
        .serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned())
        .await
}

struct Local {
    desk: Desk,
    shutdown: CancellationToken,
}

type Lines = Pin<Box<dyn Stream<Item = Result<v1::LocalLogsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl LocalService for Local {
    type LocalLogsStream = Lines;

    async fn local_status(
        &self,
        _: Request<v1::LocalStatusRequest>,
    ) -> Result<Response<v1::LocalStatusResponse>, Status> {
        Ok(Response::new(self.desk.local_status()))
    }

    async fn local_logs(&self, request: Request<v1::LocalLogsRequest>) -> Result<Response<Lines>, Status> {
        let request = request.into_inner();
        let unit = self.desk.unit(&request.unit)?;
        let query = Query {
            last: (!request.all).then_some(request.last),
            since: (request.since_us > 0).then_some(Timestamp(request.since_us)),
        };
        let (root, node) = (self.desk.spool(), &self.desk.whoami().node);
        let opened = match request.follow {
            true => Follower::open(root, node, &unit, query).map(Reading::Following),
            false => LineReader::open(root, node, &unit, query).map(Reading::Past),
        };
        let failed = |error: &SpoolError| Status::internal(crate::error_chain(error));
        let reading = opened.map_err(|error| failed(&error))?;
        let (sender, receiver) = mpsc::channel(MESSAGES);
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            let sent = tokio::select! {
                () = shutdown.cancelled() => return,
                () = sender.closed() => return,
                sent = send_lines(reading, &sender) => sent,
            };
            if let Err(error) = sent {
                // Nobody to tell: the reader has gone.
                let _ = sender.send(Err(failed(&error))).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn local_act(&self, request: Request<v1::LocalActRequest>) -> Result<Response<v1::LocalActResponse>, Status> {
        let who =
            request.extensions().get::<tonic::transport::server::UdsConnectInfo>().and_then(|info| info.peer_cred);
        let who = who.map_or_else(|| "local".to_owned(), |peer| format!("uid/{}", peer.uid()));
        let request = request.into_inner();
        let action = v1::UnitAction::try_from(request.action).unwrap_or_default();
        if request.unit.is_empty() && action == v1::UnitAction::Stop {
            return Ok(Response::new(v1::LocalActResponse { results: self.desk.stop_all().await }));
        }
        let asked = Asked {
            unit: self.desk.unit(&request.unit)?,
            action,
            who,
            why: request.why,
            hold: (request.hold_seconds > 0).then(|| Duration::from_secs(request.hold_seconds)),
            no_block: request.no_block,
        };
        Ok(Response::new(v1::LocalActResponse { results: vec![self.desk.act(asked).await] }))
    }
}

/// What is asked for: the past alone, or also what follows.
enum Reading {
    Past(LineReader),
    Following(Follower),
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Vec<LogRecord>>, SpoolError> {
        match self {
            Reading::Past(reader) => Ok(reader.next()?.map(|lines| lines.records)),
            Reading::Following(follower) => Ok(Some(follower.next().await?.records)),
        }
    }
}

async fn send_lines(
    mut reading: Reading,
    sender: &mpsc::Sender<Result<v1::LocalLogsResponse, Status>>,
) -> Result<(), SpoolError> {
    while let Some(records) = reading.next().await? {
        for records in records.chunks(LINES) {
            let lines = records.iter().cloned().map(Into::into).collect();
            if sender.send(Ok(v1::LocalLogsResponse { lines })).await.is_err() {
                break;
            }
        }
    }
    Ok(())
}

//! The log half of the gRPC services: batches in and acknowledgements out, requests in and lines out.

use super::follow::Follower;
use super::query::{Item, LogQuery, MAX_LAST, Past};
use super::{LogError, LogStore};
use fleet_proto::v1;
use fleet_units::ids::{EnvironmentName, IdError, NodeName};
use fleet_units::time::Timestamp;
use std::collections::VecDeque;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Batches of one node that wait for their sync; the node's own window is 1 MiB.
const WAITING: usize = 64;
/// Answers that wait for the connection. They are small.
const ANSWERS: usize = 64;
/// Messages of lines that wait for a client: a slow one stops the reading, not the store.
const MESSAGES: usize = 4;
/// Lines in one message.
const LINES: usize = 256;
/// Bytes of lines in one message, about: windows are 64 KiB to 256 KiB.
const MESSAGE_BYTES: usize = 64 * 1024;

impl From<&LogError> for Status {
    fn from(error: &LogError) -> Self {
        let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        match error {
            LogError::Full { .. } => Status::resource_exhausted(text),
            LogError::Name(_) => Status::invalid_argument(text),
            LogError::Closed => Status::unavailable(text),
            LogError::Io { .. } | LogError::Version { .. } => Status::internal(text),
        }
    }
}

impl LogStore {
    /// Serves `NodeService.Logs` for the node of this certificate: stores what comes and answers each batch, in
    /// order, once it is on disk. A batch that cannot be stored ends the stream with the reason.
    pub fn receive(
        &self,
        environment: EnvironmentName,
        node: NodeName,
        batches: impl Stream<Item = Result<v1::LogBatch, Status>> + Send + Unpin + 'static,
        shutdown: CancellationToken,
    ) -> ReceiverStream<Result<v1::LogAck, Status>> {
        let (answers, stream) = mpsc::channel(ANSWERS);
        let store = self.clone();
        tokio::spawn(async move {
            let serving = store.store_all(environment, node, batches, &answers);
            let ended = tokio::select! {
                ended = serving => ended,
                () = shutdown.cancelled() => Err(Status::unavailable("the coordinator is stopping")),
                () = answers.closed() => return,
            };
            if let Err(status) = ended {
                // A node that is gone needs no reason.
                let _ = answers.send(Err(status)).await;
            }
        });
        ReceiverStream::new(stream)
    }

    async fn store_all(
        &self,
        environment: EnvironmentName,
        node: NodeName,
        mut batches: impl Stream<Item = Result<v1::LogBatch, Status>> + Unpin,
        answers: &mpsc::Sender<Result<v1::LogAck, Status>>,
    ) -> Result<(), Status> {
        let mut waiting: VecDeque<oneshot::Receiver<Result<v1::LogAck, LogError>>> = VecDeque::new();
        let mut more = true;
        while more || !waiting.is_empty() {
            tokio::select! {
                batch = batches.next(), if more && waiting.len() < WAITING => match batch {
                    Some(batch) => {
                        let submitted = self.submit(node.clone(), environment.clone(), batch?).await;
                        waiting.push_back(submitted.map_err(|error| Status::from(&error))?);
                    }
                    None => more = false,
                },
                Some(answer) = first(&mut waiting) => {
                    waiting.pop_front();
                    let answer = answer.unwrap_or(Err(LogError::Closed)).map_err(|error| Status::from(&error))?;
                    if answers.send(Ok(answer)).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Serves `OperatorService.Logs`: the past the request wants and, with `follow`, what comes. An error at once
    /// when a name in it is none.
    pub fn answer(
        &self,
        request: v1::LogsRequest,
        shutdown: CancellationToken,
    ) -> Result<ReceiverStream<Result<v1::LogsResponse, Status>>, Status> {
        let follow = request.follow;
        let query = query_of(request)?;
        let (messages, stream) = mpsc::channel(MESSAGES);
        let store = self.clone();
        tokio::spawn(async move {
            let telling = store.tell(query, follow, &messages);
            let ended = tokio::select! {
                ended = telling => ended,
                () = shutdown.cancelled() => Err(Status::unavailable("the coordinator is stopping")),
                () = messages.closed() => return,
            };
            if let Err(status) = ended {
                // A client that is gone needs no reason.
                let _ = messages.send(Err(status)).await;
            }
        });
        Ok(ReceiverStream::new(stream))
    }

    async fn tell(&self, query: LogQuery, follow: bool, messages: &Messages) -> Result<(), Status> {
        let (store, asked) = (self.clone(), query.clone());
        let mut past = blocking(move || store.query(&asked)).await?;
        let follower = follow.then(|| self.follow(query, &past));
        loop {
            let (read, items) = blocking(move || next_of(past)).await?;
            past = read;
            if items.is_empty() {
                break;
            }
            send(items, messages).await?;
        }
        let Some(mut follower) = follower else { return Ok(()) };
        while follower.changed().await {
            let (read, items) = blocking(move || next_of_follower(follower)).await?;
            follower = read;
            send(items, messages).await?;
        }
        Ok(())
    }
}

type Messages = mpsc::Sender<Result<v1::LogsResponse, Status>>;

/// Waits for the first answer; `None` when none is awaited. Cancelling it loses nothing.
async fn first<T>(waiting: &mut VecDeque<oneshot::Receiver<T>>) -> Option<Result<T, oneshot::error::RecvError>> {
    match waiting.front_mut() {
        Some(answer) => Some(answer.await),
        None => None,
    }
}

fn next_of(mut past: Past) -> Result<(Past, Vec<Item>), LogError> {
    let items = past.next_items(LINES)?;
    Ok((past, items))
}

fn next_of_follower(mut follower: Follower) -> Result<(Follower, Vec<Item>), LogError> {
    let items = follower.next_items()?;
    Ok((follower, items))
}

/// Runs what reads the disk on the blocking pool; a slow client holds none of its threads.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> Result<T, LogError> + Send + 'static) -> Result<T, Status> {
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|error| Status::internal(format!("reading logs: {error}")))?.map_err(|error| Status::from(&error))
}

/// Sends items as messages of limited size; a loss has a message of its own, before the line it precedes.
async fn send(items: Vec<Item>, messages: &Messages) -> Result<(), Status> {
    let mut message = v1::LogsResponse::default();
    let mut bytes = 0;
    let gone = |_| Status::cancelled("the client is gone");
    for item in items {
        let full = message.lines.len() >= LINES || bytes >= MESSAGE_BYTES;
        if (full || matches!(item, Item::Lost(..))) && !message.lines.is_empty() {
            messages.send(Ok(std::mem::take(&mut message))).await.map_err(gone)?;
            bytes = 0;
        }
        match item {
            Item::Line(record) => {
                bytes += record.message.len();
                message.lines.push(record.into());
            }
            Item::Lost(source, lost_lines) => {
                let (lost_node, lost_unit) = (source.node.to_string(), source.unit.to_string());
                let loss = v1::LogsResponse { lines: Vec::new(), lost_lines, lost_node, lost_unit };
                messages.send(Ok(loss)).await.map_err(gone)?;
            }
        }
    }
    if message.lines.is_empty() { Ok(()) } else { messages.send(Ok(message)).await.map_err(gone) }
}

/// A request in domain words.
fn query_of(request: v1::LogsRequest) -> Result<LogQuery, Status> {
    if request.last > MAX_LAST {
        let text = format!("at most the last {MAX_LAST} lines can be asked for, or all of them");
        return Err(Status::invalid_argument(text));
    }
    let wrong = |error: IdError| Status::invalid_argument(error.to_string());
    let time = |micros: u64| (micros != 0).then_some(Timestamp(micros));
    let unit = |name: &String| name.parse().map_err(wrong);
    Ok(LogQuery {
        environment: optional(&request.environment).map_err(wrong)?,
        units: request.units.iter().map(unit).collect::<Result<_, _>>()?,
        node: optional(&request.node).map_err(wrong)?,
        last: (!request.all).then_some(request.last),
        since: time(request.since_us),
        until: time(request.until_us),
    })
}

fn optional<T: std::str::FromStr>(text: &str) -> Result<Option<T>, T::Err> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

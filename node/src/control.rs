//! The agent's end of the control socket.
//!
//! [`Control::attach`] connects to the supervisor, takes over from an earlier agent, and gives the table of what runs.
//! From then on two tasks serve the connection: one writes requests, one reads replies and events.
//!
//! ```text
//! Control (clones) --Call--> writer --frames--> supervisor
//!        ^ oneshot <-- pending <-- reader <--frames--'
//!                                     `--Event--> mpsc::Receiver
//! ```
//! Dropping every [`Control`] and the receiver closes the connection. When the supervisor goes away, requests fail with
//! [`ControlError::Closed`] and the receiver ends.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fleet_proto::control::{Attach, Event, Failure, Reply, Request, Table, ToAgent, reply, request, to_agent};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use crate::keeper::frame::{self, FrameError};
use crate::keeper::socket::Short;

/// Why the supervisor did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket cannot be connected to.
    #[error("connect to the supervisor at {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The connection broke.
    #[error("talk to the supervisor")]
    Transport(#[from] io::Error),
    /// The supervisor sent, or would be sent, what the protocol does not allow.
    #[error("talk to the supervisor")]
    Protocol(#[from] FrameError),
    /// The supervisor is gone, or another agent took over.
    #[error("the supervisor closed the connection")]
    Closed,
    /// The supervisor answered with a failure.
    #[error("{step}: {text}")]
    Refused {
        /// What failed, such as `exec /usr/bin/x`.
        step: String,
        /// The error number of the system call, or 0.
        errno: i32,
        /// Why, for people.
        text: String,
        /// systemd's exit status for the step (systemd.exec(5)), or 0.
        exit_status: u32,
    },
}

impl From<Failure> for ControlError {
    fn from(failure: Failure) -> Self {
        let Failure { step, errno, text, exit_status } = failure;
        Self::Refused { step, errno, text, exit_status }
    }
}

/// Replies that are waited for, by request id. `None` once the connection is gone.
type Pending = Arc<Mutex<Option<BTreeMap<u64, oneshot::Sender<Reply>>>>>;

/// The connection to the supervisor. Clones share it.
#[derive(Clone, Debug)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Unbounded, so that order is kept: with a bound, callers would get in by the order they are polled in. The engine
    /// waits for the answers of each unit, which bounds what is here by the number of units that act at the same time.
    frames: mpsc::UnboundedSender<Vec<u8>>,
    pending: Pending,
    next_id: AtomicU64,
}

impl Control {
    /// Connects to the supervisor's socket at `path` and takes over from an earlier agent. Gives the connection, what
    /// the supervisor holds, and the events that were not acknowledged yet followed by new ones.
    ///
    /// Events stop after 1024 of them until [`request::Request::AckEvents`] says they were taken care of.
    ///
    /// # Errors
    /// When nobody listens, when the peer speaks another protocol, or when it refuses.
    pub async fn attach(path: &Path) -> Result<(Self, Table, mpsc::Receiver<Event>), ControlError> {
        let connect = async || UnixStream::connect(Short::of(path)?.path()).await;
        let stream = connect().await.map_err(|source| ControlError::Connect { path: path.to_owned(), source })?;
        let (reader, writer) = stream.into_split();
        let (frames, frames_in) = mpsc::unbounded_channel();
        let (events, events_out) = mpsc::channel(frame::EVENT_WINDOW);
        let pending: Pending = Arc::new(Mutex::new(Some(BTreeMap::new())));
        tokio::spawn(write(writer, frames_in));
        tokio::spawn(read(reader, Arc::clone(&pending), events));
        let control = Self { shared: Arc::new(Shared { frames, pending, next_id: AtomicU64::new(1) }) };
        let attach =
            Attach { protocol: fleet_proto::CONTROL_PROTOCOL, agent_version: env!("CARGO_PKG_VERSION").to_owned() };
        match control.request(request::Request::Attach(attach)).await?.reply {
            Some(reply::Reply::Table(table)) => Ok((control, table, events_out)),
            _ => Err(ControlError::Closed),
        }
    }

    /// Asks the supervisor and waits for its answer. Requests of one caller are done in order.
    ///
    /// # Errors
    /// [`ControlError::Refused`] when it was not done; the others when nobody can tell whether it was.
    pub async fn request(&self, request: request::Request) -> Result<Reply, ControlError> {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let mut bytes = Vec::new();
        frame::append(&mut bytes, &Request { id, request: Some(request) })?;
        let (sender, receiver) = oneshot::channel();
        lock(&self.shared.pending).as_mut().ok_or(ControlError::Closed)?.insert(id, sender);
        self.shared.frames.send(bytes).map_err(|_| ControlError::Closed)?;
        let mut reply = receiver.await.map_err(|_| ControlError::Closed)?;
        match reply.failure.take() {
            Some(failure) => Err(failure.into()),
            None => Ok(reply),
        }
    }
}

fn lock(pending: &Pending) -> std::sync::MutexGuard<'_, Option<BTreeMap<u64, oneshot::Sender<Reply>>>> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes frames until every `Control` is gone or the supervisor is.
async fn write(mut writer: OwnedWriteHalf, mut frames: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        if writer.write_all(&frame).await.is_err() {
            break; // the reader sees the same end and fails what is pending
        }
    }
}

/// Reads until the supervisor is gone, then fails what is pending.
async fn read(mut reader: OwnedReadHalf, pending: Pending, events: mpsc::Sender<Event>) {
    if let Err(error) = read_messages(&mut reader, &pending, &events).await {
        tracing::debug!(error = %error, "the control connection ended");
    }
    lock(&pending).take();
}

async fn read_messages(
    reader: &mut OwnedReadHalf,
    pending: &Pending,
    events: &mpsc::Sender<Event>,
) -> Result<(), ControlError> {
    loop {
        let mut header = [0; frame::HEADER];
        reader.read_exact(&mut header).await?;
        let mut body = vec![0; frame::announced(header)?];
        reader.read_exact(&mut body).await?;
        let message = ToAgent::decode(body.as_slice()).map_err(FrameError::from)?;
        match message.message {
            Some(to_agent::Message::Reply(reply)) => {
                let waiting = lock(pending).as_mut().and_then(|map| map.remove(&reply.id));
                if let Some(sender) = waiting {
                    let _ = sender.send(reply); // a caller that gave up does not want it
                }
            }
            // Never waits: the supervisor tells no more unacknowledged events than the queue holds. A receiver that was
            // dropped wants none.
            Some(to_agent::Message::Event(event)) => drop(events.send(event).await),
            None => {} // of a newer supervisor
        }
    }
}

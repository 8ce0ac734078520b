//! The agent's end of the control socket.
//!
//! [`Control::attach`] connects to the supervisor, takes over from an earlier agent, and gives the table of what runs.
//! From then on one task serves the connection.
//!
//! ```text
//! Control (clones) --Call--> waiting --frames in order--> supervisor
//!        ^ oneshot <-----------'  <--replies, events------'
//!                                   `--Event--> mpsc::Receiver
//! ```
//! **A supervisor that dies is not noticed here.** The guard starts another one, which knows what the old one knew; the
//! task connects again and sends every request again that was not answered. The supervisor recognises a Spawn or Adopt it
//! has done already; the others do no harm when they are done twice. Events are given on once, by their ids.
//!
//! Dropping every [`Control`] closes the connection. When the guard is gone, when a newer agent has attached, or when the
//! new supervisor does not know all that the old one knew, requests fail with [`ControlError::Closed`] and the receiver
//! ends.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleet_proto::control::{Attach, Event, Failure, Reply, Request, Table, ToAgent, reply, request, to_agent};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc, oneshot};

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

/// The connection to the supervisor. Clones share it.
#[derive(Clone, Debug)]
pub struct Control {
    handle: Arc<Handle>,
}

/// Ends the connection with the last clone.
#[derive(Debug)]
struct Handle(Arc<Calls>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A request that is not answered.
#[derive(Debug)]
struct Waiting {
    frame: Arc<Vec<u8>>,
    sender: oneshot::Sender<Reply>,
}

/// Requests that are not answered. Unbounded, so that order is kept: with a bound, callers would get in by the order they
/// are polled in. The engine waits for the answers of each unit, which bounds what is here by the number of units that act
/// at the same time.
#[derive(Debug, Default)]
struct Calls {
    state: Mutex<State>,
    /// There is another one, or the end.
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<u64, Waiting>,
    last_id: u64,
    closed: bool,
}

/// The id of Attach; other requests count from 1.
const ATTACH_ID: u64 = 0;

/// Between two attempts to attach to a supervisor that may be just starting.
const AGAIN: Duration = Duration::from_millis(5);

impl Control {
    /// Connects to the supervisor's socket at `path` and takes over from an earlier agent. Gives the connection, what
    /// the supervisor holds, and the events that were not acknowledged yet followed by new ones.
    ///
    /// Events stop after 1024 of them until [`request::Request::AckEvents`] says they were taken care of.
    ///
    /// # Errors
    /// When nobody listens, when the peer speaks another protocol, or when it refuses.
    pub async fn attach(path: &Path) -> Result<(Self, Table, mpsc::Receiver<Event>), ControlError> {
        let session = session();
        let mut stream = connect(path).await?;
        let table = attach(&mut stream, session).await?;
        let (events, events_out) = mpsc::channel(frame::EVENT_WINDOW);
        let calls = Arc::new(Calls::default());
        let link = Link { path: path.to_owned(), session, continuity: table.continuity, calls: calls.clone(), events };
        tokio::spawn(link.serve(stream));
        Ok((Self { handle: Arc::new(Handle(calls)) }, table, events_out))
    }

    /// Asks the supervisor and waits for its answer. Requests of one caller are done in order.
    ///
    /// # Errors
    /// [`ControlError::Refused`] when it was not done; the others when nobody can tell whether it was.
    pub async fn request(&self, request: request::Request) -> Result<Reply, ControlError> {
        let receiver = self.handle.0.add(request)?;
        let mut reply = receiver.await.map_err(|_| ControlError::Closed)?;
        match reply.failure.take() {
            Some(failure) => Err(failure.into()),
            None => Ok(reply),
        }
    }
}

impl Calls {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, request: request::Request) -> Result<oneshot::Receiver<Reply>, ControlError> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        if state.closed {
            return Err(ControlError::Closed);
        }
        let id = state.last_id + 1;
        let mut frame = Vec::new();
        frame::append(&mut frame, &Request { id, request: Some(request) })?;
        state.last_id = id;
        state.waiting.insert(id, Waiting { frame: Arc::new(frame), sender });
        drop(state);
        self.news.notify_one();
        Ok(receiver)
    }

    /// The first request after the one with this id.
    fn after(&self, id: u64) -> Option<(u64, Arc<Vec<u8>>)> {
        let state = self.lock();
        state.waiting.range(id + 1..).next().map(|(id, waiting)| (*id, waiting.frame.clone()))
    }

    fn answer(&self, reply: Reply) {
        let waiting = self.lock().waiting.remove(&reply.id);
        if let Some(Waiting { sender, .. }) = waiting {
            let _ = sender.send(reply); // a caller that gave up does not want it
        }
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// No more of them, and whoever waits hears that.
    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        drop(state);
        self.news.notify_one();
    }
}

/// What the task needs to serve a connection, and the next ones.
struct Link {
    path: PathBuf,
    session: u64,
    continuity: u64,
    calls: Arc<Calls>,
    events: mpsc::Sender<Event>,
}

impl Link {
    async fn serve(self, mut stream: UnixStream) {
        let mut heard = 0;
        loop {
            let ended = self.exchange(&mut stream, &mut heard).await;
            tracing::debug!(error = ?ended.err(), "the control connection ended");
            match self.again().await {
                Some(next) => stream = next,
                None => return self.calls.close(),
            }
        }
    }

    /// Both directions, until one breaks or nobody wants them any more.
    async fn exchange(&self, stream: &mut UnixStream, heard: &mut u64) -> Result<(), ControlError> {
        let (mut reader, mut writer) = stream.split();
        tokio::select! {
            ended = self.write(&mut writer) => ended,
            ended = self.read(&mut reader, heard) => ended,
        }
    }

    /// Everything that is not answered, in order, from the beginning.
    async fn write(&self, writer: &mut WriteHalf<'_>) -> Result<(), ControlError> {
        let mut sent = 0;
        while !self.calls.is_closed() {
            match self.calls.after(sent) {
                Some((id, frame)) => {
                    writer.write_all(&frame).await?;
                    sent = id;
                }
                None => self.calls.news.notified().await,
            }
        }
        Ok(())
    }

    async fn read(&self, reader: &mut ReadHalf<'_>, heard: &mut u64) -> Result<(), ControlError> {
        loop {
            match receive(reader).await?.message {
                Some(to_agent::Message::Reply(reply)) => self.calls.answer(reply),
                Some(to_agent::Message::Event(event)) if event.id <= *heard => {} // told by an earlier supervisor
                Some(to_agent::Message::Event(event)) => {
                    *heard = event.id;
                    // Never waits: the supervisor tells no more unacknowledged events than the queue holds. A receiver
                    // that was dropped wants none.
                    let _ = self.events.send(event).await;
                }
                None => {} // of a newer supervisor
            }
        }
    }

    /// Attaches to the next supervisor. `None`: there is none to be had, or it cannot go on from here.
    async fn again(&self) -> Option<UnixStream> {
        while !self.calls.is_closed() {
            // The guard listens, so this fails only without a guard.
            let mut stream = connect(&self.path).await.ok()?;
            match attach(&mut stream, self.session).await {
                Ok(table) => return (table.continuity == self.continuity).then_some(stream),
                Err(ControlError::Refused { .. }) => return None,
                Err(_) => tokio::time::sleep(AGAIN).await, // it died, too
            }
        }
        None
    }
}

/// A number that is greater for every later agent of this boot.
fn session() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

async fn connect(path: &Path) -> Result<UnixStream, ControlError> {
    let connect = async || UnixStream::connect(Short::of(path)?.path()).await;
    connect().await.map_err(|source| ControlError::Connect { path: path.to_owned(), source })
}

/// The first request of a connection, and its answer.
async fn attach(stream: &mut UnixStream, session: u64) -> Result<Table, ControlError> {
    let agent_version = env!("CARGO_PKG_VERSION").to_owned();
    let attach = Attach { protocol: fleet_proto::CONTROL_PROTOCOL, agent_version, session };
    let mut frame = Vec::new();
    frame::append(&mut frame, &Request { id: ATTACH_ID, request: Some(request::Request::Attach(attach)) })?;
    stream.write_all(&frame).await?;
    let (mut reader, _) = stream.split();
    match receive(&mut reader).await?.message {
        Some(to_agent::Message::Reply(Reply { failure: Some(failure), .. })) => Err(failure.into()),
        Some(to_agent::Message::Reply(Reply { reply: Some(reply::Reply::Table(table)), .. })) => Ok(table),
        _ => Err(ControlError::Closed),
    }
}

async fn receive(reader: &mut ReadHalf<'_>) -> Result<ToAgent, ControlError> {
    let mut header = [0; frame::HEADER];
    reader.read_exact(&mut header).await?;
    let mut body = vec![0; frame::announced(header)?];
    reader.read_exact(&mut body).await?;
    Ok(ToAgent::decode(body.as_slice()).map_err(FrameError::from)?)
}

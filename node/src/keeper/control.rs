//! The supervisor's end of the control socket: connections, frames, who may speak.
//!
//! Any process of root or of this user may connect; one connection at a time is the agent's, the latest that attached.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use fleet_proto::control::{Request, ToAgent, to_agent};
use rustix::net::sockopt::socket_peercred;

use super::frame;
use super::poll::{Interest, Poll, Source};
use super::shared::Asked;
use super::socket;

/// Connections at once. There is one agent, and for a moment its successor.
const MOST: usize = 8;

/// While this much waits to be read by the peer, no more requests are read from it; in bytes.
const ENOUGH: usize = 1024 * 1024;

/// Read at once, in bytes.
const CHUNK: usize = 64 * 1024;

struct Connection {
    stream: UnixStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    interest: Interest,
}

/// Makes the listening socket: by the guard, so that whoever connects while there is no supervisor waits for the next.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    let listener = socket::replace(path, 0o600, |short| UnixListener::bind(short))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The socket and its connections.
pub(crate) struct Server {
    listener: UnixListener,
    connections: BTreeMap<u64, Connection>,
    last: u64,
    attached: Option<u64>,
    /// Of the agent that is attached.
    session: u64,
}

impl Server {
    /// Serves the socket that the guard listens on.
    pub(crate) fn new(listener: UnixListener, poll: &Poll) -> io::Result<Self> {
        poll.add(&listener, Source::Listener)?;
        Ok(Self { listener, connections: BTreeMap::new(), last: 0, attached: None, session: 0 })
    }

    /// Takes new connections.
    pub(crate) fn accept(&mut self, poll: &Poll) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.connections.len() >= MOST || !may_speak(&stream) || stream.set_nonblocking(true).is_err() {
                continue; // closed
            }
            self.last += 1;
            if poll.add(&stream, Source::Connection(self.last)).is_ok() {
                let (incoming, outgoing) = (Vec::new(), Vec::new());
                let connection = Connection { stream, incoming, outgoing, interest: Interest::Read };
                self.connections.insert(self.last, connection);
            }
        }
    }

    /// Reads what the peer sent; closes the connection when the peer has.
    pub(crate) fn receive(&mut self, poll: &Poll, number: u64) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if !connection.receive() {
            self.close(poll, number);
        }
    }

    /// The next whole request, unless the peer has to read its replies first.
    pub(crate) fn next_request(&mut self, poll: &Poll, number: u64) -> Option<Request> {
        let connection = self.connections.get_mut(&number)?;
        if connection.outgoing.len() >= ENOUGH {
            return None;
        }
        frame::take(&mut connection.incoming).unwrap_or_else(|error| {
            tracing::warn!(%error, "a connection to the control socket is closed");
            self.close(poll, number);
            None
        })
    }

    /// The connection is the agent's from now on; that of an earlier agent is closed. `false`: this is the earlier agent.
    pub(crate) fn attach(&mut self, poll: &Poll, number: u64, session: u64) -> bool {
        if session != 0 && session < self.session {
            return false;
        }
        if let Some(earlier) = self.attached.replace(number)
            && earlier != number
        {
            self.close(poll, earlier);
        }
        self.attached = Some(number);
        self.session = session;
        true
    }

    /// Who asks: the agent that is attached, with its request `id`.
    pub(crate) fn asked(&self, number: u64, id: u64) -> Asked {
        if self.is_attached(number) { Asked { session: self.session, id } } else { Asked::default() }
    }

    pub(crate) fn is_attached(&self, number: u64) -> bool {
        self.attached == Some(number)
    }

    /// The agent's connection, if there is one with room for more.
    pub(crate) fn listening(&self) -> Option<u64> {
        let number = self.attached?;
        (self.connections.get(&number)?.outgoing.len() < ENOUGH).then_some(number)
    }

    /// Queues a message.
    pub(crate) fn send(&mut self, number: u64, message: to_agent::Message) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if let Err(error) = frame::append(&mut connection.outgoing, &ToAgent { message: Some(message) }) {
            tracing::error!(%error, "a message to the agent is dropped");
        }
    }

    /// Writes what is queued, as far as the peers take it, and waits for what each of them may do next.
    pub(crate) fn flush(&mut self, poll: &Poll) {
        let numbers: Vec<u64> = self.connections.keys().copied().collect();
        for number in numbers {
            let Some(connection) = self.connections.get_mut(&number) else { continue };
            if !connection.flush(poll, number) {
                self.close(poll, number);
            }
        }
    }

    fn close(&mut self, poll: &Poll, number: u64) {
        if let Some(connection) = self.connections.remove(&number) {
            poll.remove(&connection.stream);
        }
        if self.attached == Some(number) {
            self.attached = None;
        }
    }

    /// Connections there are, to go on with requests that had to wait.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.connections.keys().copied().collect()
    }
}

impl Connection {
    /// `false`: the peer is gone.
    fn receive(&mut self) -> bool {
        let before = self.incoming.len();
        self.incoming.resize(before + CHUNK, 0);
        let result = self.stream.read(&mut self.incoming[before..]);
        self.incoming.truncate(before + result.as_ref().copied().unwrap_or(0));
        match result {
            Ok(count) => count > 0,
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }

    /// `false`: the peer is gone.
    fn flush(&mut self, poll: &Poll, number: u64) -> bool {
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing) {
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        for buffer in [&mut self.incoming, &mut self.outgoing] {
            if buffer.is_empty() {
                *buffer = Vec::new(); // an idle connection keeps no memory
            }
        }
        let interest = match self.outgoing.len() {
            0 => Interest::Read,
            1..ENOUGH => Interest::Both,
            _ => Interest::Write,
        };
        if interest != self.interest {
            self.interest = interest;
            return poll.change(&self.stream, Source::Connection(number), interest).is_ok();
        }
        true
    }
}

/// Root and this user; the socket's mode says the same, but folders get copied and modes changed.
fn may_speak(stream: &UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|peer| peer.uid.is_root() || peer.uid == rustix::process::geteuid())
}

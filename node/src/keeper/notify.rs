//! The socket for sd_notify(3): what a unit says about itself, with the sender vouched for by the kernel.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, UnixCredentials, recvmsg};

use super::poll::{Interest, Poll, Source};
use super::socket;

/// The longest message, as in systemd (NOTIFY_BUFFER_MAX); longer ones are dropped. In bytes.
const LONGEST: usize = 4096;

/// Descriptors a sender may attach; the kernel closes more than these.
const DESCRIPTORS: usize = 64;

/// One message.
pub(crate) struct Message {
    /// The sender, in this process's PID namespace.
    pub(crate) pid: u32,
    pub(crate) text: String,
}

/// The value of NOTIFY_SOCKET. A path that units could not name is replaced by an abstract name.
fn address(path: &Path) -> String {
    match path.to_str() {
        Some(text) if socket::fits(path) => text.to_owned(),
        _ => socket::abstract_name(path),
    }
}

/// Makes the socket: by the guard, so that what is sent while there is no supervisor waits for the next. Every user can
/// send to it: who the sender is decides what a message counts for.
pub(crate) fn bind(path: &Path) -> io::Result<UnixDatagram> {
    let socket = match address(path).strip_prefix('@') {
        Some(name) => UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket::replace(path, 0o666, |short| UnixDatagram::bind(short))?,
    };
    socket.set_nonblocking(true)?;
    rustix::net::sockopt::set_socket_passcred(&socket, true)?;
    Ok(socket)
}

/// Whether there is a message to read.
pub(crate) fn is_waiting(socket: &UnixDatagram) -> bool {
    let mut polled = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

/// The socket.
pub(crate) struct Notify {
    socket: UnixDatagram,
    /// The value of NOTIFY_SOCKET.
    pub(crate) address: String,
    interest: Interest,
}

impl Notify {
    /// Reads the socket that the guard has bound to `path`.
    pub(crate) fn new(socket: UnixDatagram, path: &Path, poll: &Poll) -> io::Result<Self> {
        poll.add(&socket, Source::Notify)?;
        Ok(Self { socket, address: address(path), interest: Interest::Read })
    }

    /// Whether to read at all. While not, senders wait.
    pub(crate) fn listen(&mut self, poll: &Poll, listen: bool) {
        let interest = if listen { Interest::Read } else { Interest::Nothing };
        if interest != self.interest && poll.change(&self.socket, Source::Notify, interest).is_ok() {
            self.interest = interest;
        }
    }

    /// The next message that is there. It stays there until [`Notify::consume`], so that it is not lost with this process.
    pub(crate) fn next(&self) -> Option<Message> {
        loop {
            match self.receive(MsgFlags::MSG_PEEK) {
                Ok(Some(message)) => return Some(message),
                Ok(None) => self.consume(),
                Err(nix::errno::Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }

    /// Takes the first message away. Descriptors that come with it are closed: for BARRIER=1 that is the answer, and none
    /// are stored.
    pub(crate) fn consume(&self) {
        while let Err(nix::errno::Errno::EINTR) = self.receive(MsgFlags::empty()) {}
    }

    /// `None`: a message that counts for nothing.
    fn receive(&self, how: MsgFlags) -> nix::Result<Option<Message>> {
        let mut buffer = [0; LONGEST];
        let mut control = nix::cmsg_space!(UnixCredentials, [std::os::fd::RawFd; DESCRIPTORS]);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC | how;
        let received = recvmsg::<UnixAddr>(self.socket.as_fd().as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let mut sender = None;
        for part in received.cmsgs()? {
            match part {
                ControlMessageOwned::ScmCredentials(credentials) => sender = u32::try_from(credentials.pid()).ok(),
                ControlMessageOwned::ScmRights(descriptors) => descriptors.into_iter().for_each(close),
                _ => {}
            }
        }
        let (length, truncated) = (received.bytes, received.flags.contains(MsgFlags::MSG_TRUNC));
        // Pid 0: the sender is in another PID namespace that this one does not see.
        let Some(pid @ 1..) = sender else { return Ok(None) };
        if truncated {
            return Ok(None);
        }
        Ok(Some(Message { pid, text: String::from_utf8_lossy(&buffer[..length]).into_owned() }))
    }
}

fn close(descriptor: std::os::fd::RawFd) {
    // SAFETY: the kernel has just made it for this process, and nobody else knows it.
    drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
}

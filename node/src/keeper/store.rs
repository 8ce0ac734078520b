//! The descriptor store: copies of units' pipes with the guard, so that they outlive who reads them.
//!
//! The supervisor sends a pipe's reading ends before the process that writes is made ([`Depositor`]). From then on they
//! exist whatever happens to the supervisor, also while the message waits in the socket. The guard ([`Store`]) writes their
//! numbers into the process's slot; the next supervisor gets them under these numbers. One message a process, 24 bytes:
//!
//! ```text
//! 0 kind u32 (1 keep, 2 drop)   4 streams u32, one bit each   8 index of the slot u64   16 serial u64       little endian
//! ```

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::shared::{STREAMS, Shared, Use};

const MESSAGE: usize = 24;
const KEEP: u32 = 1;
const DROP: u32 = 2;

/// Makes the two ends: the supervisor's and the guard's.
pub(crate) fn channel() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

fn message(kind: u32, streams: u32, place: Use) -> [u8; MESSAGE] {
    let mut bytes = [0; MESSAGE];
    bytes[0..4].copy_from_slice(&kind.to_le_bytes());
    bytes[4..8].copy_from_slice(&streams.to_le_bytes());
    bytes[8..16].copy_from_slice(&(place.index as u64).to_le_bytes());
    bytes[16..24].copy_from_slice(&place.serial.to_le_bytes());
    bytes
}

/// The supervisor's end.
#[derive(Debug)]
pub(crate) struct Depositor(OwnedFd);

impl Depositor {
    pub(crate) fn given(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Has these reading ends, by stream, kept for the process in the slot. Waits while the guard is behind.
    ///
    /// # Errors
    /// When there is no guard any more.
    pub(crate) fn keep(&self, place: Use, ends: [Option<BorrowedFd<'_>>; STREAMS]) -> io::Result<()> {
        let streams = (0..).zip(&ends).filter(|(_, end)| end.is_some()).fold(0, |mask, (bit, _)| mask | 1 << bit);
        let ends: Vec<BorrowedFd<'_>> = ends.into_iter().flatten().collect();
        if ends.is_empty() {
            return Ok(());
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(STREAMS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&ends));
        self.send(&message(KEEP, streams, place), &mut control)
    }

    /// They are not needed any more. Without a guard they are gone anyway.
    pub(crate) fn drop(&self, place: Use) {
        let _ = self.send(&message(DROP, 0, place), &mut SendAncillaryBuffer::default());
    }

    fn send(&self, bytes: &[u8], control: &mut SendAncillaryBuffer<'_, '_, '_>) -> io::Result<()> {
        loop {
            match sendmsg(&self.0, &[IoSlice::new(bytes)], control, SendFlags::NOSIGNAL) {
                Err(rustix::io::Errno::INTR) => {}
                other => return other.map(drop).map_err(Into::into),
            }
        }
    }
}

impl AsFd for Depositor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The guard's end, and what it keeps.
#[derive(Debug)]
pub(crate) struct Store {
    socket: OwnedFd,
    /// By the index of the slot: which use of it, and the ends by stream.
    kept: BTreeMap<usize, (u64, [Option<OwnedFd>; STREAMS])>,
}

impl Store {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, kept: BTreeMap::new() }
    }

    /// Does what messages ask for, until there are no more.
    pub(crate) fn receive(&mut self, shared: &Shared) {
        while let Some((kind, streams, place, ends)) = self.next() {
            match kind {
                KEEP => self.keep(shared, place, streams, ends),
                DROP => self.drop(shared, place),
                _ => {} // of a newer supervisor
            }
        }
    }

    fn next(&self) -> Option<(u32, u32, Use, Vec<OwnedFd>)> {
        let mut bytes = [0; MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(STREAMS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let received = loop {
            match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other.ok()?,
            }
        };
        if received.bytes != MESSAGE {
            return None;
        }
        let ends = control.drain().filter_map(|part| match part {
            RecvAncillaryMessage::ScmRights(ends) => Some(ends),
            _ => None,
        });
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let index = usize::try_from(u64_at(8)).ok()?;
        Some((u32_at(0), u32_at(4), Use { index, serial: u64_at(16) }, ends.flatten().collect()))
    }

    /// Keeps the ends of a process; those of a use that is over are closed.
    pub(crate) fn keep(&mut self, shared: &Shared, place: Use, streams: u32, ends: Vec<OwnedFd>) {
        let mut ends = ends.into_iter();
        let by_stream = std::array::from_fn(|bit| if streams & (1 << bit) != 0 { ends.next() } else { None });
        let numbers = by_stream.each_ref().map(|end| end.as_ref().map(AsRawFd::as_raw_fd));
        if shared.set_ends(place, numbers) {
            self.kept.insert(place.index, (place.serial, by_stream));
        }
    }

    fn drop(&mut self, shared: &Shared, place: Use) {
        if self.kept.get(&place.index).is_some_and(|(serial, _)| *serial == place.serial) {
            shared.set_ends(place, [None; STREAMS]);
            self.kept.remove(&place.index);
        }
    }

    /// Numbers of everything that is kept, to pass it on.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = RawFd> {
        self.kept.values().flat_map(|(_, ends)| ends).flatten().map(AsRawFd::as_raw_fd)
    }
}

impl AsFd for Store {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::shared::{Asked, Facts, Part};
    use rustix::pipe::pipe;

    #[test]
    fn what_was_sent_is_kept_though_the_sender_and_its_copy_are_gone() {
        let root = tempfile::tempdir().unwrap();
        let shared = Shared::create(root.path(), "boot").unwrap();
        let (unit, invocation_id) = ("a.service".to_owned(), String::new());
        let facts = Facts { unit, part: Part::Main, invocation_id, asked: Asked::default() };
        let (first, second) = (shared.take(&facts).unwrap(), shared.take(&facts).unwrap());
        let (ours, theirs) = channel().unwrap();
        let (depositor, mut store) = (Depositor::given(ours), Store::new(theirs));
        let (reader, writer) = pipe().unwrap();
        depositor.keep(first, [None, Some(reader.as_fd())]).unwrap();
        depositor.keep(second, [Some(reader.as_fd()), Some(reader.as_fd())]).unwrap();
        drop((reader, depositor));
        store.receive(&shared);
        assert_eq!(store.numbers().count(), 3);
        assert!(rustix::io::write(&writer, b"x").is_ok(), "somebody can still read it");
        let [none, Some(end)] = shared.ends(first) else { panic!("the wrong stream") };
        assert!(none.is_none() && store.numbers().any(|number| number == end));
        store.drop(&shared, Use { serial: 99, ..first });
        assert_eq!(store.numbers().count(), 3, "another use");
        store.drop(&shared, first);
        assert_eq!((store.numbers().count(), shared.ends(first)), (2, [None, None]));
    }

    #[test]
    fn ends_of_a_use_that_is_over_are_closed() {
        let root = tempfile::tempdir().unwrap();
        let shared = Shared::create(root.path(), "boot").unwrap();
        let (ours, theirs) = channel().unwrap();
        let (reader, writer) = pipe().unwrap();
        Depositor::given(ours).keep(Use { index: 0, serial: 5 }, [Some(reader.as_fd()), None]).unwrap();
        drop(reader);
        Store::new(theirs).receive(&shared);
        assert!(rustix::io::write(&writer, b"x").is_err());
    }
}

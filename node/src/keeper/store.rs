//! The descriptor store: copies of units' pipes with the guard, so that they outlive who reads them.
//!
//! The supervisor sends a pipe's reading ends before the process that writes is made ([`Depositor`]). From then on they
//! exist whatever happens to the supervisor, also while the message waits in the socket. The guard ([`Store`]) writes their
//! numbers into the process's slot and passes them on to the logger ([`Inlet`]); a new logger inherits them under these
//! numbers. One message a process, 24 bytes, on both ways:
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

use super::point::point;
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
        if ends.iter().all(Option::is_none) {
            return Ok(());
        }
        send(&self.0, place, ends, SendFlags::empty())
    }

    /// They are not needed any more. Without a guard they are gone anyway.
    pub(crate) fn drop(&self, place: Use) {
        let bytes = message(DROP, 0, place);
        let _ = send_message(&self.0, &bytes, &mut SendAncillaryBuffer::default(), SendFlags::empty());
    }
}

fn send(socket: &OwnedFd, place: Use, ends: [Option<BorrowedFd<'_>>; STREAMS], flags: SendFlags) -> io::Result<()> {
    let streams = (0..).zip(&ends).filter(|(_, end)| end.is_some()).fold(0, |mask, (bit, _)| mask | 1 << bit);
    let ends: Vec<BorrowedFd<'_>> = ends.into_iter().flatten().collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(STREAMS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&ends));
    send_message(socket, &message(KEEP, streams, place), &mut control, flags)
}

fn send_message(
    socket: &OwnedFd,
    bytes: &[u8],
    control: &mut SendAncillaryBuffer<'_, '_, '_>,
    flags: SendFlags,
) -> io::Result<()> {
    loop {
        match sendmsg(socket, &[IoSlice::new(bytes)], control, flags | SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map(drop).map_err(Into::into),
        }
    }
}

/// One that was received.
struct Message {
    kind: u32,
    streams: u32,
    place: Use,
    ends: Vec<OwnedFd>,
}

impl Message {
    fn by_stream(self) -> [Option<OwnedFd>; STREAMS] {
        let mut ends = self.ends.into_iter();
        std::array::from_fn(|bit| if self.streams & (1 << bit) != 0 { ends.next() } else { None })
    }
}

/// The next message; `None`: there is none now.
///
/// # Errors
/// When the other side is gone.
fn next(socket: &OwnedFd) -> io::Result<Option<Message>> {
    let mut bytes = [0; MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(STREAMS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            other => break other?,
        }
    };
    if received.bytes != MESSAGE {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    let ends = control.drain().filter_map(|part| match part {
        RecvAncillaryMessage::ScmRights(ends) => Some(ends),
        _ => None,
    });
    let ends = ends.flatten().collect();
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let place = Use { index: usize::try_from(u64_at(8)).unwrap_or(usize::MAX), serial: u64_at(16) };
    Ok(Some(Message { kind: u32_at(0), streams: u32_at(4), place, ends }))
}

/// The logger's end.
#[derive(Debug)]
pub(crate) struct Inlet(OwnedFd);

impl Inlet {
    pub(crate) fn given(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// The next process's reading ends, by stream; `None`: there are none now.
    ///
    /// # Errors
    /// When the guard is gone.
    pub(crate) fn next(&self) -> io::Result<Option<(Use, [Option<OwnedFd>; STREAMS])>> {
        Ok(next(&self.0)?.map(|message| (message.place, message.by_stream())))
    }
}

impl AsFd for Inlet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for Depositor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The ends of one process.
#[derive(Debug)]
struct Kept {
    serial: u64,
    ends: [Option<OwnedFd>; STREAMS],
    /// The logger has them, or finds them among what it inherits.
    passed_on: bool,
}

/// The guard's end, and what it keeps.
#[derive(Debug)]
pub(crate) struct Store {
    socket: OwnedFd,
    /// To the logger.
    outlet: OwnedFd,
    /// By the index of the slot.
    kept: BTreeMap<usize, Kept>,
    /// Some are not passed on.
    behind: bool,
}

impl Store {
    /// `outlet` leads to the loggers' [`Inlet`].
    pub(crate) fn new(socket: OwnedFd, outlet: OwnedFd) -> Self {
        Self { socket, outlet, kept: BTreeMap::new(), behind: false }
    }

    /// Keeps what another guard kept.
    pub(crate) fn take_over(&mut self, shared: &Shared, pipes: Vec<(Use, [Option<OwnedFd>; STREAMS])>) {
        for (place, ends) in pipes {
            self.insert(shared, place, ends);
        }
    }

    /// Does what messages ask for, until there are no more.
    pub(crate) fn receive(&mut self, shared: &Shared) {
        while let Ok(Some(message)) = next(&self.socket) {
            match message.kind {
                KEEP => self.keep(shared, message),
                DROP => self.drop(shared, message.place),
                _ => {} // of a newer supervisor
            }
        }
        self.pass_on();
    }

    /// Keeps the ends of a process; those of a use that is over are closed.
    fn keep(&mut self, shared: &Shared, message: Message) {
        self.insert(shared, message.place, message.by_stream());
    }

    fn insert(&mut self, shared: &Shared, place: Use, ends: [Option<OwnedFd>; STREAMS]) {
        let numbers = ends.each_ref().map(|end| end.as_ref().map(AsRawFd::as_raw_fd));
        if shared.set_ends(place, numbers) {
            self.kept.insert(place.index, Kept { serial: place.serial, ends, passed_on: false });
            self.behind = true;
        }
    }

    fn drop(&mut self, shared: &Shared, place: Use) {
        if self.kept.get(&place.index).is_some_and(|kept| kept.serial == place.serial) {
            shared.set_ends(place, [None; STREAMS]);
            self.kept.remove(&place.index);
        }
    }

    /// Gives the logger what it does not have, as far as it takes it: the guard waits for nobody.
    pub(crate) fn pass_on(&mut self) {
        if !self.behind {
            return;
        }
        point("store-kept");
        for (index, kept) in self.kept.iter_mut().filter(|(_, kept)| !kept.passed_on) {
            let place = Use { index: *index, serial: kept.serial };
            let ends = kept.ends.each_ref().map(|end| end.as_ref().map(AsFd::as_fd));
            kept.passed_on = send(&self.outlet, place, ends, SendFlags::DONTWAIT).is_ok();
            if !kept.passed_on {
                return;
            }
        }
        self.behind = false;
    }

    /// There is something to pass on as soon as the logger takes it.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Where that shows.
    pub(crate) fn outlet(&self) -> BorrowedFd<'_> {
        self.outlet.as_fd()
    }

    /// Numbers of everything that is kept, for a new logger, which needs no more of it; with the newest serial number among
    /// the uses of slots. Those the supervisor sends later have greater ones.
    pub(crate) fn numbers_for_logger(&mut self) -> (u64, Vec<RawFd>) {
        self.behind = false;
        self.kept.values_mut().for_each(|kept| kept.passed_on = true);
        (self.kept.values().map(|kept| kept.serial).max().unwrap_or(0), self.numbers().collect())
    }

    fn numbers(&self) -> impl Iterator<Item = RawFd> {
        self.kept.values().flat_map(|kept| &kept.ends).flatten().map(AsRawFd::as_raw_fd)
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
        let (outlet, inlet) = channel().unwrap();
        let (depositor, mut store, inlet) = (Depositor::given(ours), Store::new(theirs, outlet), Inlet::given(inlet));
        let (reader, writer) = pipe().unwrap();
        depositor.keep(first, [None, Some(reader.as_fd()), None]).unwrap();
        depositor.keep(second, [Some(reader.as_fd()), Some(reader.as_fd()), None]).unwrap();
        drop((reader, depositor));
        store.receive(&shared);
        assert_eq!(store.numbers().count(), 3);
        assert!(rustix::io::write(&writer, b"x").is_ok(), "somebody can still read it");
        let [none, Some(end), None] = shared.ends(first) else { panic!("the wrong stream") };
        assert!(none.is_none() && store.numbers().any(|number| number == end));
        store.drop(&shared, Use { serial: 99, ..first });
        assert_eq!(store.numbers().count(), 3, "another use");
        store.drop(&shared, first);
        assert_eq!((store.numbers().count(), shared.ends(first)), (2, [None, None, None]));
        // The logger was told of both, and has copies of its own.
        let (place, [_, end, _]) = inlet.next().unwrap().unwrap();
        assert_eq!((place, end.is_some()), (first, true));
        assert_eq!(inlet.next().unwrap().unwrap().0, second);
        assert!(inlet.next().unwrap().is_none() && !store.is_behind());
        drop(store);
        assert!(inlet.next().is_err(), "the guard is gone");
    }

    #[test]
    fn ends_of_a_use_that_is_over_are_closed() {
        let root = tempfile::tempdir().unwrap();
        let shared = Shared::create(root.path(), "boot").unwrap();
        let (ours, theirs) = channel().unwrap();
        let (reader, writer) = pipe().unwrap();
        Depositor::given(ours).keep(Use { index: 0, serial: 5 }, [Some(reader.as_fd()), None, None]).unwrap();
        drop(reader);
        Store::new(theirs, channel().unwrap().0).receive(&shared);
        assert!(rustix::io::write(&writer, b"x").is_err());
    }
}

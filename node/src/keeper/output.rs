//! What units write: from their pipes into the spool.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use fleet_units::ids::{InvocationId, UnitName};
use fleet_units::log_frame::{STREAMS, stream_index};
use fleet_units::log_record::Stream;
use fleet_units::time::Timestamp;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::io::Errno;

use super::poll::{Poll, Source};
use super::shared::Use;
use crate::logs::spool::{Spool, SpoolWriter};

/// The time now, as log frames carry it.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_micros().try_into().unwrap_or_default())
}

/// The reading end of one stream of one process.
struct Pipe {
    /// The process's slot.
    place: Use,
    reader: OwnedFd,
    unit: UnitName,
    stream: Stream,
    invocation: InvocationId,
    /// An earlier logger read it, and may have left a line open.
    inherited: bool,
}

/// All pipes.
pub(crate) struct Output {
    spool: Spool,
    writers: BTreeMap<UnitName, SpoolWriter>,
    /// By [`number`].
    pipes: BTreeMap<u64, Pipe>,
    /// Pipes that were closed and are not told yet.
    closed: Vec<(Use, Stream)>,
}

/// What a read found.
enum Read {
    Some(usize),
    Nothing,
    End,
}

/// Names a pipe; never used twice.
fn number(place: Use, stream: Stream) -> u64 {
    place.serial << 2 | stream_index(stream) as u64
}

/// The use of the slot a pipe belongs to.
pub(crate) fn serial(number: u64) -> u64 {
    number >> 2
}

impl Output {
    pub(crate) fn new(spool: Spool) -> Self {
        Self { spool, writers: BTreeMap::new(), pipes: BTreeMap::new(), closed: Vec::new() }
    }

    /// Reads `reader`, which must not block, from now on. With it goes whether an earlier logger has read it.
    pub(crate) fn add(
        &mut self,
        poll: &Poll,
        place: Use,
        unit: &UnitName,
        stream: Stream,
        invocation: &str,
        (reader, inherited): (OwnedFd, bool),
    ) -> io::Result<()> {
        let number = number(place, stream);
        poll.add(&reader, Source::Pipe(number))?;
        let invocation = invocation_id(invocation);
        self.pipes.insert(number, Pipe { place, reader, unit: unit.clone(), stream, invocation, inherited });
        Ok(())
    }

    /// Makes whole what a killed logger left half written of this unit: opening its spool does.
    pub(crate) fn repair(&mut self, unit: &UnitName) {
        writer(&mut self.writers, &self.spool, unit);
        self.writers.remove(unit); // opened again when it is needed
    }

    /// Whether a pipe of the process in this slot is open.
    pub(crate) fn has(&self, place: Use) -> bool {
        STREAMS.into_iter().any(|stream| self.pipes.contains_key(&number(place, stream)))
    }

    /// Pipes that were closed since the last call.
    pub(crate) fn take_closed(&mut self) -> Vec<(Use, Stream)> {
        std::mem::take(&mut self.closed)
    }

    /// A pipe has something to read, or its last writer is gone.
    pub(crate) fn readable(&mut self, poll: &Poll, number: u64) {
        if let Read::End = self.read(number) {
            self.close(poll, number);
        }
    }

    /// Reads what has been written to the process's pipes until now. What is written meanwhile comes later, so a unit that
    /// never stops writing holds nobody up.
    pub(crate) fn drain(&mut self, poll: &Poll, place: Use) {
        for stream in STREAMS {
            self.drain_one(poll, number(place, stream));
        }
    }

    fn drain_one(&mut self, poll: &Poll, number: u64) {
        let Some(pipe) = self.pipes.get(&number) else { return };
        let mut left = waiting(&pipe.reader);
        // Once more when all is read: that finds the end, if this was the last writer.
        loop {
            match self.read(number) {
                Read::End => return self.close(poll, number),
                Read::Nothing => return,
                Read::Some(count) if count >= left => left = 0,
                Read::Some(count) => left -= count,
            }
            if left == 0 {
                let ended = self.pipes.get(&number).is_some_and(|pipe| is_at_end(&pipe.reader));
                return if ended {
                    self.close(poll, number)
                };
            }
        }
    }

    fn read(&mut self, number: u64) -> Read {
        let Some(pipe) = self.pipes.get(&number) else { return Read::Nothing };
        match waiting(&pipe.reader) {
            0 if is_at_end(&pipe.reader) => return Read::End,
            0 => return Read::Nothing,
            _ => {}
        }
        let moved = match writer(&mut self.writers, &self.spool, &pipe.unit) {
            Some(writer) => writer.splice(pipe.stream, pipe.invocation, now(), pipe.reader.as_fd()),
            None => rustix::io::read(&pipe.reader, &mut [0; 4096]).map_err(Into::into), // the unit must not wait for ever
        };
        match moved {
            Ok(0) => Read::End,
            Ok(count) => Read::Some(count),
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::AGAIN | Errno::INTR)) => Read::Nothing,
            Err(_) => Read::End,
        }
    }

    fn close(&mut self, poll: &Poll, number: u64) {
        let Some(pipe) = self.pipes.remove(&number) else { return };
        // The guard has a copy, which would keep it watched.
        poll.remove(&pipe.reader);
        self.closed.push((pipe.place, pipe.stream));
        if pipe.inherited {
            writer(&mut self.writers, &self.spool, &pipe.unit); // it knows which lines are open
        }
        let mut others = self.pipes.values().filter(|other| other.unit == pipe.unit).peekable();
        if others.peek().is_none() {
            // Nothing is kept for a unit that does not run.
            if let Some(mut writer) = self.writers.remove(&pipe.unit) {
                STREAMS.into_iter().for_each(|stream| writer.finish(stream, now()));
            }
        } else if others.all(|other| other.stream != pipe.stream)
            && let Some(writer) = self.writers.get_mut(&pipe.unit)
        {
            writer.finish(pipe.stream, now());
        }
    }

    /// Reads what is left everywhere and closes all.
    pub(crate) fn finish(&mut self, poll: &Poll) {
        let numbers: Vec<u64> = self.pipes.keys().copied().collect();
        for number in numbers {
            self.drain_one(poll, number);
            self.close(poll, number);
        }
    }
}

/// Bytes in the pipe.
fn waiting(reader: &OwnedFd) -> usize {
    usize::try_from(rustix::io::ioctl_fionread(reader).unwrap_or(0)).unwrap_or(0)
}

/// No writer is left and nothing is in it.
fn is_at_end(reader: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut polled, PollTimeout::ZERO).is_ok_and(|count| count > 0);
    let flags = polled[0].revents().unwrap_or(PollFlags::empty());
    ready && flags.contains(PollFlags::POLLHUP) && !flags.contains(PollFlags::POLLIN)
}

/// Ids of another form than ours are logged as none.
fn invocation_id(text: &str) -> InvocationId {
    text.parse().unwrap_or(InvocationId(0))
}

/// The unit's writer, opened when it is first needed. A spool that cannot be opened costs the output, which is said,
/// never the unit.
fn writer<'a>(
    writers: &'a mut BTreeMap<UnitName, SpoolWriter>,
    spool: &Spool,
    unit: &UnitName,
) -> Option<&'a mut SpoolWriter> {
    if !writers.contains_key(unit) {
        match spool.writer(unit) {
            Ok(writer) => drop(writers.insert(unit.clone(), writer)),
            Err(error) => {
                tracing::error!(unit = %unit, %error, "output is lost: the spool cannot be opened");
                return None;
            }
        }
    }
    writers.get_mut(unit)
}

//! What units write: from their pipes into the spool.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

use fleet_units::ids::{InvocationId, UnitName};
use fleet_units::log_record::Stream;
use fleet_units::time::Timestamp;
use rustix::io::Errno;

use super::poll::{Poll, Source};
use super::shared::Use;
use crate::logs::spool::{CHUNK, Spool, SpoolWriter};

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
}

/// All pipes, with one buffer for all of them.
pub(crate) struct Output {
    spool: Spool,
    writers: BTreeMap<UnitName, SpoolWriter>,
    pipes: BTreeMap<u64, Pipe>,
    last: u64,
    buffer: Vec<u8>,
    /// Slots of pipes that were closed.
    closed: Vec<Use>,
}

/// What a read found.
enum Read {
    Some(usize),
    Nothing,
    End,
}

impl Output {
    pub(crate) fn new(spool: Spool) -> Self {
        Self {
            spool,
            writers: BTreeMap::new(),
            pipes: BTreeMap::new(),
            last: 0,
            buffer: vec![0; CHUNK],
            closed: Vec::new(),
        }
    }

    /// Reads `reader`, which must not block, from now on.
    pub(crate) fn add(
        &mut self,
        poll: &Poll,
        place: Use,
        unit: &UnitName,
        stream: Stream,
        invocation: &str,
        reader: OwnedFd,
    ) -> io::Result<()> {
        self.last += 1;
        poll.add(&reader, Source::Pipe(self.last))?;
        let invocation = invocation_id(invocation);
        self.pipes.insert(self.last, Pipe { place, reader, unit: unit.clone(), stream, invocation });
        Ok(())
    }

    /// Whether a pipe of the process in this slot is open.
    pub(crate) fn has(&self, place: Use) -> bool {
        self.pipes.values().any(|pipe| pipe.place == place)
    }

    /// Slots of which a pipe was closed since the last call.
    pub(crate) fn take_closed(&mut self) -> Vec<Use> {
        std::mem::take(&mut self.closed)
    }

    /// A pipe has something to read, or its last writer is gone.
    pub(crate) fn readable(&mut self, poll: &Poll, number: u64) {
        if let Read::End = self.read(number) {
            self.close(poll, number);
        }
    }

    /// Reads what the unit's processes have written until now. What they write meanwhile comes later, so a unit that
    /// never stops writing holds nobody up.
    pub(crate) fn drain(&mut self, poll: &Poll, unit: &str) {
        let of_unit = self.pipes.iter().filter(|(_, pipe)| pipe.unit.as_str() == unit);
        let numbers: Vec<u64> = of_unit.map(|(number, _)| *number).collect();
        for number in numbers {
            self.drain_one(poll, number);
        }
    }

    fn drain_one(&mut self, poll: &Poll, number: u64) {
        let Some(pipe) = self.pipes.get(&number) else { return };
        let mut left = usize::try_from(rustix::io::ioctl_fionread(&pipe.reader).unwrap_or(0)).unwrap_or(0);
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
        match rustix::io::read(&pipe.reader, &mut self.buffer[..]) {
            Ok(0) => Read::End,
            Ok(count) => {
                if let Some(writer) = writer(&mut self.writers, &self.spool, &pipe.unit) {
                    writer.append(pipe.stream, pipe.invocation, now(), &self.buffer[..count]);
                }
                Read::Some(count)
            }
            Err(Errno::AGAIN | Errno::INTR) => Read::Nothing,
            Err(_) => Read::End,
        }
    }

    fn close(&mut self, poll: &Poll, number: u64) {
        let Some(pipe) = self.pipes.remove(&number) else { return };
        poll.remove(&pipe.reader);
        self.closed.push(pipe.place);
        let mut others = self.pipes.values().filter(|other| other.unit == pipe.unit).peekable();
        if others.peek().is_none() {
            // Nothing is kept for a unit that does not run.
            if let Some(mut writer) = self.writers.remove(&pipe.unit) {
                writer.finish(Stream::Stdout, now());
                writer.finish(Stream::Stderr, now());
            }
        } else if others.all(|other| other.stream != pipe.stream)
            && let Some(writer) = self.writers.get_mut(&pipe.unit)
        {
            writer.finish(pipe.stream, now());
        }
    }

    /// Adds a line of the node daemon's own.
    pub(crate) fn write_line(&mut self, unit: &UnitName, invocation: &str, text: &str) {
        let kept = self.pipes.values().any(|pipe| pipe.unit == *unit);
        if let Some(writer) = writer(&mut self.writers, &self.spool, unit) {
            writer.append(Stream::Fleet, invocation_id(invocation), now(), format!("{text}\n").as_bytes());
        }
        if !kept {
            self.writers.remove(unit);
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

/// No writer is left and nothing is in it.
fn is_at_end(reader: &OwnedFd) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
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

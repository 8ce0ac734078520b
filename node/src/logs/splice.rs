//! From a pipe into the spool without a stop on the way: a logger that is killed loses nothing and doubles nothing.
//!
//! Bytes that were read and not yet written would be lost with their reader. So they move inside the kernel (splice(2)),
//! and what says that they are there is written before:
//!
//! 1. a header that announces more than will come: no reader takes the frame for whole
//! 2. splice: the bytes leave the pipe as they arrive in the file
//! 3. the header again, with the length, lines and checksum of what came
//!
//! Killed between 1 and 3, the writer leaves a torn frame; the next one shortens its header to what is there
//! (`SpoolWriter::recover`). The file must not be open for appending, which splice refuses.

use super::spool::{Live, SpoolWriter, is_full};
use crate::keeper::point::point;
use fleet_units::ids::InvocationId;
use fleet_units::log_frame::{FrameHeader, HEADER_LEN, MAX_PAYLOAD};
use fleet_units::log_record::Stream;
use fleet_units::time::Timestamp;
use rustix::pipe::{SpliceFlags, splice};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

/// One byte less than is announced.
const MOST: usize = MAX_PAYLOAD - 1;

impl SpoolWriter {
    /// Moves what is in `pipe`, at most as much as fits a frame, into the spool. `time` is when it is read. Gives the
    /// number of bytes; 0: the pipe has no writer any more. What a full or broken disk refuses is read and counted as lost.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing in the pipe; others as splice(2).
    pub fn splice(
        &mut self,
        stream: Stream,
        invocation: InvocationId,
        time: Timestamp,
        pipe: BorrowedFd<'_>,
    ) -> io::Result<usize> {
        let waiting = usize::try_from(rustix::io::ioctl_fionread(pipe)?).unwrap_or(MOST);
        let most = waiting.clamp(1, MOST);
        self.make_room(time, HEADER_LEN + most);
        loop {
            let Some(live) = &mut self.live else { return self.lose(stream, invocation, time, pipe) };
            let announced = self.numberer.announce(stream, invocation, time);
            match live.splice(&announced, pipe, most) {
                Ok(None) => return Ok(0),
                Ok(Some(header)) => {
                    self.numberer.count(&header);
                    return Ok(header.length as usize);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(error) if is_full(&error) && self.spool.drop_oldest() => {}
                Err(_) => return self.lose(stream, invocation, time, pipe),
            }
        }
    }

    /// Reads what cannot be stored, so that whoever writes does not wait for ever.
    fn lose(
        &mut self,
        stream: Stream,
        invocation: InvocationId,
        time: Timestamp,
        pipe: BorrowedFd<'_>,
    ) -> io::Result<usize> {
        let mut bytes = vec![0; MOST];
        let count = rustix::io::read(pipe, &mut bytes[..])?;
        if count > 0 {
            let header = self.numberer.header(stream, invocation, time, &bytes[..count]);
            self.lost_lines += u64::from(header.lines);
        }
        Ok(count)
    }
}

impl Live {
    /// `None`: the pipe has no writer any more. On an error nothing of the frame stays.
    fn splice(
        &mut self,
        announced: &FrameHeader,
        pipe: BorrowedFd<'_>,
        most: usize,
    ) -> io::Result<Option<FrameHeader>> {
        let result = self.splice_frame(announced, pipe, most);
        match &result {
            Ok(Some(header)) => self.end += header.frame_len() as u64,
            // If this fails as well, the next frame overwrites what is there, and readers wait for whole frames.
            Ok(None) | Err(_) => drop(self.file.set_len(self.end)),
        }
        result
    }

    fn splice_frame(
        &self,
        announced: &FrameHeader,
        pipe: BorrowedFd<'_>,
        most: usize,
    ) -> io::Result<Option<FrameHeader>> {
        self.file.write_all_at(&announced.encode(), self.end)?;
        point("log-announced");
        let start = self.end + HEADER_LEN as u64;
        let mut offset = start;
        let count = splice(pipe, None, &self.file, Some(&mut offset), most, SpliceFlags::NONBLOCK)?;
        if count == 0 {
            return Ok(None);
        }
        point("log-moved");
        let mut payload = vec![0; count];
        self.file.read_exact_at(&mut payload, start)?;
        let Some(header) = announced.shortened(&payload) else { return Ok(None) };
        self.file.write_all_at(&header.encode(), self.end)?;
        point("log-written");
        Ok(Some(header))
    }
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;

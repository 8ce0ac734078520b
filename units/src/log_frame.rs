//! How log bytes lie in a spool, on the wire and in the coordinator's store: frames, version 1.
//!
//! The node's supervisor makes frames ([`Numberer`]), the agent ships them as they are, the coordinator keeps
//! them, and whoever reads cuts them into lines ([`LineSplitter`]). A frame is one chunk as it came from a pipe:
//!
//! ```text
//! 0  magic "Fl"   2  version u8   3  stream u8    4  flags u16   6  zero u16   8  length u32   12 lines u32
//! 16 time u64     24 sequence u64 32 number u64   40 invocation u128           56 payload crc  60 header crc
//! 64 payload, `length` bytes                                        (little endian; CRC-32 as in IEEE 802.3)
//! ```
//!
//! **Two counters.** `number` counts frames: every frame has its own, so it says what is stored already, also
//! of a line that is still open. `sequence` counts lines, of all streams of the unit together, **when they
//! end**: a frame's lines have the numbers `sequence .. sequence + lines`. So records come in the order of
//! their numbers, though two streams write halves of lines in turn. Both counters go on where a frame was
//! dropped: a gap is exactly what is lost.
//!
//! **Lines across frames.** A chunk that does not end with a newline leaves its stream's line open (`OPEN`); the
//! next frame of the stream continues it (`CONTINUES`) or, because the line is too long, the process is another
//! one or the pipe is closed, ends it where it is (`CUT`: that line has the frame's first number). The flags
//! make every frame readable by its header alone: a reader may start at any of them.

use crate::ids::InvocationId;
use crate::log_record::Stream;
use crate::time::Timestamp;

mod split;
#[cfg(test)]
mod tests;

pub use split::{Line, LineSplitter};

/// Bytes of a frame's header.
pub const HEADER_LEN: usize = 64;
/// Most bytes of payload in one frame: with its header it fits a message of 64 KiB.
pub const MAX_PAYLOAD: usize = 60 * 1024;
/// A line is cut before it has more bytes than this.
pub const MAX_LINE: usize = 1 << 20;
/// No counter goes beyond this, so that sums cannot overflow.
pub const MAX_COUNT: u64 = 1 << 60;

const MAGIC: [u8; 2] = *b"Fl";
const VERSION: u8 = 1;
const CONTINUES: u16 = 1;
const CUT: u16 = 2;
const OPEN: u16 = 4;
const CHECKED: u16 = 8;

/// All streams, in the order of their codes.
pub const STREAMS: [Stream; 3] = [Stream::Stdout, Stream::Stderr, Stream::Fleet];

/// Position of a stream in [`STREAMS`], also its bit in masks of streams.
#[must_use]
pub fn stream_index(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
        Stream::Fleet => 2,
    }
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first bytes are not those of a frame.
    #[error("not a log frame")]
    Magic,
    /// A frame of a later version.
    #[error("log frame of version {0}, this program reads version 1")]
    Version(u8),
    /// The header does not have the checksum it carries.
    #[error("damaged header of a log frame")]
    Header,
    /// The payload does not have the checksum the header carries.
    #[error("damaged payload of log frame {0}")]
    Payload(u64),
    /// The header says what cannot be.
    #[error("log frame {0} contradicts itself: {1}")]
    Contradiction(u64, &'static str),
    /// The bytes end inside a frame.
    #[error("the bytes end inside a log frame")]
    Incomplete,
}

/// What a frame says about its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Where the chunk came from.
    pub stream: Stream,
    /// The payload goes on with the line its stream left open.
    pub continues: bool,
    /// The line its stream left open ends before this payload, without a newline.
    pub cut: bool,
    /// The payload's last line is not finished.
    pub open: bool,
    /// CRC-32 of the payload; `None` where the writer did not see the bytes.
    pub payload_crc: Option<u32>,
    /// Bytes of payload.
    pub length: u32,
    /// Lines that end in this frame, a cut one included.
    pub lines: u32,
    /// When the chunk was read.
    pub time: Timestamp,
    /// The number of the first line that ends in this frame or, when none does, after it.
    pub sequence: u64,
    /// The frame's own number.
    pub number: u64,
    /// The start of the unit the chunk belongs to.
    pub invocation: InvocationId,
}

impl FrameHeader {
    /// The number of the first line that ends after this frame.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.sequence + u64::from(self.lines)
    }

    /// Bytes of header and payload.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        HEADER_LEN + self.length as usize
    }

    /// The header as stored.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let flag = |set: bool, bit: u16| if set { bit } else { 0 };
        let flags = flag(self.continues, CONTINUES)
            | flag(self.cut, CUT)
            | flag(self.open, OPEN)
            | flag(self.payload_crc.is_some(), CHECKED);
        bytes[0..2].copy_from_slice(&MAGIC);
        bytes[2] = VERSION;
        bytes[3] = stream_index(self.stream) as u8 + 1;
        bytes[4..6].copy_from_slice(&flags.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.lines.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.time.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.number.to_le_bytes());
        bytes[40..56].copy_from_slice(&self.invocation.0.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.payload_crc.unwrap_or(0).to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header at the start of `bytes`; [`FrameError::Incomplete`] when they are fewer than [`HEADER_LEN`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let Some(bytes) = bytes.first_chunk::<HEADER_LEN>() else { return Err(FrameError::Incomplete) };
        if bytes[0..2] != MAGIC {
            return Err(FrameError::Magic);
        }
        if bytes[2] != VERSION {
            return Err(FrameError::Version(bytes[2]));
        }
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        if crc32fast::hash(&bytes[..60]) != u32_at(60) {
            return Err(FrameError::Header);
        }
        let number = u64_at(32);
        let flags = u16::from_le_bytes([bytes[4], bytes[5]]);
        let Some(&stream) = STREAMS.get(usize::from(bytes[3].wrapping_sub(1))) else {
            return Err(FrameError::Contradiction(number, "an unknown stream"));
        };
        let header = FrameHeader {
            stream,
            continues: flags & CONTINUES != 0,
            cut: flags & CUT != 0,
            open: flags & OPEN != 0,
            payload_crc: (flags & CHECKED != 0).then(|| u32_at(56)),
            length: u32_at(8),
            lines: u32_at(12),
            time: Timestamp(u64_at(16)),
            sequence: u64_at(24),
            number,
            invocation: InvocationId(u128::from_le_bytes(bytes[40..56].try_into().expect("sixteen bytes"))),
        };
        header.check(flags)?;
        Ok(header)
    }

    fn check(&self, flags: u16) -> Result<(), FrameError> {
        let wrong = |why| Err(FrameError::Contradiction(self.number, why));
        if flags & !(CONTINUES | CUT | OPEN | CHECKED) != 0 {
            return wrong("an unknown flag");
        }
        if self.length as usize > MAX_PAYLOAD {
            return wrong("too long");
        }
        if self.lines > self.length + u32::from(self.cut) {
            return wrong("more lines than bytes");
        }
        if self.continues && self.cut {
            return wrong("it both continues and ends a line");
        }
        if self.sequence > MAX_COUNT || self.number > MAX_COUNT {
            return wrong("a number beyond all bounds");
        }
        Ok(())
    }

    /// The header of the same frame when only `payload`, its beginning, is there: repairs a torn tail without
    /// giving up bytes. `None` when nothing is left to keep.
    #[must_use]
    pub fn shortened(&self, payload: &[u8]) -> Option<FrameHeader> {
        if payload.is_empty() && !self.cut {
            return None;
        }
        Some(FrameHeader {
            open: payload.last().is_some_and(|&b| b != b'\n'),
            payload_crc: Some(crc32fast::hash(payload)),
            length: u32::try_from(payload.len()).expect("shorter than a frame"),
            lines: newlines(payload) + u32::from(self.cut),
            ..*self
        })
    }
}

/// Lines that end in `payload`; it has at most [`MAX_PAYLOAD`] bytes.
fn newlines(payload: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', payload).count()).expect("a payload is shorter than 4 GiB")
}

/// A frame: header and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it says of itself.
    pub header: FrameHeader,
    /// The chunk.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the frame at the start of `bytes` and checks everything in it.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let header = FrameHeader::decode(bytes)?;
        let Some(payload) = bytes.get(HEADER_LEN..header.frame_len()) else { return Err(FrameError::Incomplete) };
        if header.payload_crc.is_some_and(|crc| crc != crc32fast::hash(payload)) {
            return Err(FrameError::Payload(header.number));
        }
        if header.lines != newlines(payload) + u32::from(header.cut) {
            return Err(FrameError::Contradiction(header.number, "its count of lines is not that of its bytes"));
        }
        if header.open != payload.last().is_some_and(|&b| b != b'\n') {
            return Err(FrameError::Contradiction(header.number, "whether its last line is finished"));
        }
        Ok(Frame { header, payload })
    }
}

/// The frames in `bytes`, one after another; ends after the first error.
pub fn frames(bytes: &[u8]) -> impl Iterator<Item = Result<Frame<'_>, FrameError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let frame = Frame::decode(rest);
        rest = frame.as_ref().map_or(&[], |frame| &rest[frame.header.frame_len()..]);
        Some(frame)
    })
}

/// A line that has begun and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OpenLine {
    invocation: InvocationId,
    /// At least its bytes so far.
    length: usize,
}

/// Gives out headers: counts frames and lines of one unit and knows which lines are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numberer {
    next_sequence: u64,
    next_number: u64,
    open: [Option<OpenLine>; 3],
}

impl Default for Numberer {
    fn default() -> Self {
        Numberer::starting_at(1, 1)
    }
}

impl Numberer {
    /// Counts on from these numbers, with no line open.
    #[must_use]
    pub fn starting_at(next_sequence: u64, next_number: u64) -> Self {
        Numberer { next_sequence, next_number, open: [None; 3] }
    }

    /// Counts on where the streams in `mask` (bits as in [`stream_index`]) have open lines of which no more is
    /// known: what follows ends them.
    #[must_use]
    pub fn resuming(next_sequence: u64, next_number: u64, mask: u8) -> Self {
        let unknown = OpenLine { invocation: InvocationId(0), length: MAX_LINE };
        let open = std::array::from_fn(|index| (mask & (1 << index) != 0).then_some(unknown));
        Numberer { next_sequence, next_number, open }
    }

    /// The streams that have an open line, one bit each as in [`stream_index`].
    #[must_use]
    pub fn open_mask(&self) -> u8 {
        (0..3).filter(|&index| self.open[index].is_some()).fold(0, |mask, index| mask | 1 << index)
    }

    /// The number the next line to end will have.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// The number of the next frame.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// The header for `payload` (1 to [`MAX_PAYLOAD`] bytes), counted as written. A caller that then cannot write
    /// the frame drops it: the numbers stay used, which is how readers learn what is lost.
    pub fn header(&mut self, stream: Stream, invocation: InvocationId, time: Timestamp, payload: &[u8]) -> FrameHeader {
        debug_assert!((1..=MAX_PAYLOAD).contains(&payload.len()));
        let open = self.open[stream_index(stream)];
        let first = memchr::memchr(b'\n', payload).unwrap_or(payload.len());
        let fits = |line: &OpenLine| line.invocation == invocation && line.length + first <= MAX_LINE;
        let continues = open.as_ref().is_some_and(fits);
        let cut = open.is_some() && !continues;
        let header = FrameHeader {
            stream,
            continues,
            cut,
            open: payload.last().is_some_and(|&b| b != b'\n'),
            payload_crc: Some(crc32fast::hash(payload)),
            length: u32::try_from(payload.len()).expect("at most MAX_PAYLOAD"),
            lines: newlines(payload) + u32::from(cut),
            time,
            sequence: self.next_sequence,
            number: self.next_number,
            invocation,
        };
        self.count(&header);
        header
    }

    /// The header that is written before a payload of fewer than [`MAX_PAYLOAD`] bytes is known: it announces that many, so
    /// that nobody takes the frame for whole. [`FrameHeader::shortened`] makes the final one of it, which is to be counted.
    #[must_use]
    pub fn announce(&self, stream: Stream, invocation: InvocationId, time: Timestamp) -> FrameHeader {
        let open = self.open[stream_index(stream)];
        // The payload's first line may be as long as the payload.
        let continues = open.is_some_and(|line| line.invocation == invocation && line.length + MAX_PAYLOAD <= MAX_LINE);
        let cut = open.is_some() && !continues;
        FrameHeader {
            stream,
            continues,
            cut,
            open: true,
            payload_crc: None,
            length: u32::try_from(MAX_PAYLOAD).expect("far below 4 GiB"),
            lines: u32::from(cut),
            time,
            sequence: self.next_sequence,
            number: self.next_number,
            invocation,
        }
    }

    /// The header of an empty frame that ends the open line of `stream`; `None` when none is open.
    pub fn finish(&mut self, stream: Stream, time: Timestamp) -> Option<FrameHeader> {
        let open = self.open[stream_index(stream)]?;
        let header = FrameHeader {
            stream,
            continues: false,
            cut: true,
            open: false,
            payload_crc: None,
            length: 0,
            lines: 1,
            time,
            sequence: self.next_sequence,
            number: self.next_number,
            invocation: open.invocation,
        };
        self.count(&header);
        Some(header)
    }

    /// Takes note of a frame that is stored: also how a writer that was started again finds its place.
    pub fn count(&mut self, header: &FrameHeader) {
        let open = &mut self.open[stream_index(header.stream)];
        let before = open.filter(|_| header.continues).map_or(0, |line| line.length);
        // A newline inside resets the length; counting it whole only makes the cut come earlier.
        let length = if header.lines > 0 { 0 } else { before } + header.length as usize;
        *open = header.open.then_some(OpenLine { invocation: header.invocation, length });
        self.next_sequence = header.next_sequence();
        self.next_number = header.number + 1;
    }
}

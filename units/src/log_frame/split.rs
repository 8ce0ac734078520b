//! Frames to lines.

use super::{Frame, MAX_LINE, MAX_PAYLOAD, stream_index};
use crate::ids::InvocationId;
use crate::log_record::Stream;
use crate::time::Timestamp;

/// One line, borrowed for as long as it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When its first byte was read from the pipe.
    pub time: Timestamp,
    /// Which descriptor.
    pub stream: Stream,
    /// Its number.
    pub sequence: u64,
    /// The start of the unit it belongs to.
    pub invocation: InvocationId,
    /// Its bytes without the newline.
    pub message: &'a [u8],
}

#[derive(Clone, Debug)]
struct Head {
    time: Timestamp,
    invocation: InvocationId,
    bytes: Vec<u8>,
}

/// Joins chunks into lines. Start it at any frame: a line whose beginning lies before that comes out with the
/// bytes that are there and the number it always has.
#[derive(Clone, Debug, Default)]
pub struct LineSplitter {
    heads: [Option<Head>; 3],
    /// Number of the next frame and of the next line, once a frame was seen.
    next: Option<(u64, u64)>,
}

impl LineSplitter {
    /// Whether a line has begun that has not ended.
    #[must_use]
    pub fn has_open_line(&self) -> bool {
        self.heads.iter().any(Option::is_some)
    }

    /// Bytes kept of lines that have begun and not ended.
    #[must_use]
    pub fn open_bytes(&self) -> usize {
        self.heads.iter().flatten().map(|head| head.bytes.len()).sum()
    }

    /// The number of the next line to end, if the frames follow without a gap.
    #[must_use]
    pub fn next_sequence(&self) -> Option<u64> {
        self.next.map(|(_, sequence)| sequence)
    }

    /// Takes the next frame of a unit and tells `emit` the lines that end in it, in the order of their numbers.
    pub fn push(&mut self, frame: &Frame<'_>, mut emit: impl FnMut(Line<'_>)) {
        let header = &frame.header;
        if let Some((number, sequence)) = self.next
            && number != header.number
        {
            self.over_a_gap(sequence, header.sequence, &mut emit);
        }
        self.next = Some((header.number + 1, header.next_sequence()));
        let mut sequence = header.sequence;
        let head = &mut self.heads[stream_index(header.stream)];
        if !header.continues {
            // Without `cut` there is no head unless frames are missing; then nobody knows its number.
            if let Some(head) = head.take()
                && header.cut
            {
                emit(head.line(header.stream, sequence));
            }
            sequence += u64::from(header.cut);
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', frame.payload) {
            let piece = &frame.payload[start..end];
            match head.take() {
                Some(mut head) => {
                    head.extend(piece);
                    emit(head.line(header.stream, sequence));
                }
                None => emit(Line {
                    time: header.time,
                    stream: header.stream,
                    sequence,
                    invocation: header.invocation,
                    message: piece,
                }),
            }
            sequence += 1;
            start = end + 1;
        }
        if start < frame.payload.len() {
            head.get_or_insert_with(|| Head { time: header.time, invocation: header.invocation, bytes: Vec::new() })
                .extend(&frame.payload[start..]);
        }
    }

    /// Frames are missing: lines `from .. to` ended in them. What was begun before comes out under those numbers,
    /// as it cannot be told apart from what follows; with no line ended in between, it is still open.
    fn over_a_gap(&mut self, from: u64, to: u64, emit: &mut impl FnMut(Line<'_>)) {
        let mut sequence = from;
        for stream in super::STREAMS {
            if sequence >= to {
                return;
            }
            if let Some(head) = self.heads[stream_index(stream)].take() {
                emit(head.line(stream, sequence));
                sequence += 1;
            }
        }
    }
}

impl Head {
    fn line(&self, stream: Stream, sequence: u64) -> Line<'_> {
        Line { time: self.time, stream, sequence, invocation: self.invocation, message: &self.bytes }
    }

    /// Adds bytes; a writer that never cuts (not ours) does not make memory grow.
    fn extend(&mut self, bytes: &[u8]) {
        let room = (MAX_LINE + MAX_PAYLOAD).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

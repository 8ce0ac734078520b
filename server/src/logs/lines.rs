//! Blocks of one source to lines, with what is missing between them.

use super::block::Block;
use super::query::{Item, Range};
use fleet_units::log_frame::{LineSplitter, frames};
use fleet_units::log_record::LogRecord;

/// Bytes of unfinished lines that may stay in memory between blocks; more are read again.
const KEEP_OPEN: usize = 4096;

/// Reads one source's blocks in order.
#[derive(Debug, Default)]
pub(crate) struct SourceLines {
    splitter: LineSplitter,
    /// The number the next line should have, once one was seen.
    expected: Option<u64>,
    primed: bool,
}

impl SourceLines {
    /// Whether the beginnings of lines this block ends have to be read first ([`SourceLines::prime`]).
    pub(crate) fn needs_priming(&self, block: &Block) -> bool {
        !self.primed && block.header.continues != 0
    }

    pub(crate) fn has_open_line(&self) -> bool {
        self.splitter.has_open_line()
    }

    /// Takes an earlier block, whose own lines are not wanted.
    pub(crate) fn prime(&mut self, block: &Block) {
        for frame in frames(&block.frames).map_while(Result::ok) {
            self.splitter.push(&frame, |_| {});
        }
        self.primed = true;
    }

    /// Tells `emit` the lines that end in `block` and lie in `range`, and before each how many are lost, also
    /// before the first block that is read.
    pub(crate) fn push(&mut self, block: &Block, range: Range, mut emit: impl FnMut(Item)) {
        let header = &block.header;
        self.expected.get_or_insert(header.first_sequence.saturating_sub(header.lost));
        self.primed = true;
        let boot_id = format!("{:032x}", header.boot_id);
        for frame in frames(&block.frames).map_while(Result::ok) {
            self.splitter.push(&frame, |line| {
                let sequence = line.sequence + header.shift;
                let lost = self.expected.map_or(0, |expected| sequence.saturating_sub(expected));
                self.expected = Some(sequence + 1);
                if !range.contains(line.time.0) {
                    return;
                }
                if lost > 0 {
                    emit(Item::Lost(header.source.clone(), lost));
                }
                emit(Item::Line(LogRecord {
                    time: line.time,
                    node: header.source.node.clone(),
                    unit: header.source.unit.clone(),
                    stream: line.stream,
                    sequence,
                    message: line.message.to_vec(),
                    boot_id: boot_id.clone(),
                    invocation_id: line.invocation,
                }));
            });
        }
    }

    /// Gives up long unfinished lines, so that many sources stay small; they are primed again when they go on.
    pub(crate) fn slim(&mut self) {
        if self.splitter.open_bytes() > KEEP_OPEN {
            self.splitter = LineSplitter::default();
            self.primed = false;
        }
    }
}

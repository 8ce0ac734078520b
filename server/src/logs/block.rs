//! One stored batch: a header, the names of node and unit, and frames as the node made them. Version 1.
//!
//! ```text
//! 0 magic "FlB1"  4 crc of all that follows u32   8 length u32   12 node len u8  13 unit len u8
//! 14 continues u8 15 starts u8   16 lineage u64   24 boot id u128   40 first frame u64  48 next frame u64
//! 56 first sequence u64  64 next sequence u64  72 shift u64  80 lost u64  88 earliest u64  96 latest u64
//! 104 segment of the block before u64  112 its offset u64  120 zero u64  128 node, unit, frames
//! ```

use super::Source;
use fleet_units::log_frame::{Frame, stream_index};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a block's header.
pub const BLOCK_HEADER_LEN: usize = 128;
/// No block is longer: names and what one message may hold.
pub const MAX_BLOCK: usize = 1 << 20;
const MAGIC: &[u8; 4] = b"FlB1";

/// A place in an environment's segments. Segments count from 1; segment 0 means nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Which segment.
    pub segment: u64,
    /// Bytes from its start.
    pub offset: u64,
}

/// What a block says of itself. Sequences have the shift in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Whose lines.
    pub source: Source,
    /// Streams (bits as in `stream_index`) whose first frame here continues a line of an earlier block.
    pub continues: u8,
    /// Streams in which a line or the whole stream begins here: nothing before is needed for what comes after.
    pub starts: u8,
    /// The run of frame numbers.
    pub lineage: u64,
    /// The node's boot.
    pub boot_id: u128,
    /// Number of the first frame.
    pub first_frame: u64,
    /// One after the last frame.
    pub next_frame: u64,
    /// Number of the first line that ends here.
    pub first_sequence: u64,
    /// One after the last line that ends here.
    pub next_sequence: u64,
    /// Added to the numbers in the frames.
    pub shift: u64,
    /// Lines that are gone between the block before and this one.
    pub lost: u64,
    /// Earliest time of a frame, microseconds since 1970.
    pub earliest: u64,
    /// Latest time of a frame.
    pub latest: u64,
    /// The block of the same source before this one.
    pub before: Place,
}

/// A block as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it says of itself.
    pub header: BlockHeader,
    /// The frames; checked by the block's checksum and, when they came, one by one.
    pub frames: Vec<u8>,
}

/// Appends a block to `out`.
pub fn encode(header: &BlockHeader, frames: &[u8], out: &mut Vec<u8>) {
    let (node, unit) = (header.source.node.as_str(), header.source.unit.as_str());
    let length = BLOCK_HEADER_LEN + node.len() + unit.len() + frames.len();
    let start = out.len();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&u32::try_from(length).expect("a block is at most MAX_BLOCK").to_le_bytes());
    let name = |len: usize| u8::try_from(len).expect("names have at most 255 bytes");
    out.extend_from_slice(&[name(node.len()), name(unit.len()), header.continues, header.starts]);
    out.extend_from_slice(&header.lineage.to_le_bytes());
    out.extend_from_slice(&header.boot_id.to_le_bytes());
    for number in [
        header.first_frame,
        header.next_frame,
        header.first_sequence,
        header.next_sequence,
        header.shift,
        header.lost,
        header.earliest,
        header.latest,
        header.before.segment,
        header.before.offset,
        0,
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    debug_assert_eq!(out.len() - start, BLOCK_HEADER_LEN);
    out.extend_from_slice(node.as_bytes());
    out.extend_from_slice(unit.as_bytes());
    out.extend_from_slice(frames);
    let crc = crc32fast::hash(&out[start + 8..]).to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&crc);
}

/// The length of the block whose first bytes these are; `None`: this is no block.
fn length(bytes: &[u8; BLOCK_HEADER_LEN]) -> Option<usize> {
    let length = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes")) as usize;
    (bytes[0..4] == *MAGIC && (BLOCK_HEADER_LEN..=MAX_BLOCK).contains(&length)).then_some(length)
}

/// Reads a header whose block is `length` bytes long, with the names behind it.
fn decode(bytes: &[u8]) -> Option<BlockHeader> {
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let node_end = BLOCK_HEADER_LEN + usize::from(bytes[12]);
    let unit_end = node_end + usize::from(bytes[13]);
    let name = |from: usize, to: usize| std::str::from_utf8(bytes.get(from..to)?).ok();
    Some(BlockHeader {
        source: Source {
            node: name(BLOCK_HEADER_LEN, node_end)?.parse().ok()?,
            unit: name(node_end, unit_end)?.parse().ok()?,
        },
        continues: bytes[14],
        starts: bytes[15],
        lineage: u64_at(16),
        boot_id: u128::from_le_bytes(bytes[24..40].try_into().expect("sixteen bytes")),
        first_frame: u64_at(40),
        next_frame: u64_at(48),
        first_sequence: u64_at(56),
        next_sequence: u64_at(64),
        shift: u64_at(72),
        lost: u64_at(80),
        earliest: u64_at(88),
        latest: u64_at(96),
        before: Place { segment: u64_at(104), offset: u64_at(112) },
    })
}

/// Reads the whole block at `offset` and checks it; with it the offset behind it. `None`: there is no whole block.
pub fn read(file: &File, offset: u64) -> io::Result<Option<(Block, u64)>> {
    let mut head = [0; BLOCK_HEADER_LEN];
    if !filled(file.read_exact_at(&mut head, offset))? {
        return Ok(None);
    }
    let Some(length) = length(&head) else { return Ok(None) };
    let mut bytes = vec![0; length];
    if !filled(file.read_exact_at(&mut bytes, offset))? {
        return Ok(None);
    }
    let crc = u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes"));
    if crc32fast::hash(&bytes[8..]) != crc {
        return Ok(None);
    }
    let Some(header) = decode(&bytes) else { return Ok(None) };
    let names = header.source.node.as_str().len() + header.source.unit.as_str().len();
    bytes.drain(..BLOCK_HEADER_LEN + names);
    Ok(Some((Block { header, frames: bytes }, offset + length as u64)))
}

/// Reads only the header of the block at `offset`, unchecked; with it the offset behind the block.
pub fn read_header(file: &File, offset: u64) -> io::Result<Option<(BlockHeader, u64)>> {
    // The longest names; at the end of a file there may be less.
    let mut bytes = [0; BLOCK_HEADER_LEN + 2 * 255];
    let got = file.read_at(&mut bytes, offset)?;
    let Some(head) = bytes[..got].first_chunk::<BLOCK_HEADER_LEN>() else { return Ok(None) };
    let Some(length) = length(head) else { return Ok(None) };
    Ok(decode(&bytes[..got.min(length)]).map(|header| (header, offset + length as u64)))
}

fn filled(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

/// The masks `continues` and `starts` of frames that follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    /// See [`BlockHeader::continues`].
    pub continues: u8,
    /// See [`BlockHeader::starts`].
    pub starts: u8,
    seen: u8,
}

impl Masks {
    /// Takes note of the next frame.
    pub fn add(&mut self, frame: &Frame<'_>) {
        let bit = 1 << stream_index(frame.header.stream);
        if self.seen & bit == 0 && (frame.header.continues || frame.header.cut) {
            self.continues |= bit;
        }
        if !frame.header.continues || frame.header.lines > 0 {
            self.starts |= bit;
        }
        self.seen |= bit;
    }
}

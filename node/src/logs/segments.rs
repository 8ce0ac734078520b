//! The files of one unit's spool, version 1: `<index>.seg`, a header of 64 bytes and then frames
//! (`fleet_units::log_frame`). Indexes only grow; a segment is dropped whole, oldest first.
//!
//! ```text
//! 0 magic "FleetLog"  8 version u32   12 open mask u8, zero   16 lineage u64  24 boot id u128
//! 40 first sequence u64  48 first number u64                  56 created, ms u48  62 crc, 16 bits
//! ```
//! A **lineage** is one unbroken run of the two counters. A host that lost power may have forgotten frames that
//! were shipped already, as nothing is synced here; so each boot, each new spool and each damaged one begins a
//! new lineage, and a receiver knows that equal numbers are not equal frames.

use super::SpoolError;
use fleet_units::log_frame::{FrameError, FrameHeader, HEADER_LEN, Numberer};
use fleet_units::time::Timestamp;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a segment's header.
pub const SEGMENT_HEADER_LEN: usize = 64;
const MAGIC: &[u8; 8] = b"FleetLog";
const VERSION: u32 = 1;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The run of counters its frames belong to.
    pub lineage: u64,
    /// The boot of the host it was written in.
    pub boot_id: u128,
    /// Number of the first line that ends in it.
    pub first_sequence: u64,
    /// Number of its first frame.
    pub first_number: u64,
    /// When it was begun, to the millisecond.
    pub created: Timestamp,
    /// Streams whose lines began before it (bits as in `stream_index`).
    pub open: u8,
}

impl SegmentHeader {
    /// The header as stored.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12] = self.open;
        bytes[16..24].copy_from_slice(&self.lineage.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.boot_id.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.first_number.to_le_bytes());
        bytes[56..62].copy_from_slice(&(self.created.0 / 1000).to_le_bytes()[..6]);
        let crc = short_crc(&bytes);
        bytes[62..64].copy_from_slice(&crc);
        bytes
    }

    /// Reads a header; `Ok(None)` when it is torn or damaged, `Err` with the version when it is a later one.
    pub fn decode(bytes: &[u8; SEGMENT_HEADER_LEN]) -> Result<Option<Self>, u32> {
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        if bytes[0..8] != *MAGIC || bytes[62..64] != short_crc(bytes) {
            return Ok(None);
        }
        let version = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"));
        if version != VERSION {
            return Err(version);
        }
        Ok(Some(SegmentHeader {
            lineage: u64_at(16),
            boot_id: u128::from_le_bytes(bytes[24..40].try_into().expect("sixteen bytes")),
            first_sequence: u64_at(40),
            first_number: u64_at(48),
            created: Timestamp((u64_at(56) & 0xFFFF_FFFF_FFFF) * 1000),
            open: bytes[12],
        }))
    }

    /// Reads the header of the file at `path`; `None` as in [`SegmentHeader::decode`].
    pub fn read(file: &File, path: &Path) -> Result<Option<Self>, SpoolError> {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(e) => return Err(SpoolError::io("read", path)(e)),
        }
        SegmentHeader::decode(&bytes).map_err(|version| SpoolError::Version { path: path.to_owned(), version })
    }
}

fn short_crc(bytes: &[u8; SEGMENT_HEADER_LEN]) -> [u8; 2] {
    let crc = crc32fast::hash(&bytes[..62]).to_le_bytes();
    [crc[0], crc[1]]
}

/// The file of the segment `index` in the folder of its unit.
#[must_use]
pub fn path_of(folder: &Path, index: u64) -> PathBuf {
    folder.join(format!("{index:012}.seg"))
}

/// Indexes of the segments in `folder`, oldest first; none when there is no such folder.
pub fn list(folder: &Path) -> Result<Vec<u64>, SpoolError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(SpoolError::io("list", folder)(e)),
    };
    let mut indexes = Vec::new();
    for entry in entries {
        let name = entry.map_err(SpoolError::io("list", folder))?.file_name();
        let index: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".seg")).and_then(|stem| stem.parse().ok());
        indexes.extend(index);
    }
    indexes.sort_unstable();
    Ok(indexes)
}

/// How a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With a whole frame.
    Whole,
    /// Inside a frame whose header is whole.
    Torn(FrameHeader),
    /// Inside a header.
    TornHeader,
    /// With bytes that are no frame.
    Damaged,
}

/// What walking over a segment's frame headers tells.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Counters after the last whole frame.
    pub numberer: Numberer,
    /// Offset of the end of the last whole frame, in bytes.
    pub end: u64,
    /// What is behind it.
    pub tail: Tail,
}

/// Reads the headers of all frames of a segment, skipping payloads.
pub fn walk(file: &File, head: &SegmentHeader, path: &Path) -> Result<Walk, SpoolError> {
    let size = file.metadata().map_err(SpoolError::io("read", path))?.len();
    let mut walk = Walk {
        numberer: Numberer::resuming(head.first_sequence, head.first_number, head.open),
        end: SEGMENT_HEADER_LEN as u64,
        tail: Tail::Whole,
    };
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    io::Seek::seek(&mut reader, io::SeekFrom::Start(walk.end)).map_err(SpoolError::io("read", path))?;
    while walk.end < size {
        if size - walk.end < HEADER_LEN as u64 {
            walk.tail = Tail::TornHeader;
            break;
        }
        let mut bytes = [0; HEADER_LEN];
        reader.read_exact(&mut bytes).map_err(SpoolError::io("read", path))?;
        let header = match FrameHeader::decode(&bytes) {
            Ok(header) => header,
            Err(FrameError::Version(version)) => {
                return Err(SpoolError::Version { path: path.to_owned(), version: version.into() });
            }
            Err(_) => {
                walk.tail = Tail::Damaged;
                break;
            }
        };
        if walk.end + header.frame_len() as u64 > size {
            walk.tail = Tail::Torn(header);
            break;
        }
        reader.seek_relative(i64::from(header.length)).map_err(SpoolError::io("read", path))?;
        walk.end += header.frame_len() as u64;
        walk.numberer.count(&header);
    }
    Ok(walk)
}

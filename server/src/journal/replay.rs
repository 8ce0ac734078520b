//! Reading the journal: a header line, then one line a record, each `HASH JSON`, HASH being SHA-256 over the line
//! before's hash and this line's JSON. A record that a crash left unfinished at the end is told from any other damage:
//! it has no line end, or the zeros of blocks that were allocated and never written.

use super::entry::Entry;
use super::{JournalError, JournalState};
use fleet_units::ids::Sha256Digest;
use fleet_units::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The newest format that is read and written here.
pub(super) const FORMAT: u32 = 1;
/// What the header says before the format.
const MAGIC: &str = "fleet-journal ";

/// One entry with its place and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Counts from 1.
    #[serde(rename = "n")]
    pub number: u64,
    /// When it was written; never earlier than the one before.
    #[serde(rename = "time")]
    pub time: Timestamp,
    /// What happened.
    #[serde(rename = "entry")]
    pub entry: Entry,
}

/// The header line, without its end.
pub(super) fn header() -> String {
    format!("{MAGIC}{FORMAT}")
}

/// The hash the first record builds on.
pub(super) fn first_hash() -> Sha256Digest {
    Sha256Digest::of(header().as_bytes())
}

/// The hash of a record.
pub(super) fn chained(previous: &Sha256Digest, json: &[u8]) -> Sha256Digest {
    Sha256Digest::of(&[previous.as_bytes().as_slice(), json].concat())
}

/// A record as a line, with its hash.
pub(super) fn line(previous: &Sha256Digest, record: &Record) -> (Vec<u8>, Sha256Digest) {
    let json = serde_json::to_vec(record).expect("a record is plain data");
    let hash = chained(previous, &json);
    let mut line = format!("{hash} ").into_bytes();
    line.extend_from_slice(&json);
    line.push(b'\n');
    (line, hash)
}

/// What a journal file adds up to.
pub(super) struct Replayed {
    pub(super) state: JournalState,
    pub(super) hash: Sha256Digest,
    /// Bytes that hold whole records.
    pub(super) length: u64,
    /// Bytes after them that a crash left.
    pub(super) torn: u64,
}

/// Reads a whole journal.
pub(super) fn replay(path: &Path, bytes: &[u8]) -> Result<Replayed, JournalError> {
    let mut at = read_header(path, bytes)?;
    let mut state = JournalState::default();
    let mut hash = first_hash();
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = memchr::memchr(b'\n', rest);
        let Some(end) = end.filter(|end| !is_torn(rest, *end)) else { break };
        let number = state.records + 1;
        let record = read_line(path, number, &rest[..end], &mut hash)?;
        if record.time < state.last {
            return Err(damaged(path, number, "its time is before the record before it".to_owned()));
        }
        state.apply(&record);
        at += end + 1;
    }
    let length = u64::try_from(at).expect("a file in memory fits");
    let torn = u64::try_from(bytes.len() - at).expect("a file in memory fits");
    Ok(Replayed { state, hash, length, torn })
}

/// Whether this last line is what a crash leaves: zeros in it, and no further line behind it.
fn is_torn(rest: &[u8], end: usize) -> bool {
    rest[..end].contains(&0) && rest[end + 1..].iter().all(|byte| *byte == 0)
}

fn read_header(path: &Path, bytes: &[u8]) -> Result<usize, JournalError> {
    let end = memchr::memchr(b'\n', &bytes[..bytes.len().min(64)]);
    let header = end.and_then(|end| std::str::from_utf8(&bytes[..end]).ok());
    let format = header.and_then(|header| header.strip_prefix(MAGIC)).and_then(|format| format.parse::<u32>().ok());
    match format {
        Some(FORMAT) => Ok(end.expect("there is a header") + 1),
        Some(format) if format > FORMAT => {
            Err(JournalError::Newer { path: path.to_owned(), what: format!("format {format}") })
        }
        _ => Err(damaged(path, 0, "its first line is not a journal's".to_owned())),
    }
}

fn read_line(path: &Path, number: u64, line: &[u8], hash: &mut Sha256Digest) -> Result<Record, JournalError> {
    let bad = |why: &str| damaged(path, number, why.to_owned());
    let (stored, json) = line.split_at_checked(65).ok_or_else(|| bad("it is too short"))?;
    let stored = std::str::from_utf8(&stored[..64]).ok().and_then(|text| text.parse::<Sha256Digest>().ok());
    let wanted = chained(hash, json);
    if stored != Some(wanted) || line[64] != b' ' {
        return Err(bad("its hash does not fit: it, or the record before it, was changed, lost or added"));
    }
    *hash = wanted;
    // The hash fits, so the line is as it was written: what cannot be read was written by a later version.
    let newer = |error: serde_json::Error| JournalError::Newer {
        path: path.to_owned(),
        what: format!("record {number} ({error})"),
    };
    let record: Record = serde_json::from_slice(json).map_err(newer)?;
    if record.number != number {
        return Err(bad("it has another number"));
    }
    Ok(record)
}

fn damaged(path: &Path, record: u64, why: String) -> JournalError {
    JournalError::Damaged { path: path.to_owned(), record, why }
}

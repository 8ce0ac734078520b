//! What the coordinator has acknowledged of a unit's log: `STATE/spool/<unit>/acked`, 32 bytes.
//!
//! Written in place and not synced: it outlives the agent, and after a loss of power an older one only makes
//! the agent send again what the coordinator then knows to have.

use super::SpoolError;
use super::read::Cursor;
use fleet_units::ids::UnitName;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 4] = b"FlA1";

fn path(root: &Path, unit: &UnitName) -> PathBuf {
    root.join(unit.as_str()).join("acked")
}

fn encode(cursor: Cursor) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0..4].copy_from_slice(MAGIC);
    bytes[4..12].copy_from_slice(&cursor.lineage.to_le_bytes());
    bytes[12..20].copy_from_slice(&cursor.next_frame.to_le_bytes());
    bytes[20..28].copy_from_slice(&cursor.next_sequence.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..28]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The cursor of `unit`; that of a receiver that has nothing when there is none or it is damaged: sending again
/// is harmless.
pub fn load(root: &Path, unit: &UnitName) -> Result<Cursor, SpoolError> {
    let path = path(root, unit);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Cursor::default()),
        Err(e) => return Err(SpoolError::io("read", path)(e)),
    };
    let Ok(bytes) = <[u8; 32]>::try_from(bytes) else { return Ok(Cursor::default()) };
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let cursor = Cursor { lineage: u64_at(4), next_frame: u64_at(12), next_sequence: u64_at(20) };
    Ok(if encode(cursor) == bytes { cursor } else { Cursor::default() })
}

/// Stores the cursor of `unit`.
pub fn store(root: &Path, unit: &UnitName, cursor: Cursor) -> Result<(), SpoolError> {
    let path = path(root, unit);
    let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = open.map_err(SpoolError::io("open", &path))?;
    std::os::unix::fs::FileExt::write_all_at(&file, &encode(cursor), 0).map_err(SpoolError::io("write", path))
}

//! Keys and bytes of the store: one format version, a checksum in each record.
//!
//! A record is `version (1 byte), CRC-32 of key and payload (4 bytes, little endian), payload (JSON)`. The key is part
//! of the checksum, so a record under the wrong key is noticed too.

use super::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The format of keys and records. A store with a newer one is not opened; one with an older one is set aside and
/// rebuilt, unless this module learns to read it.
pub const VERSION: u32 = 1;

const HEADER: usize = 5;

/// The kinds of records.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Table {
    Nodes,
    Assignments,
    Statuses,
}

impl Table {
    /// The key of the record of that name; of an empty name, the prefix of all.
    pub(crate) fn key(self, name: &str) -> String {
        let table = match self {
            Table::Nodes => "node",
            Table::Assignments => "assignment",
            Table::Statuses => "status",
        };
        format!("{table}/{name}")
    }
}

pub(crate) fn encode(key: &str, record: &impl Serialize) -> Vec<u8> {
    let payload = serde_json::to_vec(record).expect("records are structs of strings, numbers and lists");
    let version = u8::try_from(VERSION).expect("a handful of formats");
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.push(version);
    bytes.extend_from_slice(&checksum(key, &payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
    bytes
}

pub(crate) fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    let payload = verify(key, bytes)?;
    serde_json::from_slice(payload).map_err(|error| StoreError::Damaged { key: key.to_owned(), why: error.to_string() })
}

/// The payload of a record that is what was written.
pub(crate) fn verify<'a>(key: &str, bytes: &'a [u8]) -> Result<&'a [u8], StoreError> {
    let damaged = |why: &str| StoreError::Damaged { key: key.to_owned(), why: why.to_owned() };
    let Some((header, payload)) = bytes.split_at_checked(HEADER) else {
        return Err(damaged("it is cut"));
    };
    if u32::from(header[0]) != VERSION {
        return Err(damaged("it has another version"));
    }
    if header[1..] != checksum(key, payload).to_le_bytes() {
        return Err(damaged("its checksum is wrong"));
    }
    Ok(payload)
}

fn checksum(key: &str, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(&[0]);
    hasher.update(payload);
    hasher.finalize()
}

/// A number for one record, for the sum over all: a record that is missing, or is one of an earlier time, changes it.
pub(crate) fn fingerprint(key: &str, bytes: &[u8]) -> u64 {
    let high = crc32fast::hash(key.as_bytes());
    let low = checksum(key, bytes);
    // Spread by an odd constant (2^64 divided by the golden ratio), so that sums of close values differ.
    (u64::from(high) << 32 | u64::from(low)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

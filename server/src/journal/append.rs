//! Writing the journal: one record is one write and one fdatasync. A write that fails is cut off again, so a full disk
//! refuses and loses nothing; when even that fails, nothing more is written until the journal is opened again.

use super::JournalError;
use super::entry::Entry;
use super::replay::{Record, line};
use fleet_units::ids::Sha256Digest;
use fleet_units::time::Timestamp;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

/// The disk, as far as the journal needs it.
pub(super) trait Device: Send {
    /// Writes all of `bytes` at the end.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Waits until they are on disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to `length` bytes, and writes on from there.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Device for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(drop)
    }
}

/// The end of the journal.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) device: Box<dyn Device>,
    pub(super) length: u64,
    pub(super) number: u64,
    pub(super) last: Timestamp,
    pub(super) hash: Sha256Digest,
    /// Set when the file's end is not known any more.
    pub(super) broken: bool,
}

impl Writer {
    /// Writes one record; it is on disk when this returns.
    pub(super) fn append(&mut self, entry: Entry, now: Timestamp) -> Result<Record, JournalError> {
        if self.broken {
            return Err(JournalError::Broken(self.path.clone()));
        }
        let record = Record { number: self.number + 1, time: now.max(self.last), entry };
        let (bytes, hash) = line(&self.hash, &record);
        if let Err(source) = self.device.write(&bytes).and_then(|()| self.device.sync()) {
            self.broken = self.device.cut(self.length).and_then(|()| self.device.sync()).is_err();
            return Err(JournalError::Append { path: self.path.clone(), record: record.number, source });
        }
        self.length += u64::try_from(bytes.len()).expect("a line fits");
        self.number = record.number;
        self.last = record.time;
        self.hash = hash;
        Ok(record)
    }
}

//! The files of one environment: `<index>.seg` holds blocks, `<index>.pairs` what was known of every source when
//! that segment was begun. Only the ingesting thread writes them.
//!
//! A segment is 16 bytes, "FleetBlk" and a version, and then blocks. What lies behind the last whole block of a
//! segment is never read nor written over: after a torn tail a new segment is begun.

use super::block::Place;
use super::{LogError, Retention, Source, Stored};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Bytes before the first block.
pub const SEGMENT_HEADER_LEN: u64 = 16;
/// A new segment is begun here, in bytes, or at an eighth of what may be kept.
const SEGMENT: u64 = 32 << 20;
/// A new segment is begun after this part of the age that is kept, so that quiet environments forget, too.
const AGE_PARTS: u32 = 7;
const CHECKPOINT_VERSION: u32 = 1;

/// What each source had at one moment.
pub(crate) type Sources = BTreeMap<Source, Stored>;

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    version: u32,
    sources: Vec<(Source, Stored)>,
}

fn header() -> [u8; SEGMENT_HEADER_LEN as usize] {
    let mut bytes = *b"FleetBlk\0\0\0\0\0\0\0\0";
    bytes[8] = 1;
    bytes
}

/// The file of segment `index` in an environment's folder.
#[must_use]
pub fn path_of(folder: &Path, index: u64) -> PathBuf {
    folder.join(format!("{index:012}.seg"))
}

fn checkpoint_path(folder: &Path, index: u64) -> PathBuf {
    folder.join(format!("{index:012}.pairs"))
}

/// Indexes of the files in `folder` with this extension, oldest first.
pub fn list(folder: &Path, extension: &str) -> Result<Vec<u64>, LogError> {
    let mut indexes = Vec::new();
    for entry in fs::read_dir(folder).map_err(LogError::io("list", folder))? {
        let name = entry.map_err(LogError::io("list", folder))?.file_name();
        let Some((stem, of)) = name.to_str().and_then(|name| name.rsplit_once('.')) else { continue };
        if of == extension {
            indexes.extend(stem.parse::<u64>().ok());
        }
    }
    indexes.sort_unstable();
    Ok(indexes)
}

/// Opens a segment to read it; `None` when it is gone or was never begun properly.
pub fn open(folder: &Path, index: u64) -> Result<Option<File>, LogError> {
    let path = path_of(folder, index);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(LogError::io("open", path)(e)),
    };
    let mut bytes = [0; SEGMENT_HEADER_LEN as usize];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) if bytes == header() => Ok(Some(file)),
        Ok(()) if bytes[..8] == header()[..8] => Err(LogError::Version { path }),
        Ok(()) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(LogError::io("read", path)(e)),
    }
}

/// The newest checkpoint in `folder`: the segment it was made before, and what it says.
pub(crate) fn newest_checkpoint(folder: &Path) -> Result<Option<(u64, Sources)>, LogError> {
    for index in list(folder, "pairs")?.into_iter().rev() {
        let path = checkpoint_path(folder, index);
        let bytes = fs::read(&path).map_err(LogError::io("read", &path))?;
        match serde_json::from_slice::<Checkpoint>(&bytes) {
            Ok(found) if found.version == CHECKPOINT_VERSION => {
                return Ok(Some((index, found.sources.into_iter().collect())));
            }
            Ok(_) => return Err(LogError::Version { path }),
            // An earlier one will do: more segments are read then.
            Err(error) => tracing::warn!("{} is damaged and passed over: {error}", path.display()),
        }
    }
    Ok(None)
}

/// The segment that is being written.
#[derive(Debug)]
struct Live {
    file: File,
    index: u64,
    end: u64,
    begun: SystemTime,
}

/// Writes one environment's segments.
#[derive(Debug)]
pub(crate) struct Writer {
    folder: PathBuf,
    live: Option<Live>,
    next_index: u64,
    /// Segments that are complete, and their bytes.
    sealed: BTreeMap<u64, u64>,
    segment_bytes: u64,
    retention: Retention,
}

impl Writer {
    /// A writer for `folder`, which is made where missing; begins a segment of its own.
    pub(crate) fn open(folder: &Path, retention: Retention) -> Result<Self, LogError> {
        make_folder(folder)?;
        let mut sealed = BTreeMap::new();
        for index in list(folder, "seg")? {
            sealed.insert(index, fs::metadata(path_of(folder, index)).map_or(0, |meta| meta.len()));
        }
        let next_index = sealed.last_key_value().map_or(1, |(&index, _)| index + 1);
        let segment_bytes = SEGMENT.min(retention.bytes / 8).max(64 * 1024);
        Ok(Writer { folder: folder.to_owned(), live: None, next_index, sealed, segment_bytes, retention })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the next block would lie, after beginning a segment where there is none or it is full. `sources` is
    /// what is known of every source now.
    pub(crate) fn place(&mut self, sources: impl FnOnce() -> Sources) -> Result<Place, LogError> {
        let worn = |live: &Live| {
            let age = live.begun.elapsed().unwrap_or_default();
            live.end >= self.segment_bytes || age > self.retention.age / AGE_PARTS && live.end > SEGMENT_HEADER_LEN
        };
        let live = match &self.live {
            Some(live) if !worn(live) => live,
            _ => {
                let live = self.begin(&sources())?;
                self.next_index += 1;
                if let Some(old) = self.live.take() {
                    self.sealed.insert(old.index, old.end);
                }
                self.live.insert(live)
            }
        };
        Ok(Place { segment: live.index, offset: live.end })
    }

    fn begin(&self, sources: &Sources) -> Result<Live, LogError> {
        let index = self.next_index;
        let sources = sources.iter().map(|(source, stored)| (source.clone(), stored.clone())).collect();
        let checkpoint = Checkpoint { version: CHECKPOINT_VERSION, sources };
        let bytes = serde_json::to_vec(&checkpoint).expect("names and numbers always serialize");
        let (path, temporary) = (checkpoint_path(&self.folder, index), self.folder.join("checkpoint.new"));
        durable_file(&temporary, &bytes).map_err(|error| self.error("write", &temporary, error))?;
        fs::rename(&temporary, &path).map_err(|error| self.error("rename", &temporary, error))?;
        let path = path_of(&self.folder, index);
        let file = durable_file(&path, &header()).map_err(|error| self.error("create", &path, error))?;
        sync_folder(&self.folder)?;
        for old in list(&self.folder, "pairs")?.into_iter().filter(|&old| old < index) {
            // One that stays is only never read.
            let _ = fs::remove_file(checkpoint_path(&self.folder, old));
        }
        Ok(Live { file, index, end: SEGMENT_HEADER_LEN, begun: SystemTime::now() })
    }

    /// Writes `bytes`, whole blocks, at the place last given and syncs them. On an error nothing of them stays.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<Place, LogError> {
        let live = self.live.as_mut().expect("a place was asked for before");
        let written = live.file.write_all_at(bytes, live.end).and_then(|()| live.file.sync_data());
        if let Err(error) = written {
            let path = path_of(&self.folder, live.index);
            // After a failed sync nobody knows what the disk has: this segment ends at what was synced before.
            let _ = live.file.set_len(live.end);
            self.sealed.insert(live.index, live.end);
            self.live = None;
            return Err(self.error("write", &path, error));
        }
        live.end += bytes.len() as u64;
        Ok(Place { segment: live.index, offset: live.end })
    }

    /// The oldest segment there is, or will be.
    pub(crate) fn oldest(&self) -> u64 {
        let live = self.live.as_ref().map_or(self.next_index, |live| live.index);
        self.sealed.first_key_value().map_or(live, |(&index, _)| index)
    }

    /// Drops the segments that are over the bounds; whether there were any.
    pub(crate) fn forget_old(&mut self) -> bool {
        let before = self.sealed.len();
        let mut bytes = self.sealed.values().sum::<u64>() + self.live.as_ref().map_or(0, |live| live.end);
        while let Some((&index, &size)) = self.sealed.first_key_value() {
            if bytes <= self.retention.bytes && !self.is_old(index) {
                break;
            }
            match fs::remove_file(path_of(&self.folder, index)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!("cannot drop old logs: {}: {error}", path_of(&self.folder, index).display());
                    break;
                }
                _ => {}
            }
            self.sealed.remove(&index);
            bytes -= size;
        }
        self.sealed.len() < before
    }

    /// Whether the last block of a segment was stored longer ago than is kept.
    fn is_old(&self, index: u64) -> bool {
        let modified = fs::metadata(path_of(&self.folder, index)).and_then(|meta| meta.modified());
        modified.is_ok_and(|at| at.elapsed().unwrap_or(Duration::ZERO) > self.retention.age)
    }

    fn error(&self, action: &'static str, path: &Path, source: io::Error) -> LogError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LogError::Full { path: self.folder.clone() },
            _ => LogError::Io { action, path: path.to_owned(), source },
        }
    }
}

/// A file with this content, synced; on an error it is not there.
fn durable_file(path: &Path, content: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?;
    if let Err(error) = file.write_all(content).and_then(|()| file.sync_all()) {
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(file)
}

/// Makes `folder` where it is missing, so that it is there after a loss of power, too.
fn make_folder(folder: &Path) -> Result<(), LogError> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(LogError::io("create", folder))?;
    folder.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &Path) -> Result<(), LogError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(LogError::io("sync", folder))
}

//! The writing side of the spool: called by the logger for every chunk of a unit's pipe (`splice`).
//!
//! [`Spool`] is the node's spool as a whole and keeps it within its bounds; [`SpoolWriter`] writes one unit's
//! part. An append is one `pwritev`, allocates nothing, syncs nothing and cannot fail: what a full disk refuses
//! is counted as lost. Memory of an idle writer: one file descriptor and some 200 bytes.

use super::SpoolError;
use super::segments::{self, SEGMENT_HEADER_LEN, SegmentHeader, Tail};
use fleet_units::ids::{InvocationId, UnitName};
use fleet_units::log_frame::{FrameHeader, HEADER_LEN, MAX_PAYLOAD, Numberer};
use fleet_units::log_record::Stream;
use fleet_units::time::Timestamp;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// How much to read from a pipe at once, in bytes: the most that fits one frame. Anything else works, too.
pub const CHUNK: usize = MAX_PAYLOAD;
/// Segments are not made smaller than this, however many units share the space; in bytes.
const SMALLEST_SEGMENT: u64 = 64 * 1024;

/// Bounds of a node's spool, in bytes. The defaults are those of the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Where a new segment is begun.
    pub segment: u64,
    /// All segments of one unit.
    pub unit: u64,
    /// All segments of all units; `None`: the smaller of 10 % of the file system and 4 GiB.
    pub node: Option<u64>,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        SpoolLimits { segment: 8 << 20, unit: 64 << 20, node: None }
    }
}

/// A sealed segment: when it was begun, whose it is, which. The oldest sorts first.
type Sealed = (Timestamp, UnitName, u64);

/// What is on disk, so that the oldest segments of all units go first.
#[derive(Debug, Default)]
struct Account {
    sealed: BTreeMap<Sealed, u64>,
    bytes: u64,
    /// Writers, each of which has up to one unsealed segment.
    writers: u64,
}

/// The spool of a node, `STATE/spool`: a folder for each unit. Cheap to clone; clones share the account.
#[derive(Clone, Debug)]
pub struct Spool {
    root: PathBuf,
    limits: SpoolLimits,
    node_bytes: u64,
    boot_id: u128,
    account: Arc<Mutex<Account>>,
}

impl Spool {
    /// Opens the spool in the folder `root`, which is made where it is missing, and counts what is there.
    pub fn open(root: &Path, limits: SpoolLimits) -> Result<Self, SpoolError> {
        make_folder(root)?;
        let node_bytes = limits.node.unwrap_or_else(|| (file_system_bytes(root) / 10).min(4 << 30));
        let mut account = Account::default();
        for entry in fs::read_dir(root).map_err(SpoolError::io("list", root))? {
            let name = entry.map_err(SpoolError::io("list", root))?.file_name();
            let Some(unit) = name.to_str().and_then(|name| name.parse::<UnitName>().ok()) else { continue };
            let folder = root.join(unit.as_str());
            for index in segments::list(&folder)? {
                account.add_file(&folder, &unit, index);
            }
        }
        let account = Arc::new(Mutex::new(account));
        Ok(Spool { root: root.to_owned(), limits, node_bytes, boot_id: super::boot_id(), account })
    }

    /// The writer of `unit`'s part; at most one at a time may exist for each unit. It goes on where an earlier
    /// one, also one that was killed, stopped. A full disk is no error, it is as if all of it were lost so far.
    pub fn writer(&self, unit: &UnitName) -> Result<SpoolWriter, SpoolError> {
        let folder = self.root.join(unit.as_str());
        match make_folder(&folder) {
            Err(SpoolError::Io { source, .. }) if is_full(&source) => {}
            other => other?,
        }
        let mut writer = SpoolWriter {
            spool: self.clone(),
            unit: unit.clone(),
            folder,
            live: None,
            next_index: 1,
            lineage: new_lineage(),
            numberer: Numberer::default(),
            lost_lines: 0,
        };
        self.account().writers += 1;
        writer.recover()?;
        Ok(writer)
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Where a segment ends, in bytes. Unsealed segments together keep to a quarter of the node's bound.
    fn segment_bytes(&self) -> u64 {
        let share = self.node_bytes / (4 * self.account().writers.max(1));
        self.limits.segment.min(share.max(SMALLEST_SEGMENT))
    }

    /// Drops the oldest sealed segment of all units; whether there was one.
    pub(super) fn drop_oldest(&self) -> bool {
        let Some(((_, unit, index), bytes)) = self.account().sealed.pop_first() else { return false };
        self.account().bytes -= bytes;
        self.unlink(&unit, index);
        true
    }

    fn unlink(&self, unit: &UnitName, index: u64) {
        // One that is gone already is as good, and nothing else can be done here about one that stays.
        let _ = fs::remove_file(segments::path_of(&self.root.join(unit.as_str()), index));
    }

    /// Drops what is over the bounds, oldest first: of `unit`, then of all.
    fn keep_bounds(&self, unit: &UnitName) {
        let live = self.segment_bytes();
        let unit_bytes = self.limits.unit.saturating_sub(live);
        let gone = {
            let mut account = self.account();
            let own: Vec<(Sealed, u64)> = account
                .sealed
                .iter()
                .filter(|((_, of, _), _)| of == unit)
                .map(|(key, &bytes)| (key.clone(), bytes))
                .collect();
            let mut over = own.iter().map(|(_, bytes)| bytes).sum::<u64>();
            let mut gone = Vec::new();
            for (key, bytes) in own {
                if over <= unit_bytes {
                    break;
                }
                over -= bytes;
                account.sealed.remove(&key);
                account.bytes -= bytes;
                gone.push(key.2);
            }
            gone
        };
        for index in gone {
            self.unlink(unit, index);
        }
        let node_bytes = self.node_bytes.saturating_sub(live * self.account().writers);
        while self.account().bytes > node_bytes && self.drop_oldest() {}
    }
}

impl Account {
    fn add_file(&mut self, folder: &Path, unit: &UnitName, index: u64) {
        let path = segments::path_of(folder, index);
        let Ok(file) = File::open(&path) else { return };
        let bytes = file.metadata().map_or(0, |meta| meta.len());
        // A damaged one is as old as can be: the first to go.
        let created = SegmentHeader::read(&file, &path).ok().flatten().map_or(Timestamp(0), |head| head.created);
        self.add((created, unit.clone(), index), bytes);
    }

    fn add(&mut self, key: Sealed, bytes: u64) {
        if self.sealed.insert(key, bytes).is_none() {
            self.bytes += bytes;
        }
    }

    fn remove(&mut self, unit: &UnitName, index: u64) {
        let found = self.sealed.iter().find(|((_, of, i), _)| of == unit && *i == index).map(|(key, _)| key.clone());
        if let Some(bytes) = found.and_then(|key| self.sealed.remove(&key)) {
            self.bytes -= bytes;
        }
    }
}

/// The segment that is being written.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) file: File,
    index: u64,
    created: Timestamp,
    /// Bytes of whole frames; what is behind that is torn and gets overwritten.
    pub(super) end: u64,
}

/// Writes the log of one unit. Dropping it loses nothing.
#[derive(Debug)]
pub struct SpoolWriter {
    pub(super) spool: Spool,
    unit: UnitName,
    folder: PathBuf,
    pub(super) live: Option<Live>,
    next_index: u64,
    lineage: u64,
    pub(super) numberer: Numberer,
    pub(super) lost_lines: u64,
}

impl SpoolWriter {
    /// A writer with an account of its own, for a process that writes a single unit's log; see [`Spool::writer`].
    pub fn open(root: &Path, unit: &UnitName, limits: SpoolLimits) -> Result<Self, SpoolError> {
        Spool::open(root, limits)?.writer(unit)
    }

    /// Stores a chunk as it came from the pipe, of any length; `time` is when it was read. Never fails and never
    /// waits for more than the page cache; see [`SpoolWriter::lost_lines`].
    pub fn append(&mut self, stream: Stream, invocation: InvocationId, time: Timestamp, bytes: &[u8]) {
        for payload in bytes.chunks(MAX_PAYLOAD) {
            self.make_room(time, HEADER_LEN + payload.len());
            let header = self.numberer.header(stream, invocation, time, payload);
            self.store(&header, payload);
        }
    }

    /// Says that `stream` ended: a last line without a newline becomes a line. Without a call the next start of
    /// the unit does the same.
    pub fn finish(&mut self, stream: Stream, time: Timestamp) {
        if self.numberer.open_mask() & (1 << fleet_units::log_frame::stream_index(stream)) == 0 {
            return;
        }
        self.make_room(time, HEADER_LEN);
        if let Some(header) = self.numberer.finish(stream, time) {
            self.store(&header, &[]);
        }
    }

    /// Lines this writer could not store because the disk was full or broken. Readers see them as a gap.
    #[must_use]
    pub fn lost_lines(&self) -> u64 {
        self.lost_lines
    }

    /// The number the next line to end will have.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.numberer.next_sequence()
    }

    fn store(&mut self, header: &FrameHeader, payload: &[u8]) {
        loop {
            match self.live.as_mut().map(|live| live.write(header, payload)) {
                Some(Ok(())) => return,
                Some(Err(error)) if is_full(&error) && self.spool.drop_oldest() => {}
                Some(Err(_)) | None => {
                    self.lost_lines += u64::from(header.lines);
                    return;
                }
            }
        }
    }

    /// Begins a segment when there is none or the present one is full. The header must carry the counters before
    /// the next frame, so this comes first. On a full disk the old segment goes on.
    pub(super) fn make_room(&mut self, time: Timestamp, bytes: usize) {
        let limit = self.spool.segment_bytes();
        match &self.live {
            Some(live) if live.end + bytes as u64 <= limit || live.end == SEGMENT_HEADER_LEN as u64 => return,
            _ => {}
        }
        let created = loop {
            match self.create(time) {
                Ok(live) => break live,
                Err(error) if is_full(&error) && self.spool.drop_oldest() => {}
                Err(_) => return,
            }
        };
        self.next_index = created.index + 1;
        if let Some(old) = self.live.replace(created) {
            self.spool.account().add((old.created, self.unit.clone(), old.index), old.end);
            self.spool.keep_bounds(&self.unit);
        }
    }

    fn create(&self, time: Timestamp) -> io::Result<Live> {
        let head = SegmentHeader {
            lineage: self.lineage,
            boot_id: self.spool.boot_id,
            first_sequence: self.numberer.next_sequence(),
            first_number: self.numberer.next_number(),
            created: time,
            open: self.numberer.open_mask(),
        };
        let path = segments::path_of(&self.folder, self.next_index);
        let open = || OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = match open() {
            // The folder could not be made when the disk was full, or somebody removed it.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
                open()?
            }
            other => other?,
        };
        if let Err(error) = file.write_all_at(&head.encode(), 0) {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Live { file, index: self.next_index, created: time, end: SEGMENT_HEADER_LEN as u64 })
    }

    /// Finds the place where the last writer stopped, and repairs the tail it may have left.
    fn recover(&mut self) -> Result<(), SpoolError> {
        let indexes = segments::list(&self.folder)?;
        for &index in indexes.iter().rev() {
            self.next_index = self.next_index.max(index + 1);
            let path = segments::path_of(&self.folder, index);
            let file = OpenOptions::new().read(true).write(true).open(&path).map_err(SpoolError::io("open", &path))?;
            let Some(head) = SegmentHeader::read(&file, &path)? else { continue };
            let mut walk = segments::walk(&file, &head, &path)?;
            repair(&file, &mut walk).map_err(SpoolError::io("repair", &path))?;
            self.numberer = walk.numberer;
            let newest = index + 1 == self.next_index;
            if newest && head.boot_id == self.spool.boot_id && walk.tail != Tail::Damaged {
                self.lineage = head.lineage;
                self.spool.account().remove(&self.unit, index);
                self.live = Some(Live { file, index, created: head.created, end: walk.end });
            }
            break;
        }
        Ok(())
    }
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        let mut account = self.spool.account();
        account.writers -= 1;
        if let Some(live) = self.live.take() {
            account.add((live.created, self.unit.clone(), live.index), live.end);
        }
    }
}

impl Live {
    /// Writes a frame behind the last whole one; on an error nothing of it stays.
    fn write(&mut self, header: &FrameHeader, payload: &[u8]) -> io::Result<()> {
        let result = write_frame(&self.file, self.end, &header.encode(), payload);
        match result {
            Ok(()) => self.end += header.frame_len() as u64,
            // If this fails as well, the next frame overwrites what is there, and readers wait for whole frames.
            Err(_) => drop(self.file.set_len(self.end)),
        }
        result
    }
}

fn write_frame(file: &File, at: u64, header: &[u8], payload: &[u8]) -> io::Result<()> {
    let written = loop {
        match rustix::io::pwritev(file, &[IoSlice::new(header), IoSlice::new(payload)], at) {
            Ok(written) => break written,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    if written < header.len() {
        file.write_all_at(&header[written..], at + written as u64)?;
    }
    let of_payload = written.saturating_sub(header.len());
    file.write_all_at(&payload[of_payload..], at + (header.len() + of_payload) as u64)
}

/// Keeps the payload bytes a torn frame has, by shortening its header, and cuts off what is less than a header.
fn repair(file: &File, walk: &mut segments::Walk) -> io::Result<()> {
    match walk.tail {
        Tail::Whole | Tail::Damaged => return Ok(()),
        Tail::TornHeader => file.set_len(walk.end)?,
        Tail::Torn(header) => {
            let start = walk.end + HEADER_LEN as u64;
            let mut payload = vec![0; usize::try_from(file.metadata()?.len() - start).expect("shorter than a frame")];
            file.read_exact_at(&mut payload, start)?;
            match header.shortened(&payload) {
                None => file.set_len(walk.end)?,
                Some(short) => {
                    file.write_all_at(&short.encode(), walk.end)?;
                    walk.end += short.frame_len() as u64;
                    walk.numberer.count(&short);
                }
            }
        }
    }
    walk.tail = Tail::Whole;
    Ok(())
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

pub(super) fn make_folder(path: &Path) -> Result<(), SpoolError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(SpoolError::io("create", path))
}

/// Size of the file system that holds `path`, in bytes; without an answer, large enough not to matter.
fn file_system_bytes(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(u64::MAX, |fs| fs.f_blocks.saturating_mul(fs.f_frsize))
}

/// A number no other lineage has.
fn new_lineage() -> u64 {
    // Without randomness the clock does: two lineages of one unit are never begun in the same nanosecond.
    getrandom::u64().unwrap_or_else(|_| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_nanos()).unwrap_or(1)
    }) | 1
}

#[cfg(test)]
mod tests;

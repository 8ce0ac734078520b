//! The store on disk, by sled 0.34, made durable and honest about damage.
//!
//! sled's `flush` is `sync_file_range` on Linux, which a power loss can undo, and a file cut at its tail often opens
//! silently with keys missing. So: flush and then fdatasync of its file; a checksum in each record; a summary record
//! (sequence, count, sum over all records) that every batch rewrites; and the last sequence in a file beside it, so
//! that a tail lost as a whole is noticed too. What is damaged is set aside, said, and starts empty.
//!
//! ```text
//! STORE/FORMAT     the format's version, readable whatever else changes
//! STORE/sled/      the database
//! STORE/sequence   the last durable sequence (8 bytes, little endian)
//! STORE/ballast    space that is given back when the disk is full, so that the database can be opened again
//! ```

use super::schema::{VERSION, fingerprint, verify};
use super::{Backend, Change, StoreError};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often, and how far apart, a store that is in use is tried again.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Below so many free bytes nothing is written: sled grows in steps of half a MiB, and does not come back from a
/// write that failed.
const RESERVE: u64 = 4 << 20;
/// Enough for sled to open and to write its snapshot.
const BALLAST: u64 = 4 << 20;
/// sled's cache, in bytes. Records are few and read rarely.
const CACHE: u64 = 8 << 20;
/// How soon noted records reach the disk, in milliseconds.
const FLUSH_EVERY: u64 = 1000;
/// The summary record: sorts before and outside all tables.
const SUMMARY: &str = "!summary";

/// What tests put in place of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Free bytes of the file system that holds the path.
    pub free: fn(&Path) -> std::io::Result<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Options { free: free_bytes }
    }
}

/// The store on disk.
pub struct SledStore {
    path: PathBuf,
    options: Options,
    open: Mutex<Open>,
    syncs: AtomicU64,
}

/// What opening the store came to.
pub struct Opened {
    /// The store.
    pub store: SledStore,
    /// Where the damaged one was put, and what was wrong with it; to be said to the operator. The store is empty then.
    pub set_aside: Option<(PathBuf, String)>,
}

struct Open {
    db: sled::Db,
    file: File,
    sequence_file: File,
    summary: Summary,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Summary {
    sequence: u64,
    count: u64,
    sum: u64,
}

/// Why a database was not opened.
enum Failure {
    /// Its content is not what was written: set it aside.
    Damage(String),
    /// Something else: leave it alone.
    Error(StoreError),
}

impl SledStore {
    /// Opens or makes the store in the folder `path`.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::InUse`], [`StoreError::Full`], or when files cannot be read or written. Damage
    /// is no error: the folder is renamed to `PATH.damaged-N`, and a new store begins.
    pub fn open(path: &Path, options: Options) -> Result<Opened, StoreError> {
        match Self::try_for_a_moment(path, options) {
            Ok(store) => Ok(Opened { store, set_aside: None }),
            Err(Failure::Error(error)) => Err(error),
            Err(Failure::Damage(why)) => {
                let aside = set_aside(path)?;
                tracing::warn!(store = %path.display(), set_aside = %aside.display(), reason = %why, "the store is damaged; rebuilding it");
                match Self::try_for_a_moment(path, options) {
                    Ok(store) => Ok(Opened { store, set_aside: Some((aside, why)) }),
                    Err(Failure::Error(error)) => Err(error),
                    Err(Failure::Damage(why)) => {
                        let source = std::io::Error::new(ErrorKind::InvalidData, why);
                        Err(StoreError::Io { operation: "make", path: path.to_owned(), source })
                    }
                }
            }
        }
    }

    /// A process that was just forked has a copy of an earlier holder's lock until it executes its program, so a store
    /// that is in use is tried again for a fifth of a second.
    fn try_for_a_moment(path: &Path, options: Options) -> Result<SledStore, Failure> {
        for _ in 0..LOCK_TRIES {
            match Self::try_open(path, options) {
                Err(Failure::Error(StoreError::InUse { .. })) => std::thread::sleep(LOCK_PAUSE),
                other => return other,
            }
        }
        Self::try_open(path, options)
    }

    fn try_open(path: &Path, options: Options) -> Result<SledStore, Failure> {
        check_format(path)?;
        let free = (options.free)(path).map_err(io("look at the disk of", path))?;
        if free < RESERVE {
            // Opening writes; what the ballast gives back is enough for that, and only for that.
            drop_ballast(path);
        }
        let open = Open::new(path)?;
        let store = SledStore { path: path.to_owned(), options, open: Mutex::new(open), syncs: AtomicU64::new(0) };
        store.make_ballast(free);
        Ok(store)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // The summary is replaced only after the batch was applied, so a panic leaves it right.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Best effort: without ballast a full disk still refuses writes, it only may need a hand to open again.
    fn make_ballast(&self, free: u64) {
        let path = self.path.join("ballast");
        if free < RESERVE + 2 * BALLAST || path.metadata().is_ok_and(|meta| meta.len() == BALLAST) {
            return;
        }
        let made = File::create(&path).and_then(|file| {
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, BALLAST).map_err(Into::into)
        });
        if let Err(error) = made {
            tracing::debug!(%error, "no ballast file");
            drop_ballast(&self.path);
        }
    }

    fn refuse_when_full(&self) -> Result<(), StoreError> {
        let free = (self.options.free)(&self.path).map_err(io_error("look at the disk of", &self.path))?;
        if free < RESERVE {
            return Err(StoreError::Full { path: self.path.clone(), free });
        }
        Ok(())
    }

    /// After sled failed to write it fails for good: give back the ballast and open it again, with what is durable.
    fn reopen(&self, open: &mut Open, error: &sled::Error) -> StoreError {
        drop_ballast(&self.path);
        let path = self.path.clone();
        // The new one cannot lock the files while the old one has them.
        let placeholder = sled::Config::new().temporary(true).open();
        if let Ok(placeholder) = placeholder {
            drop(std::mem::replace(&mut open.db, placeholder));
            if let Ok(again) = Open::new(&self.path) {
                *open = again;
            }
        }
        let free = (self.options.free)(&self.path).unwrap_or(0);
        match error {
            _ if free < RESERVE + BALLAST => StoreError::Full { path, free },
            error => StoreError::Io { operation: "write", path, source: std::io::Error::other(error.to_string()) },
        }
    }
}

impl Backend for SledStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.lock().db.get(key).map_err(|error| self.unreadable(&error))?;
        Ok(found.map(|bytes| bytes.to_vec()))
    }

    fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut found = Vec::new();
        for entry in self.lock().db.scan_prefix(prefix) {
            let (key, value) = entry.map_err(|error| self.unreadable(&error))?;
            found.push((String::from_utf8_lossy(&key).into_owned(), value.to_vec()));
        }
        Ok(found)
    }

    fn apply(&self, changes: Vec<Change>, durable: bool) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.refuse_when_full()?;
        let mut open = self.lock();
        match open.apply(changes, durable) {
            Ok(syncs) => {
                self.syncs.fetch_add(syncs, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(self.reopen(&mut open, &error)),
        }
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

impl SledStore {
    fn unreadable(&self, error: &sled::Error) -> StoreError {
        let source = std::io::Error::other(error.to_string());
        StoreError::Io { operation: "read", path: self.path.clone(), source }
    }
}

impl Open {
    fn new(path: &Path) -> Result<Open, Failure> {
        let folder = path.join("sled");
        let existed = folder.join("db").exists();
        let config = sled::Config::new()
            .path(&folder)
            .cache_capacity(CACHE)
            .flush_every_ms(Some(FLUSH_EVERY))
            .print_profile_on_drop(false);
        // sled panics on some damaged files.
        let db = match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => db,
            Ok(Err(error)) => return Err(judge(path, error)),
            Err(_) => return Err(Failure::Damage("sled cannot read it".to_owned())),
        };
        let file = File::open(folder.join("db")).map_err(io("open", path))?;
        let sequence_file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("sequence"))
            .map_err(io("open", path))?;
        let summary = match catch_unwind(AssertUnwindSafe(|| check(&db))) {
            Ok(summary) => summary?,
            Err(_) => return Err(Failure::Damage("sled cannot read it".to_owned())),
        };
        let mut last = [0; 8];
        let known = sequence_file.read_exact_at(&mut last, 0).map_or(0, |()| u64::from_le_bytes(last));
        if summary.sequence < known {
            let why = format!("its last {} changes are missing", known - summary.sequence);
            return Err(Failure::Damage(why));
        }
        if !existed {
            let parents = [&folder, path, path.parent().unwrap_or(path)];
            parents.iter().try_for_each(|folder| File::open(folder)?.sync_all()).map_err(io("open", path))?;
        }
        Ok(Open { db, file, sequence_file, summary })
    }

    /// Applies a batch; tells how many syncs it took.
    fn apply(&mut self, changes: Vec<Change>, durable: bool) -> Result<u64, sled::Error> {
        let mut summary = self.summary;
        summary.sequence += 1;
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            if let Some(old) = self.db.get(&key)? {
                summary.count -= 1;
                summary.sum = summary.sum.wrapping_sub(fingerprint(&key, &old));
            }
            match value {
                Some(value) => {
                    summary.count += 1;
                    summary.sum = summary.sum.wrapping_add(fingerprint(&key, &value));
                    batch.insert(key.as_str(), value);
                }
                None => batch.remove(key.as_str()),
            }
        }
        batch.insert(SUMMARY, summary.to_bytes());
        self.db.apply_batch(batch)?;
        self.summary = summary;
        if !durable {
            return Ok(0);
        }
        self.db.flush()?;
        self.file.sync_data()?;
        // Not synced: it may lag behind after a power loss, never run ahead of the database.
        self.sequence_file.write_all_at(&summary.sequence.to_le_bytes(), 0)?;
        Ok(1)
    }
}

impl Summary {
    fn to_bytes(self) -> Vec<u8> {
        let body: Vec<u8> = [self.sequence, self.count, self.sum].iter().flat_map(|n| n.to_le_bytes()).collect();
        let mut bytes = crc32fast::hash(&body).to_le_bytes().to_vec();
        bytes.extend(body);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Summary> {
        let (crc, body) = bytes.split_at_checked(4)?;
        let number = |at: usize| Some(u64::from_le_bytes(body.get(at..at + 8)?.try_into().ok()?));
        let summary = Summary { sequence: number(0)?, count: number(8)?, sum: number(16)? };
        (crc == crc32fast::hash(body).to_le_bytes() && body.len() == 24).then_some(summary)
    }
}

/// Reads everything once: each record's checksum, then the count and the sum over all.
fn check(db: &sled::Db) -> Result<Summary, Failure> {
    let damage = |why: &str| Failure::Damage(why.to_owned());
    let mut found = Summary::default();
    let mut stated = None;
    for entry in db.iter() {
        let (key, value) = entry.map_err(|error| Failure::Damage(error.to_string()))?;
        let key = std::str::from_utf8(&key).map_err(|_| damage("a key is not text"))?;
        if key == SUMMARY {
            stated = Some(Summary::from_bytes(&value).ok_or_else(|| damage("its summary is damaged"))?);
            continue;
        }
        verify(key, &value).map_err(|error| Failure::Damage(error.to_string()))?;
        found.count += 1;
        found.sum = found.sum.wrapping_add(fingerprint(key, &value));
    }
    match stated {
        None if found.count == 0 => Ok(found),
        None => Err(damage("its summary is missing")),
        Some(stated) if (stated.count, stated.sum) == (found.count, found.sum) => Ok(stated),
        Some(stated) => {
            Err(Failure::Damage(format!("it holds {} records that are not the {} written", found.count, stated.count)))
        }
    }
}

/// Damage, or a reason to leave the files alone.
fn judge(path: &Path, error: sled::Error) -> Failure {
    match error {
        sled::Error::Io(source) => match source.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                Failure::Damage(source.to_string())
            }
            ErrorKind::StorageFull => Failure::Error(StoreError::Full { path: path.to_owned(), free: 0 }),
            _ if source.to_string().contains("lock") => Failure::Error(StoreError::InUse { path: path.to_owned() }),
            _ => Failure::Error(StoreError::Io { operation: "open", path: path.to_owned(), source }),
        },
        other => Failure::Damage(other.to_string()),
    }
}

/// Reads or writes the FORMAT file.
fn check_format(path: &Path) -> Result<(), Failure> {
    let file = path.join("FORMAT");
    match std::fs::read_to_string(&file) {
        Ok(text) => match text.trim().strip_prefix("fleet-store ").and_then(|number| number.parse::<u32>().ok()) {
            Some(found) if found > VERSION => {
                Err(Failure::Error(StoreError::Newer { path: path.to_owned(), found, known: VERSION }))
            }
            Some(VERSION) => Ok(()),
            Some(older) => Err(Failure::Damage(format!("it has the old format {older}"))),
            None => Err(Failure::Damage("its FORMAT file is damaged".to_owned())),
        },
        Err(error) if error.kind() == ErrorKind::NotFound && path.join("sled").exists() => {
            Err(Failure::Damage("its FORMAT file is missing".to_owned()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let write = || -> std::io::Result<()> {
                std::fs::create_dir_all(path)?;
                let half = path.join("FORMAT.new");
                let mut new = File::create(&half)?;
                new.write_all(format!("fleet-store {VERSION}\n").as_bytes())?;
                new.sync_all()?;
                std::fs::rename(half, file)
            };
            write().map_err(io("make", path))
        }
        Err(source) => Err(io("open", path)(source)),
    }
}

/// Renames the folder to `PATH.damaged-N`, with the first N that is free.
fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let aside = (1u32..).map(|n| path.with_file_name(format!("{name}.damaged-{n}"))).find(|aside| !aside.exists());
    let aside = aside.expect("there are not four thousand million of them");
    std::fs::rename(path, &aside).map_err(io_error("set aside", path))?;
    // It no longer needs its room.
    drop_ballast(&aside);
    Ok(aside)
}

fn drop_ballast(path: &Path) {
    let _ = std::fs::remove_file(path.join("ballast"));
}

fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| match source.kind() {
        ErrorKind::StorageFull => StoreError::Full { path, free: 0 },
        _ => StoreError::Io { operation, path, source },
    }
}

fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let map = io_error(operation, path);
    move |source| Failure::Error(map(source))
}

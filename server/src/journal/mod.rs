//! The journal: what cannot be rebuilt. Revocations, tokens and their use, operators and roles, nodes that joined,
//! holds, the epoch, who did what.
//!
//! An append-only, hash-chained file of lines, fsynced with each record and read at start; without it the coordinator
//! does not start. One process holds it (a lock on the file). [`Journal`] is a cheap handle: `append` returns once the
//! record is durable, `state` is a snapshot, `subscribe` tells of every change.
//!
//! ```text
//! handlers -- append, decide --> Writer (one at a time) --> file
//!                                  | apply
//!                                  v
//!                        watch<Arc<JournalState>> --> authorization, TLS revocation, cutting of connections
//! ```

mod append;
mod entry;
pub mod inbox;
mod replay;
mod state;
#[cfg(test)]
mod tests;

pub use entry::{Entry, NewToken, Role};
pub use replay::Record;
pub use state::{JournalState, NodeRecord, OperatorRecord, TokenRecord};

use append::{Device as _, Writer};
use fleet_certs::clock::system_time;
use fleet_certs::peer::PeerIdentity;
use fleet_certs::tls::Revocation;
use fleet_units::time::Timestamp;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A held journal is tried again so often, and so far apart: a fifth of a second in all.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// What can go wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is none.
    #[error(
        "there is no journal at {0}: `fleet server init` makes one for a new fleet; for an old one restore it from a backup"
    )]
    Missing(PathBuf),
    /// There is one already.
    #[error("there is a journal at {0} already; it is not replaced")]
    Exists(PathBuf),
    /// Another process holds it.
    #[error("the journal {0} is held by another process: a coordinator is running on this folder")]
    Held(PathBuf),
    /// It could not be read or written.
    #[error("cannot {operation} the journal {path}: {source}")]
    File {
        /// open, read, repair, create
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record cannot be trusted.
    #[error(
        "the journal {path} is damaged at record {record}: {why}; restore it from a backup; nothing was changed, and what runs on the nodes runs on"
    )]
    Damaged {
        /// Which journal.
        path: PathBuf,
        /// Which record, from 1; 0 is the header.
        record: u64,
        /// What is wrong.
        why: String,
    },
    /// Written by a later version.
    #[error("the journal {path} was written by a newer version of fleet: {what}; start that version again")]
    Newer {
        /// Which journal.
        path: PathBuf,
        /// What is not known here.
        what: String,
    },
    /// A record could not be made durable; nothing was changed.
    #[error("cannot write record {record} of the journal {path}: {source}; nothing was changed")]
    Append {
        /// Which journal.
        path: PathBuf,
        /// The record that was to be written.
        record: u64,
        /// Why not: a full disk, for instance.
        source: io::Error,
    },
    /// A failed write could not be taken back.
    #[error(
        "the journal {0} could not be written and takes no more records: repair its disk and restart the coordinator"
    )]
    Broken(PathBuf),
}

/// Why [`Journal::decide`] wrote nothing.
#[derive(Debug)]
pub enum Undecided<E> {
    /// The decision was no.
    Refused(E),
    /// The record could not be written.
    Journal(JournalError),
}

/// A handle on the open journal. All clones are one.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    writer: Mutex<Writer>,
    state: watch::Sender<Arc<JournalState>>,
    repaired: Option<String>,
}

impl Journal {
    /// Makes a new, empty journal at `path`, which must not exist.
    pub fn create(path: &Path) -> Result<Journal, JournalError> {
        let fail = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => JournalError::Exists(path.to_owned()),
            _ => JournalError::File { operation: "create", path: path.to_owned(), source },
        };
        if path.exists() {
            return Err(JournalError::Exists(path.to_owned()));
        }
        // The header is durable before the name is: a crash leaves no journal, or a good one.
        let temporary = path.with_extension("new");
        let _ = std::fs::remove_file(&temporary);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(fail)?;
        writeln!(file, "{}", replay::header()).and_then(|()| file.sync_all()).map_err(fail)?;
        std::fs::hard_link(&temporary, path).map_err(fail)?;
        std::fs::remove_file(&temporary).map_err(fail)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|folder| folder.sync_all()).map_err(fail)?;
        Journal::open(path)
    }

    /// Opens and reads the journal at `path`. A record that a crash left unfinished is cut off, and
    /// [`Journal::repaired`] says so; any other damage is an error.
    pub fn open(path: &Path) -> Result<Journal, JournalError> {
        let fail = |operation| move |source: io::Error| JournalError::File { operation, path: path.to_owned(), source };
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => JournalError::Missing(path.to_owned()),
            _ => fail("open")(source),
        })?;
        lock(&file).map_err(|error| match error {
            TryLockError::WouldBlock => JournalError::Held(path.to_owned()),
            TryLockError::Error(source) => fail("open")(source),
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail("read"))?;
        let replayed = replay::replay(path, &bytes)?;
        file.cut(replayed.length).map_err(fail("repair"))?;
        let repaired = (replayed.torn > 0)
            .then(|| format!("cut {} bytes of an unfinished record off the end of {}", replayed.torn, path.display()));
        if let Some(what) = &repaired {
            file.sync_all().map_err(fail("repair"))?;
            tracing::warn!("repaired the journal after a crash: {what}");
        }
        let writer = Writer {
            path: path.to_owned(),
            device: Box::new(file),
            length: replayed.length,
            number: replayed.state.records,
            last: replayed.state.last,
            hash: replayed.hash,
            broken: false,
        };
        let state = watch::Sender::new(Arc::new(replayed.state));
        Ok(Journal { inner: Arc::new(Inner { writer: Mutex::new(writer), state, repaired }) })
    }

    /// What was repaired when it was opened.
    #[must_use]
    pub fn repaired(&self) -> Option<&str> {
        self.inner.repaired.as_deref()
    }

    /// What all records add up to, now.
    #[must_use]
    pub fn state(&self) -> Arc<JournalState> {
        Arc::clone(&self.inner.state.borrow())
    }

    /// The time for what is signed now: never before the latest record, or a leaf would count as older than a
    /// revocation that came before it when the clock was set back.
    #[must_use]
    pub fn signing_time(&self) -> Timestamp {
        system_time().max(self.state().last)
    }

    /// Tells of every change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<JournalState>> {
        self.inner.state.subscribe()
    }

    /// Writes one record; durable on return, and part of [`Journal::state`]. Blocks for the disk: a fraction of a
    /// millisecond to tens of them.
    pub fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        self.decide(|_, _| Ok::<_, std::convert::Infallible>(entry)).map_err(|error| match error {
            Undecided::Journal(error) => error,
            Undecided::Refused(never) => match never {},
        })
    }

    /// Decides by the latest state, and writes what was decided, with nobody in between: two joins with a token's
    /// last use cannot both succeed. `decide` gets the time the record will have, at the earliest.
    pub fn decide<E>(
        &self,
        decide: impl FnOnce(&JournalState, Timestamp) -> Result<Entry, E>,
    ) -> Result<Record, Undecided<E>> {
        let mut writer = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let now = system_time().max(writer.last);
        let entry = decide(&self.state(), now).map_err(Undecided::Refused)?;
        let record = writer.append(entry, now).map_err(Undecided::Journal)?;
        self.inner.state.send_modify(|state| Arc::make_mut(state).apply(&record));
        Ok(record)
    }

    /// [`Journal::append`] on the blocking pool, for async callers.
    pub async fn record(&self, entry: Entry) -> Result<Record, JournalError> {
        let journal = self.clone();
        let task = tokio::task::spawn_blocking(move || journal.append(entry));
        task.await.expect("appending does not panic, and the runtime is not shut down while it is awaited")
    }
}

/// Takes the lock, trying for a moment: a process that was just forked has a copy of an earlier holder's descriptor until
/// it executes its program.
fn lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            other => return other,
        }
    }
    file.try_lock()
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({} records)", self.state().records)
    }
}

/// The journal decides which certificates count, in every handshake and for every request.
impl Revocation for Journal {
    fn refuse(&self, peer: &PeerIdentity) -> Option<String> {
        self.state().refuse(peer)
    }
}

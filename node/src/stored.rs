//! The assignment a node acts on, durable before it acts: what it boots from when the coordinator is away.
//!
//! ```text
//! STATE/assignment.pb          v1::Manifest and v1::Bundles that are new with it, each after its length; replaced whole
//! STATE/bundles/<digest>.pb    v1::Bundle, written when nobody waits any more, removed when no assignment names it
//! STATE/holds.json             holds by unit
//! STATE/timers.json            when persistent timers elapsed last
//! STATE/completed.json         oneshots that completed since the host booted
//! ```
//! A change is one file: one fdatasync and one of its folder stand between a notice and the first process, however many
//! bundles it brings. [`Folder::settle`] makes files of them afterwards, so that the next change does not carry them.

use fleet_proto::convert::WireError;
use fleet_proto::v1;
use fleet_units::assignment::NodeAssignment;
use fleet_units::bundle::Bundle;
use fleet_units::ids::{UnitDigest, UnitName};
use fleet_units::status::Hold;
use fleet_units::time::Timestamp;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Calls of fsync and fdatasync this process made through this module; for benchmarks and metrics.
pub static SYNCS: AtomicU64 = AtomicU64::new(0);

/// Why the stored assignment could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The disk said no.
    #[error("{operation} {path}")]
    Io {
        /// `read`, `write`, `list`.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what this version wrote.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// An assignment with its bundles: with all of them, but for what a damaged disk has lost.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What this node shall run.
    pub assignment: Arc<NodeAssignment>,
    /// The bundles it names.
    pub bundles: Arc<BTreeMap<UnitDigest, Arc<Bundle>>>,
}

impl Stored {
    /// Whether every bundle that the assignment names is here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.assignment.units.values().all(|entry| self.bundles.contains_key(&entry.digest))
    }
}

/// The files of one node's assignment.
#[derive(Clone, Debug)]
pub struct Folder {
    state: PathBuf,
    /// What was saved last. Held while files are written: a bundle's file counts only once it is durable, and none is
    /// removed that is named by now.
    saved: Arc<Mutex<Option<Stored>>>,
    /// Bundles that units still run from, besides those of the assignment.
    in_use: Arc<Mutex<BTreeSet<UnitDigest>>>,
}

impl Folder {
    /// The files below `state`; makes the folder for bundles.
    pub fn open(state: &Path) -> Result<Folder, StoredError> {
        let folder = Folder { state: state.to_owned(), saved: Arc::default(), in_use: Arc::default() };
        let bundles = folder.bundles();
        fs::create_dir_all(&bundles).map_err(io_error("make", &bundles))?;
        // An earlier agent may have ended just before it did.
        sync_folder(&bundles).map_err(io_error("sync", &bundles))?;
        Ok(folder)
    }

    fn bundles(&self) -> PathBuf {
        self.state.join("bundles")
    }

    fn bundle_path(&self, digest: &UnitDigest) -> PathBuf {
        self.bundles().join(format!("{digest}.pb"))
    }

    fn assignment_path(&self) -> PathBuf {
        self.state.join("assignment.pb")
    }

    fn completed_path(&self) -> PathBuf {
        self.state.join("completed.json")
    }

    fn stamps_path(&self) -> PathBuf {
        self.state.join("timers.json")
    }

    fn holds_path(&self) -> PathBuf {
        self.state.join("holds.json")
    }

    /// The stored assignment; `None` when there never was one. A damaged assignment is an error: the caller decides to
    /// set it aside. A bundle that is damaged or gone costs its units alone: it is left out, and its file removed so
    /// that the next save stores it again.
    pub fn load(&self) -> Result<Option<Stored>, StoredError> {
        let path = self.assignment_path();
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        let mut rest = &bytes[..];
        let manifest = v1::Manifest::decode_length_delimited(&mut rest).map_err(damaged(&path))?;
        let assignment: NodeAssignment = manifest.try_into().map_err(damaged::<WireError>(&path))?;
        let mut bundles = carried(&path, rest);
        let named: BTreeSet<UnitDigest> = assignment.units.values().map(|entry| entry.digest).collect();
        for digest in named.into_iter().filter(|digest| !bundles.contains_key(digest)).collect::<Vec<_>>() {
            match self.load_bundle(&digest) {
                Ok(Some(bundle)) => drop(bundles.insert(digest, Arc::new(bundle))),
                Ok(None) => tracing::error!(%digest, "a stored bundle is gone"),
                Err(error) => {
                    tracing::error!(error = %crate::error_chain(&error), "a stored bundle is left out");
                    let _ = fs::remove_file(self.bundle_path(&digest));
                }
            }
        }
        Ok(Some(Stored { assignment: Arc::new(assignment), bundles: Arc::new(bundles) }))
    }

    /// One stored bundle, also of an earlier assignment; `None`: it is not there, or damaged.
    #[must_use]
    pub fn bundle(&self, digest: &UnitDigest) -> Option<Arc<Bundle>> {
        if let Ok(Some(bundle)) = self.load_bundle(digest) {
            return Some(Arc::new(bundle));
        }
        self.load().ok()??.bundles.get(digest).cloned()
    }

    /// Says which bundles units run from, whatever the assignment names: the next agent has to read them.
    pub fn keep(&self, in_use: BTreeSet<UnitDigest>) {
        *self.in_use.lock().unwrap_or_else(PoisonError::into_inner) = in_use;
    }

    fn load_bundle(&self, digest: &UnitDigest) -> Result<Option<Bundle>, StoredError> {
        let path = self.bundle_path(digest);
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        let wire = v1::Bundle::decode(&bytes[..]).map_err(damaged(&path))?;
        let bundle: Bundle = wire.try_into().map_err(damaged::<WireError>(&path))?;
        let found = bundle.digest();
        if found == *digest {
            return Ok(Some(bundle));
        }
        Err(StoredError::Damaged { path, why: format!("it holds bundle {found}") })
    }

    /// Makes `next` durable, in one rename: the assignment, and with it the bundles that have no file of their own. After
    /// it returns a crash comes back with `next`; if it fails, with what was there before.
    pub fn save(&self, next: &Stored) -> Result<(), StoredError> {
        let mut saved = self.saved();
        let path = self.assignment_path();
        let mut bytes = v1::Manifest::from(next.assignment.as_ref()).encode_length_delimited_to_vec();
        for bundle in self.without_file(next) {
            bytes.extend(v1::Bundle::from(bundle.1.as_ref()).encode_length_delimited_to_vec());
        }
        write_durably(&path, &bytes).map_err(io_error("write", &path))?;
        *saved = Some(next.clone());
        Ok(())
    }

    /// Gives every bundle of what was saved last a file of its own, durably, and removes the files it does not name.
    /// Nothing needs to wait for it: what has no file yet goes along with the next [`Folder::save`] again.
    pub fn settle(&self) -> Result<(), StoredError> {
        let saved = self.saved();
        let Some(current) = saved.as_ref() else { return Ok(()) };
        let new = self.without_file(current);
        for (path, bundle) in &new {
            let bytes = v1::Bundle::from(bundle.as_ref()).encode_to_vec();
            write_file(path, &bytes).map_err(io_error("write", path))?;
        }
        if !new.is_empty() {
            let folder = self.bundles();
            sync_folder(&folder).map_err(io_error("sync", &folder))?;
        }
        self.prune(current);
        Ok(())
    }

    fn saved(&self) -> MutexGuard<'_, Option<Stored>> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn without_file<'a>(&self, stored: &'a Stored) -> Vec<(PathBuf, &'a Arc<Bundle>)> {
        let bundles = stored.bundles.iter().map(|(digest, bundle)| (self.bundle_path(digest), bundle));
        bundles.filter(|(path, _)| !path.exists()).collect()
    }

    /// Failing to remove one is no harm, so nothing is said.
    fn prune(&self, current: &Stored) {
        let in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let keep: BTreeSet<PathBuf> =
            current.bundles.keys().chain(&in_use).map(|digest| self.bundle_path(digest)).collect();
        let Ok(entries) = fs::read_dir(self.bundles()) else { return };
        for entry in entries.flatten() {
            if !keep.contains(&entry.path()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Sets a damaged assignment aside; returns where it went.
    pub fn set_aside(&self) -> io::Result<PathBuf> {
        let to = self.state.join("assignment.damaged");
        fs::rename(self.assignment_path(), &to)?;
        Ok(to)
    }

    /// Holds by unit.
    pub fn load_holds(&self) -> Result<BTreeMap<UnitName, Hold>, StoredError> {
        let path = self.holds_path();
        match read_if_there(&path)? {
            None => Ok(BTreeMap::new()),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(damaged(&path)),
        }
    }

    /// Oneshots that completed since the host booted as `boot_id`, with the digests they ran from.
    pub fn load_completed(&self, boot_id: &str) -> Result<BTreeMap<UnitName, UnitDigest>, StoredError> {
        let path = self.completed_path();
        let Some(bytes) = read_if_there(&path)? else { return Ok(BTreeMap::new()) };
        let stored: CompletedUnits = serde_json::from_slice(&bytes).map_err(damaged(&path))?;
        Ok(if stored.boot_id == boot_id { stored.units } else { BTreeMap::new() })
    }

    /// Replaces them, durably.
    pub fn save_completed(&self, boot_id: &str, units: BTreeMap<UnitName, UnitDigest>) -> Result<(), StoredError> {
        let path = self.completed_path();
        let stored = CompletedUnits { boot_id: boot_id.to_owned(), units };
        let text = serde_json::to_vec(&stored).expect("names and digests are strings");
        write_durably(&path, &text).map_err(io_error("write", &path))
    }

    /// When persistent timers elapsed last.
    pub fn load_stamps(&self) -> Result<BTreeMap<UnitName, Timestamp>, StoredError> {
        let path = self.stamps_path();
        match read_if_there(&path)? {
            None => Ok(BTreeMap::new()),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(damaged(&path)),
        }
    }

    /// Replaces them, durably.
    pub fn save_stamps(&self, stamps: &BTreeMap<UnitName, Timestamp>) -> Result<(), StoredError> {
        let path = self.stamps_path();
        let text = serde_json::to_vec(stamps).expect("stamps are names and numbers");
        write_durably(&path, &text).map_err(io_error("write", &path))
    }

    /// Replaces the stored holds, durably.
    pub fn save_holds(&self, holds: &BTreeMap<UnitName, Hold>) -> Result<(), StoredError> {
        let path = self.holds_path();
        let text = serde_json::to_vec(holds).expect("holds are strings and numbers");
        write_durably(&path, &text).map_err(io_error("write", &path))
    }
}

/// The bundles behind the manifest, up to the first that is damaged.
fn carried(path: &Path, mut rest: &[u8]) -> BTreeMap<UnitDigest, Arc<Bundle>> {
    let mut bundles = BTreeMap::new();
    while !rest.is_empty() {
        let wire = v1::Bundle::decode_length_delimited(&mut rest).map_err(|error| error.to_string());
        match wire.and_then(|wire| Bundle::try_from(wire).map_err(|error: WireError| error.to_string())) {
            Ok(bundle) => drop(bundles.insert(bundle.digest(), Arc::new(bundle))),
            Err(error) => {
                tracing::error!(path = %path.display(), error, "the bundles stored with the assignment are damaged");
                break;
            }
        }
    }
    bundles
}

/// The form of `completed.json`.
#[derive(serde::Deserialize, serde::Serialize)]
struct CompletedUnits {
    boot_id: String,
    units: BTreeMap<UnitName, UnitDigest>,
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoredError {
    let path = path.to_owned();
    move |source| StoredError::Io { operation, path, source }
}

fn damaged<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> StoredError {
    let path = path.to_owned();
    move |error| StoredError::Damaged { path, why: error.to_string() }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StoredError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoredError::Io { operation: "read", path: path.to_owned(), source }),
    }
}

/// Replaces `path` by a file with `bytes`, durable on return: temporary file, fdatasync, rename, fsync of the folder.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_file(path, bytes)?;
    sync_folder(path.parent().unwrap_or(Path::new("/")))
}

/// As [`write_durably`], but the new name itself is durable only once the folder is synced.
fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    SYNCS.fetch_add(1, Ordering::Relaxed);
    fs::rename(&temporary, path)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    SYNCS.fetch_add(1, Ordering::Relaxed);
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_units::assignment::AssignedUnit;
    use fleet_units::bundle::SourceFile;
    use fleet_units::ids::{Epoch, Generation};

    fn stored(generation: u64, text: &str) -> Stored {
        let file = SourceFile::new(false, text.as_bytes());
        let bundle = Bundle { files: [("units/web.service".to_owned(), file)].into() };
        let digest = bundle.digest();
        let entry = AssignedUnit { digest, revision: "a".repeat(40).parse().unwrap() };
        let assignment = NodeAssignment {
            environment: "test".parse().unwrap(),
            node: "test-1".parse().unwrap(),
            epoch: Epoch(1),
            generation: Generation(generation),
            revision: "a".repeat(40).parse().unwrap(),
            units: [("web.service".parse().unwrap(), entry)].into(),
        };
        Stored { assignment: Arc::new(assignment), bundles: Arc::new([(digest, Arc::new(bundle))].into()) }
    }

    #[test]
    fn what_was_saved_is_loaded_and_old_bundles_go() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::open(state.path()).unwrap();
        assert!(folder.load().unwrap().is_none());
        folder.save(&stored(1, "one")).unwrap();
        folder.settle().unwrap();
        let second = stored(2, "two");
        folder.save(&second).unwrap();
        for settled in [false, true] {
            if settled {
                folder.settle().unwrap();
            }
            let loaded = folder.load().unwrap().unwrap();
            assert_eq!(loaded.assignment, second.assignment, "settled: {settled}");
            assert_eq!(loaded.bundles, second.bundles, "settled: {settled}");
            assert_eq!(fs::read_dir(folder.bundles()).unwrap().count(), 1);
        }
        // What has a file of its own is not carried along again.
        let before = fs::metadata(folder.assignment_path()).unwrap().len();
        folder.save(&second).unwrap();
        assert!(fs::metadata(folder.assignment_path()).unwrap().len() < before);
        assert_eq!(folder.load().unwrap().unwrap().bundles, second.bundles);
    }

    fn damage(path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_damaged_bundle_is_left_out_and_stored_again_by_the_next_save() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::open(state.path()).unwrap();
        let one = stored(1, "one");
        folder.save(&one).unwrap();
        folder.settle().unwrap();
        folder.save(&one).unwrap();
        let path = folder.bundle_path(one.bundles.keys().next().unwrap());
        damage(&path);
        for what in ["damaged", "gone"] {
            let loaded = folder.load().unwrap().unwrap();
            assert_eq!(loaded.assignment, one.assignment, "{what}");
            assert!(loaded.bundles.is_empty() && !loaded.is_complete(), "{what}");
            assert!(!path.exists(), "{what}");
        }
        folder.save(&one).unwrap();
        assert!(folder.load().unwrap().unwrap().is_complete());
        damage(&folder.assignment_path());
        assert!(!folder.load().unwrap().unwrap().is_complete(), "the bundle in the assignment's file is damaged");
    }

    #[test]
    fn a_damaged_assignment_is_named() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::open(state.path()).unwrap();
        fs::write(folder.assignment_path(), "no manifest").unwrap();
        assert!(matches!(folder.load(), Err(StoredError::Damaged { .. })));
    }
}

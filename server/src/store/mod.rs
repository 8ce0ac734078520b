//! What the coordinator knows and could learn again: nodes, assignments, latest statuses.
//!
//! Everything here can be rebuilt from git, the journal and what nodes report; a damaged store is set aside and
//! starts empty. What cannot be rebuilt lives in git refs and in the journal. The coordinator's task is the only
//! writer: it collects one change into one [`Batch`], which costs one flush.
//!
//! ```text
//! Store (domain words) = Backend (keys and bytes: memory, sled) + schema (keys, versions, checksums)
//! ```

mod memory;
mod records;
mod schema;
mod sled;

#[cfg(test)]
mod tests;

pub use self::sled::{Opened, Options, SledStore};
pub use memory::MemoryStore;
pub use records::{Batch, NodeRecord, NodeStatuses};
pub use schema::VERSION;

use fleet_units::assignment::NodeAssignment;
use fleet_units::ids::NodeName;
use schema::Table;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use thiserror::Error;

/// What can go wrong with the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It was written by a newer version of Fleet; nothing was changed.
    #[error(
        "the store {path} has format {found}, this program knows up to {known}; run the newer version, or move the folder away to rebuild it"
    )]
    Newer {
        /// Its folder.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// The disk is full or nearly so; nothing was changed, and nothing is lost.
    #[error("the disk of the store {path} is full: {free} bytes are left; free some and it carries on")]
    Full {
        /// Its folder.
        path: PathBuf,
        /// Bytes left.
        free: u64,
    },
    /// Another process has it open.
    #[error("the store {path} is in use by another process")]
    InUse {
        /// Its folder.
        path: PathBuf,
    },
    /// The files could not be read or written.
    #[error("cannot {operation} the store {path}")]
    Io {
        /// `open`, `write`, …
        operation: &'static str,
        /// Its folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A record is not what was written. Opening the store again sets it aside.
    #[error("the store holds a damaged record, {key}: {why}")]
    Damaged {
        /// Which.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The store, in the words of the domain. Calls block for a disk write at most.
pub trait Store: Send + Sync {
    /// Every node, by name.
    ///
    /// # Errors
    /// When records cannot be read; so for all that read.
    fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError>;
    /// One node.
    ///
    /// # Errors
    /// As [`Store::nodes`].
    fn node(&self, name: &NodeName) -> Result<Option<NodeRecord>, StoreError>;
    /// Every node's assignment, by node.
    ///
    /// # Errors
    /// As [`Store::nodes`].
    fn assignments(&self) -> Result<Vec<NodeAssignment>, StoreError>;
    /// One node's assignment.
    ///
    /// # Errors
    /// As [`Store::nodes`].
    fn assignment(&self, node: &NodeName) -> Result<Option<NodeAssignment>, StoreError>;
    /// What every node last told about its units, by node.
    ///
    /// # Errors
    /// As [`Store::nodes`].
    fn statuses(&self) -> Result<Vec<NodeStatuses>, StoreError>;
    /// Writes all of `batch` or nothing, on disk when it returns: one flush.
    ///
    /// # Errors
    /// [`StoreError::Full`] with nothing changed; others when the disk fails.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;
    /// Writes all of `batch` or nothing. It is on disk within about a second, or with the next commit: for what nodes
    /// will tell again.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn note(&self, batch: Batch) -> Result<(), StoreError>;
    /// How often data was forced to disk since the store was opened (fsync, fdatasync).
    fn syncs(&self) -> u64;
}

/// A change of one record: `None` removes it.
pub(crate) type Change = (String, Option<Vec<u8>>);

/// A backend: sorted keys and bytes.
pub(crate) trait Backend: Send + Sync {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// The records whose keys begin with `prefix`, in order.
    fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
    fn apply(&self, changes: Vec<Change>, durable: bool) -> Result<(), StoreError>;
    fn syncs(&self) -> u64;
}

fn one<T: DeserializeOwned>(backend: &impl Backend, table: Table, name: &str) -> Result<Option<T>, StoreError> {
    let key = table.key(name);
    backend.get(&key)?.map(|bytes| schema::decode(&key, &bytes)).transpose()
}

fn all<T: DeserializeOwned>(backend: &impl Backend, table: Table) -> Result<Vec<T>, StoreError> {
    backend.scan(&table.key(""))?.iter().map(|(key, bytes)| schema::decode(key, bytes)).collect()
}

impl<B: Backend> Store for B {
    fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        all(self, Table::Nodes)
    }
    fn node(&self, name: &NodeName) -> Result<Option<NodeRecord>, StoreError> {
        one(self, Table::Nodes, name.as_str())
    }
    fn assignments(&self) -> Result<Vec<NodeAssignment>, StoreError> {
        all(self, Table::Assignments)
    }
    fn assignment(&self, node: &NodeName) -> Result<Option<NodeAssignment>, StoreError> {
        one(self, Table::Assignments, node.as_str())
    }
    fn statuses(&self) -> Result<Vec<NodeStatuses>, StoreError> {
        all(self, Table::Statuses)
    }
    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.apply(batch.into_changes(), true)
    }
    fn note(&self, batch: Batch) -> Result<(), StoreError> {
        self.apply(batch.into_changes(), false)
    }
    fn syncs(&self) -> u64 {
        Backend::syncs(self)
    }
}

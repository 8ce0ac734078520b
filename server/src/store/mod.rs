//! What the coordinator keeps and could rebuild: nodes, assignments, what nodes last told. One trait in domain words.
//!
//! What cannot be rebuilt lives elsewhere: promotions and head logs in git, tokens, holds and audit in the journal.
//! Callers collect changes in a [`Batch`]; one batch is one durable write.

mod memory;

pub use memory::MemoryStore;

use fleet_units::assignment::NodeAssignment;
use fleet_units::ids::{EnvironmentName, NodeName};
use fleet_units::status::UnitStatus;
use fleet_units::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk said no; nothing of the batch is kept.
    #[error("{operation} the store")]
    Io {
        /// `read`, `write`, `sync`.
        operation: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A record is not what this version wrote.
    #[error("the store's record {key} is damaged: {why}")]
    Damaged {
        /// Which.
        key: String,
        /// What is wrong.
        why: String,
    },
}

/// One enrolled node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its name.
    pub name: NodeName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// The coordinator's labels.
    pub labels: BTreeMap<String, String>,
    /// The node's own facts, as last told.
    pub facts: BTreeMap<String, String>,
    /// When it was last connected.
    pub last_seen: Timestamp,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A node is enrolled, or its record changed.
    PutNode(NodeRecord),
    /// A node is gone, with its assignment and statuses.
    RemoveNode(NodeName),
    /// A node was offered this.
    PutAssignment(NodeAssignment),
    /// What a node last told of all its units.
    PutStatuses(NodeName, Vec<UnitStatus>),
}

/// Changes that are made together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In order.
    pub changes: Vec<Change>,
}

impl Batch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// A node is enrolled, or its record changed.
    pub fn put_node(&mut self, record: NodeRecord) {
        self.changes.push(Change::PutNode(record));
    }

    /// A node is gone, with its assignment and statuses.
    pub fn remove_node(&mut self, node: NodeName) {
        self.changes.push(Change::RemoveNode(node));
    }

    /// A node was offered this.
    pub fn put_assignment(&mut self, assignment: NodeAssignment) {
        self.changes.push(Change::PutAssignment(assignment));
    }

    /// What a node last told of all its units.
    pub fn put_statuses(&mut self, node: NodeName, statuses: Vec<UnitStatus>) {
        self.changes.push(Change::PutStatuses(node, statuses));
    }
}

/// What can be rebuilt. Blocking; a commit takes about as long as one fsync.
pub trait Store: Send + Sync {
    /// Every enrolled node, by name.
    fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError>;
    /// What a node was offered last.
    fn assignment(&self, node: &NodeName) -> Result<Option<NodeAssignment>, StoreError>;
    /// What a node last told, by unit.
    fn statuses(&self, node: &NodeName) -> Result<Vec<UnitStatus>, StoreError>;
    /// Makes all changes of `batch`, durably, or none.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;
}

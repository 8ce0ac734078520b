//! The records of the store, and the batch that changes them.

use super::Change;
use super::schema::{Table, encode};
use fleet_units::assignment::NodeAssignment;
use fleet_units::ids::{EnvironmentName, Generation, NodeName, Revision};
use fleet_units::status::UnitStatus;
use fleet_units::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A node as the coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its name.
    pub name: NodeName,
    /// The environment it was enrolled into.
    pub environment: EnvironmentName,
    /// The coordinator's: from the token, changed by an admin.
    pub labels: BTreeMap<String, String>,
    /// The node's own report, as it last said Hello.
    pub facts: BTreeMap<String, String>,
    /// When it was last heard of; 0 when never.
    pub last_seen: Timestamp,
    /// The newest assignment it said it has applied.
    pub applied_generation: Generation,
    /// That assignment's revision.
    pub applied_revision: Option<Revision>,
}

/// What a node last told about its units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatuses {
    /// The node.
    pub node: NodeName,
    /// When it told.
    pub time: Timestamp,
    /// By unit.
    pub units: Vec<UnitStatus>,
}

/// Changes that belong together; later ones of the same record win.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: BTreeMap<String, Option<Vec<u8>>>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Batch::default()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Adds or replaces a node.
    #[must_use]
    pub fn node(mut self, record: &NodeRecord) -> Self {
        self.put(Table::Nodes, record.name.as_str(), record);
        self
    }

    /// Adds or replaces a node's assignment.
    #[must_use]
    pub fn assignment(mut self, assignment: &NodeAssignment) -> Self {
        self.put(Table::Assignments, assignment.node.as_str(), assignment);
        self
    }

    /// Adds or replaces what a node told.
    #[must_use]
    pub fn statuses(mut self, statuses: &NodeStatuses) -> Self {
        self.put(Table::Statuses, statuses.node.as_str(), statuses);
        self
    }

    /// Removes a node with its assignment and statuses.
    #[must_use]
    pub fn remove_node(mut self, name: &NodeName) -> Self {
        for table in [Table::Nodes, Table::Assignments, Table::Statuses] {
            self.changes.insert(table.key(name.as_str()), None);
        }
        self
    }

    fn put(&mut self, table: Table, name: &str, record: &impl Serialize) {
        let key = table.key(name);
        let bytes = encode(&key, record);
        self.changes.insert(key, Some(bytes));
    }

    pub(crate) fn into_changes(self) -> Vec<Change> {
        self.changes.into_iter().collect()
    }
}

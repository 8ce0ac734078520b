//! A store that forgets: for tests.

use super::{Batch, Change, NodeRecord, Store, StoreError};
use fleet_units::assignment::NodeAssignment;
use fleet_units::ids::NodeName;
use fleet_units::status::UnitStatus;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A store that forgets.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Content>);

#[derive(Debug, Default)]
struct Content {
    nodes: BTreeMap<NodeName, NodeRecord>,
    assignments: BTreeMap<NodeName, NodeAssignment>,
    statuses: BTreeMap<NodeName, Vec<UnitStatus>>,
}

impl MemoryStore {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        Ok(self.content().nodes.values().cloned().collect())
    }

    fn assignment(&self, node: &NodeName) -> Result<Option<NodeAssignment>, StoreError> {
        Ok(self.content().assignments.get(node).cloned())
    }

    fn statuses(&self, node: &NodeName) -> Result<Vec<UnitStatus>, StoreError> {
        Ok(self.content().statuses.get(node).cloned().unwrap_or_default())
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut content = self.content();
        for change in batch.changes {
            match change {
                Change::PutNode(record) => drop(content.nodes.insert(record.name.clone(), record)),
                Change::RemoveNode(node) => {
                    content.nodes.remove(&node);
                    content.assignments.remove(&node);
                    content.statuses.remove(&node);
                }
                Change::PutAssignment(held) => drop(content.assignments.insert(held.node.clone(), held)),
                Change::PutStatuses(node, statuses) => drop(content.statuses.insert(node, statuses)),
            }
        }
        Ok(())
    }
}

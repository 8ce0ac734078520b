//! What one node shall run: complete, numbered, named by the digest of its manifest.

use crate::ids::{EnvironmentName, Epoch, Generation, NodeName, Revision, Sha256Digest, UnitDigest, UnitName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One unit of an assignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedUnit {
    /// The bundle it is made of.
    pub digest: UnitDigest,
    /// The revision in which this bundle became the unit's; for people, never compared.
    pub revision: Revision,
}

/// Everything one node shall run. Swapped in whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAssignment {
    /// The node's environment.
    pub environment: EnvironmentName,
    /// The node it is for.
    pub node: NodeName,
    /// The coordinator's epoch; a node refuses an older one.
    pub epoch: Epoch,
    /// Grows with every change for this node, within an epoch.
    pub generation: Generation,
    /// The revision of the environment this assignment was made from.
    pub revision: Revision,
    /// By unit name.
    pub units: BTreeMap<UnitName, AssignedUnit>,
}

impl NodeAssignment {
    /// SHA-256 over the sorted (unit, bundle digest): `unit NUL 32 bytes` each. Two assignments with the same
    /// manifest digest run the same things, whatever their revision or generation.
    #[must_use]
    pub fn manifest_digest(&self) -> Sha256Digest {
        let mut input = Vec::with_capacity(self.units.len() * 64);
        for (unit, entry) in &self.units {
            input.extend_from_slice(unit.as_str().as_bytes());
            input.push(0);
            input.extend_from_slice(entry.digest.as_bytes());
        }
        Sha256Digest::of(&input)
    }
}

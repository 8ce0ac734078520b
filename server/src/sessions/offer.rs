//! What the coordinator wants a node to run, and how the difference to what the node holds is told.

use fleet_proto::v1;
use fleet_units::assignment::NodeAssignment;
use fleet_units::bundle::Bundle;
use fleet_units::fleet::FleetSpec;
use fleet_units::ids::{UnitDigest, UnitName};
use prost::Message;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Largest notice that carries its bundles inline, in bytes: messages on a node's long stream stay under 8 KB, since
/// each larger one pins memory for as long as the stream lives.
const MAX_INLINE: usize = 8000;

/// An assignment together with the desired state that holds its bundles.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What the node shall run.
    pub assignment: Arc<NodeAssignment>,
    /// Where its bundles are.
    pub fleet: Arc<FleetSpec>,
}

impl Offer {
    /// The bundle with this digest, if the assignment names it. A node gets no other unit's source.
    #[must_use]
    pub fn bundle(&self, digest: &UnitDigest) -> Option<&Arc<Bundle>> {
        let (unit, _) = self.assignment.units.iter().find(|(_, entry)| entry.digest == *digest)?;
        self.bundle_of(unit)
    }

    fn bundle_of(&self, unit: &UnitName) -> Option<&Arc<Bundle>> {
        self.fleet.units.get(unit).map(|found| &found.bundle)
    }

    /// The notice for a node that holds `base`: the whole difference inline when it is small, else only its name.
    #[must_use]
    pub fn notice(&self, base: Option<&NodeAssignment>) -> v1::Notice {
        let named = v1::Notice {
            epoch: self.assignment.epoch.0,
            generation: self.assignment.generation.0,
            revision: self.assignment.revision.to_string(),
            manifest_digest: self.assignment.manifest_digest().as_bytes().to_vec().into(),
            ..Default::default()
        };
        base.and_then(|base| self.inline(&named, base)).unwrap_or(named)
    }

    fn inline(&self, named: &v1::Notice, base: &NodeAssignment) -> Option<v1::Notice> {
        if base.epoch != self.assignment.epoch {
            return None;
        }
        let mut notice = v1::Notice { inline_complete: true, base_generation: base.generation.0, ..named.clone() };
        let mut held: BTreeSet<UnitDigest> = base.units.values().map(|entry| entry.digest).collect();
        let mut size = 0;
        for (unit, entry) in &self.assignment.units {
            if base.units.get(unit) == Some(entry) {
                continue;
            }
            notice.changed.push((unit, entry).into());
            if held.insert(entry.digest) {
                let bundle = self.bundle_of(unit)?;
                size += bundle.size();
                if size > MAX_INLINE {
                    return None;
                }
                notice.bundles.push(bundle.as_ref().into());
            }
        }
        notice.removed =
            base.units.keys().filter(|unit| !self.assignment.units.contains_key(*unit)).map(String::from).collect();
        (notice.encoded_len() <= MAX_INLINE).then_some(notice)
    }
}

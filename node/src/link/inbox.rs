//! From a notice to the next assignment: inline when it fits what is held, else by fetching what is missing.

use super::fetch::Fetcher;
use crate::stored::Stored;
use fleet_proto::convert::WireError;
use fleet_proto::v1;
use fleet_units::assignment::{AssignedUnit, NodeAssignment};
use fleet_units::bundle::Bundle;
use fleet_units::diagnostic::Reason;
use fleet_units::ids::{EnvironmentName, Epoch, Generation, NodeName, Sha256Digest, UnitDigest, UnitName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why an offered assignment is not taken; the old one stays.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It comes from an older life of the coordinator.
    #[error("epoch {offered} is older than {held}, which this node has already followed")]
    OlderEpoch {
        /// What the notice says.
        offered: Epoch,
        /// What this node holds.
        held: Epoch,
    },
    /// It is not for this node.
    #[error("the assignment is for {environment}/{node}")]
    NotOurs {
        /// Whose environment it says.
        environment: EnvironmentName,
        /// Whose it says it is.
        node: NodeName,
    },
    /// What came does not have the digest the notice names.
    #[error("the manifest that arrived is not the one the notice names")]
    Manifest,
    /// A bundle was not sent.
    #[error("bundle {0} was not sent")]
    MissingBundle(UnitDigest),
    /// A message cannot be understood.
    #[error("the assignment cannot be understood: {0}")]
    Wire(#[from] WireError),
    /// Fetching failed.
    #[error("fetch the assignment: {0}")]
    Fetch(#[from] tonic::Status),
}

impl Refusal {
    /// As the coordinator is told.
    #[must_use]
    pub fn reason(&self) -> Reason {
        let code = match self {
            Refusal::OlderEpoch { .. } => "older-epoch",
            Refusal::NotOurs { .. } => "not-ours",
            Refusal::Manifest | Refusal::MissingBundle(_) => "incomplete",
            Refusal::Wire(_) => "unsupported-by-agent",
            Refusal::Fetch(_) => "fetch-failed",
        };
        Reason::new(code, self.to_string())
    }
}

/// Who this node is, by its certificate.
#[derive(Clone, Debug)]
pub struct Whoami {
    /// The node's name.
    pub node: NodeName,
    /// Its environment.
    pub environment: EnvironmentName,
}

/// The assignment `notice` stands for, complete with bundles.
///
/// # Errors
/// When it is older, not for this node, incomplete or not understood. Nothing has changed then.
pub async fn next_assignment(
    whoami: &Whoami,
    notice: v1::Notice,
    held: Option<&Stored>,
    fetcher: &mut Fetcher,
) -> Result<Stored, Refusal> {
    let offered = Epoch(notice.epoch);
    if let Some(held) = held.map(|held| held.assignment.epoch).filter(|held| offered < *held) {
        return Err(Refusal::OlderEpoch { offered, held });
    }
    let wanted = Sha256Digest::from_bytes(&notice.manifest_digest).map_err(|_| Refusal::Manifest)?;
    let (assignment, inline) = match inline(whoami, &notice, held)? {
        Some(complete) => complete,
        None => (fetcher.manifest(notice.epoch, notice.generation).await?.try_into()?, Bundles::new()),
    };
    if assignment.node != whoami.node || assignment.environment != whoami.environment {
        return Err(Refusal::NotOurs { environment: assignment.environment, node: assignment.node });
    }
    if assignment.manifest_digest() != wanted {
        return Err(Refusal::Manifest);
    }
    let bundles = gather(&assignment, inline, held, fetcher).await?;
    Ok(Stored { assignment: Arc::new(assignment), bundles: Arc::new(bundles) })
}

type Bundles = BTreeMap<UnitDigest, Arc<Bundle>>;

/// The assignment as the notice itself holds it; `None` when it does not, or not for what is held.
fn inline(
    whoami: &Whoami,
    notice: &v1::Notice,
    held: Option<&Stored>,
) -> Result<Option<(NodeAssignment, Bundles)>, Refusal> {
    let Some(held) = held.filter(|held| {
        notice.inline_complete
            && held.assignment.epoch == Epoch(notice.epoch)
            && held.assignment.generation == Generation(notice.base_generation)
    }) else {
        return Ok(None);
    };
    let mut units = held.assignment.units.clone();
    units.retain(|unit, _| !notice.removed.iter().any(|removed| removed == unit.as_str()));
    for entry in &notice.changed {
        let (unit, entry): (UnitName, AssignedUnit) = entry.clone().try_into()?;
        units.insert(unit, entry);
    }
    let mut bundles = Bundles::new();
    for bundle in &notice.bundles {
        let bundle: Bundle = bundle.clone().try_into()?;
        bundles.insert(bundle.digest(), Arc::new(bundle));
    }
    let assignment = NodeAssignment {
        environment: whoami.environment.clone(),
        node: whoami.node.clone(),
        epoch: Epoch(notice.epoch),
        generation: Generation(notice.generation),
        revision: notice.revision.parse().map_err(|source| WireError::Id { field: "Notice.revision", source })?,
        units,
    };
    Ok(Some((assignment, bundles)))
}

/// Every bundle `assignment` names: from the notice, from what is held, and the rest from the coordinator.
async fn gather(
    assignment: &NodeAssignment,
    mut found: Bundles,
    held: Option<&Stored>,
    fetcher: &mut Fetcher,
) -> Result<Bundles, Refusal> {
    let mut missing = Vec::new();
    for digest in assignment.units.values().map(|entry| entry.digest) {
        if found.contains_key(&digest) || missing.contains(&digest) {
            continue;
        }
        match held.and_then(|held| held.bundles.get(&digest)) {
            Some(bundle) => {
                found.insert(digest, bundle.clone());
            }
            None => missing.push(digest),
        }
    }
    if !missing.is_empty() {
        found.extend(fetcher.bundles(&missing).await?);
    }
    match missing.iter().find(|digest| !found.contains_key(*digest)) {
        Some(digest) => Err(Refusal::MissingBundle(*digest)),
        None => Ok(found),
    }
}

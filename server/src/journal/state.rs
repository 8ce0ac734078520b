//! What the journal's entries add up to. Pure: the same records give the same state.

use super::entry::{Entry, NewToken, Role};
use super::replay::Record;
use fleet_certs::identity::Identity;
use fleet_certs::peer::{PeerIdentity, Serial};
use fleet_units::ids::{EnvironmentName, Epoch, NodeName, OperatorName, Sha256Digest, UnitName};
use fleet_units::status::Hold;
use fleet_units::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Records about who did what that stay in memory; the file holds all.
const AUDIT_KEPT: usize = 1000;

/// A join token and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// As it was made.
    pub token: NewToken,
    /// How often it was used.
    pub used: u32,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// A node that joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// Its environment.
    pub environment: EnvironmentName,
    /// Its labels; the coordinator's.
    pub labels: BTreeMap<String, String>,
    /// When it joined.
    pub enrolled: Timestamp,
    /// The token it came with.
    pub token: Option<String>,
    /// SHA-256 of the public key it joined with.
    pub key: Sha256Digest,
}

/// An operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorRecord {
    /// What they may do.
    pub role: Role,
    /// When they were added, or got this role.
    pub since: Timestamp,
    /// Serial number of the latest certificate.
    pub serial: String,
}

/// Everything the journal knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalState {
    /// Records read and written so far.
    pub records: u64,
    /// Time of the last record: a lower bound of now.
    pub last: Timestamp,
    /// The present epoch.
    pub epoch: Epoch,
    /// Join tokens by id.
    pub tokens: BTreeMap<String, TokenRecord>,
    /// Nodes that belong to the fleet.
    pub nodes: BTreeMap<NodeName, NodeRecord>,
    /// Operators.
    pub operators: BTreeMap<OperatorName, OperatorRecord>,
    /// Holds that were set and not ended; `until` may have passed.
    pub holds: BTreeMap<(NodeName, UnitName), Hold>,
    /// The latest records about who did what, oldest first, at most 1000.
    pub audit: VecDeque<Record>,
    revoked: BTreeSet<String>,
    /// Certificates of an identity issued up to here count no more.
    cutoffs: BTreeMap<String, Timestamp>,
}

impl JournalState {
    /// Takes one record in.
    pub(super) fn apply(&mut self, record: &Record) {
        self.records = record.number;
        self.last = record.time;
        let time = record.time;
        match &record.entry {
            Entry::Epoch { epoch } => self.epoch = *epoch,
            Entry::TokenCreated(token) => {
                let kept = TokenRecord { token: token.clone(), used: 0, revoked: false };
                self.tokens.insert(token.id.clone(), kept);
            }
            Entry::TokenRevoked { id, .. } => {
                if let Some(token) = self.tokens.get_mut(id) {
                    token.revoked = true;
                }
            }
            Entry::NodeEnrolled { node, environment, labels, token, serial, key } => {
                self.enrol(node, environment, serial, time);
                if let Some(token) = token.as_ref().and_then(|id| self.tokens.get_mut(id)) {
                    token.used += 1;
                }
                let (environment, labels, token) = (environment.clone(), labels.clone(), token.clone());
                let kept = NodeRecord { environment, labels, enrolled: time, token, key: *key };
                self.nodes.insert(node.clone(), kept);
            }
            Entry::NodeLabelled { node, labels, .. } => {
                if let Some(node) = self.nodes.get_mut(node) {
                    node.labels.clone_from(labels);
                }
            }
            Entry::NodeRemoved { node, .. } => {
                if let Some(old) = self.nodes.remove(node) {
                    self.cut_off(Identity::Node { environment: old.environment, name: node.clone() }, time);
                }
                self.holds.retain(|(held, _), _| held != node);
            }
            Entry::OperatorAdded { name, role, serial, .. } => {
                let kept = OperatorRecord { role: *role, since: time, serial: serial.clone() };
                self.operators.insert(name.clone(), kept);
            }
            Entry::OperatorRenewed { name, serial } => {
                if let Some(operator) = self.operators.get_mut(name) {
                    operator.serial.clone_from(serial);
                }
            }
            Entry::OperatorRemoved { name, .. } => {
                self.operators.remove(name);
                self.cut_off(Identity::Operator { name: name.clone() }, time);
            }
            Entry::CertificateRevoked { serial, .. } => {
                self.revoked.insert(serial.clone());
            }
            Entry::HoldSet { node, unit, who, why, until } => {
                let hold = Hold { who: who.clone(), why: why.clone(), until: *until };
                self.holds.insert((node.clone(), unit.clone()), hold);
            }
            Entry::HoldEnded { node, unit, .. } => {
                self.holds.remove(&(node.clone(), unit.clone()));
            }
            Entry::Audit { .. } => {}
        }
        self.keep_for_audit(record);
    }

    /// A name that joins anew: what was issued to it before counts no more.
    fn enrol(&mut self, node: &NodeName, environment: &EnvironmentName, serial: &str, time: Timestamp) {
        let Some(old) = self.nodes.get(node) else { return };
        let identity = Identity::Node { environment: old.environment.clone(), name: node.clone() };
        let until = match serial.parse::<Serial>() {
            Ok(new) if old.environment == *environment => Timestamp(new.issued().0.saturating_sub(1)),
            _ => time,
        };
        self.cut_off(identity, until);
    }

    fn cut_off(&mut self, identity: Identity, until: Timestamp) {
        let kept = self.cutoffs.entry(identity.to_string()).or_default();
        *kept = until.max(*kept);
    }

    fn keep_for_audit(&mut self, record: &Record) {
        if self.audit.len() == AUDIT_KEPT {
            self.audit.pop_front();
        }
        self.audit.push_back(record.clone());
    }

    /// Why a certificate that chains to our root counts no more, or never did; `None`: it counts.
    #[must_use]
    pub fn refuse(&self, peer: &PeerIdentity) -> Option<String> {
        if self.revoked.contains(&peer.serial.to_string()) {
            return Some(format!("the certificate {} was revoked", peer.serial));
        }
        if self.cutoffs.get(&peer.identity.to_string()).is_some_and(|until| peer.serial.issued() <= *until) {
            return Some(format!("the older certificates of {} were revoked", peer.identity));
        }
        match &peer.identity {
            Identity::Node { environment, name } => match self.nodes.get(name) {
                Some(node) if node.environment == *environment => None,
                _ => Some(format!("{} belongs to the fleet no more", peer.identity)),
            },
            Identity::Operator { name } => {
                (!self.operators.contains_key(name)).then(|| format!("{} is no operator of this fleet", peer.identity))
            }
            Identity::Coordinator { .. } => None,
        }
    }
}

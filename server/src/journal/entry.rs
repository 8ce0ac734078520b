//! What the journal records. Fields may be added with a default; a kind that is not known here was written by a newer
//! version and stops the start.

use fleet_units::ids::{EnvironmentName, Epoch, NodeName, OperatorName, Sha256Digest, UnitName};
use fleet_units::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What an operator may do; each may do what the later ones may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything, tokens and other operators included.
    Admin,
    /// Change what runs: act on units, promote, roll back.
    Operator,
    /// Look.
    Viewer,
}

impl Role {
    /// Whether this role includes `wanted`.
    #[must_use]
    pub fn includes(self, wanted: Role) -> bool {
        let rank = |role| match role {
            Role::Admin => 2,
            Role::Operator => 1,
            Role::Viewer => 0,
        };
        rank(self) >= rank(wanted)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Admin => "admin",
            Role::Operator => "operator",
            Role::Viewer => "viewer",
        })
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "admin" => Ok(Role::Admin),
            "operator" => Ok(Role::Operator),
            "viewer" => Ok(Role::Viewer),
            _ => Err(format!("{text:?} is not a role: the roles are admin, operator and viewer")),
        }
    }
}

/// One thing that cannot be rebuilt from git or from the nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Entry {
    /// The coordinator begins a life with new state; nodes refuse an older epoch.
    Epoch {
        /// The new epoch.
        epoch: Epoch,
    },
    /// A join token was made.
    TokenCreated(NewToken),
    /// A join token was taken back.
    TokenRevoked {
        /// Its id.
        id: String,
        /// Who did it.
        by: String,
    },
    /// A node joined; counts one use of its token.
    NodeEnrolled {
        /// Its name.
        node: NodeName,
        /// Its environment.
        environment: EnvironmentName,
        /// Its first labels.
        labels: BTreeMap<String, String>,
        /// The token it came with; `None` when the coordinator's host enrolled it itself.
        token: Option<String>,
        /// Serial number of its first certificate. Older certificates of the name count no more.
        serial: String,
        /// SHA-256 of its public key.
        key: Sha256Digest,
    },
    /// A node's labels were changed; all of them.
    NodeLabelled {
        /// Whose.
        node: NodeName,
        /// What they are now.
        labels: BTreeMap<String, String>,
        /// Who did it.
        by: String,
    },
    /// A node belongs to the fleet no more; its certificates count no more.
    NodeRemoved {
        /// Which.
        node: NodeName,
        /// Who did it.
        by: String,
    },
    /// An operator was added, or got another role, with a first certificate.
    OperatorAdded {
        /// Their name.
        name: OperatorName,
        /// What they may do.
        role: Role,
        /// Serial number of the certificate.
        serial: String,
        /// Who did it.
        by: String,
    },
    /// An operator's certificate was renewed.
    OperatorRenewed {
        /// Whose.
        name: OperatorName,
        /// Serial number of the new one.
        serial: String,
    },
    /// An operator belongs to the fleet no more; their certificates count no more.
    OperatorRemoved {
        /// Who.
        name: OperatorName,
        /// Who did it.
        by: String,
    },
    /// One certificate counts no more.
    CertificateRevoked {
        /// Its serial number.
        serial: String,
        /// Who did it.
        by: String,
        /// Why.
        why: String,
    },
    /// A unit is held.
    HoldSet {
        /// On which node.
        node: NodeName,
        /// Which unit.
        unit: UnitName,
        /// Who asked.
        who: String,
        /// Why.
        why: String,
        /// When it ends by itself.
        until: Timestamp,
    },
    /// A hold was ended by someone.
    HoldEnded {
        /// On which node.
        node: NodeName,
        /// Which unit.
        unit: UnitName,
        /// Who ended it.
        who: String,
    },
    /// Something was changed that has no entry of its own.
    Audit {
        /// Who: the path of their identity, such as `operator/alice`.
        who: String,
        /// What, as an RPC or command names it.
        what: String,
        /// On what, and how.
        detail: String,
    },
}

/// A join token as it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    /// Its public name.
    pub id: String,
    /// What is kept of its secret.
    pub hash: Sha256Digest,
    /// How many nodes may join with it.
    pub uses: u32,
    /// Until when.
    pub expires: Timestamp,
    /// Where its nodes belong.
    pub environment: EnvironmentName,
    /// Labels its nodes get.
    pub labels: BTreeMap<String, String>,
    /// Which names it is good for: a name, or a pattern with `*`; empty: any.
    pub name: String,
    /// Whether a node may take the place of one with the same name.
    pub replace: bool,
    /// Who made it.
    pub by: String,
}

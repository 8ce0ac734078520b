//! What a node daemon is told at its start, and what joining left in its state folder.

use fleet_units::ids::{EnvironmentName, NodeName};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Newest layout of the state folder this version reads and writes.
pub const STATE_FORMAT: u32 = 1;

/// What one start of the node daemon is told; the same for supervisor and agent.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The node's name.
    pub name: NodeName,
    /// Identity, assignment, bundles, holds, spool. 0700.
    pub state: PathBuf,
    /// Sockets, records and delivered files. 0755: units reach the notify socket and their files.
    pub runtime: PathBuf,
    /// Where /health and /metrics are served; `None`: nowhere.
    pub http: Option<SocketAddr>,
    /// `policy.toml`; `None`: the built-in policy.
    pub policy: Option<PathBuf>,
}

/// `STATE/node.toml`: who this node is and whom it follows; written by joining.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// Layout of the state folder.
    pub format: u32,
    /// The node's name.
    pub name: NodeName,
    /// The node's environment.
    pub environment: EnvironmentName,
    /// The trust domain of the fleet.
    pub trust_domain: String,
    /// `host:port` of the coordinator's main listener, tried in order.
    pub endpoints: Vec<String>,
}

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Nobody joined here.
    #[error("{0} holds no membership: this node has not joined a fleet")]
    NotJoined(PathBuf),
    /// Reading or writing failed.
    #[error("{operation} {path}")]
    Io {
        /// `read`, `write`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what this version wrote.
    #[error("{path} cannot be understood: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A newer Fleet wrote it.
    #[error("{path} has state format {found}, this version of Fleet reads up to {STATE_FORMAT}; run the newer version")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format it says.
        found: u32,
    },
}

impl NodeConfig {
    /// The agent's end of the control protocol.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    /// The socket `fleet node …` speaks to.
    #[must_use]
    pub fn local_socket(&self) -> PathBuf {
        self.runtime.join("local.sock")
    }

    /// Keys and certificates.
    #[must_use]
    pub fn identity_folder(&self) -> PathBuf {
        self.state.join("identity")
    }

    /// The units' logs.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.state.join("spool")
    }
}

impl Membership {
    fn path(state: &Path) -> PathBuf {
        state.join("node.toml")
    }

    /// What joining left in `state`.
    pub fn load(state: &Path) -> Result<Membership, StateError> {
        let path = Self::path(state);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StateError::NotJoined(state.to_owned()));
            }
            Err(source) => return Err(StateError::Io { operation: "read", path, source }),
        };
        // The format is looked at by itself first: a newer file may hold keys this version does not know.
        let table: toml::Table =
            text.parse().map_err(|error| StateError::Malformed { path: path.clone(), why: format!("{error}") })?;
        match table.get("format").and_then(toml::Value::as_integer) {
            Some(found) if found > i64::from(STATE_FORMAT) => {
                return Err(StateError::Newer { path, found: u32::try_from(found).unwrap_or(u32::MAX) });
            }
            _ => {}
        }
        toml::from_str(&text).map_err(|error| StateError::Malformed { path, why: error.message().to_owned() })
    }

    /// Writes it durably into `state`.
    pub fn save(&self, state: &Path) -> Result<(), StateError> {
        let path = Self::path(state);
        let text = toml::to_string(self).expect("a membership is plain strings");
        crate::stored::write_durably(&path, text.as_bytes()).map_err(|source| StateError::Io {
            operation: "write",
            path,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership() -> Membership {
        Membership {
            format: STATE_FORMAT,
            name: "develop-1".parse().unwrap(),
            environment: "develop".parse().unwrap(),
            trust_domain: "fleet.local".into(),
            endpoints: vec!["127.0.0.1:7460".into()],
        }
    }

    #[test]
    fn a_membership_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        membership().save(folder.path()).unwrap();
        assert_eq!(Membership::load(folder.path()).unwrap(), membership());
    }

    #[test]
    fn a_state_folder_of_a_newer_version_is_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("node.toml"), "format = 2\nwarp = true\n").unwrap();
        let error = Membership::load(folder.path()).unwrap_err();
        assert!(matches!(error, StateError::Newer { found: 2, .. }), "{error}");
    }

    #[test]
    fn an_empty_folder_has_not_joined() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Membership::load(folder.path()), Err(StateError::NotJoined(_))));
    }
}

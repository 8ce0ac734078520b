//! What came of a unit: the words of systemd, filled in by the node, shown by the CLI.

use crate::diagnostic::Reason;
use crate::ids::{InvocationId, Revision, UnitDigest, UnitName};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The public state (`ActiveState` of systemd).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActiveState {
    /// Not running, and that is no failure.
    #[default]
    Inactive,
    /// On its way to active.
    Activating,
    /// Running, or finished with RemainAfterExit.
    Active,
    /// Active and reading its configuration again.
    Reloading,
    /// On its way to inactive.
    Deactivating,
    /// Not running because something went wrong.
    Failed,
}

impl ActiveState {
    /// systemd's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ActiveState::Inactive => "inactive",
            ActiveState::Activating => "activating",
            ActiveState::Active => "active",
            ActiveState::Reloading => "reloading",
            ActiveState::Deactivating => "deactivating",
            ActiveState::Failed => "failed",
        }
    }
}

/// What the unit's own health check says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It has no check, or does not run.
    #[default]
    None,
    /// Not yet judged.
    Starting,
    /// The last probes succeeded.
    Healthy,
    /// Retries probes in a row failed.
    Unhealthy,
}

impl Health {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Health::None => "none",
            Health::Starting => "starting",
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
        }
    }
}

/// An expiring stop, asked for by a person: who, why, until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who asked.
    pub who: String,
    /// Their reason; may be empty.
    pub why: String,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// Something a unit asks for that this host does not put into effect now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unenforced {
    /// `ProtectSystem=strict`, or just the key.
    pub directive: String,
    /// Why not: `not-built-yet`, `not-root`, …
    #[serde(flatten)]
    pub reason: Reason,
}

/// One unit on one node, as the node last told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitStatus {
    /// The unit.
    pub unit: UnitName,
    /// Public state.
    pub active_state: ActiveState,
    /// Detailed state, systemd's word: `running`, `auto-restart`.
    pub sub_state: String,
    /// systemd's result word: `success`, `exit-code`, `signal`, `timeout`, `start-limit-hit`.
    pub result: String,
    /// Process id of the main process; 0 when there is none.
    pub main_pid: u32,
    /// Automatic restarts since the unit was last started by hand or by the reconciler.
    pub restarts: u32,
    /// What its health check says.
    pub health: Health,
    /// The bundle it runs from; `None` when it never started.
    pub digest: Option<UnitDigest>,
    /// The revision of that bundle.
    pub unit_revision: Option<Revision>,
    /// When `active_state` last changed.
    pub since: Timestamp,
    /// The hold on it, if there is one.
    pub held: Option<Hold>,
    /// What it asks for in vain.
    pub unenforced: Vec<Unenforced>,
    /// The present or last start.
    pub invocation_id: InvocationId,
    /// Whether it shall run by itself (not manual, not waiting for a trigger); oneshots count as converged
    /// once completed.
    pub wanted: bool,
    /// Whether it is a oneshot that completed with success since its digest last changed.
    pub completed: bool,
    /// Why it is not in the state it should be in; `None` when it is.
    pub reason: Option<Reason>,
    /// Of a timer that waits: when it elapses next; `None` when nobody can say, and for other units.
    #[serde(default)]
    pub next_elapse: Option<Timestamp>,
}

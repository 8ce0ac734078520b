//! What the agent has its supervisor remember of a unit, so that the next agent goes on. JSON; fields are only added.

use super::timers::Timing;
use fleet_units::ids::{InvocationId, Revision, UnitDigest};
use fleet_units::lifecycle::Memory;
use fleet_units::time::{Moment, Timestamp};
use fleet_units::timers::Stamp;
use serde::{Deserialize, Serialize};

/// One unit, between two agents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Remembered {
    /// Its machine's.
    pub(super) memory: Memory,
    /// The present or last start; 32 hexadecimal digits.
    pub(super) invocation: String,
    /// The bundle it was last told to run from.
    pub(super) assigned: Option<UnitDigest>,
    /// The bundle it runs from.
    pub(super) digest: Option<UnitDigest>,
    /// The revision of that.
    pub(super) revision: Option<Revision>,
    /// When its public state last changed.
    pub(super) since: Timestamp,
    /// It is a oneshot that completed.
    pub(super) completed: bool,
    /// It still has to be started.
    pub(super) due: bool,
    /// Of an active timer: since when, and its last elapse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timing: Option<Timing>,
    /// When the first agent of this boot started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) startup: Option<Moment>,
    /// When it last left inactive, on this boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left_inactive: Option<Stamp>,
    /// When it last became inactive, on this boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) became_inactive: Option<Stamp>,
}

impl Remembered {
    /// As bytes for the supervisor.
    #[must_use]
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data with text keys always becomes JSON")
    }

    /// From bytes; `None` when they are of no version this one reads.
    #[must_use]
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Remembered> {
        serde_json::from_slice(bytes).ok()
    }

    /// The invocation as an id.
    #[must_use]
    pub(super) fn invocation_id(&self) -> InvocationId {
        self.invocation.parse().unwrap_or_default()
    }
}

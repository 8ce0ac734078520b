//! One line a unit wrote, as people and programs read it.

use crate::ids::{InvocationId, NodeName, UnitName};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The node daemon's own words about the unit: started, exited, refused.
    Fleet,
}

impl Stream {
    /// The word used in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
            Stream::Fleet => "fleet",
        }
    }
}

/// One line of a unit's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// When its first byte was read from the pipe.
    pub time: Timestamp,
    /// The node it was written on.
    pub node: NodeName,
    /// The unit that wrote it.
    pub unit: UnitName,
    /// Which descriptor.
    pub stream: Stream,
    /// Grows strictly per (node, unit), over reboots and both streams.
    pub sequence: u64,
    /// The bytes of the line without its newline.
    pub message: Vec<u8>,
    /// The host's boot, 32 hexadecimal digits.
    pub boot_id: String,
    /// The start of the unit it belongs to.
    pub invocation_id: InvocationId,
}

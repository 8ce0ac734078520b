//! A unit's log on its node: the supervisor writes it, the agent reads and ships it.
//!
//! ```text
//! pipe --supervisor: SpoolWriter--> STATE/spool/<unit>/<index>.seg --agent: SpoolReader--> ship --> coordinator
//!                                                                   \--> query --> the node's local socket
//! ```
//! Writer and readers are different processes and share nothing but the files: a frame counts once all its
//! bytes are there, and file events wake the readers.

pub mod cursor;
pub mod query;
pub mod read;
pub mod segments;
pub mod ship;
mod splice;
pub mod spool;
pub mod watch;

use std::path::PathBuf;

/// What can go wrong with a spool. A full disk is not among it for writers: it costs lines, counted.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file or folder of the spool could not be used.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: `read`, `list`, `create`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A segment was written by a later version of Fleet.
    #[error("{path} has version {version} of the spool's format, this program reads version 1")]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

impl SpoolError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> SpoolError {
        let path = path.into();
        move |source| SpoolError::Io { action, path, source }
    }
}

/// The host's boot (random(4)): 128 bits, 0 where /proc does not tell.
#[must_use]
pub fn boot_id() -> u128 {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or(0)
}

//! The supervisor: the process that outlives the agent and is the parent of every unit's process.
//!
//! One thread, one epoll loop, no async, no policy: it does what the agent asks over the control socket, and keeps what
//! the agent has to know (what runs, how things ended, who said what) until the agent says it knows.
//!
//! ```text
//!                 control.sock: requests, replies, events
//!      agent  <------------------------------------------>  supervisor (Supervisor::turn)
//!        ^  started again at once when it dies                 |  signalfd   SIGCHLD -> reap -> Exited
//!        '-----------------------------------------------------'  inotify    cgroup.events -> Emptied
//!      units' processes  --stdout, stderr: pipes-->               pipes      output -> spool
//!                        --sd_notify: notify.sock-->              datagram   notify -> Notified
//! ```
//! Files: [`supervisor`] is the loop, [`requests`] what it does on demand, [`launch`] a Spawn; [`table`] what is held,
//! [`events`] what is to be told, [`members`] who belongs to a unit where there are no cgroups, [`record`] what a next
//! supervisor needs to find what this one left, [`leftover`] that search.

mod agent;
mod control;
mod events;
pub(crate) mod frame;
mod launch;
mod leftover;
mod lock;
mod members;
mod notify;
mod output;
mod poll;
mod reap;
mod record;
mod requests;
pub(crate) mod socket;
mod supervisor;
mod table;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::logs::SpoolError;
use crate::logs::spool::SpoolLimits;

pub use frame::FrameError;
pub use leftover::end_of as end_leftovers;
pub use supervisor::run;

/// Asks the agent to stop every unit in order, and to end. Not SIGTERM: that ends an agent and nothing else, so that a
/// person who kills one stops no unit.
pub(crate) const STOP_UNITS: i32 = libc::SIGUSR1;

/// What a supervisor is started with.
#[derive(Debug, Clone)]
pub struct SupervisorConfig {
    /// The node's name, for messages and for the name of its cgroup.
    pub node: String,
    /// The node's state folder; the spool and the lock are in it. Made if missing.
    pub state: PathBuf,
    /// The node's runtime folder: sockets and records. Made if missing, 0755.
    pub runtime: PathBuf,
    /// How the agent is started: this very executable with these arguments, `argv[0]` first (`fleet: agent NAME`), and
    /// this process's environment.
    pub agent_argv: Vec<OsString>,
    /// How long the agent may take to stop all units when this process is asked to end.
    pub stop_timeout: Duration,
    /// Whether units get cgroups of their own where that is possible.
    pub cgroups: bool,
    /// Bounds of the units' logs on this node.
    pub spool_limits: SpoolLimits,
}

/// Why a supervisor cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Another supervisor has the state or the runtime folder.
    #[error("{} is in use by process {holder}", state.display())]
    Locked {
        /// The folder.
        state: PathBuf,
        /// The process that has it, as it wrote itself; empty if it could not be read.
        holder: String,
    },
    /// A file, folder or socket cannot be made or opened.
    #[error("{action} {}", path.display())]
    Path {
        /// What was tried, such as `make`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A system call that has no reason to fail did.
    #[error("{action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// This process has more than one thread: it could not start children safely.
    #[error("a supervisor must have a single thread, this process has {0}")]
    Threads(usize),
    /// The spool cannot be opened.
    #[error("open the log spool")]
    Spool(#[from] SpoolError),
}

impl KeeperError {
    fn path(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Path { action, path, source }
    }

    fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

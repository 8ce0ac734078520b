//! The processes that outlive the agent: the guard, which is the parent of everything, the supervisor, which acts, and the
//! logger, which moves what units write.
//!
//! One thread each, one epoll loop, no async, no policy. The supervisor does what the agent asks over the control socket,
//! and keeps what the agent has to know (what runs, how things ended, who said what) until the agent says it knows.
//!
//! ```text
//! guard ---- starts, and starts again ----> supervisor, logger, agent     reaps every child: ends -> shared table
//!   |  \____ shared table, bells ___________/    |  control.sock: requests, replies, events
//!   |                                            '--------------------------------------------> agent
//!   '- units' processes (made by the supervisor as the guard's children)
//!        --stdout, stderr: pipes-->   output -> spool             logger
//!        --sd_notify: notify.sock-->  notify -> Notified          supervisor
//!                                     inotify on cgroup.events -> Emptied
//! ```
//! Files: [`mod@guard`] and [`role`] are the guard, [`takeover`] what it finds of a killed one; [`shared`] the table, [`store`] the copies of pipes, [`bell`] and [`inherit`]
//! what they share. [`mod@logger`] and [`output`] are the logger.
//! [`mod@supervisor`] is its loop, [`requests`] what it does on demand, [`launch`] a Spawn; [`held`] what is held, [`events`]
//! what is to be told, [`reap`] what becomes an event, [`drain`] when, [`members`] who belongs to a unit where there are no cgroups,
//! [`diary`] and [`restore`] what survives a killed supervisor, [`leftover`] ends what nobody supervises. See docs/design/supervision.md.

mod bell;
mod control;
mod diary;
mod drain;
mod events;
pub(crate) mod frame;
mod guard;
mod held;
mod inherit;
mod launch;
mod leftover;
mod lock;
mod logger;
mod members;
mod notify;
mod output;
pub(crate) mod point;
mod poll;
mod reap;
mod requests;
mod restore;
mod role;
mod shared;
pub(crate) mod socket;
mod store;
mod supervisor;
mod takeover;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::logs::SpoolError;

pub use frame::FrameError;
pub use guard::{GuardConfig, guard};
pub use leftover::end_of as end_leftovers;
pub use logger::{LoggerConfig, logger};
pub use supervisor::supervisor;

/// Asks the agent to stop every unit in order, and to end. Not SIGTERM: that ends an agent and nothing else, so that a
/// person who kills one stops no unit.
pub(crate) const STOP_UNITS: i32 = libc::SIGUSR1;

/// What a supervisor is started with.
#[derive(Debug, Clone)]
pub struct SupervisorConfig {
    /// The node's name, for messages and for the name of its cgroup.
    pub node: String,
    /// The node's state folder.
    pub state: PathBuf,
    /// The node's runtime folder: sockets and the shared table.
    pub runtime: PathBuf,
    /// How long the agent may take to stop all units when the node is asked to end.
    pub stop_timeout: Duration,
    /// Whether units get cgroups of their own where that is possible.
    pub cgroups: bool,
}

/// Why a guard or a supervisor cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Another guard has the state or the runtime folder.
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
    #[error("guard and supervisor must have a single thread, this process has {0}")]
    Threads(usize),
    /// A supervisor is started by a guard and by nobody else.
    #[error("{} is not the table of this process's parent: a supervisor is started by `fleet node run`", table.display())]
    NotStartedByGuard {
        /// The table that was looked at.
        table: PathBuf,
    },
    /// Whoever has started this supervisor is not there any more.
    #[error("the guard is gone")]
    GuardGone,
    /// A process of an earlier guard does not end, so another one cannot take its place.
    #[error("{which} of an earlier guard (process {pid}) cannot be killed; try again when its disk answers")]
    CannotEnd {
        /// Which of the node's processes.
        which: String,
        /// Its pid.
        pid: u32,
    },
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

fn single_threaded() -> Result<(), KeeperError> {
    let threads = fs::read_dir("/proc/self/task").map_err(KeeperError::system("count threads"))?.count();
    if threads == 1 { Ok(()) } else { Err(KeeperError::Threads(threads)) }
}

/// CLOCK_MONOTONIC in nanoseconds: the same for every process of this machine.
fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

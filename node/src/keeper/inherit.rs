//! What supervisor and logger get from the guard that started them: the shared table, and descriptors under the numbers it names.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::io::FdFlags;

use super::KeeperError;
use super::bell::Bell;
use super::shared::{self, Shared};
use super::store::Depositor;

/// Everything a supervisor is given.
pub(crate) struct GivenToSupervisor {
    pub(crate) shared: Shared,
    /// The guard's pid.
    pub(crate) guard: u32,
    pub(crate) bell: Bell,
    pub(crate) guard_bell: Bell,
    pub(crate) logger_bell: Bell,
    pub(crate) control: OwnedFd,
    pub(crate) notify: OwnedFd,
    pub(crate) depositor: Depositor,
}

/// Everything a logger is given, besides the pipes.
pub(crate) struct GivenToLogger {
    pub(crate) shared: Shared,
    pub(crate) bell: Bell,
    pub(crate) supervisor_bell: Bell,
    pub(crate) inlet: OwnedFd,
}

/// Takes what a supervisor is given. Once in a process.
pub(crate) fn to_supervisor(runtime: &Path, boot_id: &str) -> Result<GivenToSupervisor, KeeperError> {
    let (shared, guard) = table(runtime, boot_id)?;
    let numbers = shared.header().descriptors();
    Ok(GivenToSupervisor {
        guard,
        bell: Bell::given(take(numbers.supervisor_bell)?),
        guard_bell: Bell::given(take(numbers.guard_bell)?),
        logger_bell: Bell::given(take(numbers.logger_bell)?),
        control: take(numbers.control)?,
        notify: take(numbers.notify)?,
        depositor: Depositor::given(take(numbers.depositor)?),
        shared,
    })
}

/// Takes what a logger is given. Once in a process.
pub(crate) fn to_logger(runtime: &Path, boot_id: &str) -> Result<GivenToLogger, KeeperError> {
    let (shared, _) = table(runtime, boot_id)?;
    let numbers = shared.header().descriptors();
    Ok(GivenToLogger {
        bell: Bell::given(take(numbers.logger_bell)?),
        supervisor_bell: Bell::given(take(numbers.supervisor_bell)?),
        inlet: take(numbers.inlet)?,
        shared,
    })
}

/// The table, if this process's parent is the guard it names, whose pid is given, too.
fn table(runtime: &Path, boot_id: &str) -> Result<(Shared, u32), KeeperError> {
    let path = runtime.join(shared::FILE);
    let shared = Shared::open(runtime, boot_id).map_err(KeeperError::path("open", &path))?;
    let parent = rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get().cast_unsigned());
    // Not by hand: descriptors are taken by the numbers in the table.
    match shared.filter(|shared| shared.header().guard().is_some_and(|guard| guard.pid == parent)) {
        Some(shared) => Ok((shared, parent)),
        None => Err(KeeperError::NotStartedByGuard { table: path }),
    }
}

fn take(number: RawFd) -> Result<OwnedFd, KeeperError> {
    given(number).map_err(KeeperError::system("take a descriptor that the guard gave"))
}

/// Takes a descriptor that the table names, and marks it as not to be passed on. Once for each.
pub(crate) fn given(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: asks for flags of a number.
    if number < 3 || unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: it is open, and nobody else in this process knows it: the guard passed it for this, and this is called once
    // for each, at the start.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&descriptor, FdFlags::CLOEXEC)?;
    Ok(descriptor)
}

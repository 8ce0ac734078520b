//! What a supervisor gets from the guard that started it: the shared table, and descriptors under the numbers it names.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::io::FdFlags;

use super::KeeperError;
use super::bell::Bell;
use super::shared::{self, Descriptors, Shared};
use super::store::Depositor;

/// Everything this process was given.
pub(crate) struct Inherited {
    pub(crate) shared: Shared,
    /// The guard's pid.
    pub(crate) guard: u32,
    pub(crate) bell: Bell,
    pub(crate) guard_bell: Bell,
    pub(crate) control: OwnedFd,
    pub(crate) notify: OwnedFd,
    pub(crate) depositor: Depositor,
}

impl Inherited {
    /// Takes it. Once in a process.
    pub(crate) fn take(runtime: &Path, boot_id: &str) -> Result<Self, KeeperError> {
        let path = runtime.join(shared::FILE);
        let shared = Shared::open(runtime, boot_id).map_err(KeeperError::path("open", &path))?;
        let parent = rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get().cast_unsigned());
        // Not by hand: descriptors are taken by the numbers in the table.
        let Some(shared) = shared.filter(|shared| shared.header().guard().is_some_and(|guard| guard.pid == parent))
        else {
            return Err(KeeperError::NotStartedByGuard { table: path });
        };
        let Descriptors { supervisor_bell, guard_bell, control, notify, depositor } = shared.header().descriptors();
        let given = |number| given(number).map_err(KeeperError::system("take a descriptor that the guard gave"));
        Ok(Self {
            guard: parent,
            bell: Bell::given(given(supervisor_bell)?),
            guard_bell: Bell::given(given(guard_bell)?),
            control: given(control)?,
            notify: given(notify)?,
            depositor: Depositor::given(given(depositor)?),
            shared,
        })
    }
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

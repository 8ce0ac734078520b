//! Starts a process and waits until its program runs or is known not to.
//!
//! The child is a plain copy of this process (no shared memory), which must have one thread: then what it does before
//! exec needs no special care, and the copy is cheap because this process is small. What the child has to say on its
//! way comes through a pipe that exec closes, so that the end of the pipe means "it runs".
//!
//! A unit's process becomes the child of this process's *parent* (CLONE_PARENT): the supervisor makes it, the guard has
//! it. Its end is signalled to the guard by SIGCHLD, as the guard made the supervisor in the same way (clone(2): such a
//! child has the exit signal of the process that made it).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use fleet_proto::control::{Failure, Reply, Spawn, reply};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use super::cgroup::Group;
use super::limits::Pair;
use super::{child, process};
use crate::keeper::frame;

/// systemd's exit status for "the process could not be made" is that of exec.
const EXIT_EXEC: u32 = 203;

/// How long a child may take from fork to exec. Only a file system that does not answer takes that long; nothing else
/// of the node moves meanwhile.
const EXEC_TIMEOUT: Duration = Duration::from_secs(10);

/// What the child becomes.
pub(crate) enum Program<'a> {
    /// The file at this path.
    Path(&'a str),
    /// This open executable.
    Open(BorrowedFd<'a>),
}

/// Everything a unit's process is set up with.
pub(crate) struct UnitSetup<'a> {
    /// What was asked.
    pub(crate) spawn: &'a Spawn,
    /// Where its pid is written before it runs.
    pub(crate) pid: &'a AtomicU32,
    /// Standard input, output, error.
    pub(crate) stdio: [BorrowedFd<'a>; 3],
    /// The unit's group.
    pub(crate) cgroup: Option<&'a Group>,
    /// Its open folder, if the process can be made right in it; else it enters by itself.
    pub(crate) folder: Option<&'a File>,
    /// The limit of open files this process was started with, before it raised its own.
    pub(crate) open_files: Pair,
}

/// A process to start.
pub(crate) struct Command<'a> {
    pub(crate) program: Program<'a>,
    pub(crate) argv: Vec<&'a [u8]>,
    /// `KEY=value`, complete.
    pub(crate) environment: Vec<&'a [u8]>,
    pub(crate) kind: Kind<'a>,
}

/// Whose process it is.
pub(crate) enum Kind<'a> {
    /// One of the node's own: a child of this process, with these descriptors under the same numbers and no others.
    Own { keep: Vec<RawFd> },
    /// A unit's: a child of this process's parent.
    Unit(UnitSetup<'a>),
}

/// A program that runs.
pub(crate) struct Running {
    pub(crate) pid: u32,
    /// When it started; 0 if it was over and reaped before anybody looked.
    pub(crate) start_time: u64,
    /// What could not be put into effect.
    pub(crate) unenforced: Vec<String>,
}

/// A failure of `step` by a system call.
pub(crate) fn failure(step: impl Into<String>, exit_status: u32, error: &io::Error) -> Failure {
    Failure { step: step.into(), errno: error.raw_os_error().unwrap_or(0), text: error.to_string(), exit_status }
}

/// Starts the process; returns once it has executed its program.
pub(crate) fn start(command: &Command<'_>) -> Result<Running, Failure> {
    let failed = |error: io::Error| failure("fork", EXIT_EXEC, &error);
    let prepared = child::Prepared::new(command)?;
    let (status_read, status_write) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    let forked = match &command.kind {
        Kind::Own { .. } => fork(),
        Kind::Unit(unit) => clone_sibling(unit.folder.map(File::as_fd), unit.pid),
    };
    match forked.map_err(failed)? {
        Forked::Child { in_cgroup } => child::run(command, &prepared, in_cgroup, status_write),
        Forked::Parent { pid } => {
            drop(status_write); // else the pipe would never end
            let start_time = process::stat(pid).map_or(0, |stat| stat.start_time);
            let outcome = outcome(Running { pid, start_time, unenforced: Vec::new() }, status_read);
            if outcome.is_err() {
                wait_for_end(pid, start_time);
            }
            outcome
        }
    }
}

/// Opens a program without the right to read it, as exec needs it. By the supervisor, so that it is found also where
/// the unit's user may not look.
pub(crate) fn open_program(path: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, rustix::fs::Mode::empty())?)
}

enum Forked {
    Parent { pid: u32 },
    Child { in_cgroup: bool },
}

/// Copies this process as its child.
fn fork() -> io::Result<Forked> {
    // SAFETY: this process has one thread (checked when it starts), so the child may do what it likes.
    let pid = unsafe { libc::fork() };
    forked(pid.into(), false)
}

fn forked(pid: i64, in_cgroup: bool) -> io::Result<Forked> {
    match u32::try_from(pid) {
        Err(_) => Err(io::Error::last_os_error()),
        Ok(0) => Ok(Forked::Child { in_cgroup }),
        Ok(pid) => Ok(Forked::Parent { pid }),
    }
}

/// Copies this process as a child of its parent, straight into the group if the kernel can (Linux 5.7): moving a process
/// later waits for a grace period of several milliseconds. The kernel writes the pid before the process can run.
fn clone_sibling(cgroup: Option<BorrowedFd<'_>>, pid: &AtomicU32) -> io::Result<Forked> {
    const FLAGS: u64 = (libc::CLONE_PARENT | libc::CLONE_PARENT_SETTID) as u64;
    const INTO_CGROUP: u64 = 0x2_0000_0000; // CLONE_INTO_CGROUP does not fit the type libc gives its clone flags
    if let Some(folder) = cgroup {
        // SAFETY: all zeroes is a valid clone_args: no stack of its own, no exit signal, nothing written anywhere.
        let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
        args.flags = FLAGS | INTO_CGROUP;
        args.parent_tid = pid.as_ptr() as u64;
        args.cgroup = folder.as_raw_fd() as u64;
        // SAFETY: without CLONE_VM this is fork(2) with another entry; this process has one thread, and the child calls
        // nothing of glibc that depends on a cached thread id. The kernel writes four bytes, which are the atomic's.
        let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
        match forked(result, true) {
            // Forbidden or unknown: containers often filter clone3. The child enters the group by itself.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EINVAL)) => {}
            other => return other,
        }
    }
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: as above. The first three arguments are the same on every architecture Fleet runs on.
    let result = unsafe { libc::syscall(libc::SYS_clone, FLAGS, none, pid.as_ptr(), none, none) };
    forked(result, false)
}

/// Reads what the child says until it has executed its program, failed or died.
fn outcome(mut running: Running, status: OwnedFd) -> Result<Running, Failure> {
    let mut said = match read_to_end(status) {
        Ok(said) => said,
        Err(error) => {
            // Without waiting for it: it may hang in the kernel.
            let _ = process::signal_exactly(running.pid, running.start_time, libc::SIGKILL);
            return Err(failure("start", EXIT_EXEC, &error));
        }
    };
    while let Ok(Some(message)) = frame::take::<Reply>(&mut said) {
        if let Some(failure) = message.failure {
            return Err(failure);
        }
        if let Some(reply::Reply::Spawned(spawned)) = message.reply {
            running.unenforced = spawned.unenforced;
        }
    }
    Ok(running)
}

/// A process that failed exits right after saying so: whoever is told that there is none finds none. Whose child it is
/// does not matter here, and one that hangs in the kernel is not waited for.
fn wait_for_end(pid: u32, start_time: u64) {
    if let Ok(handle) = process::open(pid, start_time) {
        let _ = poll(&mut [PollFd::new(handle.as_fd(), PollFlags::POLLIN)], PollTimeout::from(1000_u16));
    }
}

fn read_to_end(status: OwnedFd) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + EXEC_TIMEOUT;
    let mut said = Vec::new();
    let mut file = File::from(status);
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::TimedOut)),
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match file.read(&mut buffer)? {
            0 => return Ok(said),
            count => said.extend_from_slice(&buffer[..count]),
        }
    }
}

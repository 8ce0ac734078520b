//! Starts a child of this process and waits until its program runs or is known not to.
//!
//! The child is a plain copy of this process (no shared memory), which must have one thread: then what it does before
//! exec needs no special care, and the copy is cheap because the supervisor is small. What the child has to say on its
//! way comes through a pipe that exec closes, so that the end of the pipe means "it runs".

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use fleet_proto::control::{Failure, Reply, Spawn, reply};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use super::cgroup::Group;
use super::limits::Pair;
use super::{child, wait};
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

/// Everything a unit's process is set up with; the agent's process has none of it.
pub(crate) struct UnitSetup<'a> {
    /// What was asked.
    pub(crate) spawn: &'a Spawn,
    /// Standard input, output, error.
    pub(crate) stdio: [BorrowedFd<'a>; 3],
    /// The unit's group and its open folder.
    pub(crate) cgroup: Option<(&'a Group, &'a File)>,
    /// The limit of open files this process was started with, before it raised its own.
    pub(crate) open_files: Pair,
}

/// A process to start.
pub(crate) struct Command<'a> {
    pub(crate) program: Program<'a>,
    pub(crate) argv: Vec<&'a [u8]>,
    /// `KEY=value`, complete.
    pub(crate) environment: Vec<&'a [u8]>,
    pub(crate) unit: Option<UnitSetup<'a>>,
}

/// A program that runs.
pub(crate) struct Running {
    pub(crate) pid: u32,
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
    let cgroup = command.unit.as_ref().and_then(|unit| unit.cgroup).map(|(_, folder)| folder.as_fd());
    match fork(cgroup).map_err(failed)? {
        Forked::Child { in_cgroup } => child::run(command, &prepared, in_cgroup, status_write),
        Forked::Parent { pid } => {
            drop(status_write); // else the pipe would never end
            outcome(pid, status_read)
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

/// Copies this process, straight into the group if the kernel can (Linux 5.7): moving a process later waits for a grace
/// period of several milliseconds.
fn fork(cgroup: Option<BorrowedFd<'_>>) -> io::Result<Forked> {
    if let Some(folder) = cgroup {
        match clone_into(folder) {
            Ok(pid) => return Ok(forked(pid, true)),
            // Forbidden or unknown: containers often filter clone3. The child enters the group by itself.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EINVAL)) => {}
            Err(error) => return Err(error),
        }
    }
    // SAFETY: this process has one thread (checked when the supervisor starts), so the child may do what it likes.
    let pid = unsafe { libc::fork() };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(forked(i64::from(pid), false)) }
}

fn forked(pid: i64, in_cgroup: bool) -> Forked {
    match u32::try_from(pid).expect("negative results were errors") {
        0 => Forked::Child { in_cgroup },
        pid => Forked::Parent { pid },
    }
}

fn clone_into(folder: BorrowedFd<'_>) -> io::Result<i64> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000; // does not fit the type libc gives its clone flags
    // SAFETY: all zeroes is a valid clone_args: no flags, no stack of its own, nothing written anywhere.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = CLONE_INTO_CGROUP;
    args.exit_signal = libc::SIGCHLD as u64;
    args.cgroup = folder.as_raw_fd() as u64;
    // SAFETY: without CLONE_VM this is fork(2) with another entry; this process has one thread, and the child calls
    // nothing of glibc that depends on a cached thread id.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) }
}

/// Reads what the child says until it has executed its program, failed or died.
fn outcome(pid: u32, status: OwnedFd) -> Result<Running, Failure> {
    let mut said = match read_to_end(status) {
        Ok(said) => said,
        Err(error) => {
            kill(pid);
            return Err(failure("start", EXIT_EXEC, &error));
        }
    };
    let mut running = Running { pid, unenforced: Vec::new() };
    while let Ok(Some(message)) = frame::take::<Reply>(&mut said) {
        if let Some(failure) = message.failure {
            // It exits right after saying so; reaped here, nobody is told about a process that never was.
            let _ = wait::one(pid);
            return Err(failure);
        }
        if let Some(reply::Reply::Spawned(spawned)) = message.reply {
            running.unenforced = spawned.unenforced;
        }
    }
    Ok(running)
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

/// Ends a child that was not reaped yet, without waiting for it: it may hang in the kernel.
fn kill(pid: u32) {
    // SAFETY: no memory is involved, and an unreaped child's pid is nobody else's.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
}

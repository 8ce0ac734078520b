//! What a new process does between fork and exec.
//!
//! The order is the point: each step's place is explained where it is called, in [`set_up`].

use std::convert::Infallible;
use std::ffi::{CStr, CString, c_char};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use fleet_proto::control::{Failure, Reply, Spawn, Spawned, reply};
use rustix::process::{Gid, Uid};

use super::spawn::{Command, Kind, Program, UnitSetup, failure, open_program};
use super::{directory, limits, signals};
use crate::keeper::frame;

/// Exit statuses of systemd.exec(5), "Process Exit Codes".
mod exit {
    pub(super) const CHDIR: u32 = 200;
    pub(super) const EXEC: u32 = 203;
    pub(super) const LIMITS: u32 = 205;
    pub(super) const STDOUT: u32 = 209;
    pub(super) const GROUP: u32 = 216;
    pub(super) const USER: u32 = 217;
    pub(super) const CGROUP: u32 = 219;
    pub(super) const SETSID: u32 = 220;
    pub(super) const RUNTIME_DIRECTORY: u32 = 233;
}

/// What exec needs, made before the fork.
pub(crate) struct Prepared {
    argv: Vec<CString>,
    environment: Vec<CString>,
    /// The program's path, and the file opened while the supervisor still may.
    path: Option<(CString, Option<OwnedFd>)>,
}

impl Prepared {
    /// Takes arguments and environment, and opens the program.
    pub(crate) fn new(command: &Command<'_>) -> Result<Self, Failure> {
        let strings = |parts: &[&[u8]]| {
            parts.iter().map(|part| CString::new(*part)).collect::<Result<Vec<_>, _>>().map_err(|_| no_nul("arguments"))
        };
        let path = match command.program {
            // A file the supervisor cannot open may be one that only the user can reach: the child's exec tells.
            Program::Path(path) => Some((CString::new(path).map_err(|_| no_nul(path))?, open_program(path).ok())),
            Program::Open(_) => None,
        };
        Ok(Self { argv: strings(&command.argv)?, environment: strings(&command.environment)?, path })
    }
}

fn no_nul(what: &str) -> Failure {
    Failure {
        step: format!("exec {what}"),
        errno: libc::EINVAL,
        text: "holds a NUL byte".into(),
        exit_status: exit::EXEC,
    }
}

/// Sets the process up and executes the program; tells the parent if that cannot be done. Never returns into code that
/// belongs to the parent.
pub(crate) fn run(command: &Command<'_>, prepared: &Prepared, in_cgroup: bool, status: OwnedFd) -> ! {
    let mut status = File::from(status);
    let Err(failed) = set_up_and_exec(command, prepared, in_cgroup, &mut status);
    let exit_status = failed.exit_status;
    tell(&mut status, &Reply { failure: Some(failed), ..Reply::default() });
    // SAFETY: ends this process at once, without running what the parent registered for its own end.
    unsafe { libc::_exit(exit_status.try_into().unwrap_or(1)) }
}

fn tell(status: &mut File, message: &Reply) {
    let mut bytes = Vec::new();
    if frame::append(&mut bytes, message).is_ok() {
        let _ = status.write_all(&bytes); // the parent is gone: nobody to tell
    }
}

fn set_up_and_exec(
    command: &Command<'_>,
    prepared: &Prepared,
    in_cgroup: bool,
    status: &mut File,
) -> Result<Infallible, Failure> {
    // Dispositions first: whatever arrives later meets the defaults. Signals stay blocked until just before exec.
    signals::reset();
    let (keep, ignores_pipe): (&[RawFd], bool) = match &command.kind {
        Kind::Unit(unit) => {
            let unenforced = set_up(unit, in_cgroup)?;
            if !unenforced.is_empty() {
                let spawned = Spawned { unenforced, ..Spawned::default() };
                tell(status, &Reply { reply: Some(reply::Reply::Spawned(spawned)), ..Reply::default() });
            }
            (&[], unit.spawn.ignore_sigpipe)
        }
        Kind::Own { keep } => {
            // A process group of its own, so that Ctrl-C reaches the guard alone, which leaves in order.
            let _ = rustix::process::setpgid(None, None);
            (keep, false)
        }
    };
    // After everything that opens descriptors; they stay usable until exec, which closes them.
    close_on_exec();
    keep_open(keep);
    signals::unblock(ignores_pipe);
    let program = match &command.program {
        Program::Path(path) => format!("exec {path}"),
        Program::Open(_) => "exec of the node's own binary".to_owned(),
    };
    let error = execute(command, prepared);
    Err(failure(program, exit::EXEC, &error))
}

/// Sets up a unit's process. Gives what this host does not put into effect.
fn set_up(unit: &UnitSetup<'_>, in_cgroup: bool) -> Result<Vec<String>, Failure> {
    let spawn = unit.spawn;
    let mut unenforced = Vec::new();
    // No terminal, and a process group to be found by. A fresh fork leads no group, so this always succeeds.
    rustix::process::setsid().map_err(|error| failure("setsid", exit::SETSID, &error.into()))?;
    // Needs the supervisor's rights. Before anything that could start or outlive something.
    if let (Some(group), false) = (unit.cgroup, in_cgroup) {
        group.enter().map_err(|error| failure("cgroup", exit::CGROUP, &error))?;
    }
    standard_streams(unit.stdio)?;
    // As the supervisor, since the user may not write to the parent folders.
    make_directories(spawn)?;
    // While it is still allowed to raise them. What was raised for the supervisor itself is taken back first.
    let _ = limits::set("NOFILE", unit.open_files);
    set_limits(spawn, &mut unenforced)?;
    set_priorities(spawn, &mut unenforced);
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(spawn.umask));
    // From here on with the unit's rights only.
    become_user(spawn, &mut unenforced)?;
    // As the user: it must be a folder that the user may enter, and on network file systems only the user can.
    change_directory(spawn)?;
    Ok(unenforced)
}

fn standard_streams(stdio: [BorrowedFd<'_>; 3]) -> Result<(), Failure> {
    for (target, source) in (0..).zip(stdio) {
        // SAFETY: both are numbers of descriptors; what was open at `target` is this copy's own.
        if unsafe { libc::dup2(source.as_raw_fd(), target) } < 0 {
            return Err(failure("standard streams", exit::STDOUT, &io::Error::last_os_error()));
        }
    }
    Ok(())
}

fn make_directories(spawn: &Spawn) -> Result<(), Failure> {
    // The supervisor's own mask must not take away from the modes asked for.
    rustix::process::umask(rustix::fs::Mode::empty());
    let owner = (spawn.set_user && is_root()).then_some((spawn.uid, spawn.gid));
    for wanted in &spawn.directories {
        let status = if wanted.exit_status == 0 { exit::RUNTIME_DIRECTORY } else { wanted.exit_status };
        let owner = if wanted.keep_owner { None } else { owner };
        let folder =
            directory::Wanted { path: Path::new(&wanted.path), mode: wanted.mode, owner, take_over: wanted.take_over };
        directory::make(&folder).map_err(|error| failure(format!("mkdir {}", wanted.path), status, &error))?;
    }
    Ok(())
}

fn set_limits(spawn: &Spawn, unenforced: &mut Vec<String>) -> Result<(), Failure> {
    for limit in &spawn.limits {
        let pair = limits::Pair { soft: limit.soft, hard: limit.hard };
        let less = limits::set_allowed(&limit.resource, pair)
            .map_err(|error| failure(format!("Limit{}", limit.resource), exit::LIMITS, &error))?;
        unenforced.extend(less);
    }
    Ok(())
}

/// Neither is worth failing a start for, as systemd sees it too.
fn set_priorities(spawn: &Spawn, unenforced: &mut Vec<String>) {
    if spawn.set_nice
        && let Err(error) = rustix::process::setpriority_process(None, spawn.nice)
    {
        unenforced.push(format!("Nice: not allowed ({error})"));
    }
    if spawn.set_oom_score_adjust
        && let Err(error) = fs::write("/proc/self/oom_score_adj", spawn.oom_score_adjust.to_string())
    {
        unenforced.push(format!("OOMScoreAdjust: not allowed ({error})"));
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn become_user(spawn: &Spawn, unenforced: &mut Vec<String>) -> Result<(), Failure> {
    if !spawn.set_user {
        return Ok(());
    }
    if !is_root() {
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        if own != (spawn.uid, spawn.gid) {
            unenforced.push(format!("User: the node is not root, uid {} and gid {} apply", own.0, own.1));
        }
        return Ok(());
    }
    // Groups before the group before the user: the last takes the right to change the others.
    let groups: Vec<Gid> = spawn.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    let (uid, gid) = (Uid::from_raw(spawn.uid), Gid::from_raw(spawn.gid));
    rustix::thread::set_thread_groups(&groups).map_err(|error| failure("groups", exit::GROUP, &error.into()))?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(|error| failure("group", exit::GROUP, &error.into()))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(|error| failure("user", exit::USER, &error.into()))
}

fn change_directory(spawn: &Spawn) -> Result<(), Failure> {
    let wanted = if spawn.working_directory.is_empty() { "/" } else { &spawn.working_directory };
    match rustix::process::chdir(wanted) {
        Err(_) if spawn.working_directory_optional => {
            rustix::process::chdir("/").map_err(|error| failure("chdir /", exit::CHDIR, &error.into()))
        }
        other => other.map_err(|error| failure(format!("chdir {wanted}"), exit::CHDIR, &error.into())),
    }
}

/// Marks all descriptors but the standard streams, also those this process was itself started with.
fn close_on_exec() {
    const FIRST: RawFd = 3;
    // SAFETY: changes flags of descriptors only.
    let done = unsafe { libc::syscall(libc::SYS_close_range, FIRST, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 {
        return;
    }
    // Before Linux 5.11.
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<RawFd>().ok());
    for descriptor in numbers.filter(|number| *number >= FIRST) {
        // SAFETY: changes a flag of a descriptor only.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Takes the mark from these again.
fn keep_open(descriptors: &[RawFd]) {
    for descriptor in descriptors {
        // SAFETY: changes a flag of a descriptor only.
        unsafe { libc::fcntl(*descriptor, libc::F_SETFD, 0) };
    }
}

/// Returns only if the program cannot be executed.
fn execute(command: &Command<'_>, prepared: &Prepared) -> io::Error {
    let argv = pointers(&prepared.argv);
    let environment = pointers(&prepared.environment);
    let Some((path, file)) = &prepared.path else {
        let Program::Open(file) = command.program else { return io::Error::from_raw_os_error(libc::EINVAL) };
        return execute_open(file.as_raw_fd(), &argv, &environment);
    };
    // By path first: scripts can be executed in no other way (their interpreter opens them again, by a descriptor that
    // exec has closed), and older kernels would name the process after the descriptor's number.
    // SAFETY: the path and both arrays are NUL-terminated and live until exec.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), environment.as_ptr()) };
    let by_path = io::Error::last_os_error();
    if let (Some(libc::EACCES), Some(file)) = (by_path.raw_os_error(), file) {
        // The user may not enter a folder on the way, but the supervisor may, and it chose the file. Whether the user
        // may execute the file itself is judged here as well. If this fails too, the first answer tells more.
        execute_open(file.as_raw_fd(), &argv, &environment);
    }
    by_path
}

fn execute_open(file: RawFd, argv: &[*const c_char], environment: &[*const c_char]) -> io::Error {
    const SELF: &CStr = c"";
    // SAFETY: the arrays are NUL-terminated and live until exec; the descriptor is open.
    unsafe {
        libc::syscall(libc::SYS_execveat, file, SELF.as_ptr(), argv.as_ptr(), environment.as_ptr(), libc::AT_EMPTY_PATH)
    };
    io::Error::last_os_error()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain(std::iter::once(std::ptr::null())).collect()
}

//! Processes as `/proc` shows them (proc(5)), and signals that cannot hit a stranger.
//!
//! A process is named by its pid *and* its start time: pids are used again.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// One line of `/proc/PID/stat`, as far as it is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The process.
    pub pid: u32,
    /// `R`, `S`, `D`, `Z`, …
    pub state: char,
    /// Its parent.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
}

impl Stat {
    /// Over, but not reaped yet.
    #[must_use]
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Looks at one process.
///
/// # Errors
/// `NotFound` when there is no such process.
pub fn stat(pid: u32) -> io::Result<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).map_err(|error| match error.raw_os_error() {
        // Reading the file of a process that ends in that moment.
        Some(libc::ESRCH) => io::Error::from(io::ErrorKind::NotFound),
        _ => error,
    })?;
    parse(&text)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat is not understood")))
}

/// Looks at every process there is. Those that end meanwhile are left out.
///
/// # Errors
/// When `/proc` cannot be listed.
pub fn all() -> io::Result<Vec<Stat>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok())
            && let Ok(stat) = stat(pid)
        {
            found.push(stat);
        }
    }
    Ok(found)
}

/// The command name may hold blanks and parentheses, so fields count from the last `)`.
fn parse(text: &[u8]) -> Option<Stat> {
    let open = text.iter().position(|byte| *byte == b'(')?;
    let close = text.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(&text[..open]).ok()?.trim().parse().ok()?;
    let fields: Vec<&str> = std::str::from_utf8(&text[close + 1..]).ok()?.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let id = |index: usize| u32::try_from(number(index)?).ok();
    Some(Stat {
        pid,
        state: fields.first()?.chars().next()?,
        parent: id(1)?,
        group: id(2)?,
        session: id(3)?,
        start_time: number(19)?,
    })
}

/// Whether the environment a process was started with holds exactly this `KEY=value`. `false` when it may not be read.
#[must_use]
pub fn started_with(pid: u32, variable: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes()))
}

/// A descriptor for the process `pid` that started at `start_time`.
///
/// # Errors
/// `NotFound` when it is gone, also when its pid belongs to another one now.
pub fn open(pid: u32, start_time: u64) -> io::Result<OwnedFd> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    let handle = pidfd_open(raw, PidfdFlags::empty()).map_err(|error| match error {
        rustix::io::Errno::SRCH => gone(),
        other => other.into(),
    })?;
    // After the open: if the start time fits now, the descriptor was opened on that very process, since the pid cannot
    // have changed hands and back.
    if stat(pid)?.start_time == start_time { Ok(handle) } else { Err(gone()) }
}

/// Signals the process behind a descriptor of [`open`].
///
/// # Errors
/// `NotFound` when it is over; others as pidfd_send_signal(2).
pub fn signal(handle: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: the call takes a descriptor, which is open while borrowed, two numbers, and a null pointer that stands
    // for "as kill(2) would fill it in".
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, handle.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ESRCH) => Err(io::Error::from(io::ErrorKind::NotFound)),
        _ => Err(error),
    }
}

/// Signals the process `pid` that started at `start_time`, and no other. `false`: it is gone.
///
/// # Errors
/// As pidfd_send_signal(2), such as `PermissionDenied`.
pub fn signal_exactly(pid: u32, start_time: u64, number: i32) -> io::Result<bool> {
    let sent = open(pid, start_time).and_then(|handle| signal(handle.as_fd(), number));
    match sent {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_parentheses_does_not_shift_the_fields() {
        let line = b"42 (a) b (c)) S 7 42 40 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 2 3\n";
        let stat = parse(line).unwrap();
        assert_eq!(stat, Stat { pid: 42, state: 'S', parent: 7, group: 42, session: 40, start_time: 987_654 });
    }

    #[test]
    fn a_line_that_ends_early_is_not_understood() {
        assert_eq!(parse(b"42 (a) S 7 42"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn this_process_is_found() {
        let own = stat(std::process::id()).unwrap();
        assert!(!own.is_zombie());
        assert!(all().unwrap().iter().any(|stat| stat.pid == own.pid && stat.start_time == own.start_time));
    }

    #[test]
    fn a_process_with_another_start_time_is_not_signalled() {
        let own = stat(std::process::id()).unwrap();
        assert!(signal_exactly(own.pid, own.start_time, 0).unwrap());
        assert!(!signal_exactly(own.pid, own.start_time + 1, libc::SIGKILL).unwrap());
    }
}

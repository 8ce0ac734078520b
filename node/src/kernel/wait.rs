//! How children end (waitid(2)).

use std::io;

/// The end of one child, which is reaped by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Which.
    pub(crate) pid: u32,
    /// Its exit code, when `signal` is 0.
    pub(crate) code: i32,
    /// The signal that ended it, or 0.
    pub(crate) signal: i32,
    /// It left a core dump.
    pub(crate) core_dumped: bool,
}

/// Reaps one child that is over, whichever; `None` when there is none now.
pub(crate) fn any() -> Option<Ended> {
    wait(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG).ok().flatten()
}

/// A child that is over, left unreaped: its pid cannot be used again, and `/proc` still shows it.
pub(crate) fn peek() -> Option<u32> {
    wait(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT).ok().flatten().map(|ended| ended.pid)
}

/// Waits for the end of one child.
pub(crate) fn one(pid: u32) -> io::Result<Option<Ended>> {
    wait(libc::P_PID, pid, libc::WEXITED)
}

fn wait(kind: libc::idtype_t, id: u32, options: i32) -> io::Result<Option<Ended>> {
    loop {
        // SAFETY: all zeroes is a valid siginfo_t.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is valid to write to.
        if unsafe { libc::waitid(kind, id, &raw mut info, options) } != 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        // SAFETY: waitid succeeded, so these fields are those of a SIGCHLD, or still zero when there was no child.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        let Ok(pid @ 1..) = u32::try_from(pid) else { return Ok(None) };
        let exited = info.si_code == libc::CLD_EXITED;
        return Ok(Some(Ended {
            pid,
            code: if exited { status } else { 0 },
            signal: if exited { 0 } else { status },
            core_dumped: info.si_code == libc::CLD_DUMPED,
        }));
    }
}

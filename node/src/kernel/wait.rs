//! How children end (waitid(2)).

use std::io;

/// What a process has used, with the children it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// CPU time in user mode, in microseconds.
    pub(crate) user_us: u64,
    /// CPU time in the kernel, in microseconds.
    pub(crate) system_us: u64,
    /// The most memory it had at once, in KiB.
    pub(crate) max_rss_kib: u64,
}

/// The end of one child.
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
    /// What it has used.
    pub(crate) usage: Usage,
}

/// A child that is over, left unreaped: its pid cannot be used again, and `/proc` still shows it.
pub(crate) fn peek() -> Option<Ended> {
    wait(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT).ok().flatten()
}

/// Reaps this child if it is over.
pub(crate) fn reap(pid: u32) -> Option<Ended> {
    wait(libc::P_PID, pid, libc::WEXITED | libc::WNOHANG).ok().flatten()
}

fn wait(kind: libc::idtype_t, id: u32, options: i32) -> io::Result<Option<Ended>> {
    loop {
        // SAFETY: all zeroes is a valid siginfo_t.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: all zeroes is a valid rusage.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // The system call, as glibc's function leaves out what was used.
        // SAFETY: both structures are valid to write to.
        let result = unsafe { libc::syscall(libc::SYS_waitid, kind, id, &raw mut info, options, &raw mut usage) };
        if result != 0 {
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
            usage: Usage {
                user_us: microseconds(usage.ru_utime),
                system_us: microseconds(usage.ru_stime),
                max_rss_kib: usage.ru_maxrss.try_into().unwrap_or(0),
            },
        }));
    }
}

fn microseconds(time: libc::timeval) -> u64 {
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    part(time.tv_sec) * 1_000_000 + part(time.tv_usec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn an_end_is_told_with_what_was_used_and_only_once() {
        let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let ended = loop {
            match reap(child.id()) {
                Some(ended) => break ended,
                None => std::thread::sleep(std::time::Duration::from_millis(1)),
            }
        };
        assert_eq!((ended.pid, ended.code, ended.signal), (child.id(), 3, 0));
        assert!(ended.usage.max_rss_kib > 0);
        assert_eq!(reap(child.id()), None);
        assert!(child.wait().is_err(), "nobody else can hear of it");
    }
}

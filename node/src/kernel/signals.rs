//! Signals of the supervisor itself, and a clean state for its children.

use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Highest signal number of Linux.
const LAST: i32 = 64;

/// Blocks what the supervisor handles and gives a descriptor that delivers it.
pub(crate) fn receive() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// In a child: every signal does what it does by default, except SIGPIPE if it is to be ignored.
///
/// Signals stay blocked, so that none is delivered half-way; [`unblock`] follows.
pub(crate) fn reset(ignore_pipe: bool) {
    for number in 1..=LAST {
        let handler = if number == libc::SIGPIPE && ignore_pipe { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: neither handler runs any code. SIGKILL, SIGSTOP and glibc's own two are refused, which is fine: they
        // cannot have been changed.
        unsafe { libc::signal(number, handler) };
    }
}

/// In a child: no signal is blocked.
pub(crate) fn unblock() {
    // Cannot fail: the set is valid.
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

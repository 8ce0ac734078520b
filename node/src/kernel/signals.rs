//! Signals of guard and supervisor themselves, and a clean state for children.

use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Highest signal number of Linux.
const LAST: i32 = 64;

/// The kernel's size of a signal set, in bytes.
const SET_BYTES: usize = 8;

/// Blocks what the guard handles and gives a descriptor that delivers it.
pub(crate) fn receive() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// A peer that is gone is an error of the call that finds out, not the end of this process.
pub(crate) fn ignore_pipe() {
    // SAFETY: ignoring runs no code.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// In a child: every signal does what it does by default, except SIGPIPE if it is to be ignored.
///
/// SIGPIPE is ignored until [`unblock`] in any case: whoever is told how far the child is may be gone.
/// Signals that were blocked stay so, so that none is delivered half-way.
pub(crate) fn reset() {
    // All zeroes is SIG_DFL with no flags in the kernel's struct of every architecture, and longer than any of them.
    let default = [0_u64; 8];
    for number in 1..=LAST {
        // SAFETY: the kernel reads the structure and no handler gets to run. By system call, since glibc refuses its
        // own two signals, which whoever started this process may have ignored. SIGKILL and SIGSTOP are refused, which
        // is fine: they cannot have been changed.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, number, &raw const default, 0, SET_BYTES) };
    }
    ignore_pipe();
}

/// In a child, just before exec: no signal is blocked, and SIGPIPE is ignored only if it is to be.
pub(crate) fn unblock(ignores_pipe: bool) {
    if !ignores_pipe {
        // SAFETY: the default runs no code of this program.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
    // Cannot fail: the set is valid.
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

//! A bell: "look again", from one process to another (eventfd(2)). What there is to see lies in the shared table.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

/// One process's bell. Whoever rings it twice before it was heard has rung once.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// One that this process was given.
    pub(crate) fn given(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    pub(crate) fn ring(&self) {
        // Refused only when it was rung 2^64 times and not heard, which is as good.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Before looking: what is written later rings again.
    pub(crate) fn hear(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]); // not rung is fine, too
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    fn rings(bell: &Bell) -> bool {
        let mut polled = libc::pollfd { fd: bell.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid structure, one counted.
        unsafe { libc::poll(&raw mut polled, 1, 0) == 1 }
    }

    #[test]
    fn it_rings_until_it_is_heard() {
        let bell = Bell::new().unwrap();
        assert!(!rings(&bell));
        bell.ring();
        bell.ring();
        assert!(rings(&bell));
        bell.hear();
        assert!(!rings(&bell));
        bell.hear();
    }
}

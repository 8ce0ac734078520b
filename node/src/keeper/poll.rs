//! The one epoll instance, with names for what it watches.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

/// Something the loop watches. Numbers are never used twice, so an event that was fetched before its descriptor was
/// closed finds nobody instead of a successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Signals,
    Bell,
    Store,
    /// The way to the logger has room again.
    Outlet,
    Inlet,
    /// The guard's end of the channel to it: it only ever says that the guard is gone.
    Guard,
    Listener,
    Notify,
    Groups,
    Connection(u64),
    Pipe(u64),
    Adopted(u64),
}

const TAG: u32 = 56;

impl Source {
    fn encode(self) -> u64 {
        let (tag, number) = match self {
            Self::Signals => (0, 0),
            Self::Listener => (1, 0),
            Self::Notify => (2, 0),
            Self::Groups => (3, 0),
            Self::Connection(number) => (4, number),
            Self::Pipe(number) => (5, number),
            Self::Adopted(number) => (6, number),
            Self::Bell => (7, 0),
            Self::Store => (8, 0),
            Self::Guard => (9, 0),
            Self::Outlet => (10, 0),
            Self::Inlet => (11, 0),
        };
        (tag << TAG) | number
    }

    fn decode(value: u64) -> Self {
        let number = value & ((1 << TAG) - 1);
        match value >> TAG {
            0 => Self::Signals,
            1 => Self::Listener,
            2 => Self::Notify,
            3 => Self::Groups,
            4 => Self::Connection(number),
            5 => Self::Pipe(number),
            7 => Self::Bell,
            8 => Self::Store,
            9 => Self::Guard,
            10 => Self::Outlet,
            11 => Self::Inlet,
            _ => Self::Adopted(number),
        }
    }
}

/// What to wait for on a descriptor. Ends and errors are always told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
    Both,
    Nothing,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Read => epoll::EventFlags::IN,
            Self::Write => epoll::EventFlags::OUT,
            Self::Both => epoll::EventFlags::IN | epoll::EventFlags::OUT,
            Self::Nothing => epoll::EventFlags::empty(),
        }
    }
}

/// Events fetched at once. More wait in the kernel.
const BATCH: usize = 64;

pub(crate) struct Poll {
    epoll: OwnedFd,
    batch: Vec<epoll::Event>,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, batch: Vec::with_capacity(BATCH) })
    }

    pub(crate) fn add(&self, descriptor: impl AsFd, source: Source) -> io::Result<()> {
        let data = epoll::EventData::new_u64(source.encode());
        Ok(epoll::add(&self.epoll, descriptor, data, epoll::EventFlags::IN)?)
    }

    pub(crate) fn change(&self, descriptor: impl AsFd, source: Source, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(source.encode());
        Ok(epoll::modify(&self.epoll, descriptor, data, interest.flags())?)
    }

    /// Watches for nothing but the end of the other side, for now.
    pub(crate) fn add_end(&self, descriptor: impl AsFd, source: Source) -> io::Result<()> {
        let data = epoll::EventData::new_u64(source.encode());
        Ok(epoll::add(&self.epoll, descriptor, data, epoll::EventFlags::empty())?)
    }

    /// Before a descriptor is closed: a child between fork and exec has a copy, which would keep it watched.
    pub(crate) fn remove(&self, descriptor: impl AsFd) {
        let _ = epoll::delete(&self.epoll, descriptor); // not watched is fine too
    }

    /// Waits for something to happen; without a timeout for as long as it takes.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Source>> {
        self.batch.clear();
        let timeout = timeout.map(|time| Timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        });
        match epoll::wait(&self.epoll, spare_capacity(&mut self.batch), timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        // By copy: the kernel's structure is packed.
        Ok(self.batch.iter().map(|event| Source::decode({ event.data }.u64())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_survive_the_kernel() {
        for source in [
            Source::Signals,
            Source::Bell,
            Source::Notify,
            Source::Connection(1),
            Source::Pipe(7),
            Source::Adopted(1 << 50),
        ] {
            assert_eq!(Source::decode(source.encode()), source);
        }
    }
}

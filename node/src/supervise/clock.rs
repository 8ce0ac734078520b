//! The engine's clocks. The monotonic one counts on from `CLOCK_BOOTTIME` at the start, so that moments an earlier
//! agent of the same boot remembered still mean something; tests pause it.

use fleet_units::time::{Moment, Timestamp};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The clocks of a host. Tests have their own.
pub trait HostClock: Send + 'static {
    /// `CLOCK_REALTIME`; times before 1970 count as 1970.
    fn wall(&self) -> Timestamp;

    /// `CLOCK_BOOTTIME`.
    fn since_boot(&self) -> Moment;
}

/// The clocks of this host.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl HostClock for SystemClock {
    fn wall(&self) -> Timestamp {
        Clock::wall()
    }

    fn since_boot(&self) -> Moment {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Moment(now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1_000)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    base: Moment,
    start: Instant,
}

impl Clock {
    pub(super) fn new(host: &dyn HostClock) -> Clock {
        Clock { base: host.since_boot(), start: Instant::now() }
    }

    pub(super) fn now(&self) -> Moment {
        self.base.after(self.start.elapsed())
    }

    pub(super) fn instant(&self, at: Moment) -> Instant {
        self.start + at.since(self.base)
    }

    pub(super) fn wall() -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp::default().after(since)
    }

    /// The moment that is as far away as `time` is from now.
    pub(super) fn moment_of(&self, time: Timestamp) -> Moment {
        let wait = time.0.saturating_sub(Clock::wall().0);
        self.now().after(Duration::from_micros(wait))
    }
}

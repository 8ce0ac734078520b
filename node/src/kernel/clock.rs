//! Whether somebody sets the wall clock: timerfd_create(2) with `TFD_TIMER_CANCEL_ON_SET`. Nothing wakes up for it.

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// Watches the wall clock.
#[derive(Debug)]
pub struct ClockWatch(AsyncFd<OwnedFd>);

/// A time that never comes: the timer is there to be cancelled.
const NEVER: Itimerspec = Itimerspec {
    it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
    it_value: Timespec { tv_sec: i64::MAX / 2_000_000_000, tv_nsec: 0 },
};

impl ClockWatch {
    /// Starts to watch.
    ///
    /// # Errors
    /// As timerfd_create(2) and timerfd_settime(2).
    pub fn new() -> io::Result<ClockWatch> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
        arm(&timer)?;
        // SAFETY: the descriptor belongs to the OwnedFd, which keeps the same one open for as long as it lives here.
        Ok(ClockWatch(unsafe { AsyncFd::register(timer) }?))
    }

    /// Returns when the clock was set since the last call.
    ///
    /// # Errors
    /// As read(2) and timerfd_settime(2).
    pub async fn set(&self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            let told = rustix::io::read(self.0.get_ref(), &mut [0_u8; 8]);
            ready.clear_ready();
            match told {
                Err(Errno::CANCELED) => return arm(self.0.get_ref()),
                // The time that never comes has come.
                Ok(_) => arm(self.0.get_ref())?,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn arm(timer: &OwnedFd) -> io::Result<()> {
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(timer, flags, &NEVER)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::time::{ClockId, clock_gettime, clock_settime};
    use std::time::Duration;

    #[tokio::test]
    async fn setting_the_clock_is_told_and_time_passing_is_not() {
        let watch = ClockWatch::new().unwrap();
        let quiet = tokio::time::timeout(Duration::from_millis(50), watch.set()).await;
        assert!(quiet.is_err(), "nobody set the clock");
        // To what it shows: nobody notices but the kernel.
        if let Err(error) = clock_settime(ClockId::Realtime, clock_gettime(ClockId::Realtime)) {
            return println!("SKIP clock_settime: the clock may not be set here ({error})");
        }
        tokio::time::timeout(Duration::from_secs(5), watch.set()).await.expect("it is told").unwrap();
    }
}

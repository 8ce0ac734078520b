//! The time certificates and tokens are judged by.
//!
//! A machine without a clock battery boots in 1970. Its certificates would all be "not valid yet", and, worse, one
//! that expired long ago would look fresh to a clock set back. So the latest time someone trustworthy vouched for is
//! kept in a file, and nothing is judged by an earlier one. Only vouched times raise it (the start of a verified
//! certificate's life, the coordinator's greeting), never the local clock itself: a clock that once stood in 2099 would
//! otherwise lock its host out for good.

use fleet_units::time::Timestamp;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 2026-01-01T00:00:00Z in microseconds: before the first release, so an earlier clock is surely wrong.
pub const EARLIEST_PLAUSIBLE: Timestamp = Timestamp(1_767_225_600_000_000);

/// The file is written again when the time seen is this much later than what it holds: a restart may lose so much.
const WRITE_STEP: Duration = Duration::from_secs(60);

/// A wall clock with a memory. Shared by everything that judges certificates in one process.
pub struct TrustClock {
    source: Box<dyn Fn() -> Timestamp + Send + Sync>,
    seen: AtomicU64,
    written: AtomicU64,
    file: Option<PathBuf>,
}

impl TrustClock {
    /// The system's clock, remembering only in memory.
    #[must_use]
    pub fn system() -> Arc<TrustClock> {
        Arc::new(Self::new(system_time, None))
    }

    /// The system's clock; the latest time seen is kept in `file` (decimal seconds since 1970). A file that is
    /// missing or unreadable counts as nothing seen.
    #[must_use]
    pub fn remembering(file: &Path) -> Arc<TrustClock> {
        Arc::new(Self::new(system_time, Some(file.to_owned())))
    }

    /// A clock over any source, for tests.
    pub fn new(source: impl Fn() -> Timestamp + Send + Sync + 'static, file: Option<PathBuf>) -> TrustClock {
        let seen = file.as_deref().and_then(read).unwrap_or_default();
        TrustClock { source: Box::new(source), seen: AtomicU64::new(seen.0), written: AtomicU64::new(seen.0), file }
    }

    /// The time to judge by: the system's, or the latest seen when that is later.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.source)().max(self.seen())
    }

    /// The latest time vouched for; zero when none was.
    #[must_use]
    pub fn seen(&self) -> Timestamp {
        Timestamp(self.seen.load(Ordering::Relaxed))
    }

    /// Whether the system's clock is surely wrong: earlier than what was seen, or than the first release.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let system = (self.source)();
        system < self.seen() || system < EARLIEST_PLAUSIBLE
    }

    /// The time to judge a certificate by whose life starts at `not_before`. With a clock that is surely wrong, a
    /// properly signed certificate itself shows that its start has passed; its end is judged all the same.
    #[must_use]
    pub fn judging(&self, not_before: Timestamp) -> Timestamp {
        if self.is_behind() { self.now().max(not_before) } else { self.now() }
    }

    /// Remembers a time that something verified vouches for. Failing to write the file loses at most this step.
    pub fn saw(&self, time: Timestamp) {
        self.seen.fetch_max(time.0, Ordering::Relaxed);
        let Some(file) = &self.file else { return };
        let step = u64::try_from(WRITE_STEP.as_micros()).unwrap_or(u64::MAX);
        let written = self.written.load(Ordering::Relaxed);
        if time.0 < written.saturating_add(step) {
            return;
        }
        if self.written.compare_exchange(written, time.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            && let Err(error) = write(file, time)
        {
            tracing::warn!(file = %file.display(), %error, "cannot keep the latest time seen");
        }
    }
}

impl fmt::Debug for TrustClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustClock({:?})", self.now())
    }
}

impl rustls::time_provider::TimeProvider for TrustClock {
    fn current_time(&self) -> Option<rustls_pki_types::UnixTime> {
        Some(unix(self.now()))
    }
}

/// Whole seconds, as TLS counts.
pub(crate) fn unix(time: Timestamp) -> rustls_pki_types::UnixTime {
    rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_micros(time.0))
}

/// The system's wall clock; times before 1970 count as 1970.
#[must_use]
pub fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

fn read(file: &Path) -> Option<Timestamp> {
    let seconds: u64 = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    Some(Timestamp(seconds.saturating_mul(1_000_000)))
}

fn write(file: &Path, time: Timestamp) -> std::io::Result<()> {
    let temporary = file.with_extension("new");
    std::fs::write(&temporary, format!("{}\n", time.0 / 1_000_000))?;
    std::fs::rename(temporary, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: u64 = 365 * 24 * 3600 * 1_000_000;

    #[test]
    fn a_clock_that_boots_in_1970_judges_by_the_latest_time_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("latest-seen");
        let vouched = Timestamp(EARLIEST_PLAUSIBLE.0 + YEAR);
        TrustClock::new(|| Timestamp(EARLIEST_PLAUSIBLE.0 + YEAR + 5), Some(file.clone())).saw(vouched);

        let rebooted = TrustClock::new(|| Timestamp(12_000_000), Some(file));
        assert_eq!(rebooted.now(), vouched);
        assert!(rebooted.is_behind());
        let later = Timestamp(vouched.0 + 1_000_000);
        assert_eq!(rebooted.judging(later), later, "a signed start of life shows that it has passed");
        assert_eq!(rebooted.judging(Timestamp(1)), vouched, "the end of a life is judged by what was seen");
    }

    #[test]
    fn a_right_clock_is_taken_as_it_is() {
        let clock = TrustClock::new(|| Timestamp(EARLIEST_PLAUSIBLE.0 + YEAR), None);
        clock.saw(Timestamp(EARLIEST_PLAUSIBLE.0));
        assert!(!clock.is_behind());
        assert_eq!(clock.judging(Timestamp(EARLIEST_PLAUSIBLE.0 + 2 * YEAR)), clock.now());
    }

    #[test]
    fn the_local_clock_never_raises_what_was_seen() {
        let clock = TrustClock::new(|| Timestamp(EARLIEST_PLAUSIBLE.0 + 70 * YEAR), None);
        let _ = clock.now();
        assert_eq!(clock.seen(), Timestamp(0));
    }
}

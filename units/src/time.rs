//! Time as an input. `units` never reads a clock; callers pass these in.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Wall-clock time: microseconds since 1970-01-01T00:00:00Z, as in `CLOCK_REALTIME`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

/// Monotonic time: microseconds on a clock that never jumps, as in `CLOCK_BOOTTIME`.
/// Only differences on one boot of one host mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment `delay` after this one; saturates.
    #[must_use]
    pub fn after(self, delay: Duration) -> Moment {
        Moment(self.0.saturating_add(micros(delay)))
    }

    /// How long after `earlier` this moment is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Timestamp {
    /// The time `delay` after this one; saturates.
    #[must_use]
    pub fn after(self, delay: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(micros(delay)))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

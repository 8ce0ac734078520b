//! Calendar events as moments: civil time is what an event is about, zones say when that is.

use crate::calendar::{CalendarSpec, CivilTime, Zone};
use crate::time::Timestamp;

/// Most civil times that are tried for one event: more than a day of minutes lies in no jump of a clock.
const MAX_TRIES: u32 = 2_000;

/// The rules of time zones, as the host has them.
pub trait Zones {
    /// What clocks of `zone` show at `at`.
    fn civil(&self, zone: &Zone, at: Timestamp) -> CivilTime;

    /// The moment at which clocks of `zone` show `civil`; `None` when they never do, because they are put forward over
    /// it. Of two such moments the one that clocks have to be set as at `like` for; the first one when neither has.
    fn moment(&self, zone: &Zone, civil: CivilTime, like: Timestamp) -> Option<Timestamp>;
}

/// The first elapse of `event` after `base`. As in systemd, an event that clocks are put forward over is left out, and an
/// hour that comes twice has its events once: in the first one, but in the second one for a base within that.
#[must_use]
pub fn next_event(event: &CalendarSpec, base: Timestamp, zones: &impl Zones) -> Option<Timestamp> {
    let mut civil = zones.civil(event.zone(), base);
    for _ in 0..MAX_TRIES {
        civil = event.next_after(civil)?;
        if let Some(at) = zones.moment(event.zone(), civil, base).filter(|at| *at > base) {
            return Some(at);
        }
    }
    None
}

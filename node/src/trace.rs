//! Where the time from a notice to a running process goes: one line a stage, with `FLEET_LOG=fleet::path=debug`. The
//! benchmark reads the lines together with those of the coordinator.

use fleet_units::ids::UnitName;
use tracing::Level;

/// Says that `stage` of the path is over now, for one unit or for the assignment, and how often it forced data to disk.
pub(crate) fn stage(stage: &'static str, unit: Option<&UnitName>, syncs: u64) {
    if tracing::enabled!(target: "fleet::path", Level::DEBUG) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let at_ns = now.tv_sec * 1_000_000_000 + now.tv_nsec;
        let unit = unit.map(UnitName::as_str);
        tracing::debug!(target: "fleet::path", stage, at_ns, syncs, unit, "path");
    }
}

//! Where the time from a moved branch to the nodes goes: one line a stage, with `FLEET_LOG=fleet::path=debug`. The
//! benchmark reads the lines together with those of the node.

use tracing::Level;

/// Says that `stage` of the path is over now, and how often it forced data to disk.
pub(crate) fn stage(stage: &'static str, syncs: u64) {
    if tracing::enabled!(target: "fleet::path", Level::DEBUG) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let at_ns = now.tv_sec * 1_000_000_000 + now.tv_nsec;
        tracing::debug!(target: "fleet::path", stage, at_ns, syncs, "path");
    }
}

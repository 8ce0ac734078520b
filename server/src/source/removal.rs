//! The removal gate: a revision that would take away all units, or many of them, is held back.

use super::log::Kind;
use fleet_units::diagnostic::{Diagnostic, Place, codes};
use fleet_units::fleet::FleetSpec;
use fleet_units::ids::UnitName;

/// More than this share of the units, in percent, …
const SHARE: usize = 30;
/// … and at least so many of them.
const AT_LEAST: usize = 3;

/// Why `new` is held back after `old`; `None` when it is not.
///
/// A promotion or rollback brings what an earlier environment or this one already ran, so only the removal of
/// everything holds it back.
pub(crate) fn gate(old: &FleetSpec, new: &FleetSpec, kind: Kind) -> Option<Diagnostic> {
    let gone: Vec<&UnitName> = old.units.keys().filter(|unit| !new.units.contains_key(*unit)).collect();
    let all = !old.units.is_empty() && new.units.is_empty();
    let many = gone.len() >= AT_LEAST && gone.len() * 100 > old.units.len() * SHARE;
    if !(all || many && kind == Kind::Push) {
        return None;
    }
    let names = gone.iter().take(5).map(|unit| unit.as_str()).collect::<Vec<_>>().join(", ");
    let more = if gone.len() > 5 { ", …" } else { "" };
    let message = format!("would remove {} of {} units: {names}{more}", gone.len(), old.units.len());
    let hint = if all {
        "revert it; to stop everything on purpose, keep a unit file and set Instances=0 in it"
    } else {
        "to mean it, remove the units in several commits, at most two units or 30 % in each, and wait for each to be accepted"
    };
    let file = format!("units/{}", gone.first()?);
    Some(Diagnostic::error(codes::REMOVAL_GATE, Place { file, line: 0, column: 0 }, message).with_hint(hint))
}

//! Dependencies on units that the environment does not have.

use super::{Across, Aliases};
use crate::diagnostic::{Diagnostic, MAX_SUGGESTIONS, codes, did_you_mean};
use crate::ids::{UnitKind, UnitName};
use crate::spec::UnitSpec;
use crate::spec::special::is_well_known_target;

/// A warning for each; the host may have the unit. `fleet plan` tells where a unit cannot start for lack of it.
pub(super) fn check(across: &Across<'_>, aliases: &Aliases<'_>, found: &mut Vec<Diagnostic>) {
    let mut suggestions = 0;
    for (name, unit) in across.units.iter().chain(across.triggers) {
        for (key, others) in named(&unit.spec) {
            for other in others {
                let known = across.units.contains_key(other)
                    || across.triggers.contains_key(other)
                    || aliases.contains_key(other)
                    || across.present.contains(other)
                    || is_well_known_target(other);
                if known {
                    continue;
                }
                suggestions += 1;
                let near = (suggestions <= MAX_SUGGESTIONS).then(|| nearest(across, other)).flatten();
                let hint = near.map_or("add the unit, or take the dependency away".to_owned(), |near| {
                    format!("did you mean {near}?")
                });
                let message = format!("{key}=: {other} is no unit of this environment");
                let place = across.places.word(name, &[key], other.as_str());
                found.push(Diagnostic::warning(codes::DEPENDENCY_NOT_IN_SET, place, message).with_hint(hint));
            }
        }
    }
}

/// The directives that pull units in, and those that name what a timer or socket starts.
fn named(spec: &UnitSpec) -> [(&'static str, Vec<&UnitName>); 7] {
    let started = if spec.name.kind() == UnitKind::Timer { "Unit" } else { "Service" };
    [
        (started, spec.started().into_iter().collect()),
        ("Requires", spec.requires.iter().collect()),
        ("Requisite", spec.requisite.iter().collect()),
        ("BindsTo", spec.binds_to.iter().collect()),
        ("Wants", spec.wants.iter().collect()),
        ("OnFailure", spec.on_failure.iter().collect()),
        ("OnSuccess", spec.on_success.iter().collect()),
    ]
}

/// The unit of the same kind whose name is nearest; the suffix, which all have, makes no name near.
fn nearest<'a>(across: &Across<'a>, wanted: &UnitName) -> Option<&'a UnitName> {
    let same_kind = || across.units.keys().filter(|name| name.kind() == wanted.kind());
    let near = did_you_mean(wanted.stem(), same_kind().map(UnitName::stem))?;
    same_kind().find(|name| name.stem() == near)
}

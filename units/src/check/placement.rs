//! Requirements that placement cannot fulfil: what is required runs nowhere, or only on other nodes.

use super::{Across, Aliases};
use crate::diagnostic::{Diagnostic, codes};
use crate::fleet::FleetUnit;
use crate::ids::UnitName;

/// Looks at what each unit that runs somewhere requires.
pub(super) fn check(across: &Across<'_>, aliases: &Aliases<'_>, found: &mut Vec<Diagnostic>) {
    for (name, unit) in across.all().filter(|(_, unit)| !across.is_off(unit)) {
        let spec = &unit.spec;
        for (key, others) in [("Requires", &spec.requires), ("Requisite", &spec.requisite), ("BindsTo", &spec.binds_to)]
        {
            for other in others {
                found.extend(requirement(across, aliases, (name, unit), key, other));
            }
        }
    }
}

fn requirement(
    across: &Across<'_>,
    aliases: &Aliases<'_>,
    (name, unit): (&UnitName, &FleetUnit),
    key: &str,
    other: &UnitName,
) -> Option<Diagnostic> {
    let place = || across.places.word(name, &[key], other.as_str());
    match across.resolve(aliases, other) {
        Some(required) if across.is_off(required) => {
            let message = format!("{key}=: {other} is switched off here (Instances=0), so {name} cannot start");
            let hint = "switch both off, or take the requirement away";
            Some(Diagnostic::warning(codes::REQUIRES_SWITCHED_OFF, place(), message).with_hint(hint))
        }
        Some(required) if !across.can_meet(unit, required) => {
            let message = format!(
                "{key}=: no node can have both: {name} runs on {}, {other} on {}",
                unit.spec.fleet.nodes, required.spec.fleet.nodes
            );
            let hint = "a requirement must be on the same node; make the Nodes= of both agree";
            Some(Diagnostic::warning(codes::IMPOSSIBLE_PLACEMENT, place(), message).with_hint(hint))
        }
        Some(_) => None,
        None if across.present.contains(other) => {
            let message = format!("{key}=: {other} is masked here, so {name} cannot start");
            let hint = "mask both, or take the requirement away";
            Some(Diagnostic::warning(codes::REQUIRES_SWITCHED_OFF, place(), message).with_hint(hint))
        }
        None => None,
    }
}

//! Timers and sockets that can start nothing: their unit is switched off, or only on other nodes.

use super::Across;
use crate::diagnostic::{Diagnostic, codes};
use crate::ids::{UnitKind, UnitName};
use crate::spec::Instances;

/// A unit that is nowhere at all is told by `dependencies`.
pub(super) fn check(across: &Across<'_>, found: &mut Vec<Diagnostic>) {
    for (name, trigger) in across.triggers.iter().filter(|(_, unit)| unit.spec.fleet.instances != Instances::Count(0)) {
        let Some(started) = trigger.spec.started() else { continue };
        let key = if name.kind() == UnitKind::Timer { "Unit" } else { "Service" };
        let (why, hint) = match across.get(started) {
            Some(unit) if unit.spec.fleet.instances == Instances::Count(0) => {
                ("it is switched off here (Instances=0)".to_owned(), "switch both off")
            }
            Some(unit) if !across.can_meet(trigger, unit) => {
                let (own, its) = (&trigger.spec.fleet.nodes, &unit.spec.fleet.nodes);
                let why = format!("it runs on {its}, and {name} on {own}");
                (why, "take Nodes= away here: a timer or socket is where its unit is")
            }
            None if is_masked(across, started) => ("it is masked here".to_owned(), "mask both"),
            Some(_) | None => continue,
        };
        let place = across.places.word(name, &[key], started.as_str());
        let message = format!("{name} starts {started} nowhere: {why}");
        found.push(Diagnostic::warning(codes::STARTS_NOTHING, place, message).with_hint(hint));
    }
}

/// Whether there is a file for it, and no unit; a template has none.
fn is_masked(across: &Across<'_>, name: &UnitName) -> bool {
    !name.is_template() && across.present.contains(name)
}

//! `Alias=`: one name for two units.

use super::{Across, Aliases};
use crate::diagnostic::{Diagnostic, codes};

/// Alias to the unit it means. A name of two units that can be on one node is an error.
pub(super) fn check<'a>(across: &Across<'a>, found: &mut Vec<Diagnostic>) -> Aliases<'a> {
    let mut aliases = Aliases::new();
    for (name, unit) in across.units {
        for alias in &unit.spec.alias {
            let what = if across.units.contains_key(alias) {
                "a unit".to_owned()
            } else {
                match aliases.insert(alias, name) {
                    Some(other) if across.can_meet(&across.units[other], unit) => format!("an alias of {other}"),
                    _ => continue,
                }
            };
            let message = format!("{name}: its alias {alias} is also the name of {what}");
            let place = across.places.word(name, &["Alias"], alias.as_str());
            found.push(Diagnostic::error(codes::DUPLICATE_ALIAS, place, message));
        }
    }
    aliases
}

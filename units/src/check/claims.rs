//! What only one unit of a node can have: ports, paths, folders, bus names.

mod claim;

use super::Across;
use super::names::can_meet;
use crate::diagnostic::Diagnostic;
use crate::fleet::FleetUnit;
use crate::ids::UnitName;
use crate::spec::Instances;
use claim::{Claim, Thing};
use std::collections::{HashMap, HashSet};

/// Units compared with for one thing. More of them, on nodes that exclude each other, are a rare sight, and comparing
/// each with all others would take quadratic time.
const MAX_HOLDERS: usize = 16;

/// A unit that has claimed something before.
struct Holder<'a> {
    name: &'a UnitName,
    unit: &'a FleetUnit,
    claim: Claim<'a>,
}

/// Two units that can be on one node and claim the same there are a finding, once for each unit and thing. All
/// instances of a template together are one.
pub(super) fn check(across: &Across<'_>, found: &mut Vec<Diagnostic>) {
    let mut holders: HashMap<Thing<'_>, Vec<Holder<'_>>> = HashMap::new();
    let mut told: HashSet<(Thing<'_>, UnitName)> = HashSet::new();
    for (name, unit) in across.units {
        if unit.spec.fleet.instances == Instances::Count(0) {
            continue;
        }
        claim::of(&unit.spec, |claim| {
            let others = holders.entry(claim.thing).or_default();
            let new = Holder { name, unit, claim };
            if let Some(other) = others.iter().find(|other| clash(other, &new)) {
                let template = name.template();
                let with_itself = template.is_some() && template == other.name.template();
                let told_as = template.filter(|_| with_itself).unwrap_or_else(|| name.clone());
                if told.insert((claim.thing, told_as)) {
                    found.push(diagnostic(across, &new, other, with_itself));
                }
            }
            if others.len() < MAX_HOLDERS {
                others.push(new);
            }
        });
    }
}

fn clash(one: &Holder<'_>, other: &Holder<'_>) -> bool {
    // Units that conflict never run at the same time.
    let conflict = one.unit.spec.conflicts.contains(other.name) || other.unit.spec.conflicts.contains(one.name);
    one.name != other.name && !conflict && can_meet(one.unit, other.unit)
}

fn diagnostic(across: &Across<'_>, new: &Holder<'_>, other: &Holder<'_>, with_itself: bool) -> Diagnostic {
    let Holder { name, claim, .. } = new;
    let (thing, what) = (claim.thing.describe(), claim.thing.verdict());
    let message = match (with_itself, name.template()) {
        (true, Some(template)) => format!("instances of {template} that share a node all claim {thing}"),
        _ => format!("{name} and {} both claim {thing}", other.name),
    };
    let hint = match with_itself {
        true => format!("{}; with %i in it each instance has its own", what.hint),
        false => what.hint.to_owned(),
    };
    let place = across.places().key(name, claim.keys);
    let finding = if what.is_note { Diagnostic::note } else { Diagnostic::warning };
    finding(what.code, place, &message as &str).with_hint(hint)
}

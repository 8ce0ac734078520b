//! What only one unit of a node can have: ports, sockets, paths, folders, bus names.

mod claim;
mod endpoint;

use super::Across;
use crate::diagnostic::Diagnostic;
use crate::fleet::FleetUnit;
use crate::ids::UnitName;
use claim::{Claim, Thing};
use foldhash::{HashMap, HashMapExt, HashSet};

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
    let mut holders: HashMap<Thing<'_>, Vec<Holder<'_>>> = HashMap::with_capacity(across.units.len());
    let mut told: HashSet<(Thing<'_>, UnitName)> = HashSet::default();
    for (name, unit) in across.all().filter(|(_, unit)| !across.is_off(unit)) {
        claim::of(&unit.spec, |claim| {
            let others = holders.entry(claim.thing).or_default();
            let new = Holder { name, unit, claim };
            if let Some(other) = others.iter().find(|other| clash(across, other, &new)) {
                let template = name.template();
                let with_itself = name != other.name && template.is_some() && template == other.name.template();
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

/// Whether one of the two cannot have what both claim. A unit can clash with itself where it listens twice.
fn clash(across: &Across<'_>, one: &Holder<'_>, other: &Holder<'_>) -> bool {
    if one.name == other.name {
        return one.claim.endpoint.is_some() && one.claim.excludes(&other.claim);
    }
    // Units that conflict never run at the same time.
    let conflict = one.unit.spec.conflicts.contains(other.name) || other.unit.spec.conflicts.contains(one.name);
    !conflict
        && one.claim.excludes(&other.claim)
        && !hands_over(one, other)
        && !hands_over(other, one)
        && across.can_meet(one.unit, other.unit)
}

/// Whether `socket` opens for `service` what both claim.
fn hands_over(socket: &Holder<'_>, service: &Holder<'_>) -> bool {
    let started = socket.unit.spec.started();
    let sockets = service.unit.spec.service().and_then(|service| service.details.as_deref());
    started.is_some_and(|started| started == service.name || service.name.template().as_ref() == Some(started))
        || sockets.is_some_and(|details| details.sockets.contains(socket.name))
}

fn diagnostic(across: &Across<'_>, new: &Holder<'_>, other: &Holder<'_>, with_itself: bool) -> Diagnostic {
    let Holder { name, claim, .. } = new;
    let (thing, what) = (claim.thing.describe(), claim.thing.verdict());
    let message = match (with_itself, name.template()) {
        _ if *name == other.name => format!("{name} claims {thing} twice"),
        (true, Some(template)) => format!("instances of {template} that share a node all claim {thing}"),
        _ => format!("{name} and {} both claim {thing}", other.name),
    };
    let addresses = match (claim.endpoint, other.claim.endpoint) {
        (Some(one), Some(other)) if one != other => format!(" ({one} and {other})"),
        _ => String::new(),
    };
    let hint = match with_itself {
        true => format!("{}; with %i in it each instance has its own", what.hint),
        false => what.hint.to_owned(),
    };
    let place = match claim.written() {
        Some(word) => across.places.word(name, claim.keys, &word),
        None => across.places.key(name, claim.keys),
    };
    let finding = if what.is_note { Diagnostic::note } else { Diagnostic::warning };
    finding(what.code, place, message + &addresses).with_hint(hint)
}

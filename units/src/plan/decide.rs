//! One unit at a time: what it is, what it shall be, and the one action that leads from the one to the other.

use super::{Action, Desired, DesiredUnit, Due, Need, Observed, ObservedUnit, Plan, Step, change, missing};
use crate::diagnostic::Reason;
use crate::ids::UnitName;
use crate::spec::{Start, UnitSpec};
use crate::status::ActiveState;
use std::collections::BTreeSet;

/// What has to be done on a node that has `observed` so that it runs `desired`. Every unit of either stands in it once.
/// A plan made after all its steps were done has nothing but `keep`.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Plan {
    let wanted = wanted(desired);
    let names: BTreeSet<&UnitName> = desired.units.keys().chain(observed.units.keys()).collect();
    let steps = names.into_iter().map(|unit| {
        let (action, reason) = match (desired.units.get(unit), observed.units.get(unit)) {
            (Some(new), None) => decide_new(new, wanted.contains(unit)),
            (Some(new), Some(old)) => decide(new, old, wanted.contains(unit)),
            (None, _) => (Action::Stop, Reason::new("removed", "no longer assigned to this node")),
        };
        Step { unit: unit.clone(), action, reason }
    });
    let mut plan = Plan { steps: steps.collect() };
    let missing = missing(desired, observed, plan.starting());
    plan.explain(&missing);
    plan
}

/// The units that shall run by themselves. Not: `Start=manual`; what a timer or socket of the set triggers; what is
/// named in OnFailure= or OnSuccess= and nowhere else; `StopWhenUnneeded=`, which runs while others need it.
#[must_use]
pub fn wanted(desired: &Desired) -> BTreeSet<UnitName> {
    let specs = || desired.units.values().map(|unit| &unit.spec);
    let reactions: BTreeSet<_> = specs().flat_map(|spec| spec.on_failure.iter().chain(&spec.on_success)).collect();
    let pulled: BTreeSet<_> =
        specs().flat_map(|spec| spec.requires.iter().chain(&spec.wants).chain(&spec.binds_to)).collect();
    let runs = |name: &UnitName, unit: &DesiredUnit| {
        let spec = &unit.spec;
        let named =
            |set: &BTreeSet<&UnitName>| set.contains(name) || spec.alias.iter().any(|alias| set.contains(alias));
        let installed = !spec.wanted_by.is_empty() || !spec.required_by.is_empty();
        let only_reacts = named(&reactions) && !named(&pulled) && !installed;
        let by_itself = spec.fleet.start == Start::Auto && spec.triggered_by.is_empty();
        by_itself && !name.is_template() && !only_reacts && !stops_when_unneeded(spec)
    };
    desired.units.iter().filter(|(name, unit)| runs(name, unit)).map(|(name, _)| name.clone()).collect()
}

fn decide_new(new: &DesiredUnit, wanted: bool) -> (Action, Reason) {
    if wanted { (Action::Start, Reason::new("new", "new on this node")) } else { (Action::Update, not_by_itself(new)) }
}

fn stops_when_unneeded(spec: &UnitSpec) -> bool {
    spec.details.as_ref().is_some_and(|details| details.stop_when_unneeded)
}

fn not_by_itself(new: &DesiredUnit) -> Reason {
    match new.spec.fleet.start {
        Start::Auto if stops_when_unneeded(&new.spec) => {
            Reason::new("needed", "StopWhenUnneeded=: it runs while another unit needs it")
        }
        Start::Manual => Reason::new("manual", "Start=manual: it starts when it is asked to"),
        Start::Auto => Reason::new("triggered", "it starts when another unit triggers it"),
    }
}

fn decide(new: &DesiredUnit, old: &ObservedUnit, wanted: bool) -> (Action, Reason) {
    let runs = runs(old.active);
    let startable = wanted && !old.held && !runs;
    if new.digest == old.digest {
        return match old.due {
            Some(due) if startable => (Action::Start, due_reason(due)),
            _ => (Action::Keep, keep_reason(new, old, wanted)),
        };
    }
    let change = change(&old.spec, &new.spec);
    let what = what_changed(&change.directives);
    match change.need {
        Need::Restart if runs => (Action::Restart, Reason::new("changed", what)),
        Need::Reload if runs => (Action::Reload, Reason::new("changed", what)),
        Need::Restart | Need::Reload if startable => (Action::Start, Reason::new("changed", what)),
        _ => match old.due {
            Some(due) if startable => (Action::Start, due_reason(due)),
            _ => (Action::Update, Reason::new("changed", what)),
        },
    }
}

fn runs(active: ActiveState) -> bool {
    match active {
        ActiveState::Activating | ActiveState::Active | ActiveState::Reloading => true,
        // On its way down: it has to be started again like one that is down.
        ActiveState::Inactive | ActiveState::Failed | ActiveState::Deactivating => false,
    }
}

fn due_reason(due: Due) -> Reason {
    match due {
        Due::Boot => Reason::new("boot", "not started since the host booted"),
        Due::HoldEnded => Reason::new("hold-ended", "the hold on it is over"),
        Due::New => Reason::new("new", "not started since it was assigned"),
    }
}

fn keep_reason(new: &DesiredUnit, old: &ObservedUnit, wanted: bool) -> Reason {
    if old.held {
        Reason::new("held", "held")
    } else if !wanted && !runs(old.active) {
        not_by_itself(new)
    } else if old.active == ActiveState::Failed {
        Reason::new("failed", "failed and unchanged: only Restart= or a person starts it again")
    } else {
        Reason::new("unchanged", "unchanged")
    }
}

/// `Environment, files/web/nginx.conf changed`; nothing that counts: `only the text changed`.
fn what_changed(directives: &[String]) -> String {
    const SHOWN: usize = 6;
    if directives.is_empty() {
        return "only comments or layout changed".to_owned();
    }
    let more = directives.len().saturating_sub(SHOWN);
    let shown = directives.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { format!("{shown} changed") } else { format!("{shown} and {more} more changed") }
}

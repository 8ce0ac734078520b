//! What a changed unit needs: the strongest need of the directives and delivered files that differ.

use crate::spec::directives::{Directive, Support};
use crate::spec::{FilesChange, ServiceType, UnitSpec};
use std::collections::BTreeSet;

pub use crate::spec::directives::Change as Need;

/// The difference between two specifications of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The strongest need.
    pub need: Need,
    /// The directives that differ (`Environment`), and `files/PATH` for delivered files, each once, in order.
    pub directives: Vec<String>,
}

/// Compares two specifications of one unit. A reload of a unit that cannot reload is a restart.
#[must_use]
pub fn change(old: &UnitSpec, new: &UnitSpec) -> Change {
    let mut need = Need::None;
    let mut directives = BTreeSet::new();
    for directive in old.values.differing(&new.values) {
        need = need.max(need_of(directive));
        directives.insert(directive.key);
    }
    for path in old.delivered.keys().chain(new.delivered.keys()) {
        if old.delivered.get(path) != new.delivered.get(path) {
            need = need.max(files_need(new));
            directives.insert(path);
        }
    }
    if need == Need::Reload && !can_reload(new) {
        need = Need::Restart;
    }
    Change { need, directives: directives.into_iter().map(str::to_owned).collect() }
}

/// Whether the unit reloads at all.
fn can_reload(spec: &UnitSpec) -> bool {
    spec.service()
        .is_some_and(|service| !service.exec_reload.is_empty() || service.service_type == ServiceType::NotifyReload)
}

/// `FilesChange=`
fn files_need(spec: &UnitSpec) -> Need {
    match spec.fleet.files_change {
        FilesChange::Auto | FilesChange::Reload => Need::Reload,
        FilesChange::Restart => Need::Restart,
        FilesChange::None => Need::None,
    }
}

/// What a change of one directive needs, by the directive table. Foreign sections and keys need nothing, nor does what
/// is not in effect; `Files=` neither: the files it names differ, and are compared by their content.
fn need_of(directive: &Directive) -> Need {
    if directive.support == Support::Supported { directive.change } else { Need::None }
}

//! Timers and sockets of the set, and the services they start.

use super::FleetSpec;
use crate::bundle::{Bundle, SourceTree};
use crate::ids::UnitName;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tells each service of `units` what starts it: then it is not started by itself, and its bundle holds the files of
/// what does, so that its node knows that too.
pub(super) fn attach(paths: &BTreeMap<UnitName, &str>, fleet: &mut FleetSpec, tree: &SourceTree) {
    let FleetSpec { units, triggers } = fleet;
    for (name, trigger) in &*triggers {
        let Some(unit) = trigger.spec.started().and_then(|started| units.get_mut(started)) else { continue };
        Arc::make_mut(&mut unit.spec).triggered_by.insert(name.clone());
        let bundle: &mut Bundle = Arc::make_mut(&mut unit.bundle);
        if let Some(path) = paths.get(name) {
            bundle.files.insert((*path).to_owned(), tree[*path].clone());
        }
        unit.digest = unit.bundle.digest();
    }
}

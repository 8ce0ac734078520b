//! An assignment and its bundles as the desired set of the engine: every bundle merged with the same code the
//! coordinator uses, for this host. `supervise` plans and executes it.

use crate::stored::Stored;
use crate::supervise::{Assigned, Desired};
use fleet_units::assignment::AssignedUnit;
use fleet_units::bundle::Bundle;
use fleet_units::diagnostic::{Diagnostic, Reason};
use fleet_units::ids::UnitName;
use fleet_units::spec::{Context, load};
use std::sync::Arc;

/// What the node shall run. A unit that this version does not understand whole is refused (`unsupported-by-agent`) and
/// keeps running in its old form, if it has one.
#[must_use]
pub fn desired(stored: &Stored, context: &Context) -> Desired {
    let mut desired = Desired::default();
    for (unit, entry) in &stored.assignment.units {
        match stored.bundles.get(&entry.digest) {
            Some(bundle) => match assigned(unit, entry, bundle, context) {
                Ok(assigned) => drop(desired.units.insert(unit.clone(), assigned)),
                Err(reason) => drop(desired.refused.insert(unit.clone(), reason)),
            },
            None => {
                let text = format!("its bundle {} is not stored on this node", entry.digest.short());
                desired.refused.insert(unit.clone(), Reason::new("bundle-missing", text));
            }
        }
    }
    desired
}

fn assigned(
    unit: &UnitName,
    entry: &AssignedUnit,
    bundle: &Arc<Bundle>,
    context: &Context,
) -> Result<Assigned, Reason> {
    let loaded = load(unit, bundle, context);
    let error = loaded.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
    match (loaded.spec, error) {
        (Some(spec), None) => Ok(Assigned {
            spec: Arc::new(spec),
            bundle: bundle.clone(),
            digest: entry.digest,
            revision: entry.revision.clone(),
        }),
        (_, error) => Err(refusal(error)),
    }
}

fn refusal(error: Option<&Diagnostic>) -> Reason {
    let text = error.map_or_else(
        || "it cannot be understood".to_owned(),
        |error| format!("{}: {}", error.place.file, error.message),
    );
    Reason::new("unsupported-by-agent", text)
}

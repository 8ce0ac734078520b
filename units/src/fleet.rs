//! Every unit of one environment at one revision: the desired state.

use crate::bundle::{Bundle, SourceTree};
use crate::diagnostic::Diagnostic;
use crate::ids::{EnvironmentName, UnitDigest, UnitName};
use crate::spec::UnitSpec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One unit of the desired state. Of a template there is an entry for each instance it has by itself, and one
/// under the template's own name when others may name instances.
#[derive(Clone, Debug)]
pub struct FleetUnit {
    /// As understood, host specifiers unexpanded. For a template with `Instances=` this is per instance.
    pub spec: Arc<UnitSpec>,
    /// Its source files.
    pub bundle: Arc<Bundle>,
    /// The bundle's digest.
    pub digest: UnitDigest,
}

/// The desired state of one environment.
#[derive(Clone, Debug, Default)]
pub struct FleetSpec {
    /// By unit name; instances listed one by one.
    pub units: BTreeMap<UnitName, FleetUnit>,
}

/// What a source tree means for one environment.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Complete only when no diagnostic is an error.
    pub fleet: FleetSpec,
    /// Everything found, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads every unit of `tree` for `environment`, and checks them.
#[must_use]
pub fn compile(environment: &EnvironmentName, tree: &SourceTree) -> Compiled {
    let _ = (environment, tree);
    unimplemented!()
}

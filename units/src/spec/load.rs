//! Bundle -> UnitSpec.

use super::UnitSpec;
use crate::bundle::Bundle;
use crate::diagnostic::Diagnostic;
use crate::ids::{EnvironmentName, UnitName};
use std::collections::BTreeMap;

/// What a unit is loaded for.
#[derive(Clone, Debug)]
pub struct Context {
    /// Decides which overlay applies.
    pub environment: EnvironmentName,
    /// The values of specifiers that depend on the host (`H`, `b`, `m`, `t`, `S`, `C`, `L`, `E`, `u`, `U`, `h`, …);
    /// `None` on the coordinator: such specifiers are checked, and stay as written.
    pub host: Option<BTreeMap<char, String>>,
}

/// A unit, if it could be understood, and everything found on the way.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// `None` when there is an error.
    pub spec: Option<UnitSpec>,
    /// In the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// Merges a bundle's files for `context.environment` and interprets them as the unit `name`.
#[must_use]
pub fn load(name: &UnitName, bundle: &Bundle, context: &Context) -> Loaded {
    let _ = (name, bundle, context);
    unimplemented!()
}

//! Every unit of one environment at one revision: the desired state.
//!
//! ```text
//! SourceTree --Index--> unit files, drop-ins --read once each--> Documents --interpret--> UnitSpec, per instance
//!            --check--> Diagnostics across units
//! ```
//! [`compile`] does it for one tree ([`build`]); a [`Compiler`] does it for one tree after the other, and does again
//! only what changed.

mod build;
mod changes;
mod compiler;
mod findings;
mod place;
mod survey;
mod triggers;

pub use compiler::Compiler;
pub use findings::{Finding, Findings};

use crate::bundle::{Bundle, SourceTree};
use crate::diagnostic::allow::{Allowed, Settled};
use crate::diagnostic::{Diagnostic, Place};
use crate::ids::{EnvironmentName, UnitDigest, UnitKind, UnitName};
use crate::spec::UnitSpec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One unit of the desired state. Of a template there is an entry for each instance: those of its `Instances=`, those
/// with a file of their own, and those that units of the set start by name. Templates themselves have none.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetUnit {
    /// As understood, host specifiers unexpanded. For a template with `Instances=` this is per instance.
    pub spec: Arc<UnitSpec>,
    /// Its source files.
    pub bundle: Arc<Bundle>,
    /// The bundle's digest.
    pub digest: UnitDigest,
}

/// The desired state of one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetSpec {
    /// By unit name; instances listed one by one. Services, targets and timers: what is placed and started.
    pub units: BTreeMap<UnitName, FleetUnit>,
    /// The sockets, understood and checked as `units` are. Nothing runs them yet; what they start is in
    /// [`UnitSpec::started`]. While a tree is built the timers are among them: checks look at both alike.
    pub triggers: BTreeMap<UnitName, FleetUnit>,
}

/// What a source tree means for one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// Complete only when no diagnostic is an error.
    pub fleet: FleetSpec,
    /// Everything found that no comment allows, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
    /// What comments allow.
    pub allowed: Vec<Allowed>,
    /// Comments that allow nothing in this environment: findings once the same is true of all ([`Findings`]).
    pub unused_allowances: Vec<Diagnostic>,
}

/// Reads every unit of `tree` for `environment`, and checks them. Files below other environments are not looked at.
#[must_use]
pub fn compile(environment: &EnvironmentName, tree: &SourceTree) -> Compiled {
    let built = build::build(environment, tree, None);
    let findings = built.findings();
    Compiled::from_parts(built.fleet, findings)
}

impl Compiled {
    fn from_parts(mut fleet: FleetSpec, (diagnostics, settled): (Vec<Diagnostic>, Settled)) -> Self {
        let timers = fleet.triggers.extract_if(.., |name, _| name.kind() == UnitKind::Timer);
        fleet.units.extend(timers);
        Compiled { fleet, diagnostics, allowed: settled.allowed, unused_allowances: settled.unused }
    }
}

fn whole(path: &str) -> Place {
    Place { file: path.to_owned(), line: 0, column: 0 }
}

#[cfg(test)]
mod tests;

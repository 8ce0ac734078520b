//! What a plan is made from: what a node shall run, and what it has.

use crate::ids::{UnitDigest, UnitName};
use crate::spec::UnitSpec;
use crate::status::ActiveState;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything a node shall run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// By unit name, instances one by one.
    pub units: BTreeMap<UnitName, DesiredUnit>,
}

/// One unit a node shall run.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredUnit {
    /// As understood.
    pub spec: Arc<UnitSpec>,
    /// What it is made of.
    pub digest: UnitDigest,
}

/// What a node has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// By unit name.
    pub units: BTreeMap<UnitName, ObservedUnit>,
    /// Units that the host runs by other means: a requirement of one of them is met.
    pub host: BTreeSet<UnitName>,
}

/// One unit a node has.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedUnit {
    /// What it was last told to run from; what a change is compared with.
    pub spec: Arc<UnitSpec>,
    /// The digest of that.
    pub digest: UnitDigest,
    /// Its public state.
    pub active: ActiveState,
    /// Whether a hold keeps it from being started.
    pub held: bool,
    /// Why it has to be started although its digest is the same; `None` once that was tried.
    pub due: Option<Due>,
}

/// Why an unchanged unit has to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It was not started since the host booted.
    Boot,
    /// A hold that stopped it is over.
    HoldEnded,
    /// It was not started since it was assigned: it was held, or could not be run here, and now it can.
    New,
}

//! One thing to do to one unit, and why.

use crate::diagnostic::Reason;
use crate::ids::UnitName;

/// What is done to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// It does not run and shall.
    Start,
    /// It runs and shall not.
    Stop,
    /// It runs from something that takes a new process to change.
    Restart,
    /// It runs from something it can read again.
    Reload,
    /// It runs from something whose change needs nothing of the process: the new digest is adopted.
    Update,
    /// As it should be.
    Keep,
}

impl Action {
    /// The word used in JSON and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Restart => "restart",
            Action::Reload => "reload",
            Action::Update => "update",
            Action::Keep => "keep",
        }
    }
}

/// One thing to do to one unit, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The unit.
    pub unit: UnitName,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
}

/// Every unit of a node once, in the order of names; execution orders by dependencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order of unit names.
    pub steps: Vec<Step>,
}

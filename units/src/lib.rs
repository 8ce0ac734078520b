//! The pure domain of Fleet: what a commit means, what a node shall run, what it has to do next.
//!
//! Everything here is a plain function over plain values. No tokio, no git, no clock, no disk:
//! time, randomness and order are inputs, so equal inputs give equal plans on every machine.
//!
//! ```text
//! SourceTree --fleet::compile--> FleetSpec + Diagnostics
//! FleetSpec + Inventory + Assignments --schedule--> Assignments + Unplaced
//! NodeAssignment + Bundles --UnitSpec::load--> Desired;  Desired + Observed --plan--> Plan
//! Event --lifecycle::Machine--> Effects
//! ```

pub mod assignment;
pub mod bundle;
pub mod calendar;
mod check;
pub mod components;
pub mod conditions;
pub mod diagnostic;
pub mod fleet;
pub mod graph;
pub mod ids;
pub mod jobs;
pub mod lifecycle;
pub mod log_frame;
pub mod log_record;
pub mod plan;
pub mod promotion;
pub mod rollout;
pub mod schedule;
pub mod selector;
pub mod spec;
pub mod status;
pub mod syntax;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod timers;
pub mod view;

//! FleetSpec -> Assignments: the coordinator's live state, owned by one task.
//!
//! ```text
//! source --Examined-->  .---------------. --watch<Offer>--> sessions
//! sessions --reports--> |  fleet task   | --mpsc<Command>-> sessions
//! api --questions-----> '---------------' --Batch--> store    --Event--> listeners
//! ```
//! Every input may change what should be offered to whom; after each one the task looks again (`settle`) and acts on
//! the difference. Looking again with nothing new does nothing.

mod acts;
mod branches;
mod environment;
#[cfg(test)]
mod environment_tests;
mod events;
mod handle;
mod heads;
mod members;
mod node;
mod plan;
mod task;
mod views;

pub use branches::{Branches, Look};
pub use handle::{Act, Arrival, Handle};
pub use plan::EnvironmentPlan;
pub use task::{Clocks, Start, start};

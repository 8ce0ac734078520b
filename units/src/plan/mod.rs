//! What a node has to do next.
//!
//! ```text
//! Desired + Observed --plan--> Plan of Steps, each with its Reason
//! ```
//! Decisions are values: a [`Plan`] is a list of steps, each with its reason, and can be printed before it is executed.
//! Nodes execute it; the coordinator prints the same for `fleet plan`.

mod change;
mod decide;
mod missing;
mod observed;
mod step;
#[cfg(test)]
mod tests;

pub use change::{Change, Need, change};
pub use decide::{plan, wanted};
pub use missing::{Missing, missing};
pub use observed::{Desired, DesiredUnit, Due, Observed, ObservedUnit};
pub use step::{Action, Plan, Step};

//! The engine, the agent's side of supervision: one task owns every unit's machine, the job queue, timers and holds.
//!
//! ```text
//! Handle --Command--> .-------------------------. --request--> supervisor (seam: Supervisor)
//! supervisor --Event-> | Engine: Machine per unit | <--Done------'
//! health tasks ------> | Graph, Queue, timers     | --watch--> statuses, holds
//! timers ------------> '-------------------------'
//! ```
//! `engine` is the loop, `apply` swaps the desired set in and executes a plan, `effects` turns a machine's effects into
//! requests, `conditions` reads what the host says to a condition, `jobs` runs the queue, `upkeep` does what others want kept up or down, `timers` starts what is due, `restore` takes over from an earlier agent, `act` serves people.

mod account;
mod act;
mod apply;
mod clock;
mod conditions;
mod delivered;
mod effects;
mod engine;
pub(crate) mod env_file;
mod expand;
mod handle;
mod job_clock;
mod jobs;
mod notify;
mod places;
mod remember;
mod restore;
mod spawn;
mod status;
mod supervisor;
mod timers;
mod unit;
mod upkeep;
mod zones;

#[cfg(test)]
mod condition_tests;
#[cfg(test)]
mod directive_tests;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod job_tests;
#[cfg(test)]
mod lifecycle_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timer_tests;

pub use clock::{HostClock, SystemClock};
pub use engine::{Config, Earlier, Engine};
pub use handle::{Act, ActResult, ApplyError, EngineGone, Handle, UnitAct};
pub use places::Places;
pub use spawn::Host;
pub use supervisor::{Answer, Supervisor};
pub use unit::{Admission, Assigned, Desired, Everything};

//! The harness of the whole-fleet tests: real processes, driven as a user drives them, by the command line and git.
//!
//! ```text
//! TestFleet::up() -> `fleet up --detach` in a folder of its own, with a HOME of its own
//!   .fleet(["status"])  .json(["status"])  .repository() -> write, commit, push by plain git  .eventually(...)
//! drop -> `fleet down`, and a check that no process of the fleet is left
//! ```

mod binary;
mod fleet;
mod git;
pub mod hosts;
mod wait;

pub use binary::{fleet_binary, helper_binary};
pub use fleet::{Output, TestFleet};
pub use git::Clone;
pub use wait::{eventually, within};

/// Prints that a test is skipped, in the form CI looks for, and why.
pub fn skip(test: &str, reason: &str) {
    println!("SKIP {test}: {reason}");
}

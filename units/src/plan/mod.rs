//! What a node has to do next.
//!
//! Decisions are values: a [`Plan`] is a list of steps, each with its reason, and can be printed before it is executed.

mod step;

pub use step::{Action, Plan, Step};

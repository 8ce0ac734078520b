//! Jobs: starts, stops, restarts and reloads that are asked for, and which of them may run now.
//!
//! ```text
//! UnitSpecs --Graph::new--> Graph
//! Queue::add(graph, standing, unit, verb) -> the unit's job and those it pulls in
//! Queue::next(graph) -> Turns: run these now, these failed;   Queue::finished(unit, good)
//! ```
//! Rules of systemd.unit(5). Two differences, both because a node follows a desired state and not a person's session:
//! a oneshot that completed satisfies what requires it and is not run again by being pulled in, and a unit that is
//! held is never pulled in.

mod graph;
mod queue;
#[cfg(test)]
mod tests;

pub use graph::Graph;
pub use queue::{Done, Queue, Standing, Turn, Verb};

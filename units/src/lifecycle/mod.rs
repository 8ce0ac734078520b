//! The life of one unit, as a pure state machine with systemd's two-level states.
//!
//! ```text
//! Event --Machine::on(now, event)--> Vec<Effect>        State --State::active_state--> ActiveState
//! ```
//! The caller (a node's agent) turns effects into requests to its supervisor, and answers, exits, notify messages and
//! timers into events. Time is an input; timers are effects out and events in. Transitions follow `service.c` of
//! systemd; where they differ on purpose, the comment says so. `units/testdata/lifecycle/grid.txt` is the whole table.

pub mod effect;
pub mod event;
pub mod machine;
pub mod restart;
pub mod state;

mod checking;
mod ending;
mod memory;
mod running;
mod starting;

#[cfg(test)]
mod grid_tests;
#[cfg(test)]
mod machine_tests;
#[cfg(test)]
mod property_tests;

pub use effect::{Effect, Phase, Target};
pub use event::{Event, Exit, Notice, Role, Timer};
pub use machine::Machine;
pub use memory::{MainPid, Memory};
pub use state::{Outcome, State};

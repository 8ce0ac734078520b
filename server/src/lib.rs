//! The coordinator: follows branches, streams assignments to nodes, keeps what they tell.
//!
//! ```text
//! git --source--> reconcile (fleet task) --sessions--> nodes
//!                  |  ^ store (can be rebuilt)   ^ logs
//!                  |  ^ journal (cannot)         api (operators, nodes, enrolment), http (health, metrics)
//! ```

pub mod api;
pub mod config;
pub mod http;
pub mod init;
pub mod journal;
pub mod listen;
pub mod lock;
pub mod logs;
pub mod reconcile;
pub mod sessions;
pub mod source;
pub mod store;

mod run;
mod trace;

pub use run::{RunError, run};

pub(crate) use fleet_units::diagnostic::error_chain;

//! The node's end of the node link: stay connected, take assignments and commands, tell what came of them.
//!
//! ```text
//! task (reconnects, backoff) --> session (one connection) --Notice--> inbox --Stored--> agent
//!                                       ^--Statuses (watch)-- engine
//!                                       `--logs::ship on a stream of its own
//! ```
//! Losing the connection changes nothing on the node; on reconnect nothing that already matches is touched.

mod backoff;
mod fetch;
mod inbox;
mod session;
mod task;

pub use backoff::Backoff;
pub use inbox::{Refusal, Whoami, next_assignment};
pub use task::{LinkState, run};

//! Git on one side, desired state on the other.
//!
//! Owns the bare repository: notices moved branches, decides what a new head means for its environment, compiles it,
//! keeps the head log, and makes the commits of promotions and rollbacks. The coordinator's task calls it through
//! [`SourceHandle`]; everything behind that is blocking and runs on tokio's blocking pool.
//!
//! ```text
//! refs/heads/* --Watcher--> task --examine--> Examined::Accepted(FleetSpec) --accept--> refs/fleet/log/ENV
//! operator --propose_promotion|propose_rollback--> Proposed --commit--> branch + log refs, under one intent
//! ```

mod ahead;
mod bad;
pub mod chain;
mod content;
mod diff;
pub mod environments;
pub mod error;
mod find;
pub mod git;
mod graph;
mod handle;
pub mod history;
mod intent;
mod interpret;
pub mod log;
mod merge;
pub mod promote;
pub mod refusal;
mod removal;
mod rollback;
pub mod tree;
pub mod watcher;

pub use ahead::OwnContent;
pub use chain::{Chain, Environment};
pub use environments::{Accepted, Examined, Source};
pub use error::SourceError;
pub use handle::SourceHandle;
pub use history::HistoryEntry;
pub use log::{Kind, Record};
pub use promote::{Act, Proposed};
pub use refusal::Refusal;
pub use watcher::Watcher;

#[cfg(test)]
mod tests;

//! Assignments -> nodes: one session for each connected node.
//!
//! ```text
//! fleet task --watch<Offer>--> session --Notice--> node     (a watch: only the latest offer matters)
//! fleet task --mpsc<Command>-> session --Command-> node     (bounded: COMMANDS)
//! node --NodeMessage--> session --Handle--> fleet task
//! ```

mod offer;
mod session;

pub use offer::Offer;
pub use session::{Connected, FIRST_MESSAGE, serve};

/// Commands on their way to one node; a person presses keys, so a handful is plenty. More are refused.
pub const COMMANDS: usize = 64;

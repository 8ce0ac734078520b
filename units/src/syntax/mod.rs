//! The grammar of unit files (systemd.syntax(7)): text in, positions kept.
//!
//! ```text
//! bytes --lines--> physical lines --document--> Document (sections, assignments, comments)
//! value --words--> words (quotes and C escapes) --specifier--> words with %i, %n, … filled in
//! ```
//! `spec` gives the assignments their meaning; nothing here knows a directive.

pub mod document;
pub mod escape;
pub(crate) mod fields;
mod lines;
pub mod mangle;
pub mod specifier;
pub mod text;
pub mod variables;
pub mod words;

pub use document::{Assignment, Document, Parsed};
pub use specifier::{SpecifierError, Specifiers};
pub use text::Text;
pub use words::{Word, WordError};

/// What systemd counts as white space within a line.
pub(crate) const WHITESPACE: [char; 4] = [' ', '\t', '\n', '\r'];

//! Wire <-> domain, one file per .proto file. Nobody else translates.
//!
//! Domain to wire never fails (`From`); wire to domain checks (`TryFrom`, [`WireError`]): a name that is no name or
//! an enum value this version does not know is an error, never a default.

mod common;
mod node;
mod operator;

pub use common::{action_result_ok, stream_from_wire, stream_to_wire};

use fleet_units::ids::IdError;

/// A message that breaks the contract of its field.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A name or digest that is none.
    #[error("field {field}: {source}")]
    Id {
        /// The field, `Message.field`.
        field: &'static str,
        /// What is wrong with it.
        source: IdError,
    },
    /// An enum value this version does not know.
    #[error("field {field}: value {value} is not known to this version")]
    Unknown {
        /// The field, `Message.field`.
        field: &'static str,
        /// The value as it came.
        value: String,
    },
    /// A field that must be there is not.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// The content does not have the digest it came with.
    #[error("bundle {named} arrived with the content of {actual}")]
    Digest {
        /// The digest it was sent under.
        named: String,
        /// The digest of what came.
        actual: String,
    },
    /// A stored or sent format this version cannot read.
    #[error("{what} has format {found}; this version reads up to {known}")]
    Format {
        /// Manifest or bundle.
        what: &'static str,
        /// The version it says.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
}

/// Attaches the field's name to an identifier's error.
trait InField<T> {
    fn in_field(self, field: &'static str) -> Result<T, WireError>;
}

impl<T> InField<T> for Result<T, IdError> {
    fn in_field(self, field: &'static str) -> Result<T, WireError> {
        self.map_err(|source| WireError::Id { field, source })
    }
}

/// Empty text is "none".
fn optional<T: std::str::FromStr<Err = IdError>>(text: &str, field: &'static str) -> Result<Option<T>, WireError> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).in_field(field) }
}

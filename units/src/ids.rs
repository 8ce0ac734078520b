//! Identifiers, each its own type. Parsed at the edge, then trusted everywhere.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// Why a text is not the identifier it was taken for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {why}")]
pub struct IdError {
    /// What was wanted, with its article: `a node name`.
    pub what: &'static str,
    /// The text that was given, cut to 80 characters.
    pub text: String,
    /// The rule it breaks.
    pub why: &'static str,
}

fn bad<T>(what: &'static str, text: &str, why: &'static str) -> Result<T, IdError> {
    Err(IdError { what, text: text.chars().take(80).collect(), why })
}

/// A lower-case DNS label (RFC 1123): 1 to 63 of `a-z`, `0-9`, `-`, no `-` at either end.
fn dns_label(what: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() || text.len() > 63 {
        return bad(what, text, "it must have 1 to 63 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return bad(what, text, "only a-z, 0-9 and - are allowed");
    }
    if text.starts_with('-') || text.ends_with('-') {
        return bad(what, text, "it must not begin or end with -");
    }
    Ok(())
}

/// The traits every text identifier has, all by way of `FromStr` and `as_str`.
macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
        impl From<&$name> for String {
            fn from(id: &$name) -> String {
                id.0.clone()
            }
        }
    };
}

macro_rules! label_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                dns_label($what, text)?;
                Ok($name(text.to_owned()))
            }
        }
        text_id!($name);
    };
}

label_id!(
    /// An environment: develop, test, staging, production or whatever the coordinator's chain says.
    EnvironmentName,
    "an environment name"
);
label_id!(
    /// A node: one host as Fleet knows it. Unique in the fleet.
    NodeName,
    "a node name"
);
label_id!(
    /// A person or program that operates the fleet.
    OperatorName,
    "an operator name"
);

/// A commit of the configuration repository: 40 lower-case hexadecimal digits (SHA-1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Revision(String);

impl Revision {
    /// The first seven digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl FromStr for Revision {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            Ok(Revision(text.to_owned()))
        } else {
            bad("a revision", text, "it must be 40 lower-case hexadecimal digits")
        }
    }
}
text_id!(Revision);

mod unit_name;

pub use unit_name::{UNIT_NAME_MAX, UnitKind, UnitName};

/// SHA-256 of something; shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Digest([u8; 32]);

/// Names the content of one bundle; see [`crate::bundle::Bundle::digest`].
pub type UnitDigest = Sha256Digest;

impl Sha256Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Sha256Digest(Sha256::digest(bytes).into())
    }

    /// A digest from its 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdError> {
        match bytes.try_into() {
            Ok(bytes) => Ok(Sha256Digest(bytes)),
            Err(_) => bad("a SHA-256 digest", &format!("{} bytes", bytes.len()), "it must have 32 bytes"),
        }
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first seven digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..7].to_owned()
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256Digest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bytes: Option<Vec<u8>> = (text.len() == 64 && text.is_ascii())
            .then(|| (0..32).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()).collect())
            .flatten();
        match bytes {
            Some(bytes) => Self::from_bytes(&bytes),
            None => bad("a SHA-256 digest", text, "it must be 64 hexadecimal digits"),
        }
    }
}

impl TryFrom<String> for Sha256Digest {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Sha256Digest> for String {
    fn from(digest: Sha256Digest) -> String {
        digest.to_string()
    }
}

/// Counts the assignments of one node; grows with every change of what it shall run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// Counts the coordinator's lives with a new state; a node refuses an older one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One start of one unit, from inactive to inactive: 32 hexadecimal digits
/// (`$INVOCATION_ID`, systemd.exec(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvocationId(pub u128);

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for InvocationId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match u128::from_str_radix(text, 16) {
            Ok(id) if text.len() == 32 => Ok(InvocationId(id)),
            _ => bad("an invocation id", text, "it must be 32 hexadecimal digits"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        assert!("develop-1".parse::<NodeName>().is_ok());
        for text in ["", "-a", "a-", "A", "a_b", "a.b", &"a".repeat(64)] {
            assert!(text.parse::<NodeName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn digests_print_and_parse_back() {
        let digest = Sha256Digest::of(b"abc");
        assert_eq!(digest.to_string().parse::<Sha256Digest>().unwrap(), digest);
        assert!(digest.to_string().starts_with("ba7816bf"));
    }
}

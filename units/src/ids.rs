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

/// What kind of unit a name's suffix says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitKind {
    /// `.service`: processes.
    Service,
    /// `.target`: a group of units.
    Target,
    /// `.timer`
    Timer,
    /// `.socket`
    Socket,
}

impl UnitKind {
    /// The suffix without its dot.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            UnitKind::Service => "service",
            UnitKind::Target => "target",
            UnitKind::Timer => "timer",
            UnitKind::Socket => "socket",
        }
    }
}

/// Longest unit name, in bytes (`UNIT_NAME_MAX` of systemd, systemd.unit(5)).
pub const UNIT_NAME_MAX: usize = 255;

/// The name of a unit with its suffix: `web.service`, `worker@.service`, `worker@1.service`
/// (systemd.unit(5), "Description").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(String);
text_id!(UnitName);

impl FromStr for UnitName {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        const WHAT: &str = "a unit name";
        if text.len() > UNIT_NAME_MAX {
            return bad(WHAT, text, "it must have at most 255 bytes");
        }
        let Some((stem, suffix)) = text.rsplit_once('.') else {
            return bad(WHAT, text, "it needs a suffix such as .service");
        };
        if UnitKind::from_suffix(suffix).is_none() {
            return bad(WHAT, text, "the kinds are .service, .target, .timer and .socket");
        }
        let prefix = stem.split('@').next().unwrap_or_default();
        if prefix.is_empty() {
            return bad(WHAT, text, "nothing stands before the suffix");
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\".contains(&b);
        if !prefix.bytes().all(allowed) {
            return bad(WHAT, text, "only letters, digits and : - _ . \\ are allowed before @");
        }
        // The instance may hold a further '@', as in systemd's unit_name_is_valid.
        if !stem.bytes().all(|b| allowed(b) || b == b'@') {
            return bad(WHAT, text, "only letters, digits and : - _ . \\ @ are allowed");
        }
        if stem.starts_with('.') {
            return bad(WHAT, text, "it must not begin with a dot");
        }
        Ok(UnitName(text.to_owned()))
    }
}

impl UnitKind {
    fn from_suffix(suffix: &str) -> Option<UnitKind> {
        Some(match suffix {
            "service" => UnitKind::Service,
            "target" => UnitKind::Target,
            "timer" => UnitKind::Timer,
            "socket" => UnitKind::Socket,
            _ => return None,
        })
    }
}

impl UnitName {
    /// The kind its suffix says.
    #[must_use]
    pub fn kind(&self) -> UnitKind {
        let suffix = self.0.rsplit_once('.').expect("checked when parsed").1;
        UnitKind::from_suffix(suffix).expect("checked when parsed")
    }

    /// The name without its suffix (specifier `%N`).
    #[must_use]
    pub fn stem(&self) -> &str {
        self.0.rsplit_once('.').expect("checked when parsed").0
    }

    /// What stands before `@` or, without one, before the suffix (specifier `%p`).
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.stem().split('@').next().unwrap_or_default()
    }

    /// The instance: what stands between the first `@` and the suffix; `None` for plain units,
    /// `Some("")` for templates (specifier `%i`).
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.stem().split_once('@').map(|(_, instance)| instance)
    }

    /// Whether this is a template, such as `worker@.service`.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.instance() == Some("")
    }

    /// The template this is an instance of: `worker@1.service` gives `worker@.service`.
    #[must_use]
    pub fn template(&self) -> Option<UnitName> {
        match self.instance() {
            None | Some("") => None,
            Some(_) => Some(UnitName(format!("{}@.{}", self.prefix(), self.kind().as_str()))),
        }
    }

    /// The instance `instance` of this template; an error when this is none or the instance is not allowed.
    pub fn with_instance(&self, instance: &str) -> Result<UnitName, IdError> {
        if !self.is_template() {
            return bad("a template", &self.0, "it has no empty instance (NAME@.service)");
        }
        if instance.is_empty() {
            return bad("an instance", instance, "it must not be empty");
        }
        format!("{}@{}.{}", self.prefix(), instance, self.kind().as_str()).parse()
    }

    /// The same name with the suffix of another kind; an error when it gets too long.
    pub fn with_kind(&self, kind: UnitKind) -> Result<UnitName, IdError> {
        format!("{}.{}", self.stem(), kind.as_str()).parse()
    }
}

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

    fn unit(text: &str) -> UnitName {
        text.parse().unwrap()
    }

    #[test]
    fn a_unit_name_splits_into_prefix_instance_and_kind() {
        let name = unit("worker@a@b.service");
        assert_eq!((name.prefix(), name.instance(), name.kind()), ("worker", Some("a@b"), UnitKind::Service));
        assert_eq!(name.template(), Some(unit("worker@.service")));
        assert_eq!(unit("web.service").template(), None);
        assert!(unit("worker@.service").is_template());
        assert_eq!(unit("worker@.service").with_instance("1").unwrap(), unit("worker@1.service"));
    }

    #[test]
    fn unit_names_that_could_leave_a_folder_or_break_a_line_are_refused() {
        for text in [
            "",
            "web",
            ".service",
            "@.service",
            "../x.service",
            "a/b.service",
            "a b.service",
            "a\n.service",
            "x.mount",
            "ä.service",
        ] {
            assert!(text.parse::<UnitName>().is_err(), "{text:?}");
        }
        assert!(format!("{}.service", "a".repeat(247)).parse::<UnitName>().is_ok());
        assert!(format!("{}.service", "a".repeat(248)).parse::<UnitName>().is_err());
    }

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

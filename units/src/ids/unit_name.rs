//! Names of units, and the kind that a name's suffix says (systemd.unit(5)).

use super::{IdError, bad};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

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
}

//! The names in certificates: `spiffe://DOMAIN/coordinator/NAME`, `…/node/ENV/NAME`, `…/operator/NAME`.
//!
//! The authority writes them, [`crate::peer`] reads them, the authorization table decides by them. Parsing is exact:
//! no escapes, no trailing slash, no second spelling of one name.

use fleet_units::ids::{EnvironmentName, IdError, NodeName, OperatorName};
use std::fmt;
use std::str::FromStr;

/// Why a text is no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It does not begin with `spiffe://`.
    #[error("{0:?} is not a SPIFFE id: it must begin with spiffe://")]
    Scheme(String),
    /// The path is none of the three that exist.
    #[error("{0:?} names neither a coordinator, a node nor an operator")]
    Kind(String),
    /// The trust domain is no lower-case DNS name.
    #[error("{0:?} is not a trust domain: it must be a lower-case DNS name of at most 255 bytes")]
    Domain(String),
    /// A name in the path breaks its rule.
    #[error(transparent)]
    Name(#[from] IdError),
}

/// The fleet a certificate belongs to: a lower-case DNS name, at most 255 bytes. It need not resolve.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(String);

impl TrustDomain {
    /// The domain as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The SPIFFE id of the domain itself, which its authorities carry: `spiffe://DOMAIN`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("spiffe://{}", self.0)
    }

    /// Reads `spiffe://DOMAIN`, with nothing behind it.
    pub fn from_uri(uri: &str) -> Result<Self, IdentityError> {
        uri.strip_prefix("spiffe://").ok_or_else(|| IdentityError::Scheme(short(uri)))?.parse()
    }
}

impl FromStr for TrustDomain {
    type Err = IdentityError;
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        // A domain is labels with dots between them; a label follows the rule every name in the fleet follows.
        let labels = text.split('.').all(|label| label.parse::<NodeName>().is_ok());
        if text.len() > 255 || !labels {
            return Err(IdentityError::Domain(short(text)));
        }
        Ok(TrustDomain(text.to_owned()))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A coordinator: a lower-case DNS label, at most 63 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoordinatorName(String);

impl FromStr for CoordinatorName {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        // The same rule as for nodes; only the word in the message differs.
        text.parse::<NodeName>().map_err(|error| IdError { what: "a coordinator name", ..error })?;
        Ok(CoordinatorName(text.to_owned()))
    }
}

impl fmt::Display for CoordinatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Who someone is. Nothing but a verified certificate says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A coordinator.
    Coordinator {
        /// Its name.
        name: CoordinatorName,
    },
    /// A node, bound to its environment.
    Node {
        /// Where it belongs; the node cannot change it.
        environment: EnvironmentName,
        /// Its name, unique in the fleet.
        name: NodeName,
    },
    /// A person or program that operates the fleet.
    Operator {
        /// Their name.
        name: OperatorName,
    },
}

impl Identity {
    /// The URI a certificate of this identity carries.
    #[must_use]
    pub fn uri(&self, domain: &TrustDomain) -> String {
        format!("{}/{self}", domain.uri())
    }

    /// Reads a URI back, with its trust domain.
    pub fn from_uri(uri: &str) -> Result<(TrustDomain, Identity), IdentityError> {
        let rest = uri.strip_prefix("spiffe://").ok_or_else(|| IdentityError::Scheme(short(uri)))?;
        let (domain, path) = rest.split_once('/').ok_or_else(|| IdentityError::Kind(short(uri)))?;
        Ok((domain.parse()?, path.parse()?))
    }
}

/// The path of the URI: `node/develop/develop-1`. Also how audit entries name people and machines.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Coordinator { name } => write!(f, "coordinator/{name}"),
            Identity::Node { environment, name } => write!(f, "node/{environment}/{name}"),
            Identity::Operator { name } => write!(f, "operator/{name}"),
        }
    }
}

impl FromStr for Identity {
    type Err = IdentityError;
    fn from_str(path: &str) -> Result<Self, IdentityError> {
        let parts: Vec<&str> = path.split('/').collect();
        Ok(match parts.as_slice() {
            ["coordinator", name] => Identity::Coordinator { name: name.parse()? },
            ["node", environment, name] => Identity::Node { environment: environment.parse()?, name: name.parse()? },
            ["operator", name] => Identity::Operator { name: name.parse()? },
            _ => return Err(IdentityError::Kind(short(path))),
        })
    }
}

/// Foreign text, cut so that a message stays readable.
fn short(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identity_is_read_back_from_its_uri() {
        let domain: TrustDomain = "fleet.example".parse().unwrap();
        for path in ["coordinator/main", "node/develop/develop-1", "operator/alice"] {
            let identity: Identity = path.parse().unwrap();
            assert_eq!(identity.uri(&domain), format!("spiffe://fleet.example/{path}"));
            assert_eq!(Identity::from_uri(&identity.uri(&domain)), Ok((domain.clone(), identity)));
        }
    }

    #[test]
    fn anything_but_the_exact_spelling_is_refused() {
        for uri in [
            "",
            "https://fleet/node/develop/a",
            "spiffe://fleet",
            "spiffe://fleet/",
            "spiffe:///node/develop/a",
            "spiffe://Fleet/node/develop/a",
            "spiffe://fleet:7460/node/develop/a",
            "spiffe://user@fleet/node/develop/a",
            "spiffe://fleet/node/a",
            "spiffe://fleet/node/develop/a/",
            "spiffe://fleet//node/develop/a",
            "spiffe://fleet/node/develop/a/b",
            "spiffe://fleet/node/develop/A",
            "spiffe://fleet/node/develop/%61",
            "spiffe://fleet/operator/a?x",
            "spiffe://fleet/operator/a#x",
            "spiffe://fleet/operator/../node",
            "spiffe://fleet/admin/a",
        ] {
            assert!(Identity::from_uri(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn trust_domains_are_lower_case_dns_names() {
        for good in ["fleet", "fleet.local", "a-b.c1"] {
            assert!(good.parse::<TrustDomain>().is_ok(), "{good}");
        }
        for bad in ["", ".", "a.", "A", "a..b", "a/b", &"a.".repeat(200)] {
            assert!(bad.parse::<TrustDomain>().is_err(), "{bad}");
        }
    }
}

//! What a certificate says: identity, trust domain, serial number, life.
//!
//! Read from leaves that were verified (peers) or are our own (keystore). Exactly one URI name and no other kind of
//! name is accepted, so a certificate can never be two people.

use crate::identity::{Identity, IdentityError, TrustDomain};
use fleet_units::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Why a certificate says nothing usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Not a certificate.
    #[error("the certificate is not valid DER: {0}")]
    Encoding(String),
    /// None, or several, or other names than one URI.
    #[error("the certificate must carry exactly one name, a spiffe:// URI; it carries {0}")]
    Names(String),
    /// The URI is no identity.
    #[error("the certificate's name is unusable: {0}")]
    Identity(#[from] IdentityError),
    /// The serial number was not given by a Fleet authority.
    #[error("the certificate's serial number has {0} bytes, expected at most {SERIAL_BYTES}")]
    Serial(usize),
}

/// Bytes of a serial number.
const SERIAL_BYTES: usize = 16;

/// A certificate's serial number: 8 bytes of the time it was issued (microseconds since 1970, big-endian), 8 random
/// bytes. The time is in it so that "everything issued to this name before now" can be revoked exactly, although
/// `notBefore` is back-dated for clocks that run late.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial([u8; SERIAL_BYTES]);

impl Serial {
    /// A serial number for a certificate issued at `issued`, made unique by `random`.
    #[must_use]
    pub fn new(issued: Timestamp, random: [u8; 8]) -> Serial {
        let mut bytes = [0; SERIAL_BYTES];
        bytes[..8].copy_from_slice(&issued.0.to_be_bytes());
        bytes[8..].copy_from_slice(&random);
        Serial(bytes)
    }

    /// When the certificate was issued.
    #[must_use]
    pub fn issued(self) -> Timestamp {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[..8]);
        Timestamp(u64::from_be_bytes(bytes))
    }

    /// Its bytes, leading zeros included.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From the bytes of a DER integer, which has no leading zeros beyond its sign.
    fn from_der(bytes: &[u8]) -> Result<Serial, PeerError> {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        let digits = &bytes[start..];
        let mut padded = [0; SERIAL_BYTES];
        let at = SERIAL_BYTES.checked_sub(digits.len()).ok_or(PeerError::Serial(digits.len()))?;
        padded[at..].copy_from_slice(digits);
        Ok(Serial(padded))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Serial {
    type Err = PeerError;
    fn from_str(text: &str) -> Result<Self, PeerError> {
        let number = u128::from_str_radix(text, 16).map_err(|_| PeerError::Serial(text.len()))?;
        if text.len() != 2 * SERIAL_BYTES {
            return Err(PeerError::Serial(text.len() / 2));
        }
        Ok(Serial(number.to_be_bytes()))
    }
}

/// Who is on the other end of a connection, out of the verified certificate. Found in a request's extensions:
/// `request.extensions().get::<PeerIdentity>()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Who.
    pub identity: Identity,
    /// Of which fleet.
    pub domain: TrustDomain,
    /// Of which certificate.
    pub serial: Serial,
    /// From when the certificate is valid (whole seconds).
    pub not_before: Timestamp,
    /// Until when (whole seconds).
    pub not_after: Timestamp,
}

impl PeerIdentity {
    /// Reads a leaf. Checks nothing but its shape: signature and life are the verifier's business.
    pub fn from_certificate(der: &[u8]) -> Result<PeerIdentity, PeerError> {
        let certificate = parse(der)?;
        let (domain, identity) = Identity::from_uri(&single_uri(&certificate)?)?;
        let (not_before, not_after) = life(&certificate);
        Ok(PeerIdentity {
            identity,
            domain,
            serial: Serial::from_der(certificate.raw_serial())?,
            not_before,
            not_after,
        })
    }

    /// Whether its life is over at `now`.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> bool {
        now > self.not_after
    }
}

/// Parses one certificate, all of it.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, PeerError> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| PeerError::Encoding(error.to_string()))?;
    if !rest.is_empty() {
        return Err(PeerError::Encoding(format!("{} bytes follow it", rest.len())));
    }
    Ok(certificate)
}

/// The one URI name of a certificate.
pub(crate) fn single_uri(certificate: &X509Certificate<'_>) -> Result<String, PeerError> {
    let extension = certificate.subject_alternative_name().map_err(|error| PeerError::Encoding(error.to_string()))?;
    let names = extension.map(|found| found.value.general_names.as_slice()).unwrap_or_default();
    match names {
        [GeneralName::URI(uri)] => Ok((*uri).to_owned()),
        [] => Err(PeerError::Names("none".to_owned())),
        [_] => Err(PeerError::Names("one of another kind".to_owned())),
        several => Err(PeerError::Names(several.len().to_string())),
    }
}

/// `notBefore` and `notAfter`; times before 1970 count as 1970.
pub(crate) fn life(certificate: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let micros = |seconds: i64| Timestamp(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000));
    let validity = certificate.validity();
    (micros(validity.not_before.timestamp()), micros(validity.not_after.timestamp()))
}

/// The trust domain an authority's certificate speaks for: its one name is `spiffe://DOMAIN`.
pub(crate) fn authority_domain(der: &[u8]) -> Result<TrustDomain, PeerError> {
    Ok(TrustDomain::from_uri(&single_uri(&parse(der)?)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_knows_when_it_was_issued_and_reads_back() {
        let serial = Serial::new(Timestamp(1_800_000_000_123_456), [0, 1, 2, 3, 4, 5, 6, 255]);
        assert_eq!(serial.issued(), Timestamp(1_800_000_000_123_456));
        assert_eq!(serial.to_string().parse::<Serial>().unwrap(), serial);
        assert_eq!(Serial::from_der(&serial.as_bytes()[1..]).unwrap(), serial);
        assert!(Serial::from_der(&[1; 17]).is_err());
        assert!("12".parse::<Serial>().is_err());
    }

    #[test]
    fn what_is_no_certificate_is_said_to_be_none() {
        assert!(matches!(PeerIdentity::from_certificate(b"hello"), Err(PeerError::Encoding(_))));
    }
}

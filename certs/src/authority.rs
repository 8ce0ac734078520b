//! The fleet's own certificate authority: a root, and an issuing authority below it that signs every leaf.
//!
//! Lives in one folder of the coordinator (`root.pem root.key issuing.pem issuing.key`, folder 0700, keys 0600).
//! Signing needs only the issuing key, so the root's key may be moved to a safe place. What a leaf says (name, usage,
//! life) comes from the caller; of the request only the public key is used, once its signature was checked.

use crate::files::{self, certificates_from_pem, certificates_to_pem, hex, random};
use crate::identity::{Identity, TrustDomain};
use crate::peer::{self, PeerError, PeerIdentity, Serial};
use fleet_units::ids::Sha256Digest;
use fleet_units::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Life of the root.
const ROOT_LIFE: Duration = Duration::from_secs(20 * 365 * 24 * 3600);
/// Life of the issuing authority.
const ISSUING_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The most that a start of life is set back for clocks that run late; short lives get a tenth of themselves.
const BACKDATE: Duration = Duration::from_secs(300);
/// Longest request that is looked at, in bytes; one of ours has about 250.
const MAX_REQUEST: usize = 4096;
/// Bytes of an uncompressed P-256 point.
const P256_POINT: usize = 65;

/// What can go wrong with an authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// There is one already; it is never overwritten.
    #[error("there is a certificate authority in {0} already; it is not replaced")]
    Exists(PathBuf),
    /// A file could not be read or written.
    #[error("cannot {operation} {path}: {source}")]
    File {
        /// read, write, create
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} is damaged: {why}; restore it from a backup of the coordinator")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A request that is none of ours.
    #[error("the certificate request is refused: {0}")]
    Request(String),
    /// The library failed to make or sign a certificate.
    #[error("cannot {operation}: {source}")]
    Crypto {
        /// What was to be made.
        operation: &'static str,
        /// Why not.
        source: rcgen::Error,
    },
    /// A certificate that was just made cannot be read back.
    #[error("cannot read back the new certificate: {0}")]
    ReadBack(#[from] PeerError),
}

/// How long leaves live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// Of nodes. Default 24 h.
    pub node: Duration,
    /// Of coordinators. Default 24 h.
    pub coordinator: Duration,
    /// Of operators. Default 30 days.
    pub operator: Duration,
}

impl Default for Lives {
    fn default() -> Self {
        Lives { node: DAY, coordinator: DAY, operator: 30 * DAY }
    }
}

impl Lives {
    /// The life of a leaf for `identity`.
    #[must_use]
    pub fn of(&self, identity: &Identity) -> Duration {
        match identity {
            Identity::Coordinator { .. } => self.coordinator,
            Identity::Node { .. } => self.node,
            Identity::Operator { .. } => self.operator,
        }
    }
}

/// A request whose signature and kind of key were checked.
pub struct CheckedRequest {
    public_key: rcgen::PublicKey,
}

impl CheckedRequest {
    /// Checks a PKCS #10 request: its size, that it is signed by its own key, and that this key is ECDSA P-256.
    pub fn parse(der: &[u8]) -> Result<CheckedRequest, AuthorityError> {
        if der.len() > MAX_REQUEST {
            return Err(AuthorityError::Request(format!("it has {} bytes, at most {MAX_REQUEST} are read", der.len())));
        }
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(der))
            .map_err(|error| AuthorityError::Request(error.to_string()))?;
        let public_key = request.public_key;
        if public_key.algorithm() != &rcgen::PKCS_ECDSA_P256_SHA256 || public_key.der_bytes().len() != P256_POINT {
            return Err(AuthorityError::Request("its key is not ECDSA P-256".to_owned()));
        }
        Ok(CheckedRequest { public_key })
    }

    /// SHA-256 of the public key: says whether two requests are for one key.
    #[must_use]
    pub fn key_digest(&self) -> Sha256Digest {
        Sha256Digest::of(self.public_key.der_bytes())
    }
}

/// A leaf fresh from the authority.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Leaf, then the issuing authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// What the leaf says.
    pub peer: PeerIdentity,
}

/// The authority, ready to sign.
pub struct Authority {
    domain: TrustDomain,
    roots: Vec<CertificateDer<'static>>,
    issuing: CertificateDer<'static>,
    issuing_ends: Timestamp,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new authority in `folder`, which must not exist. It appears there whole or not at all.
    pub fn create(folder: &Path, domain: &TrustDomain, now: Timestamp) -> Result<Authority, AuthorityError> {
        if folder.exists() {
            return Err(AuthorityError::Exists(folder.to_owned()));
        }
        let made = make(domain, now)?;
        let partial = folder.with_extension(format!("new-{}", hex(&random::<4>())));
        let result = write_all(&partial, folder, &made);
        if result.is_err() {
            let _ = std::fs::remove_dir_all(&partial); // half of an authority is of no use to anyone
        }
        result?;
        Self::load(folder)
    }

    /// Reads the authority in `folder`. The root's key is not needed.
    pub fn load(folder: &Path) -> Result<Authority, AuthorityError> {
        let roots = read_certificates(&folder.join("root.pem"))?;
        let issuing_path = folder.join("issuing.pem");
        let issuing = read_certificates(&issuing_path)?.swap_remove(0);
        let damaged = |path: &Path, why: String| AuthorityError::Damaged { path: path.to_owned(), why };
        let parsed = peer::parse(&issuing).map_err(|error| damaged(&issuing_path, error.to_string()))?;
        let (_, issuing_ends) = peer::life(&parsed);
        let domain = peer::authority_domain(&issuing).map_err(|error| damaged(&issuing_path, error.to_string()))?;
        let key_path = folder.join("issuing.key");
        let pem = std::fs::read_to_string(&key_path).map_err(file_error("read", &key_path))?;
        let key = KeyPair::from_pem(&pem).map_err(|error| damaged(&key_path, error.to_string()))?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(damaged(&key_path, "the key does not belong to issuing.pem".to_owned()));
        }
        let issuer =
            Issuer::from_ca_cert_der(&issuing, key).map_err(|error| damaged(&issuing_path, error.to_string()))?;
        Ok(Authority { domain, roots, issuing: issuing.clone(), issuing_ends, issuer })
    }

    /// The fleet this authority speaks for.
    #[must_use]
    pub fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// What peers trust.
    #[must_use]
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// SHA-256 of the root's DER; join tokens pin it.
    #[must_use]
    pub fn root_digest(&self) -> Sha256Digest {
        Sha256Digest::of(&self.roots[0])
    }

    /// Signs a leaf for `identity` that lives for `life` from `now`, and not longer than the issuing authority.
    pub fn sign(
        &self,
        request: &CheckedRequest,
        identity: &Identity,
        life: Duration,
        now: Timestamp,
    ) -> Result<Issued, AuthorityError> {
        let crypto = |source| AuthorityError::Crypto { operation: "sign the certificate", source };
        let mut params = params(&leaf_common_name(identity), &identity.uri(&self.domain)).map_err(crypto)?;
        set_life(&mut params, before(now, BACKDATE.min(life / 10)), now.after(life).min(self.issuing_ends));
        let serial = Serial::new(now, random());
        params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if matches!(identity, Identity::Coordinator { .. }) {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&request.public_key, &self.issuer).map_err(crypto)?.der().clone();
        let peer = PeerIdentity::from_certificate(&leaf)?;
        Ok(Issued { chain: vec![leaf, self.issuing.clone()], peer })
    }
}

/// The common name is for people who look at a certificate with other tools; nothing in Fleet reads it.
fn leaf_common_name(identity: &Identity) -> String {
    match identity {
        Identity::Coordinator { name } => name.to_string(),
        Identity::Node { name, .. } => name.to_string(),
        Identity::Operator { name } => name.to_string(),
    }
}

/// What `create` writes.
struct Made {
    root_key: KeyPair,
    root: CertificateDer<'static>,
    issuing_key: KeyPair,
    issuing: CertificateDer<'static>,
}

fn make(domain: &TrustDomain, now: Timestamp) -> Result<Made, AuthorityError> {
    let crypto = |source| AuthorityError::Crypto { operation: "make the certificate authority", source };
    // Two authorities never share a name, so that a chain of one is plainly unknown to the other.
    let id = hex(&random::<4>());
    let root_key = KeyPair::generate().map_err(crypto)?;
    let root_params = authority_params(&format!("Fleet root {id}"), domain, now, ROOT_LIFE, 1).map_err(crypto)?;
    let root = root_params.self_signed(&root_key).map_err(crypto)?.der().clone();
    let issuing_key = KeyPair::generate().map_err(crypto)?;
    let mut issuing_params =
        authority_params(&format!("Fleet issuing {id}"), domain, now, ISSUING_LIFE, 0).map_err(crypto)?;
    issuing_params.use_authority_key_identifier_extension = true;
    let root_issuer = Issuer::from_params(&root_params, &root_key);
    let issuing = issuing_params.signed_by(&issuing_key, &root_issuer).map_err(crypto)?.der().clone();
    Ok(Made { root_key, root, issuing_key, issuing })
}

fn authority_params(
    common_name: &str,
    domain: &TrustDomain,
    now: Timestamp,
    life: Duration,
    below: u8,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = params(common_name, &domain.uri())?;
    set_life(&mut params, before(now, BACKDATE), now.after(life));
    params.serial_number = Some(SerialNumber::from_slice(Serial::new(now, random()).as_bytes()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn params(common_name: &str, uri: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
    Ok(params)
}

/// Sets the life of a certificate, in whole seconds: certificates know no finer time.
fn set_life(params: &mut CertificateParams, from: Timestamp, until: Timestamp) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(from.0 / 1_000_000);
    params.not_after = epoch + Duration::from_secs(until.0 / 1_000_000);
}

/// `by` before `time`.
fn before(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp(time.0.saturating_sub(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
}

fn write_all(partial: &Path, folder: &Path, made: &Made) -> Result<(), AuthorityError> {
    files::private_folder(partial).map_err(file_error("create", partial))?;
    let content = [
        ("root.key", made.root_key.serialize_pem()),
        ("root.pem", certificates_to_pem(std::slice::from_ref(&made.root))),
        ("issuing.key", made.issuing_key.serialize_pem()),
        ("issuing.pem", certificates_to_pem(std::slice::from_ref(&made.issuing))),
    ];
    for (name, text) in content {
        let path = partial.join(name);
        files::write_new_private(&path, text.as_bytes()).map_err(file_error("write", &path))?;
    }
    files::sync_folder(partial).map_err(file_error("write", partial))?;
    std::fs::rename(partial, folder).map_err(file_error("create", folder))?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    files::sync_folder(parent).map_err(file_error("write", parent))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
    let pem = std::fs::read(path).map_err(file_error("read", path))?;
    certificates_from_pem(&pem).map_err(|why| AuthorityError::Damaged { path: path.to_owned(), why })
}

fn file_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuthorityError + use<> {
    let path = path.to_owned();
    move |source| AuthorityError::File { operation, path, source }
}

//! TLS configurations: 1.3 only, ALPN h2, no tickets and no stored sessions (a resumed session would skip a fresh
//! revocation). Built by the coordinator's listeners and by everyone who dials it.
//!
//! What can change while connections are open is behind [`LeafResolver`] and [`TrustRoots`]: new handshakes see the
//! new certificate, open streams are not touched.

use crate::clock::TrustClock;
use crate::identity::TrustDomain;
use crate::keystore::Credentials;
use crate::peer::PeerIdentity;
use crate::verify::{Anchor, CoordinatorVerifier, PeerVerifier};
use fleet_units::ids::Sha256Digest;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// The one protocol inside TLS (RFC 9113).
const ALPN_H2: &[u8] = b"h2";

/// Why TLS cannot be set up, or why a peer was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The library refused what it was given.
    #[error("cannot set up TLS with this {what}: {why}")]
    Setup {
        /// key, root, …
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// The certificate does not say who it is.
    #[error("{0}")]
    Unreadable(String),
    /// The other end belongs to another trust domain.
    #[error("its certificate belongs to the fleet {theirs}, not to {ours}")]
    OtherFleet {
        /// Their trust domain.
        theirs: String,
        /// Our trust domain.
        ours: String,
    },
    /// A node or an operator answered where a coordinator should.
    #[error("it is {0}, not a coordinator")]
    NotACoordinator(String),
    /// The authority is not the one the join token names.
    #[error("its certificate authority is not the one the join token was made by")]
    NotPinned,
}

/// Says which certificates count no more; asked in every handshake.
pub trait Revocation: Send + Sync + fmt::Debug {
    /// Why `peer` is refused; `None`: it is not.
    fn refuse(&self, peer: &PeerIdentity) -> Option<String>;
}

/// Nothing is revoked.
#[derive(Debug)]
pub struct NothingRevoked;

impl Revocation for NothingRevoked {
    fn refuse(&self, _peer: &PeerIdentity) -> Option<String> {
        None
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The leaf that new handshakes present; exchanged while connections are open.
pub struct LeafResolver {
    current: RwLock<Arc<CertifiedKey>>,
}

impl LeafResolver {
    /// Presents the leaf of `credentials`.
    pub fn new(credentials: &Credentials) -> Result<Arc<LeafResolver>, TlsError> {
        Ok(Arc::new(LeafResolver { current: RwLock::new(certified(credentials.chain().to_vec(), credentials)?) }))
    }

    /// Presents another leaf from now on.
    pub fn replace(&self, credentials: &Credentials) -> Result<(), TlsError> {
        let next = certified(credentials.chain().to_vec(), credentials)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    fn get(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for LeafResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeafResolver")
    }
}

impl ResolvesServerCert for LeafResolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

impl ResolvesClientCert for LeafResolver {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The same leaf with the root behind it: a joining node knows the root only by its hash.
#[derive(Debug)]
struct WithRoot {
    leaf: Arc<LeafResolver>,
    roots: Arc<TrustRoots>,
}

impl ResolvesServerCert for WithRoot {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.leaf.get();
        let mut chain = current.cert.clone();
        chain.extend(self.roots.certificates());
        Some(Arc::new(CertifiedKey::new(chain, Arc::clone(&current.key))))
    }
}

fn certified(chain: Vec<CertificateDer<'static>>, credentials: &Credentials) -> Result<Arc<CertifiedKey>, TlsError> {
    let setup = |why: String| TlsError::Setup { what: "key", why };
    let key =
        PrivateKeyDer::from_pem_slice(credentials.key_pem().as_bytes()).map_err(|error| setup(error.to_string()))?;
    let key = provider().key_provider.load_private_key(key).map_err(|error| setup(error.to_string()))?;
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// The roots peers must chain to; exchanged while connections are open.
pub struct TrustRoots {
    current: RwLock<Roots>,
}

struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl TrustRoots {
    /// Trusts `certificates`; at least one.
    pub fn new(certificates: &[CertificateDer<'static>]) -> Result<Arc<TrustRoots>, TlsError> {
        Ok(Arc::new(TrustRoots { current: RwLock::new(Roots::new(certificates)?) }))
    }

    /// Trusts others from now on.
    pub fn replace(&self, certificates: &[CertificateDer<'static>]) -> Result<(), TlsError> {
        let next = Roots::new(certificates)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// The roots as they are now.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).certificates.clone()
    }

    pub(crate) fn client_verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).verifier)
    }
}

impl Roots {
    fn new(certificates: &[CertificateDer<'static>]) -> Result<Roots, TlsError> {
        let store = Arc::new(roots_of(certificates)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(store, provider())
            .build()
            .map_err(|error| TlsError::Setup { what: "root", why: error.to_string() })?;
        Ok(Roots { certificates: certificates.to_vec(), verifier })
    }
}

impl fmt::Debug for TrustRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustRoots({})", self.certificates().len())
    }
}

pub(crate) fn roots_of(certificates: &[CertificateDer<'_>]) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store
            .add(certificate.clone().into_owned())
            .map_err(|error| TlsError::Setup { what: "root", why: error.to_string() })?;
    }
    Ok(store)
}

/// For the main listener: every peer shows a certificate of `domain` that chains to `roots`, is within its life by
/// `clock`, and is not refused by `revocation`.
pub fn server_config(
    leaf: Arc<LeafResolver>,
    roots: Arc<TrustRoots>,
    domain: TrustDomain,
    clock: Arc<TrustClock>,
    revocation: Arc<dyn Revocation>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = provider();
    let verifier =
        PeerVerifier { provider: Arc::clone(&provider), roots, domain, clock: Arc::clone(&clock), revocation };
    let config = ServerConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| TlsError::Setup { what: "protocol version", why: error.to_string() })?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(leaf);
    Ok(Arc::new(hardened(config)))
}

/// For the enrolment listener: no client certificate; the chain carries the root, so that a token's pin can be checked.
pub fn enrolment_config(
    leaf: Arc<LeafResolver>,
    roots: Arc<TrustRoots>,
    clock: Arc<TrustClock>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let config = ServerConfig::builder_with_details(provider(), clock)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| TlsError::Setup { what: "protocol version", why: error.to_string() })?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(WithRoot { leaf, roots }));
    Ok(Arc::new(hardened(config)))
}

fn hardened(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    config
}

/// For whoever dials the main listener: shows the leaf of `credentials`, accepts a coordinator of its fleet.
pub fn client_config(credentials: &Credentials, clock: Arc<TrustClock>) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = Arc::new(roots_of(credentials.roots())?);
    let anchor = Anchor::Fleet { roots, domain: credentials.me().domain.clone() };
    Ok(quiet(dialling(anchor, clock)?.with_client_cert_resolver(LeafResolver::new(credentials)?)))
}

/// For a joining node: shows nothing, accepts the coordinator whose root has this SHA-256.
pub fn enrolment_client_config(pin: Sha256Digest, clock: Arc<TrustClock>) -> Result<Arc<ClientConfig>, TlsError> {
    Ok(quiet(dialling(Anchor::Pin(pin), clock)?.with_no_client_auth()))
}

fn dialling(
    anchor: Anchor,
    clock: Arc<TrustClock>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, TlsError> {
    let provider = provider();
    let verifier = CoordinatorVerifier { provider: Arc::clone(&provider), anchor, clock: Arc::clone(&clock) };
    Ok(ClientConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| TlsError::Setup { what: "protocol version", why: error.to_string() })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

/// The settings all dialling configurations share.
fn quiet(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false; // nobody decides by it, and it would tell listeners on the way what this is
    Arc::new(config)
}

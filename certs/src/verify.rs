//! The verifiers behind both TLS configurations: chain, life by the trust clock, identity, revocation.

use crate::clock::{TrustClock, unix};
use crate::identity::{Identity, TrustDomain};
use crate::peer::PeerIdentity;
use crate::tls::{Revocation, TlsError, TrustRoots, roots_of};
use fleet_units::ids::Sha256Digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

/// TLS 1.2 is never negotiated, so its signatures never come up.
fn no_tls12<T>() -> Result<T, Error> {
    Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
}

fn other(error: TlsError) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

fn read(leaf: &CertificateDer<'_>) -> Result<PeerIdentity, Error> {
    PeerIdentity::from_certificate(leaf).map_err(|error| other(TlsError::Unreadable(error.to_string())))
}

/// Accepts nodes, operators and coordinators of this fleet that are not revoked.
#[derive(Debug)]
pub(crate) struct PeerVerifier {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) roots: Arc<TrustRoots>,
    pub(crate) domain: TrustDomain,
    pub(crate) clock: Arc<TrustClock>,
    pub(crate) revocation: Arc<dyn Revocation>,
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let peer = read(leaf)?;
        let now = unix(self.clock.judging(peer.not_before));
        self.roots.client_verifier().verify_client_cert(leaf, intermediates, now)?;
        if peer.domain != self.domain {
            return Err(other(TlsError::OtherFleet { theirs: peer.domain.to_string(), ours: self.domain.to_string() }));
        }
        if let Some(reason) = self.revocation.refuse(&peer) {
            tracing::info!(peer = %peer.identity, serial = %peer.serial, %reason, "refused a revoked certificate");
            return Err(Error::InvalidCertificate(CertificateError::Revoked));
        }
        self.clock.saw(peer.not_before);
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// By what a client knows the coordinator.
#[derive(Debug)]
pub(crate) enum Anchor {
    /// The roots of its own fleet.
    Fleet { roots: Arc<RootCertStore>, domain: TrustDomain },
    /// The hash of a root, out of a join token; the coordinator sends the root along.
    Pin(Sha256Digest),
}

/// Accepts a coordinator of the fleet, by identity and not by DNS name: it may be reached under any address.
#[derive(Debug)]
pub(crate) struct CoordinatorVerifier {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) anchor: Anchor,
    pub(crate) clock: Arc<TrustClock>,
}

impl CoordinatorVerifier {
    /// The roots and the domain the leaf must chain to and belong to.
    fn trusted(&self, sent: &[CertificateDer<'_>]) -> Result<(Arc<RootCertStore>, TrustDomain), Error> {
        match &self.anchor {
            Anchor::Fleet { roots, domain } => Ok((Arc::clone(roots), domain.clone())),
            Anchor::Pin(pin) => {
                let root = sent
                    .iter()
                    .find(|certificate| Sha256Digest::of(certificate) == *pin)
                    .ok_or_else(|| other(TlsError::NotPinned))?;
                let domain = crate::peer::authority_domain(root)
                    .map_err(|error| other(TlsError::Unreadable(error.to_string())))?;
                Ok((Arc::new(roots_of(std::slice::from_ref(root)).map_err(other)?), domain))
            }
        }
    }
}

impl ServerCertVerifier for CoordinatorVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (roots, domain) = self.trusted(intermediates)?;
        let peer = read(leaf)?;
        rustls::client::verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(leaf)?,
            &roots,
            intermediates,
            unix(self.clock.judging(peer.not_before)),
            self.provider.signature_verification_algorithms.all,
        )?;
        if peer.domain != domain {
            return Err(other(TlsError::OtherFleet { theirs: peer.domain.to_string(), ours: domain.to_string() }));
        }
        if !matches!(peer.identity, Identity::Coordinator { .. }) {
            return Err(other(TlsError::NotACoordinator(peer.identity.to_string())));
        }
        self.clock.saw(peer.not_before);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
